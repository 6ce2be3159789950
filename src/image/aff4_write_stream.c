/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_write_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "base/work.h"

static bool add_gap(struct vds_aff4_gaps *s, uint64_t pa, uint64_t len)
{
	struct vds_aff4_gap *last = s->count ? &s->list[s->count - 1] : NULL;
	if (last && last->pa + last->len == pa) {
		last->len += len;
		return true;
	}
	if (s->count == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 16;
		struct vds_aff4_gap *more = realloc(s->list, cap * sizeof(*more));
		if (!more)
			return false;
		s->list = more;
		s->cap = cap;
	}
	s->list[s->count++] = (struct vds_aff4_gap){pa, len};
	return true;
}

/* The last range whose data starts at or before @offset of the stream. */
static size_t range_of(const struct vds_aff4_writer *w, uint64_t offset)
{
	size_t lo = 0, hi = w->num_ranges;
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (w->starts[mid] <= offset)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

/* Reads [offset, offset + len) of the stream from the image's DATA ranges. */
static struct vds_error *read_stream(const struct vds_aff4_writer *w, uint64_t offset,
				     uint8_t *buf, size_t len,
				     struct vds_aff4_gaps *damaged)
{
	size_t i = range_of(w, offset);
	while (len) {
		const struct vds_range *range = &w->ranges[i];
		uint64_t skip = offset - w->starts[i];
		if (range->kind != VDS_RANGE_DATA || skip >= range->len) {
			i++;
			continue;
		}
		enum vds_piece_kind kind;
		size_t want = (size_t)VDS_MIN((uint64_t)len, range->len - skip);
		uint64_t n = vds_image_next_piece(w->image, range->pa + skip,
						  buf, want, &kind);
		n = VDS_MIN(n, (uint64_t)want);
		if (kind != VDS_PIECE_DATA)
			memset(buf, 0, (size_t)n);
		if (kind == VDS_PIECE_DAMAGED &&
		    !add_gap(damaged, range->pa + skip, n))
			return &vds_enomem;
		if (!n)
			return vds_error_create(VDS_ERROR_INTERNAL,
				"0x%llx: no piece of the image there",
				(unsigned long long)(range->pa + skip));
		offset += n;
		buf += n;
		len -= (size_t)n;
	}
	return NULL;
}

static size_t batch_len(const struct vds_aff4_writer *w, size_t task)
{
	uint64_t start = (uint64_t)task * w->batch_chunks * w->chunk_size;
	return (size_t)VDS_MIN((uint64_t)w->batch_chunks * w->chunk_size,
			       w->size - start);
}

/* Packs one chunk; one that doesn't shrink is stored at its full size. */
static size_t pack_chunk(const struct vds_aff4_writer *w, const uint8_t *raw,
			 uint8_t *out)
{
	size_t len, cap = vds_codec_bound(w->options->codec, w->chunk_size);
	if (w->options->codec != VDS_CODEC_STORED &&
	    vds_codec_encode(w->options->codec, raw, w->chunk_size, out, cap,
			     &len) &&
	    len < w->chunk_size)
		return len;
	memcpy(out, raw, w->chunk_size);
	return w->chunk_size;
}

static struct vds_error *run_batch(void *ctx, size_t task, unsigned int worker)
{
	const struct vds_aff4_writer *w = ctx;
	struct vds_aff4_batch *b = &w->batches[task % w->window];
	size_t len = batch_len(w, task), done = 0;
	(void)worker;
	b->damaged.count = 0;
	struct vds_error *err = read_stream(
		w, (uint64_t)task * w->batch_chunks * w->chunk_size, b->raw,
		len, &b->damaged);
	if (err)
		return err;
	/* The last chunk is padded, as Evimetry and pyaff4 do. */
	size_t chunks = (len + w->chunk_size - 1) / w->chunk_size;
	memset(b->raw + len, 0, chunks * w->chunk_size - len);
	for (size_t i = 0; i < chunks; i++) {
		b->lens[i] = (uint32_t)pack_chunk(
			w, b->raw + i * w->chunk_size, b->packed + done);
		done += b->lens[i];
	}
	return NULL;
}

static struct vds_error *begin_bevy(struct vds_aff4_writer *w)
{
	char name[64];
	snprintf(name, sizeof(name), "PhysicalMemory/data/%08u", w->bevy);
	w->slot = 0;
	w->bevy_pos = 0;
	return vds_zip_begin(&w->zip, name);
}

static struct vds_error *end_bevy(struct vds_aff4_writer *w)
{
	char name[64];
	snprintf(name, sizeof(name), "PhysicalMemory/data/%08u.index",
		 w->bevy++);
	struct vds_error *err = vds_zip_end(&w->zip);
	return err ? err : vds_zip_add(&w->zip, name, w->index,
				       (size_t)w->slot * VDS_AFF4_INDEX_ENTRY);
}

/* Appends the next @count chunks, which end in the same bevy. */
static struct vds_error *put_chunks(struct vds_aff4_writer *w, const uint8_t *packed,
				    const uint32_t *lens, size_t count,
				    size_t *ret_len)
{
	size_t len = 0;
	struct vds_error *err = w->slot ? NULL : begin_bevy(w);
	for (size_t i = 0; i < count; i++) {
		uint8_t *entry = w->index + (size_t)w->slot++ * VDS_AFF4_INDEX_ENTRY;
		vds_put_le64(entry, w->bevy_pos + len);
		vds_put_le32(entry + 8, lens[i]);
		len += lens[i];
	}
	if (!err)
		err = vds_zip_put(&w->zip, packed, len);
	w->bevy_pos += len;
	*ret_len = len;
	if (!err && w->slot == w->chunks_per_bevy) {
		err = end_bevy(w);
		w->slot = 0;
	}
	return err;
}

static struct vds_error *commit_batch(void *ctx, size_t task)
{
	struct vds_aff4_writer *w = ctx;
	struct vds_aff4_batch *b = &w->batches[task % w->window];
	const struct vds_progress *progress = w->options->progress;
	size_t len = batch_len(w, task);
	size_t chunks = (len + w->chunk_size - 1) / w->chunk_size;
	const uint8_t *packed = b->packed;
	vds_sha256_update(&w->hash, b->raw, len);
	for (size_t i = 0; i < b->damaged.count; i++) {
		if (!add_gap(&w->damaged, b->damaged.list[i].pa,
			      b->damaged.list[i].len))
			return &vds_enomem;
	}
	for (size_t i = 0; i < chunks;) {
		size_t n = VDS_MIN(chunks - i,
				   (size_t)(w->chunks_per_bevy - w->slot));
		size_t used;
		struct vds_error *err = put_chunks(w, packed, b->lens + i, n,
						   &used);
		if (err)
			return err;
		packed += used;
		i += n;
	}
	uint64_t done = (uint64_t)task * w->batch_chunks * w->chunk_size + len;
	if (progress && progress->step &&
	    !progress->step(progress->ctx, done, w->size))
		return &vds_stop;
	return NULL;
}

static struct vds_error *init_batches(struct vds_aff4_writer *w, unsigned int threads)
{
	size_t raw = w->batch_chunks * w->chunk_size;
	size_t packed = w->batch_chunks *
			vds_codec_bound(w->options->codec, w->chunk_size);
	w->window = (size_t)threads * 2;
	w->batches = calloc(w->window, sizeof(*w->batches));
	if (!w->batches)
		return &vds_enomem;
	for (size_t i = 0; i < w->window; i++) {
		struct vds_aff4_batch *b = &w->batches[i];
		b->raw = malloc(raw);
		b->packed = malloc(packed);
		b->lens = calloc(w->batch_chunks, sizeof(*b->lens));
		if (!b->raw || !b->packed || !b->lens)
			return &vds_enomem;
	}
	return NULL;
}

struct vds_error *vds_aff4_write_stream(struct vds_aff4_writer *w)
{
	uint64_t chunks = w->size / w->chunk_size +
			  (w->size % w->chunk_size != 0);
	unsigned int threads = w->options->threads ?
		w->options->threads : vds_work_default_threads();
	struct vds_work work = {
		.threads = threads,
		.tasks = (size_t)((chunks + w->batch_chunks - 1) /
				  w->batch_chunks),
		.window = (size_t)threads * 2,
		.ctx = w,
		.run = run_batch,
		.commit = commit_batch,
	};
	struct vds_error *err = init_batches(w, threads);
	if (!err)
		err = vds_work_run(&work);
	if (!err && w->slot)
		err = end_bevy(w);
	return err;
}

void vds_aff4_free_batches(struct vds_aff4_writer *w)
{
	for (size_t i = 0; w->batches && i < w->window; i++) {
		free(w->batches[i].raw);
		free(w->batches[i].packed);
		free(w->batches[i].lens);
		free(w->batches[i].damaged.list);
	}
	free(w->batches);
}
