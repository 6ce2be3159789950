/* SPDX-License-Identifier: Apache-2.0 */
/* vds_view_page_at(): a page of a section as one view's page tables tell it. */
#include "base/util.h"
#include "vadose/run.h"
#include "vadose/sharing.h"

bool vds_view_page_at(struct vds_run *run, const struct vds_view *view,
		      uint64_t page, uint64_t *ret_va, struct vds_page *ret)
{
	if (!view->has_pages || page < view->first_page ||
	    page > view->last_page || view->process == VDS_NO_PROCESS)
		return false;
	uint64_t index = page - view->first_page;
	if (index > (view->end - view->start) / VDS_PAGE_SIZE)
		return false;
	const struct vds_process *process = vds_process_at(run, view->process);
	if (!process)
		return false;
	struct vds_vad vad = {
		.node = view->node, .start = view->start, .end = view->end,
		.type = (enum vds_vad_type)view->type,
		.protection = view->protection, .has_section = true,
		.subsection = view->subsection_address,
		.first_prototype_pte = view->first_prototype_pte,
		.last_contiguous_pte = view->last_contiguous_pte,
	};
	uint64_t va = view->start + index * VDS_PAGE_SIZE;
	vds_page_at(process, &vad, va, ret);
	if (ret_va)
		*ret_va = va;
	return true;
}
