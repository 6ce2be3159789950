/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page tables in bulk: every entry in use of a range of addresses, at the price
 * of the tables that exist, however large the range.
 */
#ifndef VADOSE_TABLE_H
#define VADOSE_TABLE_H

#include <vadose/page.h>
#include <vadose/vad.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One entry that maps a page, or whose table can't be read. */
struct vds_table_entry {
	uint64_t va;		/* first byte that it stands for */
	uint64_t size;		/* of the page, or of what is not known */
	unsigned int level;	/* 1 PTE, 2 PDE, 3 PDPTE, ... */
	uint64_t entry_pa;	/* physical address of the entry */
	uint64_t entry;		/* its content, not 0 */
	/* PRESENT: it maps a page; else why the table below it is not known. */
	enum vds_why why;
	bool valid;		/* present for the hardware */
	bool resident;		/* valid, or in transition: pa is set */
	uint64_t pa;		/* of the page */
	bool writable, user, executable;	/* over all levels, if valid */
};

/*
 * Calls @visit for each such entry of [first, last] in the address space of
 * @process, in ascending order, until it returns false. The range lies in one
 * half; what isn't canonical of it is left out. Entries that are 0 are
 * left out. A table that was met before (the tables' map of themselves) is not
 * entered again; below the kernel's half that is noted.
 */
VDS_EXPORT void
vds_tables_walk(const struct vds_process *process, uint64_t first,
		uint64_t last,
		bool (*visit)(void *ctx, const struct vds_table_entry *entry),
		void *ctx);

/* Page tables, of all levels. */
struct vds_table_count {
	uint64_t tables;	/* readable: in use by the hardware or trimmed */
	uint64_t valid;		/* of them, in use by the hardware */
	uint64_t unreadable;	/* paged out, or not in the image */
};

/*
 * Counts the tables that [first, last] of @process is translated by, empty ones
 * and the top one, too; the rules of vds_tables_walk() hold. One that two
 * entries lead to counts once.
 */
VDS_EXPORT void vds_tables_count(const struct vds_process *process,
				 uint64_t first, uint64_t last,
				 struct vds_table_count *ret);

/*
 * The page at @va of a range [va, end) of @vad in which vds_tables_walk() found
 * nothing, and how many pages from there on, at least 1, are known to be like it
 * without a look at each.
 */
VDS_EXPORT uint64_t vds_page_run(const struct vds_process *process,
				 const struct vds_vad *vad, uint64_t va,
				 uint64_t end, struct vds_page *ret);

#ifdef __cplusplus
}
#endif
#endif
