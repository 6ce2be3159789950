/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/walk.h"

#include <inttypes.h>

#include "base/bytes.h"

#define MIN_SLOTS ((size_t)64)
#define MAX_FIRST_SLOTS ((size_t)1 << 16)

void vds_visited_borrow(struct vds_visited *set, struct vds_arena *arena,
			uint64_t *slots, size_t num)
{
	*set = (struct vds_visited){.arena = arena, .slots = slots,
				    .mask = num - 1};
}

bool vds_visited_init(struct vds_visited *set, struct vds_arena *arena,
		      uint64_t expected)
{
	size_t n = MIN_SLOTS;

	while (n < MAX_FIRST_SLOTS && n / 2 < expected)
		n *= 2;
	vds_visited_borrow(set, arena,
			   vds_arena_calloc(arena, n, sizeof(*set->slots)), n);
	return set->slots != NULL;
}

/* Fibonacci hashing; the high half of the product is the well mixed one. */
static size_t slot_of(const struct vds_visited *set, uint64_t va)
{
	size_t i = (size_t)((va * UINT64_C(0x9e3779b97f4a7c15)) >> 32);

	i &= set->mask;
	while (set->slots[i] && set->slots[i] != va)
		i = (i + 1) & set->mask;
	return i;
}

static bool grow(struct vds_visited *set)
{
	struct vds_visited old = *set;
	size_t n = (old.mask + 1) * 2;

	set->slots = vds_arena_calloc(set->arena, n, sizeof(*set->slots));
	if (!set->slots) {
		*set = old;
		return false;
	}
	set->mask = n - 1;
	for (size_t i = 0; i <= old.mask; i++) {
		if (old.slots[i])
			set->slots[slot_of(set, old.slots[i])] = old.slots[i];
	}
	return true;
}

enum vds_seen vds_visited_add(struct vds_visited *set, uint64_t va)
{
	size_t i = slot_of(set, va);

	if (set->slots[i])
		return VDS_SEEN_BEFORE;
	if (set->count > set->mask / 2) {
		if (!grow(set))
			return VDS_SEEN_NOMEM;
		i = slot_of(set, va);
	}
	set->slots[i] = va;
	set->count++;
	return VDS_SEEN_NEW;
}

/* Slots on the stack for the links of a list; most have half as many. */
#define FIRST_LINKS 256

/* A LIST_ENTRY: two pointers, Flink and Blink, since NT 3.1 (wdm.h). */
struct link {
	uint64_t next, back;
};

static enum vds_why read_link(const struct vds_list_walk *walk, uint64_t va,
			      struct link *ret)
{
	uint8_t buf[16];
	enum vds_why why = vds_task_read(walk->task, va, buf, sizeof(buf));

	if (why)
		return why;
	ret->next = vds_le64(walk->backward ? buf + 8 : buf);
	ret->back = vds_le64(walk->backward ? buf : buf + 8);
	return VDS_PRESENT;
}

enum vds_list_end vds_list_walk(const struct vds_list_walk *walk)
{
	const char *dir = walk->backward ? "Blink" : "Flink";
	uint64_t first_slots[FIRST_LINKS] = {0};
	struct vds_visited seen;
	struct link link;
	uint64_t prev = walk->head;

	if (read_link(walk, prev, &link))
		return VDS_LIST_UNREADABLE;
	vds_visited_borrow(&seen, &walk->task->arena, first_slots, FIRST_LINKS);
	for (size_t n = 0; n < VDS_WALK_MAX_NODES; n++) {
		uint64_t cur = link.next;

		if (cur == walk->head)
			return VDS_LIST_CLOSED;
		if (!vds_is_kernel_pointer(walk->task->kernel, cur, 8)) {
			vds_note(walk->notes, "list_wild_pointer", prev,
				 "%s: %s of the link at 0x%016" PRIx64
				 " is 0x%016" PRIx64 ", no kernel address",
				 walk->what, dir, prev, cur);
			return VDS_LIST_WILD;
		}
		enum vds_seen was = vds_visited_add(&seen, cur);
		if (was == VDS_SEEN_NOMEM)
			goto nomem;
		if (was == VDS_SEEN_BEFORE) {
			vds_note(walk->notes, "list_loop", prev,
				 "%s: %s of the link at 0x%016" PRIx64
				 " goes back to 0x%016" PRIx64
				 "; the head is never reached",
				 walk->what, dir, prev, cur);
			return VDS_LIST_LOOP;
		}
		enum vds_why why = read_link(walk, cur, &link);
		if (why) {
			vds_note(walk->notes, "list_unreadable", prev,
				 "%s: the link at 0x%016" PRIx64
				 " that %s of 0x%016" PRIx64
				 " points to can't be read: %s",
				 walk->what, cur, dir, prev, vds_why_str(why));
			return VDS_LIST_UNREADABLE;
		}
		if (link.back != prev)
			vds_note(walk->notes, "list_back_pointer", cur,
				 "%s: the link at 0x%016" PRIx64
				 " points back to 0x%016" PRIx64
				 " instead of 0x%016" PRIx64, walk->what, cur,
				 link.back, prev);
		if (!walk->visit(walk->ctx, cur))
			return VDS_LIST_STOPPED;
		prev = cur;
	}
	vds_note(walk->notes, "list_too_long", walk->head,
		 "%s: more than %zu links", walk->what, VDS_WALK_MAX_NODES);
	return VDS_LIST_TOO_LONG;
nomem:
	walk->task->nomem = true;
	return VDS_LIST_STOPPED;
}
