/* SPDX-License-Identifier: Apache-2.0 */
/* Pool blocks with their headers, packed into pages as the kernel does. */
#include "world.h"

/* Sizes in POOL_HEADER count this many bytes (x64, all builds). */
#define UNIT 16u
/* Larger blocks have pages of their own and no header. */
#define MAX_BLOCK 0xff0u

uint32_t pool_tag(const char *tag)
{
	return (uint32_t)(uint8_t)tag[0] | (uint32_t)(uint8_t)tag[1] << 8 |
	       (uint32_t)(uint8_t)tag[2] << 16 |
	       (uint32_t)(uint8_t)tag[3] << 24;
}

static void put_header(struct world *w, uint64_t va, uint64_t prev,
		       uint64_t size, uint32_t type, const char *tag)
{
	put(w, &w->kernel, va, "_POOL_HEADER", "PreviousSize", prev);
	put(w, &w->kernel, va, "_POOL_HEADER", "BlockSize", size / UNIT);
	put(w, &w->kernel, va, "_POOL_HEADER", "PoolType", type);
	put(w, &w->kernel, va, "_POOL_HEADER", "PoolTag", pool_tag(tag));
}

static void note_big(struct world *w, uint64_t va, uint64_t size, bool paged,
		     const char *tag)
{
	struct big_block *b = world_alloc(w, sizeof(*b));
	if (!b)
		return;
	*b = (struct big_block){ w->bigs, va, size, tag, paged };
	w->bigs = b;
}

/* Fills what is left of the page with one free block. */
static void close_page(struct world *w, struct pool *pool)
{
	uint64_t left = -pool->next & VDS_PAGE_MASK;

	if (left)
		put_header(w, pool->next, pool->prev, left, 0, "Free");
	pool->next += left;
	pool->prev = 0;
}

uint64_t pool_alloc(struct world *w, struct pool *pool, uint64_t size,
		    const char *tag)
{
	uint64_t header = size_of(w, "_POOL_HEADER");
	uint64_t block = (size + header + UNIT - 1) / UNIT * UNIT;

	if (w->err)
		return 0;
	if (block > MAX_BLOCK) {
		close_page(w, pool);
		uint64_t va = pool->next;
		pool->next += (size + VDS_PAGE_MASK) & ~VDS_PAGE_MASK;
		note_big(w, va, pool->next - va, pool == &w->paged, tag);
		return va;
	}
	uint64_t left = -pool->next & VDS_PAGE_MASK;
	if (left && left < block)
		close_page(w, pool);
	uint64_t va = pool->next;
	/* Bit 0 of the type: paged; bit 1: in use. */
	put_header(w, va, pool->prev, block, pool == &w->paged ? 3 : 2, tag);
	pool->next += block;
	pool->prev = pool->next & VDS_PAGE_MASK ? block / UNIT : 0;
	return va + header;
}

uint64_t pool_alloc_at(struct world *w, uint64_t va, uint64_t size,
		       const char *tag)
{
	uint64_t header = size_of(w, "_POOL_HEADER");
	uint64_t block = (size + header + UNIT - 1) / UNIT * UNIT;

	if (block <= MAX_BLOCK && (va & VDS_PAGE_MASK) >= header)
		put_header(w, va - header, 0, block, 2, tag);
	else if (!(va & VDS_PAGE_MASK))
		note_big(w, va, (size + VDS_PAGE_MASK) & ~VDS_PAGE_MASK, true,
			 tag);
	return va;
}
