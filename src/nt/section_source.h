/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel knows of sections and of their views besides the VAD trees:
 * the tree of all prototype PTE arrays, the views of system space and of
 * sessions, the file cache's views. Each is as complete as the build's public
 * symbols allow; what a build has no public type for is not claimed.
 */
#ifndef VDS_NT_SECTION_SOURCE_H
#define VDS_NT_SECTION_SOURCE_H

#include "nt/task.h"
#include "vadose/section.h"

/* A section that some structure leads to. */
struct vds_section_ref {
	uint64_t control_area;
	uint64_t address;	/* of that structure */
};

/* A view of kernel space: no VAD describes it. */
struct vds_kernel_view {
	uint64_t address;	/* of what does: a VACB, an MMVIEW, a tree's node */
	uint64_t links;		/* its entry in the control area's list, 0 = none */
	uint64_t control_area;
	uint64_t va;		/* first byte */
	uint64_t size;		/* bytes, 0 = not stated */
	uint64_t offset;	/* bytes in the section */
	enum vds_why offset_why;
	uint32_t session;
	bool has_session;
	uint32_t source;	/* one of VDS_VIEW_IN_* (sharing.h) */
};

/* A growing list in a task's arena; zero-initialised is empty. */
struct vds_kernel_views {
	struct vds_kernel_view *list;
	size_t count, cap;
};

/* Appends a copy; false: out of memory (task->nomem is set). */
bool vds_kernel_views_add(struct vds_task *task, struct vds_kernel_views *views,
			  const struct vds_kernel_view *view);

/*
 * The views that the arrays of VACBs, the table or tree of system space's views
 * and those of the sessions hold; appended to @views. PRESENT if nothing was
 * left out, NO_FIELD if the build has no such thing that public symbols tell
 * of, otherwise what was in the way. Contradictions are noted.
 */
enum vds_why vds_cache_arrays_list(struct vds_task *task,
				   struct vds_kernel_views *views);
enum vds_why vds_system_views_list(struct vds_task *task,
				   struct vds_kernel_views *views);

/*
 * The sections that the tree of all prototype PTE arrays leads to, in the
 * task's arena, some more than once. *ret_why as above; NOT_APPLICABLE if the
 * tree is empty.
 */
const struct vds_section_ref *vds_prototype_tree_list(struct vds_task *task,
						      size_t *ret_count,
						      enum vds_why *ret_why);

/*
 * PRESENT if @control_area may be one: its segment names it as its own, or is
 * not in the image (it lies in paged pool). BAD_DATA if it names another.
 */
enum vds_why vds_control_area_check(struct vds_task *task,
				    uint64_t control_area);

#endif
