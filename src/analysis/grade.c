/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/grade.h"

#include <inttypes.h>

#include "base/util.h"
#include "nt/task.h"

/* Runs of pages that a grade is worth; sections of terabytes have few. */
#define MAX_PAGES ((uint64_t)1 << 22)

struct grading {
	struct vds_share_group *group;
	struct vds_view *const *views;
	size_t num_proven;
};

static void mark(struct grading *g, const struct vds_page_evidence *e)
{
	for (size_t i = 0; i < g->group->num_views; i++) {
		if (!(e->mapped[i / 64] >> i % 64 & 1) || g->views[i]->proven)
			continue;
		g->views[i]->proven = true;
		g->num_proven++;
	}
}

/* Goes on until nothing can be added to what is known. */
static bool visit(void *ctx, const struct vds_page_evidence *e)
{
	struct grading *g = ctx;
	struct vds_share_group *group = g->group;
	/* Best first, but for NONE. */
	if (e->grade && (!group->grade || e->grade < group->grade))
		group->grade = e->grade;
	if (e->grade == VDS_GRADE_HARDWARE)
		mark(g, e);
	return g->num_proven < group->num_views;
}

uint64_t vds_group_grade_cost(const struct vds_share_group *group)
{
	uint64_t pages = group->last_page - group->first_page + 1;
	if (pages > VDS_GRADE_GROUP / group->num_views)
		return VDS_GRADE_GROUP;
	return pages * group->num_views;
}

struct vds_error *vds_group_grade(struct vds_share_group *group,
				  struct vds_view *const *views,
				  uint64_t max_lookups,
				  vds_process_fn *process, void *ctx)
{
	struct grading g = {.group = group, .views = views};
	struct vds_evidence_walk walk = {
		.group = group, .views = (const struct vds_view *const *)views,
		.process = process, .process_ctx = ctx,
		.max_pages = MAX_PAGES, .max_lookups = max_lookups,
		.visit = visit, .visit_ctx = &g,
	};
	struct vds_error *err = vds_evidence_walk(&walk);
	const struct vds_process *any = process(ctx, 0);
	if (!err && any && walk.end <= group->last_page &&
	    g.num_proven < group->num_views)
		vds_note(&any->task->notes, "grade_cut_short",
			 group->control_area,
			 "control area 0x%016" PRIx64 ": not all of its %" PRIu64
			 " pages were looked at for the grade; it may be better",
			 group->control_area,
			 group->last_page - group->first_page + 1);
	return err;
}
