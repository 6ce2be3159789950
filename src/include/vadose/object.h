/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel objects: section objects and the names that they are known by. */
#ifndef VADOSE_OBJECT_H
#define VADOSE_OBJECT_H

#include <vadose/run.h>
#include <vadose/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a section object was found. */
#define VDS_OBJECT_DIRECTORY 0x1	/* in the object directory tree */
#define VDS_OBJECT_HANDLE 0x2		/* in a process's handle table */
#define VDS_OBJECT_PROCESS 0x4		/* EPROCESS.SectionObject */

/* One section object. */
struct vds_section_object {
	uint64_t object;	/* body of the SECTION(_OBJECT) */
	uint64_t control_area;	/* flag bits cleared; 0: see control_area_why */
	enum vds_why control_area_why;
	/* Full path in the object name space ("\\BaseNamedObjects\\x") if its
	 * directory is known, else the bare name; NULL: see name_why. */
	const char *name;
	enum vds_why name_why;	/* NOT_APPLICABLE: the object has no name */
	uint64_t size;		/* SizeOfSection, bytes */
	enum vds_why size_why;
	uint32_t found;		/* VDS_OBJECT_* */
	uint32_t pid;		/* first holder by (pid, handle), with HANDLE */
	uint64_t handle;
	uint32_t protection;	/* InitialPageProtection: PAGE_* of the API */
	enum vds_why protection_why;
};

struct vds_section_names;

/*
 * All section objects that directories and handle tables lead to; *ret is
 * borrowed until run() returns. What was unreadable is noted.
 */
VDS_EXPORT struct vds_error *
vds_section_names_load(struct vds_run *run,
		       const struct vds_section_names **ret);

/*
 * The name of a control area's section object: the first in byte order if it
 * has several; NULL with the reason in *ret_why (NOT_APPLICABLE: no named
 * section object leads to it).
 */
VDS_EXPORT const char *vds_section_name(const struct vds_section_names *names,
					uint64_t control_area,
					enum vds_why *ret_why);

/* The objects themselves, by (control area, object). */
VDS_EXPORT const struct vds_section_object *
vds_section_objects(const struct vds_section_names *names, size_t *ret_count);

/*
 * The processes with a handle to the section object, by PID, each once; as long
 * as @names.
 */
VDS_EXPORT const uint32_t *
vds_section_holders(const struct vds_section_names *names, uint64_t object,
		    size_t *ret_count);

#ifdef __cplusplus
}
#endif
#endif
