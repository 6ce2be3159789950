/* SPDX-License-Identifier: Apache-2.0 */
/* whoshares: which pages of which processes show the frames that were found. */
#include "whoshares.h"

#include <stdlib.h>
#include <string.h>

#include <vadose/page.h>
#include <vadose/record.h>
#include <vadose/table.h>

#define PAGE 4096u
/* Last byte of the user's half and first of the kernel's, by table levels. */
#define USER_END(levels) ((UINT64_C(1) << ((levels) == 5 ? 56 : 47)) - 1)
#define KERNEL_START(levels) (~USER_END(levels))
/* Mappings kept of one process: forged tables map one frame anywhere. */
#define MAX_MAPPINGS ((size_t)1 << 18)

struct context {
	const struct frames *frames;
	const struct vds_view **views;	/* placed ones, by control area */
	size_t num_views;
	struct mappings *per_process;	/* and one for the kernel's half */
	size_t num_processes;
	unsigned int levels;	/* of page tables */
	struct mappings all;
};

/* Adds the frame, unless it is the last one or the one before. */
static void add_frame(struct vds_run *run, const struct vds_process *any,
		      const struct vds_pfn_index *index, uint64_t number,
		      struct frames *frames)
{
	struct frame *f = &frames->list[frames->count];
	for (size_t i = frames->count; i-- > 0 && frames->count - i <= 2;) {
		if (frames->list[i].number == number)
			return;
	}
	*f = (struct frame){.number = number};
	f->known = !vds_pfn_at(any, number, &f->pfn);
	if (f->known)
		vds_pfn_owner(run, index, &f->pfn, &f->owner);
	frames->count++;
}

struct vds_error *list_frames(struct vds_run *run, const struct hits *hits,
			      struct frames *ret)
{
	const struct vds_process *any = vds_process_at(run, 0);
	const struct vds_pfn_index *index;
	struct vds_error *err = vds_pfn_index_load(run, &index);
	if (err)
		return err;
	*ret = (struct frames){
		.list = vds_alloc(run, 2 * hits->count + 1,
				  sizeof(*ret->list))};
	if (!ret->list || !any)
		return &vds_enomem;
	for (size_t i = 0; i < hits->count; i++) {
		uint64_t number = hits->list[i].pa >> 12;
		uint64_t last = number + hits->list[i].spans;
		for (; number <= last; number++)
			add_frame(run, any, index, number, ret);
	}
	return NULL;
}

size_t frame_at(const struct frames *frames, uint64_t number)
{
	size_t low = 0, high = frames->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (frames->list[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void push_mapping(struct vds_run *run, struct mappings *m,
			 const struct mapping *mapping)
{
	if (m->count >= MAX_MAPPINGS) {
		m->cut = true;
		return;
	}
	if (m->count == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 16;
		struct mapping *list = vds_alloc(run, cap, sizeof(*list));
		if (!list) {
			m->nomem = true;
			return;
		}
		if (m->count)
			memcpy(list, m->list, m->count * sizeof(*list));
		m->list = list;
		m->cap = cap;
	}
	m->list[m->count++] = *mapping;
}

struct walk {
	struct vds_run *run;
	const struct context *c;
	struct mappings *found;
	size_t process;
};

/* A large page shows many frames, at the same distances. */
static bool visit(void *ctx, const struct vds_table_entry *entry)
{
	struct walk *w = ctx;
	if (!entry->resident)
		return true;
	uint64_t first = entry->pa >> 12, last = first + (entry->size >> 12);
	const struct frames *frames = w->c->frames;
	for (size_t i = frame_at(frames, first);
	     i < frames->count && frames->list[i].number < last; i++) {
		uint64_t number = frames->list[i].number;
		push_mapping(w->run, w->found, &(struct mapping){
			.frame = number,
			.va = entry->va + ((number - first) << 12),
			.process = w->process,
			.how = entry->valid ? HOW_PAGE_TABLE : HOW_TRANSITION,
			.rights = (uint8_t)(entry->writable |
					    entry->executable << 1),
		});
	}
	return !w->found->cut && !w->found->nomem;
}

static struct vds_error *walk_process(struct vds_run *run, size_t index,
				      void *ctx)
{
	struct context *c = ctx;
	bool kernel = index == c->num_processes;
	const struct vds_process *process =
		vds_process_at(run, kernel ? 0 : index);
	struct walk w = {.run = run, .c = c, .process = index,
			 .found = &c->per_process[index]};
	if (!process)
		return &vds_enomem;
	if (kernel)
		vds_tables_walk(process, KERNEL_START(c->levels), UINT64_MAX,
				visit, &w);
	else if (process->dtb && !process->exited)
		vds_tables_walk(process, 0, USER_END(c->levels), visit, &w);
	if (w.found->cut)
		vds_run_note(run, "mappings_cut",
			     kernel ? 0 : process->eprocess,
			     "%s %u maps these frames too often",
			     kernel ? "the kernel's half, as of process" :
				      "process", process->pid);
	return w.found->nomem ? &vds_enomem : NULL;
}

/* A view shows a page of the section that isn't in memory: also to others? */
static void look_at_absent(struct vds_run *run, struct context *c,
			   uint64_t key, uint64_t page_number,
			   const struct vds_view *view)
{
	struct vds_page page;
	uint64_t va;

	if (!vds_view_page_at(run, view, page_number, &va, &page) ||
	    page.via == VDS_VIA_HARDWARE || page.via == VDS_VIA_PTE)
		return;
	push_mapping(run, &c->all, &(struct mapping){
		.frame = key, .va = va, .process = view->process,
		.how = HOW_VIEW, .state = (uint8_t)page.state,
	});
}

/* A view covers the frame's page of the section: what does its PTE say? */
static void look_at_view(struct vds_run *run, struct context *c,
			 const struct frame *f, const struct vds_view *view)
{
	if (view->process == VDS_NO_PROCESS)
		return;
	const struct vds_process *process = vds_process_at(run, view->process);
	uint64_t va = view->start + (f->owner.page - view->first_page) * PAGE;
	struct vds_vad vad;
	struct vds_page page;
	if (!process || vds_vad_find(process, va, &vad))
		return;
	vds_page_at(process, &vad, va, &page);
	/* Found by the walk already, or a copy of the process's own. */
	if (page.via == VDS_VIA_HARDWARE || page.via == VDS_VIA_PTE ||
	    (page.proto && page.proto != f->pfn.pte_address))
		return;
	enum how how = page.state == VDS_PAGE_UNTOUCHED_SHARED ?
			       HOW_UNTOUCHED : HOW_PROTOTYPE;
	if (how == HOW_PROTOTYPE &&
	    ((page.state != VDS_PAGE_PRESENT &&
	      page.state != VDS_PAGE_TRANSITION) ||
	     page.pa >> 12 != f->number))
		return;
	push_mapping(run, &c->all, &(struct mapping){
		.frame = f->number, .va = va, .process = view->process,
		.how = how,
	});
}

static int compare_views(const void *pa, const void *pb)
{
	const struct vds_view *a = *(const struct vds_view *const *)pa;
	const struct vds_view *b = *(const struct vds_view *const *)pb;
	uint64_t area_a = a->section->control_area;
	uint64_t area_b = b->section->control_area;
	if (area_a != area_b)
		return area_a < area_b ? -1 : 1;
	if (a->first_page != b->first_page)
		return a->first_page < b->first_page ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
}

static struct vds_error *index_views(struct vds_run *run, struct context *c)
{
	struct vds_sharing_options how = {.physical = true};
	const struct vds_sharing *sharing;
	struct vds_error *err = vds_sharing_build(run, &how, &sharing);
	if (err)
		return err;
	c->views = vds_alloc(run, sharing->num_views + 1, sizeof(*c->views));
	if (!c->views)
		return &vds_enomem;
	for (size_t i = 0; i < sharing->num_views; i++) {
		const struct vds_view *view = sharing->views[i];
		if (view->section && view->has_pages)
			c->views[c->num_views++] = view;
	}
	qsort(c->views, c->num_views, sizeof(*c->views), compare_views);
	return NULL;
}

/* Index of the first view of @area or a later one. */
static size_t view_at(const struct context *c, uint64_t area)
{
	size_t low = 0, high = c->num_views;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (c->views[mid]->section->control_area < area)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Calls for each view that shows page @page of the section of @area. */
static void for_views(struct vds_run *run, struct context *c, uint64_t area,
		      uint64_t page, const struct frame *f, uint64_t key)
{
	for (size_t k = view_at(c, area); k < c->num_views; k++) {
		const struct vds_view *view = c->views[k];
		if (view->section->control_area != area ||
		    view->first_page > page)
			break;
		if (page > view->last_page)
			continue;
		if (f)
			look_at_view(run, c, f, view);
		else
			look_at_absent(run, c, key, page, view);
	}
}

static void look_at_views(struct vds_run *run, struct context *c,
			  const struct hits *hits)
{
	for (size_t i = 0; i < c->frames->count; i++) {
		const struct frame *f = &c->frames->list[i];
		if (f->owner.control_area && f->owner.has_page)
			for_views(run, c, f->owner.control_area, f->owner.page,
				  f, 0);
	}
	for (size_t i = 0; i < hits->num_absent; i++) {
		const struct absent *a = &hits->absent[i];
		if (a->has_page)
			for_views(run, c, a->control_area, a->page, NULL,
				  ABSENT_FRAME(i));
	}
}

static int compare_mappings(const void *pa, const void *pb)
{
	const struct mapping *a = pa, *b = pb;
	if (a->frame != b->frame)
		return a->frame < b->frame ? -1 : 1;
	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	if (a->va != b->va)
		return a->va < b->va ? -1 : 1;
	return (int)a->how - (int)b->how;
}

/* One mapping per page; how it was found first says most. */
static void drop_doubles(struct mappings *m)
{
	size_t kept = 0;
	if (m->count)
		qsort(m->list, m->count, sizeof(*m->list), compare_mappings);
	for (size_t i = 0; i < m->count; i++) {
		const struct mapping *last = kept ? &m->list[kept - 1] : NULL;
		if (!last || last->frame != m->list[i].frame ||
		    last->process != m->list[i].process ||
		    last->va != m->list[i].va)
			m->list[kept++] = m->list[i];
	}
	m->count = kept;
}

static struct vds_error *walk_all(struct vds_run *run, struct context *c)
{
	size_t count = vds_num_processes(run) + 1;
	struct vds_translation t;
	vds_translate(run, NULL, vds_kernel_base(run), &t);
	/* The walk begins at the top. */
	c->levels = t.num_entries ? t.entries[0].level : 4;
	c->num_processes = count - 1;
	c->per_process = vds_alloc(run, count, sizeof(*c->per_process));
	if (!c->per_process)
		return &vds_enomem;
	struct vds_error *err = vds_parallel(run, count, walk_process, c);
	if (err)
		return err;
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < c->per_process[i].count; k++)
			push_mapping(run, &c->all, &c->per_process[i].list[k]);
	}
	return NULL;
}

struct vds_error *find_mappings(struct vds_run *run, const struct hits *hits,
				const struct frames *frames,
				struct mappings *ret)
{
	struct context *c = vds_alloc(run, 1, sizeof(*c));
	if (!c)
		return &vds_enomem;
	c->frames = frames;
	struct vds_error *err = index_views(run, c);
	if (!err)
		err = walk_all(run, c);
	if (err)
		return err;
	look_at_views(run, c, hits);
	if (c->all.nomem)
		return &vds_enomem;
	drop_doubles(&c->all);
	*ret = c->all;
	return NULL;
}

size_t mapping_at(const struct mappings *mappings, uint64_t number)
{
	size_t low = 0, high = mappings->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (mappings->list[mid].frame < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}
