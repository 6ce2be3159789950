/* SPDX-License-Identifier: Apache-2.0 */
/* vds_pool_scan(): blocks of kernel pool, wherever in physical memory. */
#include "base/util.h"
#include "plugin/session.h"
#include "vadose/pfn.h"
#include "vadose/pool.h"
#include "vadose/record.h"

#define PAGE 4096u
#define UNIT 16u
#define HEADER_SIZE 16u
/* Physical memory that one call looks at. */
#define CHUNK (UINT64_C(8) << 20)
/* Read at once; on the stack, since a run's memory stays until the end. */
#define WINDOW (256u * 1024)

struct context {
	const struct vds_pool_scan *how;
	const uint64_t *pieces;
	uint32_t tag_offset;
	bool chained;	/* blocks tell the size of the one before */
};

/* A page of the scan, and where the kernel sees it: asked for once a page. */
struct page {
	const uint8_t *bytes;
	uint64_t pa, va;
	bool asked, placed;
};

/* Until 1903 the block before says the same size of itself. */
static bool chain_fits(struct vds_run *run, const uint8_t *page, uint32_t at,
		       const struct vds_pool_header *header)
{
	struct vds_pool_header before;
	if (!header->previous_size)
		return !at;
	if (header->previous_size > at)
		return false;
	uint32_t start = at - header->previous_size;
	return !vds_pool_header_decode(run, page + start, HEADER_SIZE, start,
				       &before) &&
	       before.size == header->previous_size;
}

/*
 * Where the kernel sees the frame: the PFN database names the PTE that maps
 * it, and the page tables must lead back.
 */
static bool find_va(struct vds_run *run, uint64_t pa, uint64_t *ret)
{
	const struct vds_process *any = vds_process_at(run, 0);
	struct vds_translation there;
	struct vds_pfn pfn;
	uint64_t va;
	if (!any || vds_pfn_at(any, pa >> 12, &pfn) || pfn.prototype ||
	    vds_pte_address_va(any, pfn.pte_address, &va) || !(va >> 63))
		return false;
	vds_translate(run, NULL, va, &there);
	if (there.why || there.pa >> 12 != pa >> 12)
		return false;
	*ret = va;
	return true;
}

static struct vds_error *look_at(struct vds_run *run, const struct context *c,
				 struct page *page, uint32_t at)
{
	struct vds_pool_header header;
	if (vds_pool_header_decode(run, page->bytes + at, HEADER_SIZE, at,
				   &header) ||
	    header.size <= HEADER_SIZE ||
	    (!header.pool_type && !c->how->all) ||
	    (c->chained && !chain_fits(run, page->bytes, at, &header)))
		return NULL;
	struct vds_pool_block block = {
		.size = header.size,
		.previous_size = header.previous_size,
		.tag = header.tag,
		.pool_type = header.pool_type,
		.method = VDS_POOL_HEADER,
		.allocated = header.pool_type != 0,
	};
	uint64_t pa = page->pa + at;
	if (!page->asked) {
		page->asked = true;
		page->placed = find_va(run, page->pa, &page->va);
	}
	if (page->placed) {
		block.address = page->va + at;
		block.data = block.address + HEADER_SIZE;
	}
	return c->how->visit(run, c->how->ctx, &block, &pa);
}

static bool may_begin(const struct context *c, const uint8_t *p)
{
	unsigned int pair = p[0] | (unsigned int)p[1] << 8;
	return c->how->begin[pair >> 3] >> (pair & 7) & 1;
}

static struct vds_error *scan_page(struct vds_run *run, const struct context *c,
				   const uint8_t *bytes, uint64_t pa)
{
	struct page page = {.bytes = bytes, .pa = pa};
	for (uint32_t at = 0; at < PAGE; at += UNIT) {
		const uint8_t *p = bytes + at + c->tag_offset;
		/* One branch for several units, seldom taken. */
		if (at % (4 * UNIT) == 0 &&
		    !((int)may_begin(c, p) | (int)may_begin(c, p + UNIT) |
		      (int)may_begin(c, p + 2 * UNIT) |
		      (int)may_begin(c, p + 3 * UNIT))) {
			at += 3 * UNIT;
			continue;
		}
		uint32_t tag = (uint32_t)(p[0] | p[1] << 8 | p[2] << 16) |
			       (uint32_t)p[3] << 24;
		if (!may_begin(c, p) || !c->how->want(c->how->ctx, tag))
			continue;
		struct vds_error *err = look_at(run, c, &page, at);
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *scan_piece(struct vds_run *run, size_t index,
				    void *ctx)
{
	const struct context *c = ctx;
	uint64_t pa = c->pieces[index], end = pa + CHUNK;
	uint8_t window[WINDOW];
	while (pa < end) {
		size_t have = vds_physical_scan(run, &pa, window,
						sizeof(window));
		if (!have)
			break;
		for (size_t i = 0; i + PAGE <= have && pa + i < end;
		     i += PAGE) {
			struct vds_error *err =
				scan_page(run, c, window + i, pa + i);
			if (err)
				return err;
		}
		pa += have;
	}
	return NULL;
}

/* Allocations of a page or more have no header: the table tells of them. */
static struct vds_error *list_big(struct vds_run *run, const struct context *c)
{
	const struct vds_big_page *big;
	enum vds_why why;
	size_t count;
	struct vds_error *err = vds_big_pages_load(run, &big, &count, &why);
	/* What this kernel doesn't have is no loss. */
	if (!err && why && why != VDS_NO_FIELD)
		vds_run_note(run, "no_big_pages", 0,
			     "the table of big allocations: %s",
			     vds_why_str(why));
	for (size_t i = 0; !err && i < count; i++) {
		if (!c->how->want(c->how->ctx, big[i].tag) || (big[i].free && !c->how->all))
			continue;
		struct vds_pool_block block = {
			.address = big[i].va, .data = big[i].va,
			.size = big[i].size, .tag = big[i].tag,
			.pool_type = big[i].pool_type,
			.method = VDS_POOL_BIG_PAGES,
			.allocated = !big[i].free,
		};
		err = c->how->visit(run, c->how->ctx, &block, NULL);
	}
	return err;
}

struct vds_error *vds_pool_scan(struct vds_run *run,
				const struct vds_pool_scan *how)
{
	struct context c = {
		.how = how, .chained = !vds_pool_is_segment_heap(run),
	};
	struct vds_member_info tag;
	size_t count;
	if (!vds_type_member_find(vds_type_find(run, "_POOL_HEADER"),
				  "PoolTag", &tag) ||
	    tag.offset > HEADER_SIZE - 4) {
		vds_run_note(run, "no_pool_header", 0,
			     "the profile lacks _POOL_HEADER");
		return NULL;
	}
	c.tag_offset = tag.offset;
	/* Without it no block's virtual address is known. */
	vds_run_note_pfn_database(run, ": blocks can't be placed");
	struct vds_error *err = list_big(run, &c);
	if (!err)
		err = vds_physical_pieces(run, CHUNK, &c.pieces, &count);
	if (!err)
		err = vds_parallel(run, count, scan_piece, &c);
	return err;
}
