/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast memory is read through page tables, and how fast an image is
 * scanned for top-level tables compared with merely reading the file (both
 * from the page cache). Prints numbers; asserts none.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../unit/testmem.h"
#include "base/file.h"
#include "base/work.h"
#include "nt/discover.h"

#define FILE_SIZE ((uint64_t)512 << 20)
#define STEP ((size_t)1 << 20)
#define READS 20000000u

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void bench_reads(void)
{
	struct testmem mem;
	struct vds_tlb *tlb = vds_tlb_create();
	uint64_t next = 0x2000, sum = 0, v = 0, pa = 0;
	testmem_init(&mem, 0x100000);
	struct vds_space space = {.image = &mem.image, .dtb = 0x1000,
				  .levels = 4, .id = 1};
	for (uint64_t i = 0; i < 64; i++)
		testmem_map(&mem, 0x1000, &next,
			    UINT64_C(0xffff800000000000) + i * 4096,
			    0x80000 + i * 4096, 0x63);
	double t = now();
	for (unsigned int i = 0; i < READS; i++) {
		vds_space_translate(&space, tlb,
				    UINT64_C(0xffff800000000000) +
					    (i * 4104) % 0x40000,
				    &pa, NULL);
		sum += pa;
	}
	double translate = now() - t;
	t = now();
	for (unsigned int i = 0; i < READS; i++) {
		vds_space_read_u64(&space, tlb,
				   UINT64_C(0xffff800000000000) +
					   (i * 4104) % 0x40000 / 8 * 8,
				   &v);
		sum += v;
	}
	double read = now() - t;
	printf("translate, cached page: %.1f ns\nread u64, cached page: %.1f ns"
	       " (sum %llx)\n", translate / READS * 1e9, read / READS * 1e9,
	       (unsigned long long)sum);
	vds_tlb_destroy(tlb);
	testmem_deinit(&mem);
}

static bool make_file(char *path)
{
	uint64_t *block = malloc(STEP), x = 88172645463325252u;
	int fd = mkstemp(path);
	bool ok = fd >= 0 && block;
	for (uint64_t at = 0; ok && at < FILE_SIZE; at += STEP) {
		for (size_t i = 0; i < STEP / 8; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			block[i] = x;
		}
		ok = write(fd, block, STEP) == (ssize_t)STEP;
	}
	if (fd >= 0)
		close(fd);
	free(block);
	return ok;
}

static double read_file(const char *path)
{
	struct vds_file *file;
	uint8_t *buf = malloc(STEP);
	if (!buf || vds_file_open(path, &file))
		abort();
	double t = now();
	for (uint64_t at = 0; at < FILE_SIZE; at += STEP)
		vds_file_pread(file, at, buf, STEP);
	t = now() - t;
	vds_file_close(file);
	free(buf);
	return t;
}

static double scan_file(const char *path, unsigned int threads)
{
	struct vds_image *image;
	struct vds_dtb_hit *hits;
	size_t count;
	struct vds_image_options options = {.format = "raw"};
	if (vds_image_open(path, &options, &image))
		abort();
	double t = now();
	if (vds_dtb_scan(image, threads, &hits, &count))
		abort();
	t = now() - t;
	free(hits);
	vds_image_close(image);
	return t;
}

static void bench_scan(void)
{
	char path[] = "bench-image-XXXXXX";
	if (!make_file(path)) {
		printf("no room for the file to scan\n");
		return;
	}
	double read = read_file(path), one = scan_file(path, 1),
	       two = scan_file(path, 2), mib = FILE_SIZE / 1048576.0;
	/* The best of three: other work on the machine only slows down. */
	for (int i = 0; i < 2; i++) {
		double r = read_file(path), a = scan_file(path, 1),
		       b = scan_file(path, 2);
		read = VDS_MIN(read, r);
		one = VDS_MIN(one, a);
		two = VDS_MIN(two, b);
	}
	unlink(path);
	printf("reading the file: %.0f MiB/s\n"
	       "scan for top tables, 1 thread: %.0f MiB/s (%.2f of reading)\n"
	       "scan for top tables, 2 threads: %.0f MiB/s (%.2f of reading)\n",
	       mib / read, mib / one, read / one, mib / two, read / two);
}

int main(void)
{
	bench_reads();
	bench_scan();
	return 0;
}
