/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prototype PTEs and page tables are read a table at a time: a chunk of pages,
 * and for each view its own entries of that chunk.
 */
#include "analysis/evidence.h"

#include <stdlib.h>
#include <string.h>

#include "analysis/views.h"
#include "base/util.h"
#include "nt/kernel.h"
#include "nt/own_entry.h"
#include "nt/section_page.h"
#include "nt/task.h"
#include "vadose/pfn.h"

/* Pages of a chunk (a page of prototype PTEs), and entries: pages x views. */
#define CHUNK 512
#define MAX_ENTRIES ((size_t)1 << 16)
/* Entries of page tables looked at for one group: a hostile one ends here. */
#define MAX_LOOKUPS ((uint64_t)1 << 26)
/* Frames of one page that the PFN database is asked about. */
#define MAX_CANDIDATES 16

struct scan {
	struct vds_evidence_walk *walk;
	const struct vds_process *any;
	size_t num_views, words;
	const struct vds_process **processes;	/* of each view; NULL: none */
	struct vds_process *unlisted;	/* of each view, where it has one */
	struct interval { uint64_t first, last; } *shown;
	struct vds_section_page *pages;
	struct vds_own_entry *entries;	/* of each view, a chunk long */
	uint64_t *sorted;
	uint64_t *mapped, *copied;
	uint64_t lookups, runs;
	size_t chunk;
};

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool is_resident(enum vds_page_state state)
{
	return state == VDS_PAGE_PRESENT || state == VDS_PAGE_TRANSITION ||
	       state == VDS_PAGE_OUT_OF_IMAGE;
}

/* The section's own word on up to a chunk of pages. */
static size_t read_pages(struct scan *s, uint64_t page, uint64_t *ret_alike)
{
	const struct vds_share_group *group = s->walk->group;
	const struct vds_section *section = s->walk->views[0]->section;
	uint64_t left = group->last_page - page + 1;
	size_t max = (size_t)min_u64(s->chunk, left);
	if (group->has_pages)
		return vds_section_pages_at(s->any, section, page, s->pages,
					    max, ret_alike);
	return vds_proto_pages_at(s->any->task, page * 8, s->pages, max, left,
				  ret_alike);
}

/* The own entry of view @v for @page; *ret_alike as in vds_own_entries(). */
static size_t read_entries(struct scan *s, size_t v, uint64_t page, size_t max,
			   struct vds_own_entry *ret, uint64_t *ret_alike)
{
	const struct vds_view *view = s->walk->views[v];
	uint64_t va = view->start +
		      (page - s->shown[v].first) * VDS_PAGE_SIZE;
	if (!s->processes[v]) {
		ret[0] = (struct vds_own_entry){.kind = VDS_OWN_UNKNOWN};
		*ret_alike = UINT64_MAX >> VDS_PAGE_SHIFT;
		return 1;
	}
	s->lookups++;
	size_t n = vds_own_entries(s->processes[v], va, ret, max, ret_alike);
	s->lookups += n;
	return n;
}

/* Fills the row of view @v with its entries of @n pages from @page on. */
static void fill_row(struct scan *s, size_t v, uint64_t page, size_t n)
{
	struct vds_own_entry *row = s->entries + v * s->chunk;
	uint64_t first = VDS_MAX(page, s->shown[v].first);
	uint64_t end = min_u64(page + n, s->shown[v].last + 1);
	while (first < end) {
		size_t at = (size_t)(first - page), left = (size_t)(end - first);
		uint64_t alike;
		size_t got = read_entries(s, v, first, left, row + at, &alike);
		if (alike > 1)
			got = (size_t)min_u64(alike, left);
		for (size_t i = 1; alike > 1 && i < got; i++)
			row[at + i] = row[at];
		first += got;
	}
}

static bool shows(const struct scan *s, size_t v, uint64_t page)
{
	return page >= s->shown[v].first && page <= s->shown[v].last;
}

static void set_bit(uint64_t *bits, size_t i)
{
	bits[i / 64] |= UINT64_C(1) << i % 64;
}

static int compare_u64(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
	return a < b ? -1 : a > b;
}

/* Asks whether @frame belongs to the prototype PTE at @pte. */
static void ask_pfn(const struct scan *s, uint64_t frame, uint64_t pte,
		    struct vds_page_evidence *e)
{
	struct vds_pfn pfn;
	e->pfn_agrees = false;
	e->share_count = 0;
	e->pfn_why = vds_pfn_at(s->any, frame / VDS_PAGE_SIZE, &pfn);
	if (e->pfn_why)
		return;
	e->pfn_agrees = pfn.prototype && pfn.pte_address == pte;
	if (pfn.list == VDS_LIST_ACTIVE)
		e->share_count = pfn.share_count;
}

/*
 * The array can't be read. Which of the frames that views map is the section's?
 * The one that the PFN database gives to this prototype PTE; where it is silent,
 * the one that most views have in common. Equal frames that it gives to
 * somebody else are no proof: clones share theirs, too.
 */
static uint64_t find_frame(struct scan *s, size_t at,
			   struct vds_page_evidence *e)
{
	size_t n = 0, best = 1, asked = 0;
	bool silent = false;
	uint64_t common = 0;
	for (size_t v = 0; v < s->num_views; v++) {
		const struct vds_own_entry *own = &s->entries[v * s->chunk + at];
		if (shows(s, v, e->first) && own->kind == VDS_OWN_FRAME)
			s->sorted[n++] = own->pa;
	}
	qsort(s->sorted, n, sizeof(*s->sorted), compare_u64);
	for (size_t i = 0, run = 0; i < n; i++) {
		bool again = i && s->sorted[i] == s->sorted[i - 1];
		run = again ? run + 1 : 1;
		if (!again) {
			silent = false;
			if (asked++ == MAX_CANDIDATES)
				break;
			ask_pfn(s, s->sorted[i], e->page->pte_address, e);
			if (e->pfn_agrees)
				return s->sorted[i];
			silent = e->pfn_why != VDS_PRESENT;
		}
		if (run > best && silent) {
			best = run;
			common = s->sorted[i];
		}
	}
	return common;
}

/* Without a prototype to compare with: does the PFN database call it private? */
static bool is_private_frame(const struct scan *s, uint64_t frame)
{
	struct vds_pfn pfn;
	return !vds_pfn_at(s->any, frame / VDS_PAGE_SIZE, &pfn) &&
	       !pfn.prototype;
}

/* One view's own entry, against the frame that is shared. */
static void count_view(struct scan *s, size_t v,
		       const struct vds_own_entry *own,
		       struct vds_page_evidence *e)
{
	bool readable = e->page->state != VDS_PAGE_UNREADABLE_PROTO;
	e->num_views++;
	switch (own->kind) {
	case VDS_OWN_FRAME:
		if (e->frame && own->pa == e->frame) {
			set_bit(s->mapped, v);
			e->num_mapped++;
		} else if (readable || e->frame ||
			   is_private_frame(s, own->pa)) {
			set_bit(s->copied, v);
			e->num_private++;
		} else {
			e->num_unknown++;
		}
		break;
	case VDS_OWN_PAGED_OUT:
		set_bit(s->copied, v);
		e->num_private++;
		e->num_private_out++;
		break;
	case VDS_OWN_BLOCKED:
		e->num_blocked++;
		break;
	case VDS_OWN_UNKNOWN:
		e->num_unknown++;
		break;
	case VDS_OWN_NONE:
		e->num_untouched++;
		break;
	}
}

/* The run from @first to @last, of which pages[@at] and entries @at speak. */
static bool visit(struct scan *s, uint64_t first, uint64_t last,
		  const struct vds_section_page *page, size_t at)
{
	struct vds_page_evidence e = {
		.first = first, .last = last, .page = page,
		.mapped = s->mapped, .copied = s->copied,
		.pfn_why = VDS_NOT_APPLICABLE,
	};
	bool readable = page->state != VDS_PAGE_UNREADABLE_PROTO;
	memset(s->mapped, 0, s->words * 8);
	memset(s->copied, 0, s->words * 8);
	if (is_resident(page->state)) {
		e.frame = page->pa;
		ask_pfn(s, e.frame, page->pte_address, &e);
	} else if (!readable) {
		e.frame = find_frame(s, at, &e);
		e.pfn_agrees = false;
		e.pfn_why = VDS_NOT_APPLICABLE;
		if (e.frame)
			ask_pfn(s, e.frame, page->pte_address, &e);
	}
	for (size_t v = 0; v < s->num_views; v++) {
		if (shows(s, v, first))
			count_view(s, v, &s->entries[v * s->chunk + at], &e);
	}
	e.grade = e.num_views < 2 ? VDS_GRADE_NONE :
		  e.num_mapped > 1 ? VDS_GRADE_HARDWARE :
		  e.pfn_agrees ? VDS_GRADE_PFN :
		  readable ? VDS_GRADE_STRUCTURAL : VDS_GRADE_METADATA;
	s->runs++;
	s->walk->end = last + 1;
	return s->walk->visit(s->walk->visit_ctx, &e);
}

/*
 * How many pages from @page on, up to @end, all views have no entries for; the
 * first entry of each row is filled. 1: some view has one.
 */
static uint64_t blank_run(struct scan *s, uint64_t page, uint64_t end)
{
	for (size_t v = 0; v < s->num_views && end > page + 1; v++) {
		struct vds_own_entry *row = s->entries + v * s->chunk;
		uint64_t alike;
		if (page < s->shown[v].first)
			end = min_u64(end, s->shown[v].first);
		if (!shows(s, v, page))
			continue;
		read_entries(s, v, page, 1, row, &alike);
		end = min_u64(end, s->shown[v].last + 1);
		end = page + min_u64(end - page, alike);
	}
	return end - page;
}

/* @n pages that pages[] has a word on, one each. */
static bool visit_chunk(struct scan *s, uint64_t page, size_t n)
{
	for (size_t v = 0; v < s->num_views; v++)
		fill_row(s, v, page, n);
	for (size_t i = 0; i < n; i++) {
		if (!visit(s, page + i, page + i, &s->pages[i], i))
			return false;
	}
	return true;
}

/* @alike pages of which pages[0] speaks; *ret_n of them were visited. */
static bool visit_alike(struct scan *s, uint64_t page, uint64_t alike,
			uint64_t *ret_n)
{
	uint64_t n = blank_run(s, page, page + alike);
	*ret_n = n;
	if (n > 1)
		return visit(s, page, page + n - 1, &s->pages[0], 0);
	n = min_u64(alike, s->chunk);
	for (size_t i = 1; i < n; i++) {
		s->pages[i] = s->pages[0];
		if (s->pages[i].pte_address)
			s->pages[i].pte_address += 8 * i;
	}
	*ret_n = n;
	return visit_chunk(s, page, (size_t)n);
}

static void run(struct scan *s)
{
	uint64_t page = s->walk->group->first_page;
	uint64_t last = s->walk->group->last_page;
	uint64_t max_lookups = s->walk->max_lookups ? s->walk->max_lookups :
						      MAX_LOOKUPS;
	while (page <= last && s->runs < s->walk->max_pages &&
	       s->lookups < max_lookups) {
		uint64_t alike, n;
		size_t got = read_pages(s, page, &alike);
		bool more = got == 1 && alike > 1 ?
			visit_alike(s, page, min_u64(alike, last - page + 1),
				    &n) :
			visit_chunk(s, page, (n = got));
		if (!more)
			return;
		page += n;
	}
}

/*
 * By whose page tables a view is looked at: its process's, listed or not; for
 * kernel space, those of any process, but a session's views are only in its own
 * processes.
 */
static const struct vds_process *onlooker(struct scan *s, size_t v)
{
	const struct vds_evidence_walk *w = s->walk;
	const struct vds_view *view = w->views[v];
	const struct vds_process *p;
	if (view->space == VDS_SPACE_PROCESS && view->unlisted) {
		/* Whoever read it did so by another task. */
		s->unlisted[v] = *view->unlisted;
		s->unlisted[v].task = s->any->task;
		return &s->unlisted[v];
	}
	if (view->space == VDS_SPACE_PROCESS)
		return w->process(w->process_ctx, view->process);
	if (!view->has_session)
		return s->any;
	for (size_t i = 0; i < s->any->task->kernel->num_processes; i++) {
		p = w->process(w->process_ctx, i);
		if (p && !p->session_why && p->session == view->session &&
		    !p->exited)
			return p;
	}
	return NULL;
}

static bool prepare(struct scan *s)
{
	const struct vds_evidence_walk *w = s->walk;
	size_t n = s->num_views;
	s->words = (n + 63) / 64;
	s->chunk = VDS_MAX(VDS_MIN(MAX_ENTRIES / n, (size_t)CHUNK), (size_t)1);
	s->processes = vds_malloc_array(n, sizeof(*s->processes));
	s->shown = vds_malloc_array(n, sizeof(*s->shown));
	s->unlisted = vds_malloc_array(n, sizeof(*s->unlisted));
	s->entries = vds_malloc_array(n * s->chunk, sizeof(*s->entries));
	s->pages = vds_malloc_array(CHUNK, sizeof(*s->pages));
	s->sorted = vds_malloc_array(n, sizeof(*s->sorted));
	s->mapped = vds_malloc_array(s->words, sizeof(*s->mapped));
	s->copied = vds_malloc_array(s->words, sizeof(*s->copied));
	if (!s->processes || !s->unlisted || !s->shown || !s->entries ||
	    !s->pages || !s->sorted || !s->mapped || !s->copied)
		return false;
	for (size_t v = 0; v < n; v++) {
		s->processes[v] = onlooker(s, v);
		vds_view_extent(w->views[v], &s->shown[v].first,
				&s->shown[v].last);
	}
	return true;
}

struct vds_error *vds_evidence_walk(struct vds_evidence_walk *walk)
{
	struct scan s = {.walk = walk, .num_views = walk->group->num_views};
	/* Any process of the table lends its task; a view's may be none. */
	s.any = walk->process(walk->process_ctx, 0);
	walk->end = walk->group->first_page;
	struct vds_error *err = s.any && prepare(&s) ? NULL : &vds_enomem;
	if (!err)
		run(&s);
	free(s.processes);
	free(s.unlisted);
	free(s.shown);
	free(s.entries);
	free(s.pages);
	free(s.sorted);
	free(s.mapped);
	free(s.copied);
	return err;
}
