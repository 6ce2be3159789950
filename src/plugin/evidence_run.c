/* SPDX-License-Identifier: Apache-2.0 */
/* vds_share_group_pages(): analysis/evidence.h for plugins. */
#include "analysis/evidence.h"
#include "base/util.h"
#include "vadose/run.h"

struct visitor {
	struct vds_error *(*visit)(void *ctx,
				   const struct vds_page_evidence *evidence);
	void *ctx;
	struct vds_error *err;
};

static bool call(void *ctx, const struct vds_page_evidence *evidence)
{
	struct visitor *v = ctx;
	v->err = v->visit(v->ctx, evidence);
	return !v->err;
}

static const struct vds_process *process_of(void *ctx, size_t index)
{
	return vds_process_at(ctx, index);
}

struct vds_error *
vds_share_group_pages(struct vds_run *run, const struct vds_sharing *sharing,
		      const struct vds_share_group *group, uint64_t max_pages,
		      struct vds_error *(*visit)(
			      void *ctx,
			      const struct vds_page_evidence *evidence),
		      void *ctx, uint64_t *ret_end)
{
	struct visitor visitor = {.visit = visit, .ctx = ctx};
	struct vds_evidence_walk walk = {
		.group = group,
		.views = sharing->views + group->first_view,
		.process = process_of, .process_ctx = run,
		.max_pages = max_pages,
		.visit = call, .visit_ctx = &visitor,
	};
	struct vds_error *err = vds_evidence_walk(&walk);
	*ret_end = walk.end;
	return err ? err : visitor.err;
}
