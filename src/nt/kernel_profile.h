/* SPDX-License-Identifier: Apache-2.0 */
/* Which profile a found kernel gets, and what stands in for its symbols. */
#ifndef VDS_NT_KERNEL_PROFILE_H
#define VDS_NT_KERNEL_PROFILE_H

#include "nt/kernel.h"

/*
 * Sets kernel->profile and kernel->profile_exact for kernel->pdb: as --profile
 * says; else the exact one; else, unless options->exact_only, the layout of
 * the same build that fits the System process best (kernel->profile_exact is
 * false then, and the profile's symbols must not be used). Errors:
 * VDS_ERROR_NO_PROFILE with the commands that make one, VDS_ERROR_FORMAT.
 */
struct vds_error *vds_kernel_load_profile(struct vds_kernel *kernel,
					  const struct vds_kernel_options *options,
					  struct vds_tlb *tlb);

/* Appends to kernel->inferences; all strings are static. */
struct vds_error *vds_kernel_infer(struct vds_kernel *kernel, const char *what,
				   uint64_t value, const char *how,
				   const char *check);

/*
 * For a profile that is not of this very kernel: withdraws its symbols and
 * finds by search and structure what is needed of them (System, the head of
 * the process list). VDS_ERROR_NO_PROFILE if that fails.
 */
struct vds_error *vds_kernel_infer_symbols(struct vds_kernel *kernel,
					   struct vds_tlb *tlb);

#endif
