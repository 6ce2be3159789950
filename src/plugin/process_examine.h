/* SPDX-License-Identifier: Apache-2.0 */
/* Do these bytes of physical memory look like an EPROCESS? */
#ifndef VDS_PLUGIN_PROCESS_EXAMINE_H
#define VDS_PLUGIN_PROCESS_EXAMINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vadose/process_scan.h"

/* DISPATCHER_HEADER.Type of a process; other uses have its top bit. */
#define VDS_DISPATCHER_PROCESS 3
#define VDS_PROCESS_LINKS 4

struct vds_kernel;
struct vds_run;

/* A process of the table by the physical address of its EPROCESS. */
struct vds_known_process {
	uint64_t pa;
	size_t index;
};

/* What this machine's processes have in common. */
struct vds_process_marks {
	const struct vds_kernel *kernel;
	/* Offsets of list heads in EPROCESS. */
	uint32_t links[VDS_PROCESS_LINKS];
	size_t num_links;
	struct vds_known_process *known;	/* by pa */
	size_t num_known;
	/* What the type index of a process is, as it is stored or decoded. */
	bool has_type, is_mixed;
	uint8_t type;
};

/* From the table of processes; lives as long as @run. False: no memory. */
bool vds_process_marks_learn(struct vds_run *run,
			     struct vds_process_marks *ret);

/*
 * Is there an EPROCESS at the physical address @pa? @ret, without its block, is
 * only valid if so.
 */
bool vds_process_examine(struct vds_run *run,
			 const struct vds_process_marks *marks, uint64_t pa,
			 struct vds_scanned_process *ret);

#endif
