/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is this the System process? The checks that make a found kernel a verified
 * one, and that tell a fitting layout from one that doesn't.
 */
#ifndef VDS_NT_SYSTEM_H
#define VDS_NT_SYSTEM_H

#include "nt/kernel.h"

struct vds_system_check {
	enum vds_why why;	/* of reading it; the rest is valid if PRESENT */
	bool is_system;		/* PID 4, named System, a plausible DTB */
	bool same_kernel;	/* its DTB has the kernel half of kernel->space */
	bool links_close;	/* Flink and Blink lead back */
	bool threads_close;	/* the thread list leads back, or is not known */
	uint64_t dtb;		/* flag bits cleared */
};

/* Judges the EPROCESS at @eprocess by the bound layout. */
void vds_system_check(const struct vds_kernel *kernel, struct vds_tlb *tlb,
		      uint64_t eprocess, struct vds_system_check *ret);

/*
 * Looks for System in all of the kernel's memory, by its name; false if it
 * isn't there. Costs at most one reading of the image.
 */
bool vds_system_scan(const struct vds_kernel *kernel, struct vds_tlb *tlb,
		     uint64_t *ret);

#endif
