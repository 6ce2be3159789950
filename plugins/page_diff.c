/* SPDX-License-Identifier: Apache-2.0 */
#include "page_diff.h"

#include <string.h>

#include <vadose/run.h>

/* Equal bytes between two changes that still make them one. */
#define MAX_GAP 7
#define MAX_RELOCATIONS 1024

enum vds_why image_read(void *ctx, uint32_t rva, void *buf, size_t len)
{
	const struct image_view *s = ctx;
	uint8_t page[PAGE], *out = buf;
	while (len) {
		uint32_t offset = rva % PAGE;
		size_t n = PAGE - offset;
		n = n < len ? n : len;
		if (rva > s->end - s->start)
			return VDS_NOT_MAPPED;
		enum vds_why why = vds_section_read_page(
			s->process, s->section, rva / PAGE, page);
		if (why)
			why = vds_process_read(s->process, s->start + (rva - offset), page,
				PAGE);
		if (why)
			return why;
		memcpy(out, page + offset, n);
		out += n;
		len -= n;
		rva += (uint32_t)n;
	}
	return VDS_PRESENT;
}

const struct vds_pe *image_pe(struct image_view *s)
{
	if (s->has_pe)
		return s->pe_why ? NULL : s->pe;
	s->has_pe = true;
	s->pe_why = VDS_BAD_DATA;
	s->pe = vds_alloc(s->run, 1, sizeof(*s->pe));
	if (s->pe)
		s->pe_why = vds_pe_parse(image_read, s, s->pe);
	return s->pe_why ? NULL : s->pe;
}

/* Pointers that differ by the distance of the view from where it was linked. */
static void explain_relocations(struct image_view *s, struct page_diff *d)
{
	const struct vds_pe *pe = image_pe(s);
	size_t count = 0, len = pe && pe->is_64 ? 8 : 4;
	uint16_t *offsets = vds_alloc(s->run, MAX_RELOCATIONS,
				      sizeof(*offsets));
	if (!pe || !offsets || d->page > UINT32_MAX / PAGE ||
	    s->start == pe->image_base)
		return;
	uint64_t delta = s->start - pe->image_base;
	if (len == 4)
		delta &= UINT32_MAX;
	if (vds_pe_relocations_of(image_read, s, pe, (uint32_t)d->page * PAGE,
				  offsets, MAX_RELOCATIONS, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		size_t at = offsets[i];
		if (at + len > PAGE)
			continue;
		uint64_t moved = page_get(d->new + at, len) -
				 page_get(d->old + at, len);
		if (len == 4)
			moved &= UINT32_MAX;
		if (moved == delta)
			memset(d->ignored + at, true, len);
	}
}

static void compare(struct page_diff *d)
{
	struct page_change *c = NULL, rest;
	for (uint32_t i = 0; i < PAGE; i++) {
		if (d->old[i] == d->new[i])
			continue;
		if (d->ignored[i]) {
			d->relocated++;
			continue;
		}
		d->bytes++;
		if (c && i - c->last <= MAX_GAP + 1) {
			c->last = i;
			continue;
		}
		/* What has no room has no row, but is counted. */
		c = d->num_changes < MAX_RUNS ? &d->changes[d->num_changes] :
						&rest;
		*c = (struct page_change){i, i};
		d->num_changes++;
	}
}

void page_diff(struct image_view *view, struct page_diff *diff)
{
	explain_relocations(view, diff);
	compare(diff);
}

bool page_diff_is_import(struct image_view *view, const struct page_diff *diff,
			 uint32_t offset)
{
	const struct vds_pe *pe = image_pe(view);
	uint64_t rva = diff->page * PAGE + offset;
	return pe && rva - pe->import_addresses.rva < pe->import_addresses.size;
}
