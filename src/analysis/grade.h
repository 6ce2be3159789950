/* SPDX-License-Identifier: Apache-2.0 */
/* How well is it proven, by the page tables, that two views share a frame? */
#ifndef VDS_ANALYSIS_GRADE_H
#define VDS_ANALYSIS_GRADE_H

#include "vadose/sharing.h"

/* Hands out a process of the table for the calling task. */
typedef const struct vds_process *vds_process_fn(void *ctx, size_t index);

/*
 * Grades @group (its views start at @views): HARDWARE if the page tables of two
 * views lead to one frame for the same page of the section; STRUCTURAL if the
 * prototype array could be read but no page is touched by two; METADATA if not
 * even that. Sets `proven` of the views that take part. Looks at no more than
 * VDS_GRADE_PAGES pages of the section, resident ones first.
 */
void vds_group_grade(struct vds_share_group *group,
		     struct vds_view *const *views, vds_process_fn *process,
		     void *ctx);

#define VDS_GRADE_PAGES 16

#endif
