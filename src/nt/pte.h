/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NT's software page-table entries: what a not-present entry means. All bit
 * positions come from the profile's _MMPTE_* types; the era (before or after
 * the L1TF fix) is told by the presence of SwizzleBit.
 */
#ifndef VDS_NT_PTE_H
#define VDS_NT_PTE_H

#include "nt/fields.h"
#include "vadose/types.h"

/* Everything needed to decode an entry; plain data, filled from a profile. */
struct vds_pte_format {
	bool has_swizzle;	/* the layouts have SwizzleBit (L1TF era) */
	/* InvalidPteMask; with has_swizzle and mask_why PRESENT only. */
	uint64_t invalid_mask;
	enum vds_why mask_why;
	uint64_t hw_pfn_mask;	/* of hardware PTEs (bits 12-47 or 12-51) */
	/*
	 * NT's own Write (the page may be written; the hardware's bit is set
	 * by the first write) and CopyOnWrite bits of hardware PTEs, 0 if the
	 * layout has none.
	 */
	uint64_t hw_write, hw_copy_on_write;
	struct vds_field soft_protection, soft_prototype, soft_transition,
		soft_pagefile_low, soft_pagefile_high, soft_swizzle;
	struct vds_field proto_protection, proto_address, proto_read_only;
	/* Bits that the prototype format calls unused: set in none. */
	uint64_t proto_unused;
	/* Numbers of page files that are the compressed store, as bits. */
	uint16_t virtual_stores;
	struct vds_field trans_protection, trans_pfn;
	struct vds_field subsect_protection, subsect_address;
};

enum vds_pte_kind {
	VDS_PTE_ZERO,		/* no information: ask the VAD */
	VDS_PTE_VALID,		/* hardware-present */
	VDS_PTE_PROTOTYPE,	/* address of a prototype PTE */
	VDS_PTE_VAD_LOOKUP,	/* prototype, to be found through the VAD */
	VDS_PTE_TRANSITION,
	VDS_PTE_DEMAND_ZERO,
	VDS_PTE_DECOMMITTED,
	VDS_PTE_GUARD,
	VDS_PTE_NOACCESS,
	VDS_PTE_PAGEFILE,
	VDS_PTE_SUBSECTION,	/* in prototype arrays: file-backed, not resident */
	VDS_PTE_POINTER,	/* 22621+: a kernel pointer without bit 10 */
	VDS_PTE_UNKNOWN,
};

struct vds_pte {
	enum vds_pte_kind kind;
	uint64_t raw;
	uint64_t pa;		/* VALID, TRANSITION: physical address of the page */
	uint64_t address;	/* PROTOTYPE, SUBSECTION, POINTER: kernel address */
	uint32_t protection;	/* 5-bit code, where the form has one */
	bool has_protection;
	uint32_t pagefile;	/* PAGEFILE */
	uint64_t pagefile_offset;	/* PAGEFILE: pages */
	bool compressed;	/* PAGEFILE: in the compressed store */
};

/* Fills @ret from the profile's types (the mask is found by the kernel). */
enum vds_why vds_pte_format_init(struct vds_pte_format *ret,
				 const struct vds_profile *profile);

/* Undoes the L1TF mitigation on a non-zero invalid entry; others unchanged. */
uint64_t vds_pte_unswizzle(const struct vds_pte_format *format, uint64_t raw);

/* Decodes an entry of a page table (process or system context). */
void vds_pte_decode(const struct vds_pte_format *format, uint64_t raw,
		    struct vds_pte *ret);
/* Decodes an entry of a prototype array: bit 10 means SUBSECTION there. */
void vds_pte_decode_proto(const struct vds_pte_format *format, uint64_t raw,
			  struct vds_pte *ret);

#endif
