/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the translation cache: direct-mapped arrays, one of whole
 * translations, one of the tables that hold the last level (so that a miss in
 * the first costs one read of the image in place of four), and one of those
 * tables with what the levels above them allow, for reported walks. Only
 * successes are kept: what is absent is rare, and its reason is worth finding
 * again.
 */
#ifndef VDS_PAGING_TLB_H
#define VDS_PAGING_TLB_H

#include "paging/space.h"

/* 8192 * 24 bytes: 32 MiB of reach. */
#define VDS_TLB_PAGES 8192u
/* 1024 * 24 bytes: 2 GiB of reach. */
#define VDS_TLB_TABLES 1024u

/* In `pa` of an entry of `walks`: what the levels above the table say. */
#define VDS_TLB_HARDWARE 0x1u
#define VDS_TLB_WRITABLE 0x2u
#define VDS_TLB_USER 0x4u
#define VDS_TLB_EXECUTABLE 0x8u

struct vds_tlb_entry {
	uint64_t id;	/* of the space, or its dtb | 1; 0 = free */
	uint64_t key;	/* va >> 12, or va >> 21 for tables */
	uint64_t pa;	/* of the page or the table */
};

struct vds_tlb {
	struct vds_tlb_entry pages[VDS_TLB_PAGES];
	struct vds_tlb_entry tables[VDS_TLB_TABLES];
	struct vds_tlb_entry walks[VDS_TLB_TABLES];
};

/*
 * Neighbouring keys get neighbouring slots; the multiplier spreads spaces,
 * whose low addresses are all alike.
 */
static inline size_t vds_tlb_slot(uint64_t id, uint64_t key, size_t slots)
{
	uint64_t mix = id * UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(key ^ key >> 18 ^ mix >> 32) & (slots - 1);
}

static inline bool vds_tlb_get(const struct vds_tlb_entry *entries,
			       size_t slots, uint64_t id, uint64_t key,
			       uint64_t *ret_pa)
{
	const struct vds_tlb_entry *entry =
		&entries[vds_tlb_slot(id, key, slots)];
	if (entry->key != key || entry->id != id)
		return false;
	*ret_pa = entry->pa;
	return true;
}

static inline void vds_tlb_put(struct vds_tlb_entry *entries, size_t slots,
			       uint64_t id, uint64_t key, uint64_t pa)
{
	entries[vds_tlb_slot(id, key, slots)] =
		(struct vds_tlb_entry){.id = id, .key = key, .pa = pa};
}

#endif
