/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sections' own lists of views, held against what trees, tables and arrays
 * say of them.
 */
#include "base/util.h"
#include "nt/kernel.h"
#include "nt/process.h"
#include "plugin/sharing_sources.h"

static uint32_t index_of(const struct vds_kernel *kernel, uint64_t eprocess)
{
	const struct vds_process *p = vds_kernel_process(kernel, eprocess);
	return p ? (uint32_t)p->index : VDS_NO_PROCESS;
}

/* What the EPROCESS of a process that nothing lists says of itself. */
static struct vds_error *peek(struct vds_sharing_sources *s, uint64_t eprocess,
			      const struct vds_process **ret)
{
	uint64_t *slot = vds_map_get(&s->unlisted, eprocess);
	struct vds_process process;
	if (slot) {
		*ret = (const struct vds_process *)(uintptr_t)*slot;
		return NULL;
	}
	slot = vds_map_put(&s->unlisted, eprocess, NULL);
	if (!slot)
		return &vds_enomem;
	*ret = NULL;
	if (vds_process_peek(s->any, eprocess, &process))
		return NULL;
	struct vds_process *copy = vds_alloc(s->run, 1, sizeof(*copy));
	if (!copy)
		return &vds_enomem;
	*copy = process;
	*slot = (uintptr_t)copy;
	*ret = copy;
	return NULL;
}

/* A view that only the list knows: its VAD is unlinked, or its process. */
static struct vds_error *add_unlinked(struct vds_sharing_sources *s,
				      uint64_t area,
				      const struct vds_listed_view *listed)
{
	struct vds_error *err = NULL;
	struct vds_vad vad;
	enum vds_why why = vds_vad_at(s->any, listed->vad, &vad);
	if (why || !vad.has_section) {
		vds_run_note(s->run, "listed_view_unreadable", listed->vad,
			     "control area 0x%016llx lists a view by the VAD at 0x%016llx, which is no VAD with a section (%s)",
			     (unsigned long long)area,
			     (unsigned long long)listed->vad,
			     vds_why_str(why ? why : VDS_BAD_DATA));
		return NULL;
	}
	struct vds_view view;
	vds_view_init(&view, &vad);
	view.process = index_of(s->any->task->kernel, listed->eprocess);
	view.eprocess = listed->eprocess;
	view.sources = VDS_VIEW_IN_LIST;
	if (view.process == VDS_NO_PROCESS)
		err = peek(s, listed->eprocess, &view.unlisted);
	vds_view_place(&view, vds_vad_section(s->any, &vad));
	return err ? err : vds_view_list_add(&s->extra, &view);
}

/* Indexes the kernel views, so that lists can be held against them. */
static struct vds_error *index_kernel_view(struct vds_sharing_sources *s,
					   size_t i)
{
	const struct vds_kernel_view *view = &s->kernel.list[i];
	uint64_t *slot = view->links ?
		vds_map_put(&s->by_links, view->links, NULL) :
		vds_map_put(&s->by_va, view->va, NULL);
	if (!slot)
		return &vds_enomem;
	if (!*slot)
		*slot = i + 1;
	return NULL;
}

static struct vds_error *add_kernel_view(struct vds_sharing_sources *s,
					 const struct vds_kernel_view *view)
{
	if (!vds_kernel_views_add(s->any->task, &s->kernel, view))
		return &vds_enomem;
	return index_kernel_view(s, s->kernel.count - 1);
}

/* The views of a file's own cache map. */
static struct vds_error *take_cache_map(struct vds_sharing_sources *s,
					size_t area)
{
	const struct vds_cache_map *map = &s->listings[area].map;
	struct vds_seen_section *seen = &s->work->seen[area];
	struct vds_error *err = NULL;
	for (size_t i = 0; !err && i < map->num_views; i++) {
		const struct vds_kernel_view view = {
			.address = map->views[i].vacb,
			.control_area = seen->control_area,
			.va = map->views[i].address,
			.size = VDS_CACHE_VIEW_SIZE,
			.offset = map->views[i].offset,
			.source = VDS_VIEW_IN_CACHE,
		};
		/* Arrays that broke off may have had it all the same. */
		const uint64_t *slot = vds_map_get(&s->by_va, view.va);
		seen->sources |= VDS_VIEW_IN_CACHE;
		if (slot &&
		    s->kernel.list[*slot - 1].address == view.address)
			continue;
		err = add_kernel_view(s, &view);
	}
	return err;
}

/* An entry of a list that is no process's: known already, or new. */
static struct vds_error *take_listed(struct vds_sharing_sources *s,
				     uint64_t area,
				     const struct vds_listed_view *listed)
{
	const uint64_t *slot = vds_map_get(&s->by_links, listed->links);
	if (!slot)
		slot = vds_map_get(&s->by_va, listed->va);
	if (slot && s->kernel.list[*slot - 1].control_area == area) {
		struct vds_kernel_view *known = &s->kernel.list[*slot - 1];
		known->source |= VDS_VIEW_IN_LIST;
		known->links = listed->links;
		if (known->offset_why && !listed->offset_why) {
			known->offset = listed->offset;
			known->offset_why = VDS_PRESENT;
		}
		return NULL;
	}
	struct vds_kernel_view view = {
		.address = listed->links, .links = listed->links,
		.control_area = area, .va = listed->va,
		.offset = listed->offset, .offset_why = listed->offset_why,
		.source = VDS_VIEW_IN_LIST,
	};
	/* The cache maps 256 KB at a time. */
	if (listed->owner == VDS_VIEW_SYSTEM)
		view.size = VDS_CACHE_VIEW_SIZE;
	return add_kernel_view(s, &view);
}

/*
 * A VAD that the list names. If its own way to the section is broken, the
 * section has a view all the same.
 */
static void mark_listed(struct vds_view *view, struct vds_seen_section *seen)
{
	view->sources |= VDS_VIEW_IN_LIST;
	if (view->section && !view->section->why)
		return;
	seen->num_views++;
	seen->in_groups = true;
}

struct vds_error *vds_sharing_reconcile(struct vds_sharing_sources *s)
{
	struct vds_sharing_work *work = s->work;
	_cleanup_(vds_map_deinit) struct vds_map by_node = {0};
	struct vds_error *err = NULL;
	if (!vds_map_reserve(&by_node, work->num_views))
		return &vds_enomem;
	for (size_t i = 0; i < work->num_views; i++) {
		uint64_t *at = vds_map_put(&by_node, work->views[i].node,
					   NULL);
		if (!at)
			return &vds_enomem;
		*at = i;
	}
	for (size_t i = 0; !err && i < s->kernel.count; i++)
		err = index_kernel_view(s, i);
	for (size_t i = 0; !err && i < work->num_seen; i++) {
		const struct vds_sharing_listing *l = &s->listings[i];
		uint64_t area = work->seen[i].control_area;
		err = take_cache_map(s, i);
		if (l->count)
			work->seen[i].sources |= VDS_VIEW_IN_LIST;
		for (size_t k = 0; !err && k < l->count; k++) {
			uint64_t *at = vds_map_get(&by_node, l->views[k].vad);
			if (l->views[k].owner != VDS_VIEW_PROCESS)
				err = take_listed(s, area, &l->views[k]);
			else if (at)
				mark_listed(&work->views[*at],
					    &work->seen[i]);
			else
				err = add_unlinked(s, area, &l->views[k]);
		}
	}
	return err;
}
