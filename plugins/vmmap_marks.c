/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heaps and stacks, by what the process itself keeps: PEB.ProcessHeaps leads to
 * NT heaps and segment heaps, the TEB of each thread to its stack. All of it is
 * user memory, which the process may have changed; a lie makes a region of a
 * wrong class, and nothing worse.
 */
#include "vmmap.h"

#include <inttypes.h>
#include <stdlib.h>

#include <vadose/record.h>

#define PAGE UINT64_C(4096)
#define MAX_MARKS 16384
/* Heaps that a PEB is allowed to name. */
#define MAX_HEAPS 1024
/* A red-black tree of 2^32 nodes is not deeper. */
#define MAX_DEPTH 64
/* _HEAP.Signature and _SEGMENT_HEAP.Signature */
#define NT_HEAP UINT64_C(0xeeffeeff)
#define SEGMENT_HEAP UINT64_C(0xddeeddee)
/* Low bits of _HEAP_LARGE_ALLOC_DATA.VirtualAddress hold UnusedBytes. */
#define LARGE_ALLOC_MASK (~UINT64_C(0xffff))

/* How code of one width keeps its heaps. */
struct flavour {
	const char *peb, *heap, *segment;
	const char *segment_heap, *context, *page_segment, *large, *tree, *node;
	size_t pointer;
	struct vds_list_iter *(*iterate)(struct vds_run *run,
					 const struct vds_process *process,
					 uint64_t head, uint64_t link);
};

static const struct flavour native = {
	"_PEB", "_HEAP", "_HEAP_SEGMENT",
	"_SEGMENT_HEAP", "_HEAP_SEG_CONTEXT", "_HEAP_PAGE_SEGMENT",
	"_HEAP_LARGE_ALLOC_DATA", "_RTL_RB_TREE", "_RTL_BALANCED_NODE",
	8, vds_list_iterate,
};
static const struct flavour wow64 = {
	"_PEB32", "_HEAP32", "_HEAP_SEGMENT32",
	"_SEGMENT_HEAP32", "_HEAP_SEG_CONTEXT32", "_HEAP_PAGE_SEGMENT32",
	"_HEAP_LARGE_ALLOC_DATA32", "_RTL_RB_TREE32", "_RTL_BALANCED_NODE32",
	4, vds_list_iterate32,
};

struct reader {
	struct vds_run *run;
	const struct vds_process *process;
	struct marks *marks;
	const struct flavour *flavour;
};

static void mark(struct reader *r, uint64_t va, enum class class,
		 const char *basis)
{
	if (va && !(va >> 63) && r->marks->count < r->marks->max)
		r->marks->list[r->marks->count++] =
			(struct mark){va, class, basis};
}

static bool is_full(const struct reader *r)
{
	return r->marks->count >= r->marks->max;
}

static enum vds_why user_uint(const struct reader *r, uint64_t va, size_t size,
			      uint64_t *ret)
{
	uint8_t raw[8] = {0};
	enum vds_why why = vds_process_read(r->process, va, raw, size);

	*ret = 0;
	for (size_t i = size; !why && i-- > 0;)
		*ret = *ret << 8 | raw[i];
	return why;
}

static bool find_member(const struct reader *r, const char *type,
			const char *path, struct vds_member_info *ret)
{
	return vds_type_member_find(vds_type_find(r->run, type), path, ret);
}

/* The value of a member of a structure in user space; 0 if it can't be had. */
static uint64_t user_member(const struct reader *r, uint64_t va,
			    const char *type, const char *path)
{
	struct vds_member_info member;
	uint64_t value;

	if (!va || !find_member(r, type, path, &member) || !member.size ||
	    member.size > 8 ||
	    user_uint(r, va + member.offset, (size_t)member.size, &value))
		return 0;
	return value;
}

/* Each entry of the list that begins at member @path of @type at @va. */
static void mark_list(struct reader *r, uint64_t va, const char *type,
		      const char *path, uint64_t link, const char *basis)
{
	struct vds_member_info head;
	struct vds_list_iter *it;
	uint64_t at;

	if (!find_member(r, type, path, &head) ||
	    user_uint(r, va + head.offset, r->flavour->pointer, &at) || !at)
		return;
	it = r->flavour->iterate(r->run, r->process, va + head.offset, link);
	while (!is_full(r) && vds_list_next(it, &at))
		mark(r, at, HEAP, basis);
}

/* Further segments, and blocks too large for any of them. */
static void mark_nt_heap(struct reader *r, uint64_t heap)
{
	struct vds_member_info entry, large = {0};

	if (find_member(r, r->flavour->segment, "SegmentListEntry", &entry))
		mark_list(r, heap, r->flavour->heap, "SegmentList",
			  entry.offset, "segment of an NT heap");
	/* The list entry comes first in a _HEAP_VIRTUAL_ALLOC_ENTRY. */
	(void)find_member(r, "_HEAP_VIRTUAL_ALLOC_ENTRY", "Entry", &large);
	mark_list(r, heap, r->flavour->heap, "VirtualAllocdBlocks",
		  large.offset, "large block of an NT heap");
}

/* A tree of _RTL_BALANCED_NODE in user memory. */
struct tree {
	bool encoded;	/* a pointer is XORed with the address of its node */
	uint64_t stack[MAX_DEPTH];
	size_t depth;
};

/* A child that names @at as its parent: so no node is met twice. */
static void push_child(struct reader *r, struct tree *tree, uint64_t at,
		       uint64_t child)
{
	uint64_t parent;

	if (!child)
		return;
	child ^= tree->encoded ? at : 0;
	parent = user_member(r, child, r->flavour->node, "ParentValue") ^
		 (tree->encoded ? child : 0);
	/* The low bits hold the balance. */
	if ((parent & ~UINT64_C(3)) == at && tree->depth < MAX_DEPTH)
		tree->stack[tree->depth++] = child;
}

/* The large blocks of a segment heap, which a tree holds. */
static void mark_large_blocks(struct reader *r, uint64_t at)
{
	struct tree tree = {
		.encoded = user_member(r, at, r->flavour->tree, "Encoded")};
	uint64_t root = user_member(r, at, r->flavour->tree, "Root");
	struct vds_member_info node;

	if (!root ||
	    !find_member(r, r->flavour->large, "TreeNode", &node))
		return;
	tree.stack[tree.depth++] = tree.encoded ? root ^ at : root;
	for (size_t seen = 0; tree.depth && !is_full(r) && seen < MAX_MARKS;
	     seen++) {
		uint64_t va = tree.stack[--tree.depth];
		uint64_t left = user_member(r, va, r->flavour->node, "Left");
		uint64_t right = user_member(r, va, r->flavour->node, "Right");

		mark(r, user_member(r, va - node.offset, r->flavour->large,
				    "VirtualAddress") & LARGE_ALLOC_MASK,
		     HEAP, "large block of a segment heap");
		push_child(r, &tree, va, left);
		if (right != left)
			push_child(r, &tree, va, right);
	}
}

static void mark_segment_heap(struct reader *r, uint64_t heap)
{
	const struct flavour *f = r->flavour;
	struct vds_member_info contexts, head, link;
	uint64_t each = vds_type_size(vds_type_find(r->run, f->context));

	if (find_member(r, f->segment_heap, "SegContexts", &contexts) &&
	    find_member(r, f->context, "SegmentListHead", &head) &&
	    find_member(r, f->page_segment, "ListEntry", &link) && each) {
		for (uint64_t i = 0; i < contexts.size / each; i++)
			mark_list(r, heap + contexts.offset + i * each,
				  f->context, "SegmentListHead", link.offset,
				  "segment of a segment heap");
	}
	if (find_member(r, f->segment_heap, "LargeAllocMetadata", &head))
		mark_large_blocks(r, heap + head.offset);
}

/*
 * The segment heap of 32-bit code is published of 18362 to 19045. The one of 64
 * bits was the same from 17763 on; in 20348 its parts have moved, and where
 * they are for 32 bits nobody has published.
 */
static bool has_segment_heap(const struct reader *r)
{
	struct vds_member_info native_parts, parts;

	return find_member(r, r->flavour->segment_heap, "SegContexts",
			   &parts) &&
	       find_member(r, native.segment_heap, "SegContexts",
			   &native_parts) &&
	       (r->flavour == &native || native_parts.offset == parts.offset);
}

static void mark_heap(struct reader *r, uint64_t heap)
{
	if (user_member(r, heap, r->flavour->heap, "Signature") == NT_HEAP) {
		mark(r, heap, HEAP, "PEB.ProcessHeaps");
		mark_nt_heap(r, heap);
	} else if (user_member(r, heap, r->flavour->segment_heap,
			       "Signature") != SEGMENT_HEAP) {
		mark(r, heap, HEAP, "PEB.ProcessHeaps");
	} else if (has_segment_heap(r)) {
		mark(r, heap, HEAP, "PEB.ProcessHeaps");
		mark_segment_heap(r, heap);
	} else {
		mark(r, heap, HEAP, "PEB.ProcessHeaps; the segments of a "
				    "32-bit segment heap of this build "
				    "can't be told");
	}
}

/* Memory that is paged out says nothing; what no page table maps is a lie. */
static bool leads_nowhere(const struct reader *r, uint64_t va)
{
	uint64_t value;

	return va >> 63 || user_uint(r, va, r->flavour->pointer, &value) ==
				   VDS_NOT_MAPPED;
}

static void mark_heaps(struct reader *r, uint64_t peb)
{
	const char *type = r->flavour->peb;
	uint64_t count = user_member(r, peb, type, "NumberOfHeaps");
	uint64_t list = user_member(r, peb, type, "ProcessHeaps");
	uint64_t first = user_member(r, peb, type, "ProcessHeap");

	if (!peb)
		return;
	if (r->flavour == &native && leads_nowhere(r, peb)) {
		vds_run_note(r->run, "peb_bad_pointer", r->process->eprocess,
			     "process %" PRIu32 ": no PEB at 0x%016" PRIx64
			     ": heaps are not told", r->process->pid, peb);
		return;
	}
	mark(r, peb, PEB_TEB, "EPROCESS");
	if (count > MAX_HEAPS || (count && list && leads_nowhere(r, list)))
		vds_run_note(r->run, "heap_list_bad", r->process->eprocess,
			     "process %" PRIu32 ": PEB at 0x%016" PRIx64
			     " has %" PRIu64 " heaps, listed at 0x%016" PRIx64
			     ": not all are told", r->process->pid, peb, count,
			     list);
	if (first)
		mark_heap(r, first);
	for (uint64_t i = 0; list && i < count && i < MAX_HEAPS; i++) {
		uint64_t heap;

		if (user_uint(r, list + i * r->flavour->pointer,
			      r->flavour->pointer, &heap))
			break;
		if (heap && heap != first)
			mark_heap(r, heap);
	}
}

/*
 * The TEB of the 32-bit code of a WoW64 thread: WowTebOffset from the 64-bit one
 * where that has the member (10 and later), before it right behind its pages
 * (wow64t.h, WOW64_GET_TEB32). It names itself.
 */
static uint64_t find_teb32(const struct reader *r, uint64_t teb)
{
	uint64_t offset = user_member(r, teb, "_TEB", "WowTebOffset");
	uint64_t size = vds_type_size(vds_type_find(r->run, "_TEB"));
	uint64_t teb32 = teb + (uint64_t)(int32_t)offset;

	if (!offset)
		teb32 = teb + ((size + PAGE - 1) & ~(PAGE - 1));
	return user_member(r, teb32, "_TEB32", "NtTib.Self") == teb32 ? teb32 :
									0;
}

static void mark_threads(struct reader *r)
{
	const struct vds_type *ethread = vds_type_find(r->run, "_ETHREAD");
	struct vds_member_info head, link;
	struct vds_list_iter *it;
	uint64_t thread, teb, teb32;

	if (!r->process->threads ||
	    !find_member(r, "_EPROCESS", "ThreadListHead", &head) ||
	    !find_member(r, "_ETHREAD", "ThreadListEntry", &link))
		return;
	it = vds_list_iterate(r->run, NULL, r->process->eprocess + head.offset,
			      link.offset);
	while (!is_full(r) && vds_list_next(it, &thread)) {
		if (vds_kernel_member(r->run, thread, ethread, "Tcb.Teb",
				      &teb) || !teb)
			continue;
		mark(r, teb, PEB_TEB, "KTHREAD.Teb");
		mark(r, user_member(r, teb, "_TEB", "DeallocationStack"),
		     STACK, "TEB.DeallocationStack");
		teb32 = r->process->wow64 ? find_teb32(r, teb) : 0;
		if (!teb32)
			continue;
		mark(r, teb32, PEB_TEB, "TEB.WowTebOffset");
		mark(r, user_member(r, teb32, "_TEB32", "DeallocationStack"),
		     STACK, "TEB32.DeallocationStack");
	}
}

/* What has no type in the profile is not there in vain: it can't be told. */
static void find_gaps(struct reader *r)
{
	struct vds_member_info m;

	r->marks->no_stacks =
		!find_member(r, "_ETHREAD", "Tcb.Teb", &m) ||
		!find_member(r, "_ETHREAD", "ThreadListEntry", &m) ||
		!find_member(r, "_TEB", "DeallocationStack", &m);
	r->marks->no_heaps = !find_member(r, "_HEAP", "SegmentList", &m);
}

static int compare(const void *pa, const void *pb)
{
	const struct mark *a = pa, *b = pb;

	if (a->va != b->va)
		return a->va < b->va ? -1 : 1;
	return (int)a->class - (int)b->class;
}

struct vds_error *marks_read(struct vds_run *run,
			     const struct vds_process *process,
			     struct marks *ret)
{
	struct reader r = {.run = run, .process = process, .marks = ret,
			   .flavour = &native};

	*ret = (struct marks){.max = MAX_MARKS};
	ret->list = vds_alloc(run, ret->max, sizeof(*ret->list));
	if (!ret->list)
		return &vds_enomem;
	find_gaps(&r);
	mark_threads(&r);
	mark_heaps(&r, process->peb);
	r.flavour = &wow64;
	mark_heaps(&r, process->peb32);
	qsort(ret->list, ret->count, sizeof(*ret->list), compare);
	return NULL;
}

const struct mark *marks_find(const struct marks *marks, uint64_t start,
			      uint64_t end)
{
	size_t low = 0, high = marks->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (marks->list[mid].va < start)
			low = mid + 1;
		else
			high = mid;
	}
	return low < marks->count && marks->list[low].va <= end ?
		       &marks->list[low] : NULL;
}
