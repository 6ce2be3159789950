/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"

#define ENTRY_STANDARD 12	/* u64 offset, u32 length */
#define ENTRY_OLD 4		/* u32 start or end */
/* How much of a bevy one system call fetches for a sequential reader. */
#define BATCH_CHUNKS 64
#define BATCH_BYTES ((size_t)256 << 10)

/*
 * What a thread keeps between reads: decoder, buffers, and the last chunk that
 * a sequential reader took only a part of. Chunks are named by image id,
 * target and number, so nothing here outlives its image in effect.
 */
struct scratch {
	struct vds_decoder decoder;
	uint8_t *in, *out;
	size_t in_cap, out_cap;
	uint64_t id, key;	/* of the chunk in `out`; id 0 = none */
	size_t out_len;
};

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;
static _Thread_local struct scratch *scratch_of_thread;

static void destroy_scratch(void *p)
{
	struct scratch *s = p;
	vds_decoder_deinit(&s->decoder);
	free(s->in);
	free(s->out);
	free(s);
}

static void create_key(void)
{
	pthread_key_create(&scratch_key, destroy_scratch);
}

static struct scratch *get_scratch(void)
{
	struct scratch *s = scratch_of_thread;
	if (s)
		return s;
	pthread_once(&scratch_once, create_key);
	s = calloc(1, sizeof(*s));
	if (s && pthread_setspecific(scratch_key, s)) {
		free(s);
		return NULL;
	}
	scratch_of_thread = s;
	return s;
}

static bool reserve(uint8_t **buf, size_t *cap, size_t need)
{
	if (need <= *cap)
		return true;
	uint8_t *more = realloc(*buf, need);
	if (!more)
		return false;
	*buf = more;
	*cap = need;
	return true;
}

size_t vds_aff4_next_bevy(const struct vds_aff4_stream *stream, uint64_t number)
{
	/* Where none is missing, the number is the place. */
	if (number < stream->num_bevies &&
	    stream->bevies[number].number == number)
		return (size_t)number;
	size_t lo = 0, hi = stream->num_bevies;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (stream->bevies[mid].number < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct vds_aff4_bevy *
vds_aff4_find_bevy(const struct vds_aff4_stream *stream, uint64_t number)
{
	size_t i = vds_aff4_next_bevy(stream, number);
	return i < stream->num_bevies && stream->bevies[i].number == number ?
		&stream->bevies[i] : NULL;
}

uint32_t vds_aff4_bevy_chunks(const struct vds_aff4_stream *stream,
			      const struct vds_aff4_bevy *bevy)
{
	size_t size = stream->index == VDS_AFF4_INDEX_STANDARD ?
			      ENTRY_STANDARD : ENTRY_OLD;
	if (!bevy || !bevy->data || !bevy->index)
		return 0;
	return (uint32_t)VDS_MIN(bevy->index->size / size,
				 (uint64_t)stream->chunks_per_bevy);
}

size_t vds_aff4_chunk_len(const struct vds_aff4_stream *stream, uint64_t chunk)
{
	uint64_t start = chunk * stream->chunk_size;
	return (size_t)VDS_MIN((uint64_t)stream->chunk_size,
			       stream->size - start);
}

/* Chunks that compress badly grow a little; nothing honest grows more. */
static uint64_t span_max(const struct vds_aff4_stream *stream)
{
	return (uint64_t)stream->chunk_size + stream->chunk_size / 6 + 64;
}

/* What the index says of one chunk, unchecked. */
struct entry {
	uint64_t offset, len;
	bool known;	/* the index has such an entry */
};

/* Entries of the @count chunks from slot @slot of @bevy. */
static void read_entries(const struct vds_aff4_stream *stream,
			 const struct vds_aff4_bevy *bevy, uint32_t slot,
			 size_t count, struct entry *ret, bool sequential)
{
	uint8_t raw[(BATCH_CHUNKS + 1) * ENTRY_STANDARD];
	bool standard = stream->index == VDS_AFF4_INDEX_STANDARD;
	bool starts = stream->index == VDS_AFF4_INDEX_STARTS;
	size_t size = standard ? ENTRY_STANDARD : ENTRY_OLD;
	/* One more than asked for: the next start, or the previous end. */
	uint32_t first = !standard && !starts && slot ? slot - 1 : slot;
	size_t skip = slot - first;
	size_t got = vds_aff4_member_read(bevy->index, (uint64_t)first * size,
					  raw, (skip + count + starts) * size,
					  sequential) / size;
	for (size_t i = 0; i < count; i++) {
		const uint8_t *p = raw + (i + skip) * size;
		uint64_t start, end;
		ret[i] = (struct entry){.known = i + skip < got};
		if (!ret[i].known)
			continue;
		if (standard) {
			ret[i].offset = vds_le64(p);
			ret[i].len = vds_le32(p + 8);
			continue;
		}
		if (starts) {
			start = vds_le32(p);
			end = i + 1 < got ? vds_le32(p + size)
					  : bevy->data->size;
		} else {
			start = slot + i ? vds_le32(p - size) : 0;
			end = vds_le32(p);
		}
		ret[i].offset = start;
		ret[i].len = end > start ? end - start : 0;
	}
}

static bool to_span(const struct vds_aff4_stream *stream,
		    const struct vds_aff4_bevy *bevy, const struct entry *entry,
		    struct vds_aff4_span *ret)
{
	if (!entry->known || !entry->len || entry->len > span_max(stream) ||
	    !vds_fits(entry->offset, entry->len, bevy->data->size))
		return false;
	*ret = (struct vds_aff4_span){
		.data = bevy->data,
		.offset = entry->offset,
		.len = (uint32_t)entry->len,
		.raw = stream->codec == VDS_CODEC_STORED ||
		       (stream->stored_rule &&
			entry->len == stream->chunk_size),
	};
	return true;
}

/* The bevy of @chunk if its data and index are there, else NULL. */
static const struct vds_aff4_bevy *
usable_bevy(const struct vds_aff4_stream *stream, uint64_t chunk)
{
	const struct vds_aff4_bevy *bevy =
		vds_aff4_find_bevy(stream, chunk / stream->chunks_per_bevy);
	return bevy && bevy->data && bevy->index ? bevy : NULL;
}

static bool find_span(const struct vds_aff4_stream *stream, uint64_t chunk,
		      struct vds_aff4_span *ret)
{
	const struct vds_aff4_bevy *bevy = usable_bevy(stream, chunk);
	struct entry entry;
	if (!bevy)
		return false;
	read_entries(stream, bevy, (uint32_t)(chunk % stream->chunks_per_bevy),
		     1, &entry, false);
	return to_span(stream, bevy, &entry, ret);
}

struct vds_error *vds_aff4_chunk_check(const struct vds_aff4_stream *stream,
				       uint64_t chunk,
				       struct vds_aff4_span *ret)
{
	uint64_t number = chunk / stream->chunks_per_bevy;
	uint32_t slot = (uint32_t)(chunk % stream->chunks_per_bevy);
	const struct vds_aff4_bevy *bevy = vds_aff4_find_bevy(stream, number);
	struct entry entry;
	if (!bevy || !bevy->data)
		return vds_error_create(VDS_ERROR_FORMAT,
			"<%s>: bevy %08llu is missing", stream->urn,
			(unsigned long long)number);
	if (!bevy->index)
		return vds_error_create(VDS_ERROR_FORMAT,
			"<%s>: bevy %08llu: its index is missing", stream->urn,
			(unsigned long long)number);
	read_entries(stream, bevy, slot, 1, &entry, false);
	if (!entry.known)
		return vds_error_create(VDS_ERROR_FORMAT,
			"<%s>: bevy %08llu: index of %llu bytes has no entry "
			"%u", stream->urn, (unsigned long long)number,
			(unsigned long long)bevy->index->size, slot);
	if (!to_span(stream, bevy, &entry, ret))
		return vds_error_create(VDS_ERROR_FORMAT,
			"<%s>: bevy %08llu: index entry %u: offset %llu, length "
			"%llu: not a chunk of %u bytes inside a bevy of %llu",
			stream->urn, (unsigned long long)number, slot,
			(unsigned long long)entry.offset,
			(unsigned long long)entry.len, stream->chunk_size,
			(unsigned long long)bevy->data->size);
	return NULL;
}

/* Decodes @in of @span to @out; 0 if it is corrupt. */
static size_t decode(const struct vds_aff4_stream *stream, uint64_t chunk,
		     enum vds_codec codec, const struct vds_aff4_span *span,
		     struct vds_decoder *decoder, const uint8_t *in, void *out)
{
	size_t want = vds_aff4_chunk_len(stream, chunk), len;
	if (span->raw)
		codec = VDS_CODEC_STORED;
	if (vds_codec_decode(decoder, codec, in, span->len, out,
			     stream->chunk_size, want, &len))
		return VDS_MIN(len, want);
	/* c-aff4 stores a short last chunk as it is if that is smaller. */
	if (span->len == want && want < stream->chunk_size) {
		memcpy(out, in, want);
		return want;
	}
	return 0;
}

size_t vds_aff4_chunk_decode(const struct vds_aff4_stream *stream,
			     uint64_t chunk, enum vds_codec codec,
			     const struct vds_aff4_span *span, void *out)
{
	struct scratch *s = get_scratch();
	if (!s || !reserve(&s->in, &s->in_cap, span->len) ||
	    vds_aff4_member_read(span->data, span->offset, s->in, span->len,
				 false) != span->len)
		return 0;
	return decode(stream, chunk, codec, span, &s->decoder, s->in, out);
}

static uint64_t chunk_key(size_t target, uint64_t chunk)
{
	return (uint64_t)target << VDS_AFF4_SOURCE_BITS | chunk;
}

struct load {
	const struct vds_aff4_stream *stream;
	uint64_t chunk;
	const struct vds_aff4_span *span;
};

static size_t load_chunk(void *ctx, uint64_t key, void *buf, size_t cap)
{
	const struct load *load = ctx;
	(void)key, (void)cap;
	return vds_aff4_chunk_decode(load->stream, load->chunk,
				     load->stream->codec, load->span, buf);
}

/* Without the cache: through the thread's own last chunk. */
static size_t read_through_scratch(const struct vds_aff4 *a, uint64_t key,
				   const struct load *load, size_t within,
				   void *buf, size_t len)
{
	struct scratch *s = get_scratch();
	if (!s)
		return 0;
	if (s->id != a->id || s->key != key) {
		s->id = 0;
		if (!reserve(&s->out, &s->out_cap, load->stream->chunk_size))
			return 0;
		s->out_len = load_chunk((void *)load, key, s->out, s->out_cap);
		s->id = a->id;
		s->key = key;
	}
	if (within >= s->out_len)
		return 0;
	len = VDS_MIN(len, s->out_len - within);
	memcpy(buf, s->out + within, len);
	return len;
}

/* A part of one chunk for a random reader. */
static size_t read_random(const struct vds_aff4 *a, size_t target,
			  const struct vds_aff4_stream *stream, uint64_t chunk,
			  size_t within, void *buf, size_t len)
{
	uint64_t key = chunk_key(target, chunk);
	struct vds_aff4_span span;
	size_t got;
	if (vds_chunk_cache_get(a->cache, key, within, buf, len, &got))
		return got;
	if (!find_span(stream, chunk, &span))
		return 0;
	if (span.raw) {
		if (within >= span.len)
			return 0;
		return vds_aff4_member_read(span.data, span.offset + within,
					    buf,
					    VDS_MIN(len, span.len - within),
					    false);
	}
	struct load load = {stream, chunk, &span};
	if (vds_chunk_cache_read(a->cache, key, within, buf, len, load_chunk,
				 &load, &got))
		return got;
	return read_through_scratch(a, key, &load, within, buf, len);
}

/*
 * A part of one chunk for a sequential reader: it will come back for the rest,
 * so the chunk is kept by the thread, out of the shared cache.
 */
static size_t read_part(const struct vds_aff4 *a, size_t target,
			const struct vds_aff4_stream *stream, uint64_t chunk,
			size_t within, void *buf, size_t len)
{
	uint64_t key = chunk_key(target, chunk);
	struct vds_aff4_span span;
	struct load load = {stream, chunk, &span};
	struct scratch *s = scratch_of_thread;
	bool have = s && s->id == a->id && s->key == key;
	if (!have && !find_span(stream, chunk, &span))
		return 0;
	return read_through_scratch(a, key, &load, within, buf, len);
}

/* How many of the @count spans lie behind one another; their bytes in *ret. */
static size_t contiguous(const struct vds_aff4_span *spans, size_t count,
			 size_t *ret)
{
	size_t n = 1, bytes = spans[0].len;
	while (n < count && spans[n].data == spans[0].data &&
	       spans[n].offset == spans[n - 1].offset + spans[n - 1].len &&
	       bytes + spans[n].len <= BATCH_BYTES)
		bytes += spans[n++].len;
	*ret = bytes;
	return n;
}

/* Decodes @count whole chunks from @chunk on; returns how many could be. */
static size_t decode_spans(const struct vds_aff4_stream *stream, uint64_t chunk,
			   const struct vds_aff4_span *spans, size_t count,
			   uint8_t *out)
{
	struct scratch *s = get_scratch();
	for (size_t i = 0; i < count;) {
		size_t bytes, n = contiguous(spans + i, count - i, &bytes);
		const uint8_t *in;
		if (!s || !reserve(&s->in, &s->in_cap, bytes) ||
		    vds_aff4_member_read(spans[i].data, spans[i].offset, s->in,
					 bytes, true) != bytes)
			return i;
		in = s->in;
		for (size_t k = 0; k < n; k++, i++) {
			if (decode(stream, chunk + i, stream->codec, &spans[i],
				   &s->decoder, in,
				   out + i * stream->chunk_size) !=
			    stream->chunk_size)
				return i;
			in += spans[i].len;
		}
	}
	return count;
}

/*
 * Up to @count whole chunks of chunk_size bytes each, straight into @out;
 * returns how many came before the first bad one or the end of the bevy.
 */
static size_t read_whole(const struct vds_aff4_stream *stream, uint64_t chunk,
			 size_t count, uint8_t *out)
{
	struct entry entries[BATCH_CHUNKS];
	struct vds_aff4_span spans[BATCH_CHUNKS];
	const struct vds_aff4_bevy *bevy = usable_bevy(stream, chunk);
	uint32_t slot = (uint32_t)(chunk % stream->chunks_per_bevy);
	size_t n = 0;
	if (!bevy)
		return 0;
	count = VDS_MIN(count, (size_t)(stream->chunks_per_bevy - slot));
	count = VDS_MIN(count, (size_t)BATCH_CHUNKS);
	read_entries(stream, bevy, slot, count, entries, true);
	while (n < count && to_span(stream, bevy, &entries[n], &spans[n]))
		n++;
	return n ? decode_spans(stream, chunk, spans, n, out) : 0;
}

size_t vds_aff4_stream_read(const struct vds_aff4 *a, size_t target,
			    uint64_t offset, void *buf, size_t len,
			    bool sequential)
{
	const struct vds_aff4_stream *stream = a->targets[target].stream;
	uint8_t *out = buf;
	size_t done = 0;
	if (offset >= stream->size)
		return 0;
	len = (size_t)VDS_MIN((uint64_t)len, stream->size - offset);
	while (done < len) {
		uint64_t chunk = (offset + done) / stream->chunk_size;
		size_t within = (size_t)((offset + done) % stream->chunk_size);
		size_t want = VDS_MIN(len - done, stream->chunk_size - within);
		size_t whole = within ? 0 : (len - done) / stream->chunk_size;
		size_t got;
		if (sequential && whole)
			got = read_whole(stream, chunk, whole, out + done) *
			      stream->chunk_size;
		else if (sequential)
			got = read_part(a, target, stream, chunk, within,
					out + done, want);
		else
			got = read_random(a, target, stream, chunk, within,
					  out + done, want);
		done += got;
		if (!got || (got < want))
			break;
	}
	return done;
}
