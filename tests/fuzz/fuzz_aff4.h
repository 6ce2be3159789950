/* SPDX-License-Identifier: Apache-2.0 */
/* Wraps parts of a volume that the fuzzer makes in a sound zip archive. */
#ifndef VDS_TESTS_FUZZ_AFF4_H
#define VDS_TESTS_FUZZ_AFF4_H

#include <string.h>

#include "fuzz_image.h"
#include "image/zip_write.h"

#define FUZZ_URN "aff4://00000000-0000-0000-0000-0000000000aa"

struct fuzz_part {
	const char *name;
	const void *data;
	size_t len;
};

/* Opens and reads a volume of @count members. */
static int fuzz_volume(const struct fuzz_part *parts, size_t count)
{
	struct vds_zip_writer w = {.fd = memfd_create("volume", MFD_CLOEXEC)};
	struct vds_error *err = NULL;
	for (size_t i = 0; i < count && !err; i++)
		err = vds_zip_add(&w, parts[i].name, parts[i].data,
				  parts[i].len);
	if (!err)
		err = vds_zip_finish(&w, FUZZ_URN);
	uint8_t *copy = malloc(w.pos + 1);
	if (w.fd < 0 || err || !copy ||
	    pread(w.fd, copy, w.pos, 0) != (ssize_t)w.pos)
		abort();
	close(w.fd);
	vds_zip_writer_deinit(&w);
	int status = fuzz_image("aff4", copy, (size_t)w.pos);
	free(copy);
	return status;
}

#endif
