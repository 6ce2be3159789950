/* SPDX-License-Identifier: Apache-2.0 */
/* PTE formats of the two eras, for fuzzing without a profile. */
#ifndef VDS_FUZZ_PTE_H
#define VDS_FUZZ_PTE_H

#include "nt/pte.h"

static inline struct vds_field fuzz_bits(unsigned int pos, unsigned int len)
{
	return (struct vds_field){.size = 8, .bit_pos = (uint8_t)pos,
				  .bit_len = (uint8_t)len, .present = true};
}

static inline struct vds_pte_format fuzz_pte_format(bool swizzle,
						    bool mask_known,
						    uint64_t mask)
{
	struct vds_pte_format f = {
		.has_swizzle = swizzle,
		.invalid_mask = mask,
		.mask_why = mask_known ? VDS_PRESENT : VDS_NO_FIELD,
		.hw_pfn_mask = UINT64_C(0x000ffffffffff000),
		.soft_protection = fuzz_bits(5, 5),
		.soft_prototype = fuzz_bits(10, 1),
		.soft_transition = fuzz_bits(11, 1),
		.soft_pagefile_low = fuzz_bits(swizzle ? 12 : 1, 4),
		.soft_pagefile_high = fuzz_bits(32, 32),
		.proto_protection = fuzz_bits(swizzle ? 5 : 11, 5),
		.proto_address = fuzz_bits(16, 48),
		.trans_protection = fuzz_bits(5, 5),
		.trans_pfn = fuzz_bits(12, swizzle ? 40 : 36),
		.subsect_protection = fuzz_bits(5, 5),
		.subsect_address = fuzz_bits(16, 48),
	};
	if (swizzle)
		f.soft_swizzle = fuzz_bits(4, 1);
	return f;
}

#endif
