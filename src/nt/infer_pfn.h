/* SPDX-License-Identifier: Apache-2.0 */
/* Where the PFN database and the page tables' own range are, without symbols. */
#ifndef VDS_NT_INFER_PFN_H
#define VDS_NT_INFER_PFN_H

#include "nt/infer.h"

/*
 * Sets MmPteBase and MmPfnDatabase in kernel->binding if @pointers has variables
 * that hold them, and records both in kernel->inferences. Errors: out of memory.
 */
struct vds_error *vds_infer_pfn_database(struct vds_kernel *kernel,
					 struct vds_tlb *tlb,
					 const struct vds_pointers *pointers);

#endif
