/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LiME version 1 (LiME's docs/README.md, "LiME Memory Range Header"): records
 * of a 32-byte header and the bytes of one range, one after the other, with
 * nothing before, between or behind them.
 */
#include "image/lime.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "image/progress.h"

#define HEADER VDS_LIME_HEADER
#define SEARCH_STEP ((size_t)1 << 20)
/* Of a payload, for the header that cut it short: some seconds at most. */
#define SEARCH_MAX ((uint64_t)4 << 30)

struct walk {
	struct vds_image *image;
	uint64_t size;		/* of the file */
	uint64_t pos;		/* of the next header */
	size_t records;
	/* The previous record, and whether it still has to be added. */
	bool pending;
	uint64_t payload;	/* where its bytes begin */
	uint64_t first, last;
};

bool vds_lime_read_header(const struct vds_image *image, uint64_t pos,
			  struct vds_lime_header *ret)
{
	uint8_t h[HEADER];
	if (vds_file_pread(image->file, pos, h, HEADER) < HEADER)
		return false;
	*ret = (struct vds_lime_header){vds_le32(h), vds_le32(h + 4),
					vds_le64(h + 8), vds_le64(h + 16),
					vds_le64(h + 24)};
	return true;
}

bool vds_lime_only_zeros(const struct vds_image *image, uint64_t pos)
{
	uint64_t size = vds_file_size(image->file);
	_cleanup_free_ uint8_t *buf = malloc(SEARCH_STEP);
	if (!buf || pos > size)
		return false;
	while ((pos = vds_file_next_data(image->file, pos)) < size) {
		size_t n = vds_file_pread(image->file, pos, buf, SEARCH_STEP);
		if (!n || buf[0] || memcmp(buf, buf + 1, n - 1))
			return false;
		pos += n;
	}
	return true;
}

struct vds_error *vds_lime_check_header(struct vds_image *image, uint64_t pos,
					const struct vds_lime_header *h)
{
	bool avml = h->magic == VDS_AVML_MAGIC;
	const char *name = avml ? "AVML" : "LiME";
	unsigned int version = avml ? 2 : 1;
	if (h->version != version)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"%s header at offset 0x%llx: version %u is not supported (only %u is)",
					name, (unsigned long long)pos,
					h->version, version);
	if (h->last < h->first)
		return vds_error_create(VDS_ERROR_FORMAT,
					"%s header at offset 0x%llx: end address 0x%llx lies below start address 0x%llx",
					name, (unsigned long long)pos,
					(unsigned long long)h->last,
					(unsigned long long)h->first);
	if (h->last >= VDS_PA_LIMIT)
		return vds_error_create(VDS_ERROR_FORMAT,
					"%s header at offset 0x%llx: end address 0x%llx exceeds the 52 bits of a physical address",
					name, (unsigned long long)pos,
					(unsigned long long)h->last);
	if (h->reserved)
		vds_note(&image->notes, "lime_reserved", pos,
			 "%s header at offset 0x%llx: reserved field is 0x%llx, not 0",
			 name, (unsigned long long)pos,
			 (unsigned long long)h->reserved);
	return NULL;
}

static bool is_next_header(const struct walk *w, const uint8_t *p)
{
	return vds_le32(p) == VDS_LIME_MAGIC && vds_le32(p + 4) == 1 &&
	       vds_le64(p + 8) > w->last &&
	       vds_le64(p + 16) >= vds_le64(p + 8) &&
	       vds_le64(p + 16) < VDS_PA_LIMIT && !vds_le64(p + 24);
}

/*
 * When a page can't be written LiME gives up on that range and goes on with
 * the next header: the payload is a number of whole pages, but fewer than the
 * header promised. Looks for the header that cuts the previous payload short,
 * in the part of it that exists, up to a limit. Reads that part once; only for
 * files that are known to be damaged.
 */
static struct vds_error *find_cut(const struct walk *w, uint64_t end,
				  uint64_t *ret)
{
	_cleanup_free_ uint8_t *buf = malloc(SEARCH_STEP + HEADER);
	if (!buf)
		return &vds_enomem;
	uint64_t pos = w->payload, start = pos;
	*ret = 0;
	end = VDS_MIN(end, start + SEARCH_MAX);
	while (pos < end) {
		if (!vds_progress_step(w->image->options->progress,
				       pos - start, end - start))
			return &vds_stop;
		/* Holes of a sparse file hold no header. */
		uint64_t data = vds_file_next_data(w->image->file, pos);
		if (data > pos)
			pos += (data - pos) / VDS_PAGE_SIZE * VDS_PAGE_SIZE;
		size_t n = vds_file_pread(w->image->file, pos, buf,
					  SEARCH_STEP + HEADER);
		for (size_t i = 0; i + HEADER <= n && i < SEARCH_STEP &&
				   pos + i < end; i += VDS_PAGE_SIZE) {
			if (is_next_header(w, buf + i)) {
				*ret = pos + i;
				return NULL;
			}
		}
		pos += SEARCH_STEP;
	}
	return NULL;
}

/* Adds the previous record, of which @len bytes are there, once. */
static struct vds_error *add_record(struct walk *w, uint64_t len)
{
	if (!w->pending)
		return NULL;
	w->pending = false;
	struct vds_error *err = vds_image_add_range(w->image, w->first, len,
						    w->payload, VDS_RANGE_DATA);
	return vds_error_prefix(err, "LiME header at offset 0x%llx",
				(unsigned long long)(w->payload - HEADER));
}

static void note_missing(struct walk *w, const char *kind, uint64_t have,
			 const char *reason)
{
	vds_note(&w->image->notes, kind, w->payload - HEADER,
		 "LiME range 0x%llx-0x%llx at offset 0x%llx: %s after 0x%llx of 0x%llx bytes; the rest is absent",
		 (unsigned long long)w->first, (unsigned long long)w->last,
		 (unsigned long long)(w->payload - HEADER), reason,
		 (unsigned long long)have,
		 (unsigned long long)(w->last - w->first + 1));
}

/*
 * The previous payload isn't followed by a header: it was cut short by the
 * next one (then the walk goes on there), or by the end of the file, or
 * something foreign follows.
 */
static struct vds_error *resync(struct walk *w, bool *done)
{
	uint64_t len = w->last - w->first + 1, cut;
	uint64_t have = VDS_MIN(len, w->size - w->payload);
	struct vds_error *err = find_cut(w, w->payload + have, &cut);
	if (err)
		return err;
	if (cut) {
		note_missing(w, "lime_short", cut - w->payload,
			     "the next header follows");
		w->pos = cut;
		return add_record(w, cut - w->payload);
	}
	*done = true;
	if (have < len)
		note_missing(w, "lime_truncated", have, "the file ends");
	else
		vds_note(&w->image->notes, "lime_trailer", w->pos,
			 "no LiME header at offset 0x%llx; the last 0x%llx bytes of the file are not used",
			 (unsigned long long)w->pos,
			 (unsigned long long)(w->size - w->pos));
	return add_record(w, have);
}

/* Looks at w->pos, where the previous record says that it ends. */
static struct vds_error *step(struct walk *w, bool *done)
{
	struct vds_lime_header h = {0};
	struct vds_error *err;
	bool whole = vds_lime_read_header(w->image, w->pos, &h);
	/*
	 * Padding only if nothing else follows: a zero header alone may be
	 * memory behind a payload that was cut short.
	 */
	bool padding = w->records && !h.magic &&
		       vds_lime_only_zeros(w->image, w->pos);
	if (!padding && h.magic != VDS_LIME_MAGIC &&
	    h.magic != VDS_AVML_MAGIC && w->pending)
		return resync(w, done);
	err = add_record(w, w->last - w->first + 1);
	if (err)
		return err;
	if (padding) {
		*done = true;
		return NULL;
	}
	if (!whole || h.magic != VDS_LIME_MAGIC)
		return vds_error_create(VDS_ERROR_NOT_MINE, "not only LiME");
	err = vds_lime_check_header(w->image, w->pos, &h);
	if (err)
		return err;
	if (w->records++ >= VDS_LIME_MAX_RECORDS)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"more than %zu LiME records",
					VDS_LIME_MAX_RECORDS);
	w->payload = w->pos + HEADER;
	w->first = h.first;
	w->last = h.last;
	w->pending = true;
	/* Neither sum wraps: last < 2^52 and the file is smaller than 2^63. */
	w->pos = w->payload + (h.last - h.first + 1);
	return NULL;
}

static bool lime_probe(const struct vds_file *file, const uint8_t *head,
		       size_t len)
{
	(void)file;
	return len >= 4 && vds_le32(head) == VDS_LIME_MAGIC;
}

static struct vds_error *lime_open(struct vds_image *image)
{
	struct walk w = {.image = image, .size = vds_file_size(image->file)};
	struct vds_error *err = NULL;
	bool done = false;
	image->dialect = "1";
	while (!err && !done)
		err = step(&w, &done);
	return err;
}

const struct vds_image_format vds_format_lime = {
	.name = "lime",
	.summary = "LiME version 1",
	.probe = lime_probe,
	.open = lime_open,
};
