/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AVML version 2 (microsoft/avml, src/image.rs and src/io/snappy.rs): LiME's
 * records with another magic number, each followed by one stream in snappy's
 * framing format and the number of bytes of that stream. Plain LiME records
 * may stand between them.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "image/frames.h"
#include "image/lime.h"

/* Sources with this bit are file offsets, others positions in the frames. */
#define PLAIN (UINT64_C(1) << 63)
/* Chunks without data that may stand at the end of a stream. */
#define MAX_PADDING 16

struct walk {
	struct vds_image *image;
	struct vds_frames *frames;
	uint64_t pos, size;	/* of the next header, of the file */
	size_t records, compressed;
	bool done;
};

static size_t avml_read(const struct vds_image *image, uint64_t source,
			void *buf, size_t len, bool sequential)
{
	if (!(source & PLAIN))
		return vds_frames_read(image->ctx, source, buf, len,
				       sequential);
	source &= ~PLAIN;
	return sequential ? vds_file_pread(image->file, source, buf, len) :
			    vds_file_read(image->file, source, buf, len);
}

static void avml_close(struct vds_image *image)
{
	vds_frames_deinit(image->ctx);
	free(image->ctx);
}

static void note_truncated(struct walk *w, const struct vds_lime_header *h,
			   uint64_t have)
{
	vds_note(&w->image->notes, "avml_truncated", w->pos,
		 "AVML range 0x%llx-0x%llx at offset 0x%llx: the file ends after 0x%llx bytes of it; the rest is absent",
		 (unsigned long long)h->first, (unsigned long long)h->last,
		 (unsigned long long)w->pos, (unsigned long long)have);
	w->done = true;
}

static struct vds_error *add_plain(struct walk *w,
				   const struct vds_lime_header *h)
{
	uint64_t payload = w->pos + VDS_LIME_HEADER;
	uint64_t len = h->last - h->first + 1;
	uint64_t have = VDS_MIN(len, w->size - payload);
	if (have < len)
		note_truncated(w, h, have);
	w->pos = payload + have;
	return vds_image_add_range(w->image, h->first, have, payload | PLAIN,
				   VDS_RANGE_DATA);
}

/*
 * Behind the stream stands how many bytes it has; chunks without data (padding)
 * may come before that. *end moves behind those, if the count confirms it.
 */
static void check_count(struct walk *w, uint64_t stream, uint64_t *end)
{
	uint8_t raw[8] = {0};
	uint64_t at = *end, said = 0;
	for (int i = 0; i < MAX_PADDING; i++) {
		if (vds_file_pread(w->image->file, at, raw, 8) < 8)
			return;
		if (!i)
			said = vds_le64(raw);
		if (vds_le64(raw) == at - stream) {
			*end = at;
			return;
		}
		if (raw[0] < 0x80)
			break;
		at += 4 + (vds_le32(raw) >> 8);
	}
	vds_note(&w->image->notes, "avml_count", *end,
		 "AVML stream at offset 0x%llx: 0x%llx bytes long, but the count behind it says 0x%llx",
		 (unsigned long long)stream,
		 (unsigned long long)(*end - stream),
		 (unsigned long long)said);
}

static struct vds_error *add_compressed(struct walk *w,
					const struct vds_lime_header *h)
{
	uint64_t stream = w->pos + VDS_LIME_HEADER, end = stream;
	uint64_t len = h->last - h->first + 1, source = w->frames->size;
	uint8_t magic[VDS_FRAMES_MAGIC_LEN];
	size_t n = vds_file_pread(w->image->file, stream, magic, sizeof(magic));
	if (n == sizeof(magic) && memcmp(magic, VDS_FRAMES_MAGIC, n))
		return vds_error_create(VDS_ERROR_FORMAT,
					"AVML record at offset 0x%llx: no snappy stream behind its header",
					(unsigned long long)w->pos);
	struct vds_error *err = vds_frames_add(w->frames, &end, len);
	if (err)
		return err;
	uint64_t have = w->frames->size - source;
	if (have < len)
		note_truncated(w, h, have);
	else
		check_count(w, stream, &end);
	w->pos = end + 8;
	w->compressed++;
	return vds_image_add_range(w->image, h->first, have, source,
				   VDS_RANGE_DATA);
}

static struct vds_error *step(struct walk *w)
{
	struct vds_lime_header h = {0};
	bool whole = vds_lime_read_header(w->image, w->pos, &h);
	if (!whole ||
	    (h.magic != VDS_AVML_MAGIC && h.magic != VDS_LIME_MAGIC)) {
		if (!w->records)
			return vds_error_create(VDS_ERROR_NOT_MINE, "no AVML");
		w->done = true;
		if (w->pos < w->size &&
		    (h.magic || !vds_lime_only_zeros(w->image, w->pos)))
			vds_note(&w->image->notes, "lime_trailer", w->pos,
				 "no AVML header at offset 0x%llx; the last 0x%llx bytes of the file are not used",
				 (unsigned long long)w->pos,
				 (unsigned long long)(w->size - w->pos));
		return NULL;
	}
	struct vds_error *err = vds_lime_check_header(w->image, w->pos, &h);
	if (err)
		return err;
	if (w->records++ >= VDS_LIME_MAX_RECORDS)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"more than %zu AVML records",
					VDS_LIME_MAX_RECORDS);
	return h.magic == VDS_AVML_MAGIC ? add_compressed(w, &h) :
					   add_plain(w, &h);
}

static bool avml_probe(const struct vds_file *file, const uint8_t *head,
		       size_t len)
{
	(void)file;
	/* LiME records first and AVML ones later: lime.c passes those on. */
	return len >= 4 && (vds_le32(head) == VDS_AVML_MAGIC ||
			    vds_le32(head) == VDS_LIME_MAGIC);
}

static struct vds_error *avml_open(struct vds_image *image)
{
	struct vds_frames *frames = calloc(1, sizeof(*frames));
	if (!frames)
		return &vds_enomem;
	image->ctx = frames;
	image->read = avml_read;
	image->close = avml_close;
	struct vds_error *err = vds_frames_init(frames, image->file);
	struct walk w = {.image = image, .frames = frames,
			 .size = vds_file_size(image->file)};
	frames->progress = image->options->progress;
	while (!err && !w.done)
		err = step(&w);
	frames->progress = NULL;
	image->dialect = "2";
	/* The only tool that writes this. */
	if (!err && w.compressed)
		err = vds_image_add_meta(image, "tool", "AVML");
	if (!err && w.compressed > 1)
		err = vds_image_add_meta(image, "absent_ranges",
					 "AVML omits blocks that are all zeros, so these may be zeros rather than not acquired");
	return err;
}

const struct vds_image_format vds_format_avml = {
	.name = "avml",
	.summary = "AVML version 2 (compressed LiME)",
	.probe = avml_probe,
	.open = avml_open,
};
