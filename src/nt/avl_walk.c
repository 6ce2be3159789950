/* SPDX-License-Identifier: Apache-2.0 */
/* Balanced trees of the kernel's own: RTL_AVL_TREE, RTL_BALANCED_NODE. */
#include <inttypes.h>

#include "nt/rec.h"
#include "nt/walk.h"

#define FIRST_STACK 128

/* A node to be looked at, and who points there. */
struct step {
	uint64_t node, from;
};

struct walker {
	const struct vds_avl_walk *walk;
	struct vds_visited seen;
	struct step *stack;
	size_t depth, cap;
	enum vds_list_end end;	/* CLOSED until something goes wrong */
};

static void note(struct walker *w, enum vds_list_end end, const char *kind,
		 const struct step *at, const char *what)
{
	if (w->end == VDS_LIST_CLOSED)
		w->end = end;
	vds_note(w->walk->notes, kind, at->node,
		 "%s: node 0x%016" PRIx64 " (child of 0x%016" PRIx64 "): %s",
		 w->walk->what, at->node, at->from, what);
}

static bool push(struct walker *w, uint64_t node, uint64_t from)
{
	if (!node)
		return true;
	if (w->depth == w->cap) {
		struct step *bigger = vds_arena_calloc(
			&w->walk->task->arena, w->cap * 2, sizeof(*bigger));
		if (!bigger)
			return false;
		for (size_t i = 0; i < w->depth; i++)
			bigger[i] = w->stack[i];
		w->stack = bigger;
		w->cap *= 2;
	}
	w->stack[w->depth++] = (struct step){node, from};
	return true;
}

/* The node's children are pushed; false: out of memory. */
static bool descend(struct walker *w, const struct step *at)
{
	const struct vds_kernel *kernel = w->walk->task->kernel;
	uint64_t left, right;
	enum vds_why why = vds_task_field(w->walk->task, at->node,
					  vds_kf(kernel, BALANCED_LEFT), &left);
	if (!why)
		why = vds_task_field(w->walk->task, at->node,
				     vds_kf(kernel, BALANCED_RIGHT), &right);
	if (why) {
		note(w, VDS_LIST_UNREADABLE, "tree_unreadable", at,
		     vds_why_str(why));
		return true;
	}
	return push(w, right, at->node) && push(w, left, at->node);
}

/* True if the node is to be visited. */
static bool is_new(struct walker *w, const struct step *at)
{
	if (!vds_is_kernel_pointer(w->walk->task->kernel, at->node, 8)) {
		note(w, VDS_LIST_WILD, "tree_wild_pointer", at,
		     "not a kernel address");
		return false;
	}
	switch (vds_visited_add(&w->seen, at->node)) {
	case VDS_SEEN_NEW:
		return true;
	case VDS_SEEN_BEFORE:
		note(w, VDS_LIST_LOOP, "tree_loop", at, "met before: a loop");
		return false;
	case VDS_SEEN_NOMEM:
		break;
	}
	w->walk->task->nomem = true;
	return false;
}

enum vds_list_end vds_avl_walk(const struct vds_avl_walk *walk)
{
	struct vds_task *task = walk->task;
	struct walker w = {.walk = walk, .cap = FIRST_STACK,
			   .end = VDS_LIST_CLOSED};
	w.stack = vds_arena_calloc(&task->arena, w.cap, sizeof(*w.stack));
	if (!w.stack || !vds_visited_init(&w.seen, &task->arena, 256) ||
	    !push(&w, walk->root, 0))
		task->nomem = true;
	while (!task->nomem && w.depth) {
		struct step at = w.stack[--w.depth];
		if (w.seen.count >= VDS_WALK_MAX_NODES) {
			note(&w, VDS_LIST_TOO_LONG, "tree_too_large", &at,
			     "too many nodes, the rest is left out");
			break;
		}
		if (!is_new(&w, &at))
			continue;
		if (!walk->visit(walk->ctx, at.node))
			return VDS_LIST_STOPPED;
		if (!descend(&w, &at))
			task->nomem = true;
	}
	return task->nomem ? VDS_LIST_STOPPED : w.end;
}
