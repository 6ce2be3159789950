/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/str.h"
#include "base/util.h"
#include "base/work.h"
#include "image/aff4_internal.h"
#include "image/zip_write.h"

#define BATCH_BYTES ((size_t)1 << 20)
#define MAP_ENTRY 28
#define INDEX_ENTRY 12
#define ZERO_URN AFF4_NS "Zero"
#define UNREADABLE_URN AFF4_NS "UnreadableData"

struct span {
	uint64_t pa, len;
};

struct spans {
	struct span *list;
	size_t count, cap;
};

/* A batch of chunks on its way from a worker to the file. */
struct batch {
	uint8_t *raw;		/* as in memory, padded to whole chunks */
	uint8_t *packed;	/* one behind the other */
	uint32_t *lens;		/* of each packed chunk */
	struct spans damaged;
};

struct writer {
	const struct vds_image *image;
	const struct vds_aff4_write_options *options;
	struct vds_zip_writer zip;
	const struct vds_range *ranges;
	size_t num_ranges;
	uint64_t *starts;	/* offset in the stream of each range's data */
	uint64_t size;		/* of the stream */
	uint32_t chunk_size, chunks_per_bevy;
	size_t batch_chunks;
	struct batch *batches;	/* a ring of `window` */
	size_t window;
	uint8_t *index;		/* of the bevy being written */
	uint32_t slot;		/* chunks in it so far */
	uint64_t bevy_pos;	/* bytes in it so far */
	uint32_t bevy;
	struct vds_sha256 hash;	/* of the stream */
	struct spans damaged;
	/* idx: lines in the order of first use. */
	struct vds_str idx_lines[8];
	size_t num_lines;
	char urn[48];
};

static bool add_span(struct spans *s, uint64_t pa, uint64_t len)
{
	struct span *last = s->count ? &s->list[s->count - 1] : NULL;
	if (last && last->pa + last->len == pa) {
		last->len += len;
		return true;
	}
	if (s->count == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 16;
		struct span *more = realloc(s->list, cap * sizeof(*more));
		if (!more)
			return false;
		s->list = more;
		s->cap = cap;
	}
	s->list[s->count++] = (struct span){pa, len};
	return true;
}

/* The last range whose data starts at or before @offset of the stream. */
static size_t range_of(const struct writer *w, uint64_t offset)
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
static struct vds_error *read_stream(const struct writer *w, uint64_t offset,
				     uint8_t *buf, size_t len,
				     struct spans *damaged)
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
		    !add_span(damaged, range->pa + skip, n))
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

static size_t batch_len(const struct writer *w, size_t task)
{
	uint64_t start = (uint64_t)task * w->batch_chunks * w->chunk_size;
	return (size_t)VDS_MIN((uint64_t)w->batch_chunks * w->chunk_size,
			       w->size - start);
}

/* Packs one chunk; one that doesn't shrink is stored at its full size. */
static size_t pack_chunk(const struct writer *w, const uint8_t *raw,
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
	const struct writer *w = ctx;
	struct batch *b = &w->batches[task % w->window];
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

static struct vds_error *begin_bevy(struct writer *w)
{
	char name[64];
	snprintf(name, sizeof(name), "PhysicalMemory/data/%08u", w->bevy);
	w->slot = 0;
	w->bevy_pos = 0;
	return vds_zip_begin(&w->zip, name);
}

static struct vds_error *end_bevy(struct writer *w)
{
	char name[64];
	snprintf(name, sizeof(name), "PhysicalMemory/data/%08u.index",
		 w->bevy++);
	struct vds_error *err = vds_zip_end(&w->zip);
	return err ? err : vds_zip_add(&w->zip, name, w->index,
				       (size_t)w->slot * INDEX_ENTRY);
}

/* Appends the next @count chunks, which end in the same bevy. */
static struct vds_error *put_chunks(struct writer *w, const uint8_t *packed,
				    const uint32_t *lens, size_t count,
				    size_t *ret_len)
{
	size_t len = 0;
	struct vds_error *err = w->slot ? NULL : begin_bevy(w);
	for (size_t i = 0; i < count; i++) {
		uint8_t *entry = w->index + (size_t)w->slot++ * INDEX_ENTRY;
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
	struct writer *w = ctx;
	struct batch *b = &w->batches[task % w->window];
	const struct vds_progress *progress = w->options->progress;
	size_t len = batch_len(w, task);
	size_t chunks = (len + w->chunk_size - 1) / w->chunk_size;
	const uint8_t *packed = b->packed;
	vds_sha256_update(&w->hash, b->raw, len);
	for (size_t i = 0; i < b->damaged.count; i++) {
		if (!add_span(&w->damaged, b->damaged.list[i].pa,
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

static struct vds_error *init_batches(struct writer *w, unsigned int threads)
{
	size_t raw = w->batch_chunks * w->chunk_size;
	size_t packed = w->batch_chunks *
			vds_codec_bound(w->options->codec, w->chunk_size);
	w->window = (size_t)threads * 2;
	w->batches = calloc(w->window, sizeof(*w->batches));
	if (!w->batches)
		return &vds_enomem;
	for (size_t i = 0; i < w->window; i++) {
		struct batch *b = &w->batches[i];
		b->raw = malloc(raw);
		b->packed = malloc(packed);
		b->lens = calloc(w->batch_chunks, sizeof(*b->lens));
		if (!b->raw || !b->packed || !b->lens)
			return &vds_enomem;
	}
	return NULL;
}

static struct vds_error *write_stream(struct writer *w)
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

/* Number of the idx line @urn, added if it is new. */
static uint32_t line_of(struct writer *w, const char *urn)
{
	for (size_t i = 0; i < w->num_lines; i++) {
		if (!strcmp(w->idx_lines[i].data, urn))
			return (uint32_t)i;
	}
	/* The data, zeros, and two kinds of pattern: there are no others. */
	vds_str_append(&w->idx_lines[w->num_lines], urn, strlen(urn) + 1);
	return (uint32_t)w->num_lines++;
}

static void put_entry(struct vds_str *map, uint64_t pa, uint64_t len,
		      uint64_t offset, uint32_t line)
{
	uint8_t e[MAP_ENTRY];
	vds_put_le64(e, pa);
	vds_put_le64(e + 8, len);
	vds_put_le64(e + 16, offset);
	vds_put_le32(e + 24, line);
	vds_str_append(map, e, sizeof(e));
}

/* A DATA range, less what turned out to be damaged in it. */
static void map_data(struct writer *w, struct vds_str *map, size_t i,
		     size_t *next_damaged)
{
	const struct vds_range *r = &w->ranges[i];
	uint64_t pa = r->pa, end = r->pa + r->len;
	while (*next_damaged < w->damaged.count &&
	       w->damaged.list[*next_damaged].pa < end) {
		const struct span *bad = &w->damaged.list[*next_damaged];
		uint64_t from = VDS_MAX(bad->pa, pa);
		uint64_t to = VDS_MIN(bad->pa + bad->len, end);
		if (from > pa)
			put_entry(map, pa, from - pa,
				  w->starts[i] + (pa - r->pa), 0);
		put_entry(map, from, to - from, 0, line_of(w, UNREADABLE_URN));
		pa = to;
		if (bad->pa + bad->len > end)
			break;	/* it goes on in the next range */
		++*next_damaged;
	}
	if (pa < end)
		put_entry(map, pa, end - pa, w->starts[i] + (pa - r->pa), 0);
}

static void build_map(struct writer *w, struct vds_str *map)
{
	size_t next_damaged = 0;
	for (size_t i = 0; i < w->num_ranges; i++) {
		const struct vds_range *r = &w->ranges[i];
		const char *urn = UNREADABLE_URN;
		uint64_t offset = 0;
		switch (r->kind) {
		case VDS_RANGE_DATA:
			map_data(w, map, i, &next_damaged);
			break;
		case VDS_RANGE_ZERO:
			put_entry(map, r->pa, r->len, 0,
				  line_of(w, ZERO_URN));
			break;
		case VDS_RANGE_UNREADABLE:
			vds_aff4_symbolic(w->image, r->source, &urn, &offset);
			put_entry(map, r->pa, r->len, offset, line_of(w, urn));
			break;
		}
	}
}

/* A GUID made of the content: version 8, "custom", of RFC 9562. */
static void make_urn(struct writer *w, const struct vds_str *map,
		     const uint8_t stream[VDS_SHA256_SIZE])
{
	struct vds_sha256 hash;
	uint8_t d[VDS_SHA256_SIZE];
	uint8_t codec = (uint8_t)w->options->codec;
	vds_sha256_init(&hash);
	vds_sha256_update(&hash, stream, VDS_SHA256_SIZE);
	vds_sha256_update(&hash, map->data, map->len);
	vds_sha256_update(&hash, &codec, 1);
	vds_sha256_final(&hash, d);
	d[6] = (uint8_t)(0x80 | (d[6] & 0xf));
	d[8] = (uint8_t)(0x80 | (d[8] & 0x3f));
	snprintf(w->urn, sizeof(w->urn),
		 "aff4://%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x", d[0], d[1], d[2], d[3], d[4],
		 d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12], d[13],
		 d[14], d[15]);
}

static const char *codec_uri(enum vds_codec codec)
{
	switch (codec) {
	case VDS_CODEC_STORED:
		break;
	case VDS_CODEC_ZLIB:
		return "https://www.ietf.org/rfc/rfc1950.txt";
	case VDS_CODEC_DEFLATE:
		return "https://tools.ietf.org/html/rfc1951";
	case VDS_CODEC_SNAPPY:
		return "http://code.google.com/p/snappy/";
	case VDS_CODEC_LZ4:
		return "https://code.google.com/p/lz4/";
	}
	return AFF4_NS "NullCompressor";
}

/* The acquisition time that the source states, if it is an ISO 8601 one. */
static const char *acquired(const struct vds_image *image)
{
	size_t count;
	const struct vds_image_meta *meta = vds_image_metadata(image, &count);
	for (size_t i = 0; i < count; i++) {
		const char *v = meta[i].value;
		if (!strcmp(meta[i].key, "acquired") && strlen(v) >= 19 &&
		    strspn(v, "0123456789-:.TZ+") == strlen(v))
			return v;
	}
	return NULL;
}

static void build_turtle(struct writer *w, const char *sha256,
			 struct vds_str *out)
{
	const char *v = w->urn, *time = acquired(w->image);
	unsigned long long size = vds_image_stream_size(w->image);
	vds_str_printf(out,
		"@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .\n"
		"@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .\n"
		"@prefix aff4: <%s> .\n\n<%s> a aff4:ZipVolume", AFF4_NS, v);
	if (time)
		vds_str_printf(out,
			" ;\n    aff4:creationTime \"%s\"^^xsd:dateTime", time);
	vds_str_printf(out,
		" ;\n    aff4:contains <%s/image> , <%s/PhysicalMemory> , "
		"<%s/PhysicalMemory/data> .\n\n"
		"<%s/image> a aff4:MemoryImage , aff4:Image , "
		"aff4:DiscontiguousImage ;\n"
		"    aff4:dataStream <%s/PhysicalMemory> ;\n"
		"    aff4:size \"%llu\"^^xsd:long ;\n"
		"    aff4:stored <%s> .\n\n", v, v, v, v, v, size, v);
	vds_str_printf(out,
		"<%s/PhysicalMemory> a aff4:Map ;\n"
		"    aff4:category <%smemory/physical> ;\n"
		"    aff4:dependentStream <%s/PhysicalMemory/data> ;\n"
		"    aff4:mapGapDefaultStream aff4:Zero ;\n"
		"    aff4:size \"%llu\"^^xsd:long ;\n"
		"    aff4:stored <%s> .\n\n", v, AFF4_NS, v, size, v);
	vds_str_printf(out,
		"<%s/PhysicalMemory/data> a aff4:ImageStream ;\n"
		"    aff4:chunkSize \"%u\"^^xsd:int ;\n"
		"    aff4:chunksInSegment \"%u\"^^xsd:int ;\n"
		"    aff4:compressionMethod <%s> ;\n"
		"    aff4:hash \"%s\"^^aff4:SHA256 ;\n"
		"    aff4:size \"%llu\"^^xsd:long ;\n"
		"    aff4:stored <%s> ;\n"
		"    aff4:target <%s/PhysicalMemory> ;\n"
		"    aff4:version \"1\"^^xsd:int .\n", v, w->chunk_size,
		w->chunks_per_bevy, codec_uri(w->options->codec), sha256,
		(unsigned long long)w->size, v, v);
}

/* WinPmem's way to pass on what is known about the system. */
static void build_yaml(const struct writer *w, struct vds_str *out)
{
	const struct vds_image_hints *h = vds_image_hints(w->image);
	vds_str_printf(out, "Imager: \"vadose %s\"\n", VDS_VERSION);
	if (h->has_dtb)
		vds_str_printf(out, "Registers:\n  CR3: %llu\n",
			       (unsigned long long)h->dtb);
	if (h->build)
		vds_str_printf(out, "NtBuildNumber: %u\n", h->build);
	if (h->has_kernel_base)
		vds_str_printf(out, "KernBase: %llu\n",
			       (unsigned long long)h->kernel_base);
}

static struct vds_error *add_text(struct writer *w, const char *name,
				  struct vds_str *text)
{
	struct vds_error *err = text->failed ? &vds_enomem :
		vds_zip_add(&w->zip, name, text->data, text->len);
	vds_str_deinit(text);
	return err;
}

static struct vds_error *write_map(struct writer *w)
{
	struct vds_str map = {0}, idx = {0}, turtle = {0}, yaml = {0};
	uint8_t digest[VDS_SHA256_SIZE];
	char hex[VDS_SHA256_HEX_SIZE];
	vds_sha256_final(&w->hash, digest);
	vds_sha256_hex(digest, hex);
	line_of(w, "data");	/* its URN isn't known yet; it is line 0 */
	build_map(w, &map);
	make_urn(w, &map, digest);
	vds_str_printf(&idx, "%s/PhysicalMemory/data\n", w->urn);
	for (size_t i = 1; i < w->num_lines; i++)
		vds_str_printf(&idx, "%s\n", w->idx_lines[i].data);
	build_turtle(w, hex, &turtle);
	build_yaml(w, &yaml);
	struct vds_error *err = add_text(w, "PhysicalMemory/map", &map);
	if (!err)
		err = add_text(w, "PhysicalMemory/idx", &idx);
	if (!err)
		err = add_text(w, "PhysicalMemory/information.yaml", &yaml);
	if (!err)
		err = add_text(w, "information.turtle", &turtle);
	/* The first member was written before the URN was known. */
	if (!err)
		err = vds_zip_rewrite(&w->zip, 0, w->urn, strlen(w->urn));
	vds_str_deinit(&map);
	vds_str_deinit(&idx);
	vds_str_deinit(&turtle);
	vds_str_deinit(&yaml);
	return err ? err : vds_zip_finish(&w->zip, w->urn);
}

static struct vds_error *write_volume(struct writer *w)
{
	static const char version[] =
		"major=1\nminor=0\ntool=vadose " VDS_VERSION "\n";
	memset(w->urn, '0', 43);	/* as long as the URN will be */
	struct vds_error *err = vds_zip_add(&w->zip, "container.description",
					    w->urn, 43);
	if (!err)
		err = vds_zip_add(&w->zip, "version.txt", version,
				  sizeof(version) - 1);
	if (!err)
		err = write_stream(w);
	return err ? err : write_map(w);
}

static struct vds_error *prepare(struct writer *w)
{
	const struct vds_aff4_write_options *o = w->options;
	w->chunk_size = o->chunk_size ? o->chunk_size : 32768;
	w->chunks_per_bevy = o->chunks_per_bevy ? o->chunks_per_bevy : 1024;
	w->ranges = vds_image_ranges(w->image, &w->num_ranges);
	if (!vds_codec_available(o->codec))
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
			"this build lacks %s (build with -D%s=enabled)",
			vds_codec_name(o->codec), vds_codec_name(o->codec));
	if (!w->num_ranges)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
			"the image holds no physical memory to convert");
	if (w->chunk_size < 4096 || w->chunk_size > VDS_AFF4_CHUNK_MAX ||
	    w->chunks_per_bevy > 65536)
		return vds_error_create(VDS_ERROR_USAGE,
			"AFF4 chunks of %u bytes, %u per bevy: out of range",
			w->chunk_size, w->chunks_per_bevy);
	w->batch_chunks = VDS_MAX(BATCH_BYTES / w->chunk_size, (size_t)1);
	w->starts = calloc(w->num_ranges, sizeof(*w->starts));
	w->index = malloc((size_t)w->chunks_per_bevy * INDEX_ENTRY);
	if (!w->starts || !w->index)
		return &vds_enomem;
	for (size_t i = 0; i < w->num_ranges; i++) {
		w->starts[i] = w->size;
		if (w->ranges[i].kind == VDS_RANGE_DATA)
			w->size += w->ranges[i].len;
	}
	if (w->size > VDS_STREAM_MAX)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
			"%llu bytes of memory: too much to write",
			(unsigned long long)w->size);
	return NULL;
}

static void deinit(struct writer *w)
{
	for (size_t i = 0; w->batches && i < w->window; i++) {
		free(w->batches[i].raw);
		free(w->batches[i].packed);
		free(w->batches[i].lens);
		free(w->batches[i].damaged.list);
	}
	for (size_t i = 0; i < VDS_ARRAY_SIZE(w->idx_lines); i++)
		vds_str_deinit(&w->idx_lines[i]);
	free(w->batches);
	free(w->starts);
	free(w->index);
	free(w->damaged.list);
	vds_zip_writer_deinit(&w->zip);
}

struct vds_error *vds_aff4_write(const struct vds_image *image, int fd,
				 const struct vds_aff4_write_options *options,
				 struct vds_aff4_written *ret)
{
	struct writer w = {.image = image, .options = options,
			   .zip = {.fd = fd}};
	vds_sha256_init(&w.hash);
	struct vds_error *err = prepare(&w);
	if (!err)
		err = write_volume(&w);
	if (!err && ret) {
		*ret = (struct vds_aff4_written){.data = w.size,
						 .size = w.zip.pos};
		for (size_t i = 0; i < w.damaged.count; i++)
			ret->damaged += w.damaged.list[i].len;
		memcpy(ret->urn, w.urn, sizeof(ret->urn));
	}
	deinit(&w);
	return err;
}
