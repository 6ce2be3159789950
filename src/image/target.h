/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A big file under construction: sparse where nothing is written, and under
 * its final name only once it is whole.
 */
#ifndef VDS_IMAGE_TARGET_H
#define VDS_IMAGE_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vadose/error.h"

struct vds_target {
	char *path, *temp;
	int fd;
	uint64_t pos;		/* where vds_target_write() goes on */
};

/*
 * Begins @path, beside it under another name. A file that exists already is
 * never replaced (it may be evidence): VDS_ERROR_OUTPUT, as for all failures.
 */
struct vds_error *vds_target_open(struct vds_target *target, const char *path);
/* Writes at `pos` and moves it; zeros become a hole of a sparse file. */
struct vds_error *vds_target_write(struct vds_target *target, const void *buf,
				   size_t len);
/* Moves over @len bytes, which read as zeros. */
void vds_target_skip(struct vds_target *target, uint64_t len);
/* Writes over an earlier place; `pos` stays. */
struct vds_error *vds_target_patch(struct vds_target *target, uint64_t at,
				   const void *buf, size_t len);
/* Makes the file appear, with a length of `pos`. */
struct vds_error *vds_target_commit(struct vds_target *target);
/* Drops what isn't committed; safe on a zeroed or committed one. */
void vds_target_deinit(struct vds_target *target);

#endif
