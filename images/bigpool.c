/* SPDX-License-Identifier: Apache-2.0 */
/* PoolBigPageTable: pool allocations that have no POOL_HEADER of their own. */
#include "world.h"

#include "base/bytes.h"

#define PAGED_POOL 1u
#define NONPAGED_POOL 0u

static void put_slot(struct world *w, uint64_t va, const struct big_block *b)
{
	static const char type[] = "_POOL_TRACKER_BIG_PAGES";

	put(w, &w->kernel, va, type, "Va", b->va);
	put(w, &w->kernel, va, type, "Key", pool_tag(b->tag));
	put(w, &w->kernel, va, type, "PoolType",
	    b->paged ? PAGED_POOL : NONPAGED_POOL);
	put(w, &w->kernel, va, type, "NumberOfBytes", b->size);
}

/* A slot for each block, then as many free ones; the size is a power of two. */
void bigpool_build(struct world *w)
{
	uint64_t each = size_of(w, "_POOL_TRACKER_BIG_PAGES"), slots = 64;
	uint64_t n = 0;

	for (const struct big_block *b = w->bigs; b; b = b->next)
		n++;
	while (slots < 2 * n)
		slots *= 2;
	uint64_t va = w->nonpaged.next + VDS_PAGE_SIZE;
	va = (va + VDS_PAGE_MASK) & ~VDS_PAGE_MASK;
	w->nonpaged.next = (va + slots * each + VDS_PAGE_MASK) & ~VDS_PAGE_MASK;
	w->nonpaged.prev = 0;
	for (uint64_t at = 0; at < slots * each && !w->err;
	     at += VDS_PAGE_SIZE)
		(void)space_pfn(w, &w->kernel, va + at);
	n = 0;
	for (const struct big_block *b = w->bigs; b && !w->err; b = b->next)
		put_slot(w, va + n++ * each, b);
	/* Bit 0 of the address: the slot is free again. */
	put(w, &w->kernel, va + n * each, "_POOL_TRACKER_BIG_PAGES", "Va", 1);
	if (!put_global(w, "PoolBigPageTable", va) ||
	    !put_global(w, "PoolBigPageTableSize", slots))
		world_fail(w, vds_error_create(VDS_ERROR_FORMAT,
			"the profile has no PoolBigPageTable"));
}
