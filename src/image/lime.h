/* SPDX-License-Identifier: Apache-2.0 */
/* The record header that LiME and AVML share. */
#ifndef VDS_IMAGE_LIME_H
#define VDS_IMAGE_LIME_H

#include "image/format.h"

#define VDS_LIME_HEADER 32
#define VDS_LIME_MAGIC 0x4c694d45	/* "EMiL" in the file, version 1 */
#define VDS_AVML_MAGIC 0x4c4d5641	/* "AVML" in the file, version 2 */
#define VDS_LIME_MAX_RECORDS ((size_t)1 << 20)

struct vds_lime_header {
	uint32_t magic, version;
	uint64_t first, last;	/* inclusive physical addresses */
	uint64_t reserved;
};

/* False if the file ends before the header does. */
bool vds_lime_read_header(const struct vds_image *image, uint64_t pos,
			  struct vds_lime_header *ret);

/*
 * Checks version and addresses of a header whose magic number is one of the
 * two; a reserved field that isn't 0 is noted.
 */
struct vds_error *vds_lime_check_header(struct vds_image *image, uint64_t pos,
					const struct vds_lime_header *header);

/* True if the file holds nothing but zeros from @pos (inside of it) on. */
bool vds_lime_only_zeros(const struct vds_image *image, uint64_t pos);

#endif
