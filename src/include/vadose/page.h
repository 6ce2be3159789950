/* SPDX-License-Identifier: Apache-2.0 */
/* One page of a process: where its bytes are, and what the tables say. */
#ifndef VADOSE_PAGE_H
#define VADOSE_PAGE_H

#include <vadose/vad.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vds_page_state {
	VDS_PAGE_UNKNOWN_FORMAT = 0,	/* `pte` has an unknown form */
	VDS_PAGE_PRESENT,		/* hardware-valid, or a valid prototype */
	VDS_PAGE_TRANSITION,		/* in memory, on the standby/modified list */
	VDS_PAGE_DEMAND_ZERO,
	VDS_PAGE_UNTOUCHED_SHARED,	/* resident in its prototype, not yet here */
	VDS_PAGE_FILE_NOT_RESIDENT,	/* in the mapped file on disk */
	VDS_PAGE_PAGEFILE,		/* in a page file */
	VDS_PAGE_COMPRESSED,		/* in the compressed store */
	VDS_PAGE_DECOMMITTED,
	VDS_PAGE_GUARD,
	VDS_PAGE_NOACCESS,
	VDS_PAGE_RESERVED,
	VDS_PAGE_UNREADABLE_TABLE,	/* a page table is not in the image */
	VDS_PAGE_UNREADABLE_PROTO,	/* the prototype array is not in the image */
	VDS_PAGE_OUT_OF_IMAGE,		/* resident at `pa`, which was not acquired */
};
VDS_EXPORT const char *vds_page_state_str(enum vds_page_state state);

/* How the page came to be found. */
enum vds_page_via {
	VDS_VIA_HARDWARE = 0,	/* page tables alone */
	VDS_VIA_PTE = 1,	/* a software PTE (transition, page file, ...) */
	VDS_VIA_PROTO_PTE = 2,	/* the PTE holds the prototype's address */
	VDS_VIA_PROTO_VAD = 3,	/* the prototype was found through the VAD */
};

struct vds_page {
	enum vds_page_state state;
	enum vds_page_via via;
	uint64_t pa;		/* PRESENT, TRANSITION, OUT_OF_IMAGE: page address */
	uint64_t page_size;	/* 4096, or that of a large page */
	uint64_t pte;		/* content of the process's own entry */
	enum vds_why pte_why;	/* whether it could be read */
	uint64_t proto;		/* address of the prototype PTE, 0 = none */
	uint64_t proto_pte;	/* its content */
	enum vds_why proto_why;
	uint32_t protection;	/* effective 5-bit code where known */
	enum vds_why protection_why;
	uint32_t pagefile;	/* PAGEFILE, COMPRESSED: number */
	uint64_t pagefile_offset;	/* the same: in pages */
	uint64_t subsection;	/* FILE_NOT_RESIDENT */
	bool writable, executable;	/* hardware rights, if via hardware */
	/*
	 * The entry of a page with a prototype holds a frame of its own: it
	 * was written (copy-on-write). Decided by comparing the two frames;
	 * shared_why is not PRESENT if the prototype says nothing.
	 */
	bool is_private_copy;
	enum vds_why private_why;
	/*
	 * Bytes (aligned to themselves) around the page that one missing or
	 * unreadable table would have described: all alike. 0 if the page has
	 * an entry of its own.
	 */
	uint64_t absent_span;
};

/* The page at @va, which lies in @vad (NULL: no VAD covers it). */
VDS_EXPORT void vds_page_at(const struct vds_process *process,
			    const struct vds_vad *vad, uint64_t va,
			    struct vds_page *ret);

#ifdef __cplusplus
}
#endif
#endif
