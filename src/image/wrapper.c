/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole images inside of one compressed stream: go-winpmem's --compression
 * (gzip, snappy frames), LiME's compress=1 (zlib), and gzip by hand. Framed
 * snappy can be read at random; a deflate stream can't, and is unpacked to a
 * temporary file, as is framed snappy around anything but raw memory.
 */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "image/format.h"
#include "image/frames.h"
#include "image/unpack.h"

extern const struct vds_image_format vds_format_wrapper;

static bool is_framed(const uint8_t *head, size_t len)
{
	return len >= VDS_FRAMES_MAGIC_LEN &&
	       !memcmp(head, VDS_FRAMES_MAGIC, VDS_FRAMES_MAGIC_LEN);
}

static bool wrapper_probe(const struct vds_file *file, const uint8_t *head,
			  size_t len)
{
	return is_framed(head, len) || vds_unpack_probe(file);
}

static void note_damage(struct vds_image *image,
			const struct vds_unpacked *unpacked, const char *name)
{
	if (unpacked->damaged || unpacked->truncated)
		vds_note(&image->notes, unpacked->damaged ? "wrapper_damaged" :
							    "wrapper_truncated",
			 unpacked->used,
			 "the %s stream %s at offset 0x%llx; 0x%llx bytes of the image could be unpacked, the rest is absent",
			 name, unpacked->damaged ? "is damaged" : "ends early",
			 (unsigned long long)unpacked->used,
			 (unsigned long long)unpacked->size);
}

/* Opens what was unpacked, and says what it came from. */
static struct vds_error *open_content(struct vds_image *image,
				      const struct vds_unpacked *unpacked,
				      const char *name)
{
	uint8_t head[VDS_FRAMES_MAGIC_LEN];
	vds_image_replace_file(image, unpacked->file);
	size_t n = vds_file_pread(unpacked->file, 0, head, sizeof(head));
	/* No format claims that, and raw would show packed bytes as memory. */
	if (wrapper_probe(unpacked->file, head, n))
		return vds_error_create(VDS_ERROR_NOT_AN_IMAGE,
					"a compressed stream inside of the %s stream, which is unpacked once only: unpack the file and give what is in it",
					name);
	struct vds_error *err = vds_image_open_inner(image,
						     &vds_format_wrapper);
	if (err)
		return vds_error_prefix(err, "inside of the %s stream", name);
	note_damage(image, unpacked, name);
	return vds_image_add_meta(image, "wrapper", name);
}

static struct vds_error *open_deflated(struct vds_image *image)
{
	uint8_t first;
	struct vds_unpacked unpacked;
	if (vds_file_pread(image->file, 0, &first, 1) < 1)
		return vds_error_create(VDS_ERROR_NOT_MINE, "empty");
	struct vds_error *err = vds_unpack_inflate(
		image->file, image->options->progress, &unpacked);
	return err ? err : open_content(image, &unpacked, first == 0x1f ?
							  "gzip" : "zlib");
}

static size_t frames_read(const struct vds_image *image, uint64_t source,
			  void *buf, size_t len, bool sequential)
{
	return vds_frames_read(image->ctx, source, buf, len, sequential);
}

static size_t frames_copy(const void *ctx, uint64_t pos, void *buf, size_t len)
{
	return vds_frames_read(ctx, pos, buf, len, true);
}

static void frames_close(struct vds_image *image)
{
	vds_frames_deinit(image->ctx);
	free(image->ctx);
	image->ctx = NULL;
	image->close = NULL;
}

/* Containers that have ranges of their own. */
static bool is_container(const uint8_t *head, size_t len)
{
	static const char *const magics[] = {"EMiL", "AVML", "PAGE",
					     "\177ELF"};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(magics); i++) {
		if (len >= 4 && !memcmp(head, magics[i], 4))
			return true;
	}
	return false;
}

static struct vds_error *open_raw_frames(struct vds_image *image,
					 const struct vds_frames *frames,
					 uint64_t used)
{
	uint64_t size = vds_file_size(image->file);
	image->read = frames_read;
	image->format = "raw";
	image->dialect = "in snappy frames";
	image->stream_size = frames->size;
	if (frames->size < VDS_PAGE_SIZE)
		return vds_error_create(VDS_ERROR_NOT_AN_IMAGE,
					"0x%llx bytes in snappy frames: smaller than one page, so not a memory image",
					(unsigned long long)frames->size);
	if (used < size)
		vds_note(&image->notes, "wrapper_truncated", used,
			 "the last chunk of the snappy frames, at offset 0x%llx, is cut short; it and what should follow is absent",
			 (unsigned long long)used);
	struct vds_error *err = vds_image_add_meta(image, "wrapper", "snappy");
	return err ? err : vds_image_add_range(image, 0, frames->size, 0,
					       VDS_RANGE_DATA);
}

static struct vds_error *open_framed(struct vds_image *image)
{
	struct vds_frames *frames = calloc(1, sizeof(*frames));
	uint8_t head[16];
	uint64_t used = 0;
	if (!frames)
		return &vds_enomem;
	image->ctx = frames;
	image->close = frames_close;
	struct vds_error *err = vds_frames_init(frames, image->file);
	frames->progress = image->options->progress;
	if (!err)
		err = vds_frames_add(frames, &used, UINT64_MAX);
	frames->progress = NULL;
	if (err)
		return err;
	size_t n = vds_frames_read(frames, 0, head, sizeof(head), true);
	if (!is_container(head, n))
		return open_raw_frames(image, frames, used);
	struct vds_unpacked unpacked;
	err = vds_unpack_copy(frames_copy, frames, frames->size,
			      image->options->progress, &unpacked);
	frames_close(image);
	return err ? err : open_content(image, &unpacked, "snappy");
}

static struct vds_error *wrapper_open(struct vds_image *image)
{
	uint8_t head[VDS_FRAMES_MAGIC_LEN];
	size_t n = vds_file_pread(image->file, 0, head, sizeof(head));
	if (is_framed(head, n))
		return open_framed(image);
	if (vds_unpack_probe(image->file))
		return open_deflated(image);
	return vds_error_create(VDS_ERROR_NOT_MINE, "not compressed");
}

const struct vds_image_format vds_format_wrapper = {
	.name = "wrapper",
	.summary = "any of these in one gzip, zlib or snappy-framed stream",
	.probe = wrapper_probe,
	.open = wrapper_open,
};
