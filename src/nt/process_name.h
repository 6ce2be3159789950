/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VDS_NT_PROCESS_NAME_H
#define VDS_NT_PROCESS_NAME_H

#include "nt/kernel.h"
#include "nt/rec.h"

/*
 * Fills name and path (with reasons and source) of @process from its EPROCESS
 * @rec, most trusted source first; strings go to @arena, disagreement of the
 * file's name with ImageFileName to @notes.
 */
void vds_process_find_name(struct vds_task *task, struct vds_arena *arena,
			   struct vds_notes *notes, const struct vds_rec *rec,
			   struct vds_process *process);

#endif
