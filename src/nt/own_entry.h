/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a process's own page tables say of many pages of a shared view at once.
 * vds_page_at() tells more of one page; this is for looking at all of them.
 */
#ifndef VDS_NT_OWN_ENTRY_H
#define VDS_NT_OWN_ENTRY_H

#include "vadose/process.h"

enum vds_own_kind {
	VDS_OWN_NONE,		/* no entry, or one that leads to the prototype */
	VDS_OWN_FRAME,		/* a frame: hardware-valid, or in transition */
	VDS_OWN_PAGED_OUT,	/* in a page file, so a private page */
	VDS_OWN_BLOCKED,	/* no page: guard, no access, decommitted, ... */
	VDS_OWN_UNKNOWN,	/* the table isn't in the image, or odd */
};

struct vds_own_entry {
	uint64_t pa;		/* FRAME: of the 4 KiB page; may not be acquired */
	enum vds_own_kind kind;
};

/*
 * The entries of @va and of up to @max (at least 1) pages from there on, as far
 * as one table has them; returns how many. *ret_alike: pages that the first
 * result speaks for, more than 1 where a table is missing as a whole (1 is
 * returned then).
 */
size_t vds_own_entries(const struct vds_process *process, uint64_t va,
		       struct vds_own_entry *ret, size_t max,
		       uint64_t *ret_alike);

#endif
