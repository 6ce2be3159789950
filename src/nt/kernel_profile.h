/* SPDX-License-Identifier: Apache-2.0 */
/* Which profile a found kernel gets, and how it is put to use. */
#ifndef VDS_NT_KERNEL_PROFILE_H
#define VDS_NT_KERNEL_PROFILE_H

#include "nt/kernel.h"

/*
 * Finds, loads and binds a profile for kernel->pdb: as --profile says; else
 * the exact one; else, unless options->exact_only, that of the same build
 * whose layout fits best (kernel->profile_exact is false then, its symbols are
 * withdrawn, and what they would have said is inferred from the image).
 * Errors: VDS_ERROR_NO_PROFILE with the commands that make one, and those of
 * loading.
 */
struct vds_error *vds_kernel_load_profile(struct vds_kernel *kernel,
					  const struct vds_kernel_options *options,
					  struct vds_tlb *tlb);

/* What to ask a store for. */
void vds_kernel_put_identity(const struct vds_kernel *kernel,
			     struct vds_profile_identity *ret);

/*
 * Takes over @profile, which becomes kernel->profile also on error, and binds
 * it; profile_exact says whether it is that of kernel->pdb.
 */
struct vds_error *vds_kernel_bind_profile(struct vds_kernel *kernel,
					  struct vds_profile *profile,
					  struct vds_tlb *tlb);

/* Forgets the profile and all that came of it. */
void vds_kernel_forget_profile(struct vds_kernel *kernel);

/*
 * NtBuildLab by its symbol, else by a search of the kernel image for its
 * form; fills in build_lab, and build and revision where they are 0.
 */
void vds_kernel_find_build_lab(struct vds_kernel *kernel, struct vds_tlb *tlb);

#endif
