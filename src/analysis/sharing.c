/* SPDX-License-Identifier: Apache-2.0 */
/* Grouping: an interval sweep over prototype ranges, per control area. */
#include <stdlib.h>
#include <string.h>

#include "analysis/views.h"
#include "base/map.h"
#include "base/util.h"

const char *vds_grade_str(enum vds_grade grade)
{
	switch (grade) {
	case VDS_GRADE_HARDWARE:
		return "hardware";
	case VDS_GRADE_PFN:
		return "pfn";
	case VDS_GRADE_STRUCTURAL:
		return "structural";
	case VDS_GRADE_METADATA:
		return "metadata";
	case VDS_GRADE_NONE:
		break;
	}
	return NULL;
}

const char *vds_view_space_str(enum vds_view_space space)
{
	switch (space) {
	case VDS_SPACE_PROCESS:
		return "process";
	case VDS_SPACE_SESSION:
		return "session";
	case VDS_SPACE_SYSTEM:
		return "system";
	case VDS_SPACE_CACHE:
		break;
	}
	return "cache";
}

const char *vds_known_good_str(enum vds_known_good known)
{
	switch (known) {
	case VDS_KNOWN_API_SET:
		return "api-set-map";
	case VDS_KNOWN_CSR_SHARED:
		return "csrss-shared-section";
	case VDS_KNOWN_GDI_TABLE:
		return "gdi-handle-table";
	case VDS_KNOWN_NLS:
		return "nls";
	case VDS_KNOWN_NOT:
		break;
	}
	return NULL;
}

/*
 * The axis on which a view's pages lie. Where the section can't be used, the
 * kernel addresses of the prototype PTEs serve: equal slots are equal pages.
 */
struct interval {
	uint64_t axis;	/* control area; 0: addresses of prototype PTEs / 8 */
	uint64_t first, last;
};

static struct interval interval_of(const struct vds_view *view)
{
	struct interval at = {.axis = view->has_pages ?
			      view->section->control_area : 0};
	vds_view_extent(view, &at.first, &at.last);
	return at;
}

/* Sort keys: views themselves are large and stay where they are. */
struct key {
	struct interval at;
	size_t view;
};

static int compare_u64(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_first(const void *pa, const void *pb)
{
	const struct key *a = pa, *b = pb;
	int c = compare_u64(a->at.first, b->at.first);
	return c ? c : compare_u64(a->view, b->view);
}

static int compare_view_order(const void *pa, const void *pb)
{
	const struct key *a = pa, *b = pb;
	return compare_u64(a->view, b->view);
}

/* Most runs are in order already: one section, mapped alike by everybody. */
static void sort_run(struct key *keys, size_t count,
		     int (*compare)(const void *, const void *))
{
	for (size_t i = 1; i < count; i++) {
		if (compare(&keys[i - 1], &keys[i]) > 0) {
			qsort(keys, count, sizeof(*keys), compare);
			return;
		}
	}
}

static int compare_axes(const void *pa, const void *pb)
{
	return compare_u64(*(const uint64_t *)pa, *(const uint64_t *)pb);
}

/* Axes in order of their first views; malloc'ed. */
struct axes {
	uint64_t *list;
	size_t count, cap;
};

static bool add_axis(struct axes *axes, uint64_t axis)
{
	if (axes->count == axes->cap) {
		size_t cap = axes->cap ? axes->cap * 2 : 256;
		uint64_t *list = reallocarray(axes->list, cap, sizeof(*list));
		if (!list)
			return false;
		axes->list = list;
		axes->cap = cap;
	}
	axes->list[axes->count++] = axis;
	return true;
}

/* Counts the views of each axis: @count maps an axis to their number. */
static struct vds_error *count_axes(const struct vds_view *views, size_t num,
				    struct vds_map *count, struct axes *axes)
{
	for (size_t i = 0; i < num; i++) {
		uint64_t axis = interval_of(&views[i]).axis;
		bool is_new;
		uint64_t *n = vds_map_put(count, axis, &is_new);
		if (!n || (is_new && !add_axis(axes, axis)))
			return &vds_enomem;
		++*n;
	}
	if (axes->count)
		qsort(axes->list, axes->count, sizeof(*axes->list),
		      compare_axes);
	return NULL;
}

/*
 * Keys in order of (axis, first page, view): a counting sort by axis, since
 * there are far fewer sections than views.
 */
static struct vds_error *sort_keys(const struct vds_view *views, size_t num,
				   struct key *keys)
{
	struct vds_map start = {0};
	struct axes axes = {0};
	struct vds_error *err = count_axes(views, num, &start, &axes);
	size_t at = 0;
	for (size_t i = 0; !err && at < num; i++) {
		uint64_t *n = vds_map_get(&start, axes.list[i]);
		size_t here = (size_t)*n;
		*n = at;	/* from here on: where its next key goes */
		at += here;
	}
	for (size_t i = 0; !err && i < num; i++) {
		struct interval it = interval_of(&views[i]);
		uint64_t *n = vds_map_get(&start, it.axis);
		keys[(*n)++] = (struct key){it, i};
	}
	vds_map_deinit(&start);
	free(axes.list);
	for (size_t i = 0; !err && i < num;) {
		size_t end = i + 1;
		while (end < num && keys[end].at.axis == keys[i].at.axis)
			end++;
		sort_run(keys + i, end - i, compare_first);
		i = end;
	}
	return err;
}

static void describe(struct vds_share_group *group,
		     struct vds_view *const *views,
		     const struct vds_process *processes)
{
	bool has_session = false;
	uint32_t session = 0;
	for (size_t i = 0; i < group->num_views; i++) {
		const struct vds_view *view = views[i];
		uint32_t protection = view->protection;
		if (view->space != VDS_SPACE_PROCESS)
			continue;
		if (!i || view->process != views[i - 1]->process ||
		    view->eprocess != views[i - 1]->eprocess)
			group->num_processes++;
		group->writable |= vds_protection_writable(protection) &&
				   !vds_protection_copy_on_write(protection);
		group->executable |= vds_protection_executable(protection);
		if (view->process == VDS_NO_PROCESS)
			continue;
		const struct vds_process *process = &processes[view->process];
		if (process->session_why != VDS_PRESENT)
			continue;
		group->cross_session |=
			has_session && session != process->session;
		session = process->session;
		has_session = true;
	}
}

/* Does the next key of the order begin a group? @open: what is open so far. */
static bool begins_group(struct interval *open, const struct interval *at,
			 bool first)
{
	bool begins = first || at->axis != open->axis ||
		      at->first > open->last;
	if (begins)
		*open = *at;
	open->last = VDS_MAX(open->last, at->last);
	return begins;
}

static size_t count_groups(const struct key *keys, size_t count)
{
	struct interval open = {0};
	size_t num = 0;
	for (size_t i = 0; i < count; i++)
		num += begins_group(&open, &keys[i].at, !i);
	return num;
}

/* Cuts sorted keys into groups. */
static void sweep(const struct key *keys, size_t count,
		  struct vds_view *views, struct vds_share_group *groups)
{
	struct interval open = {0};
	size_t num = 0;
	for (size_t i = 0; i < count; i++) {
		struct vds_view *view = &views[keys[i].view];
		const struct interval *at = &keys[i].at;
		if (begins_group(&open, at, !i))
			groups[num++] = (struct vds_share_group){
				.first_view = i,
				.control_area = at->axis,
				.has_pages = view->has_pages,
				.first_page = at->first,
			};
		groups[num - 1].last_page = open.last;
		groups[num - 1].num_views++;
		view->group = (uint32_t)(num - 1);
	}
}

struct vds_error *vds_views_group(struct vds_arena *arena,
				  struct vds_view *views, size_t num_views,
				  const struct vds_process *processes,
				  struct vds_view ***ret_views,
				  struct vds_share_group **ret_groups,
				  size_t *ret_num_groups)
{
	struct vds_view **order =
		vds_arena_calloc(arena, num_views + 1, sizeof(*order));
	_cleanup_free_ struct key *keys =
		vds_malloc_array(num_views, sizeof(*keys));
	if (!order || !keys)
		return &vds_enomem;
	struct vds_error *err = sort_keys(views, num_views, keys);
	if (err)
		return err;
	size_t num = count_groups(keys, num_views);
	struct vds_share_group *groups =
		vds_arena_calloc(arena, num + 1, sizeof(*groups));
	if (!groups)
		return &vds_enomem;
	sweep(keys, num_views, views, groups);
	for (size_t g = 0; g < num; g++) {
		struct vds_share_group *group = &groups[g];
		/* Within a group, people read by process. */
		sort_run(keys + group->first_view, group->num_views,
			 compare_view_order);
		for (size_t i = 0; i < group->num_views; i++)
			order[group->first_view + i] =
				&views[keys[group->first_view + i].view];
		describe(group, order + group->first_view, processes);
	}
	*ret_views = order;
	*ret_groups = groups;
	*ret_num_groups = num;
	return NULL;
}
