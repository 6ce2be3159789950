/* SPDX-License-Identifier: Apache-2.0 */
/* Where views lie in a process, and the page-table entries below them. */
#include "section.h"

#include <string.h>

#include "base/bytes.h"

/* Where automatic addresses begin; each PID has its own window. */
#define PRIVATE_BASE UINT64_C(0x1000000000)
#define SHARED_BASE UINT64_C(0x20000000000)
#define WINDOW UINT64_C(0x10000000)
#define GRANULE UINT64_C(0x10000)

static bool base_is_free(const struct process *p, const struct view *v,
			 uint64_t base)
{
	for (const struct view *o = p->views; o && o != v; o = o->next)
		if (o->section == v->section && o->start == base)
			return false;
	return true;
}

static uint64_t take(uint64_t *next, uint32_t pages)
{
	uint64_t va = *next;

	*next += (pages * VDS_PAGE_SIZE + 2 * GRANULE - 1) & ~(GRANULE - 1);
	return va;
}

void views_place(struct world *w, struct process *p)
{
	uint64_t window = (p->pid / 4 & 0xfff) * WINDOW;

	p->next_private = PRIVATE_BASE + window;
	p->next_shared = SHARED_BASE + window;
	for (struct view *v = p->views; v && !w->err; v = v->next) {
		if (v->start != SCENE_AUTO)
			continue;
		if (!v->section)
			v->start = take(&p->next_private, v->pages);
		else if (v->section->kind == SECTION_IMAGE && !v->offset &&
			 base_is_free(p, v, v->section->base))
			v->start = v->section->base;
		else
			v->start = take(&p->next_shared, v->pages);
	}
}

static uint64_t private_page(struct world *w, struct process *p, uint64_t va,
			     char state, uint32_t prot)
{
	uint64_t pfn = mem_alloc(w);
	struct frame *frame = mem_frame(w, pfn);

	(void)mem_page(w, pfn);
	frame->pte_va = pte_address(w, va);
	frame->original = pte_soft(w, 0, 0, prot);
	frame->table = space_entry(w, p->space, va, 1) / VDS_PAGE_SIZE;
	frame->location = state == 'T' ? 3 : 6;
	frame->modified = true;
	frame->share = state == 'T' ? 0 : 1;
	return pfn;
}

/* What a view's own copy of a page may do once it is private. */
static uint32_t copied_prot(uint32_t prot)
{
	switch (prot & 7) {
	case PROT_WRITECOPY: return PROT_READWRITE;
	case PROT_EXECUTE_WRITECOPY: return PROT_EXECUTE_READWRITE;
	default: return prot;
	}
}

/* The frame of a view's own copy: a fresh one, or one that clones share. */
static uint64_t copied_page(struct world *w, struct view *v, uint32_t page,
			    char state, uint32_t prot)
{
	uint64_t va = v->start + page * VDS_PAGE_SIZE;

	if (!v->at_frame)
		return private_page(w, v->process, va, state, prot);
	struct frame *frame = mem_frame(w, v->at_frame + page);

	frame->pte_va = pte_address(w, va);
	frame->original = pte_soft(w, 0, 0, prot);
	frame->table = space_entry(w, v->process->space, va, 1) / VDS_PAGE_SIZE;
	frame->location = 6;
	frame->share++;
	return v->at_frame + page;
}

/* The protection of one page of a view: images have it by their parts. */
static uint32_t page_prot(const struct view *v, uint32_t page)
{
	uint32_t index;
	const struct part *part = v->section && v->section->kind == SECTION_IMAGE
		? section_part(v->section, v->offset + page, &index) : NULL;
	return part ? part->prot : v->now ? v->now : v->prot;
}

static uint64_t shared_pte(struct world *w, struct view *v, uint32_t page,
			   char *state)
{
	struct section *s = v->section;
	uint32_t at = v->offset + page, prot = page_prot(v, page);
	uint64_t pfn = at < s->pages ? s->frames[at] : 0;

	switch (*state) {
	case 'V':
		if (!pfn || s->states[at] != 'V')
			break;
		mem_frame(w, pfn)->share++;
		return pte_hardware(w, pfn, prot, true,
				    s->kind != SECTION_IMAGE);
	case 'L':
		return pte_lookup(w, prot);
	case 'P':
		if (at < s->pages)
			return pte_proto(w, section_proto(s, at), prot);
		break;
	case 'C':
	case 'R':	/* the loader moved the image */
	case 'T': {
		uint64_t copy = copied_page(w, v, page, *state, prot);
		if (pfn)
			memcpy(mem_page(w, copy), mem_page(w, pfn),
			       VDS_PAGE_SIZE);
		if (*state == 'R')
			library_relocate(w, v, page, mem_page(w, copy));
		return *state == 'T'
			? pte_transition(w, copy, copied_prot(prot))
			: pte_hardware(w, copy, copied_prot(prot), true, true);
	}
	case 'F':
		return pte_soft(w, 0, 0x2000 + page, copied_prot(prot));
	case 'M':
		return pte_soft(w, VIRTUAL_STORE, 0x2000 + page,
				copied_prot(prot));
	case 'G':
		return pte_soft(w, 0, 0, prot | PROT_GUARD);
	case 'N':
		return pte_soft(w, 0, 0, 0x18);
	default:
		break;
	}
	*state = '.';
	return 0;
}

/*
 * One frame for several. A combined page has a prototype PTE in the pool; else
 * the frame is that of the first.
 */
static uint64_t common_page(struct world *w, const struct view *v, uint64_t va)
{
	struct frame *frame = mem_frame(w, v->at_frame);

	(void)mem_page(w, v->at_frame);
	frame->location = 6;
	frame->share++;
	if (frame->pte_va)
		return v->at_frame;
	frame->original = pte_soft(w, 0, 0, v->prot);
	frame->proto = v->combined;
	frame->pte_va = v->combined ? pool_alloc(w, &w->nonpaged, 0x40, "MmCb")
				    : pte_address(w, va);
	frame->table = v->combined
		? space_pfn(w, &w->kernel, frame->pte_va)
		: space_entry(w, v->process->space, va, 1) / VDS_PAGE_SIZE;
	return v->at_frame;
}

static uint64_t private_pte(struct world *w, struct view *v, uint32_t page,
			    char *state)
{
	uint64_t va = v->start + page * VDS_PAGE_SIZE;
	uint32_t prot = page_prot(v, page);

	switch (*state) {
	case 'V':
		return pte_hardware(w, v->at_frame && !page
				    ? common_page(w, v, va)
				    : private_page(w, v->process, va, 'V',
						   prot),
				    prot, true, !v->combined);
	case 'T':
		return pte_transition(w, private_page(w, v->process, va, 'T',
						      prot), prot);
	case 'U':	/* the page that user and kernel share */
		mem_frame(w, w->kuser_pfn)->share++;
		return pte_hardware(w, w->kuser_pfn, PROT_READONLY, true,
				    false);
	case 'F':
		return pte_soft(w, 0, 0x2000 + page, prot);
	case 'M':
		return pte_soft(w, VIRTUAL_STORE, 0x2000 + page, prot);
	case 'Z':
		return pte_soft(w, 0, 0, prot);
	case 'G':
		return pte_soft(w, 0, 0, prot | PROT_GUARD);
	case 'D':
		return pte_soft(w, 0, 0, 0x10);
	case 'N':
		return pte_soft(w, 0, 0, 0x18);
	default:
		*state = '.';
		return 0;
	}
}

static const char *default_pattern(const struct view *v)
{
	if (!v->section)
		return "V2Z";
	return v->section->kind == SECTION_IMAGE ? "V3L" : "VVLP";
}

/* The whole view by entries a level up; its section's frames are in a row. */
static void map_large(struct world *w, struct view *v)
{
	uint64_t large = UINT64_C(512) * VDS_PAGE_SIZE;

	for (uint32_t i = 0; i < v->pages && !w->err; i++) {
		uint64_t va = v->start + i * VDS_PAGE_SIZE;
		uint64_t pfn = v->section->frames[v->offset + i];
		uint64_t pte = pte_hardware(w, pfn, v->prot, true, true);
		if (i < MAX_PAGE_STATES) {
			v->page_states[i] = 'V';
			v->ptes[i] = pte;
		}
		mem_frame(w, pfn)->share++;
		if (!(va & (large - 1)))
			mem_put64(w, space_entry(w, v->process->space, va, 2),
				  pte | PTE_PS);
		uint64_t *slot = vds_map_put(&v->process->space->pages,
					     va / VDS_PAGE_SIZE, NULL);
		if (slot)
			*slot = pfn;
		else
			world_nomem(w);
	}
}

static void map_view(struct world *w, struct view *v)
{
	uint32_t n = VDS_MIN(v->pages, MAX_PAGE_STATES);

	v->page_states = scene_states(&w->arena, v->states
					      ? v->states : default_pattern(v),
				      n);
	v->ptes = vds_arena_calloc(&w->arena, n, 8);
	if (!v->page_states || !v->ptes) {
		world_nomem(w);
		return;
	}
	if (v->large) {
		map_large(w, v);
		return;
	}
	for (uint32_t i = 0; i < n && !w->err; i++) {
		char *state = &v->page_states[i];
		if (*state == '.')
			continue;
		if (v->physical)
			v->ptes[i] = pte_hardware(w, v->at_frame + i, v->prot,
						  true, true);
		else
			v->ptes[i] = v->section
				? shared_pte(w, v, i, state)
				: private_pte(w, v, i, state);
		if (v->ptes[i])
			space_map(w, v->process->space,
				  v->start + i * VDS_PAGE_SIZE, v->ptes[i]);
	}
}

void views_map(struct world *w, struct process *p)
{
	for (struct view *v = p->views; v && !w->err; v = v->next)
		map_view(w, v);
}

/* Gives @page of the view a frame of its own, as the first write does. */
void view_make_copy(struct world *w, struct view *v, uint32_t page)
{
	char state = 'C';

	if (page >= MAX_PAGE_STATES || !v->section ||
	    v->page_states[page] == 'C')
		return;
	struct section *s = v->section;
	uint64_t shared = v->offset + page < s->pages
		? s->frames[v->offset + page] : 0;
	if (v->page_states[page] == 'V' && shared)
		mem_frame(w, shared)->share--;
	uint64_t va = v->start + page * VDS_PAGE_SIZE;
	v->ptes[page] = shared_pte(w, v, page, &state);
	v->page_states[page] = 'C';
	/* A second space_map() would count the entry twice. */
	if (v->ptes[page]) {
		uint64_t entry = space_entry(w, v->process->space, va, 1);
		bool fresh = !mem_get64(w, entry);
		space_map(w, v->process->space, va, v->ptes[page]);
		if (!fresh)
			mem_frame(w, entry / VDS_PAGE_SIZE)->share--;
	}
}

static struct view *view_at(const struct process *p, uint64_t va)
{
	for (struct view *v = p->views; v; v = v->next)
		if (va >= v->start && va - v->start < v->pages * VDS_PAGE_SIZE)
			return v;
	return NULL;
}

static void write_section(struct world *w, const struct content *c)
{
	for (size_t i = 0; i < c->len; i++) {
		uint64_t at = c->at + i;
		uint64_t page = at / VDS_PAGE_SIZE;
		uint64_t pfn = page < c->section->pages
			? c->section->frames[page] : 0;
		if (!pfn) {
			world_fail(w, place_error(c->place,
				"page %llu of %s is not resident",
				(unsigned long long)page, c->section->id));
			return;
		}
		mem_page(w, pfn)[at & VDS_PAGE_MASK] = c->bytes[i];
	}
}

void contents_sections(struct world *w)
{
	for (struct content *c = w->scene->contents; c && !w->err; c = c->next)
		if (c->section)
			write_section(w, c);
}

void contents_processes(struct world *w)
{
	for (struct content *c = w->scene->contents; c && !w->err;
	     c = c->next) {
		if (!c->process)
			continue;
		struct view *v = view_at(c->process, c->at);
		if (!v) {
			world_fail(w, place_error(c->place,
				"nothing is mapped there"));
			return;
		}
		if (c->copy)
			view_make_copy(w, v, (uint32_t)((c->at - v->start) /
							VDS_PAGE_SIZE));
		space_write(w, c->process->space, c->at, c->bytes, c->len);
	}
}
