/* SPDX-License-Identifier: Apache-2.0 */
/* Opening the kernel of a dump that holds virtual memory and no page tables. */
#ifndef VDS_NT_KERNEL_VIRTUAL_H
#define VDS_NT_KERNEL_VIRTUAL_H

#include "nt/kernel.h"

/* True if @image has blocks of virtual memory and nothing else. */
bool vds_image_is_virtual(const struct vds_image *image);

/*
 * Does for such an image what discovery and the choice of a profile do for
 * others: address space, base, identity, profile, and where the dump's copies
 * of the current structures were. The process table is not made. On
 * VDS_ERROR_NO_PROFILE the rest stands.
 */
struct vds_error *
vds_kernel_open_virtual(struct vds_kernel *kernel,
			const struct vds_kernel_options *options,
			struct vds_tlb *tlb);

#endif
