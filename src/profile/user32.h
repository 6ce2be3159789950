/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layouts of the 32-bit user mode (profiles/common/wow64-*.yaml), which no
 * kernel's symbols hold. Built into the program, so that any profile has them.
 */
#ifndef VDS_PROFILE_USER32_H
#define VDS_PROFILE_USER32_H

#include "profile/profile.h"

/*
 * Those that belong to kernels of @kernel's layout, in *ret; the caller destroys
 * it. The loader's entry of Windows 8 and later is told by the 64-bit one.
 */
struct vds_error *vds_profile_user32(const struct vds_profile *kernel,
				     struct vds_profile **ret);

/* The files, as text; made by plugins/embed-text.py. */
extern const char vds_wow64_7601[], vds_wow64_9200[];
extern const size_t vds_wow64_7601_len, vds_wow64_9200_len;

#endif
