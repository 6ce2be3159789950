/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who else knows of sections and of their views: the control areas' own lists,
 * the tree of prototype PTE arrays, the file cache, system space, sessions,
 * section objects. What they say is brought together here; how each is read is
 * the nt room's affair.
 */
#include "plugin/sharing_sources.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "nt/kernel.h"
#include "nt/process.h"
#include "nt/rec.h"
#include "nt/walk.h"

/* What the VADs lead to is decoded already: perhaps with a view's file. */
static void take_sections(struct vds_sharing_sources *s)
{
	struct vds_sharing_work *work = s->work;
	for (size_t i = 0; i < work->num_subsections; i++) {
		const struct vds_section *section = work->sections[i];
		struct vds_seen_section *seen = section && !section->why ?
			vds_sharing_seen_at(s, section->control_area) : NULL;
		if (seen && !seen->section)
			seen->section = section;
	}
}

/* The views of the cache by the file's own map: for want of the arrays. */
static void ask_cache(struct vds_run *run, const struct vds_process *any,
		      const struct vds_section *section,
		      struct vds_sharing_listing *ret)
{
	const struct vds_kernel *kernel = any->task->kernel;
	uint64_t map;
	if (section->backing != VDS_BACKING_DATA ||
	    !vds_is_kernel_pointer(kernel, section->file_identity, 8) ||
	    vds_task_field(any->task, section->file_identity,
			   vds_kf(kernel, SOP_CACHE), &map) || !map)
		return;
	vds_cache_map_at(run, map, &ret->map);
}

static struct vds_error *ask_batch(struct vds_run *run, size_t index, void *ctx)
{
	struct vds_sharing_sources *s = ctx;
	const struct vds_process *any = vds_process_at(run, 0);
	size_t end = VDS_MIN((index + 1) * VDS_SHARING_BATCH,
			     s->work->num_seen);
	if (!any)
		return &vds_enomem;
	for (size_t i = index * VDS_SHARING_BATCH; i < end; i++) {
		struct vds_seen_section *seen = &s->work->seen[i];
		struct vds_sharing_listing *listing = &s->listings[i];
		if (!seen->section)
			seen->section = vds_section_at(any,
						       seen->control_area);
		if (!seen->section)
			return &vds_enomem;
		listing->why = seen->section->why;
		if (listing->why)
			continue;
		listing->why = VDS_NOT_APPLICABLE;
		if (vds_sharing_wants(s, VDS_VIEW_IN_LIST))
			listing->views = vds_section_listed_views(
				any, seen->control_area, &listing->count,
				&listing->why);
		if (vds_sharing_wants(s, VDS_VIEW_IN_CACHE) && s->cache_why)
			ask_cache(run, any, seen->section, listing);
	}
	return NULL;
}

static enum vds_view_space space_of(const struct vds_kernel_view *view)
{
	if (view->source & VDS_VIEW_IN_CACHE)
		return VDS_SPACE_CACHE;
	if (view->source & VDS_VIEW_IN_SESSION)
		return VDS_SPACE_SESSION;
	/* Only the list knows it, and gave it the size of the cache's views. */
	if (!(view->source & VDS_VIEW_IN_SYSTEM) && view->size)
		return VDS_SPACE_CACHE;
	return VDS_SPACE_SYSTEM;
}

/* A process by whose page tables the view can be seen. */
static const struct vds_process *onlooker(struct vds_sharing_sources *s,
					  const struct vds_kernel_view *view)
{
	const struct vds_kernel *kernel = s->any->task->kernel;
	if (!view->has_session)
		return s->any;
	for (size_t i = 0; i < kernel->num_processes; i++) {
		const struct vds_process *p = &kernel->processes[i];
		if (!p->session_why && p->session == view->session &&
		    !p->exited && p->dtb)
			return vds_process_at(s->run, i);
	}
	return NULL;
}

static struct vds_error *place_kernel_view(struct vds_sharing_sources *s,
					   const struct vds_kernel_view *from)
{
	const struct vds_seen_section *seen =
		vds_sharing_seen_at(s, from->control_area);
	struct vds_view view = {
		.node = from->address, .start = from->va,
		.process = VDS_NO_PROCESS,
		.sources = (uint8_t)from->source,
		.space = (uint8_t)space_of(from),
		.has_session = from->has_session, .session = from->session,
	};
	if (!seen || !(from->source & s->work->options->kernel_views))
		return NULL;
	vds_view_place_kernel(&view, seen->section, onlooker(s, from),
			      from->size, from->offset, from->offset_why);
	return vds_view_list_add(&s->extra, &view);
}

static int compare_views(const void *pa, const void *pb)
{
	const struct vds_view *a = pa, *b = pb;
	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	if (a->space != b->space)
		return a->space < b->space ? -1 : 1;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
}

/* Puts the extra views among the others, in their order. */
static struct vds_error *merge(struct vds_sharing_sources *s)
{
	struct vds_sharing_work *work = s->work;
	size_t n = work->num_views + s->extra.count;
	struct vds_view *views = vds_alloc(s->run, n + 1, sizeof(*views));
	if (!views)
		return &vds_enomem;
	if (work->num_views)
		memcpy(views, work->views, work->num_views * sizeof(*views));
	memcpy(views + work->num_views, s->extra.views,
	       s->extra.count * sizeof(*views));
	qsort(views, n, sizeof(*views), compare_views);
	work->views = views;
	work->num_views = n;
	return NULL;
}

static void count_view(struct vds_sharing_sources *s,
		       const struct vds_view *view)
{
	struct vds_seen_section *seen =
		view->section && !view->section->why ?
			vds_sharing_seen_at(s, view->section->control_area) :
			NULL;
	if (seen)
		seen->num_views++;
}

/* How many views are known of each section, and whether that is all. */
static void count(struct vds_sharing_sources *s)
{
	struct vds_sharing_work *work = s->work;
	_cleanup_(vds_map_deinit) struct vds_map cached = {0};
	for (size_t i = 0; i < work->num_views; i++)
		count_view(s, &work->views[i]);
	for (size_t i = 0; i < s->extra.count; i++) {
		if (s->extra.views[i].space == VDS_SPACE_PROCESS)
			count_view(s, &s->extra.views[i]);
	}
	for (size_t i = 0; i < s->kernel.count; i++) {
		struct vds_seen_section *seen =
			vds_sharing_seen_at(s, s->kernel.list[i].control_area);
		uint64_t *n = vds_map_put(&cached,
					  s->kernel.list[i].control_area,
					  NULL);
		if (seen)
			seen->num_views++;
		if (n && space_of(&s->kernel.list[i]) == VDS_SPACE_CACHE)
			++*n;
	}
	for (size_t i = 0; i < work->num_seen; i++) {
		struct vds_seen_section *seen = &work->seen[i];
		const uint64_t *n = vds_map_get(&cached, seen->control_area);
		seen->views_why = s->listings[i].why;
		/* On Windows 7 the cache's views stand in no list. */
		if (!seen->views_why && s->cache_why &&
		    !seen->section->cache_views_why &&
		    seen->section->cache_views > (n ? *n : 0))
			seen->views_why = s->cache_why;
	}
}

static struct vds_error *read_sources(struct vds_sharing_sources *s)
{
	struct vds_error *err = vds_sharing_gather(s);
	if (err)
		return err;
	take_sections(s);
	size_t batches = (s->work->num_seen + VDS_SHARING_BATCH - 1) /
			 VDS_SHARING_BATCH;
	err = vds_parallel(s->run, batches, ask_batch, s);
	if (!err)
		err = vds_sharing_reconcile(s);
	for (size_t i = 0; !err && i < s->kernel.count; i++)
		err = place_kernel_view(s, &s->kernel.list[i]);
	if (err)
		return err;
	count(s);
	return s->extra.count ? merge(s) : NULL;
}

struct vds_error *vds_sharing_read_sources(struct vds_run *run,
					   struct vds_sharing_work *work)
{
	struct vds_sharing_sources s = {.run = run, .work = work,
			    .any = vds_process_at(run, 0)};
	if (!work->num_processes)
		return NULL;
	struct vds_error *err = s.any ? read_sources(&s) : &vds_enomem;
	vds_map_deinit(&s.areas);
	vds_map_deinit(&s.by_links);
	vds_map_deinit(&s.by_va);
	vds_map_deinit(&s.unlisted);
	vds_view_list_deinit(&s.extra);
	return err;
}
