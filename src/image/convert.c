/* SPDX-License-Identifier: Apache-2.0 */
#include "image/convert.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "image/aff4_write.h"
#include "image/lime.h"

#define BLOCK ((size_t)1 << 20)

static void count_piece(struct vds_conversion *ret, enum vds_piece_kind kind,
			uint64_t len)
{
	if (kind == VDS_PIECE_ABSENT)
		ret->absent += len;
	else if (kind == VDS_PIECE_UNREADABLE)
		ret->unreadable += len;
	else if (kind == VDS_PIECE_DAMAGED)
		ret->damaged += len;
}

static struct vds_error *write_raw(const struct vds_image *image,
				   struct vds_target *target,
				   const struct vds_progress *progress,
				   struct vds_conversion *ret)
{
	_cleanup_free_ uint8_t *buf = malloc(BLOCK);
	const uint64_t size = vds_image_stream_size(image);
	struct vds_error *err = NULL;
	if (!buf)
		return &vds_enomem;
	if (size > VDS_STREAM_MAX)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"%s: the decoded stream is 0x%llx bytes long, too long for a raw file",
					image->path, (unsigned long long)size);
	while (!err && target->pos < size) {
		enum vds_piece_kind kind;
		uint64_t n = vds_image_next_piece(image, target->pos, buf,
						  BLOCK, &kind);
		count_piece(ret, kind, n);
		if (kind == VDS_PIECE_DATA)
			err = vds_target_write(target, buf, (size_t)n);
		else
			vds_target_skip(target, n);
		if (!err && !vds_progress_step(progress, target->pos, size))
			err = &vds_stop;
	}
	return err;
}

/* A LiME record whose end isn't known yet. */
struct record {
	struct vds_target *target;
	bool open;
	uint64_t header;	/* its offset in the target */
	uint64_t first;		/* physical address */
};

static void begin_record(struct record *r, uint64_t pa)
{
	if (r->open)
		return;
	*r = (struct record){r->target, true, r->target->pos, pa};
	vds_target_skip(r->target, VDS_LIME_HEADER);
}

/* The record's last byte lies before @pa: now its header can be written. */
static struct vds_error *end_record(struct record *r, uint64_t pa)
{
	uint8_t h[VDS_LIME_HEADER] = {0};
	if (!r->open)
		return NULL;
	r->open = false;
	vds_put_le32(h, VDS_LIME_MAGIC);
	vds_put_le32(h + 4, 1);
	vds_put_le64(h + 8, r->first);
	vds_put_le64(h + 16, pa - 1);
	return vds_target_patch(r->target, r->header, h, sizeof(h));
}

static struct vds_error *lime_piece(struct record *r,
				    enum vds_piece_kind kind, uint64_t pa,
				    const uint8_t *buf, uint64_t n)
{
	if (kind != VDS_PIECE_DATA && kind != VDS_PIECE_ZERO)
		return end_record(r, pa);
	begin_record(r, pa);
	if (kind == VDS_PIECE_DATA)
		return vds_target_write(r->target, buf, (size_t)n);
	vds_target_skip(r->target, n);
	return NULL;
}

static struct vds_error *write_lime(const struct vds_image *image,
				    struct vds_target *target,
				    const struct vds_progress *progress,
				    struct vds_conversion *ret)
{
	_cleanup_free_ uint8_t *buf = malloc(BLOCK);
	const uint64_t end = vds_image_stream_size(image);
	struct record record = {.target = target};
	struct vds_error *err = NULL;
	uint64_t pa = 0, n;
	if (!buf)
		return &vds_enomem;
	while (!err && pa < end) {
		enum vds_piece_kind kind;
		n = vds_image_next_piece(image, pa, buf, BLOCK, &kind);
		count_piece(ret, kind, n);
		err = lime_piece(&record, kind, pa, buf, n);
		pa += n;
		if (!err && !vds_progress_step(progress, pa, end))
			err = &vds_stop;
	}
	return err ? err : end_record(&record, pa);
}

/* What isn't data, by the ranges alone. */
static void count_ranges(const struct vds_image *image,
			 struct vds_conversion *ret)
{
	uint64_t there = 0;
	for (size_t i = 0; i < image->num_ranges; i++) {
		const struct vds_range *range = &image->ranges[i];
		there += range->len;
		if (range->kind == VDS_RANGE_UNREADABLE)
			ret->unreadable += range->len;
	}
	ret->absent = vds_image_stream_size(image) > there ?
			      vds_image_stream_size(image) - there : 0;
}

/* zlib: the compression that every AFF4 reader has. */
static struct vds_error *write_aff4(const struct vds_image *image,
				    struct vds_target *target,
				    const struct vds_progress *progress,
				    struct vds_conversion *ret)
{
	struct vds_aff4_write_options options = {.codec = VDS_CODEC_ZLIB,
						 .progress = progress};
	struct vds_aff4_written written;
	struct vds_error *err = vds_aff4_write(image, target->fd, &options,
					       &written);
	if (err)
		return vds_error_prefix(err, "%s", target->path);
	count_ranges(image, ret);
	ret->damaged = written.damaged;
	target->pos = written.size;
	return NULL;
}

static const struct vds_image_writer writer_aff4 = {
	.name = "aff4",
	.summary = "AFF4, compressed with zlib: gaps and unreadable ranges stay what they are",
	.write = write_aff4,
};

static const struct vds_image_writer writer_raw = {
	.name = "raw",
	.summary = "padded: offset = address; what isn't there becomes zeros",
	.write = write_raw,
};

static const struct vds_image_writer writer_lime = {
	.name = "lime",
	.summary = "LiME version 1: only what is there",
	.write = write_lime,
};

static const struct vds_image_writer *const writers[] = {
	&writer_raw,
	&writer_lime,
	&writer_aff4,
};

const struct vds_image_writer *vds_image_writer_at(size_t i)
{
	return i < VDS_ARRAY_SIZE(writers) ? writers[i] : NULL;
}

struct vds_error *vds_image_convert(const struct vds_image *image,
				    const char *name, const char *path,
				    const struct vds_progress *progress,
				    struct vds_conversion *ret)
{
	const struct vds_image_writer *writer = NULL;
	struct vds_conversion conversion = {0};
	struct vds_target target;
	for (size_t i = 0; i < VDS_ARRAY_SIZE(writers); i++) {
		if (!strcmp(writers[i]->name, name))
			writer = writers[i];
	}
	if (!writer)
		return vds_error_create(VDS_ERROR_USAGE,
					"no format \"%s\" to convert to", name);
	if (!vds_image_end(image))
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"%s: holds no physical memory that could be converted",
					image->path);
	struct vds_error *err = vds_target_open(&target, path);
	if (err)
		return err;
	err = writer->write(image, &target, progress, &conversion);
	conversion.written = target.pos;
	if (!err)
		err = vds_target_commit(&target);
	vds_target_deinit(&target);
	if (!err)
		*ret = conversion;
	return err;
}
