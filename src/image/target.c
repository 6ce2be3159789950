/* SPDX-License-Identifier: Apache-2.0 */
#include "image/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

/* Zeros shorter than this aren't worth a hole. */
#define SPARSE_BLOCK ((size_t)1 << 14)

static struct vds_error *failed(const struct vds_target *target, int errnum)
{
	return vds_error_errno(VDS_ERROR_OUTPUT, errnum, "%s", target->path);
}

static struct vds_error *open_temp(struct vds_target *target)
{
	if (asprintf(&target->temp, "%s.XXXXXX", target->path) < 0) {
		target->temp = NULL;
		return &vds_enomem;
	}
	target->fd = mkostemp(target->temp, O_CLOEXEC);
	if (target->fd < 0) {
		int errnum = errno;
		free(target->temp);
		target->temp = NULL;
		return failed(target, errnum);
	}
	/* mkostemp() makes it private; give it what open() would have. */
	mode_t mask = umask(0);
	umask(mask);
	fchmod(target->fd, 0666 & ~mask);
	return NULL;
}

struct vds_error *vds_target_open(struct vds_target *target, const char *path)
{
	struct stat st;
	*target = (struct vds_target){.fd = -1, .path = strdup(path)};
	if (!target->path)
		return &vds_enomem;
	struct vds_error *err = lstat(path, &st) ? open_temp(target) :
						   failed(target, EEXIST);
	if (err)
		vds_target_deinit(target);
	return err;
}

static struct vds_error *write_at(struct vds_target *target, uint64_t at,
				  const uint8_t *buf, size_t len)
{
	while (len) {
		ssize_t n = pwrite(target->fd, buf, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return failed(target, n ? errno : ENOSPC);
		at += (uint64_t)n;
		buf += n;
		len -= (size_t)n;
	}
	return NULL;
}

static bool all_zeros(const uint8_t *buf, size_t len)
{
	return !buf[0] && !memcmp(buf, buf + 1, len - 1);
}

struct vds_error *vds_target_write(struct vds_target *target, const void *buf,
				   size_t len)
{
	const uint8_t *p = buf;
	while (len) {
		/* As many blocks as are of one kind, in one call. */
		size_t n = VDS_MIN(len, SPARSE_BLOCK);
		bool zeros = all_zeros(p, n);
		while (n < len) {
			size_t more = VDS_MIN(len - n, SPARSE_BLOCK);
			if (all_zeros(p + n, more) != zeros)
				break;
			n += more;
		}
		struct vds_error *err =
			zeros ? NULL : write_at(target, target->pos, p, n);
		if (err)
			return err;
		target->pos += n;
		p += n;
		len -= n;
	}
	return NULL;
}

void vds_target_skip(struct vds_target *target, uint64_t len)
{
	target->pos += len;
}

struct vds_error *vds_target_patch(struct vds_target *target, uint64_t at,
				   const void *buf, size_t len)
{
	return write_at(target, at, buf, len);
}

struct vds_error *vds_target_commit(struct vds_target *target)
{
	struct vds_error *err = NULL;
	if (target->pos > INT64_MAX)
		err = failed(target, EFBIG);
	else if (ftruncate(target->fd, (off_t)target->pos) ||
		 fsync(target->fd))
		err = failed(target, errno);
	if (close(target->fd) && !err)
		err = failed(target, errno);
	target->fd = -1;
	/* link() never replaces; not every file system can do it. */
	if (!err && link(target->temp, target->path)) {
		if (errno == EEXIST || rename(target->temp, target->path))
			err = failed(target, errno);
		else
			*target->temp = 0;
	}
	return err;
}

void vds_target_deinit(struct vds_target *target)
{
	if (target->fd >= 0)
		close(target->fd);
	if (target->temp && *target->temp)
		unlink(target->temp);
	free(target->temp);
	free(target->path);
	*target = (struct vds_target){.fd = -1};
}
