/* SPDX-License-Identifier: Apache-2.0 */
/* All section objects that directories and handle tables lead to. */
#ifndef VDS_NT_SECTION_NAMES_H
#define VDS_NT_SECTION_NAMES_H

#include "nt/kernel.h"
#include "nt/task.h"
#include "vadose/object.h"

struct vds_section_names {
	/* By (control area, object). */
	struct vds_section_object *objects;
	size_t count;
	/* Who holds a handle to which, by (object, PID). */
	uint64_t *holder_objects;
	uint32_t *holder_pids;
	size_t num_holders;
};

struct vds_section_holder {
	uint64_t object;
	uint32_t pid;
};

/*
 * Walks the object directory and the handle tables of all processes of the
 * kernel; *ret lives in @task's arena, notes go to task->notes. Errors: out of
 * memory.
 */
struct vds_error *vds_section_names_build(struct vds_task *task,
					  const struct vds_section_names **ret);

#endif
