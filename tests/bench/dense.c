/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the benchmark of scans needs.
 *
 * dense fill FILE SIZE: fills the holes of a scene's raw image, and what lies
 *   behind its end up to SIZE, with pages such as machines have: text, code
 *   without order, structures full of kernel pointers, pool with its tags, and
 *   some zeros. The same bytes every time.
 * dense read FILE THREADS: seconds that reading the file takes, each thread
 *   with pread(2) of its own blocks.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define BLOCK ((size_t)1 << 20)
#define MAX_THREADS 256

static uint64_t random_state = 88172645463325252;

static uint64_t next_random(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

static void make_noise(uint8_t *page)
{
	for (size_t i = 0; i < PAGE; i += 8)
		put64(page + i, next_random());
}

static void make_text(uint8_t *page, size_t step)
{
	static const char words[] =
		"the quick brown Process Manager of Section Views opens File "
		"\\Windows\\System32\\ntdll.dll for PID 4242, SYSTEM; ";
	size_t at = next_random() % sizeof(words);
	memset(page, 0, PAGE);
	for (size_t i = 0; i < PAGE; i += step)
		page[i] = (uint8_t)words[at++ % (sizeof(words) - 1)];
}

/* Pointers, counters, and bytes that are none of both. */
static void make_structures(uint8_t *page)
{
	for (size_t i = 0; i < PAGE; i += 8) {
		uint64_t r = next_random();
		put64(page + i, r % 4 == 0 ? r >> 40 :
				r % 4 == 1 ? 0 :
				r % 4 == 2 ? UINT64_C(0xffff8000) << 32 | r :
					     r);
	}
}

/* Blocks of POOL_HEADERs, of which few have a tag that scans look for. */
static void make_pool(uint8_t *page)
{
	static const char tags[][5] = {
		"Ntfx", "FMfn", "Thre", "Even", "Ipng", "CcSc", "IoNm", "ObNm",
		"AlpH", "ReTa", "SeTd", "ViSh", "PsEx", "Mupd", "Sema", "Pstb",
	};
	size_t previous = 0;
	make_structures(page);
	for (size_t at = 0; at < PAGE;) {
		size_t units = 2 + next_random() % 30;
		if (at + units * 16 > PAGE)
			units = (PAGE - at) / 16;
		page[at] = (uint8_t)previous;
		page[at + 1] = 0;
		page[at + 2] = (uint8_t)units;
		page[at + 3] = 2;
		memcpy(page + at + 4, tags[next_random() % 16], 4);
		previous = units;
		at += units * 16;
	}
}

static void make_page(uint8_t *page)
{
	switch (next_random() >> 20 & 7) {
	case 0:
		memset(page, 0, PAGE);
		break;
	case 1:
		make_text(page, 1);
		break;
	case 2:
		make_text(page, 2);
		break;
	case 3:
	case 4:
		make_pool(page);
		break;
	case 5:
		make_noise(page);
		break;
	default:
		make_structures(page);
	}
}

static int fill(const char *path, uint64_t size)
{
	uint8_t *block = malloc(BLOCK);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat st;
	if (!block || fd < 0 || fstat(fd, &st))
		return 1;
	uint64_t old = (uint64_t)st.st_size;
	for (uint64_t at = 0; at < size; at += BLOCK) {
		memset(block, 0, BLOCK);
		if (at < old && pread(fd, block, BLOCK, (off_t)at) < 0)
			return 1;
		for (size_t i = 0; i < BLOCK; i += PAGE) {
			/* What the scene has of it stays as it is. */
			off_t here = (off_t)(at + i);
			off_t data = lseek(fd, here, SEEK_DATA);
			if (data < 0 || data > here)
				make_page(block + i);
		}
		if (pwrite(fd, block, BLOCK, (off_t)at) != (ssize_t)BLOCK)
			return 1;
	}
	free(block);
	return close(fd);
}

struct reading {
	int fd;
	uint64_t size;
	_Atomic uint64_t next;
};

static void *read_blocks(void *arg)
{
	struct reading *r = arg;
	uint8_t *buf = malloc(BLOCK);
	uint64_t at;
	while (buf && (at = atomic_fetch_add(&r->next, BLOCK)) < r->size) {
		if (pread(r->fd, buf, BLOCK, (off_t)at) < 0)
			break;
	}
	free(buf);
	return NULL;
}

static int read_all(const char *path, unsigned long threads)
{
	struct reading r = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
	pthread_t workers[MAX_THREADS];
	struct timespec start, end;
	struct stat st;
	if (r.fd < 0 || fstat(r.fd, &st) || threads > MAX_THREADS)
		return 1;
	r.size = (uint64_t)st.st_size;
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned long i = 0; i < threads; i++) {
		if (pthread_create(&workers[i], NULL, read_blocks, &r))
			return 1;
	}
	for (unsigned long i = 0; i < threads; i++)
		pthread_join(workers[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("%.6f\n", (double)(end.tv_sec - start.tv_sec) +
				 (double)(end.tv_nsec - start.tv_nsec) / 1e9);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "fill"))
		return fill(argv[2], strtoull(argv[3], NULL, 0));
	if (argc == 4 && !strcmp(argv[1], "read"))
		return read_all(argv[2], strtoul(argv[3], NULL, 0));
	fputs("usage: dense fill FILE SIZE | dense read FILE THREADS\n",
	      stderr);
	return 64;
}
