/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files in one compressed stream, unpacked to a temporary file. */
#ifndef VDS_IMAGE_UNPACK_H
#define VDS_IMAGE_UNPACK_H

#include "base/file.h"
#include "image/progress.h"

struct vds_unpacked {
	struct vds_file *file;	/* has no name any more; close it */
	uint64_t size;		/* bytes unpacked */
	/*
	 * Compressed bytes that were used; `damaged` if the stream is corrupt
	 * there, `truncated` if it ends there too early.
	 */
	uint64_t used;
	bool damaged, truncated;
};

/*
 * True if @file begins with a gzip or zlib stream that really inflates: two
 * bytes make a zlib header, and raw memory may begin with anything.
 */
bool vds_unpack_probe(const struct vds_file *file);

/*
 * Inflates the gzip (one or more members) or zlib stream in @file into a file
 * in $TMPDIR, else /var/tmp, that is sparse where there are zeros and has lost
 * its name before the first byte is written, so that nothing stays behind.
 * VDS_ERROR_OUTPUT if there is no room, or little would be left for others;
 * VDS_ERROR_FORMAT for a stream of nothing but zeros (a "bomb"): more than 1 GiB
 * that shrank to less than a thousandth; vds_stop if @progress (may be NULL;
 * bytes of @file) says so.
 */
struct vds_error *vds_unpack_inflate(const struct vds_file *file,
				     const struct vds_progress *progress,
				     struct vds_unpacked *ret);

/* The same for what @read gives from position 0 up to @size. */
struct vds_error *vds_unpack_copy(size_t (*read)(const void *ctx, uint64_t pos,
						 void *buf, size_t len),
				  const void *ctx, uint64_t size,
				  const struct vds_progress *progress,
				  struct vds_unpacked *ret);

#endif
