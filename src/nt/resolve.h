/* SPDX-License-Identifier: Apache-2.0 */
/* What not-present entries mean in NT's own half of the address space. */
#ifndef VDS_NT_RESOLVE_H
#define VDS_NT_RESOLVE_H

#include "nt/kernel.h"

/* Cache identities of the kernel's spaces; processes use their EPROCESS. */
#define VDS_SPACE_ID_KERNEL 1
#define VDS_SPACE_ID_TABLES 2

/*
 * The resolve callback of kernel->space; ctx is the kernel. Pages and tables
 * in transition are memory like any other; prototype PTEs are followed.
 */
vds_resolve_fn vds_resolve_kernel;

/*
 * Reads the prototype PTE at @va. Its page may be in transition, but is itself
 * never mapped through a prototype: this ends at once what could otherwise be
 * a chain as long as the image wants.
 */
enum vds_why vds_read_prototype(const struct vds_kernel *kernel,
				struct vds_tlb *tlb, uint64_t va,
				uint64_t *ret);

/*
 * Physical page of a decoded prototype PTE (or an ordinary one that names no
 * prototype), or why there is none.
 */
enum vds_why vds_pte_page(const struct vds_kernel *kernel,
			  const struct vds_pte *pte, uint64_t *ret_pa);

#endif
