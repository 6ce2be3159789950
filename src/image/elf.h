/* SPDX-License-Identifier: Apache-2.0 */
/* ELF cores, also inside of other containers. */
#ifndef VDS_IMAGE_ELF_H
#define VDS_IMAGE_ELF_H

#include "image/format.h"

/*
 * Opens the core that lies in [base, base + size) of image->file: a format's
 * open() with its positions moved.
 */
struct vds_error *vds_elf_open_at(struct vds_image *image, uint64_t base,
				  uint64_t size);

#endif
