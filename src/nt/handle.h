/* SPDX-License-Identifier: Apache-2.0 */
/* Handle tables of levels 0 to 2. */
#ifndef VDS_NT_HANDLE_H
#define VDS_NT_HANDLE_H

#include "nt/task.h"

struct vds_handle {
	uint64_t value;		/* what user code holds */
	uint64_t pointer;	/* what the entry decodes to: an OBJECT_HEADER,
				 * or the object itself in PspCidTable */
	uint32_t access;	/* granted access mask */
	uint32_t attributes;
	uint64_t entry;		/* address of the HANDLE_TABLE_ENTRY */
};

/*
 * Calls @visit for each entry in use of the HANDLE_TABLE at @table, in order of
 * handle value; false ends the walk. Wild pointers, loops and unreadable pages
 * are noted in @notes and skipped. Errors: none; *task->nomem may be set.
 */
void vds_handles_walk(struct vds_task *task, struct vds_notes *notes,
		      uint64_t table,
		      bool (*visit)(void *ctx, const struct vds_handle *handle),
		      void *ctx);

#endif
