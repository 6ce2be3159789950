/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KUSER_SHARED_DATA: the page that each Windows keeps at one kernel address
 * and that each process sees. Its layout is public and never moves
 * (ntddk.h of the WDK), so it can be read before any profile is known.
 */
#ifndef VDS_NT_KUSER_H
#define VDS_NT_KUSER_H

#include "nt/kernel.h"

#define VDS_KUSER_VA UINT64_C(0xfffff78000000000)

/*
 * Reads and checks it: ret->why is PRESENT if it is there and plausible,
 * BAD_DATA if the page holds something else, or why it can't be read.
 */
void vds_kuser_read(const struct vds_space *space, struct vds_tlb *tlb,
		    struct vds_kuser *ret);

#endif
