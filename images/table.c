/* SPDX-License-Identifier: Apache-2.0 */
/* Page tables, and reading and writing through them. */
#include "world.h"

#include <string.h>

#include "base/bytes.h"

/* An entry that points to a table: present, writable, accessed, dirty. */
#define TABLE_FLAGS (PTE_P | PTE_RW | PTE_A | PTE_D)
#define PA_MASK UINT64_C(0x000ffffffffff000)

uint64_t pte_address(const struct world *w, uint64_t va)
{
	/* Nine more bits of address with a fifth level. */
	uint64_t mask = w->scene->la57 ? UINT64_C(0xfffffffffff8)
				       : UINT64_C(0x7ffffffff8);
	return w->pte_base | (va >> 9 & mask);
}

static unsigned int va_index(uint64_t va, unsigned int level)
{
	return (unsigned int)(va >> (12 + 9 * (level - 1)) & 511);
}

/* The frame that the recipe wants for the table of @level under @va, or 0. */
static uint64_t hinted(const struct world *w, const struct space *s,
		       uint64_t va, unsigned int level)
{
	unsigned int shift = 12 + 9 * level;

	for (const struct table_hint *h = w->scene->tables; h; h = h->next)
		if (h->process && s->process == h->process &&
		    h->level == level && h->va >> shift == va >> shift)
			return h->pa / VDS_PAGE_SIZE;
	return 0;
}

/* The table below entry @pa_entry of level @level + 1; made if absent. */
static uint64_t table_below(struct world *w, struct space *s,
			    uint64_t pa_entry, uint64_t va, unsigned int level)
{
	uint64_t entry = mem_get64(w, pa_entry);
	if (entry & PTE_P)
		return entry & PA_MASK;

	uint64_t pfn = hinted(w, s, va, level);
	if (!pfn)
		pfn = mem_alloc(w);
	(void)mem_page(w, pfn);
	uint64_t user = s->kernel ? 0 : PTE_US;
	mem_put64(w, pa_entry, pfn * VDS_PAGE_SIZE | TABLE_FLAGS | user);
	struct frame *frame = mem_frame(w, pfn);
	frame->location = 6;
	frame->table = pa_entry / VDS_PAGE_SIZE;
	/* Each level up, the self-reference shifts the address once more. */
	frame->pte_va = va;
	for (unsigned int i = 0; i <= level; i++)
		frame->pte_va = pte_address(w, frame->pte_va);
	return pfn * VDS_PAGE_SIZE;
}

uint64_t space_entry(struct world *w, struct space *s, uint64_t va,
		     unsigned int level)
{
	unsigned int top = w->scene->la57 ? 5 : 4;
	uint64_t table = s->dtb;

	for (unsigned int at = top; at > level; at--)
		table = table_below(w, s, table + va_index(va, at) * 8, va,
				    at - 1);
	return table + va_index(va, level) * 8;
}

void space_map(struct world *w, struct space *s, uint64_t va, uint64_t pte)
{
	if (w->err)
		return;
	uint64_t pa_entry = space_entry(w, s, va, 1);
	mem_put64(w, pa_entry, pte);
	mem_frame(w, pa_entry / VDS_PAGE_SIZE)->share++;
	if (!(pte & PTE_P))
		return;
	uint64_t *slot = vds_map_put(&s->pages, va / VDS_PAGE_SIZE, NULL);
	if (!slot)
		world_nomem(w);
	else
		*slot = (pte & PA_MASK) / VDS_PAGE_SIZE;
}

static bool in_kernel_image(const struct world *w, uint64_t va)
{
	return va >= w->base && va - w->base < w->kernel_size;
}

uint64_t space_pfn(struct world *w, struct space *s, uint64_t va)
{
	if (w->err)
		return 0;
	if (s->kernel && in_kernel_image(w, va))
		return (w->kernel_pa + va - w->base) / VDS_PAGE_SIZE;
	const uint64_t *slot = vds_map_get(&s->pages, va / VDS_PAGE_SIZE);
	if (slot)
		return *slot;
	if (!s->kernel) {
		world_fail(w, vds_error_create(VDS_ERROR_FORMAT,
			"process %u: nothing is resident at 0x%llx",
			s->process ? s->process->pid : 0,
			(unsigned long long)va));
		return 0;
	}
	uint64_t pfn = mem_alloc(w);
	(void)mem_page(w, pfn);
	space_map(w, s, va, pte_hardware(w, pfn, PROT_READWRITE, false, true));
	struct frame *frame = mem_frame(w, pfn);
	frame->pte_va = pte_address(w, va);
	frame->table = space_entry(w, s, va, 1) / VDS_PAGE_SIZE;
	frame->share = 1;
	frame->location = 6;
	return pfn;
}

void space_write(struct world *w, struct space *s, uint64_t va,
		 const void *buf, size_t len)
{
	const uint8_t *from = buf;

	while (len && !w->err) {
		size_t in_page = va & VDS_PAGE_MASK;
		size_t n = VDS_MIN(len, VDS_PAGE_SIZE - in_page);
		memcpy(mem_page(w, space_pfn(w, s, va)) + in_page, from, n);
		va += n;
		from += n;
		len -= n;
	}
}

void space_read(struct world *w, struct space *s, uint64_t va, void *buf,
		size_t len)
{
	uint8_t *to = buf;

	memset(to, 0, len);
	while (len && !w->err) {
		size_t in_page = va & VDS_PAGE_MASK;
		size_t n = VDS_MIN(len, VDS_PAGE_SIZE - in_page);
		memcpy(to, mem_page(w, space_pfn(w, s, va)) + in_page, n);
		va += n;
		to += n;
		len -= n;
	}
}

void space_finish(struct world *w, struct space *s)
{
	if (w->err)
		return;
	uint8_t *top = mem_page(w, s->dtb / VDS_PAGE_SIZE);
	if (!s->kernel)
		memcpy(top + VDS_PAGE_SIZE / 2,
		       mem_page(w, w->kernel.dtb / VDS_PAGE_SIZE) +
			       VDS_PAGE_SIZE / 2,
		       VDS_PAGE_SIZE / 2);
	/* The table maps itself: so the kernel reaches all page tables. */
	vds_put_le64(top + w->scene->pte_index * 8, s->dtb | TABLE_FLAGS | PTE_NX);
	struct frame *frame = mem_frame(w, s->dtb / VDS_PAGE_SIZE);
	frame->location = 6;
	frame->share = 1;
	frame->table = s->dtb / VDS_PAGE_SIZE;
	frame->pte_va = w->pte_base;
	for (int i = 0; i < 3; i++)
		frame->pte_va = pte_address(w, frame->pte_va);
}
