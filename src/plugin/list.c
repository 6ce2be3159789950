/* SPDX-License-Identifier: Apache-2.0 */
/* Doubly linked lists of an image, for plugins: they may loop or lead nowhere. */
#include "base/arena.h"
#include "base/bytes.h"
#include "base/util.h"
#include "nt/task.h"
#include "nt/walk.h"
#include "plugin/session.h"
#include "vadose/record.h"

/* No list of Windows comes near; a hostile one ends here. */
#define LIST_MAX 1000000

struct vds_list_iter {
	struct vds_run *run;
	const struct vds_process *process;
	uint64_t head, link;
	uint32_t pointer;	/* bytes of one */
	uint64_t at;		/* LIST_ENTRY that was visited last */
	size_t count;
	struct vds_visited visited;
	bool done;
	enum vds_why why;
};

static struct vds_list_iter *iterate(struct vds_run *run,
				     const struct vds_process *process,
				     uint64_t head, uint64_t link,
				     uint32_t pointer)
{
	struct vds_list_iter *iter =
		vds_arena_calloc(&run->task->arena, 1, sizeof(*iter));
	if (!iter) {
		run->task->nomem = true;
		return NULL;
	}
	*iter = (struct vds_list_iter){
		.run = run, .process = process, .head = head, .link = link,
		.pointer = pointer, .at = head,
	};
	if (!vds_visited_init(&iter->visited, &run->task->arena, 64)) {
		run->task->nomem = true;
		return NULL;
	}
	return iter;
}

struct vds_list_iter *vds_list_iterate(struct vds_run *run,
				       const struct vds_process *process,
				       uint64_t head, uint64_t link)
{
	return iterate(run, process, head, link, 8);
}

struct vds_list_iter *vds_list_iterate32(struct vds_run *run,
					 const struct vds_process *process,
					 uint64_t head, uint64_t link)
{
	return iterate(run, process, head, link, 4);
}

static enum vds_why read_entry(const struct vds_list_iter *iter, uint64_t va,
			       uint64_t *ret_next, uint64_t *ret_back)
{
	uint8_t raw[16];
	enum vds_why why = iter->process ?
		vds_process_read(iter->process, va, raw, 2 * iter->pointer) :
		vds_kernel_read(iter->run, va, raw, 2 * iter->pointer);
	if (why)
		return why;
	*ret_next = vds_le(raw, iter->pointer);
	*ret_back = vds_le(raw + iter->pointer, iter->pointer);
	return VDS_PRESENT;
}

static bool end(struct vds_list_iter *iter, enum vds_why why, const char *what)
{
	iter->done = true;
	iter->why = why;
	if (what)
		vds_run_note(iter->run, what, iter->head,
			     "list at 0x%016llx: %s after %zu entries, at 0x%016llx (%s)",
			     (unsigned long long)iter->head, what, iter->count,
			     (unsigned long long)iter->at, vds_why_str(why));
	return false;
}

/*
 * Nothing lies at address 0, even where a page is mapped; and the kernel keeps
 * its lists in its own half.
 */
static bool is_link(const struct vds_list_iter *iter, uint64_t va)
{
	return va && !(va & (iter->pointer - 1)) && va >= iter->link &&
	       (iter->process ||
		vds_is_kernel_pointer(iter->run->session->kernel, va, 8));
}

bool vds_list_next(struct vds_list_iter *iter, uint64_t *ret)
{
	uint64_t next, back;
	if (!iter || iter->done)
		return false;
	enum vds_why why = read_entry(iter, iter->at, &next, &back);
	if (why)
		return end(iter, why, "list_unreadable");
	if (next == iter->head)
		return end(iter, VDS_PRESENT, NULL);
	if (!is_link(iter, next))
		return end(iter, VDS_BAD_ADDRESS, "list_bad_pointer");
	if (iter->count >= LIST_MAX ||
	    vds_visited_add(&iter->visited, next) != VDS_SEEN_NEW)
		return end(iter, VDS_BAD_DATA, "list_loop");
	uint64_t beyond;
	if (!read_entry(iter, next, &beyond, &back) && back != iter->at)
		vds_run_note(iter->run, "list_back_link", next,
			     "list at 0x%016llx: the entry at 0x%016llx points back to 0x%016llx",
			     (unsigned long long)iter->head,
			     (unsigned long long)next,
			     (unsigned long long)back);
	iter->at = next;
	iter->count++;
	*ret = next - iter->link;
	return true;
}

enum vds_why vds_list_why(const struct vds_list_iter *iter)
{
	return iter ? iter->why : VDS_BAD_DATA;
}
