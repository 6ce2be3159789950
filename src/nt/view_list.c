/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of views that a control area keeps. From Windows 8 on an entry is the
 * ViewLinks of an MMVAD or of an _MI_REVERSE_VIEW_MAP; the qword behind either
 * LIST_ENTRY holds the owner, its low two bits (Type) say of which kind: 1 a
 * process, 2 a session address, 3 a system address (public symbols of 9600 and
 * later; System Informer's ntfill.h). Windows 7 has the ViewLinks of MMVAD and
 * of _MMVIEW, and no kind: there a process of the table, or the pool tag of a VAD
 * before the links, is what tells.
 */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "nt/process.h"
#include "nt/rec.h"
#include "nt/task.h"
#include "nt/walk.h"
#include "vadose/section.h"
#include "vadose/vad.h"

/* More views of one section than any machine has. */
#define VIEWS_MAX 65536

struct listing {
	struct vds_task *task;
	uint64_t control_area;
	struct vds_listed_view *views;	/* malloc'ed */
	size_t count, cap;
};

static bool in_table(const struct vds_kernel *kernel, uint64_t eprocess)
{
	return vds_kernel_process(kernel, eprocess) != NULL;
}

static struct vds_listed_view *push(struct listing *list)
{
	if (list->count == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 16;
		struct vds_listed_view *views =
			reallocarray(list->views, cap, sizeof(*views));
		if (!views) {
			list->task->nomem = true;
			return NULL;
		}
		list->views = views;
		list->cap = cap;
	}
	return &list->views[list->count++];
}

/*
 * A view that no VAD describes: what _MI_REVERSE_VIEW_MAP says of it. Views of
 * system space and sessions have only its first members, as part of their own
 * structure, and something else behind (a session's number): the subsection
 * must be one of this control area.
 */
static void read_reverse(struct listing *list, struct vds_listed_view *view,
			 uint64_t owner)
{
	const struct vds_kernel *kernel = list->task->kernel;
	const struct vds_field *links = vds_kf(kernel, REVERSE_VIEW_LINKS);
	uint64_t map = view->links - links->offset, subsection, area;
	view->va = owner & ~VDS_PAGE_MASK;
	view->offset_why = VDS_NO_FIELD;
	if (vds_task_field(list->task, map,
			   vds_kf(kernel, REVERSE_VIEW_SUBSECTION),
			   &subsection))
		return;
	subsection &= ~UINT64_C(7);	/* SubsectionType */
	if (!vds_is_kernel_pointer(kernel, subsection, 8) ||
	    vds_task_field(list->task, subsection, vds_kf(kernel, SUB_CA),
			   &area) || area != list->control_area)
		return;
	view->subsection = subsection;
	view->offset_why = vds_task_field(list->task, map,
					  vds_kf(kernel, REVERSE_VIEW_OFFSET),
					  &view->offset);
}

static bool is_vad(struct listing *list, const struct vds_listed_view *view)
{
	const struct vds_field *links = vds_kf(list->task->kernel,
					       VAD_VIEW_LINKS);
	const struct vds_process any = {.task = list->task};
	struct vds_vad vad;
	return !vds_vad_at(&any, view->links - links->offset, &vad) &&
	       !vad.tag_why && vad.has_section;
}

/* Windows 7: an _MMVIEW, or an MMVAD whose VadsProcess is a known process. */
static bool read_old(struct listing *list, struct vds_listed_view *view,
		     uint64_t owner)
{
	const struct vds_kernel *kernel = list->task->kernel;
	if (in_table(kernel, owner & ~UINT64_C(3)) || is_vad(list, view)) {
		view->owner = VDS_VIEW_PROCESS;
		return true;
	}
	const struct vds_field *links = vds_kf(kernel, MMVIEW_LINKS);
	uint64_t va;
	if (!links->present ||
	    vds_task_field(list->task, view->links - links->offset,
			   vds_kf(kernel, MMVIEW_VA), &va))
		return false;
	view->owner = VDS_VIEW_SESSION;
	view->va = va & ~VDS_PAGE_MASK;
	view->offset_why = VDS_NO_FIELD;
	return true;
}

static bool visit(void *ctx, uint64_t link)
{
	struct listing *list = ctx;
	const struct vds_kernel *kernel = list->task->kernel;
	const struct vds_field *links = vds_kf(kernel, VAD_VIEW_LINKS);
	const struct vds_field *process = vds_kf(kernel, VAD_PROCESS);
	uint64_t owner;
	/* The owner lies behind the links at the same distance in all forms. */
	if (vds_task_u64(list->task, link + process->offset - links->offset,
			 &owner))
		return true;
	struct vds_listed_view view = {.links = link,
				       .offset_why = VDS_NOT_APPLICABLE};
	/* Published layouts of late kernels may have neither type. */
	if (!vds_kf(kernel, REVERSE_VIEW_TYPE)->present &&
	    vds_kf(kernel, MMVIEW_LINKS)->present) {
		if (!read_old(list, &view, owner))
			return true;
	} else if ((owner & 3) == VDS_VIEW_SESSION ||
		   (owner & 3) == VDS_VIEW_SYSTEM) {
		view.owner = (enum vds_view_owner)(owner & 3);
		read_reverse(list, &view, owner);
	} else {
		view.owner = VDS_VIEW_PROCESS;
	}
	if (view.owner == VDS_VIEW_PROCESS) {
		view.vad = link - links->offset;
		view.eprocess = owner & ~UINT64_C(3);
	}
	struct vds_listed_view *slot = push(list);
	if (slot)
		*slot = view;
	return slot && list->count < VIEWS_MAX;
}

static enum vds_why end_why(enum vds_list_end end)
{
	switch (end) {
	case VDS_LIST_CLOSED:
		return VDS_PRESENT;
	case VDS_LIST_UNREADABLE:
		return VDS_NOT_IN_IMAGE;
	case VDS_LIST_WILD:
		return VDS_BAD_ADDRESS;
	case VDS_LIST_LOOP:
	case VDS_LIST_TOO_LONG:
	case VDS_LIST_STOPPED:
		break;
	}
	return VDS_BAD_DATA;
}

/* What was listed, in the task's memory: no more than it takes. */
static const struct vds_listed_view *keep(struct listing *list,
					  size_t *ret_count)
{
	_cleanup_free_ struct vds_listed_view *views = list->views;
	struct vds_listed_view *copy;
	if (!list->count)
		return NULL;
	copy = vds_arena_alloc(&list->task->arena,
			       list->count * sizeof(*copy));
	if (!copy) {
		list->task->nomem = true;
		return NULL;
	}
	memcpy(copy, views, list->count * sizeof(*copy));
	*ret_count = list->count;
	return copy;
}

const struct vds_listed_view *
vds_section_listed_views(const struct vds_process *process,
			 uint64_t control_area, size_t *ret_count,
			 enum vds_why *ret_why)
{
	struct vds_task *task = process->task;
	const struct vds_kernel *kernel = task->kernel;
	const struct vds_field *head = vds_kf(kernel, CA_VIEW_LIST);
	struct listing list = {.task = task, .control_area = control_area};
	*ret_count = 0;
	*ret_why = VDS_NO_FIELD;
	if (!head->present || !vds_kf(kernel, VAD_VIEW_LINKS)->present ||
	    !vds_kf(kernel, VAD_PROCESS)->present)
		return NULL;
	struct vds_list_walk walk = {
		.task = task, .notes = &task->notes, .what = "view list",
		.head = control_area + head->offset, .visit = visit,
		.ctx = &list,
	};
	*ret_why = end_why(vds_list_walk(&walk));
	return keep(&list, ret_count);
}
