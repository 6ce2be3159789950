/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets of containers share: open the bytes, read around. */
#ifndef VDS_TESTS_FUZZ_IMAGE_H
#define VDS_TESTS_FUZZ_IMAGE_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"
#include "image/digest.h"
#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_read_ranges(const struct vds_image *image)
{
	size_t count;
	uint8_t buf[4096];
	const struct vds_range *ranges = vds_image_ranges(image, &count);
	for (size_t i = 0; i < count && i < 64; i++) {
		uint64_t end = ranges[i].pa + ranges[i].len;
		/* Sorted, disjoint, never empty, never out of bounds. */
		if (!ranges[i].len || end < ranges[i].pa ||
		    end > UINT64_C(1) << 52 ||
		    (i && ranges[i - 1].pa + ranges[i - 1].len > ranges[i].pa))
			abort();
		vds_image_read(image, ranges[i].pa, buf, 8);
		vds_image_read(image, end - 1, buf, 1);
		vds_image_read(image, ranges[i].pa + ranges[i].len / 2, buf,
			       sizeof(buf));
	}
	uint64_t pa = 0;
	for (int i = 0; i < 64; i++) {
		size_t n = vds_image_scan(image, &pa, buf, sizeof(buf));
		if (!n)
			break;
		pa += n;
	}
}

static void fuzz_read_blocks(const struct vds_image *image)
{
	size_t count;
	uint8_t buf[64];
	const struct vds_virtual_block *blocks =
		vds_image_virtual_blocks(image, &count);
	for (size_t i = 0; i < count && i < 64; i++) {
		if (!blocks[i].len ||
		    blocks[i].va + blocks[i].len < blocks[i].va ||
		    (i && blocks[i - 1].va + blocks[i - 1].len > blocks[i].va))
			abort();
		vds_image_read_virtual(image, blocks[i].va, buf, 1);
		vds_image_read_virtual(image,
				       blocks[i].va + blocks[i].len - 1, buf,
				       sizeof(buf));
	}
}

/* Opens the bytes as @format (NULL: whatever they look like). */
static int fuzz_image(const char *format, const uint8_t *data, size_t size)
{
	struct vds_image_options options = {.format = format};
	struct vds_image *image;
	char path[64];
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	struct vds_error *err = vds_image_open(path, &options, &image);
	if (!err) {
		fuzz_read_ranges(image);
		fuzz_read_blocks(image);
#ifdef FUZZ_MORE
		FUZZ_MORE(image);
#endif
		struct vds_digest digest;
		if (vds_image_stream_size(image) < 1 << 24)
			err = vds_image_digest(image, VDS_STREAM_SPEC, NULL,
					       &digest);
		vds_image_close(image);
	}
	vds_error_destroy(err);
	close(fd);
	return 0;
}

#endif
