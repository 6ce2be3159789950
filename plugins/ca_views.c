/* SPDX-License-Identifier: Apache-2.0 */
/* ca: a row per view of a control area, on its list or found otherwise. */
#include "ca.h"

#include <stdlib.h>
#include <string.h>

#include <vadose/record.h>
#include <vadose/vad.h>

static int compare_at(const struct vds_view *view, uint64_t area, uint64_t node)
{
	uint64_t own = view->section->control_area;
	if (own != area)
		return own < area ? -1 : 1;
	return view->node < node ? -1 : view->node > node;
}

static int compare_views(const void *pa, const void *pb)
{
	const struct vds_view *a = *(const struct vds_view *const *)pa;
	const struct vds_view *b = *(const struct vds_view *const *)pb;
	return compare_at(a, b->section->control_area, b->node);
}

struct vds_error *ca_index_views(struct vds_run *run, struct ca_context *c)
{
	const struct vds_sharing *sharing = c->sharing;
	c->views = vds_alloc(run, sharing->num_views + 1, sizeof(*c->views));
	if (!c->views)
		return &vds_enomem;
	for (size_t i = 0; i < sharing->num_views; i++) {
		const struct vds_view *view = sharing->views[i];
		if (view->section && !view->section->why)
			c->views[c->num_views++] = view;
	}
	qsort(c->views, c->num_views, sizeof(*c->views), compare_views);
	return NULL;
}

/* First view at or after (area, node). */
static size_t lower_bound(const struct ca_context *c, uint64_t area, uint64_t node)
{
	size_t low = 0, high = c->num_views;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (compare_at(c->views[mid], area, node) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The view of the VAD trees whose node is @node, or NULL. */
static const struct vds_view *view_of(const struct ca_context *c, uint64_t area,
				      uint64_t node)
{
	size_t i = lower_bound(c, area, node);
	if (i < c->num_views && !compare_at(c->views[i], area, node))
		return c->views[i];
	return NULL;
}

static void fill_process(struct vds_run *run, uint64_t eprocess,
			 struct vds_value *v)
{
	const struct vds_type *type = vds_type_find(run, "_EPROCESS");
	uint64_t pid;
	v[COL_EPROCESS] = vds_addr(eprocess);
	/* In a table or not: as long as it is there, it has a number. */
	if (!vds_kernel_member(run, eprocess, type, "UniqueProcessId", &pid) &&
	    pid <= UINT32_MAX)
		v[COL_PID] = vds_int((int64_t)pid);
	const struct vds_process *p = vds_process_find(run, eprocess);
	if (!p)
		return;
	v[COL_PID] = vds_int(p->pid);
	v[COL_PROCESS] = p->name ? vds_str(p->name) : vds_absent(p->name_why);
}

static void fill_view(const struct vds_view *view, struct vds_value *v)
{
	v[COL_START] = vds_addr(view->start);
	v[COL_END] = vds_addr(view->end);
	v[COL_BASE_PTE] = vds_addr(view->first_prototype_pte);
	v[COL_PROTECTION] = vds_str(vds_protection_str(view->protection));
	v[COL_PAGES] = vds_int((int64_t)((view->end - view->start) / 4096 + 1));
	if (view->has_pages) {
		v[COL_FIRST_PAGE] = vds_int((int64_t)view->first_page);
		v[COL_FILE_OFFSET] = vds_size(view->first_page * 4096);
	}
}

/* A view that no tree led to: what its own VAD says. */
static void fill_vad(const struct vds_process *any,
		     const struct vds_section *s, uint64_t node,
		     struct vds_value *v)
{
	struct vds_vad vad;
	uint64_t page;
	enum vds_why why = vds_vad_at(any, node, &vad);
	if (!why && !vad.has_section)
		why = VDS_BAD_DATA;
	v[COL_START] = vds_or(why, vds_addr(vad.start));
	v[COL_END] = v[COL_BASE_PTE] = v[COL_PROTECTION] = v[COL_PAGES] =
		vds_absent(why);
	if (why)
		return;
	v[COL_END] = vds_addr(vad.end);
	v[COL_BASE_PTE] = vds_addr(vad.first_prototype_pte);
	v[COL_PROTECTION] = vds_str(vds_protection_str(vad.protection));
	v[COL_PAGES] = vds_int((int64_t)((vad.end - vad.start) / 4096 + 1));
	if (vds_section_page_of(s, vad.first_prototype_pte, &page)) {
		v[COL_FIRST_PAGE] = vds_int((int64_t)page);
		v[COL_FILE_OFFSET] = vds_size(page * 4096);
	}
}

/* The view of kernel space that begins at @va, or NULL. */
static const struct vds_view *kernel_view_of(const struct ca_context *c,
					     uint64_t area, uint64_t va)
{
	for (size_t i = lower_bound(c, area, 0); i < c->num_views; i++) {
		if (c->views[i]->section->control_area != area)
			break;
		if (c->views[i]->space != VDS_SPACE_PROCESS &&
		    c->views[i]->start == va)
			return c->views[i];
	}
	return NULL;
}

/* What a VACB, an MMVIEW or the page tables say of it. */
static void fill_kernel_view(const struct vds_view *view, struct vds_value *v)
{
	enum vds_why why = (enum vds_why)view->end_why;
	v[COL_START] = vds_addr(view->start);
	v[COL_END] = vds_or(why, vds_addr(view->end));
	v[COL_PAGES] = vds_or(why, vds_int((int64_t)((view->end - view->start) /
						     4096 + 1)));
	if (!view->has_pages)
		return;
	v[COL_BASE_PTE] = vds_addr(view->first_prototype_pte);
	v[COL_FIRST_PAGE] = vds_int((int64_t)view->first_page);
	v[COL_FILE_OFFSET] = vds_size(view->first_page * 4096);
}

static const char *const kinds[] = {
	[VDS_VIEW_PROCESS] = "process", [VDS_VIEW_SESSION] = "session",
	[VDS_VIEW_SYSTEM] = "system",
};

/* Views that the control area lists, and whether a tree knows them too. */
struct vds_error *ca_emit_listed(struct vds_run *run,
				     const struct ca_context *c,
				     const struct vds_process *any,
				     const struct vds_section *s,
				     const struct vds_listed_view *listed,
				     size_t count,
				     const struct vds_value *common)
{
	for (size_t i = 0; i < count; i++) {
		const struct vds_listed_view *l = &listed[i];
		struct vds_value v[NUM_COLS];
		memcpy(v, common, sizeof(v));
		v[COL_KIND] = vds_str(kinds[l->owner]);
		v[COL_ADDRESS] = vds_addr(l->vad ? l->vad : l->links);
		v[COL_LISTED] = vds_bool(true);
		if (l->owner == VDS_VIEW_PROCESS) {
			const struct vds_view *view =
				view_of(c, s->control_area, l->vad);
			v[COL_IN_TREE] = vds_has_page_tables(run) ?
				vds_bool(view && (view->sources &
						  VDS_VIEW_IN_TREE)) :
				vds_absent(VDS_NOT_IN_IMAGE);
			fill_process(run, l->eprocess, v);
			if (view)
				fill_view(view, v);
			else
				fill_vad(any, s, l->vad, v);
		} else {
			v[COL_START] = vds_addr(l->va);
			v[COL_FILE_OFFSET] = vds_or(l->offset_why,
						    vds_size(l->offset));
			const struct vds_view *view = kernel_view_of(
				c, s->control_area, l->va);
			if (view)
				fill_kernel_view(view, v);
		}
		struct vds_error *err = vds_emit(run, v);
		if (err)
			return err;
	}
	return NULL;
}

static int compare_nodes(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;
	return *a < *b ? -1 : *a > *b;
}

/* The VADs that a list of views names, sorted; NULL: out of memory. */
static uint64_t *sort_listed(struct vds_run *run,
			     const struct vds_listed_view *listed,
			     size_t count)
{
	uint64_t *nodes = vds_alloc(run, count + 1, sizeof(*nodes));
	for (size_t i = 0; nodes && i < count; i++)
		nodes[i] = listed[i].vad;
	if (nodes)
		qsort(nodes, count, sizeof(*nodes), compare_nodes);
	return nodes;
}

/* Views that the list does not name. */
struct vds_error *ca_emit_unlisted(struct vds_run *run,
				       const struct ca_context *c,
				       const struct vds_section *s,
				       const struct vds_listed_view *listed,
				       size_t count, bool complete,
				       const struct vds_value *common)
{
	const uint64_t *nodes = sort_listed(run, listed, count);
	if (!nodes)
		return &vds_enomem;
	for (size_t i = lower_bound(c, s->control_area, 0); i < c->num_views;
	     i++) {
		const struct vds_view *view = c->views[i];
		if (view->section->control_area != s->control_area)
			break;
		if (view->sources & VDS_VIEW_IN_LIST ||
		    bsearch(&view->node, nodes, count, sizeof(*nodes),
			    compare_nodes))
			continue;
		struct vds_value v[NUM_COLS];
		memcpy(v, common, sizeof(v));
		v[COL_KIND] = vds_str(vds_view_space_str(
			(enum vds_view_space)view->space));
		v[COL_ADDRESS] = vds_addr(view->node);
		v[COL_LISTED] = complete ? vds_bool(false) :
					   vds_absent(VDS_BAD_DATA);
		const struct vds_process *p = vds_process_at(run, view->process);
		if (view->space == VDS_SPACE_PROCESS && !p)
			return &vds_enomem;
		if (p) {
			v[COL_IN_TREE] = vds_bool(true);
			fill_process(run, p->eprocess, v);
			fill_view(view, v);
		} else {
			fill_kernel_view(view, v);
		}
		struct vds_error *err = vds_emit(run, v);
		if (err)
			return err;
	}
	return NULL;
}

/* Does a process that --pid and --process leave in map it? */
bool ca_is_chosen(struct vds_run *run, const struct ca_context *c,
		      uint64_t area, const struct vds_listed_view *listed,
		      size_t count)
{
	if (!c->narrowed)
		return true;
	for (size_t i = 0; i < count; i++) {
		const struct vds_process *p =
			listed[i].owner == VDS_VIEW_PROCESS ?
				vds_process_find(run, listed[i].eprocess) :
				NULL;
		if (p && p->selected)
			return true;
	}
	for (size_t i = lower_bound(c, area, 0);
	     i < c->num_views && c->views[i]->section->control_area == area;
	     i++) {
		const struct vds_process *p =
			vds_process_at(run, c->views[i]->process);
		if (c->views[i]->space == VDS_SPACE_PROCESS && p &&
		    p->selected)
			return true;
	}
	return false;
}
