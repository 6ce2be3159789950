/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"

/* What libaff4 and pyaff4 assume; Evimetry always states both. */
#define CHUNK_SIZE_DEFAULT 32768
#define CHUNKS_DEFAULT 1024
/* Chunks that are decoded on opening, spread over the stream. */
#define TRIED_CHUNKS 16

static const struct {
	const char *uri;
	enum vds_codec codec;
} codecs[] = {
	{AFF4_NS "NullCompressor", VDS_CODEC_STORED},
	{AFF4_NS "compression/stored", VDS_CODEC_STORED},
	{AFF4_NS_2009 "nullCompressor", VDS_CODEC_STORED},
	{AFF4_NS_2009 "NullCompressor", VDS_CODEC_STORED},
	{"https://tools.ietf.org/html/rfc1951", VDS_CODEC_DEFLATE},
	{"http://tools.ietf.org/html/rfc1951", VDS_CODEC_DEFLATE},
	{"https://www.ietf.org/rfc/rfc1951.txt", VDS_CODEC_DEFLATE},
	{"https://www.ietf.org/rfc/rfc1950.txt", VDS_CODEC_ZLIB},
	{"http://www.ietf.org/rfc/rfc1950.txt", VDS_CODEC_ZLIB},
	{"http://code.google.com/p/snappy/", VDS_CODEC_SNAPPY},
	{"https://code.google.com/p/snappy/", VDS_CODEC_SNAPPY},
	{"https://github.com/google/snappy", VDS_CODEC_SNAPPY},
	{"https://code.google.com/p/lz4/", VDS_CODEC_LZ4},
	{"http://code.google.com/p/lz4/", VDS_CODEC_LZ4},
	{"https://github.com/lz4/lz4", VDS_CODEC_LZ4},
};

static struct vds_error *read_codec(const struct vds_aff4 *a,
				    struct vds_aff4_stream *stream)
{
	const struct vds_triple *t = vds_aff4_property(
		a, stream->urn, "compressionMethod|compression", 0);
	/*
	 * Absent means stored to the standard and zlib to libaff4: chunks of
	 * full size are stored in either case, and others are tried.
	 */
	stream->codec = VDS_CODEC_ZLIB;
	if (!t)
		return NULL;
	for (size_t i = 0; i < VDS_ARRAY_SIZE(codecs); i++) {
		if (!strcmp(codecs[i].uri, t->object)) {
			stream->codec = codecs[i].codec;
			if (vds_codec_available(stream->codec))
				return NULL;
			return vds_error_create(VDS_ERROR_UNSUPPORTED,
				"<%s>: chunks are compressed with %s, which "
				"this build lacks (build with -D%s=enabled)",
				stream->urn, vds_codec_name(stream->codec),
				vds_codec_name(stream->codec));
		}
	}
	return vds_error_create(VDS_ERROR_UNSUPPORTED,
		"information.turtle: <%s>: compressionMethod \"%s\" is unknown",
		stream->urn, t->object);
}

static struct vds_error *read_sizes(const struct vds_aff4 *a,
				    struct vds_aff4_stream *stream)
{
	uint64_t chunk = 0, chunks = 0;
	bool has_chunk, has_chunks;
	struct vds_error *err = vds_aff4_number(
		a, stream->urn, "chunkSize|chunk_size", &chunk, &has_chunk);
	if (!err)
		err = vds_aff4_number(a, stream->urn,
				      "chunksInSegment|chunks_per_segment|"
				      "chunks_in_segment",
				      &chunks, &has_chunks);
	if (!err)
		err = vds_aff4_number(a, stream->urn, "size", &stream->size,
				      &stream->has_size);
	if (err)
		return err;
	chunk = has_chunk ? chunk : CHUNK_SIZE_DEFAULT;
	chunks = has_chunks ? chunks : CHUNKS_DEFAULT;
	if (!chunk || chunk > VDS_AFF4_CHUNK_MAX)
		return vds_error_create(VDS_ERROR_FORMAT,
			"information.turtle: <%s>: chunkSize %llu is not in 1 "
			"to %llu", stream->urn, (unsigned long long)chunk,
			(unsigned long long)VDS_AFF4_CHUNK_MAX);
	if (!chunks || chunks > VDS_AFF4_CHUNKS_MAX ||
	    chunks * chunk > VDS_AFF4_BEVY_MAX)
		return vds_error_create(VDS_ERROR_FORMAT,
			"information.turtle: <%s>: chunksInSegment %llu of %llu "
			"bytes each: not in 1 to %d, or more than 2 GiB in all",
			stream->urn, (unsigned long long)chunks,
			(unsigned long long)chunk, VDS_AFF4_CHUNKS_MAX);
	if (stream->size > UINT64_C(1) << 52)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
			"information.turtle: <%s>: size %llu exceeds 2^52",
			stream->urn, (unsigned long long)stream->size);
	stream->chunk_size = (uint32_t)chunk;
	stream->chunks_per_bevy = (uint32_t)chunks;
	return NULL;
}

/* Parts the rest of a member's URN behind the stream's: "00000012.index". */
static bool parse_bevy_name(const char *rest, uint32_t *number,
			    const char **ret_suffix)
{
	uint32_t n = 0;
	/* The number is decimal, with eight digits, in all writers. */
	for (int i = 0; i < 8; i++) {
		if (rest[i] < '0' || rest[i] > '9')
			return false;
		n = n * 10 + (uint32_t)(rest[i] - '0');
	}
	*number = n;
	*ret_suffix = rest + 8;
	return true;
}

struct finder {
	struct vds_aff4 *a;
	struct vds_aff4_stream *stream;
	size_t cap;
	bool dotted, nested;	/* index members "X.index", "X/index" */
};

static struct vds_error *add_bevy_part(struct finder *f,
				       struct vds_aff4_member *member)
{
	struct vds_aff4_stream *stream = f->stream;
	uint32_t number;
	const char *suffix;
	if (!parse_bevy_name(member->urn + strlen(stream->urn) + 1, &number,
			     &suffix))
		return NULL;
	bool dotted = !strcmp(suffix, ".index");
	bool nested = !strcmp(suffix, "/index");
	if (*suffix && !dotted && !nested)
		return NULL;
	f->dotted |= dotted;
	f->nested |= nested;
	if (stream->num_bevies == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 64;
		struct vds_aff4_bevy *more =
			vds_arena_calloc(&f->a->image->arena, cap,
					 sizeof(*more));
		if (!more)
			return &vds_enomem;
		if (f->cap)
			memcpy(more, stream->bevies, f->cap * sizeof(*more));
		stream->bevies = more;
		f->cap = cap;
	}
	struct vds_aff4_bevy *bevy = &stream->bevies[stream->num_bevies++];
	*bevy = (struct vds_aff4_bevy){.number = number};
	if (*suffix)
		bevy->index = member;
	else
		bevy->data = member;
	return vds_aff4_inflate(f->a, member);
}

static int compare_bevies(const void *a, const void *b)
{
	const struct vds_aff4_bevy *x = a, *y = b;
	return (x->number > y->number) - (x->number < y->number);
}

/* Sorts the parts by number and puts those of one bevy together. */
static void merge_bevies(struct vds_aff4_stream *stream)
{
	size_t n = 0;
	if (!stream->num_bevies)
		return;
	qsort(stream->bevies, stream->num_bevies, sizeof(*stream->bevies),
	      compare_bevies);
	for (size_t i = 1; i < stream->num_bevies; i++) {
		struct vds_aff4_bevy *to = &stream->bevies[n];
		const struct vds_aff4_bevy *from = &stream->bevies[i];
		if (from->number != to->number) {
			stream->bevies[++n] = *from;
			continue;
		}
		if (from->data)
			to->data = from->data;
		if (from->index)
			to->index = from->index;
	}
	stream->num_bevies = n + 1;
}

static struct vds_error *find_bevies(struct finder *f)
{
	struct vds_arena *arena = &f->a->image->arena;
	const char *prefix = vds_arena_printf(arena, "%s/", f->stream->urn);
	if (!prefix)
		return &vds_enomem;
	size_t len = strlen(prefix);
	for (size_t v = 0; v < f->a->num_volumes; v++) {
		const struct vds_aff4_volume *volume = f->a->volumes[v];
		for (size_t i = vds_aff4_lower_bound(volume, prefix);
		     i < volume->num_members &&
		     !strncmp(volume->members[i]->urn, prefix, len); i++) {
			struct vds_error *err =
				add_bevy_part(f, volume->members[i]);
			if (err)
				return err;
		}
	}
	merge_bevies(f->stream);
	return NULL;
}

/* Which kind of index: by the stream's type, but only if such segments exist. */
static void choose_index(struct finder *f)
{
	struct vds_aff4_stream *stream = f->stream;
	enum vds_aff4_dialect dialect = vds_aff4_dialect(f->a, stream->urn);
	if (dialect == VDS_AFF4_EVIMETRY)
		stream->index = VDS_AFF4_INDEX_ENDS;
	if (dialect == VDS_AFF4_SCUDETTE)
		stream->index = VDS_AFF4_INDEX_STARTS;
	if (f->dotted && !f->nested) {
		stream->index = VDS_AFF4_INDEX_STANDARD;
	} else if (f->nested && !f->dotted &&
		   stream->index == VDS_AFF4_INDEX_STANDARD) {
		/* Starts begin with 0, ends don't. */
		uint8_t first[4] = {0};
		if (stream->num_bevies && stream->bevies[0].index)
			vds_aff4_member_read(stream->bevies[0].index, 0, first,
					     4, false);
		stream->index = vds_le32(first) ? VDS_AFF4_INDEX_ENDS
						: VDS_AFF4_INDEX_STARTS;
	}
	stream->stored_rule = stream->index != VDS_AFF4_INDEX_STARTS;
}

static uint64_t count_chunks(const struct vds_aff4_stream *stream)
{
	return stream->size / stream->chunk_size +
	       (stream->size % stream->chunk_size != 0);
}

/* Are the bevies there that the size asks for? */
static struct vds_error *check_bevies(struct vds_aff4 *a,
				      struct vds_aff4_stream *stream)
{
	uint64_t chunks = count_chunks(stream), missing = 0, first = 0;
	bool indexed = true;
	uint64_t bevies = chunks / stream->chunks_per_bevy +
			  (chunks % stream->chunks_per_bevy != 0);
	/* Volumes of a set but the last give 0, whether they hold bevies or not. */
	if (!stream->has_size || !stream->size)
		return vds_aff4_missing(a, stream->urn,
					"its size (in the last volume of a set)");
	for (uint64_t i = 0; i < bevies && missing <= stream->num_bevies; i++) {
		const struct vds_aff4_bevy *bevy =
			vds_aff4_find_bevy(stream, i);
		uint64_t want = VDS_MIN((uint64_t)stream->chunks_per_bevy,
					chunks - i * stream->chunks_per_bevy);
		indexed &= vds_aff4_bevy_chunks(stream, bevy) >= want;
		if (bevy && bevy->data)
			continue;
		if (!missing++)
			first = i;
	}
	stream->complete = !missing && indexed;
	if (!missing)
		return NULL;
	const char *stored = vds_aff4_iri(a, stream->urn, "stored");
	bool elsewhere = stored && strcmp(stored, a->volumes[0]->urn);
	if (!stream->num_bevies || a->num_volumes > 1 || elsewhere) {
		char what[64];
		snprintf(what, sizeof(what), "bevy %08llu",
			 (unsigned long long)first);
		return vds_aff4_missing(a, stream->urn, what);
	}
	/* Nothing says so, but another volume may have them all the same. */
	a->missing = stream->urn;
	vds_note(&a->image->notes, "aff4_bevy", first,
		 "<%s>: bevies from %08llu on are missing: their bytes are absent",
		 stream->urn, (unsigned long long)first);
	return NULL;
}

/* The codec other than the declared one that decodes the chunk exactly. */
static bool try_codecs(const struct vds_aff4_stream *stream, uint64_t chunk,
		       const struct vds_aff4_span *span, void *out,
		       enum vds_codec *ret)
{
	static const enum vds_codec order[] = {
		VDS_CODEC_ZLIB, VDS_CODEC_DEFLATE, VDS_CODEC_SNAPPY,
		VDS_CODEC_LZ4, VDS_CODEC_STORED};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(order); i++) {
		/* Anything long enough is "stored": only the exact length is. */
		if (order[i] == VDS_CODEC_STORED &&
		    span->len != stream->chunk_size)
			continue;
		if (order[i] != stream->codec &&
		    vds_aff4_chunk_decode(stream, chunk, order[i], span, out) ==
			    vds_aff4_chunk_len(stream, chunk)) {
			*ret = order[i];
			return true;
		}
	}
	return false;
}

static struct vds_error *try_chunk(struct vds_aff4 *a,
				   struct vds_aff4_stream *stream,
				   uint64_t chunk, void *out)
{
	struct vds_aff4_span span;
	enum vds_codec codec;
	struct vds_error *err = vds_aff4_chunk_check(stream, chunk, &span);
	if (err || vds_aff4_chunk_decode(stream, chunk, stream->codec, &span,
					 out))
		return err;
	/* Some WinPmem releases declared the wrong codec (rekall issue 331). */
	if (!span.raw && try_codecs(stream, chunk, &span, out, &codec)) {
		vds_note(&a->image->notes, "aff4_codec", chunk,
			 "<%s>: declared as %s, but chunk %llu is %s",
			 stream->urn, vds_codec_name(stream->codec),
			 (unsigned long long)chunk, vds_codec_name(codec));
		stream->codec = codec;
		return NULL;
	}
	return vds_error_create(VDS_ERROR_FORMAT,
		"<%s>: chunk %llu: the %u bytes at %llu of its bevy are not %s "
		"of %zu bytes", stream->urn, (unsigned long long)chunk,
		span.len, (unsigned long long)span.offset,
		vds_codec_name(stream->codec),
		vds_aff4_chunk_len(stream, chunk));
}

/*
 * Decodes some chunks: a stream of which none can be read is refused with the
 * first reason, one with some bad chunks is opened with a note.
 */
static struct vds_error *try_chunks(struct vds_aff4 *a,
				    struct vds_aff4_stream *stream)
{
	uint64_t chunks = count_chunks(stream);
	uint64_t tries = VDS_MIN(chunks, (uint64_t)TRIED_CHUNKS);
	_cleanup_free_ uint8_t *out = malloc(stream->chunk_size);
	struct vds_error *first = NULL;
	bool good = !chunks;
	if (!out)
		return &vds_enomem;
	for (uint64_t i = 0; i < tries; i++) {
		uint64_t chunk = chunks / tries * i;
		struct vds_error *err = try_chunk(a, stream, chunk, out);
		if (!err)
			good = true;
		else if (first)
			vds_error_destroy(err);
		else
			first = err;
	}
	if (!good)
		return first;
	if (first)
		vds_note(&a->image->notes, "aff4_chunk", 0, "%s",
			 first->message);
	vds_error_destroy(first);
	return NULL;
}

struct vds_error *vds_aff4_stream_open(struct vds_aff4 *a, const char *urn,
				       struct vds_aff4_stream **ret)
{
	struct vds_aff4_stream *stream =
		vds_arena_calloc(&a->image->arena, 1, sizeof(*stream));
	if (!stream)
		return &vds_enomem;
	stream->urn = urn;
	struct finder finder = {.a = a, .stream = stream};
	struct vds_error *err = read_codec(a, stream);
	if (!err)
		err = read_sizes(a, stream);
	if (!err)
		err = find_bevies(&finder);
	if (err)
		return err;
	choose_index(&finder);
	err = check_bevies(a, stream);
	if (!err)
		err = try_chunks(a, stream);
	if (!err)
		*ret = stream;
	return err;
}
