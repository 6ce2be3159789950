/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views of system space (MmMapViewInSystemSpace) and of sessions
 * (MmMapViewInSessionSpace).
 *
 * Up to 8.1 each has a hash table of MMVIEW: MmSession.SystemSpaceViewTable and
 * MM_SESSION_SPACE.Session's. Entry is the view's first byte, 64 KB aligned, and
 * in its low 16 bits the view's size in 64 KB (as in ReactOS' ARM3 and the
 * Windows Research Kernel: MiInsertInSystemSpace).
 *
 * From 10240 on they are trees, whose node type is in no public symbol file.
 * What can be told of a node without it: it holds the view's entry in the
 * control area's own list, a LIST_ENTRY whose neighbours point back at it and
 * whose owner says "session" (MI_REVERSE_VIEW_MAP). Going round that list leads
 * to the control area. A node without one (a view of physical memory, or one of
 * those in SystemViewBuckets) is not claimed.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/rec.h"
#include "nt/section_source.h"
#include "nt/walk.h"
#include "vadose/sharing.h"

/* More slots than any table of views grows to. */
#define TABLE_MAX 0x10000u
/* A node's list entry is no further behind its links. */
#define NODE_MAX 0x80u
/* Entry: size in 64 KB. */
#define ENTRY_SIZE_MASK UINT64_C(0xffff)
#define ENTRY_UNIT_SHIFT 16
/* Flags in the low bits of MMVIEW's pointer to the control area. */
#define AREA_FLAGS UINT64_C(7)

/* One table or tree: system space's, or a session's. */
struct space {
	struct vds_task *task;
	struct vds_kernel_views *views;
	uint32_t source;	/* VDS_VIEW_IN_SYSTEM or _SESSION */
	uint32_t session;
	bool has_session;
	enum vds_why why;	/* the first thing that was in the way */
};

bool vds_kernel_views_add(struct vds_task *task, struct vds_kernel_views *views,
			  const struct vds_kernel_view *view)
{
	if (views->count == views->cap) {
		size_t cap = views->cap ? views->cap * 2 : 64;
		struct vds_kernel_view *bigger = vds_arena_calloc(
			&task->arena, cap, sizeof(*bigger));
		if (!bigger) {
			task->nomem = true;
			return false;
		}
		for (size_t i = 0; i < views->count; i++)
			bigger[i] = views->list[i];
		views->list = bigger;
		views->cap = cap;
	}
	views->list[views->count++] = *view;
	return true;
}

static bool add(struct space *s, struct vds_kernel_view *view)
{
	view->source = s->source;
	view->session = s->session;
	view->has_session = s->has_session;
	return vds_kernel_views_add(s->task, s->views, view);
}

static void failed(struct space *s, enum vds_why why)
{
	if (!s->why)
		s->why = why;
}

/* One slot of a table of MMVIEW. */
static void read_slot(struct space *s, uint64_t va)
{
	const struct vds_kernel *kernel = s->task->kernel;
	const struct vds_field *links = vds_kf(kernel, MMVIEW_LINKS);
	struct vds_kernel_view view = {.address = va,
				       .offset_why = VDS_NO_FIELD};
	uint64_t entry, own = 0;
	enum vds_why why = vds_task_field(s->task, va,
					  vds_kf(kernel, MMVIEW_ENTRY), &entry);
	if (!why && !entry)
		return;
	if (!why)
		why = vds_task_field(s->task, va, vds_kf(kernel, MMVIEW_CA),
				     &view.control_area);
	if (why) {
		failed(s, why);
		return;
	}
	view.va = entry & ~ENTRY_SIZE_MASK;
	view.size = (entry & ENTRY_SIZE_MASK) << ENTRY_UNIT_SHIFT;
	view.control_area &= ~AREA_FLAGS;
	view.links = links->present ? va + links->offset : 0;
	why = vds_control_area_check(s->task, view.control_area);
	/* What the same slot says for the control area's list must agree. */
	vds_task_field(s->task, va, vds_kf(kernel, MMVIEW_VA), &own);
	own &= ~VDS_PAGE_MASK;
	if (!why && (!vds_is_kernel_pointer(kernel, view.va, 1) || !view.size ||
		     (own && own != view.va)))
		why = VDS_BAD_DATA;
	if (why) {
		failed(s, why);
		vds_note(&s->task->notes, "mmview_bad", va,
			 "MMVIEW 0x%016" PRIx64 ": entry 0x%016" PRIx64
			 ", control area 0x%016" PRIx64 ": no view (%s)", va,
			 entry, view.control_area, vds_why_str(why));
		return;
	}
	add(s, &view);
}

static void read_slots(struct space *s, uint64_t state)
{
	const struct vds_kernel *kernel = s->task->kernel;
	uint64_t table, slots, each = vds_ksize(kernel, MMVIEW);
	enum vds_why why = vds_task_field(s->task, state,
					  vds_kf(kernel, MMSESSION_TABLE),
					  &table);
	if (!why)
		why = vds_task_field(s->task, state,
				     vds_kf(kernel, MMSESSION_SIZE), &slots);
	if (!why && !table)
		return;
	if (!why && (!vds_is_kernel_pointer(kernel, table, 8) ||
		     slots > TABLE_MAX))
		why = VDS_BAD_DATA;
	if (why) {
		failed(s, why);
		vds_note(&s->task->notes, "view_table_bad", state,
			 "the table of views of MMSESSION 0x%016" PRIx64
			 " can't be used: %s", state, vds_why_str(why));
		return;
	}
	for (uint64_t i = 0; i < slots && !s->task->nomem; i++)
		read_slot(s, table + i * each);
}

/* Is there, at @va, an entry of a control area's list for a view of this kind? */
static bool is_view_links(struct vds_task *task, uint64_t va, uint64_t *ret_va)
{
	const struct vds_kernel *kernel = task->kernel;
	uint64_t to_owner = vds_kf(kernel, REVERSE_VIEW_OWNER)->offset -
			    vds_kf(kernel, REVERSE_VIEW_LINKS)->offset;
	uint8_t raw[16];
	uint64_t owner, back, next;
	if (vds_task_u64(task, va + to_owner, &owner) ||
	    (owner & 3) != VDS_VIEW_SESSION ||
	    !vds_is_kernel_pointer(kernel, owner, 1) ||
	    vds_task_read(task, va, raw, sizeof(raw)))
		return false;
	uint64_t flink = vds_le64(raw), blink = vds_le64(raw + 8);
	if (!vds_is_kernel_pointer(kernel, flink, 8) ||
	    !vds_is_kernel_pointer(kernel, blink, 8) ||
	    vds_task_u64(task, flink + 8, &back) || back != va ||
	    vds_task_u64(task, blink, &next) || next != va)
		return false;
	*ret_va = owner & ~VDS_PAGE_MASK;
	return true;
}

struct ring {
	struct vds_task *task;
	uint64_t control_area;	/* 0 until found */
};

/* Here only what proves itself will do: any member might look like one. */
static bool is_control_area(struct vds_task *task, uint64_t va)
{
	const struct vds_kernel *kernel = task->kernel;
	uint64_t segment, back;
	return !vds_task_field(task, va, vds_kf(kernel, CA_SEGMENT),
			       &segment) &&
	       vds_is_kernel_pointer(kernel, segment, 8) &&
	       !vds_task_field(task, segment, vds_kf(kernel, SEGMENT_CA),
			       &back) && back == va;
}

static bool visit_member(void *ctx, uint64_t link)
{
	struct ring *ring = ctx;
	uint64_t area = link -
			vds_kf(ring->task->kernel, CA_VIEW_LIST)->offset;
	if (!is_control_area(ring->task, area))
		return true;
	ring->control_area = area;
	return false;
}

static bool visit_node(void *ctx, uint64_t node)
{
	struct space *s = ctx;
	struct ring ring = {.task = s->task};
	struct vds_kernel_view view = {.address = node,
				       .offset_why = VDS_NO_FIELD};
	uint64_t first = vds_ksize(s->task->kernel, BALANCED_NODE);
	for (uint64_t at = first; at <= NODE_MAX; at += 8) {
		if (!is_view_links(s->task, node + at, &view.va))
			continue;
		view.links = node + at;
		break;
	}
	if (!view.links)
		return true;
	struct vds_list_walk walk = {
		.task = s->task, .notes = &s->task->notes, .what = "view list",
		.head = view.links, .visit = visit_member, .ctx = &ring,
	};
	vds_list_walk(&walk);
	view.control_area = ring.control_area;
	if (!view.control_area)
		return !s->task->nomem;
	return add(s, &view);
}

static void read_tree(struct space *s, uint64_t at, const struct vds_field *root)
{
	const struct vds_kernel *kernel = s->task->kernel;
	struct vds_avl_walk walk = {
		.task = s->task, .notes = &s->task->notes,
		.what = "tree of system views", .visit = visit_node, .ctx = s,
	};
	if (!vds_kf(kernel, REVERSE_VIEW_OWNER)->present ||
	    !vds_kf(kernel, CA_VIEW_LIST)->present) {
		failed(s, VDS_NO_FIELD);
		return;
	}
	enum vds_why why = vds_task_field(s->task, at, root, &walk.root);
	if (why)
		failed(s, why);
	else if (vds_avl_walk(&walk) != VDS_LIST_CLOSED)
		failed(s, VDS_BAD_DATA);
}

/* Table or tree, whichever this build's MMSESSION has. */
static void read_state(struct space *s, uint64_t state)
{
	const struct vds_kernel *kernel = s->task->kernel;
	if (vds_kf(kernel, MMSESSION_TABLE)->present)
		read_slots(s, state);
	else if (vds_kf(kernel, MMSESSION_ROOT)->present)
		read_tree(s, state, vds_kf(kernel, MMSESSION_ROOT));
	else
		failed(s, VDS_NO_FIELD);
}

static void read_system(struct space *s)
{
	const struct vds_kernel *kernel = s->task->kernel;
	const struct vds_field *root = vds_kf(kernel, MI_SYSTEM_VIEW_ROOT);
	uint64_t va;
	if (vds_kernel_symbol(kernel, VDS_S_MM_SESSION, &va))
		read_state(s, va);
	else if (root->present &&
		 vds_kernel_symbol(kernel, VDS_S_MI_STATE, &va))
		read_tree(s, va, root);
	else
		failed(s, VDS_NO_FIELD);
}

/* Until 22000 EPROCESS.Session is an MM_SESSION_SPACE, which may hold views. */
static bool session_has_views(const struct vds_kernel *kernel)
{
	const struct vds_type *type = vds_kf(kernel, EPROCESS_SESSION)->type;
	if (type && type->kind == VDS_TYPE_POINTER && type->target &&
	    !strcmp(type->target->name, "_PSP_SESSION_SPACE"))
		return false;
	return vds_kf(kernel, SESSION_SPACE_VIEWS)->present;
}

static void read_sessions(struct space *s)
{
	struct vds_task *task = s->task;
	const struct vds_kernel *kernel = task->kernel;
	struct vds_visited seen = {0};
	if (!session_has_views(kernel))
		return;
	if (!vds_visited_init(&seen, &task->arena, 64)) {
		task->nomem = true;
		return;
	}
	for (size_t i = 0; i < kernel->num_processes && !task->nomem; i++) {
		const struct vds_process *p = &kernel->processes[i];
		uint64_t space, id;
		if (vds_task_field(task, p->eprocess,
				   vds_kf(kernel, EPROCESS_SESSION), &space) ||
		    !vds_is_kernel_pointer(kernel, space, 8) ||
		    vds_visited_add(&seen, space) != VDS_SEEN_NEW)
			continue;
		s->has_session = !vds_task_field(
			task, space, vds_kf(kernel, SESSION_SPACE_ID), &id);
		s->session = s->has_session ? (uint32_t)id : 0;
		read_state(s, space +
			      vds_kf(kernel, SESSION_SPACE_VIEWS)->offset);
	}
}

enum vds_why vds_system_views_list(struct vds_task *task,
				   struct vds_kernel_views *views)
{
	struct space s = {.task = task, .views = views,
			  .source = VDS_VIEW_IN_SYSTEM};
	read_system(&s);
	s.source = VDS_VIEW_IN_SESSION;
	read_sessions(&s);
	return s.why;
}
