/* SPDX-License-Identifier: Apache-2.0 */
/* Input: flags (1 byte), mask (8), then entries (8 each), decoded both ways. */
#include <stdlib.h>

#include "base/bytes.h"
#include "fuzz_pte.h"
#include "nt/pte_mask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct vds_pte *pte, uint64_t raw)
{
	if (pte->raw != raw || (pte->kind == VDS_PTE_VALID) != (raw & 1) ||
	    (pte->kind == VDS_PTE_ZERO) != !raw)
		abort();
	if (pte->has_protection && pte->protection > 0x1f)
		abort();
	if (pte->pa & 0xfff || pte->pa >> 52)
		abort();
	/* Addresses are sign-extended from 48 bits. */
	if ((uint64_t)vds_sign_extend(pte->address, 48) != pte->address)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vds_bytes b;
	struct vds_mask_vote vote = {0};
	vds_bytes_init(&b, data, size);
	uint8_t flags = vds_bytes_u8(&b);
	struct vds_pte_format format = fuzz_pte_format(flags & 1, flags & 2,
						       vds_bytes_u64(&b));
	while (vds_bytes_left(&b) >= 8) {
		struct vds_pte pte;
		uint64_t raw = vds_bytes_u64(&b), mask;
		vds_pte_decode(&format, raw, &pte);
		check(&pte, raw);
		vds_pte_decode_proto(&format, raw, &pte);
		check(&pte, raw);
		uint64_t plain = vds_pte_unswizzle(&format, raw);
		if (plain & ~raw)	/* never sets a bit */
			abort();
		vds_mask_vote_add(&vote, &format, raw);
		if (vds_mask_vote_result(&vote, &mask) && (mask & (mask - 1)))
			abort();
	}
	return 0;
}
