/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Speed of reading an image: small random reads, and a scan beside a plain
 * read of the same file in the same run. Usage: bench_image [IMAGE]; without
 * one, 512 MiB of raw memory are made (TMPDIR, removed at once).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "image/digest.h"

#define BLOCK ((size_t)1 << 20)
#define MADE ((uint64_t)512 << 20)

static double now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Returns the path of a file that goes away with the process. */
static const char *make_image(void)
{
	static char path[4096];
	const char *dir = getenv("TMPDIR");
	snprintf(path, sizeof(path), "%s/vds-bench-XXXXXX", dir ? dir : "/tmp");
	int fd = mkstemp(path);
	uint8_t *buf = malloc(BLOCK);
	uint64_t state = 1;
	if (fd < 0 || !buf)
		exit(1);
	unlink(path);
	for (uint64_t at = 0; at < MADE; at += BLOCK) {
		for (size_t i = 0; i < BLOCK; i += 8) {
			uint64_t v = next_random(&state);
			memcpy(buf + i, &v, 8);
		}
		if (pwrite(fd, buf, BLOCK, (off_t)at) != (ssize_t)BLOCK)
			exit(1);
	}
	free(buf);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return path;
}

/* Bytes a second of read(2) over the whole file. */
static double plain_read(const char *path, uint8_t *buf)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t total = 0;
	double start = now(CLOCK_MONOTONIC);
	for (ssize_t n; fd >= 0 && (n = read(fd, buf, BLOCK)) > 0;)
		total += (uint64_t)n;
	double elapsed = now(CLOCK_MONOTONIC) - start;
	close(fd);
	return (double)total / elapsed;
}

static double scan(const struct vds_image *image, uint8_t *buf,
		   uint64_t *ret_total)
{
	uint64_t pa = 0, total = 0;
	double start = now(CLOCK_MONOTONIC);
	for (size_t n; (n = vds_image_scan(image, &pa, buf, BLOCK)); pa += n)
		total += n;
	*ret_total = total;
	return (double)total / (now(CLOCK_MONOTONIC) - start);
}

/* CPU nanoseconds a read of @len bytes, anywhere in @window bytes. */
static double small_reads(const struct vds_image *image, uint64_t window,
			  uint8_t *buf, size_t len)
{
	const int count = 2000000;
	uint64_t state = 88172645463325252, base, sum = 0;
	size_t ranges;
	base = vds_image_ranges(image, &ranges)[ranges - 1].pa;
	window = vds_image_end(image) - base < window ?
			 vds_image_end(image) - base : window;
	double start = 0;
	/* The first round warms the cache. */
	for (int round = 0; round < 2; round++) {
		start = now(CLOCK_PROCESS_CPUTIME_ID);
		for (int i = 0; i < count; i++) {
			uint64_t pa = next_random(&state) % (window / 8) * 8;
			if (!vds_image_read(image, base + pa, buf, len))
				sum += buf[0];
		}
	}
	double elapsed = now(CLOCK_PROCESS_CPUTIME_ID) - start;
	if (sum == 1)
		puts("");	/* the reads can't be optimised away */
	return elapsed / count * 1e9;
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : make_image();
	struct vds_image *image;
	struct vds_error *err = vds_image_open(path, NULL, &image);
	uint8_t *buf = malloc(BLOCK);
	static const size_t sizes[] = {8, 64, 512, 4096};
	double plain = 0, scanned = 0;
	uint64_t total = 0;
	if (err || !buf || !vds_image_end(image)) {
		fprintf(stderr, "%s\n", err ? err->message : "nothing to read");
		return 1;
	}
	/* The best of five, in turn: other processes disturb both alike. */
	for (int i = 0; i < 5; i++) {
		double p = plain_read(path, buf), s = scan(image, buf, &total);
		plain = p > plain ? p : plain;
		scanned = s > scanned ? s : scanned;
	}
	printf("%s: %s\n", path, vds_image_format_name(image));
	printf("plain read of the file  %8.0f MB/s\n", plain / 1e6);
	printf("scan of %6llu MB       %8.0f MB/s  ratio %.2f\n",
	       (unsigned long long)(total >> 20), scanned / 1e6,
	       scanned / plain);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		printf("random read of %4zu     %8.1f ns in 1 MiB, %.1f ns in 32 MiB\n",
		       sizes[i],
		       small_reads(image, (uint64_t)1 << 20, buf, sizes[i]),
		       small_reads(image, (uint64_t)32 << 20, buf, sizes[i]));
	vds_image_close(image);
	free(buf);
	return 0;
}
