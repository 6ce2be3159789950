/* SPDX-License-Identifier: Apache-2.0 */
/* vds_page_run(): pages that nothing tells apart, without looking at each. */
#include "vadose/table.h"

#include "base/util.h"
#include "nt/kernel.h"
#include "nt/page.h"
#include "nt/task.h"

/*
 * How many prototype PTEs from @proto up to @last can't be read because the
 * kernel's tables end at the same entry for all of them.
 */
static uint64_t unmapped_protos(const struct vds_process *process,
				uint64_t proto, uint64_t last)
{
	struct vds_walk walk;
	uint64_t end;

	vds_space_walk(&process->task->kernel->space, process->task->tlb,
		       proto, &walk);
	if (!walk.why || !walk.num_steps || walk.num_steps > 5)
		return 1;

	const struct vds_walk_step *step = &walk.steps[walk.num_steps - 1];
	unsigned int shift = 12;

	/* An entry that isn't 0 may say something else for each page. */
	if (!step->why && !step->entry)
		shift += 9 * (step->level - 1);
	end = proto | ((UINT64_C(1) << shift) - 1);
	return (VDS_MIN(end, last) - proto) / 8 + 1;
}

/* True if the view goes on past its section, at @va and so ever after. */
static bool is_past_section(const struct vds_process *process,
			    const struct vds_vad *vad, uint64_t va)
{
	struct vds_proto_place place;

	vds_proto_locate(process, vad, va, &place);
	return place.why == VDS_NOT_MAPPED;
}

uint64_t vds_page_run(const struct vds_process *process,
		      const struct vds_vad *vad, uint64_t va, uint64_t end,
		      struct vds_page *ret)
{
	uint64_t pages = (end - va) >> 12, run = 1;

	vds_page_at(process, vad, va, ret);
	if (pages <= 1)
		return 1;
	if (!vad->has_section)
		run = pages;
	else if (ret->proto && ret->proto_why &&
		 ret->proto >= vad->first_prototype_pte &&
		 ret->proto <= vad->last_contiguous_pte)
		run = unmapped_protos(process, ret->proto,
				      vad->last_contiguous_pte);
	else if (!ret->proto && is_past_section(process, vad, va))
		run = pages;
	return VDS_MIN(run, pages);
}
