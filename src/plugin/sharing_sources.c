/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who else knows of sections and of their views: the control areas' own lists,
 * the tree of prototype PTE arrays, the file cache, system space, sessions,
 * section objects. What they say is brought together here; how each is read is
 * the nt room's affair.
 */
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/util.h"
#include "nt/kernel.h"
#include "nt/process.h"
#include "nt/rec.h"
#include "nt/section_source.h"
#include "nt/walk.h"
#include "plugin/sharing_int.h"
#include "vadose/file.h"

/* That a source knows a section. */
struct ref {
	uint64_t area;
	uint32_t sources;
};

/* What is read of one control area, in parallel. */
struct listing {
	const struct vds_listed_view *views;
	size_t count;
	enum vds_why why;
	/* By its file's own cache map, where the arrays can't be had. */
	struct vds_cache_map map;
};

struct sources {
	struct vds_run *run;
	struct vds_sharing_work *work;
	const struct vds_process *any;
	struct ref *refs;	/* malloc'ed */
	size_t num_refs, cap_refs;
	struct vds_map areas;	/* control area -> index in work->seen + 1 */
	struct listing *listings;	/* one per seen section */
	struct vds_kernel_views kernel;
	/* The entry in a list, or the address, of each -> its index + 1. */
	struct vds_map by_links, by_va;
	enum vds_why cache_why;	/* of the arrays of VACBs */
	struct vds_map unlisted;	/* EPROCESS -> struct vds_process, or 0 */
	struct vds_view_list extra;	/* views that no VAD tree knows */
};

static bool wants(const struct sources *s, uint32_t source)
{
	return s->work->read & source;
}

static struct vds_error *add_ref(struct sources *s, uint64_t area,
				 uint32_t sources)
{
	if (s->num_refs == s->cap_refs) {
		size_t cap = s->cap_refs ? s->cap_refs * 2 : 256;
		struct ref *refs = reallocarray(s->refs, cap, sizeof(*refs));
		if (!refs)
			return &vds_enomem;
		s->refs = refs;
		s->cap_refs = cap;
	}
	s->refs[s->num_refs++] = (struct ref){area, sources};
	return NULL;
}

static struct vds_error *add_objects(struct sources *s)
{
	static const struct {
		uint32_t found, source;
	} words[] = {
		{VDS_OBJECT_HANDLE, VDS_SECTION_IN_HANDLE},
		{VDS_OBJECT_DIRECTORY, VDS_SECTION_IN_DIRECTORY},
		{VDS_OBJECT_PROCESS, VDS_SECTION_IN_PROCESS},
	};
	struct vds_error *err = NULL;
	size_t count;
	const struct vds_section_object *objects =
		vds_section_objects(s->work->options->names, &count);
	for (size_t i = 0; !err && i < count; i++) {
		uint32_t sources = 0;
		for (size_t k = 0; k < VDS_ARRAY_SIZE(words); k++) {
			if (objects[i].found & words[k].found)
				sources |= words[k].source;
		}
		if (!objects[i].control_area_why && (sources & s->work->read))
			err = add_ref(s, objects[i].control_area,
				      sources & s->work->read);
	}
	return err;
}

static struct vds_error *add_kernel_views(struct sources *s)
{
	struct vds_task *task = s->any->task;
	struct vds_error *err = NULL;
	s->cache_why = VDS_NOT_APPLICABLE;
	if (wants(s, VDS_VIEW_IN_CACHE))
		s->cache_why = vds_cache_arrays_list(task, &s->kernel);
	if (wants(s, VDS_VIEW_IN_SYSTEM | VDS_VIEW_IN_SESSION))
		vds_system_views_list(task, &s->kernel);
	for (size_t i = 0; !err && i < s->kernel.count; i++)
		err = add_ref(s, s->kernel.list[i].control_area,
			      s->kernel.list[i].source);
	return err;
}

static struct vds_error *add_pool(struct sources *s)
{
	uint64_t *areas = NULL;
	size_t count = 0;
	struct vds_error *err = vds_pool_sections(s->run, &areas, &count);
	for (size_t i = 0; !err && i < count; i++)
		err = add_ref(s, areas[i], VDS_SECTION_IN_POOL);
	free(areas);
	return err;
}

/* All sections that any source leads to. */
static struct vds_error *gather(struct sources *s)
{
	struct vds_sharing_work *work = s->work;
	struct vds_error *err = NULL;
	for (size_t i = 0; !err && i < work->num_subsections; i++) {
		if (work->sections[i] && !work->sections[i]->why)
			err = add_ref(s, work->sections[i]->control_area,
				      VDS_VIEW_IN_TREE);
	}
	if (!err && wants(s, VDS_SECTION_IN_PROTOS)) {
		enum vds_why why;
		size_t count;
		const struct vds_section_ref *list = vds_prototype_tree_list(
			s->any->task, &count, &why);
		for (size_t i = 0; !err && i < count; i++)
			err = add_ref(s, list[i].control_area,
				      VDS_SECTION_IN_PROTOS);
	}
	if (!err && wants(s, VDS_SOURCES_OBJECTS) && work->options->names)
		err = add_objects(s);
	if (!err && wants(s, VDS_SECTION_IN_POOL))
		err = add_pool(s);
	return err ? err : add_kernel_views(s);
}

static int compare_refs(const void *pa, const void *pb)
{
	const struct ref *a = pa, *b = pb;
	return a->area < b->area ? -1 : a->area > b->area;
}

/* Each section once, in order; its index in s->areas. */
static struct vds_error *fold(struct sources *s)
{
	struct vds_sharing_work *work = s->work;
	if (s->num_refs)
		qsort(s->refs, s->num_refs, sizeof(*s->refs), compare_refs);
	work->seen = vds_alloc(s->run, s->num_refs + 1, sizeof(*work->seen));
	s->listings = vds_alloc(s->run, s->num_refs + 1, sizeof(*s->listings));
	if (!work->seen || !s->listings)
		return &vds_enomem;
	for (size_t i = 0; i < s->num_refs; i++) {
		uint64_t area = s->refs[i].area;
		if (!i || s->refs[i - 1].area != area) {
			uint64_t *index = vds_map_put(&s->areas, area, NULL);
			if (!index)
				return &vds_enomem;
			work->seen[work->num_seen++].control_area = area;
			*index = work->num_seen;
		}
		work->seen[work->num_seen - 1].sources |= s->refs[i].sources;
	}
	return NULL;
}

static struct vds_seen_section *seen_at(struct sources *s, uint64_t area)
{
	const uint64_t *index = vds_map_get(&s->areas, area);
	return index ? &s->work->seen[*index - 1] : NULL;
}

/* What the VADs lead to is decoded already: perhaps with a view's file. */
static void take_sections(struct sources *s)
{
	struct vds_sharing_work *work = s->work;
	for (size_t i = 0; i < work->num_subsections; i++) {
		const struct vds_section *section = work->sections[i];
		struct vds_seen_section *seen = section && !section->why ?
			seen_at(s, section->control_area) : NULL;
		if (seen && !seen->section)
			seen->section = section;
	}
}

/* The views of the cache by the file's own map: for want of the arrays. */
static void ask_cache(struct vds_run *run, const struct vds_process *any,
		      const struct vds_section *section, struct listing *ret)
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
	struct sources *s = ctx;
	const struct vds_process *any = vds_process_at(run, 0);
	size_t end = VDS_MIN((index + 1) * VDS_SHARING_BATCH,
			     s->work->num_seen);
	if (!any)
		return &vds_enomem;
	for (size_t i = index * VDS_SHARING_BATCH; i < end; i++) {
		struct vds_seen_section *seen = &s->work->seen[i];
		struct listing *listing = &s->listings[i];
		if (!seen->section)
			seen->section = vds_section_at(any,
						       seen->control_area);
		if (!seen->section)
			return &vds_enomem;
		listing->why = seen->section->why;
		if (listing->why)
			continue;
		listing->why = VDS_NOT_APPLICABLE;
		if (wants(s, VDS_VIEW_IN_LIST))
			listing->views = vds_section_listed_views(
				any, seen->control_area, &listing->count,
				&listing->why);
		if (wants(s, VDS_VIEW_IN_CACHE) && s->cache_why)
			ask_cache(run, any, seen->section, listing);
	}
	return NULL;
}

static uint32_t index_of(const struct vds_kernel *kernel, uint64_t eprocess)
{
	const struct vds_process *p = vds_kernel_process(kernel, eprocess);
	return p ? (uint32_t)p->index : VDS_NO_PROCESS;
}

/* What the EPROCESS of a process that nothing lists says of itself. */
static struct vds_error *peek(struct sources *s, uint64_t eprocess,
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
static struct vds_error *add_unlinked(struct sources *s, uint64_t area,
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
static struct vds_error *index_kernel_view(struct sources *s, size_t i)
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

static struct vds_error *add_kernel_view(struct sources *s,
					 const struct vds_kernel_view *view)
{
	if (!vds_kernel_views_add(s->any->task, &s->kernel, view))
		return &vds_enomem;
	return index_kernel_view(s, s->kernel.count - 1);
}

/* The views of a file's own cache map. */
static struct vds_error *take_cache_map(struct sources *s, size_t area)
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
static struct vds_error *take_listed(struct sources *s, uint64_t area,
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

/* Marks the views that lists name, and adds those that only lists name. */
static struct vds_error *reconcile(struct sources *s)
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
		const struct listing *l = &s->listings[i];
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
static const struct vds_process *onlooker(struct sources *s,
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

static struct vds_error *place_kernel_view(struct sources *s,
					   const struct vds_kernel_view *from)
{
	const struct vds_seen_section *seen = seen_at(s, from->control_area);
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
static struct vds_error *merge(struct sources *s)
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

static void count_view(struct sources *s, const struct vds_view *view)
{
	struct vds_seen_section *seen =
		view->section && !view->section->why ?
			seen_at(s, view->section->control_area) : NULL;
	if (seen)
		seen->num_views++;
}

/* How many views are known of each section, and whether that is all. */
static void count(struct sources *s)
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
			seen_at(s, s->kernel.list[i].control_area);
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

static struct vds_error *read_sources(struct sources *s)
{
	struct vds_error *err = gather(s);
	if (!err)
		err = fold(s);
	if (err)
		return err;
	take_sections(s);
	size_t batches = (s->work->num_seen + VDS_SHARING_BATCH - 1) /
			 VDS_SHARING_BATCH;
	err = vds_parallel(s->run, batches, ask_batch, s);
	if (!err)
		err = reconcile(s);
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
	struct sources s = {.run = run, .work = work,
			    .any = vds_process_at(run, 0)};
	if (!work->num_processes)
		return NULL;
	struct vds_error *err = s.any ? read_sources(&s) : &vds_enomem;
	free(s.refs);
	vds_map_deinit(&s.areas);
	vds_map_deinit(&s.by_links);
	vds_map_deinit(&s.by_va);
	vds_map_deinit(&s.unlisted);
	vds_view_list_deinit(&s.extra);
	return err;
}
