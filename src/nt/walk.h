/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every walk over the kernel's chains shares: address checks, visited
 * sets, caps, and the doubly linked list.
 */
#ifndef VDS_NT_WALK_H
#define VDS_NT_WALK_H

#include "nt/kernel.h"
#include "nt/task.h"

/* Nodes that a single walk visits at most; real chains are far shorter. */
#define VDS_WALK_MAX_NODES ((size_t)1 << 20)

/*
 * True if @va may be a pointer to a kernel structure: canonical, in the upper
 * half, aligned to @align bytes (a power of two).
 */
static inline bool vds_is_kernel_pointer(const struct vds_kernel *kernel,
					 uint64_t va, uint64_t align)
{
	return va >> 63 && !(va & (align - 1)) &&
	       vds_space_is_canonical(&kernel->space, va);
}

/* EX_FAST_REF on x64: the low 4 bits are a reference count. */
#define VDS_FAST_REF(value) ((value) & ~UINT64_C(0xf))

/*
 * A set of visited addresses in an arena: nothing to free, and no malloc in
 * the steady state. Zero is not an address. Zero-initialised is valid.
 */
struct vds_visited {
	struct vds_arena *arena;
	uint64_t *slots;
	size_t mask;
	size_t count;
};

/* Makes room for about @expected addresses (clamped); false = no memory. */
bool vds_visited_init(struct vds_visited *set, struct vds_arena *arena,
		      uint64_t expected);
/*
 * The same with @num slots (a power of two) of the caller's to begin with, all
 * 0, which live as long as the set: most walks are short.
 */
void vds_visited_borrow(struct vds_visited *set, struct vds_arena *arena,
			uint64_t *slots, size_t num);
/* As vds_set_add(). */
enum vds_seen vds_visited_add(struct vds_visited *set, uint64_t va);

/* How a list walk ended. */
enum vds_list_end {
	VDS_LIST_CLOSED,	/* came back to the head: complete */
	VDS_LIST_LOOP,		/* came back to another link */
	VDS_LIST_WILD,		/* a link points nowhere sensible */
	VDS_LIST_UNREADABLE,	/* a link is not in the image */
	VDS_LIST_TOO_LONG,	/* VDS_WALK_MAX_NODES */
	VDS_LIST_STOPPED,	/* the callback said so, or out of memory */
};

struct vds_list_walk {
	struct vds_task *task;
	struct vds_notes *notes;	/* where contradictions go */
	const char *what;	/* "PsActiveProcessHead", for messages */
	uint64_t head;		/* address of the LIST_ENTRY that is the head */
	bool backward;		/* follow Blink instead of Flink */
	/* Called for each link but the head; false ends the walk. */
	bool (*visit)(void *ctx, uint64_t link);
	void *ctx;
};

/*
 * Walks a LIST_ENTRY ring. A link whose back pointer disagrees is noted and
 * followed; loops, wild pointers and unreadable links are noted and end the
 * walk. The head itself being unreadable is UNREADABLE.
 */
enum vds_list_end vds_list_walk(const struct vds_list_walk *walk);

struct vds_avl_walk {
	struct vds_task *task;
	struct vds_notes *notes;	/* where contradictions go */
	const char *what;	/* "PrototypePtesTree", for messages */
	uint64_t root;		/* address of the root node, 0 = empty */
	/* Called for each RTL_BALANCED_NODE; false ends the walk. */
	bool (*visit)(void *ctx, uint64_t node);
	void *ctx;
};

/*
 * Walks an RTL_AVL_TREE from the root down, each node once. Loops, wild
 * pointers and unreadable nodes are noted, and cost what hangs on them. CLOSED
 * if there were none; otherwise the first thing that went wrong.
 */
enum vds_list_end vds_avl_walk(const struct vds_avl_walk *walk);

#endif
