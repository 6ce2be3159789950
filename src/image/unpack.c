/* SPDX-License-Identifier: Apache-2.0 */
#include "image/unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <zlib.h>

#include "base/util.h"

#define BLOCK ((size_t)1 << 18)
/* Room for a container's header: what decides that a stream is real. */
#define PROBE_OUT 4096

/* zlib decides between its own and gzip's header by itself. */
#define ANY_HEADER (15 + 32)

/* A file system is never filled up to its last bytes. */
#define RESERVE ((uint64_t)256 << 20)
/* How often that is looked at: so many bytes written. */
#define ROOM_STEP ((uint64_t)16 << 20)

/*
 * Deflate can shrink by 1032 at most, and does for zeros only. Memory has
 * long runs of zeros, but never so many that the rest makes no difference.
 */
#define BOMB_SIZE ((uint64_t)1 << 30)
#define BOMB_RATIO 1000

struct sink {
	int fd;
	const char *dir;
	uint64_t size;
	uint64_t written;	/* of these, not holes */
	uint64_t next_look;	/* at the room left, once so many are written */
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static struct vds_error *sink_open(struct sink *sink)
{
	const char *dir = getenv("TMPDIR");
	sink->dir = dir && *dir ? dir : "/var/tmp";
	sink->fd = open(sink->dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (sink->fd < 0) {
		/* Not every file system has nameless files. */
		_cleanup_free_ char *path = NULL;
		if (asprintf(&path, "%s/vadose-XXXXXX", sink->dir) < 0)
			path = NULL;
		if (!path)
			return &vds_enomem;
		sink->fd = mkostemp(path, O_CLOEXEC);
		if (sink->fd >= 0)
			unlink(path);
	}
	if (sink->fd < 0)
		return vds_error_errno(VDS_ERROR_OUTPUT, errno,
				       "can't unpack into %s (TMPDIR chooses another folder)",
				       sink->dir);
	return NULL;
}

static struct vds_error *sink_failed(const struct sink *sink, int errnum)
{
	return vds_error_errno(VDS_ERROR_OUTPUT, errnum,
			       "unpacking into %s, after 0x%llx bytes (TMPDIR chooses another folder)",
			       sink->dir, (unsigned long long)sink->size);
}

static struct vds_error *check_room(struct sink *sink)
{
	struct statvfs st;
	if (sink->written < sink->next_look)
		return NULL;
	sink->next_look = sink->written + ROOM_STEP;
	if (fstatvfs(sink->fd, &st) ||
	    (uint64_t)st.f_bavail * st.f_frsize >= RESERVE + ROOM_STEP)
		return NULL;
	return vds_error_create(VDS_ERROR_OUTPUT,
				"unpacking into %s, after 0x%llx bytes: less than %llu MiB would be left there (TMPDIR chooses another folder)",
				sink->dir, (unsigned long long)sink->size,
				(unsigned long long)RESERVE >> 20);
}

/* Appends; zeros become a hole. */
static struct vds_error *sink_write(struct sink *sink, const uint8_t *buf,
				    size_t len)
{
	if (len && !buf[0] && !memcmp(buf, buf + 1, len - 1)) {
		sink->size += len;
		return NULL;
	}
	struct vds_error *err = check_room(sink);
	if (err)
		return err;
	sink->written += len;
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(sink->fd, buf + done, len - done,
				   (off_t)sink->size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return sink_failed(sink, n ? errno : ENOSPC);
		done += (size_t)n;
		sink->size += (uint64_t)n;
	}
	return NULL;
}

static struct vds_error *sink_finish(struct sink *sink,
				     struct vds_unpacked *ret)
{
	char path[64];
	if (ftruncate(sink->fd, (off_t)sink->size))
		return sink_failed(sink, errno);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", sink->fd);
	ret->size = sink->size;
	return vds_file_open(path, &ret->file);
}

struct inflating {
	const struct vds_file *file;
	z_stream z;
	uint64_t pos;		/* of the next read */
	uint8_t *in, *out;
	bool ended;		/* a stream has ended, none has begun since */
};

static void stop_inflating(struct inflating *i)
{
	inflateEnd(&i->z);
	free(i->in);
}

static struct vds_error *start_inflating(struct inflating *i,
					 const struct vds_file *file)
{
	*i = (struct inflating){.file = file};
	i->in = malloc(2 * BLOCK);
	if (!i->in)
		return &vds_enomem;
	i->out = i->in + BLOCK;
	return inflateInit2(&i->z, ANY_HEADER) == Z_OK ? NULL : &vds_enomem;
}

/* Makes sure that there is input; false at the end of the file. */
static bool fill(struct inflating *i)
{
	if (i->z.avail_in)
		return true;
	i->z.next_in = i->in;
	i->z.avail_in = (uInt)vds_file_pread(i->file, i->pos, i->in, BLOCK);
	i->pos += i->z.avail_in;
	return i->z.avail_in;
}

/*
 * Inflates up to @len bytes to i->out. Z_OK: go on; Z_STREAM_END: all streams
 * have ended; Z_BUF_ERROR: the file ends early; else: damaged.
 */
static int inflate_some(struct inflating *i, size_t len, size_t *ret_len)
{
	int r = Z_OK;
	i->z.next_out = i->out;
	i->z.avail_out = (uInt)len;
	while (r == Z_OK && i->z.avail_out) {
		if (!fill(i)) {
			r = i->ended ? Z_STREAM_END : Z_BUF_ERROR;
			break;
		}
		/* gzip files may have several members; padding ends them. */
		if (i->ended && *i->z.next_in != 0x1f) {
			r = Z_STREAM_END;
			break;
		}
		if (i->ended)
			inflateReset(&i->z);
		i->ended = false;
		r = inflate(&i->z, Z_NO_FLUSH);
		if (r == Z_STREAM_END) {
			i->ended = true;
			r = Z_OK;
		}
	}
	*ret_len = len - i->z.avail_out;
	return r;
}

bool vds_unpack_probe(const struct vds_file *file)
{
	uint8_t h[2];
	if (vds_file_pread(file, 0, h, 2) < 2)
		return false;
	bool gzip = h[0] == 0x1f && h[1] == 0x8b;
	bool zlib = (h[0] & 15) == 8 && h[0] >> 4 <= 7 && !(h[1] & 0x20) &&
		    (h[0] << 8 | h[1]) % 31 == 0;
	if (!gzip && !zlib)
		return false;
	struct inflating i;
	size_t n = 0;
	int r = Z_DATA_ERROR;
	if (!start_inflating(&i, file))
		r = inflate_some(&i, PROBE_OUT, &n);
	stop_inflating(&i);
	return gzip || (n && (r == Z_OK || r == Z_STREAM_END));
}

static struct vds_error *check_bomb(const struct sink *sink, uint64_t used)
{
	if (sink->size <= BOMB_SIZE || sink->size / BOMB_RATIO < used)
		return NULL;
	return vds_error_create(VDS_ERROR_FORMAT,
				"the compressed stream: 0x%llx bytes of it unpack to 0x%llx, more than %d for one: not memory (if it is, unpack it by hand)",
				(unsigned long long)used,
				(unsigned long long)sink->size, BOMB_RATIO);
}

struct vds_error *vds_unpack_inflate(const struct vds_file *file,
				     const struct vds_progress *progress,
				     struct vds_unpacked *ret)
{
	_cleanup_(close_fd) int fd = -1;
	struct sink sink = {.fd = -1, .next_look = ROOM_STEP};
	struct vds_error *err = sink_open(&sink);
	fd = sink.fd;
	if (err)
		return err;
	struct inflating i;
	int r = Z_OK;
	err = start_inflating(&i, file);
	while (!err && r == Z_OK) {
		size_t n;
		r = inflate_some(&i, BLOCK, &n);
		err = sink_write(&sink, i.out, n);
		uint64_t used = i.pos - i.z.avail_in;
		if (!err)
			err = check_bomb(&sink, used);
		if (!err && !vds_progress_step(progress, used,
					       vds_file_size(file)))
			err = &vds_stop;
	}
	struct vds_unpacked unpacked = {
		.used = i.pos - i.z.avail_in,
		.truncated = r == Z_BUF_ERROR,
		.damaged = r != Z_BUF_ERROR && r != Z_STREAM_END,
	};
	stop_inflating(&i);
	if (!err)
		err = sink_finish(&sink, &unpacked);
	if (!err)
		*ret = unpacked;
	return err;
}

struct vds_error *vds_unpack_copy(size_t (*read)(const void *ctx, uint64_t pos,
						 void *buf, size_t len),
				  const void *ctx, uint64_t size,
				  const struct vds_progress *progress,
				  struct vds_unpacked *ret)
{
	_cleanup_(close_fd) int fd = -1;
	_cleanup_free_ uint8_t *buf = malloc(BLOCK);
	struct vds_unpacked unpacked = {0};
	struct sink sink = {.fd = -1, .next_look = ROOM_STEP};
	if (!buf)
		return &vds_enomem;
	struct vds_error *err = sink_open(&sink);
	fd = sink.fd;
	while (!err && sink.size < size) {
		size_t want = (size_t)VDS_MIN((uint64_t)BLOCK,
					      size - sink.size);
		size_t n = read(ctx, sink.size, buf, want);
		err = sink_write(&sink, buf, n);
		if (!err && !vds_progress_step(progress, sink.size, size))
			err = &vds_stop;
		if (n < want) {
			unpacked.damaged = true;
			break;
		}
	}
	if (!err)
		err = sink_finish(&sink, &unpacked);
	if (!err)
		*ret = unpacked;
	return err;
}
