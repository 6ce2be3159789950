/* SPDX-License-Identifier: Apache-2.0 */
/* A file that is mapped as an image, and the same file as it is read. */
#include "image_twin.h"

#include <string.h>

#include <vadose/file.h>

#define PAGE 4096

static uint32_t le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
	       (uint32_t)p[3] << 24;
}

/*
 * Bytes of a PE's headers in its first page, 0 if they can't be told. The field
 * is OptionalHeader.SizeOfHeaders (PE/COFF specification), at the same place in
 * 32- and 64-bit images.
 */
static size_t header_size(const uint8_t *page)
{
	uint32_t pe = le32(page + 0x3c);
	if (page[0] != 'M' || page[1] != 'Z' || pe > PAGE - 0x60 ||
	    memcmp(page + pe, "PE\0\0", 4))
		return 0;
	uint32_t size = le32(page + pe + 0x54);
	return size && size <= PAGE ? size : PAGE;
}

/* Windows writes the address of a relocated image into its ImageBase. */
static void mask_image_base(uint8_t *page)
{
	uint32_t pe = le32(page + 0x3c);
	if (pe <= PAGE - 0x60)
		memset(page + pe + 0x30, 0, 8);
}

bool image_headers_agree(const struct vds_process *any,
			 const struct vds_section *image,
			 const struct vds_section *data)
{
	uint8_t a[PAGE], b[PAGE];
	if (vds_section_read_page(any, image, 0, a) ||
	    vds_section_read_page(any, data, 0, b))
		return true;
	size_t len = header_size(a);
	if (!len)
		len = header_size(b);
	if (!len)
		return true;
	mask_image_base(a);
	mask_image_base(b);
	return !memcmp(a, b, len);
}

const struct vds_section *image_data_of(const struct vds_process *any,
					const struct vds_section *image)
{
	struct vds_file file;
	if (!image->file_object)
		return NULL;
	vds_file_at(any, image->file_object, &file);
	if (file.why || file.pointers_why || !file.data_control_area)
		return NULL;
	const struct vds_section *s =
		vds_section_at(any, file.data_control_area);
	return s && !s->why && s->backing == VDS_BACKING_DATA ? s : NULL;
}
