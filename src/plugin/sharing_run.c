/* SPDX-License-Identifier: Apache-2.0 */
/* vds_sharing_build(): the steps of analysis/views.h over all threads. */
#include <stdlib.h>
#include <string.h>

#include "analysis/grade.h"
#include "analysis/known.h"
#include "analysis/views.h"
#include "base/map.h"
#include "base/util.h"
#include "nt/kernel.h"
#include "nt/process.h"
#include "nt/task.h"
#include "vadose/run.h"
#include "vadose/sharing.h"

/* What one control area's own list says. */
struct listing {
	const struct vds_listed_view *views;
	size_t count;
	enum vds_why why;
};

struct build {
	const struct vds_sharing_options *options;
	size_t num_processes;
	struct vds_view_list *lists;	/* one per process, malloc'ed */
	struct vds_peb_slots *slots;	/* one per process */
	struct vds_view *views;
	size_t num_views;
	uint64_t *subsections;		/* distinct addresses, sorted */
	uint64_t *files;	/* of each subsection: some view's FileObject */
	const struct vds_section **sections;	/* of each subsection */
	size_t num_subsections;
	uint64_t *areas;		/* distinct control areas, sorted */
	struct listing *listings;	/* one per area */
	size_t num_areas;
	struct vds_view **order;
	struct vds_share_group *groups;
	size_t num_groups;
};

static struct vds_error *collect(struct vds_run *run, size_t index, void *ctx)
{
	struct build *build = ctx;
	const struct vds_process *process = vds_process_at(run, index);
	if (!process)
		return &vds_enomem;
	vds_peb_slots_read(process, &build->slots[index]);
	return vds_views_collect(process, build->options->physical,
				 &build->lists[index]);
}

static struct vds_error *concatenate(struct vds_run *run, struct build *build)
{
	for (size_t i = 0; i < build->num_processes; i++)
		build->num_views += build->lists[i].count;
	build->views = vds_alloc(run, build->num_views + 1,
				 sizeof(*build->views));
	if (!build->views)
		return &vds_enomem;
	size_t n = 0;
	for (size_t i = 0; i < build->num_processes; i++) {
		struct vds_view_list *list = &build->lists[i];
		if (list->count)
			memcpy(build->views + n, list->views,
			       list->count * sizeof(*list->views));
		n += list->count;
		vds_view_list_deinit(list);
	}
	return NULL;
}

static int compare_u64(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
	return a < b ? -1 : a > b;
}

static struct vds_error *list_subsections(struct vds_run *run,
					  struct build *build,
					  struct vds_map *index)
{
	for (size_t i = 0; i < build->num_views; i++) {
		if (!vds_map_put(index, build->views[i].subsection_address,
				 NULL))
			return &vds_enomem;
	}
	size_t max = index->count + 1;
	build->subsections = vds_alloc(run, max, sizeof(uint64_t));
	build->files = vds_alloc(run, max, sizeof(uint64_t));
	build->sections = vds_alloc(run, max, sizeof(*build->sections));
	if (!build->subsections || !build->files || !build->sections)
		return &vds_enomem;
	/* In order of first appearance, then sorted: no hash order leaks. */
	size_t n = 0;
	for (size_t i = 0; i < build->num_views; i++) {
		uint64_t address = build->views[i].subsection_address;
		uint64_t *seen = vds_map_get(index, address);
		if (!*seen)
			build->subsections[n++] = address;
		*seen = 1;
	}
	qsort(build->subsections, n, sizeof(uint64_t), compare_u64);
	for (size_t i = 0; i < n; i++)
		*vds_map_get(index, build->subsections[i]) = i;
	for (size_t i = 0; i < build->num_views; i++) {
		const struct vds_view *view = &build->views[i];
		uint64_t *file = &build->files[*vds_map_get(
			index, view->subsection_address)];
		if (!*file)
			*file = view->file_object;
	}
	build->num_subsections = n;
	return NULL;
}

/* Subsections are resolved in batches, to keep the cost of a task small. */
#define BATCH 64

static struct vds_error *resolve(struct vds_run *run, size_t index, void *ctx)
{
	struct build *build = ctx;
	const struct vds_process *process = vds_process_at(run, 0);
	if (!process)
		return &vds_enomem;
	size_t end = VDS_MIN((index + 1) * BATCH, build->num_subsections);
	for (size_t i = index * BATCH; i < end; i++) {
		struct vds_vad vad = {.has_section = true,
				      .subsection = build->subsections[i],
				      .file_object = build->files[i]};
		build->sections[i] = vds_vad_section(process, &vad);
	}
	return NULL;
}

static const struct vds_process *process_of(void *ctx, size_t index)
{
	return vds_process_at(ctx, index);
}

static struct vds_error *grade(struct vds_run *run, size_t index, void *ctx)
{
	struct build *build = ctx;
	struct vds_share_group *group = &build->groups[index];
	size_t min = VDS_MAX(build->options->min_views, (size_t)2);
	if (group->num_views < min)
		return NULL;
	return vds_group_grade(group, build->order + group->first_view,
			       process_of, run);
}

/* Control areas are asked in batches, too. */
static struct vds_error *ask_area(struct vds_run *run, size_t index, void *ctx)
{
	struct build *build = ctx;
	const struct vds_process *any = vds_process_at(run, 0);
	if (!any)
		return &vds_enomem;
	size_t end = VDS_MIN((index + 1) * BATCH, build->num_areas);
	for (size_t i = index * BATCH; i < end; i++)
		build->listings[i].views = vds_section_listed_views(
			any, build->areas[i], &build->listings[i].count,
			&build->listings[i].why);
	return NULL;
}

static struct vds_error *list_areas(struct vds_run *run, struct build *build)
{
	build->areas = vds_alloc(run, build->num_subsections + 1,
				 sizeof(*build->areas));
	build->listings = vds_alloc(run, build->num_subsections + 1,
				    sizeof(*build->listings));
	if (!build->areas || !build->listings)
		return &vds_enomem;
	size_t n = 0;
	for (size_t i = 0; i < build->num_subsections; i++) {
		const struct vds_section *section = build->sections[i];
		if (section && !section->why)
			build->areas[n++] = section->control_area;
	}
	qsort(build->areas, n, sizeof(*build->areas), compare_u64);
	for (size_t i = 0; i < n; i++) {
		if (!i || build->areas[i] != build->areas[i - 1])
			build->areas[build->num_areas++] = build->areas[i];
	}
	return NULL;
}

static uint32_t index_of(const struct vds_kernel *kernel, uint64_t eprocess)
{
	const struct vds_process *p = vds_kernel_process(kernel, eprocess);
	return p ? (uint32_t)p->index : VDS_NO_PROCESS;
}

/* A view that only the list knows: its VAD is unlinked, or its process. */
static struct vds_error *add_unlinked(struct vds_run *run, uint64_t area,
				      const struct vds_listed_view *listed,
				      struct vds_view_list *extra)
{
	const struct vds_process *any = vds_process_at(run, 0);
	struct vds_vad vad;
	enum vds_why why = vds_vad_at(any, listed->vad, &vad);
	if (why || !vad.has_section) {
		vds_run_note(run, "listed_view_unreadable", listed->vad,
			     "control area 0x%016llx lists a view by the VAD at 0x%016llx, which is no VAD with a section (%s)",
			     (unsigned long long)area,
			     (unsigned long long)listed->vad,
			     vds_why_str(why ? why : VDS_BAD_DATA));
		return NULL;
	}
	struct vds_view view;
	vds_view_init(&view, &vad);
	view.process = index_of(any->task->kernel, listed->eprocess);
	view.eprocess = listed->eprocess;
	view.sources = VDS_VIEW_IN_LIST;
	vds_view_place(&view, vds_vad_section(any, &vad));
	return vds_view_list_add(extra, &view);
}

static int compare_views(const void *pa, const void *pb)
{
	const struct vds_view *a = pa, *b = pb;
	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
}

/* Puts the extra views among the others, in their order. */
static struct vds_error *merge(struct vds_run *run, struct build *build,
			       const struct vds_view_list *extra)
{
	size_t n = build->num_views + extra->count;
	struct vds_view *views = vds_alloc(run, n + 1, sizeof(*views));
	if (!views)
		return &vds_enomem;
	memcpy(views, build->views, build->num_views * sizeof(*views));
	memcpy(views + build->num_views, extra->views,
	       extra->count * sizeof(*views));
	qsort(views, n, sizeof(*views), compare_views);
	build->views = views;
	build->num_views = n;
	return NULL;
}

/* Marks the views that lists name, and adds those that only lists name. */
static struct vds_error *reconcile(struct vds_run *run, struct build *build)
{
	struct vds_map by_node = {0};
	struct vds_view_list extra = {0};
	struct vds_error *err = NULL;
	for (size_t i = 0; !err && i < build->num_views; i++) {
		uint64_t *at = vds_map_put(&by_node, build->views[i].node,
					   NULL);
		if (at)
			*at = i;
		else
			err = &vds_enomem;
	}
	for (size_t i = 0; !err && i < build->num_areas; i++) {
		const struct listing *l = &build->listings[i];
		for (size_t k = 0; !err && k < l->count; k++) {
			if (l->views[k].owner != VDS_VIEW_PROCESS)
				continue;
			uint64_t *at = vds_map_get(&by_node, l->views[k].vad);
			if (at)
				build->views[*at].sources |= VDS_VIEW_IN_LIST;
			else
				err = add_unlinked(run, build->areas[i],
						   &l->views[k], &extra);
		}
	}
	vds_map_deinit(&by_node);
	if (!err && extra.count)
		err = merge(run, build, &extra);
	vds_view_list_deinit(&extra);
	return err;
}

static struct vds_error *read_lists(struct vds_run *run, struct build *build)
{
	struct vds_error *err = list_areas(run, build);
	if (!err)
		err = vds_parallel(run, (build->num_areas + BATCH - 1) / BATCH,
				   ask_area, build);
	return err ? err : reconcile(run, build);
}

static struct vds_error *place(struct vds_run *run, struct build *build)
{
	struct vds_map index = {0};
	struct vds_error *err = list_subsections(run, build, &index);
	if (!err)
		err = vds_parallel(run, (build->num_subsections + BATCH - 1) /
						BATCH, resolve, build);
	for (size_t i = 0; !err && i < build->num_views; i++) {
		struct vds_view *view = &build->views[i];
		size_t k = *vds_map_get(&index, view->subsection_address);
		vds_view_place(view, build->sections[k]);
	}
	vds_map_deinit(&index);
	return err;
}

static struct vds_error *build_all(struct vds_run *run, struct build *build)
{
	struct vds_error *err =
		vds_parallel(run, build->num_processes, collect, build);
	if (!err)
		err = concatenate(run, build);
	if (!err)
		err = place(run, build);
	if (!err && build->options->listed && build->num_views)
		err = read_lists(run, build);
	if (err || !build->num_views)
		return err;
	const struct vds_process *any = vds_process_at(run, 0);
	if (!any)
		return &vds_enomem;
	const struct vds_kernel *kernel = any->task->kernel;
	err = vds_views_group(&any->task->arena, build->views,
			      build->num_views, kernel->processes,
			      &build->order, &build->groups,
			      &build->num_groups);
	if (!err)
		err = vds_known_mark(kernel->processes, kernel->num_processes,
				     build->slots, build->views,
				     build->num_views, build->groups,
				     build->num_groups);
	if (!err && build->options->verify == VDS_VERIFY_PTE)
		err = vds_parallel(run, build->num_groups, grade, build);
	return err;
}

struct vds_error *vds_sharing_build(struct vds_run *run,
				    const struct vds_sharing_options *options,
				    const struct vds_sharing **ret)
{
	struct build build = {.options = options,
			      .num_processes = vds_num_processes(run)};
	struct vds_sharing *sharing = vds_alloc(run, 1, sizeof(*sharing));
	build.lists = calloc(build.num_processes + 1, sizeof(*build.lists));
	build.slots = calloc(build.num_processes + 1, sizeof(*build.slots));
	struct vds_error *err = NULL;
	if (!sharing || !build.lists || !build.slots)
		err = &vds_enomem;
	if (!err)
		err = build_all(run, &build);
	for (size_t i = 0; build.lists && i < build.num_processes; i++)
		vds_view_list_deinit(&build.lists[i]);
	free(build.lists);
	free(build.slots);
	if (err)
		return err;
	*sharing = (struct vds_sharing){
		.views = (const struct vds_view *const *)build.order,
		.num_views = build.num_views,
		.groups = build.groups,
		.num_groups = build.num_groups,
	};
	*ret = sharing;
	return NULL;
}
