/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page-table entries as this kernel's memory manager writes them. Every bit
 * that is not the processor's comes from the profile's _MMPTE_* types.
 */
#include "world.h"

/* One bit, the highest of 46 physical address bits: a usual L1TF mask. */
#define DEFAULT_MASK (UINT64_C(1) << 45)

void pte_init(struct world *w)
{
	bool swizzles = has_field(w, "_MMPTE_SOFTWARE", "SwizzleBit");
	bool has_home = global(w, "MiInvalidPteMask") ||
			(global(w, "MiState") &&
			 has_field(w, "_MI_SYSTEM_INFORMATION",
				   "Hardware.InvalidPteMask"));

	w->mask = !swizzles || !has_home ? 0
		: w->scene->l1tf_mask == SCENE_AUTO ? DEFAULT_MASK
						    : w->scene->l1tf_mask;
}

/*
 * Against L1TF a not-present entry must not name cacheable memory: the mask is
 * set in it, and SwizzleBit tells that it was set already.
 */
static uint64_t swizzle(struct world *w, uint64_t pte, const char *type)
{
	if (!w->mask)
		return pte;
	if (pte & w->mask)
		set_bits(w, &pte, type, "SwizzleBit", 1);
	else
		pte |= w->mask;
	return pte;
}

uint64_t pte_hardware(struct world *w, uint64_t pfn, uint32_t prot, bool user,
		      bool dirty)
{
	uint64_t pte = PTE_P | PTE_A | (user ? PTE_US : 0);
	uint32_t access = prot & 7;

	set_bits(w, &pte, "_MMPTE_HARDWARE", "PageFrameNumber", pfn);
	if (access == PROT_READWRITE || access == PROT_EXECUTE_READWRITE) {
		set_bits(w, &pte, "_MMPTE_HARDWARE", "Write", 1);
		if (dirty)
			pte |= PTE_RW | PTE_D;
	}
	if (access == PROT_WRITECOPY || access == PROT_EXECUTE_WRITECOPY)
		set_bits(w, &pte, "_MMPTE_HARDWARE", "CopyOnWrite", 1);
	if (access != PROT_EXECUTE && access != PROT_EXECUTE_READ &&
	    access != PROT_EXECUTE_READWRITE &&
	    access != PROT_EXECUTE_WRITECOPY)
		pte |= PTE_NX;
	return pte;
}

uint64_t pte_proto(struct world *w, uint64_t proto, uint32_t prot)
{
	uint64_t pte = 0;

	set_bits(w, &pte, "_MMPTE_PROTOTYPE", "Prototype", 1);
	set_bits(w, &pte, "_MMPTE_PROTOTYPE", "ProtoAddress", proto);
	set_bits(w, &pte, "_MMPTE_PROTOTYPE", "Protection", prot);
	return swizzle(w, pte, "_MMPTE_PROTOTYPE");
}

uint64_t pte_lookup(struct world *w, uint32_t prot)
{
	uint64_t pte = 0;

	set_bits(w, &pte, "_MMPTE_SOFTWARE", "PageFileHigh", UINT32_MAX);
	set_bits(w, &pte, "_MMPTE_SOFTWARE", "Prototype", 1);
	set_bits(w, &pte, "_MMPTE_SOFTWARE", "Protection", prot);
	return pte;
}

uint64_t pte_transition(struct world *w, uint64_t pfn, uint32_t prot)
{
	uint64_t pte = 0;

	set_bits(w, &pte, "_MMPTE_TRANSITION", "Transition", 1);
	set_bits(w, &pte, "_MMPTE_TRANSITION", "Protection", prot);
	set_bits(w, &pte, "_MMPTE_TRANSITION", "PageFrameNumber", pfn);
	return swizzle(w, pte, "_MMPTE_TRANSITION");
}

uint64_t pte_soft(struct world *w, uint32_t file, uint64_t offset,
		  uint32_t prot)
{
	uint64_t pte = 0;

	set_bits(w, &pte, "_MMPTE_SOFTWARE", "Protection", prot);
	set_bits(w, &pte, "_MMPTE_SOFTWARE", "PageFileLow", file);
	set_bits(w, &pte, "_MMPTE_SOFTWARE", "PageFileHigh", offset);
	return swizzle(w, pte, "_MMPTE_SOFTWARE");
}

uint64_t pte_subsection(struct world *w, uint64_t subsection, uint32_t prot)
{
	uint64_t pte = 0;

	set_bits(w, &pte, "_MMPTE_SUBSECTION", "Prototype", 1);
	set_bits(w, &pte, "_MMPTE_SUBSECTION", "Protection", prot);
	set_bits(w, &pte, "_MMPTE_SUBSECTION", "SubsectionAddress", subsection);
	return swizzle(w, pte, "_MMPTE_SUBSECTION");
}
