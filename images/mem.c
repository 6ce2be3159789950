/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <string.h>

#include "base/bytes.h"

/* The first frames belong to the firmware and to the start block. */
#define FIRST_PFN 0x100u

void world_fail(struct world *w, struct vds_error *err)
{
	if (w->err)
		vds_error_destroy(err);
	else
		w->err = err;
}

void world_nomem(struct world *w)
{
	world_fail(w, &vds_enomem);
}

void *world_alloc(struct world *w, size_t size)
{
	void *p = vds_arena_calloc(&w->arena, 1, size);
	if (!p)
		world_nomem(w);
	return p;
}

void mem_reserve(struct world *w, uint64_t pfn)
{
	if (vds_set_add(&w->used, pfn) == VDS_SEEN_NOMEM)
		world_nomem(w);
}

uint64_t mem_alloc_run(struct world *w, uint64_t n, uint64_t align)
{
	uint64_t end = w->scene->memory / VDS_PAGE_SIZE;
	uint64_t pfn = VDS_MAX(w->next_pfn, FIRST_PFN);

	for (;;) {
		pfn = (pfn + align - 1) / align * align;
		if (pfn + n > end) {
			world_fail(w, vds_error_create(VDS_ERROR_FORMAT,
				"the machine's memory is used up"));
			return 0;
		}
		uint64_t i = 0;
		while (i < n && !vds_set_has(&w->used, pfn + i))
			i++;
		if (i == n)
			break;
		pfn += i + 1;
	}
	for (uint64_t i = 0; i < n; i++)
		mem_reserve(w, pfn + i);
	if (n == 1)
		w->next_pfn = pfn + 1;
	return pfn;
}

uint64_t mem_alloc(struct world *w)
{
	return w->err ? 0 : mem_alloc_run(w, 1, 1);
}

const uint8_t *mem_peek(const struct world *w, uint64_t pfn)
{
	const uint64_t *slot = vds_map_get(&w->pages, pfn);
	return slot ? (const uint8_t *)(uintptr_t)*slot : NULL;
}

uint8_t *mem_page(struct world *w, uint64_t pfn)
{
	/* So that nobody needs to check: after a failure all write here. */
	static uint8_t nowhere[VDS_PAGE_SIZE];

	if (w->err)
		return nowhere;
	bool fresh;
	uint64_t *slot = vds_map_put(&w->pages, pfn, &fresh);
	if (slot && fresh)
		*slot = (uintptr_t)vds_arena_calloc(&w->arena, 1, VDS_PAGE_SIZE);
	if (!slot || !*slot) {
		world_nomem(w);
		return nowhere;
	}
	return (uint8_t *)(uintptr_t)*slot;
}

void mem_put64(struct world *w, uint64_t pa, uint64_t value)
{
	vds_put_le64(mem_page(w, pa / VDS_PAGE_SIZE) + (pa & VDS_PAGE_MASK),
		     value);
}

uint64_t mem_get64(struct world *w, uint64_t pa)
{
	const uint8_t *page = mem_peek(w, pa / VDS_PAGE_SIZE);
	return page ? vds_le64(page + (pa & VDS_PAGE_MASK)) : 0;
}

struct frame *mem_frame(struct world *w, uint64_t pfn)
{
	static struct frame nobody;

	bool fresh;
	uint64_t *slot = w->err ? NULL : vds_map_put(&w->frames, pfn, &fresh);
	if (slot && fresh)
		*slot = (uintptr_t)world_alloc(w, sizeof(struct frame));
	if (!slot || !*slot) {
		world_nomem(w);
		return &nobody;
	}
	struct frame *frame = (struct frame *)(uintptr_t)*slot;
	frame->pfn = pfn;
	return frame;
}
