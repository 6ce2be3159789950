/* SPDX-License-Identifier: Apache-2.0 */
/* What a container says of the machine, held against what was found there. */
#ifndef VDS_NT_HINTS_H
#define VDS_NT_HINTS_H

#include "nt/kernel.h"

/* Notes each contradiction in kernel->notes. */
void vds_kernel_check_hints(struct vds_kernel *kernel);

#endif
