/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw images: file offset = physical address. They have no magic number, so
 * this format comes last and takes whatever could be memory.
 */
#include "base/util.h"
#include "image/format.h"

static bool raw_probe(const struct vds_file *file, const uint8_t *head,
		      size_t len)
{
	(void)file;
	(void)head;
	(void)len;
	return true;
}

static struct vds_error *raw_open(struct vds_image *image)
{
	uint64_t size = vds_file_size(image->file);
	if (size < VDS_PAGE_SIZE)
		return vds_error_create(VDS_ERROR_NOT_AN_IMAGE,
					"%llu bytes: smaller than one page, so not a memory image",
					(unsigned long long)size);
	image->stream_size = size;
	return vds_image_add_range(image, 0, size, 0, VDS_RANGE_DATA);
}

const struct vds_image_format vds_format_raw = {
	.name = "raw",
	.summary = "raw (padded) physical memory",
	.probe = raw_probe,
	.open = raw_open,
};
