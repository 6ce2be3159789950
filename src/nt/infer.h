/* SPDX-License-Identifier: Apache-2.0 */
/* What a kernel's symbols would have said, found in its own bytes. */
#ifndef VDS_NT_INFER_H
#define VDS_NT_INFER_H

#include "nt/kernel.h"

/* A variable of the kernel image that points into kernel memory. */
struct vds_pointer {
	uint64_t va;	/* where it is */
	uint64_t value;
};

/* Zero-initialised is valid and empty. */
struct vds_pointers {
	struct vds_pointer *list;	/* by va; malloc'ed */
	size_t count, cap;
};

/* All of them (capped). Needs no profile. Errors: out of memory. */
struct vds_error *vds_pointers_collect(const struct vds_kernel *kernel,
				       struct vds_tlb *tlb,
				       struct vds_pointers *ret);
void vds_pointers_deinit(struct vds_pointers *pointers);

/*
 * For a bound profile that is not of this very kernel: withdraws its symbols,
 * and finds System, the list heads and the object manager's tables by their
 * structure; each goes into kernel->inferences with how it was checked.
 * *ret_found is false if not even System is to be found: the layout is wrong.
 * Only with @deep all of the kernel's memory is searched for it. Errors: out
 * of memory.
 */
struct vds_error *vds_kernel_infer_symbols(struct vds_kernel *kernel,
					   struct vds_tlb *tlb,
					   const struct vds_pointers *pointers,
					   bool deep, bool *ret_found);

/* Appends to kernel->inferences; all strings are static. */
struct vds_error *vds_kernel_infer(struct vds_kernel *kernel, const char *what,
				   uint64_t value, const char *how,
				   const char *check);

/*
 * How well the bound layout fits what is in memory, 0 to 3000: up to 1000 each
 * for VAD trees that have as many nodes as their processes count, for sections
 * that hang together, and for PTEs of the layout's era. Errors: out of memory.
 */
struct vds_error *vds_layout_fit(struct vds_kernel *kernel,
				 struct vds_tlb *tlb, unsigned int *ret);
#define VDS_FIT_PERFECT 3000u
#define VDS_FIT_ENOUGH 1500u

#endif
