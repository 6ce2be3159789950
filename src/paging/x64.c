/* SPDX-License-Identifier: Apache-2.0 */
#include "paging/x64.h"

#include "base/bytes.h"
#include "base/util.h"
#include "paging/tlb.h"

/* Bits of the VA that an entry of @level leaves to the levels below. */
static unsigned int level_shift(unsigned int level)
{
	return VDS_PAGE_SHIFT + 9 * (level - 1);
}

static uint64_t level_mask(unsigned int level)
{
	return (UINT64_C(1) << level_shift(level)) - 1;
}

static uint64_t entry_address(uint64_t table, uint64_t va, unsigned int level)
{
	return table + ((va >> level_shift(level)) & 0x1ff) * 8;
}

static enum vds_why read_entry(const struct vds_space *space, uint64_t pa,
			       uint64_t *ret)
{
	uint8_t raw[8];
	enum vds_why why = vds_image_read_table(space->image, pa, raw,
						sizeof(raw));
	if (!why)
		*ret = vds_le64(raw);
	return why;
}

/* One level of one walk. */
struct level {
	unsigned int number;
	uint64_t entry;
	enum vds_why why;	/* of reading the entry */
	bool resolved;
	bool final;		/* next is the physical address of the page */
	uint64_t next;		/* table or page */
};

/* What the operating system says about an entry that the hardware refuses. */
static enum vds_why ask(const struct vds_space *space, struct vds_tlb *tlb,
			uint64_t va, struct level *level)
{
	if (!space->resolve)
		return level->why ? level->why : VDS_NOT_MAPPED;
	uint64_t pa = 0;
	bool final = false;
	enum vds_why why = space->resolve(space, tlb, va, level->number,
					  level->entry, !level->why, &pa,
					  &final);
	if (why)
		return why;
	level->resolved = true;
	level->final = final || level->number == 1;
	level->next = pa & VDS_PTE_PFN_MASK;
	return VDS_PRESENT;
}

static void report_step(struct vds_walk *report, uint64_t entry_pa,
			const struct level *level)
{
	bool present = !level->why && (level->entry & VDS_PTE_PRESENT);
	if (report->num_steps < VDS_ARRAY_SIZE(report->steps))
		report->steps[report->num_steps++] = (struct vds_walk_step){
			.level = level->number,
			.entry_pa = entry_pa,
			.entry = level->entry,
			.why = level->why,
			.present = present,
			.resolved = level->resolved,
		};
	report->hardware &= present;
	if (level->number > 1)
		report->upper_writable &= (level->entry & VDS_PTE_WRITE) != 0;
	report->writable &= (level->entry & VDS_PTE_WRITE) != 0;
	report->user &= (level->entry & VDS_PTE_USER) != 0;
	report->executable &= !(level->entry & VDS_PTE_NX);
}

/*
 * Reads the entry of @va in @table and decides where it leads: to the page
 * (large or not), to the next table, or nowhere.
 */
static enum vds_why step(const struct vds_space *space, struct vds_tlb *tlb,
			 uint64_t table, uint64_t va, struct level *level,
			 struct vds_walk *report)
{
	uint64_t entry_pa = entry_address(table, va, level->number);
	level->why = read_entry(space, entry_pa, &level->entry);
	enum vds_why why = VDS_PRESENT;
	if (level->why || !(level->entry & VDS_PTE_PRESENT)) {
		why = ask(space, tlb, va, level);
	} else if (level->number == 1) {
		level->next = level->entry & VDS_PTE_PFN_MASK;
		level->final = true;
	} else if (!(level->entry & VDS_PTE_LARGE)) {
		level->next = level->entry & VDS_PTE_PFN_MASK;
	} else if (level->number <= 3) {
		/* Bit 12 is PAT here: the frame begins at the page's size. */
		uint64_t mask = level_mask(level->number);
		level->next = (level->entry & VDS_PTE_PFN_MASK & ~mask) |
			      (va & mask & ~VDS_PAGE_MASK);
		level->final = true;
	} else {
		why = VDS_BAD_DATA;	/* PS is reserved above the PDPTE */
	}
	if (report) {
		report_step(report, entry_pa, level);
		if (!why && level->final && !level->resolved)
			report->page_size = level_mask(level->number) + 1;
	}
	return why;
}

enum vds_why vds_x64_walk(const struct vds_space *space, struct vds_tlb *tlb,
			  uint64_t va, struct vds_walk *report,
			  uint64_t *ret_pa)
{
	unsigned int number = space->levels;
	uint64_t table = space->dtb & VDS_PTE_PFN_MASK;
	bool cached = tlb && space->id && !report;
	if (cached && vds_tlb_get(tlb->tables, VDS_TLB_TABLES, space->id,
				  va >> level_shift(2), &table))
		number = 1;
	for (; number >= 1; number--) {
		struct level level = {.number = number};
		enum vds_why why = step(space, tlb, table, va, &level, report);
		if (why)
			return why;
		if (level.final) {
			*ret_pa = level.next | (va & VDS_PAGE_MASK);
			return VDS_PRESENT;
		}
		table = level.next;
		if (cached && number == 2)
			vds_tlb_put(tlb->tables, VDS_TLB_TABLES, space->id,
				    va >> level_shift(2), table);
	}
	return VDS_BAD_DATA;	/* not reached: level 1 is final */
}

enum vds_why vds_x64_walk_last(const struct vds_space *space,
			       struct vds_tlb *tlb, uint64_t table,
			       uint64_t va, struct vds_walk *report,
			       uint64_t *ret_pa)
{
	struct level level = {.number = 1};
	enum vds_why why = step(space, tlb, table, va, &level, report);
	if (!why)
		*ret_pa = level.next | (va & VDS_PAGE_MASK);
	return why;
}
