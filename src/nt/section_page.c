/* SPDX-License-Identifier: Apache-2.0 */
/* A section's own pages, whoever maps them. */
#include "nt/section_page.h"

#include "base/bytes.h"
#include "base/util.h"
#include "nt/kernel.h"
#include "nt/pte.h"
#include "nt/task.h"

static enum vds_page_state state_of(const struct vds_pte *pte)
{
	switch (pte->kind) {
	case VDS_PTE_VALID:
		return VDS_PAGE_PRESENT;
	case VDS_PTE_TRANSITION:
		return VDS_PAGE_TRANSITION;
	case VDS_PTE_DEMAND_ZERO:
		return VDS_PAGE_DEMAND_ZERO;
	case VDS_PTE_DECOMMITTED:
		return VDS_PAGE_DECOMMITTED;
	case VDS_PTE_GUARD:
		return VDS_PAGE_GUARD;
	case VDS_PTE_NOACCESS:
		return VDS_PAGE_NOACCESS;
	case VDS_PTE_PAGEFILE:
		return pte->compressed ? VDS_PAGE_COMPRESSED :
					 VDS_PAGE_PAGEFILE;
	case VDS_PTE_SUBSECTION:
	case VDS_PTE_POINTER:
		return VDS_PAGE_FILE_NOT_RESIDENT;
	case VDS_PTE_ZERO:
		/* In a prototype array: reserved, or never committed. */
		return VDS_PAGE_RESERVED;
	case VDS_PTE_PROTOTYPE:
	case VDS_PTE_VAD_LOOKUP:
	case VDS_PTE_UNKNOWN:
		break;
	}
	return VDS_PAGE_UNKNOWN_FORMAT;
}

static void take_pte(const struct vds_task *task, uint64_t raw,
		     struct vds_section_page *ret)
{
	struct vds_pte pte;
	vds_pte_decode_proto(&task->kernel->pte, raw, &pte);
	ret->state = state_of(&pte);
	ret->pa = pte.pa;
	if ((ret->state == VDS_PAGE_PRESENT ||
	     ret->state == VDS_PAGE_TRANSITION) &&
	    !vds_image_range_at(task->kernel->image, ret->pa))
		ret->state = VDS_PAGE_OUT_OF_IMAGE;
}

void vds_section_page_at(const struct vds_process *process,
			 const struct vds_section *section, uint64_t page,
			 struct vds_section_page *ret)
{
	struct vds_task *task = process->task;
	*ret = (struct vds_section_page){
		.state = VDS_PAGE_RESERVED, .pte_why = VDS_NOT_APPLICABLE,
	};
	if (!vds_section_pte_of(section, page, &ret->pte_address))
		return;
	ret->pte_why = vds_task_u64(task, ret->pte_address, &ret->pte);
	if (ret->pte_why)
		ret->state = VDS_PAGE_UNREADABLE_PROTO;
	else
		take_pte(task, ret->pte, ret);
}

/* The subsection that @page lies in, or the next one after it; or NULL. */
static const struct vds_subsection *
subsection_at(const struct vds_section *section, uint64_t page)
{
	const struct vds_subsection *next = NULL;
	for (size_t i = 0; i < section->num_subsections; i++) {
		const struct vds_subsection *s = &section->subsections[i];
		if (page >= s->first_page && page - s->first_page < s->ptes)
			return s;
		if (s->first_page > page && s->ptes &&
		    (!next || s->first_page < next->first_page))
			next = s;
	}
	return next;
}

/* How many bytes from @va on are absent like the first. */
static uint64_t absent_from(struct vds_task *task, uint64_t va)
{
	struct vds_walk walk;
	vds_space_walk(&task->kernel->space, task->tlb, va, &walk);
	if (!walk.num_steps)
		return VDS_PAGE_SIZE - (va & VDS_PAGE_MASK);
	const struct vds_walk_step *last = &walk.steps[walk.num_steps - 1];
	unsigned int level = last->present ? 1 : last->level;
	uint64_t span = UINT64_C(1) << (12 + 9 * (level - 1));
	return span - (va & (span - 1));
}

#define PTES_PER_PAGE (VDS_PAGE_SIZE / 8)

size_t vds_proto_pages_at(struct vds_task *task, uint64_t address,
			  struct vds_section_page *ret, size_t max,
			  uint64_t left, uint64_t *ret_alike)
{
	uint8_t raw[VDS_PAGE_SIZE];
	uint64_t n = PTES_PER_PAGE - (address & VDS_PAGE_MASK) / 8;
	n = VDS_MIN(VDS_MIN(n, left), (uint64_t)max);
	enum vds_why why = address & 7 ? VDS_BAD_ADDRESS :
			   vds_task_read(task, address, raw, (size_t)n * 8);
	if (why) {
		ret[0] = (struct vds_section_page){
			.state = VDS_PAGE_UNREADABLE_PROTO,
			.pte_address = address, .pte_why = why,
		};
		*ret_alike = VDS_MIN(left, absent_from(task, address) / 8);
		*ret_alike = VDS_MAX(*ret_alike, (uint64_t)1);
		return 1;
	}
	for (size_t i = 0; i < n; i++) {
		ret[i] = (struct vds_section_page){
			.pte_address = address + 8 * i,
			.pte = vds_le64(raw + 8 * i),
		};
		take_pte(task, ret[i].pte, &ret[i]);
	}
	*ret_alike = 1;
	return (size_t)n;
}

size_t vds_section_pages_at(const struct vds_process *process,
			    const struct vds_section *section, uint64_t page,
			    struct vds_section_page *ret, size_t max,
			    uint64_t *ret_alike)
{
	const struct vds_subsection *s = subsection_at(section, page);
	ret[0] = (struct vds_section_page){
		.state = VDS_PAGE_RESERVED, .pte_why = VDS_NOT_APPLICABLE,
	};
	if (!s) {
		*ret_alike = UINT64_MAX - page;
		return 1;
	}
	if (page < s->first_page) {
		*ret_alike = s->first_page - page;
		return 1;
	}
	uint64_t index = page - s->first_page;
	if (s->base)
		return vds_proto_pages_at(process->task, s->base + 8 * index,
					  ret, max, s->ptes - index,
					  ret_alike);
	/* No array was made yet: nobody touched this part of the file. */
	if (section->backing == VDS_BACKING_DATA)
		ret[0].state = VDS_PAGE_FILE_NOT_RESIDENT;
	*ret_alike = s->ptes - index;
	return 1;
}

bool vds_section_page_pagefile(const struct vds_process *process,
			       const struct vds_section_page *page,
			       uint32_t *ret_number, uint64_t *ret_offset)
{
	struct vds_pte pte;
	if (page->state != VDS_PAGE_PAGEFILE &&
	    page->state != VDS_PAGE_COMPRESSED)
		return false;
	vds_pte_decode_proto(&process->task->kernel->pte, page->pte, &pte);
	*ret_number = pte.pagefile;
	*ret_offset = pte.pagefile_offset;
	return true;
}

enum vds_why vds_section_read_page(const struct vds_process *process,
				   const struct vds_section *section,
				   uint64_t page, void *buf)
{
	const struct vds_kernel *kernel = process->task->kernel;
	struct vds_section_page at;
	vds_section_page_at(process, section, page, &at);
	switch (at.state) {
	case VDS_PAGE_PRESENT:
	case VDS_PAGE_TRANSITION:
		return vds_image_read(kernel->image, at.pa, buf,
				      VDS_PAGE_SIZE);
	case VDS_PAGE_OUT_OF_IMAGE:
		return VDS_NOT_IN_IMAGE;
	case VDS_PAGE_UNREADABLE_PROTO:
		return at.pte_why;
	case VDS_PAGE_PAGEFILE:
	case VDS_PAGE_COMPRESSED:
	case VDS_PAGE_FILE_NOT_RESIDENT:
		return VDS_PAGED_OUT;
	case VDS_PAGE_UNKNOWN_FORMAT:
		return VDS_BAD_DATA;
	default:
		return VDS_NOT_MAPPED;
	}
}
