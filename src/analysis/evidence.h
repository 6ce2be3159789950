/* SPDX-License-Identifier: Apache-2.0 */
/* The pages of a group, seen by all its views; see vadose/evidence.h. */
#ifndef VDS_ANALYSIS_EVIDENCE_H
#define VDS_ANALYSIS_EVIDENCE_H

#include "vadose/evidence.h"

/* Hands out a process of the table for the calling task; NULL = none. */
typedef const struct vds_process *vds_process_fn(void *ctx, size_t index);
/* False ends the walk. */
typedef bool vds_evidence_fn(void *ctx,
			     const struct vds_page_evidence *evidence);

struct vds_evidence_walk {
	const struct vds_share_group *group;
	const struct vds_view *const *views;	/* of the group */
	vds_process_fn *process;
	void *process_ctx;
	/* Runs, and entries of page tables, that are looked at; 0 = as many as
	 * a single group is worth. */
	uint64_t max_pages, max_lookups;
	vds_evidence_fn *visit;
	void *visit_ctx;
	/* Result: the page after the last one visited. */
	uint64_t end;
};

/* Errors: out of memory. */
struct vds_error *vds_evidence_walk(struct vds_evidence_walk *walk);

#endif
