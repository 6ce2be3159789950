/* SPDX-License-Identifier: Apache-2.0 */
/* Handle tables of one, two or three levels, and the table of all PIDs. */
#include "world.h"

#include <string.h>

#include "base/bytes.h"

/* Entries of a leaf page and pointers of an upper one. */
#define LEAF 256u
#define UPPER 512u

struct table {
	struct world *w;
	uint64_t va;		/* of the HANDLE_TABLE */
	uint32_t entries;	/* all levels together, a multiple of LEAF */
	uint64_t *leaves;
};

static void put_pointer(struct world *w, uint64_t va, uint64_t value)
{
	uint8_t bytes[8];

	vds_put_le64(bytes, value);
	space_write(w, &w->kernel, va, bytes, 8);
}

static uint64_t page(struct world *w)
{
	uint64_t va = pool_alloc(w, &w->paged, VDS_PAGE_SIZE, "Obtb");
	(void)space_pfn(w, &w->kernel, va);
	return va;
}

/* TableCode: the top page's address, its level in the low bits. */
static uint64_t build_levels(struct table *t)
{
	struct world *w = t->w;
	uint32_t leaves = t->entries / LEAF;

	t->leaves = vds_arena_calloc(&w->arena, leaves, 8);
	if (!t->leaves) {
		world_nomem(w);
		return 0;
	}
	for (uint32_t i = 0; i < leaves; i++)
		t->leaves[i] = page(w);
	if (leaves == 1)
		return t->leaves[0];
	uint32_t middles = (leaves + UPPER - 1) / UPPER;
	uint64_t top = middles > 1 ? page(w) : 0, middle = 0;
	for (uint32_t i = 0; i < leaves; i++) {
		if (i % UPPER == 0) {
			middle = page(w);
			if (top)
				put_pointer(w, top + 8 * (i / UPPER), middle);
		}
		put_pointer(w, middle + 8 * (i % UPPER), t->leaves[i]);
	}
	return top ? top | 2 : middle | 1;
}

static void put_entry(struct table *t, uint32_t handle, uint64_t object,
		      uint32_t access)
{
	static const char type[] = "_HANDLE_TABLE_ENTRY";
	struct world *w = t->w;
	uint32_t index = handle / 4;
	uint64_t each = size_of(w, type);

	if (index >= t->entries || w->err)
		return;
	uint64_t va = t->leaves[index / LEAF] + index % LEAF * each;
	if (has_field(w, type, "ObjectPointerBits")) {
		put(w, &w->kernel, va, type, "ObjectPointerBits", object >> 4);
		(void)put_opt(w, &w->kernel, va, type, "Unlocked", 1);
		put(w, &w->kernel, va, type, "GrantedAccessBits", access);
		return;
	}
	/* The lowest bit: the entry isn't locked. */
	put(w, &w->kernel, va, type, "Object", object | 1);
	put(w, &w->kernel, va, type, "GrantedAccess", access);
}

static void create_table(struct world *w, struct table *t, uint32_t highest)
{
	static const char type[] = "_HANDLE_TABLE";

	t->w = w;
	t->entries = (highest / 4 / LEAF + 1) * LEAF;
	t->va = pool_alloc(w, &w->paged, size_of(w, type), "Obtb");
	put(w, &w->kernel, t->va, type, "TableCode", build_levels(t));
	(void)put_opt(w, &w->kernel, t->va, type,
		      "NextHandleNeedingPool", t->entries * 4);
}

static void build_for(struct world *w, struct process *p)
{
	static const char type[] = "_HANDLE_TABLE";
	uint64_t to_body = offset_of(w, "_OBJECT_HEADER", "Body");
	uint64_t head = global(w, "HandleTableListHead");
	struct table t = { 0 };
	uint32_t next = 4, highest = 4;

	for (struct handle *h = p->handles; h; h = h->next) {
		if (!h->value)
			h->value = next;
		next = h->value + 4;
		highest = VDS_MAX(highest, h->value);
	}
	create_table(w, &t, highest);
	put(w, &w->kernel, t.va, type, "QuotaProcess", p->eprocess);
	put(w, &w->kernel, t.va, type, "UniqueProcessId", p->pid);
	(void)put_opt(w, &w->kernel, t.va, type, "HandleCount",
		      p->num_handles);
	for (struct handle *h = p->handles; h; h = h->next) {
		h->object_va = handle_object(w, h);
		if (!h->object_va)
			world_fail(w, place_error(h->place,
				"the handle has no object"));
		else
			put_entry(&t, h->value, h->object_va - to_body,
				  h->access);
	}
	p->object_table = t.va;
	put(w, &w->kernel, p->eprocess, "_EPROCESS", "ObjectTable", t.va);
	if (head)
		list_add(w, head, t.va + offset_of(w, type,
						   "HandleTableList"));
}

void handles_build(struct world *w)
{
	struct table cids = { 0 };
	uint32_t highest = 4;

	for (struct process *p = w->scene->processes; p && !w->err;
	     p = p->next) {
		highest = VDS_MAX(highest, p->pid);
		if (!p->exited && !p->minimal && !p->unlisted)
			build_for(w, p);
	}
	/* Unlike handles, these entries point at the bodies. */
	create_table(w, &cids, highest);
	for (struct process *p = w->scene->processes; p && !w->err;
	     p = p->next)
		if (!p->unlisted)
			put_entry(&cids, p->pid, p->eprocess, 0);
	(void)put_global(w, "PspCidTable", cids.va);
	w->cid_table = cids.va;
}
