/* SPDX-License-Identifier: Apache-2.0 */
/* How well is it proven that the views of a group share memory? */
#ifndef VDS_ANALYSIS_GRADE_H
#define VDS_ANALYSIS_GRADE_H

#include "analysis/evidence.h"

/* Entries of page tables that grading all groups of an image is worth. */
#define VDS_GRADE_BUDGET (UINT64_C(1) << 26)
/* The same of one group, at most; a group of few pages needs less. */
#define VDS_GRADE_GROUP (UINT64_C(1) << 22)
uint64_t vds_group_grade_cost(const struct vds_share_group *group);

/*
 * Grades @group (its views start at @views) by the best of its pages (see
 * vadose/evidence.h) and sets `proven` of the views whose page tables lead to a
 * frame that another view's lead to as well. Looks at @max_lookups entries of page
 * tables; if that isn't enough, a note says so. Errors: out of memory.
 */
struct vds_error *vds_group_grade(struct vds_share_group *group,
				  struct vds_view *const *views,
				  uint64_t max_lookups,
				  vds_process_fn *process, void *ctx);

#endif
