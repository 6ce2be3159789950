/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking a process's VAD tree in order, without recursion and without
 * trusting any pointer in it.
 */
#include <inttypes.h>

#include "base/util.h"
#include "nt/vad_decode.h"
#include "nt/walk.h"

/* Frames whose bytes are kept; a healthy AVL tree is half as deep. Deeper
 * nodes of a degenerate tree are read a second time when they are due. */
#define KEPT 64
#define FIRST_FRAMES 128
/* A visited set is made for so many nodes at most, and grows if need be. */
#define MAX_EXPECTED 32768
/* The least slots of a set that is used again. */
#define MIN_SLOTS ((size_t)64)

struct frame {
	uint64_t node;
	uint32_t level;
};

/*
 * What walking a tree takes besides the iterator. Of a walk that has ended, the
 * next one of the task has it: a run may walk the trees of all processes.
 */
struct vds_vad_room {
	struct frame *stack;
	size_t cap;
	struct vds_vad_node *kept;	/* KEPT of them */
	uint64_t *slots;		/* of the visited set */
	size_t num_slots;
};

struct vds_vad_iter {
	struct vds_task *task;
	const struct vds_kernel *kernel;
	const struct vds_process *process;
	const struct vds_vad_layout *layout;
	struct vds_visited seen;
	struct vds_vad_room *room;
	size_t depth;
	/* What to descend into next, 0 = nothing, and who points there. */
	uint64_t next, next_from;
	uint32_t next_level;
	uint64_t count;
	uint64_t prev_start, prev_end;
	bool any, cut, done;
	unsigned int turn;
	struct vds_vad out[2];
	struct vds_vad_node spare;
	bool is_again;		/* not a tree's: nodes to be read again */
	const uint64_t *again;
	size_t num_again;
};

static struct vds_vad_room *make_room(struct vds_arena *arena)
{
	struct vds_vad_room *room = vds_arena_calloc(arena, 1, sizeof(*room));

	if (!room)
		return NULL;
	room->cap = FIRST_FRAMES;
	room->stack = vds_arena_alloc(arena, room->cap * sizeof(*room->stack));
	/* Filled by vds_vad_node_read(); most trees need but a few. */
	room->kept = vds_arena_alloc(arena, KEPT * sizeof(*room->kept));
	return room->stack && room->kept ? room : NULL;
}

/* Room for a tree of about @expected nodes. */
static bool enter_room(struct vds_vad_iter *it, uint64_t expected)
{
	struct vds_task *task = it->task;
	struct vds_vad_room *room = task->vad_room;

	task->vad_room = NULL;
	it->room = room ? room : make_room(&task->arena);
	if (!it->room)
		return false;
	room = it->room;
	/* As many as the image says, up to a point. */
	expected = VDS_MIN(expected, (uint64_t)MAX_EXPECTED);
	if (room->num_slots < MIN_SLOTS || room->num_slots / 2 < expected)
		return vds_visited_init(&it->seen, &task->arena, expected);

	size_t n = room->num_slots;

	/* Clearing a large set for a small tree would cost more. */
	while (n > MIN_SLOTS && n / 4 >= expected)
		n /= 2;
	memset(room->slots, 0, n * sizeof(*room->slots));
	vds_visited_borrow(&it->seen, &task->arena, room->slots, n);
	return true;
}

static void leave_room(struct vds_vad_iter *it)
{
	struct vds_vad_room *room = it->room;

	it->done = true;
	/* The set may have grown out of those that it began with. */
	if (it->seen.mask + 1 > room->num_slots) {
		room->slots = it->seen.slots;
		room->num_slots = it->seen.mask + 1;
	}
	it->task->vad_room = room;
}

struct vds_vad_iter *vds_vad_iterate(const struct vds_process *process)
{
	struct vds_task *task = process->task;
	struct vds_vad_iter *it =
		vds_arena_calloc(&task->arena, 1, sizeof(*it));

	if (!it)
		goto nomem;
	it->task = task;
	it->kernel = task->kernel;
	it->process = process;
	if (!enter_room(it, process->vad_count))
		goto nomem;
	it->layout = vds_vad_layout(task);
	it->next = process->vad_root;
	return it;
nomem:
	task->nomem = true;
	vds_note(&task->notes, "out_of_memory", process->eprocess,
		 "no memory to walk the VADs of PID %" PRIu32, process->pid);
	return NULL;
}

static bool grow(struct vds_vad_iter *it)
{
	struct vds_vad_room *room = it->room;
	struct frame *bigger = vds_arena_alloc(
		&it->task->arena, room->cap * 2 * sizeof(*bigger));

	if (!bigger) {
		it->task->nomem = true;
		return false;
	}
	memcpy(bigger, room->stack, it->depth * sizeof(*bigger));
	room->stack = bigger;
	room->cap *= 2;
	return true;
}

static void note_pointer(struct vds_vad_iter *it, const char *kind,
			 uint64_t node, const char *what)
{
	it->cut = true;
	vds_note(&it->task->notes, kind, node,
		 "PID %" PRIu32 ": VAD 0x%016" PRIx64
		 " (child of 0x%016" PRIx64 "): %s", it->process->pid, node,
		 it->next_from, what);
}

/* The bytes of a node that was read may still be no VAD at all. */
static bool is_plausible(struct vds_vad_iter *it,
			 const struct vds_vad_node *node)
{
	uint64_t parent = vds_vad_bits(node, &it->layout->parent) & ~UINT64_C(3);

	if (!it->layout->parent.present || !it->next_from ||
	    parent == it->next_from)
		return true;
	if (vds_vad_node_tagged(it->layout, node)) {
		vds_note(&it->task->notes, "vad_parent_mismatch", node->address,
			 "PID %" PRIu32 ": VAD 0x%016" PRIx64
			 " is a child of 0x%016" PRIx64
			 " but names 0x%016" PRIx64 " as its parent",
			 it->process->pid, node->address, it->next_from,
			 parent);
		return true;
	}
	return false;
}

/* Pushes it->next, or notes why not. False: out of memory. */
static bool push(struct vds_vad_iter *it)
{
	uint64_t va = it->next;
	struct vds_vad_node *node =
		it->depth < KEPT ? &it->room->kept[it->depth] : &it->spare;
	enum vds_why why;

	it->next = 0;
	if (!vds_is_kernel_pointer(it->kernel, va, 8)) {
		note_pointer(it, "vad_bad_pointer", va, "not a kernel address");
		return true;
	}
	if (it->seen.count >= VDS_WALK_MAX_NODES) {
		note_pointer(it, "vad_too_many", it->process->eprocess,
			     "too many nodes, the rest is left out");
		return true;
	}
	switch (vds_visited_add(&it->seen, va)) {
	case VDS_SEEN_NEW:
		break;
	case VDS_SEEN_BEFORE:
		note_pointer(it, "vad_cycle", va, "met before: a loop");
		return true;
	case VDS_SEEN_NOMEM:
		it->task->nomem = true;
		return false;
	}
	why = vds_vad_node_read(it->task, it->layout, va, node);
	if (why) {
		note_pointer(it, "vad_unreadable", va, vds_why_str(why));
		return true;
	}
	node->level = it->next_level;
	if (!is_plausible(it, node)) {
		note_pointer(it, "vad_not_a_vad", va,
			     "neither its parent pointer nor its pool tag "
			     "is that of a VAD");
		return true;
	}
	if (it->depth == it->room->cap && !grow(it))
		return false;
	it->room->stack[it->depth].node = va;
	it->room->stack[it->depth].level = node->level;
	it->depth++;
	it->next = vds_vad_bits(node, &it->layout->left);
	it->next_from = va;
	it->next_level = node->level + 1;
	return true;
}

/* The node on top of the stack, popped; NULL if it can't be read again. */
static const struct vds_vad_node *pop(struct vds_vad_iter *it)
{
	const struct frame *frame = &it->room->stack[--it->depth];

	if (it->depth < KEPT)
		return &it->room->kept[it->depth];
	if (vds_vad_node_read(it->task, it->layout, frame->node, &it->spare))
		return NULL;
	it->spare.level = frame->level;
	return &it->spare;
}

static void check_range(struct vds_vad_iter *it, const struct vds_vad *vad)
{
	struct vds_notes *notes = &it->task->notes;

	if (vad->range_why) {
		vds_note(notes, "vad_bad_range", vad->node,
			 "PID %" PRIu32 ": VAD 0x%016" PRIx64
			 " starts at 0x%016" PRIx64
			 " and its end is below that or past user space",
			 it->process->pid, vad->node, vad->start);
	}
	if (it->any && vad->start < it->prev_start) {
		vds_note(notes, "vad_not_monotonic", vad->node,
			 "PID %" PRIu32 ": VAD 0x%016" PRIx64
			 " starts at 0x%016" PRIx64
			 ", below the one before it (0x%016" PRIx64 ")",
			 it->process->pid, vad->node, vad->start,
			 it->prev_start);
	} else if (it->any && vad->start <= it->prev_end) {
		vds_note(notes, "vad_overlap", vad->node,
			 "PID %" PRIu32 ": VAD 0x%016" PRIx64
			 " starts at 0x%016" PRIx64
			 ", inside the one before it (up to 0x%016" PRIx64 ")",
			 it->process->pid, vad->node, vad->start, it->prev_end);
	}
	it->any = true;
	it->prev_start = vad->start;
	it->prev_end = vad->end;
}

static void finish(struct vds_vad_iter *it)
{
	const struct vds_process *process = it->process;

	leave_room(it);
	if (process->vad_count_why || process->vad_count == it->count)
		return;
	vds_note(&it->task->notes, "vad_count_mismatch", process->eprocess,
		 "PID %" PRIu32 ": %" PRIu64 " VADs found, EPROCESS counts "
		 "%" PRIu64 "%s", process->pid, it->count, process->vad_count,
		 it->cut ? " (part of the tree is lost)" : "");
}

struct vds_vad_iter *vds_vads_again(const struct vds_process *process,
				    const uint64_t *nodes, size_t count)
{
	struct vds_task *task = process->task;
	struct vds_vad_iter *it =
		vds_arena_calloc(&task->arena, 1, sizeof(*it));

	if (!it) {
		task->nomem = true;
		return NULL;
	}
	it->task = task;
	it->kernel = task->kernel;
	it->process = process;
	it->is_again = true;
	it->again = nodes;
	it->num_again = count;
	it->layout = vds_vad_layout(task);
	return it;
}

static struct vds_vad *decode(struct vds_vad_iter *it,
			      const struct vds_vad_node *node)
{
	it->turn ^= 1;
	vds_vad_decode(it->kernel, it->layout, node, &it->out[it->turn]);
	return &it->out[it->turn];
}

static const struct vds_vad *next_again(struct vds_vad_iter *it)
{
	while (it->num_again) {
		it->num_again--;
		if (!vds_vad_node_read(it->task, it->layout, *it->again++,
				       &it->spare))
			return decode(it, &it->spare);
	}
	return NULL;
}

const struct vds_vad *vds_vad_next(struct vds_vad_iter *it)
{
	const struct vds_vad_node *node;
	struct vds_vad *vad;

	if (!it || it->done)
		return NULL;
	if (it->is_again)
		return next_again(it);
	do {
		while (it->next) {
			if (!push(it)) {
				it->done = true;
				return NULL;
			}
		}
		if (!it->depth) {
			finish(it);
			return NULL;
		}
		node = pop(it);
	} while (!node);
	vad = decode(it, node);
	it->next = vad->right;
	it->next_from = vad->node;
	it->next_level = vad->level + 1;
	it->count++;
	check_range(it, vad);
	return vad;
}

/* Deeper than this a binary search tree of 2^47 bytes can't be. */
#define FIND_STEPS 128

enum vds_why vds_vad_find(const struct vds_process *process, uint64_t va,
			  struct vds_vad *ret)
{
	const struct vds_kernel *kernel = process->task->kernel;
	const struct vds_vad_layout *layout = vds_vad_layout(process->task);
	struct vds_vad_node node;
	uint64_t at = process->vad_root;

	memset(&node, 0, sizeof(node));
	for (uint32_t level = 0; at; level++) {
		struct vds_vad vad;

		if (level >= FIND_STEPS ||
		    !vds_is_kernel_pointer(kernel, at, 8))
			return VDS_BAD_DATA;
		enum vds_why why = vds_vad_node_read(process->task, layout, at,
						     &node);
		if (why)
			return why;
		node.level = level;
		vds_vad_decode(kernel, layout, &node, &vad);
		if (va >= vad.start && va <= vad.end) {
			*ret = vad;
			return VDS_PRESENT;
		}
		at = va < vad.start ? vad.left : vad.right;
	}
	return VDS_NOT_MAPPED;
}
