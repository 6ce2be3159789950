/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page that views share is the prototype PTE's. Where the array of these can't
 * be read, the views are asked: all that map the section's page map one frame,
 * and the PFN database tells that frame from the copies of single views.
 */
#include <stdlib.h>
#include <string.h>

#include <vadose/page.h>
#include <vadose/pfn.h>
#include <vadose/record.h>

#include "assemble.h"

#define PAGE UINT64_C(4096)
/* Prototype PTEs looked at in one step: a page of them. */
#define CHUNK 512
/* Pages past this are left out: file systems end, and no real section gets there */
#define MAX_OFFSET ((uint64_t)1 << 43)
/* Entries of page tables looked at for one section; a hostile one ends here. */
#define MAX_LOOKUPS ((uint64_t)1 << 22)

const char *source_str(enum source source)
{
	static const char *const words[] = {
		[SOURCE_MISSING] = "missing", [SOURCE_ZERO] = "zero",
		[SOURCE_PROTOTYPE] = "prototype", [SOURCE_PFN] = "pfn",
		[SOURCE_VIEWS] = "views", [SOURCE_VIEW] = "view",
		[SOURCE_COPY] = "copy",
	};
	return words[source];
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t length_of(const struct piece *p)
{
	return p->last - p->first + 1;
}

/* Does @next go on where @p ends, in all that a piece says? */
static bool continues(const struct piece *p, const struct piece *next)
{
	uint64_t n = length_of(p);
	return p->last + 1 == next->first && p->source == next->source &&
	       !strcmp(p->state, next->state) && p->view == next->view &&
	       p->num_views == next->num_views &&
	       (p->frame ? p->frame + n * PAGE : 0) == next->frame &&
	       (p->pte_address ? p->pte_address + n * 8 : 0) ==
		       next->pte_address &&
	       p->in_pagefile == next->in_pagefile &&
	       p->pagefile == next->pagefile &&
	       (!p->in_pagefile ||
		p->pagefile_offset + n == next->pagefile_offset);
}

static bool is_there(const struct piece *p)
{
	return p->source != SOURCE_MISSING && p->source != SOURCE_ZERO;
}

static struct vds_error *add(struct plan *plan, const struct piece *piece)
{
	struct piece *last = plan->num_pieces ?
		&plan->pieces[plan->num_pieces - 1] : NULL;
	if (last && continues(last, piece)) {
		last->last = piece->last;
		return NULL;
	}
	if (plan->num_pieces == plan->max_pieces) {
		size_t max = plan->max_pieces ? 2 * plan->max_pieces : 64;
		last = realloc(plan->pieces, max * sizeof(*last));
		if (!last)
			return &vds_enomem;
		plan->pieces = last;
		plan->max_pieces = max;
	}
	plan->pieces[plan->num_pieces++] = *piece;
	return NULL;
}

/* A page that lies in piece->frame: if that can be read, it is there. */
static struct vds_error *add_frame(struct plan *plan, struct piece *piece)
{
	uint8_t bytes[PAGE];
	if (plan->taken + PAGE > plan->max_bytes ||
	    piece->first * PAGE >= MAX_OFFSET) {
		piece->source = SOURCE_MISSING;
		piece->state = "left-out";
		return add(plan, piece);
	}
	plan->taken += PAGE;
	if (vds_physical_read(plan->run, piece->frame, bytes, sizeof(bytes))) {
		piece->source = SOURCE_MISSING;
		piece->state = vds_page_state_str(VDS_PAGE_OUT_OF_IMAGE);
	}
	return add(plan, piece);
}

/* What some views' own entries hold for one page. */
struct candidate {
	uint64_t frame;
	const struct vds_view *view;	/* the first of them */
	size_t num_views;
};

#define MAX_CANDIDATES 64

/*
 * The frames that views have for @page. *ret_end: the page up to which
 * (exclusive) nobody has any, if there are none.
 */
static size_t collect(struct plan *plan, uint64_t page, uint64_t end,
		      struct candidate *list, uint64_t *ret_end)
{
	size_t n = 0;
	for (size_t i = 0; i < plan->num_views; i++) {
		const struct vds_view *view = plan->views[i];
		struct vds_page at;
		uint64_t va;
		if (view->has_pages && page < view->first_page)
			end = min_u64(end, view->first_page);
		if (!vds_view_page_at(plan->run, view, page, &va, &at))
			continue;
		plan->lookups++;
		uint64_t span = at.absent_span;
		end = min_u64(end, page + (span ?
			(span - (va & (span - 1))) / PAGE : 1));
		if ((at.via != VDS_VIA_HARDWARE && at.via != VDS_VIA_PTE) ||
		    (at.state != VDS_PAGE_PRESENT &&
		     at.state != VDS_PAGE_TRANSITION))
			continue;
		size_t k = 0;
		while (k < n && list[k].frame != at.pa)
			k++;
		if (k == MAX_CANDIDATES)
			continue;
		if (k == n)
			list[n++] = (struct candidate){at.pa, view, 0};
		list[k].num_views++;
	}
	*ret_end = end;
	return n;
}

/* How good a candidate is; SOURCE_MISSING: not to be taken. */
static enum source judge(const struct plan *plan, const struct candidate *c,
			 uint64_t pte_address)
{
	struct vds_pfn pfn;
	if (vds_pfn_at(plan->any, c->frame / PAGE, &pfn))
		return c->num_views > 1 ? SOURCE_VIEWS : SOURCE_VIEW;
	if (pfn.prototype && pte_address && pfn.pte_address == pte_address)
		return SOURCE_PFN;
	return plan->copies ? SOURCE_COPY : SOURCE_MISSING;
}

/* Sources in order of preference, best first. */
static unsigned int rank(enum source source)
{
	static const unsigned int ranks[] = {
		[SOURCE_PFN] = 1, [SOURCE_VIEWS] = 2, [SOURCE_VIEW] = 3,
		[SOURCE_COPY] = 4, [SOURCE_MISSING] = 5,
	};
	return ranks[source];
}

/*
 * Pages from @piece->first to @end (exclusive) are not in memory by the
 * section's own word, or that is @unreadable: what do views map? *ret_next is
 * the page after what was settled.
 */
static struct vds_error *ask_views(struct plan *plan, struct piece piece,
				   uint64_t end, bool unreadable,
				   uint64_t *ret_next)
{
	struct candidate list[MAX_CANDIDATES], *best = NULL;
	uint64_t page = piece.first;
	size_t n = collect(plan, page, end, list, &end);
	for (size_t i = 0; i < n; i++) {
		/* Beside a readable prototype a frame of one's own is a copy. */
		enum source source = unreadable ?
			judge(plan, &list[i], piece.pte_address) : SOURCE_COPY;
		if (source == SOURCE_MISSING)
			continue;
		if (!best || rank(source) < rank(piece.source) ||
		    (source == piece.source &&
		     list[i].num_views > best->num_views)) {
			best = &list[i];
			piece.source = source;
		}
	}
	if (!best) {
		piece.last = n ? page : end - 1;
		*ret_next = piece.last + 1;
		return add(plan, &piece);
	}
	piece.last = page;
	piece.in_pagefile = false;
	piece.pagefile = 0;
	piece.frame = best->frame;
	piece.view = best->view;
	piece.num_views = best->num_views;
	*ret_next = page + 1;
	return add_frame(plan, &piece);
}

/* The same from piece->first to @end, as long as the bounds allow. */
static struct vds_error *add_asked(struct plan *plan, const struct piece *from,
				   uint64_t end, bool unreadable)
{
	struct vds_error *err = NULL;
	struct piece piece = *from;
	while (!err && piece.first < end) {
		if (piece.pte_address)
			piece.pte_address = from->pte_address +
					    8 * (piece.first - from->first);
		if (plan->lookups >= MAX_LOOKUPS) {
			piece.state = "not-looked-at";
			piece.last = end - 1;
			return add(plan, &piece);
		}
		err = ask_views(plan, piece, end, unreadable, &piece.first);
	}
	return err;
}

/* Pages from @page to @end (exclusive) that are all like @at. */
static struct vds_error *add_pages(struct plan *plan, uint64_t page,
				   uint64_t end,
				   const struct vds_section_page *at)
{
	struct piece piece = {
		.first = page, .last = page, .source = SOURCE_MISSING,
		.state = vds_page_state_str(at->state),
		.pte_address = at->pte_address,
	};
	plan->pages++;
	switch (at->state) {
	case VDS_PAGE_PRESENT:
	case VDS_PAGE_TRANSITION:
		piece.source = SOURCE_PROTOTYPE;
		piece.frame = at->pa;
		return add_frame(plan, &piece);
	case VDS_PAGE_OUT_OF_IMAGE:
		piece.frame = at->pa;
		return add(plan, &piece);
	case VDS_PAGE_DEMAND_ZERO:
		piece.source = SOURCE_ZERO;
		piece.last = end - 1;
		return add(plan, &piece);
	case VDS_PAGE_UNREADABLE_PROTO:
		return add_asked(plan, &piece, end, true);
	default:
		piece.in_pagefile = vds_section_page_pagefile(
			plan->any, at, &piece.pagefile,
			&piece.pagefile_offset);
		if (plan->copies)
			return add_asked(plan, &piece, end, false);
		piece.last = end - 1;
		return add(plan, &piece);
	}
}

static uint64_t total_pages(const struct vds_section *section)
{
	uint64_t end = 0;
	for (size_t i = 0; i < section->num_subsections; i++) {
		const struct vds_subsection *s = &section->subsections[i];
		if (s->first_page + s->ptes > end)
			end = s->first_page + s->ptes;
	}
	return end;
}

static struct vds_error *find_pages(struct plan *plan)
{
	struct vds_section_page *pages =
		vds_alloc(plan->run, CHUNK, sizeof(*pages));
	uint64_t page = 0, end = total_pages(plan->section), alike;
	struct vds_error *err = pages ? NULL : &vds_enomem;
	while (!err && page < end) {
		if (plan->pages >= plan->max_pages ||
		    plan->lookups >= MAX_LOOKUPS)
			return add(plan, &(struct piece){
				.first = page, .last = end - 1,
				.source = SOURCE_MISSING,
				.state = "not-looked-at"});
		size_t n = vds_section_pages_at(plan->any, plan->section, page,
						pages, CHUNK, &alike);
		for (size_t i = 0; !err && i < n && page < end; i++) {
			uint64_t stop = page + min_u64(alike, end - page);
			err = add_pages(plan, page, stop, &pages[i]);
			page = stop;
		}
	}
	return err;
}

/*
 * The data end where the segment says; what is in memory past that is not
 * hidden by it.
 */
static void measure(struct plan *plan)
{
	const struct vds_section *s = plan->section;
	uint64_t total = total_pages(s) * PAGE;
	plan->length = !s->size_why && s->size && s->size < total ? s->size :
								   total;
	for (size_t i = 0; i < plan->num_pieces; i++) {
		const struct piece *p = &plan->pieces[i];
		uint64_t end = (p->last + 1) * PAGE;
		if (is_there(p) && end - PAGE >= plan->length)
			plan->length = end;
	}
	for (size_t i = 0; i < plan->num_pieces; i++) {
		const struct piece *p = &plan->pieces[i];
		uint64_t bytes = piece_bytes(plan, p);
		if (p->source == SOURCE_MISSING)
			plan->missing += bytes;
		else if (p->source == SOURCE_ZERO)
			plan->zero += bytes;
		else
			plan->present += bytes;
	}
}

uint64_t piece_bytes(const struct plan *plan, const struct piece *piece)
{
	uint64_t first = piece->first * PAGE, end = (piece->last + 1) * PAGE;
	end = min_u64(end, plan->length);
	return end > first ? end - first : 0;
}

struct vds_error *plan_make(struct plan *plan)
{
	struct vds_error *err = find_pages(plan);
	if (!err)
		measure(plan);
	return err;
}

void plan_deinit(struct plan *plan)
{
	free(plan->pieces);
	plan->pieces = NULL;
}
