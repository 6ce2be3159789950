/* SPDX-License-Identifier: Apache-2.0 */
/* The process table: which processes the kernel says exist. */
#ifndef VDS_NT_PROCESS_H
#define VDS_NT_PROCESS_H

#include "nt/kernel.h"
#include "nt/task.h"

/*
 * Fills kernel->processes and kernel->num_processes, sorted by PID, create
 * time, EPROCESS; arrays and strings live in kernel->arena, contradictions go
 * to kernel->notes. @task reads @kernel, whose steps 1 and 2 are done
 * (process_head and system_process may be 0: then the table comes from
 * whatever else leads to processes). An empty table is not an error.
 * Errors: out of memory.
 */
struct vds_error *vds_process_table_build(struct vds_task *task,
					  struct vds_kernel *kernel);

/* The process of the table whose EPROCESS is at @eprocess, or NULL. */
const struct vds_process *vds_kernel_process(const struct vds_kernel *kernel,
					     uint64_t eprocess);

#endif
