/* SPDX-License-Identifier: Apache-2.0 */
/* Where EPROCESS addresses come from. */
#ifndef VDS_NT_PROCESS_FIND_H
#define VDS_NT_PROCESS_FIND_H

#include "nt/kernel.h"
#include "nt/task.h"

struct vds_found_process {
	uint64_t eprocess;
	uint32_t sources;	/* VDS_SOURCE_* that lead to it */
};

/* Caller's storage; zero-initialised is valid and empty. */
struct vds_found_processes {
	struct vds_found_process *list;	/* by EPROCESS */
	size_t count, cap;
	struct vds_map index;	/* EPROCESS -> place in list + 1 */
};

void vds_found_processes_deinit(struct vds_found_processes *found);

/*
 * Fills @found with every address that a source of the kernel's leads to and
 * whose bytes look like a process. Contradictions go to @notes. task->nomem
 * may be set.
 */
void vds_processes_find(struct vds_task *task, struct vds_notes *notes,
			struct vds_found_processes *found);

#endif
