/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Triage dumps hold the current KPRCB, ETHREAD and EPROCESS apart from their
 * blocks of memory, without saying at which addresses these were.
 */
#ifndef VDS_NT_COPIES_H
#define VDS_NT_COPIES_H

#include "nt/kernel.h"

/*
 * Works out these addresses into kernel->crash, and makes kernel->space show
 * the copies there, behind the blocks of the image. Needs the bound profile.
 * Contradictions are noted. Errors: out of memory.
 */
struct vds_error *vds_copies_place(struct vds_kernel *kernel);

#endif
