/* SPDX-License-Identifier: Apache-2.0 */
#include "image/frames.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "image/codec.h"
#include "image/crc32c.h"

#define CHUNK_MAX ((uint32_t)65536)	/* decoded */
#define BODY_MAX (4 + 32 + CHUNK_MAX + CHUNK_MAX / 6)
#define CHUNKS_PER_MARK 8
#define CACHE_BUDGET ((size_t)32 << 20)

enum chunk_type {
	CHUNK_COMPRESSED = 0x00,
	CHUNK_PLAIN = 0x01,
	CHUNK_FIRST_SKIPPABLE = 0x80,
	CHUNK_STREAM_ID = 0xff,
};

struct chunk {
	uint64_t offset;	/* of the header in the file */
	uint64_t pos;		/* decoded bytes before it */
	uint32_t body;		/* bytes behind the 4-byte header */
	uint32_t len;		/* decoded */
	uint8_t type;
};

struct vds_error *vds_frames_init(struct vds_frames *frames,
				  const struct vds_file *file)
{
	*frames = (struct vds_frames){.file = file};
	if (!vds_codec_available(VDS_CODEC_SNAPPY))
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"compressed with snappy, which this build lacks: install libsnappy-dev and build again");
	frames->cache = vds_chunk_cache_create(CHUNK_MAX, CACHE_BUDGET);
	return frames->cache ? NULL : &vds_enomem;
}

void vds_frames_deinit(struct vds_frames *frames)
{
	vds_chunk_cache_destroy(frames->cache);
	free(frames->marks);
	*frames = (struct vds_frames){0};
}

/* The decoded length that a raw snappy block announces: a varint. */
static bool read_varint(const uint8_t *p, size_t len, uint32_t *ret)
{
	uint64_t value = 0;
	for (unsigned int i = 0; i < len && i < 5; i++) {
		value |= (uint64_t)(p[i] & 0x7f) << (7 * i);
		if (!(p[i] & 0x80)) {
			*ret = (uint32_t)VDS_MIN(value, UINT32_MAX);
			return true;
		}
	}
	return false;
}

enum parsed {
	PARSED_OK,
	PARSED_END,	/* the file ends before the chunk does */
	PARSED_BAD,
};

/* Parses the chunk header at chunk->offset; len is 0 for chunks to skip. */
static enum parsed parse_chunk(const struct vds_frames *frames,
			       struct chunk *chunk)
{
	uint8_t h[4 + 4 + 5];
	size_t n = vds_file_read(frames->file, chunk->offset, h, sizeof(h));
	if (n < 4)
		return PARSED_END;
	chunk->type = h[0];
	chunk->body = vds_le32(h) >> 8;
	chunk->len = 0;
	if (!vds_fits(chunk->offset, 4 + (uint64_t)chunk->body,
		      vds_file_size(frames->file)))
		return PARSED_END;
	if (chunk->type == CHUNK_STREAM_ID)
		return chunk->body == 6 && n >= 10 &&
		       !memcmp(h, VDS_FRAMES_MAGIC, VDS_FRAMES_MAGIC_LEN) ?
			       PARSED_OK : PARSED_BAD;
	if (chunk->type >= CHUNK_FIRST_SKIPPABLE)
		return PARSED_OK;
	if (chunk->type > CHUNK_PLAIN || chunk->body < 4 ||
	    chunk->body > BODY_MAX)
		return PARSED_BAD;
	if (n < 8)
		return PARSED_END;
	if (chunk->type == CHUNK_PLAIN)
		chunk->len = chunk->body - 4;
	else if (!read_varint(h + 8, VDS_MIN(n - 8, chunk->body - 4),
			      &chunk->len))
		return PARSED_BAD;
	return chunk->len <= CHUNK_MAX ? PARSED_OK : PARSED_BAD;
}

static void next_chunk(struct chunk *chunk)
{
	chunk->offset += 4 + (uint64_t)chunk->body;
	chunk->pos += chunk->len;
}

static bool add_mark(struct vds_frames *frames, const struct chunk *chunk)
{
	if (frames->num_marks == frames->cap_marks) {
		size_t cap = frames->cap_marks ? frames->cap_marks * 2 : 64;
		void *more = realloc(frames->marks,
				     cap * sizeof(*frames->marks));
		if (!more)
			return false;
		frames->marks = more;
		frames->cap_marks = cap;
	}
	frames->marks[frames->num_marks++] =
		(struct vds_frames_mark){chunk->pos, chunk->offset};
	return true;
}

static struct vds_error *bad_chunk(const struct chunk *chunk, const char *why)
{
	return vds_error_create(VDS_ERROR_FORMAT,
				"snappy frame at offset 0x%llx: chunk of type 0x%02x, length 0x%x, %s",
				(unsigned long long)chunk->offset, chunk->type,
				chunk->body, why);
}

struct vds_error *vds_frames_add(struct vds_frames *frames, uint64_t *offset,
				 uint64_t want)
{
	struct chunk chunk = {.offset = *offset, .pos = frames->size};
	uint64_t end;
	if (!vds_add_u64(frames->size, want, &end))
		end = UINT64_MAX;
	for (size_t data = 0; chunk.pos < end;) {
		enum parsed parsed = parse_chunk(frames, &chunk);
		if (parsed == PARSED_END)
			break;
		if (parsed == PARSED_BAD)
			return bad_chunk(&chunk, "is malformed");
		if (chunk.len > end - chunk.pos)
			return bad_chunk(&chunk,
					 "holds more than the record has left");
		if (chunk.len && data++ % CHUNKS_PER_MARK == 0 &&
		    !add_mark(frames, &chunk))
			return &vds_enomem;
		next_chunk(&chunk);
		if (!vds_progress_step(frames->progress, chunk.offset,
				       vds_file_size(frames->file)))
			return &vds_stop;
	}
	frames->size = chunk.pos;
	*offset = chunk.offset;
	return NULL;
}

/* The chunk that holds decoded position @pos (< frames->size). */
static bool find_chunk(const struct vds_frames *frames, uint64_t pos,
		       struct chunk *chunk)
{
	size_t lo = 0, hi = frames->num_marks;
	while (hi - lo > 1) {
		size_t mid = lo + (hi - lo) / 2;
		if (frames->marks[mid].pos <= pos)
			lo = mid;
		else
			hi = mid;
	}
	*chunk = (struct chunk){.offset = frames->marks[lo].offset,
				.pos = frames->marks[lo].pos};
	uint64_t end = hi < frames->num_marks ? frames->marks[hi].pos :
						frames->size;
	while (chunk->pos < end) {
		if (parse_chunk(frames, chunk) != PARSED_OK)
			return false;	/* the file has changed */
		if (pos - chunk->pos < chunk->len)
			return true;
		next_chunk(chunk);
	}
	return false;
}

/* Decodes a whole chunk into @out (chunk->len bytes) and checks its CRC. */
static bool decode(const struct vds_frames *frames, const struct chunk *chunk,
		   void *out)
{
	uint8_t body[BODY_MAX];
	size_t n = vds_file_pread(frames->file, chunk->offset + 4, body,
				  chunk->body);
	if (n < chunk->body)
		return false;
	if (chunk->type == CHUNK_PLAIN) {
		memcpy(out, body + 4, chunk->len);
	} else {
		struct vds_decoder decoder = {0};
		bool ok = vds_codec_decode(&decoder, VDS_CODEC_SNAPPY, body + 4,
					   chunk->body - 4, out, chunk->len,
					   chunk->len, &n);
		vds_decoder_deinit(&decoder);
		if (!ok)
			return false;
	}
	return vds_crc32c_mask(vds_crc32c(out, chunk->len)) == vds_le32(body);
}

struct load {
	const struct vds_frames *frames;
	const struct chunk *chunk;
};

static size_t load_chunk(void *ctx, uint64_t key, void *buf, size_t cap)
{
	const struct load *load = ctx;
	(void)key;
	(void)cap;	/* CHUNK_MAX: never below chunk->len */
	return decode(load->frames, load->chunk, buf) ? load->chunk->len : 0;
}

/* Copies @n bytes from position @skip of the chunk. */
static bool copy_part(const struct vds_frames *frames,
		      const struct chunk *chunk, size_t skip, void *buf,
		      size_t n, bool sequential)
{
	uint8_t whole[CHUNK_MAX];
	if (!skip && n == chunk->len && (sequential || n == CHUNK_MAX))
		return decode(frames, chunk, buf);
	if (!sequential) {
		struct load load = {frames, chunk};
		size_t got;
		if (vds_chunk_cache_read(frames->cache, chunk->pos, skip, buf,
					 n, load_chunk, &load, &got))
			return got == n;
	}
	if (!decode(frames, chunk, whole))
		return false;
	memcpy(buf, whole + skip, n);
	return true;
}

size_t vds_frames_read(const struct vds_frames *frames, uint64_t pos,
		       void *buf, size_t len, bool sequential)
{
	size_t done = 0;
	struct chunk chunk = {0};
	while (done < len && pos < frames->size) {
		bool found = chunk.offset && chunk.pos == pos &&
			     parse_chunk(frames, &chunk) == PARSED_OK &&
			     chunk.len;
		if (!found && !find_chunk(frames, pos, &chunk))
			break;
		size_t skip = (size_t)(pos - chunk.pos);
		size_t n = VDS_MIN(len - done, chunk.len - skip);
		if (!copy_part(frames, &chunk, skip, (char *)buf + done, n,
			       sequential))
			break;
		done += n;
		pos += n;
		next_chunk(&chunk);
	}
	return done;
}
