/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last way to System when no pointer leads there: its name, in any page
 * that the kernel's tables map. Each physical page is looked at once, however
 * often it is mapped, so that the self-reference (which maps the tables
 * themselves) and tables made to loop cost no more than the image is large.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/map.h"
#include "base/util.h"
#include "nt/system.h"

#define ENTRIES 512u
#define LARGE_PAGES 512u

struct scan {
	const struct vds_kernel *kernel;
	struct vds_tlb *tlb;
	struct vds_map seen;	/* physical pages; tables by address + 1 */
	uint64_t name;		/* offset of the name in an EPROCESS */
	uint64_t system;
};

/* EPROCESS.ImageFileName is padded with zeros: "System" and eight of them. */
static const char name[14] = "System";

/* @va is where the page is mapped; the name may begin in any byte of it. */
static bool search_page(struct scan *s, uint64_t va, uint64_t pa)
{
	uint8_t page[VDS_PAGE_SIZE];
	const uint8_t *end = page + sizeof(page), *p = page;
	struct vds_system_check check;
	if (vds_set_add(&s->seen, pa) != VDS_SEEN_NEW ||
	    vds_image_read(s->kernel->image, pa, page, sizeof(page)))
		return false;
	while ((p = memmem(p, (size_t)(end - p), name, sizeof(name)))) {
		uint64_t eprocess = va + (uint64_t)(p - page) - s->name;
		vds_system_check(s->kernel, s->tlb, eprocess, &check);
		if (!check.why && check.is_system && check.same_kernel &&
		    check.links_close && check.threads_close) {
			s->system = eprocess;
			return true;
		}
		p++;
	}
	return false;
}

static bool search_large(struct scan *s, uint64_t va, uint64_t pa)
{
	for (unsigned int i = 0; i < LARGE_PAGES; i++) {
		if (search_page(s, va + i * VDS_PAGE_SIZE,
				pa + i * VDS_PAGE_SIZE))
			return true;
	}
	return false;
}

/* Entries [@first, 512) of the table at @pa; its depth bounds the calls'. */
static bool search_table(struct scan *s, uint64_t pa, unsigned int level,
			 uint64_t va, unsigned int first)
{
	uint8_t table[VDS_PAGE_SIZE];
	unsigned int shift = VDS_PAGE_SHIFT + 9 * (level - 1);
	/* As a table, it may be mapped as data besides: an odd key. */
	if (vds_set_add(&s->seen, pa | 1) != VDS_SEEN_NEW ||
	    vds_image_read_table(s->kernel->image, pa, table, sizeof(table)))
		return false;
	for (unsigned int i = first; i < ENTRIES; i++) {
		uint64_t e = vds_le64(table + i * 8);
		uint64_t next = e & VDS_PTE_PFN_MASK;
		uint64_t at = va + ((uint64_t)i << shift);
		bool found = false;
		if (!(e & VDS_PTE_PRESENT))
			continue;
		if (level == 1)
			found = search_page(s, at, next);
		else if (level == 2 && (e & VDS_PTE_LARGE))
			found = search_large(s, at, next & ~UINT64_C(0x1fffff));
		else if (!(e & VDS_PTE_LARGE))
			found = search_table(s, next, level - 1, at, 0);
		if (found)
			return true;
	}
	return false;
}

bool vds_system_scan(const struct vds_kernel *kernel, struct vds_tlb *tlb,
		     uint64_t *ret)
{
	struct scan s = {
		.kernel = kernel, .tlb = tlb,
		.name = vds_kf(kernel, EPROCESS_IMAGE_FILE_NAME)->offset,
	};
	/* The upper half: canonical from entry 256 on. */
	unsigned int bits = VDS_PAGE_SHIFT + 9 * kernel->space.levels;
	uint64_t base = ~UINT64_C(0) << bits;
	bool found = search_table(&s, kernel->space.dtb, kernel->space.levels,
				  base, ENTRIES / 2);
	vds_map_deinit(&s.seen);
	if (found)
		*ret = s.system;
	return found;
}
