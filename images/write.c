/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's memory as a padded raw or a LiME file; sparse where zero. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"

/* Conventional memory ends here and goes on at 1 MB. */
#define LOW_END 0x9f000u
#define HIGH_START 0x100000u

/* LiME v1 range header: "EMiL", version, first and last byte. */
#define LIME_MAGIC 0x4c694d45u
#define LIME_HEADER 32u

static void closep(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static struct vds_error *write_at(int fd, const char *path, const void *buf,
				  size_t len, uint64_t offset)
{
	const uint8_t *p = buf;

	while (len) {
		ssize_t n = pwrite(fd, p, len, (off_t)offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return vds_error_errno(VDS_ERROR_OUTPUT, errno, "%s",
					       path);
		p += n;
		len -= (size_t)n;
		offset += (uint64_t)n;
	}
	return NULL;
}

/* Pages of [start, end) to the file, @start at @offset; zero pages are holes */
static struct vds_error *write_pages(struct world *w, int fd,
				     const char *path, uint64_t start,
				     uint64_t end, uint64_t offset)
{
	static const uint8_t zero[VDS_PAGE_SIZE];

	for (uint64_t pa = start; pa < end; pa += VDS_PAGE_SIZE) {
		const uint8_t *page = mem_peek(w, pa / VDS_PAGE_SIZE);
		if (!page || memcmp(page, zero, sizeof(zero)) == 0)
			continue;
		struct vds_error *err = write_at(fd, path, page, VDS_PAGE_SIZE,
						 offset + (pa - start));
		if (err)
			return err;
	}
	return NULL;
}

bool world_next_run(const struct world *w, uint64_t *start, uint64_t *end)
{
	uint64_t at = *start;

	for (;;) {
		if (at < VDS_PAGE_SIZE)
			at = VDS_PAGE_SIZE;
		if (at >= LOW_END && at < HIGH_START)
			at = HIGH_START;
		if (at >= w->scene->memory)
			return false;
		const struct range *in = NULL;
		uint64_t stop = at < LOW_END ? LOW_END : w->scene->memory;
		for (const struct range *r = w->scene->holes; r; r = r->next) {
			if (at >= r->start && at < r->start + r->len)
				in = r;
			else if (r->start > at)
				stop = VDS_MIN(stop, r->start);
		}
		if (!in) {
			*start = at;
			*end = stop;
			return true;
		}
		at = in->start + in->len;
	}
}

static struct vds_error *finish(int fd, const char *path, uint64_t size,
				uint64_t truncate)
{
	if (truncate && truncate < size)
		size = truncate;
	if (ftruncate(fd, (off_t)size) < 0)
		return vds_error_errno(VDS_ERROR_OUTPUT, errno, "%s", path);
	return NULL;
}

static struct vds_error *create(const char *path, int *ret)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return vds_error_errno(VDS_ERROR_OUTPUT, errno, "%s", path);
	*ret = fd;
	return NULL;
}

struct vds_error *world_write_raw(struct world *w, const char *path)
{
	_cleanup_(closep) int fd = -1;
	struct vds_error *err = create(path, &fd);
	uint64_t start = 0, end = 0;

	while (!err && world_next_run(w, &start, &end)) {
		err = write_pages(w, fd, path, start, end, start);
		start = end;
	}
	return err ? err : finish(fd, path, w->scene->memory,
				  w->scene->truncate);
}

struct vds_error *world_write_lime(struct world *w, const char *path)
{
	_cleanup_(closep) int fd = -1;
	struct vds_error *err = create(path, &fd);
	uint64_t start = 0, end = 0, offset = 0;

	while (!err && world_next_run(w, &start, &end)) {
		uint8_t header[LIME_HEADER] = { 0 };
		vds_put_le32(header, LIME_MAGIC);
		vds_put_le32(header + 4, 1);
		vds_put_le64(header + 8, start);
		vds_put_le64(header + 16, end - 1);
		err = write_at(fd, path, header, sizeof(header), offset);
		offset += sizeof(header);
		if (!err)
			err = write_pages(w, fd, path, start, end, offset);
		offset += end - start;
		start = end;
	}
	return err ? err : finish(fd, path, offset, w->scene->truncate);
}
