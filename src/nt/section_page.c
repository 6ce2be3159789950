/* SPDX-License-Identifier: Apache-2.0 */
/* A section's own pages, whoever maps them. */
#include "base/bytes.h"
#include "base/util.h"
#include "nt/kernel.h"
#include "nt/pte.h"
#include "nt/task.h"
#include "vadose/section.h"

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
		return VDS_PAGE_PAGEFILE;
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

void vds_section_page_at(const struct vds_process *process,
			 const struct vds_section *section, uint64_t page,
			 struct vds_section_page *ret)
{
	struct vds_task *task = process->task;
	struct vds_pte pte;
	*ret = (struct vds_section_page){
		.state = VDS_PAGE_RESERVED, .pte_why = VDS_NOT_APPLICABLE,
	};
	if (!vds_section_pte_of(section, page, &ret->pte_address))
		return;
	ret->pte_why = vds_task_u64(task, ret->pte_address, &ret->pte);
	if (ret->pte_why) {
		ret->state = VDS_PAGE_UNREADABLE_PROTO;
		return;
	}
	vds_pte_decode_proto(&task->kernel->pte, ret->pte, &pte);
	ret->state = state_of(&pte);
	ret->pa = pte.pa;
	if ((ret->state == VDS_PAGE_PRESENT ||
	     ret->state == VDS_PAGE_TRANSITION) &&
	    !vds_image_range_at(task->kernel->image, ret->pa))
		ret->state = VDS_PAGE_OUT_OF_IMAGE;
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
	case VDS_PAGE_FILE_NOT_RESIDENT:
		return VDS_PAGED_OUT;
	case VDS_PAGE_UNKNOWN_FORMAT:
		return VDS_BAD_DATA;
	default:
		return VDS_NOT_MAPPED;
	}
}
