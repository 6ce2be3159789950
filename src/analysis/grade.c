/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/grade.h"

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

struct vds_error *vds_group_grade(struct vds_share_group *group,
				  struct vds_view *const *views,
				  vds_process_fn *process, void *ctx)
{
	struct grading g = {.group = group, .views = views};
	struct vds_evidence_walk walk = {
		.group = group, .views = (const struct vds_view *const *)views,
		.process = process, .process_ctx = ctx,
		.max_pages = MAX_PAGES, .visit = visit, .visit_ctx = &g,
	};
	return vds_evidence_walk(&walk);
}
