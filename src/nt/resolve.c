/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/resolve.h"

enum vds_why vds_pte_page(const struct vds_kernel *kernel,
			  const struct vds_pte *pte, uint64_t *ret_pa)
{
	switch (pte->kind) {
	case VDS_PTE_VALID:
	case VDS_PTE_TRANSITION:
		*ret_pa = pte->pa;
		return VDS_PRESENT;
	case VDS_PTE_PAGEFILE:
	case VDS_PTE_SUBSECTION:
	case VDS_PTE_POINTER:
		return VDS_PAGED_OUT;
	case VDS_PTE_UNKNOWN:
		/* The mask is not known, and would have mattered. */
		return kernel->pte.mask_why ? kernel->pte.mask_why :
					      VDS_BAD_DATA;
	case VDS_PTE_ZERO:
	case VDS_PTE_DEMAND_ZERO:
	case VDS_PTE_DECOMMITTED:
	case VDS_PTE_GUARD:
	case VDS_PTE_NOACCESS:
	case VDS_PTE_PROTOTYPE:
	case VDS_PTE_VAD_LOOKUP:
		return VDS_NOT_MAPPED;
	}
	return VDS_BAD_DATA;
}

/* Pages and tables in transition only. */
static enum vds_why resolve_tables(const struct vds_space *space,
				   struct vds_tlb *tlb, uint64_t va,
				   unsigned int level, uint64_t entry,
				   bool readable, uint64_t *ret_pa,
				   bool *ret_final)
{
	const struct vds_kernel *kernel = space->ctx;
	struct vds_pte pte;
	(void)tlb;
	(void)va;
	(void)level;
	(void)ret_final;
	if (!readable)
		return VDS_NOT_IN_IMAGE;
	vds_pte_decode(&kernel->pte, entry, &pte);
	return vds_pte_page(kernel, &pte, ret_pa);
}

enum vds_why vds_read_prototype(const struct vds_kernel *kernel,
				struct vds_tlb *tlb, uint64_t va,
				uint64_t *ret)
{
	struct vds_space space = kernel->space;
	/* Prototype PTEs are qwords in the kernel's half. */
	if ((va & 7) || !(va >> 63))
		return VDS_BAD_ADDRESS;
	space.resolve = resolve_tables;
	space.id = VDS_SPACE_ID_TABLES;
	return vds_space_read_u64(&space, tlb, va, ret);
}

enum vds_why vds_resolve_kernel(const struct vds_space *space,
				struct vds_tlb *tlb, uint64_t va,
				unsigned int level, uint64_t entry,
				bool readable, uint64_t *ret_pa,
				bool *ret_final)
{
	const struct vds_kernel *kernel = space->ctx;
	struct vds_pte pte;
	uint64_t raw;
	if (!readable || level > 1)
		return resolve_tables(space, tlb, va, level, entry, readable,
				      ret_pa, ret_final);
	vds_pte_decode(&kernel->pte, entry, &pte);
	if (pte.kind == VDS_PTE_PROTOTYPE) {
		enum vds_why why = vds_read_prototype(kernel, tlb, pte.address,
						      &raw);
		if (why)
			return why;
		vds_pte_decode_proto(&kernel->pte, raw, &pte);
	}
	return vds_pte_page(kernel, &pte, ret_pa);
}
