/* SPDX-License-Identifier: Apache-2.0 */
/* How well is it proven that the views of a group share memory? */
#ifndef VDS_ANALYSIS_GRADE_H
#define VDS_ANALYSIS_GRADE_H

#include "analysis/evidence.h"

/*
 * Grades @group (its views start at @views) by the best of its pages (see
 * vadose/evidence.h) and sets `proven` of the views whose page tables lead to a
 * frame that another view's lead to as well. Errors: out of memory.
 */
struct vds_error *vds_group_grade(struct vds_share_group *group,
				  struct vds_view *const *views,
				  vds_process_fn *process, void *ctx);

#endif
