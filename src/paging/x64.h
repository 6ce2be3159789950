/* SPDX-License-Identifier: Apache-2.0 */
/* The 4- and 5-level walk of x86-64 (Intel SDM vol. 3A, 4.5). */
#ifndef VDS_PAGING_X64_H
#define VDS_PAGING_X64_H

#include "paging/space.h"

/*
 * Walks to @va, which is canonical. PRESENT: *ret_pa is the physical address
 * of @va itself. @report (may be NULL) receives each step; its steps are
 * appended from num_steps on, and the tables of the cache are then not used,
 * so that every step is seen.
 */
enum vds_why vds_x64_walk(const struct vds_space *space, struct vds_tlb *tlb,
			  uint64_t va, struct vds_walk *report,
			  uint64_t *ret_pa);
/* The last step alone, in the table at @table. */
enum vds_why vds_x64_walk_last(const struct vds_space *space,
			       struct vds_tlb *tlb, uint64_t table,
			       uint64_t va, struct vds_walk *report,
			       uint64_t *ret_pa);

#endif
