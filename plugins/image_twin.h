/* SPDX-License-Identifier: Apache-2.0 */
/* A file that is mapped as an image, and the same file as it is read. */
#ifndef IMAGE_TWIN_H
#define IMAGE_TWIN_H

#include <vadose/section.h>

/*
 * The data section of the image's file: the file knows it, also if no process
 * maps it and only the file cache holds what was written. NULL: none.
 */
const struct vds_section *image_data_of(const struct vds_process *any,
					const struct vds_section *image);

/* Do image and file begin with the same headers? Unknown counts as yes. */
bool image_headers_agree(const struct vds_process *any,
			 const struct vds_section *image,
			 const struct vds_section *data);

#endif
