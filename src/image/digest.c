/* SPDX-License-Identifier: Apache-2.0 */
#include "image/digest.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "image/format.h"

#define BLOCK ((size_t)1 << 20)

/* Data of the range at @pos; a hole of a sparse file needs no reading. */
static uint64_t data_piece(const struct vds_image *image,
			   const struct vds_range *range, uint64_t pos,
			   void *buf, size_t len, enum vds_piece_kind *ret_kind)
{
	uint64_t source = range->source + (pos - range->pa);
	uint64_t left = range->pa + range->len - pos;
	size_t n = (size_t)VDS_MIN((uint64_t)len, left);
	*ret_kind = VDS_PIECE_DATA;
	if (!image->read) {
		uint64_t data = vds_file_next_data(image->file, source);
		if (data > source && !vds_image_shrunk(image)) {
			*ret_kind = VDS_PIECE_ZERO;
			return VDS_MIN(left, data - source);
		}
		n = vds_file_pread(image->file, source, buf, n);
	} else {
		n = image->read(image, source, buf, n, true);
	}
	if (n)
		return n;
	*ret_kind = VDS_PIECE_DAMAGED;
	return vds_image_lost(image, range, pos);
}

uint64_t vds_image_next_piece(const struct vds_image *image, uint64_t pos,
			      void *buf, size_t len,
			      enum vds_piece_kind *ret_kind)
{
	uint64_t size = vds_image_stream_size(image);
	if (pos >= size)
		return 0;
	size_t i = vds_range_index_find(&image->index, image->ranges,
					image->num_ranges, pos);
	if (i == image->num_ranges || image->ranges[i].pa > pos) {
		*ret_kind = VDS_PIECE_ABSENT;
		uint64_t end = i < image->num_ranges ? image->ranges[i].pa :
						       size;
		return VDS_MIN(end, size) - pos;
	}
	const struct vds_range *range = &image->ranges[i];
	uint64_t left = VDS_MIN(range->pa + range->len, size) - pos;
	uint64_t n = left;
	if (range->kind == VDS_RANGE_DATA || range->kind == VDS_RANGE_CONSTANT)
		n = data_piece(image, range, pos, buf, len, ret_kind);
	else
		*ret_kind = range->kind == VDS_RANGE_ZERO ?
				    VDS_PIECE_ZERO : VDS_PIECE_UNREADABLE;
	return VDS_MIN(n, left);
}

struct stream {
	const struct vds_image *image;
	enum vds_stream_policy policy;
	const struct vds_progress *progress;
	struct vds_sha256 hash;
	uint64_t pos, size;
	uint8_t *buf, *zeros;
};

/* @len bytes that aren't data: zeros, or the container's pattern. */
static struct vds_error *hash_fill(struct stream *s, uint64_t len,
				   bool pattern)
{
	const struct vds_range *range =
		pattern ? vds_image_range_at(s->image, s->pos) : NULL;
	while (len) {
		size_t n = (size_t)VDS_MIN(len, (uint64_t)BLOCK);
		if (range)
			s->image->pattern(s->image, range->source +
					  (s->pos - range->pa), s->buf, n);
		vds_sha256_update(&s->hash, range ? s->buf : s->zeros, n);
		s->pos += n;
		len -= n;
		if (!vds_progress_step(s->progress, s->pos, s->size))
			return &vds_stop;
	}
	return NULL;
}

static struct vds_error *hash_piece(struct stream *s, struct vds_digest *ret)
{
	enum vds_piece_kind kind;
	uint64_t n = vds_image_next_piece(s->image, s->pos, s->buf, BLOCK,
					  &kind);
	switch (kind) {
	case VDS_PIECE_DATA:
		vds_sha256_update(&s->hash, s->buf, (size_t)n);
		s->pos += n;
		return vds_progress_step(s->progress, s->pos, s->size) ?
			       NULL : &vds_stop;
	case VDS_PIECE_ABSENT:
		ret->absent += n;
		break;
	case VDS_PIECE_UNREADABLE:
		ret->unreadable += n;
		return hash_fill(s, n, s->policy == VDS_STREAM_SPEC &&
				       s->image->pattern);
	case VDS_PIECE_DAMAGED:
		ret->damaged += n;
		break;
	case VDS_PIECE_ZERO:
		break;
	}
	return hash_fill(s, n, false);
}

struct vds_error *vds_image_digest(const struct vds_image *image,
				   enum vds_stream_policy policy,
				   const struct vds_progress *progress,
				   struct vds_digest *ret)
{
	struct stream s = {.image = image, .policy = policy,
			   .progress = progress,
			   .size = vds_image_stream_size(image)};
	struct vds_digest digest = {.size = s.size};
	struct vds_error *err = NULL;
	if (s.size > VDS_STREAM_MAX)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"%s: the decoded stream is 0x%llx bytes long, too long to be hashed",
					image->path,
					(unsigned long long)s.size);
	_cleanup_free_ uint8_t *buf = malloc(BLOCK);
	_cleanup_free_ uint8_t *zeros = calloc(1, BLOCK);
	if (!buf || !zeros)
		return &vds_enomem;
	s.buf = buf;
	s.zeros = zeros;
	vds_sha256_init(&s.hash);
	while (!err && s.pos < s.size)
		err = hash_piece(&s, &digest);
	if (err)
		return err;
	vds_sha256_final(&s.hash, digest.sha256);
	*ret = digest;
	return NULL;
}

struct vds_error *vds_image_digest_file(const struct vds_image *image,
					const struct vds_progress *progress,
					struct vds_digest *ret)
{
	const struct vds_file *file = image->container ? image->container :
							 image->file;
	if (!file)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"%s: a directory has no hash of its own",
					image->path);
	_cleanup_free_ uint8_t *buf = malloc(BLOCK);
	if (!buf)
		return &vds_enomem;
	struct vds_sha256 hash;
	struct vds_digest digest = {.size = vds_file_size(file)};
	vds_sha256_init(&hash);
	for (uint64_t pos = 0; pos < digest.size;) {
		size_t n = vds_file_pread(file, pos, buf, BLOCK);
		if (!n)
			return vds_error_create(VDS_ERROR_NO_INPUT,
						"%s: can't be read at offset 0x%llx",
						image->path,
						(unsigned long long)pos);
		vds_sha256_update(&hash, buf, n);
		pos += n;
		if (!vds_progress_step(progress, pos, digest.size))
			return &vds_stop;
	}
	vds_sha256_final(&hash, digest.sha256);
	*ret = digest;
	return NULL;
}
