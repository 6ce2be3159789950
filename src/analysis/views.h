/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting and grouping the views of sections. */
#ifndef VDS_ANALYSIS_VIEWS_H
#define VDS_ANALYSIS_VIEWS_H

#include "base/arena.h"
#include "vadose/sharing.h"

/* A growing list of views; malloc'ed, zero-initialised is empty. */
struct vds_view_list {
	struct vds_view *views;
	size_t count, cap;
};

void vds_view_list_deinit(struct vds_view_list *list);

/* Appends a copy of @view. */
struct vds_error *vds_view_list_add(struct vds_view_list *list,
				    const struct vds_view *view);

/* The view that @vad makes; process and sources are the caller's to set. */
void vds_view_init(struct vds_view *view, const struct vds_vad *vad);

/* Is shown each VAD of a process, and NULL at its end. */
typedef struct vds_error *vds_vad_fn(void *ctx,
				     const struct vds_process *process,
				     const struct vds_vad *vad);

/*
 * Appends each prototype-backed VAD of @process; sections are not resolved yet.
 * Views of physical memory (VadType 1) only with @physical: their "prototype
 * PTEs" are not to be followed (Windows maps frames directly there). @see (may
 * be NULL) is shown all VADs, whatever they are.
 */
struct vds_error *vds_views_collect(const struct vds_process *process,
				    bool physical, struct vds_view_list *list,
				    vds_vad_fn *see, void *see_ctx);

/*
 * Places a view in its section: fills section, subsection and pages. @section
 * may be NULL or unusable.
 */
void vds_view_place(struct vds_view *view, const struct vds_section *section);

/*
 * The pages that a view shows, inclusive: of its section if they were placed,
 * else the kernel addresses of prototype PTEs / 8, as far as the VAD says that
 * they are contiguous.
 */
void vds_view_extent(const struct vds_view *view, uint64_t *ret_first,
		     uint64_t *ret_last);

/*
 * vds_view_place() for a view of kernel space of @size bytes (0: not known) from byte
 * @offset of the section on. What isn't stated is told by the page tables of
 * @process (NULL: by nothing): which prototype PTEs they lead to. Sets end and
 * end_why, too.
 */
void vds_view_place_kernel(struct vds_view *view,
			   const struct vds_section *section,
			   const struct vds_process *process, uint64_t size,
			   uint64_t offset, enum vds_why offset_why);

/*
 * Cuts @views into groups. @views are in (process, start) order, which the
 * order of the result builds on; *ret_views points to them in group order. All
 * results live in @arena. @processes is the process table (for sessions).
 */
struct vds_error *vds_views_group(struct vds_arena *arena,
				  struct vds_view *views, size_t num_views,
				  const struct vds_process *processes,
				  struct vds_view ***ret_views,
				  struct vds_share_group **ret_groups,
				  size_t *ret_num_groups);

#endif
