/* SPDX-License-Identifier: Apache-2.0 */
/* vds_tables_walk(): every page-table entry in use of a range. */
#include "vadose/table.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/kernel.h"
#include "nt/page.h"
#include "nt/task.h"
#include "nt/walk.h"

#define MAX_LEVELS 5
#define ENTRIES 512u
/* Slots for tables on the stack: most walks are of one region. */
#define FIRST_TABLES 32

/* One table on the way down. */
struct table {
	uint64_t pa;
	uint64_t base;		/* first address, without sign extension */
	unsigned int next, end;	/* entries that remain, end exclusive */
	bool writable, user, executable;
	uint8_t page[VDS_PAGE_SIZE];	/* of it, the entries of the range */
};

struct walk {
	struct vds_task *task;
	struct vds_space space;
	uint64_t first, last;	/* without sign extension */
	struct vds_visited seen;
	struct table tables[MAX_LEVELS + 1];	/* by level */
	bool (*visit)(void *ctx, const struct vds_table_entry *entry);
	void *ctx;
	struct vds_table_count count;
	bool stop;
};

/* Log2 of what an entry of @level stands for (Intel SDM vol. 3A, 4.5). */
static unsigned int shift_of(unsigned int level)
{
	return 12 + 9 * (level - 1);
}

static uint64_t address_mask(const struct walk *w)
{
	return (UINT64_C(1) << shift_of(w->space.levels + 1)) - 1;
}

static uint64_t sign_extend(const struct walk *w, uint64_t va)
{
	return (uint64_t)vds_sign_extend(va, shift_of(w->space.levels + 1));
}

/* The part of [first, last], which is of one half, that is canonical. */
static void clip(struct walk *w, uint64_t first, uint64_t last)
{
	uint64_t half = (address_mask(w) >> 1) + 1;

	if (first >> 63) {
		w->first = VDS_MAX(first, ~(half - 1)) & address_mask(w);
		w->last = last & address_mask(w);
		if (last < ~(half - 1))
			w->stop = true;
	} else {
		w->first = first;
		w->last = VDS_MIN(last, half - 1);
		w->stop = first > w->last;
	}
}

/*
 * Makes the table at @pa that of @level, clipped to the range. False if it can't
 * be read (*ret_why) or was met before (*ret_why is PRESENT).
 */
static bool enter(struct walk *w, unsigned int level, uint64_t pa,
		  uint64_t base, enum vds_why *ret_why)
{
	struct table *t = &w->tables[level];
	unsigned int shift = shift_of(level);
	uint64_t end = base + (UINT64_C(1) << (shift + 9)) - 1;

	t->pa = pa;
	t->base = base;
	t->next = (unsigned int)((VDS_MAX(w->first, base) - base) >> shift);
	t->end = (unsigned int)((VDS_MIN(w->last, end) - base) >> shift) + 1;
	/* Most walks are of one region: a few entries of each table. */
	*ret_why = vds_image_read_table(w->space.image, pa + 8 * t->next,
					t->page + 8 * t->next,
					8 * (size_t)(t->end - t->next));
	if (*ret_why)
		return false;
	switch (vds_visited_add(&w->seen, pa | 1)) {
	case VDS_SEEN_NEW:
		break;
	case VDS_SEEN_NOMEM:
		w->task->nomem = w->stop = true;
		return false;
	default:
		if (!(sign_extend(w, base) >> 63))
			vds_note(&w->task->notes, "page_table_twice", pa,
				 "the page table at 0x%" PRIx64 " is used a "
				 "second time, for 0x%016" PRIx64 ": skipped",
				 pa, base);
		return false;
	}
	return true;
}

static void report(struct walk *w, struct vds_table_entry *e)
{
	if (!w->visit(w->ctx, e) || w->task->nomem)
		w->stop = true;
}

/* An entry that leads to a table; true if the walk goes on there. */
static bool descend(struct walk *w, unsigned int level, uint64_t base,
		    uint64_t pa, struct vds_table_entry *e)
{
	const struct table *t = &w->tables[level];
	struct table *below = &w->tables[level - 1];

	if (!enter(w, level - 1, pa, base, &e->why)) {
		w->count.unreadable += e->why != VDS_PRESENT;
		if (e->why)
			report(w, e);
		return false;
	}
	w->count.tables++;
	w->count.valid += e->valid;
	below->writable = t->writable && e->entry & VDS_PTE_WRITE;
	below->user = t->user && e->entry & VDS_PTE_USER;
	below->executable = t->executable && !(e->entry & VDS_PTE_NX);
	return true;
}

static void leaf(struct walk *w, const struct table *t,
		 struct vds_table_entry *e)
{
	struct vds_pte pte;

	if (e->valid) {
		e->resident = true;
		e->pa = e->entry & VDS_PTE_PFN_MASK & ~(e->size - 1);
		e->writable = t->writable && e->entry & VDS_PTE_WRITE;
		e->user = t->user && e->entry & VDS_PTE_USER;
		e->executable = t->executable && !(e->entry & VDS_PTE_NX);
	} else {
		vds_pte_decode(&w->task->kernel->pte, e->entry, &pte);
		e->resident = pte.kind == VDS_PTE_TRANSITION;
		e->pa = e->resident ? pte.pa : 0;
	}
	report(w, e);
}

/* One entry of the table at @level; true if the walk goes on below it. */
static bool step(struct walk *w, unsigned int level)
{
	struct table *t = &w->tables[level];
	unsigned int index = t->next++, shift = shift_of(level);
	uint64_t base = t->base + ((uint64_t)index << shift);
	struct vds_table_entry e = {
		.va = sign_extend(w, base),
		.size = UINT64_C(1) << shift,
		.level = level,
		.entry_pa = t->pa + 8 * index,
		.entry = vds_le64(t->page + 8 * index),
	};
	struct vds_pte pte;

	if (!e.entry)
		return false;
	e.valid = e.entry & VDS_PTE_PRESENT;
	if (level == 1 ||
	    (e.valid && e.entry & VDS_PTE_LARGE && level <= 3)) {
		leaf(w, t, &e);
		return false;
	}
	if (e.valid)
		return descend(w, level, base, e.entry & VDS_PTE_PFN_MASK,
			       &e);
	/* A table of a trimmed process may be in transition or paged out. */
	vds_pte_decode(&w->task->kernel->pte, e.entry, &pte);
	if (pte.kind == VDS_PTE_TRANSITION) {
		e.entry |= VDS_PTE_WRITE | VDS_PTE_USER;
		e.entry &= ~VDS_PTE_NX;
		return descend(w, level, base, pte.pa, &e);
	}
	if (pte.kind == VDS_PTE_PAGEFILE) {
		e.why = VDS_PAGED_OUT;
		w->count.unreadable++;
		report(w, &e);
	}
	return false;
}

static void walk_all(const struct vds_process *process, uint64_t first,
		     uint64_t last,
		     bool (*visit)(void *ctx,
				   const struct vds_table_entry *entry),
		     void *ctx, struct vds_table_count *ret)
{
	struct vds_task *task = process->task;
	/* Not the task's: there may be a walk for each of its VADs. */
	_cleanup_(vds_arena_deinit) struct vds_arena arena;
	_cleanup_free_ struct walk *w = vds_malloc_array(1, sizeof(*w));
	uint64_t first_tables[FIRST_TABLES] = {0};
	enum vds_why why;

	vds_arena_init(&arena, 0);
	if (!w) {
		task->nomem = true;
		return;
	}
	/* The tables are filled when they are entered: they are large. */
	w->task = task;
	w->visit = visit;
	w->ctx = ctx;
	w->stop = false;
	w->count = (struct vds_table_count){0};
	vds_process_space(process, &w->space);
	if (!w->space.dtb || w->space.levels > MAX_LEVELS ||
	    (first ^ last) >> 63)
		return;
	clip(w, first, last);
	vds_visited_borrow(&w->seen, &arena, first_tables, FIRST_TABLES);
	unsigned int top = w->space.levels, level = top;
	struct table *root = &w->tables[top];

	root->writable = root->user = root->executable = true;
	if (!enter(w, top, w->space.dtb & VDS_PTE_PFN_MASK, 0, &why)) {
		vds_note(&task->notes, "page_table_unreadable",
			 w->space.dtb, "the top page table of process %" PRIu32
			 " at 0x%" PRIx64 ": %s", process->pid, w->space.dtb,
			 vds_why_str(why));
		ret->unreadable = 1;
		return;
	}
	w->count.tables = w->count.valid = 1;
	while (!w->stop && level <= top) {
		struct table *t = &w->tables[level];

		if (t->next >= t->end)
			level++;
		else if (step(w, level))
			level--;
	}
	*ret = w->count;
}

void vds_tables_walk(const struct vds_process *process, uint64_t first,
		     uint64_t last,
		     bool (*visit)(void *ctx,
				   const struct vds_table_entry *entry),
		     void *ctx)
{
	struct vds_table_count count;

	walk_all(process, first, last, visit, ctx, &count);
}

static bool visit_nothing(void *ctx, const struct vds_table_entry *entry)
{
	(void)ctx;
	(void)entry;
	return true;
}

void vds_tables_count(const struct vds_process *process, uint64_t first,
		      uint64_t last, struct vds_table_count *ret)
{
	*ret = (struct vds_table_count){0};
	walk_all(process, first, last, visit_nothing, NULL, ret);
}
