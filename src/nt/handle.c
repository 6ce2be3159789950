/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/handle.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/rec.h"
#include "nt/walk.h"

/*
 * Low two bits of TableCode: levels above the leaves. A leaf and a table of
 * leaves fill a page; the topmost has room for 2^24 handles (as published in
 * the Windows Research Kernel: HIGHLEVEL_COUNT).
 */
#define LEVEL_MASK UINT64_C(3)
#define MAX_LEVEL 2
#define POINTERS_PER_PAGE 512
#define TOP_POINTERS 128
/* Handle values grow by 4 per entry. */
#define VALUE_SHIFT 2
/*
 * Windows 7 (as in the Windows Research Kernel, ex.h and obp.h): the low bits of
 * the object pointer hold the lock and two attributes; the third stands in the
 * access mask.
 */
#define OLD_LOW_BITS UINT64_C(7)
#define OLD_ATTRIBUTES UINT64_C(6)
#define OLD_PROTECT_CLOSE 0x2000000

struct table {
	struct vds_task *task;
	struct vds_notes *notes;
	uint64_t address;
	uint32_t entry_size, per_leaf;
	struct vds_visited seen;
	bool (*visit)(void *ctx, const struct vds_handle *handle);
	void *ctx;
	bool stop;
};

/* Which object an entry points to; 0 = free. */
static uint64_t decode(const struct vds_kernel *kernel,
		       const struct vds_rec *entry, struct vds_handle *ret)
{
	const struct vds_field *bits = vds_kf(kernel, HANDLE_POINTER_BITS);
	uint64_t value, access;

	access = vds_rec_u64(entry, vds_kf(kernel, HANDLE_ACCESS));
	ret->access = (uint32_t)(access & 0x1ffffff);
	if (bits->present && bits->bit_len && bits->bit_len <= 60) {
		/* 8 and later: bits 4 and up of the address. */
		value = vds_rec_u64(entry, bits);
		ret->attributes = (uint32_t)vds_rec_u64(
			entry, vds_kf(kernel, HANDLE_ATTRIBUTES));
		return value ? (uint64_t)vds_sign_extend(value << 4,
							 bits->bit_len + 4u) :
			       0;
	}
	value = vds_rec_u64(entry, vds_kf(kernel, HANDLE_OBJECT));
	ret->attributes = (uint32_t)(value & OLD_ATTRIBUTES) |
			  (access & OLD_PROTECT_CLOSE ? 1u : 0u);
	return value & ~OLD_LOW_BITS;
}

/*
 * Reads a page of the table once; false if it is of no use. Page tables may lead
 * from any number of addresses to one frame, so frames are what counts.
 */
static bool enter(struct table *table, uint64_t va, void *buf, size_t len)
{
	const struct vds_space *space = &table->task->kernel->space;
	const char *what;
	uint64_t pa;

	if (!vds_is_kernel_pointer(table->task->kernel, va, 8)) {
		what = "no kernel address";
	} else if (vds_space_translate(space, table->task->tlb, va, &pa,
				       NULL)) {
		what = vds_why_str(vds_task_read(table->task, va, buf, len));
	} else {
		enum vds_why why;

		/* Frame 0 may hold a table, too; zero is not an address. */
		switch (vds_visited_add(&table->seen, pa | 1)) {
		case VDS_SEEN_NEW:
			why = vds_task_read(table->task, va, buf, len);
			if (!why)
				return true;
			what = vds_why_str(why);
			break;
		case VDS_SEEN_NOMEM:
			table->task->nomem = true;
			table->stop = true;
			return false;
		default:
			what = "met before: a loop";
			break;
		}
	}
	vds_note(table->notes, "handle_table_broken", va,
		 "handle table 0x%016" PRIx64 ": part of it at 0x%016" PRIx64
		 ": %s", table->address, va, what);
	return false;
}

static void walk_leaf(struct table *table, uint64_t va, uint64_t first)
{
	const struct vds_kernel *kernel = table->task->kernel;
	uint8_t page[VDS_PAGE_SIZE];

	if (!enter(table, va, page, sizeof(page)))
		return;
	/* The first entry of each leaf is the kernel's own. */
	for (uint32_t i = 1; i < table->per_leaf && !table->stop; i++) {
		struct vds_handle handle = {
			.value = (first + i) << VALUE_SHIFT,
			.entry = va + i * table->entry_size};
		struct vds_rec entry = {.va = va + i * table->entry_size,
					.data = page + i * table->entry_size,
					.len = table->entry_size,
					.whole = true};

		handle.pointer = decode(kernel, &entry, &handle);
		if (handle.pointer && !table->visit(table->ctx, &handle))
			table->stop = true;
	}
}

static void walk_leaves(struct table *table, uint64_t va, uint64_t first)
{
	uint8_t page[POINTERS_PER_PAGE * 8];

	if (!enter(table, va, page, sizeof(page)))
		return;
	for (uint64_t i = 0; i < POINTERS_PER_PAGE && !table->stop; i++) {
		uint64_t leaf = vds_le64(page + 8 * i);

		if (leaf)
			walk_leaf(table, leaf, first + i * table->per_leaf);
	}
}

static void walk_top(struct table *table, uint64_t va)
{
	uint8_t top[TOP_POINTERS * 8];

	if (!enter(table, va, top, sizeof(top)))
		return;
	for (uint64_t i = 0; i < TOP_POINTERS && !table->stop; i++) {
		uint64_t mid = vds_le64(top + 8 * i);

		if (mid)
			walk_leaves(table, mid,
				    i * POINTERS_PER_PAGE * table->per_leaf);
	}
}

void vds_handles_walk(struct vds_task *task, struct vds_notes *notes,
		      uint64_t address,
		      bool (*visit)(void *ctx, const struct vds_handle *handle),
		      void *ctx)
{
	const struct vds_kernel *kernel = task->kernel;
	struct table table = {.task = task, .notes = notes, .address = address,
			      .visit = visit, .ctx = ctx};
	uint64_t code;
	enum vds_why why;

	table.entry_size = vds_ksize(kernel, HANDLE_TABLE_ENTRY);
	if (table.entry_size < 8 || table.entry_size > 64)
		return;
	table.per_leaf = (uint32_t)VDS_PAGE_SIZE / table.entry_size;
	why = vds_is_kernel_pointer(kernel, address, 8) ?
		      vds_task_field(task, address,
				     vds_kf(kernel, HANDLE_TABLE_CODE), &code) :
		      VDS_BAD_ADDRESS;
	if (why || (code & LEVEL_MASK) > MAX_LEVEL) {
		vds_note(notes, "handle_table_broken", address,
			 "handle table 0x%016" PRIx64 ": %s", address,
			 why ? vds_why_str(why) : "no such level");
		return;
	}
	if (!vds_visited_init(&table.seen, &task->arena, 16)) {
		task->nomem = true;
		return;
	}
	switch (code & LEVEL_MASK) {
	case 0:
		walk_leaf(&table, code, 0);
		break;
	case 1:
		walk_leaves(&table, code & ~LEVEL_MASK, 0);
		break;
	default:
		walk_top(&table, code & ~LEVEL_MASK);
		break;
	}
}
