/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding the kernel without knowing anything but the image: page-table
 * candidates by several methods, what each one shows, and the kernels seen
 * through them, best first. No profile is needed; the steps of verification
 * that need one (PsInitialSystemProcess) come afterwards, in kernel.c.
 */
#ifndef VDS_NT_DISCOVER_H
#define VDS_NT_DISCOVER_H

#include "nt/kernel.h"
#include "nt/pe_rsds.h"

/* A kernel seen through a candidate's tables. */
struct vds_find {
	struct vds_space space;	/* without resolve */
	size_t candidate;	/* index into candidates */
	uint64_t base;
	struct vds_pe_identity pe;
	struct vds_kuser kuser;
};

/* Zero-initialised is valid and empty; freed by vds_discovery_deinit(). */
struct vds_discovery {
	struct vds_dtb_candidate *candidates;
	size_t num_candidates, cap_candidates;
	struct vds_find *finds;		/* best first */
	size_t num_finds, cap_finds;
};

/*
 * Looks for kernels. A method is tried only if the better ones found nothing;
 * with @thorough all are, and the kernel is looked for at each mapped page and
 * not at large-page steps alone (for when the usual find didn't stand the
 * later tests). Nothing found is no error: num_finds is 0 then.
 */
struct vds_error *vds_discover(const struct vds_image *image,
			       const struct vds_kernel_options *options,
			       bool thorough, struct vds_tlb *tlb,
			       struct vds_discovery *ret);
void vds_discovery_deinit(struct vds_discovery *discovery);

/* The PE at @base, if it is a kernel's; false if not. */
bool vds_kernel_check_base(const struct vds_space *space, struct vds_tlb *tlb,
			   uint64_t base, struct vds_pe_identity *ret);

/* A kernel image found in an address space. */
struct vds_kernel_base {
	uint64_t base;
	struct vds_pe_identity pe;
};

/*
 * Kernel images in the region where Windows loads them, in ascending order, at
 * most @max; returns how many. Unless @thorough, pages at 2 MiB steps come
 * first and others only if those hold none.
 */
size_t vds_kernel_base_find(const struct vds_space *space, struct vds_tlb *tlb,
			    bool thorough, struct vds_kernel_base *ret,
			    size_t max);

/* A page that looks like a top-level table. */
struct vds_dtb_hit {
	uint64_t pa;
	unsigned int levels;
	uint64_t kernel_half;	/* the entry that leads to the kernel image */
};

/*
 * Scans all data of the image for self-referencing top tables, in ascending
 * order of address. *ret is malloc'ed. Errors: out of memory.
 */
struct vds_error *vds_dtb_scan(const struct vds_image *image,
			       unsigned int threads, struct vds_dtb_hit **ret,
			       size_t *ret_count);

/* Judges one page (4096 bytes at physical address @pa). */
bool vds_dtb_check_page(const uint8_t *page, uint64_t pa,
			struct vds_dtb_hit *ret);

/* PROCESSOR_START_BLOCK in the page at @pa: its CR3 and LA57. */
bool vds_low_stub_check(const uint8_t *page, uint64_t *ret_cr3,
			bool *ret_la57);

#endif
