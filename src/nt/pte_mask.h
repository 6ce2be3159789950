/* SPDX-License-Identifier: Apache-2.0 */
/*
 * InvalidPteMask: which bits the L1TF mitigation sets in not-present entries.
 * Usually the highest bit of a physical address, or none.
 */
#ifndef VDS_NT_PTE_MASK_H
#define VDS_NT_PTE_MASK_H

#include "nt/kernel.h"

/*
 * Fills kernel->pte.invalid_mask and .mask_why: from the kernel's variable if
 * the profile knows where it is, else from the page tables of the processes
 * behind kernel->process_head. *ret_how says which, for the report: NULL if
 * the kernel's own variable was read, or nothing had to be.
 */
void vds_pte_mask_find(struct vds_kernel *kernel, struct vds_tlb *tlb,
		       const char **ret_how);

/* A vote on the mask; zero-initialised is empty. */
struct vds_mask_vote {
	uint64_t samples;
	uint64_t set[64];	/* how many samples have the bit */
	/*
	 * Entries that name a prototype PTE, and how many of them leave the
	 * format's unused bits alone: the other era keeps something there.
	 */
	uint64_t prototypes, sound_prototypes;
};

/* Adds entries of the processes behind kernel->process_head (bounded). */
void vds_mask_vote_poll(const struct vds_kernel *kernel, struct vds_tlb *tlb,
			struct vds_mask_vote *vote);
/* Counts one entry of a user page table, if it says anything. */
void vds_mask_vote_add(struct vds_mask_vote *vote,
		       const struct vds_pte_format *format, uint64_t raw);
/* The mask if the vote is clear; false if not. */
bool vds_mask_vote_result(const struct vds_mask_vote *vote, uint64_t *ret);

#endif
