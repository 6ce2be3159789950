/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of a container and of the memory in it. */
#ifndef VDS_IMAGE_DIGEST_H
#define VDS_IMAGE_DIGEST_H

#include "base/sha256.h"
#include "image/image.h"
#include "image/progress.h"

/* What stands for bytes that are RAM but weren't read (docs of the formats). */
enum vds_stream_policy {
	VDS_STREAM_ZERO,	/* zeros: gaps and unreadable ranges alike */
	VDS_STREAM_SPEC,	/* the pattern of the container's specification */
};

struct vds_digest {
	uint8_t sha256[VDS_SHA256_SIZE];
	uint64_t size;		/* bytes hashed */
	uint64_t absent;	/* of these: in gaps */
	uint64_t unreadable;	/* of these: RAM that acquisition couldn't read */
	uint64_t damaged;	/* of these: lost in damaged parts; hashed as 0 */
};

/* Longest stream that is hashed or written linearly: 64 TiB. */
#define VDS_STREAM_MAX (UINT64_C(1) << 46)

/*
 * Hashes the decoded stream: physical address 0 to vds_image_stream_size(),
 * bytes that aren't there as @policy says. VDS_ERROR_UNSUPPORTED if the stream
 * is longer than VDS_STREAM_MAX.
 */
struct vds_error *vds_image_digest(const struct vds_image *image,
				   enum vds_stream_policy policy,
				   const struct vds_progress *progress,
				   struct vds_digest *ret);

/*
 * Hashes the container file as it is. VDS_ERROR_UNSUPPORTED for a directory;
 * VDS_ERROR_NO_INPUT if it can't be read to the end.
 */
struct vds_error *vds_image_digest_file(const struct vds_image *image,
					const struct vds_progress *progress,
					struct vds_digest *ret);

/* What a piece of the decoded stream is. */
enum vds_piece_kind {
	VDS_PIECE_DATA,		/* in @buf */
	VDS_PIECE_ZERO,		/* the container says zero, or a file's hole */
	VDS_PIECE_ABSENT,	/* gap */
	VDS_PIECE_UNREADABLE,	/* see struct vds_range */
	VDS_PIECE_DAMAGED,	/* should be there, can't be had */
};

/*
 * The piece of the decoded stream at @pos: returns its length, for DATA at most
 * @len (>= 1) and its bytes in @buf; other kinds leave @buf alone and may be of
 * any length. 0 from vds_image_stream_size() on, never before.
 */
uint64_t vds_image_next_piece(const struct vds_image *image, uint64_t pos,
			      void *buf, size_t len,
			      enum vds_piece_kind *ret_kind);

#endif
