/* SPDX-License-Identifier: Apache-2.0 */
/* Where the kernel image lies, found through the page tables alone. */
#include "base/bytes.h"
#include "base/util.h"
#include "nt/discover.h"

#define REGION_START UINT64_C(0xfffff80000000000)
/* 32 entries of 1 GiB: up to 0xfffff807ffffffff. */
#define REGION_GIBS 32u
#define ENTRIES 512u
#define MACHINE_AMD64 0x8664

struct hunt {
	const struct vds_space *space;
	struct vds_tlb *tlb;
	struct vds_kernel_base *found;
	size_t count, max;
	bool all_pages;		/* else only what begins at 2 MiB steps */
	unsigned int checks;	/* pages that began as a PE does */
};

/* Many times the drivers of any machine; tables of lies end here. */
#define MAX_CHECKS 16384u

static enum vds_why read_pe(void *ctx, uint64_t va, void *buf, size_t len)
{
	const struct hunt *hunt = ctx;
	return vds_space_read(hunt->space, hunt->tlb, va, buf, len);
}

bool vds_kernel_check_base(const struct vds_space *space, struct vds_tlb *tlb,
			   uint64_t base, struct vds_pe_identity *ret)
{
	struct hunt hunt = {.space = space, .tlb = tlb};
	struct vds_pe_identity pe;
	if ((base & VDS_PAGE_MASK) ||
	    vds_pe_identify(read_pe, &hunt, base, &pe) ||
	    pe.machine != MACHINE_AMD64)
		return false;
	/* Each of these may be paged out or wiped, hardly all of them. */
	bool named = pe.has_pdb && vds_pdb_is_kernel(pe.pdb.name);
	if (!named && !(pe.is_ntoskrnl && pe.has_poolcode))
		return false;
	if (!named)
		pe.has_pdb = vds_pe_search_rsds(read_pe, &hunt, base, pe.size,
						&pe.pdb);
	*ret = pe;
	return true;
}

/* The page at @va, physically at @pa: a kernel's first? */
static void probe(struct hunt *hunt, uint64_t va, uint64_t pa)
{
	uint8_t magic[2];
	struct vds_kernel_base base = {.base = va};
	if (hunt->count == hunt->max ||
	    vds_image_read(hunt->space->image, pa, magic, sizeof(magic)) ||
	    magic[0] != 'M' || magic[1] != 'Z' ||
	    hunt->checks++ >= MAX_CHECKS)
		return;
	if (vds_kernel_check_base(hunt->space, hunt->tlb, va, &base.pe))
		hunt->found[hunt->count++] = base;
}

static bool read_table(struct hunt *hunt, uint64_t pa, uint8_t *table)
{
	return !vds_image_read(hunt->space->image, pa & VDS_PTE_PFN_MASK,
			       table, VDS_PAGE_SIZE);
}

static void probe_pages(struct hunt *hunt, uint64_t va, uint64_t pt)
{
	uint8_t table[VDS_PAGE_SIZE];
	if (!read_table(hunt, pt, table))
		return;
	for (unsigned int i = 0; i < (hunt->all_pages ? ENTRIES : 1); i++) {
		uint64_t e = vds_le64(table + i * 8);
		if (e & VDS_PTE_PRESENT)
			probe(hunt, va + i * VDS_PAGE_SIZE,
			      e & VDS_PTE_PFN_MASK);
	}
}

static void probe_directory(struct hunt *hunt, uint64_t va, uint64_t pd)
{
	uint8_t table[VDS_PAGE_SIZE];
	if (!read_table(hunt, pd, table))
		return;
	for (unsigned int i = 0; i < ENTRIES; i++, va += UINT64_C(1) << 21) {
		uint64_t e = vds_le64(table + i * 8);
		if (!(e & VDS_PTE_PRESENT))
			continue;
		if (!(e & VDS_PTE_LARGE)) {
			probe_pages(hunt, va, e);
			continue;
		}
		uint64_t pa = e & VDS_PTE_PFN_MASK & ~UINT64_C(0x1fffff);
		for (unsigned int k = 0; k < (hunt->all_pages ? ENTRIES : 1);
		     k++)
			probe(hunt, va + k * VDS_PAGE_SIZE,
			      pa + k * VDS_PAGE_SIZE);
	}
}

/* Physical address of the table that covers the region in 1 GiB entries. */
static bool find_region_table(const struct vds_space *space, uint64_t *ret)
{
	struct vds_walk walk;
	vds_space_walk(space, NULL, REGION_START, &walk);
	for (size_t i = 0; i < walk.num_steps; i++) {
		if (walk.steps[i].level != 3)
			continue;
		*ret = walk.steps[i].entry_pa & ~VDS_PAGE_MASK;
		return true;
	}
	return false;
}

static void hunt_region(struct hunt *hunt, const uint8_t *table)
{
	for (unsigned int i = 0; i < REGION_GIBS; i++) {
		uint64_t e = vds_le64(table + i * 8);
		/* NT maps its images by pages of 2 MiB at most. */
		if ((e & VDS_PTE_PRESENT) && !(e & VDS_PTE_LARGE))
			probe_directory(hunt,
					REGION_START + ((uint64_t)i << 30), e);
	}
}

size_t vds_kernel_base_find(const struct vds_space *space, struct vds_tlb *tlb,
			    bool thorough, struct vds_kernel_base *ret,
			    size_t max)
{
	uint8_t table[VDS_PAGE_SIZE];
	uint64_t pa;
	struct hunt hunt = {.space = space, .tlb = tlb, .found = ret,
			    .max = max, .all_pages = thorough};
	if (!find_region_table(space, &pa) || !read_table(&hunt, pa, table))
		return 0;
	hunt_region(&hunt, table);
	if (!hunt.count && !thorough) {
		hunt.all_pages = true;
		hunt_region(&hunt, table);
	}
	return hunt.count;
}
