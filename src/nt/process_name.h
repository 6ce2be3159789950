/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VDS_NT_PROCESS_NAME_H
#define VDS_NT_PROCESS_NAME_H

#include "nt/kernel.h"
#include "nt/rec.h"

/*
 * Fills name, path and image_file_name (with reasons and source) of @process
 * from its EPROCESS @rec, most trusted source first; strings go to @arena.
 * That the sources disagree is data, not a note: both names are reported.
 */
void vds_process_find_name(struct vds_task *task, struct vds_arena *arena,
			   const struct vds_rec *rec,
			   struct vds_process *process);

#endif
