/* SPDX-License-Identifier: Apache-2.0 */
/* The PFN database: what the kernel knows of each frame of physical memory. */
#ifndef VADOSE_PFN_H
#define VADOSE_PFN_H

#include <vadose/process.h>
#include <vadose/run.h>
#include <vadose/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* MMLISTS as the kernel stores it (PageLocation). */
enum vds_page_list {
	VDS_LIST_ZEROED = 0,
	VDS_LIST_FREE = 1,
	VDS_LIST_STANDBY = 2,
	VDS_LIST_MODIFIED = 3,
	VDS_LIST_MODIFIED_NO_WRITE = 4,
	VDS_LIST_BAD = 5,
	VDS_LIST_ACTIVE = 6,
	VDS_LIST_TRANSITION = 7,
};
/* "zeroed", "free", "standby", "modified", ...; static storage. */
VDS_EXPORT const char *vds_page_list_str(enum vds_page_list list);

/* One MMPFN, decoded. A member that the layout lacks is 0. */
struct vds_pfn {
	uint64_t frame;		/* physical address / 4096 */
	uint64_t entry;		/* virtual address of the MMPFN */
	/*
	 * The PTE that maps the frame, lock bits cleared: an address in a
	 * prototype array if `prototype`, else in the page tables.
	 */
	uint64_t pte_address;
	uint64_t pte_raw;	/* PteAddress as stored */
	uint64_t original_pte;	/* what the PTE becomes when the frame is reused */
	uint64_t flink;		/* u1: next frame on its list; else other uses */
	uint64_t share_count;	/* u2: PTEs that map it, or previous frame */
	uint64_t pte_frame;	/* frame of the page that holds that PTE */
	uint32_t reference_count;
	uint32_t priority;
	uint32_t cache_attribute;
	enum vds_page_list list;
	bool prototype;		/* PrototypePte: the page belongs to a section */
	bool modified, write_in_progress, read_in_progress;
};

/*
 * The entry of @frame. NOT_APPLICABLE if the database has none for it
 * (PfnExists clear, or all zero), NO_FIELD if the profile lacks the type or
 * MmPfnDatabase, otherwise why the entry can't be read.
 */
VDS_EXPORT enum vds_why vds_pfn_at(const struct vds_process *process,
				   uint64_t frame, struct vds_pfn *ret);

/* Address and size of the database's entries; NO_FIELD as above. */
VDS_EXPORT enum vds_why vds_pfn_database(const struct vds_process *process,
					 uint64_t *ret_base,
					 uint64_t *ret_entry_size);

/*
 * The virtual address that the page-table entry at @pte_address maps, if that
 * lies in the page tables' own range (MmPteBase, before Windows 10 1607 a
 * constant); NOT_APPLICABLE if it doesn't, NO_FIELD if the range isn't known.
 */
VDS_EXPORT enum vds_why vds_pte_address_va(const struct vds_process *process,
					   uint64_t pte_address,
					   uint64_t *ret);

/* Whose page it is. */
enum vds_owner_kind {
	VDS_OWNER_UNKNOWN = 0,
	VDS_OWNER_NONE = 1,	/* on the zeroed, free or bad list */
	VDS_OWNER_SECTION = 2,	/* a page of a section */
	VDS_OWNER_PROCESS = 3,	/* a private page of a process */
	VDS_OWNER_PAGE_TABLE = 4,	/* a page table of a process */
	VDS_OWNER_SYSTEM = 5,	/* mapped in the kernel's half */
};
/* "section", "process", "page-table", "system", "none", "unknown". */
VDS_EXPORT const char *vds_owner_kind_str(enum vds_owner_kind kind);

struct vds_page_owner {
	enum vds_owner_kind kind;
	uint64_t control_area;	/* SECTION; 0: not known which */
	uint64_t subsection;	/* SECTION; 0: not known */
	uint64_t page;		/* SECTION: index in it, if has_page */
	bool has_page;
	uint64_t va;		/* PROCESS, PAGE_TABLE, SYSTEM: where it is mapped */
	/* PROCESS, PAGE_TABLE: index in the process table, or no process is
	 * known with that top table. */
	size_t process;
	bool has_process;
};

struct vds_pfn_index;

/*
 * Collects what owners are told by: the top tables of all processes and the
 * prototype arrays of all sections that some view or section object leads to.
 * *ret is borrowed until run() returns. Errors: out of memory.
 */
VDS_EXPORT struct vds_error *
vds_pfn_index_load(struct vds_run *run, const struct vds_pfn_index **ret);

/* Who owns @pfn; may be called on any run of vds_parallel(). */
VDS_EXPORT void vds_pfn_owner(struct vds_run *run,
			      const struct vds_pfn_index *index,
			      const struct vds_pfn *pfn,
			      struct vds_page_owner *ret);

/* Frames that the database may have entries for. */
struct vds_frame_range {
	uint64_t first, count;
};

/*
 * The frames below the end of the image whose entries lie in mapped parts of
 * the database, in ascending order, in ranges of some ten thousand for
 * vds_parallel(). *ret is borrowed until run() returns; *ret_why: PRESENT, or
 * why there is no database. Errors: out of memory.
 */
VDS_EXPORT struct vds_error *
vds_pfn_ranges(struct vds_run *run, const struct vds_frame_range **ret,
	       size_t *ret_count, enum vds_why *ret_why);

#ifdef __cplusplus
}
#endif
#endif
