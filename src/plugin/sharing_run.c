/* SPDX-License-Identifier: Apache-2.0 */
/* vds_sharing_build(): the steps of analysis/views.h over all threads. */
#include <stdlib.h>
#include <string.h>

#include "analysis/grade.h"
#include "base/map.h"
#include "base/util.h"
#include "nt/kernel.h"
#include "nt/process.h"
#include "nt/task.h"
#include "plugin/session.h"
#include "plugin/sharing_int.h"

/* Who wants to see all VADs. */
struct onlooker {
	struct vds_run *run;
	const struct vds_sharing_work *build;
};

static struct vds_error *show(void *ctx, const struct vds_process *process,
			      const struct vds_vad *vad)
{
	const struct onlooker *o = ctx;
	return o->build->see(o->run, process, vad, o->build->see_ctx);
}

static struct vds_error *collect(struct vds_run *run, size_t index, void *ctx)
{
	struct vds_sharing_work *build = ctx;
	const struct vds_process *process = vds_process_at(run, index);
	if (!process)
		return &vds_enomem;
	struct onlooker onlooker = {run, build};
	vds_peb_slots_read(process, &build->slots[index]);
	return vds_views_collect(process, build->options->physical,
				 &build->lists[index],
				 build->see ? show : NULL, &onlooker);
}

static struct vds_error *concatenate(struct vds_run *run,
				     struct vds_sharing_work *build)
{
	for (size_t i = 0; i < build->num_processes; i++)
		build->num_views += build->lists[i].count;
	size_t size;
	if (__builtin_mul_overflow(build->num_views, sizeof(*build->views),
				   &size))
		return &vds_enomem;
	build->views = vds_arena_alloc(&run->task->arena, size);
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

/* A subsection, in the order of their first views. */
struct numbered {
	uint64_t address;
	uint32_t number;
};

static int compare_numbered(const void *pa, const void *pb)
{
	const struct numbered *a = pa, *b = pb;
	return a->address < b->address ? -1 : a->address > b->address;
}

/* Numbers the subsections; each view's is in its `group` for now. */
static struct vds_error *number_subsections(struct vds_sharing_work *build,
					    size_t *ret_count)
{
	_cleanup_(vds_map_deinit) struct vds_map index = {0};
	size_t n = 0;
	for (size_t i = 0; i < build->num_views; i++) {
		struct vds_view *view = &build->views[i];
		bool is_new;
		uint64_t *number = vds_map_put(
			&index, view->subsection_address, &is_new);
		if (!number || n == UINT32_MAX)
			return &vds_enomem;
		if (is_new)
			*number = n++;
		view->group = (uint32_t)*number;
	}
	*ret_count = n;
	return NULL;
}

/* All subsections, sorted; each view's index of its own in its `group`. */
static struct vds_error *list_subsections(struct vds_run *run,
					  struct vds_sharing_work *build)
{
	size_t n;
	struct vds_error *err = number_subsections(build, &n);
	if (err)
		return err;
	_cleanup_free_ struct numbered *order =
		vds_malloc_array(n + 1, sizeof(*order));
	_cleanup_free_ uint32_t *rank = vds_malloc_array(n + 1, sizeof(*rank));
	build->subsections = vds_alloc(run, n + 1, sizeof(uint64_t));
	build->files = vds_alloc(run, n + 1, sizeof(uint64_t));
	build->sections = vds_alloc(run, n + 1, sizeof(*build->sections));
	if (!order || !rank || !build->subsections || !build->files ||
	    !build->sections)
		return &vds_enomem;
	for (size_t i = 0; i < build->num_views; i++) {
		const struct vds_view *view = &build->views[i];
		order[view->group] = (struct numbered){
			view->subsection_address, view->group};
	}
	qsort(order, n, sizeof(*order), compare_numbered);
	for (size_t i = 0; i < n; i++) {
		build->subsections[i] = order[i].address;
		rank[order[i].number] = (uint32_t)i;
	}
	for (size_t i = 0; i < build->num_views; i++) {
		struct vds_view *view = &build->views[i];
		view->group = rank[view->group];
		if (!build->files[view->group])
			build->files[view->group] = view->file_object;
	}
	build->num_subsections = n;
	return NULL;
}

static struct vds_error *resolve(struct vds_run *run, size_t index, void *ctx)
{
	struct vds_sharing_work *build = ctx;
	const struct vds_process *process = vds_process_at(run, 0);
	if (!process)
		return &vds_enomem;
	size_t end = VDS_MIN((index + 1) * VDS_SHARING_BATCH,
			     build->num_subsections);
	for (size_t i = index * VDS_SHARING_BATCH; i < end; i++) {
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

/* What vds_sharing_build() hands out, and what can be done with it later. */
struct graded {
	struct vds_sharing sharing;
	struct vds_view **order;
	struct vds_share_group *groups;
	size_t min_views;	/* of a group that is graded, at least 2 */
	uint64_t cost;		/* of grading them all */
};

static bool is_graded(const struct graded *g,
		      const struct vds_share_group *group)
{
	return group->num_views >= g->min_views;
}

static struct vds_error *grade(struct vds_run *run, size_t index, void *ctx)
{
	const struct graded *g = ctx;
	struct vds_share_group *group = &g->groups[index];
	if (!is_graded(g, group))
		return NULL;
	/* A share of the budget, as large as its part of all there is to do. */
	uint64_t lookups = vds_group_grade_cost(group) * 2 + 1024;
	if (g->cost > VDS_GRADE_BUDGET)
		lookups = lookups / (g->cost / VDS_GRADE_BUDGET + 1) + 1024;
	return vds_group_grade(group, g->order + group->first_view, lookups,
			       process_of, run);
}

struct vds_error *vds_share_group_grade(struct vds_run *run,
					const struct vds_sharing *sharing,
					size_t group)
{
	return grade(run, group, (void *)sharing);
}

static struct vds_error *place(struct vds_run *run,
			       struct vds_sharing_work *build)
{
	struct vds_error *err = list_subsections(run, build);
	if (!err)
		err = vds_parallel(run, (build->num_subsections +
					 VDS_SHARING_BATCH - 1) /
						VDS_SHARING_BATCH,
				   resolve, build);
	for (size_t i = 0; !err && i < build->num_views; i++) {
		struct vds_view *view = &build->views[i];
		vds_view_place(view, build->sections[view->group]);
	}
	return err;
}

/* Which sections the groups are about. */
static void mark_grouped(struct vds_sharing_work *build)
{
	const struct vds_sharing lookup = {.sections = build->seen,
					   .num_sections = build->num_seen};
	for (size_t g = 0; g < build->num_groups; g++) {
		const struct vds_share_group *group = &build->groups[g];
		/* Views without pages may be of different sections. */
		size_t n = group->has_pages ? 1 : group->num_views;
		for (size_t i = 0; i < n; i++) {
			const struct vds_section *section =
				build->order[group->first_view + i]->section;
			struct vds_seen_section *seen =
				section && !section->why ?
				(struct vds_seen_section *)vds_sharing_section(
					&lookup, section->control_area) : NULL;
			if (seen)
				seen->in_groups = true;
		}
	}
}

static struct vds_error *build_all(struct vds_run *run,
				   struct vds_sharing_work *build)
{
	struct vds_error *err =
		vds_parallel(run, build->num_processes, collect, build);
	if (!err)
		err = concatenate(run, build);
	if (!err)
		err = place(run, build);
	if (!err && build->read)
		err = vds_sharing_read_sources(run, build);
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
	if (!err)
		mark_grouped(build);
	return err;
}

static struct vds_error *hand_out(struct vds_run *run,
				  const struct vds_sharing_work *build,
				  const struct vds_sharing **ret)
{
	struct graded *g = vds_alloc(run, 1, sizeof(*g));
	if (!g)
		return &vds_enomem;
	*g = (struct graded){
		.sharing = {
			.views = (const struct vds_view *const *)build->order,
			.num_views = build->num_views,
			.groups = build->groups,
			.num_groups = build->num_groups,
			.sections = build->seen,
			.num_sections = build->num_seen,
		},
		.order = build->order, .groups = build->groups,
		.min_views = VDS_MAX(build->options->min_views, (size_t)2),
	};
	for (size_t i = 0; i < build->num_groups; i++) {
		if (is_graded(g, &build->groups[i]))
			g->cost += vds_group_grade_cost(&build->groups[i]);
	}
	*ret = &g->sharing;
	return build->options->verify == VDS_VERIFY_PTE ?
		       vds_parallel(run, build->num_groups, grade, g) : NULL;
}

static int compare_area(const void *pkey, const void *pseen)
{
	uint64_t key = *(const uint64_t *)pkey;
	const struct vds_seen_section *seen = pseen;
	return key < seen->control_area ? -1 : key > seen->control_area;
}

const struct vds_seen_section *
vds_sharing_section(const struct vds_sharing *sharing, uint64_t control_area)
{
	if (!sharing->num_sections)
		return NULL;
	return bsearch(&control_area, sharing->sections, sharing->num_sections,
		       sizeof(*sharing->sections), compare_area);
}

uint64_t vds_unaccounted_views(const struct vds_seen_section *section)
{
	uint64_t claimed = section->section->mapped_views;
	if (section->views_why || section->section->why ||
	    claimed <= section->num_views)
		return 0;
	return claimed - section->num_views;
}

struct vds_error *vds_sharing_build(struct vds_run *run,
				    const struct vds_sharing_options *options,
				    const struct vds_sharing **ret)
{
	return vds_sharing_build_seeing(run, options, NULL, NULL, ret);
}

struct vds_error *
vds_sharing_build_seeing(struct vds_run *run,
			 const struct vds_sharing_options *options,
			 vds_see_vad_fn *see, void *ctx,
			 const struct vds_sharing **ret)
{
	struct vds_sharing_work build = {
		.options = options, .read = options->read,
		.see = see, .see_ctx = ctx,
		.num_processes = vds_num_processes(run),
	};
	const struct vds_sharing *sharing = NULL;
	if (options->listed)
		build.read |= VDS_VIEW_IN_LIST;
	build.lists = calloc(build.num_processes + 1, sizeof(*build.lists));
	build.slots = calloc(build.num_processes + 1, sizeof(*build.slots));
	struct vds_error *err = NULL;
	if (!build.lists || !build.slots)
		err = &vds_enomem;
	if (!err)
		err = build_all(run, &build);
	for (size_t i = 0; build.lists && i < build.num_processes; i++)
		vds_view_list_deinit(&build.lists[i]);
	free(build.lists);
	free(build.slots);
	if (!err)
		err = hand_out(run, &build, &sharing);
	if (err)
		return err;
	if (build.read & VDS_VIEW_IN_LIST)
		run->listed = sharing;
	*ret = sharing;
	return NULL;
}
