/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does this layout fit this kernel? A member at the wrong place shows at once
 * in what hangs on it: a VAD tree doesn't have the number of nodes that its
 * process counts, a subsection doesn't lead back to its control area.
 */
#include "nt/infer.h"
#include "nt/process.h"
#include "nt/pte_mask.h"
#include "nt/task.h"
#include "vadose/section.h"

/* Enough to judge by. */
#define MAX_PROCESSES 16u
#define MAX_VADS 4096u
#define MIN_PTES 16u

struct fit {
	uint64_t trees, good_trees;
	uint64_t sections, good_sections;
};

static void judge_process(const struct vds_process *process, struct fit *fit)
{
	struct vds_vad_iter *it = vds_vad_iterate(process);
	const struct vds_vad *vad;
	uint64_t count = 0;
	while (count < MAX_VADS && (vad = vds_vad_next(it))) {
		count++;
		if (vad->is_private)
			continue;
		const struct vds_section *section =
			vds_vad_section(process, vad);
		fit->sections++;
		fit->good_sections += section && !section->why &&
				      !section->size_why &&
				      section->num_subsections;
	}
	fit->trees++;
	fit->good_trees += count && (process->vad_count_why ||
				     process->vad_count == count);
}

static unsigned int share(uint64_t good, uint64_t all)
{
	return all ? (unsigned int)(good * (VDS_FIT_PERFECT / 3) / all) : 0;
}

struct vds_error *vds_layout_fit(struct vds_kernel *kernel,
				 struct vds_tlb *tlb, unsigned int *ret)
{
	struct vds_task task;
	struct vds_mask_vote vote = {0};
	struct fit fit = {0};
	struct vds_error *err = vds_task_init(&task, kernel);
	if (!err)
		err = vds_process_table_build(&task, kernel);
	size_t judged = 0;
	for (size_t i = 0; !err && judged < MAX_PROCESSES &&
	     i < kernel->num_processes; i++) {
		struct vds_process process = kernel->processes[i];
		if (process.exited || !process.vad_root)
			continue;
		process.task = &task;
		judge_process(&process, &fit);
		judged++;
	}
	if (!err && task.nomem)
		err = &vds_enomem;
	vds_task_deinit(&task);
	/* Only a trial: the table is built again for the layout that wins. */
	kernel->processes = NULL;
	kernel->num_processes = 0;
	vds_notes_deinit(&kernel->notes);
	if (!err)
		vds_mask_vote_poll(kernel, tlb, &vote);
	unsigned int ptes = vote.prototypes < MIN_PTES ? VDS_FIT_PERFECT / 3 :
			    share(vote.sound_prototypes, vote.prototypes);
	*ret = share(fit.good_trees, fit.trees) +
	       share(fit.good_sections, fit.sections) + ptes;
	/* A layout of the other era would misread every second page. */
	if (ptes < VDS_FIT_PERFECT / 6)
		*ret = 0;
	return err;
}
