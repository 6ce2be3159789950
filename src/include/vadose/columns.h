/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Columns that many plugins have, declared once: the same name means the same
 * thing, of the same kind, under the same heading and in the same ECS field.
 * Each takes the flags that this plugin gives it (VDS_COLUMN_*, or 0):
 *
 *	[COL_PID] = VDS_COL_PID(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
 *
 * A column that says something more particular is written out in its plugin.
 */
#ifndef VADOSE_COLUMNS_H
#define VADOSE_COLUMNS_H

#include <vadose/plugin.h>

/* The process that a row belongs to. */
#define VDS_COL_PID(flags)						\
	{"process.pid", VDS_KIND_INT, (flags), "PID", NULL,		\
	 "process ID", "process.pid"}
#define VDS_COL_PROCESS(flags)						\
	{"process.name", VDS_KIND_STR, (flags), "Process", NULL,	\
	 "file name of the process", "process.name"}
#define VDS_COL_EPROCESS(flags)						\
	{"process.eprocess", VDS_KIND_ADDR, (flags), "EPROCESS", NULL,	\
	 "address of the EPROCESS", NULL}

/* The VAD that a row is about. */
#define VDS_COL_VAD_NODE(flags)						\
	{"vad.node", VDS_KIND_ADDR, (flags), "VAD", NULL,		\
	 "address of the MMVAD", NULL}
#define VDS_COL_VAD_START(flags)					\
	{"vad.start", VDS_KIND_ADDR, (flags), "Start", NULL,		\
	 "first byte", NULL}
#define VDS_COL_VAD_END(flags)						\
	{"vad.end", VDS_KIND_ADDR, (flags), "End", NULL,		\
	 "last byte, inclusive", NULL}
#define VDS_COL_VAD_SIZE(flags)						\
	{"vad.size", VDS_KIND_SIZE, (flags), "Size", "bytes",		\
	 "its length", NULL}
#define VDS_COL_VAD_TAG(flags)						\
	{"vad.tag", VDS_KIND_STR, (flags), "Tag", NULL,			\
	 "pool tag of the node", NULL}
#define VDS_COL_VAD_TYPE(flags)						\
	{"vad.type", VDS_KIND_STR, (flags), "Type", NULL,		\
	 "private, mapped, image, physical, ...", NULL}
#define VDS_COL_VAD_PROTECTION(flags)					\
	{"vad.protection", VDS_KIND_STR, (flags), "Protection", NULL,	\
	 "initial protection; pages may differ", NULL}

/* The section behind it. */
#define VDS_COL_SECTION_ID(flags)					\
	{"section.id", VDS_KIND_ADDR, (flags), "Section", NULL,		\
	 "identity of the section: its control area, or the first prototype PTE where that is unknown", \
	 NULL}
#define VDS_COL_CONTROL_AREA(flags)					\
	{"section.control_area", VDS_KIND_ADDR, (flags),		\
	 "Control area", NULL, "address of the CONTROL_AREA", NULL}
#define VDS_COL_BACKING(flags)						\
	{"section.backing", VDS_KIND_STR, (flags), "Backing", NULL,	\
	 "what backs it: pagefile, data, image, physical, unknown", NULL}
#define VDS_COL_SECTION_FILE(flags)					\
	{"section.file", VDS_KIND_STR, (flags), "File", NULL,		\
	 "name of the mapped file", "file.path"}
#define VDS_COL_SECTION_NAME(flags)					\
	{"section.name", VDS_KIND_STR, (flags), "Name", NULL,		\
	 "name of the section object", NULL}
#define VDS_COL_SECTION_SIZE(flags)					\
	{"section.size", VDS_KIND_SIZE, (flags), "Section size", "bytes", \
	 "Segment.SizeOfSegment", NULL}

#endif
