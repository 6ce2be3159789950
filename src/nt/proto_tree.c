/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MiState.Sections.PrototypePtesTree: every array of prototype PTEs there is,
 * mapped or not (17134 and later, by public symbols). Its nodes are parts of
 * other structures; AllocationType says of which. What each value means stands
 * in no header; it is what MiObtainProtoBaseFromNode of 17763 to 26100 goes by:
 * 0 an MSUBSECTION, 1 behind the SUBSECTION of a pagefile-backed section, 2 an
 * image, 3 a session's copy, 4 extents of a file on persistent memory. 0, 1 and
 * 3 are followed by public types. The block of an image's node has none: its
 * control area is the one that a pointer before the node leads to, and that
 * itself points at the node (SeImageStub). 4 leads to no section.
 *
 * Before there was a tree of pagefile-backed sections alone: PageFileSectionHead
 * (a global in 8.1, in MiState.Sections in 10240 and 14393), whose nodes lie
 * right behind their SUBSECTION (MiUpdatePageFileSectionList).
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/rec.h"
#include "nt/section_source.h"
#include "nt/walk.h"

enum node_kind {
	NODE_SUBSECTION = 0,
	NODE_PAGEFILE = 1,
	NODE_IMAGE = 2,
	NODE_SESSION = 3,
};

/* An image's block has its control area no further before the node. */
#define IMAGE_BLOCK_MAX 0x80u

struct lister {
	struct vds_task *task;
	bool pagefile_only;
	struct vds_section_ref *list;
	size_t count, cap;
};

enum vds_why vds_control_area_check(struct vds_task *task,
				    uint64_t control_area)
{
	const struct vds_kernel *kernel = task->kernel;
	uint64_t segment, back;
	if (!vds_is_kernel_pointer(kernel, control_area, 8))
		return VDS_BAD_ADDRESS;
	enum vds_why why = vds_task_field(task, control_area,
					  vds_kf(kernel, CA_SEGMENT),
					  &segment);
	if (why)
		return why;
	if (!vds_is_kernel_pointer(kernel, segment, 8))
		return VDS_BAD_DATA;
	if (vds_task_field(task, segment, vds_kf(kernel, SEGMENT_CA), &back))
		return VDS_PRESENT;
	return back == control_area ? VDS_PRESENT : VDS_BAD_DATA;
}

static enum vds_why area_of_subsection(struct vds_task *task,
				       uint64_t subsection, uint64_t *ret)
{
	uint64_t area;
	enum vds_why why = vds_is_kernel_pointer(task->kernel, subsection, 8) ?
		vds_task_field(task, subsection, vds_kf(task->kernel, SUB_CA),
			       &area) : VDS_BAD_ADDRESS;
	if (!why)
		why = vds_control_area_check(task, area);
	if (!why)
		*ret = area;
	return why;
}

/* The nearest pointer before the node to a control area that points back. */
static enum vds_why area_of_image(struct vds_task *task, uint64_t node,
				  uint64_t *ret)
{
	const struct vds_kernel *kernel = task->kernel;
	const struct vds_field *stub = vds_kf(kernel, CA_IMAGE_STUB);
	if (!stub->present)
		return VDS_NO_FIELD;
	for (uint64_t at = 8; at <= IMAGE_BLOCK_MAX; at += 8) {
		uint64_t area, back;
		if (vds_task_u64(task, node - at, &area) ||
		    !vds_is_kernel_pointer(kernel, area, 8) ||
		    vds_task_field(task, area, stub, &back) ||
		    back != node)
			continue;
		enum vds_why why = vds_control_area_check(task, area);
		if (!why)
			*ret = area;
		return why;
	}
	return VDS_BAD_DATA;
}

static enum vds_why area_of_session(struct vds_task *task, uint64_t node,
				    uint64_t *ret)
{
	const struct vds_kernel *kernel = task->kernel;
	const struct vds_field *own = vds_kf(kernel, SESSION_PROTO_NODE);
	uint64_t subsection;
	if (!own->present)
		return VDS_NO_FIELD;
	enum vds_why why = vds_task_field(
		task, node - own->offset,
		vds_kf(kernel, SESSION_PROTO_SUBSECTION), &subsection);
	/* The same member is a session's number once the copy is in use. */
	if (!why && subsection <= UINT32_MAX)
		return VDS_NOT_APPLICABLE;
	return why ? why : area_of_subsection(task, subsection, ret);
}

static enum vds_why area_of_node(struct vds_task *task, uint64_t node,
				 uint64_t *ret)
{
	const struct vds_kernel *kernel = task->kernel;
	const struct vds_field *member = vds_kf(kernel, MSUB_PROTO_NODE);
	uint64_t kind;
	enum vds_why why = vds_task_field(task, node,
					  vds_kf(kernel, PROTO_NODE_KIND),
					  &kind);
	if (why)
		return why;
	switch (kind) {
	case NODE_SUBSECTION:
		return member->present ?
			       area_of_subsection(task, node - member->offset,
						  ret) : VDS_NO_FIELD;
	case NODE_PAGEFILE:
		return area_of_subsection(
			task, node - vds_ksize(kernel, SUBSECTION), ret);
	case NODE_IMAGE:
		return area_of_image(task, node, ret);
	case NODE_SESSION:
		return area_of_session(task, node, ret);
	default:
		return VDS_NOT_APPLICABLE;
	}
}

static bool add(struct lister *l, uint64_t node, uint64_t area)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 64;
		struct vds_section_ref *bigger = vds_arena_calloc(
			&l->task->arena, cap, sizeof(*bigger));
		if (!bigger) {
			l->task->nomem = true;
			return false;
		}
		for (size_t i = 0; i < l->count; i++)
			bigger[i] = l->list[i];
		l->list = bigger;
		l->cap = cap;
	}
	l->list[l->count++] = (struct vds_section_ref){area, node};
	return true;
}

static bool visit(void *ctx, uint64_t node)
{
	struct lister *l = ctx;
	uint64_t area;
	enum vds_why why = l->pagefile_only ?
		area_of_subsection(l->task,
				   node - vds_ksize(l->task->kernel,
						    SUBSECTION), &area) :
		area_of_node(l->task, node, &area);
	if (why == VDS_BAD_DATA || why == VDS_BAD_ADDRESS)
		vds_note(&l->task->notes, "prototype_node_bad", node,
			 "%s: node 0x%016" PRIx64
			 " is part of no section (%s)",
			 l->pagefile_only ? "PageFileSectionHead" :
					    "PrototypePtesTree", node,
			 vds_why_str(why));
	return why ? !l->task->nomem : add(l, node, area);
}

/* The root of this build's tree. */
static enum vds_why find_root(struct lister *l, uint64_t *ret)
{
	const struct vds_kernel *kernel = l->task->kernel;
	const struct vds_field *root = vds_kf(kernel, MI_PROTO_ROOT);
	uint64_t va;
	if (!root->present) {
		l->pagefile_only = true;
		root = vds_kf(kernel, MI_PAGEFILE_ROOT);
	}
	if (root->present && vds_kernel_symbol(kernel, VDS_S_MI_STATE, &va))
		return vds_task_field(l->task, va, root, ret);
	/* An RTL_AVL_TREE is its root. */
	if (vds_kernel_symbol(kernel, VDS_S_MI_PAGEFILE_SECTION_HEAD, &va))
		return vds_task_u64(l->task, va, ret);
	return VDS_NO_FIELD;
}

const struct vds_section_ref *vds_prototype_tree_list(struct vds_task *task,
						      size_t *ret_count,
						      enum vds_why *ret_why)
{
	struct lister l = {.task = task};
	uint64_t root = 0;
	*ret_count = 0;
	*ret_why = find_root(&l, &root);
	/* A memory manager without a single section isn't one that ran. */
	if (!*ret_why && !root)
		*ret_why = VDS_NOT_APPLICABLE;
	if (*ret_why)
		return NULL;
	struct vds_avl_walk walk = {
		.task = task, .notes = &task->notes,
		.what = l.pagefile_only ? "PageFileSectionHead" :
					  "PrototypePtesTree",
		.root = root, .visit = visit, .ctx = &l,
	};
	if (vds_avl_walk(&walk) != VDS_LIST_CLOSED)
		*ret_why = VDS_BAD_DATA;
	*ret_count = l.count;
	return l.list;
}
