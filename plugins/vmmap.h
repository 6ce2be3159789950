/* SPDX-License-Identifier: Apache-2.0 */
/* Between vmmap.c and vmmap_marks.c: what a piece of address space is for. */
#ifndef PLUGINS_VMMAP_H
#define PLUGINS_VMMAP_H

#include <vadose/plugin.h>

enum class {
	IMAGE,
	MAPPED_FILE,
	SHAREABLE,
	HEAP,
	MANAGED_HEAP,
	STACK,
	PEB_TEB,
	PRIVATE,
	OTHER,
	PAGE_TABLE,
	UNUSABLE,
	FREE,
	NUM_CLASSES
};

/* An address that tells the class of the VAD around it, and how that is known. */
struct mark {
	uint64_t va;
	enum class class;
	const char *basis;
};

struct marks {
	struct mark *list;	/* sorted by address, then class */
	size_t count, max;
	/* The profile doesn't tell where stacks, and parts of heaps, are. */
	bool no_stacks, no_heaps;
};

/*
 * What the PEB, the TEBs and the heaps of @process tell, of 64-bit code and, in
 * WoW64, of 32-bit code. In run's memory.
 */
struct vds_error *marks_read(struct vds_run *run,
			     const struct vds_process *process,
			     struct marks *ret);

/* The first mark in [start, end], or NULL. */
const struct mark *marks_find(const struct marks *marks, uint64_t start,
			      uint64_t end);

#endif
