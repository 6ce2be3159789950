/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of the codec library's speed is left when an AFF4 image is scanned?
 * Makes an image, wraps it with each codec, and decodes the same chunks twice
 * on all processors: by the library alone, from memory, and by vds_image_scan()
 * from the file. Also: random reads of 64 bytes, AFF4 against raw. The best of
 * some rounds counts; below 80 % of the library the program fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/util.h"
#include "base/work.h"
#include "config.h"
#include "image/aff4_internal.h"
#include "image/aff4_write.h"

#if HAVE_SNAPPY
#include <snappy-c.h>
#endif
#if HAVE_LZ4
#include <lz4.h>
#endif

#define IMAGE_SIZE ((size_t)192 << 20)
#define SLICE ((uint64_t)4 << 20)
#define STEP ((size_t)1 << 20)
#define ROUNDS 5
#define RANDOM_READS 400000
#define TARGET 0.80

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(struct vds_error *err)
{
	if (!err)
		return;
	fprintf(stderr, "%s\n", err->message);
	exit(1);
}

static uint32_t next(uint32_t *seed)
{
	return *seed = *seed * 1664525 + 1013904223;
}

/* Like memory: pointers and small numbers, text, zeros, some noise. */
static void fill_page(uint8_t *page, uint32_t *seed)
{
	static const char words[] = "kernel32.dll Microsoft Windows System32 ";
	uint32_t kind = next(seed) >> 29;
	if (kind == 0) {
		memset(page, 0, 4096);
	} else if (kind == 1) {
		for (size_t i = 0; i < 4096; i++)
			page[i] = (uint8_t)(next(seed) >> 24);
	} else if (kind <= 3) {
		for (size_t i = 0; i < 4096; i++)
			page[i] = (uint8_t)words[(i + (next(seed) >> 31)) %
						 (sizeof(words) - 1)];
	} else {
		for (size_t i = 0; i < 4096; i += 8)
			vds_put_le64(page + i,
				     next(seed) >> 31 ? next(seed) >> 26 :
				     UINT64_C(0xffffe00012000000) +
					     (next(seed) >> 14 << 4));
	}
}

static void make_raw(const char *path)
{
	uint8_t page[4096];
	uint32_t seed = 1;
	FILE *f = fopen(path, "wb");
	if (!f)
		exit(1);
	for (size_t i = 0; i < IMAGE_SIZE / sizeof(page); i++) {
		fill_page(page, &seed);
		if (fwrite(page, sizeof(page), 1, f) != 1)
			exit(1);
	}
	if (fclose(f))
		exit(1);
}

/* --- the library alone ------------------------------------------------ */

struct chunks {
	enum vds_codec codec;
	uint8_t *packed;
	struct vds_aff4_span *spans;
	uint64_t *starts;	/* in packed */
	size_t count;
};

/* Copies all chunks of the image's stream into memory. */
static void load_chunks(const struct vds_image *image, struct chunks *c)
{
	const struct vds_aff4 *a = image->ctx;
	const struct vds_aff4_stream *stream = a->targets[0].stream;
	uint64_t total = 0;
	c->codec = stream->codec;
	c->count = (size_t)(stream->size / stream->chunk_size);
	c->spans = calloc(c->count, sizeof(*c->spans));
	c->starts = calloc(c->count, sizeof(*c->starts));
	c->packed = malloc(IMAGE_SIZE + (IMAGE_SIZE >> 3));
	if (!c->spans || !c->starts || !c->packed)
		die(&vds_enomem);
	for (size_t i = 0; i < c->count; i++) {
		die(vds_aff4_chunk_check(stream, i, &c->spans[i]));
		c->starts[i] = total;
		if (vds_aff4_member_read(c->spans[i].data, c->spans[i].offset,
					 c->packed + total, c->spans[i].len,
					 true) != c->spans[i].len)
			exit(1);
		total += c->spans[i].len;
	}
}

static void free_chunks(struct chunks *c)
{
	free(c->packed);
	free(c->spans);
	free(c->starts);
}

/* What anyone would call; stored chunks are copied. */
static bool library_decode(enum vds_codec codec, const uint8_t *in, size_t len,
			   bool raw, uint8_t *out)
{
	uLongf out_len = 32768;
	if (raw) {
		memcpy(out, in, len);
		return true;
	}
	if (codec == VDS_CODEC_ZLIB)
		return uncompress(out, &out_len, in, len) == Z_OK;
#if HAVE_SNAPPY
	size_t n = 32768;
	if (codec == VDS_CODEC_SNAPPY)
		return snappy_uncompress((const char *)in, len, (char *)out,
					 &n) == SNAPPY_OK;
#endif
#if HAVE_LZ4
	if (codec == VDS_CODEC_LZ4)
		return LZ4_decompress_safe((const char *)in, (char *)out,
					   (int)len, 32768) == 32768;
#endif
	return false;
}

#define CHUNKS_PER_TASK (SLICE / 32768)

static struct vds_error *run_library(void *ctx, size_t task,
				     unsigned int worker)
{
	const struct chunks *c = ctx;
	static _Thread_local uint8_t out[STEP];
	(void)worker;
	for (size_t k = 0; k < CHUNKS_PER_TASK; k++) {
		size_t i = task * CHUNKS_PER_TASK + k;
		if (i < c->count &&
		    !library_decode(c->codec, c->packed + c->starts[i],
				    c->spans[i].len, c->spans[i].raw,
				    out + k * 32768 % STEP))
			return vds_error_create(VDS_ERROR_INTERNAL,
						"chunk %zu", i);
	}
	return NULL;
}

/* --- ours ------------------------------------------------------------- */

static struct vds_error *run_scan(void *ctx, size_t task, unsigned int worker)
{
	const struct vds_image *image = ctx;
	static _Thread_local uint8_t out[STEP];
	uint64_t pa = (uint64_t)task * SLICE, end = pa + SLICE;
	(void)worker;
	while (pa < end) {
		size_t n = vds_image_scan(image, &pa, out, sizeof(out));
		if (!n)
			return vds_error_create(VDS_ERROR_INTERNAL, "0x%llx",
						(unsigned long long)pa);
		pa += n;
	}
	return NULL;
}

/* Seconds of all processors together: what other work disturbs least. */
static double processor(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct times {
	double wall, cpu;	/* the best of some rounds each */
};

static void timed(struct vds_error *(*run)(void *, size_t, unsigned int),
		  void *ctx, struct times *best)
{
	struct vds_work work = {.threads = vds_work_default_threads(),
				.tasks = IMAGE_SIZE / SLICE, .ctx = ctx,
				.window = IMAGE_SIZE / SLICE, .run = run};
	double start = now(), cpu = processor();
	die(vds_work_run(&work));
	best->wall = VDS_MIN(best->wall, now() - start);
	best->cpu = VDS_MIN(best->cpu, processor() - cpu);
}

/* Small reads like those of page walks: some pages far more often. */
static double random_reads(const struct vds_image *image)
{
	uint32_t seed = 5;
	uint8_t buf[64];
	double start = now();
	for (int i = 0; i < RANDOM_READS; i++) {
		uint64_t page = next(&seed) >> 8;
		page %= i & 7 ? 2048 : IMAGE_SIZE / 4096;
		if (vds_image_read(image, page * 4096 + (next(&seed) >> 26) *
					  64, buf, sizeof(buf)))
			exit(1);
	}
	return now() - start;
}

static bool bench_codec(const struct vds_image *raw, enum vds_codec codec,
			double raw_time)
{
	char path[] = "/tmp/vds-bench-XXXXXX";
	int fd = mkstemp(path);
	struct vds_aff4_write_options options = {.codec = codec};
	struct vds_aff4_written written;
	struct vds_image *image;
	struct chunks chunks;
	struct times library = {1e9, 1e9}, ours = {1e9, 1e9};
	die(vds_aff4_write(raw, fd, &options, &written));
	close(fd);
	die(vds_image_open(path, NULL, &image));
	load_chunks(image, &chunks);
	for (int i = 0; i < ROUNDS; i++) {
		timed(run_library, &chunks, &library);
		timed(run_scan, image, &ours);
	}
	double reads = random_reads(image);
	reads = VDS_MIN(reads, random_reads(image));
	double mib = (double)IMAGE_SIZE / (1 << 20);
	printf("%-7s %4.0f %% packed  library %6.0f MiB/s  scan %6.0f MiB/s  "
	       "ratio %.2f (of processor time %.2f)  "
	       "random reads %.2f times raw\n",
	       vds_codec_name(codec),
	       100.0 * (double)written.size / (double)IMAGE_SIZE, mib / library.wall,
	       mib / ours.wall, library.wall / ours.wall,
	       library.cpu / ours.cpu, reads / raw_time);
	free_chunks(&chunks);
	vds_image_close(image);
	unlink(path);
	return library.wall / ours.wall >= TARGET;
}

int main(void)
{
	static const enum vds_codec codecs[] = {
		VDS_CODEC_ZLIB, VDS_CODEC_SNAPPY, VDS_CODEC_LZ4};
	char path[] = "/tmp/vds-bench-XXXXXX";
	struct vds_image *raw;
	bool good = true;
	if (!vds_turtle_available()) {
		printf("skipped: this build lacks serd\n");
		return 77;
	}
	close(mkstemp(path));
	make_raw(path);
	die(vds_image_open(path, NULL, &raw));
	double raw_time = random_reads(raw);
	raw_time = VDS_MIN(raw_time, random_reads(raw));
	for (size_t i = 0; i < VDS_ARRAY_SIZE(codecs); i++) {
		if (vds_codec_available(codecs[i]))
			good &= bench_codec(raw, codecs[i], raw_time);
	}
	vds_image_close(raw);
	unlink(path);
	return good ? 0 : 1;
}
