/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/own_entry.h"

#include "base/bytes.h"
#include "base/util.h"
#include "nt/page.h"
#include "nt/task.h"

static struct vds_own_entry decode(const struct vds_kernel *kernel,
				   uint64_t raw)
{
	struct vds_pte pte;
	if (!raw)
		return (struct vds_own_entry){.kind = VDS_OWN_NONE};
	vds_pte_decode(&kernel->pte, raw, &pte);
	switch (pte.kind) {
	case VDS_PTE_VALID:
	case VDS_PTE_TRANSITION:
		return (struct vds_own_entry){pte.pa & ~VDS_PAGE_MASK,
					      VDS_OWN_FRAME};
	case VDS_PTE_ZERO:
	case VDS_PTE_VAD_LOOKUP:
	case VDS_PTE_PROTOTYPE:
		return (struct vds_own_entry){.kind = VDS_OWN_NONE};
	case VDS_PTE_PAGEFILE:
		return (struct vds_own_entry){.kind = VDS_OWN_PAGED_OUT};
	case VDS_PTE_DEMAND_ZERO:
	case VDS_PTE_DECOMMITTED:
	case VDS_PTE_GUARD:
	case VDS_PTE_NOACCESS:
		return (struct vds_own_entry){.kind = VDS_OWN_BLOCKED};
	case VDS_PTE_SUBSECTION:
	case VDS_PTE_POINTER:
	case VDS_PTE_UNKNOWN:
		break;
	}
	return (struct vds_own_entry){.kind = VDS_OWN_UNKNOWN};
}

/* The walk ended above the PTE: nothing there, or a table that is missing. */
static enum vds_own_kind kind_of_table(const struct vds_kernel *kernel,
				       const struct vds_walk_step *step)
{
	struct vds_pte pte;
	if (step->why)
		return VDS_OWN_UNKNOWN;
	if (!step->entry)
		return VDS_OWN_NONE;
	vds_pte_decode(&kernel->pte, step->entry, &pte);
	return pte.kind == VDS_PTE_PAGEFILE || pte.kind == VDS_PTE_UNKNOWN ||
	       pte.kind == VDS_PTE_TRANSITION ? VDS_OWN_UNKNOWN : VDS_OWN_NONE;
}

static uint64_t span_of(unsigned int level)
{
	return UINT64_C(1) << (VDS_PAGE_SHIFT + 9 * (level - 1));
}

/* Pages from @va on to the end of what the entry at @level stands for. */
static uint64_t pages_left(uint64_t va, unsigned int level)
{
	uint64_t span = span_of(level);
	return (span - (va & (span - 1))) >> VDS_PAGE_SHIFT;
}

/* Pages of a large page, which is one piece of physical memory. */
static size_t take_large(const struct vds_walk *walk, uint64_t va,
			 unsigned int level, struct vds_own_entry *ret,
			 size_t max)
{
	uint64_t n = VDS_MIN(pages_left(va, level), (uint64_t)max);
	for (size_t i = 0; i < n; i++)
		ret[i] = (struct vds_own_entry){
			(walk->pa & ~VDS_PAGE_MASK) + i * VDS_PAGE_SIZE,
			VDS_OWN_FRAME};
	return (size_t)n;
}

/* Entries of the table whose entry for @va lies at physical @at. */
static size_t take_table(const struct vds_kernel *kernel, uint64_t va,
			 uint64_t at, struct vds_own_entry *ret, size_t max)
{
	uint8_t raw[VDS_PAGE_SIZE];
	uint64_t n = VDS_MIN(pages_left(va, 2), (uint64_t)max);
	/* Of a table that is cut off, what there is. */
	while (n > 1 && vds_image_read(kernel->image, at, raw, (size_t)n * 8))
		n /= 2;
	if (n == 1 && vds_image_read(kernel->image, at, raw, 8)) {
		ret[0] = (struct vds_own_entry){.kind = VDS_OWN_UNKNOWN};
		return 1;
	}
	for (size_t i = 0; i < n; i++)
		ret[i] = decode(kernel, vds_le64(raw + 8 * i));
	return (size_t)n;
}

size_t vds_own_entries(const struct vds_process *process, uint64_t va,
		       struct vds_own_entry *ret, size_t max,
		       uint64_t *ret_alike)
{
	const struct vds_kernel *kernel = process->task->kernel;
	struct vds_space space;
	struct vds_walk walk;
	vds_process_tables(process, &space);
	*ret_alike = 1;
	ret[0] = (struct vds_own_entry){.kind = VDS_OWN_UNKNOWN};
	if (!process->dtb) {
		*ret_alike = UINT64_MAX >> VDS_PAGE_SHIFT;
		return 1;
	}
	vds_space_walk_page(&space, process->task->tlb, va, &walk);
	if (!walk.num_steps) {		/* not canonical: nothing can be there */
		ret[0].kind = VDS_OWN_NONE;
		return 1;
	}
	const struct vds_walk_step *last = &walk.steps[walk.num_steps - 1];
	if (last->level == 1 && !last->why)
		return take_table(kernel, va, last->entry_pa, ret, max);
	if (last->level > 1 && last->present && !walk.why)
		return take_large(&walk, va, last->level, ret, max);
	if (last->level > 1 && !last->present)
		ret[0].kind = kind_of_table(kernel, last);
	*ret_alike = pages_left(va, last->level == 1 ? 2 : last->level);
	return 1;
}
