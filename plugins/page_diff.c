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

/* The view as it should be if it were only moved, and not changed. */
struct move {
	struct image_view *view;
	struct page_diff *diff;
	uint64_t delta;
	size_t len;		/* of a pointer */
};

/* Are the @len bytes at @at the loader's work? Then they are no change. */
static void ignore(struct page_diff *d, int64_t at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		int64_t byte = at + (int64_t)i;
		if (byte >= 0 && byte < PAGE)
			d->ignored[byte] = true;
	}
}

/*
 * The pointer at @at of the page, which may begin in the page before (negative)
 * or end in the next one.
 */
static void explain_pointer(const struct move *m, int64_t at)
{
	struct page_diff *d = m->diff;
	uint8_t was[8], is[8];
	uint64_t rva = d->page * PAGE + (uint64_t)at;
	if (at >= 0 && at + (int64_t)m->len <= PAGE) {
		memcpy(was, d->old + at, m->len);
		memcpy(is, d->new + at, m->len);
	} else if (image_read(m->view, (uint32_t)rva, was, m->len) ||
		   vds_process_read(m->view->process, m->view->start + rva, is,
				    m->len)) {
		return;
	}
	uint64_t moved = page_get(is, m->len) - page_get(was, m->len);
	if (m->len == 4)
		moved &= UINT32_MAX;
	if (moved == m->delta)
		ignore(d, at, m->len);
}

/* Pointers of the page at @page_rva, as far as they reach into the diff's. */
static void explain_page(const struct move *m, const struct vds_pe *pe,
			 uint64_t page_rva)
{
	size_t count = 0;
	int64_t shift = (int64_t)page_rva - (int64_t)(m->diff->page * PAGE);
	uint16_t *offsets = vds_alloc(m->view->run, MAX_RELOCATIONS,
				      sizeof(*offsets));
	if (!offsets ||
	    vds_pe_relocations_of(image_read, m->view, pe, (uint32_t)page_rva,
				  offsets, MAX_RELOCATIONS, &count))
		return;
	for (size_t i = 0; i < count; i++) {
		int64_t at = offsets[i] + shift;
		if (at + (int64_t)m->len > 0)
			explain_pointer(m, at);
	}
}

/* The loader writes the new base into the headers, too. */
static void explain_base(const struct move *m, const struct vds_pe *pe)
{
	const struct page_diff *d = m->diff;
	uint64_t at = page_get(d->old + 0x3c, 4) + 24 + (pe->is_64 ? 24 : 28);
	if (at + m->len <= PAGE && page_get(d->new + at, m->len) ==
					   m->view->start)
		ignore(m->diff, (int64_t)at, m->len);
}

/* Pointers that differ by the distance of the view from where it was linked. */
static void explain_relocations(struct image_view *s, struct page_diff *d)
{
	const struct vds_pe *pe = image_pe(s);
	if (!pe || d->page > UINT32_MAX / PAGE || s->start == pe->image_base)
		return;
	struct move m = {.view = s, .diff = d,
			 .delta = s->start - pe->image_base,
			 .len = pe->is_64 ? 8 : 4};
	if (m.len == 4)
		m.delta &= UINT32_MAX;
	if (!d->page)
		explain_base(&m, pe);
	else
		explain_page(&m, pe, (d->page - 1) * PAGE);
	explain_page(&m, pe, d->page * PAGE);
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

/* Pointers that control flow guard calls through: the loader's, too. */
static void find_guards(struct image_view *view, const struct vds_pe *pe)
{
	if (view->has_guards)
		return;
	view->has_guards = true;
	if (vds_pe_guard_pointers(image_read, view, pe, view->guards,
				  MAX_GUARDS, &view->num_guards))
		view->num_guards = 0;
}

/* Do the @len bytes from @rva on touch one of the loader's pointers? */
static bool touches_import(struct image_view *view, uint64_t rva, uint64_t len)
{
	const struct vds_pe *pe = image_pe(view);
	if (!pe)
		return false;
	const struct vds_pe_directory *imports = &pe->import_addresses;
	if (imports->size && imports->rva < rva + len &&
	    imports->rva + (uint64_t)imports->size > rva)
		return true;
	find_guards(view, pe);
	for (size_t i = 0; i < view->num_guards; i++) {
		if (view->guards[i] < rva + len &&
		    view->guards[i] + (pe->is_64 ? 8u : 4u) > rva)
			return true;
	}
	return false;
}

bool page_diff_has_import(struct image_view *view, const struct page_diff *diff)
{
	return touches_import(view, diff->page * PAGE, PAGE);
}

bool page_diff_is_import(struct image_view *view, const struct page_diff *diff,
			 uint32_t offset)
{
	return touches_import(view, diff->page * PAGE + offset, 1);
}
