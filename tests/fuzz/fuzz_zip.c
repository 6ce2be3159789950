/* SPDX-License-Identifier: Apache-2.0 */
/* The central directory, and the members that it claims. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	struct vds_file *file;
	struct vds_arena arena = {0};
	struct vds_notes notes = {0};
	struct vds_zip zip = {0};
	int fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	struct vds_error *err = vds_file_open(path, &file);
	if (err)
		abort();
	vds_zip_probe(file);
	err = vds_zip_open(file, &arena, &notes, &zip);
	for (size_t i = 0; !err && i < zip.num_members && i < 64; i++) {
		uint8_t *out;
		size_t len;
		uint64_t at;
		struct vds_error *bad =
			vds_zip_locate(&zip, &zip.members[i], &at);
		if (!bad && (at > size || zip.members[i].csize > size - at))
			abort();
		vds_error_destroy(bad);
		bad = vds_zip_extract(&zip, &zip.members[i], 1 << 20, &out,
				      &len);
		if (!bad)
			free(out);
		vds_error_destroy(bad);
	}
	vds_error_destroy(err);
	vds_notes_deinit(&notes);
	vds_arena_deinit(&arena);
	vds_file_close(file);
	close(fd);
	return 0;
}
