/* SPDX-License-Identifier: Apache-2.0 */
/* Between ptov.c and ptov_find.c. */
#ifndef PLUGINS_PTOV_H
#define PLUGINS_PTOV_H

#include <vadose/plugin.h>

/* Entries of a page table, and what is in them (Intel SDM vol. 3A, 4.5). */
#define PTOV_ENTRIES 512
#define PTOV_FRAME UINT64_C(0x000ffffffffff000)
#define PTOV_PRESENT 1

/* A part of kernel space that isn't what the viewer sees there. */
struct ptov_part {
	size_t process;
	unsigned int slot;	/* of the top table */
	uint64_t entry;
};

struct ptov_proto {
	uint64_t frame;		/* physical address of the page */
	uint64_t proto;		/* of the prototype PTE that leads to it */
};

struct ptov_parts {
	const uint64_t *targets;
	size_t num_targets;
	/* Prototype PTEs of frames of which the PFN database says nothing. */
	struct ptov_proto *protos;
	size_t num_protos, protos_cap;
	size_t viewer;		/* by whom the kernel is seen */
	struct ptov_part *list;	/* by process */
	size_t count;
};

/* The top table of @process; false if it can't be read. */
bool ptov_read_top(struct vds_run *run, const struct vds_process *process,
		   uint64_t *ret);

/* Fills in the viewer and the list; in run's memory. */
struct vds_error *ptov_find_parts(struct vds_run *run,
				  struct ptov_parts *parts);

/*
 * Fills in the protos. Without the PFN database (for some frame) each prototype
 * PTE of each section that a view leads to may be the one.
 */
struct vds_error *ptov_find_protos(struct vds_run *run,
				   struct ptov_parts *parts);

#endif
