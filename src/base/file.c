/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/fs.h>

#include "base/sigbus.h"
#include "base/util.h"

/*
 * The kernel maps up to 64 KiB around a fault ("fault-around"), so residency
 * is counted in blocks of that size. 64 MiB of blocks leaves room for
 * everything else below 256 MiB.
 */
#define BLOCK_SHIFT 16
#define BLOCK_BUDGET ((size_t)1024)

struct vds_file {
	char *path;
	int fd;
	uint64_t size;
	const uint8_t *map;	/* NULL: not mappable, use pread */
	struct vds_sigbus_range guard;
	_Atomic uint64_t *touched;	/* a bit per block */
	size_t touched_words;
	atomic_size_t touched_count;
	atomic_bool shrunk;
};

static void map_file(struct vds_file *file)
{
	if (!file->size || file->size > SIZE_MAX)
		return;
	size_t words = (size_t)((file->size >> BLOCK_SHIFT) / 64 + 1);
	file->touched = calloc(words, sizeof(*file->touched));
	if (!file->touched)
		return;
	file->touched_words = words;
	void *map = mmap(NULL, (size_t)file->size, PROT_READ, MAP_SHARED,
			 file->fd, 0);
	if (map == MAP_FAILED)
		return;
	if (!vds_sigbus_guard(&file->guard, map, (size_t)file->size)) {
		munmap(map, (size_t)file->size);
		return;
	}
	file->map = map;
}

static struct vds_error *open_fd(struct vds_file *file)
{
	struct stat st;
	file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (file->fd < 0 || fstat(file->fd, &st))
		return vds_error_errno(VDS_ERROR_NO_INPUT, errno, "%s",
				       file->path);
	if (S_ISREG(st.st_mode)) {
		file->size = (uint64_t)st.st_size;
	} else if (S_ISBLK(st.st_mode)) {
		if (ioctl(file->fd, BLKGETSIZE64, &file->size))
			return vds_error_errno(VDS_ERROR_NO_INPUT, errno,
					       "%s: size of the device",
					       file->path);
	} else {
		return vds_error_create(VDS_ERROR_NO_INPUT,
					"%s: neither a file nor a block device",
					file->path);
	}
	return NULL;
}

struct vds_error *vds_file_open(const char *path, struct vds_file **ret)
{
	struct vds_file *file = calloc(1, sizeof(*file));
	if (!file)
		return &vds_enomem;
	file->fd = -1;
	file->path = strdup(path);
	struct vds_error *err = file->path ? open_fd(file) : &vds_enomem;
	if (err) {
		vds_file_close(file);
		return err;
	}
	map_file(file);
	*ret = file;
	return NULL;
}

void vds_file_close(struct vds_file *file)
{
	if (!file)
		return;
	if (file->map) {
		vds_sigbus_unguard(&file->guard);
		munmap((void *)file->map, (size_t)file->size);
	}
	if (file->fd >= 0)
		close(file->fd);
	free(file->touched);
	free(file->path);
	free(file);
}

const char *vds_file_path(const struct vds_file *file)
{
	return file->path;
}

uint64_t vds_file_size(const struct vds_file *file)
{
	return file->size;
}

bool vds_file_shrunk(const struct vds_file *file)
{
	return atomic_load(&file->shrunk) || vds_sigbus_hit(&file->guard);
}

/* Drops the resident part of the mapping; readers just fault it in again. */
static void drop_mapping(struct vds_file *file)
{
	for (size_t i = 0; i < file->touched_words; i++)
		atomic_store_explicit(&file->touched[i], 0,
				      memory_order_relaxed);
	atomic_store(&file->touched_count, 0);
	/*
	 * Pages that the SIGBUS handler replaced are private zeros, and may go
	 * as well: reading them again raises the signal again.
	 */
	madvise((void *)file->map, (size_t)file->size, MADV_DONTNEED);
}

static void touch(struct vds_file *file, uint64_t block)
{
	_Atomic uint64_t *word = &file->touched[block / 64];
	uint64_t bit = UINT64_C(1) << (block % 64);
	if (atomic_load_explicit(word, memory_order_relaxed) & bit)
		return;
	if (atomic_fetch_or_explicit(word, bit, memory_order_relaxed) & bit)
		return;
	if (atomic_fetch_add(&file->touched_count, 1) >= BLOCK_BUDGET)
		drop_mapping(file);
}

size_t vds_file_pread(const struct vds_file *file, uint64_t offset, void *buf,
		      size_t len)
{
	size_t done = 0;
	if (offset >= file->size)
		return 0;
	len = (size_t)VDS_MIN((uint64_t)len, file->size - offset);
	while (done < len) {
		ssize_t n = pread(file->fd, (char *)buf + done, len - done,
				  (off_t)(offset + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			atomic_store(&((struct vds_file *)file)->shrunk, true);
			break;
		}
		done += (size_t)n;
	}
	return done;
}

/* A read this long is a stream: it would flush the mapping's budget. */
#define LONG_READ ((size_t)1 << 20)

size_t vds_file_read(const struct vds_file *file, uint64_t offset, void *buf,
		     size_t len)
{
	if (offset >= file->size)
		return 0;
	len = (size_t)VDS_MIN((uint64_t)len, file->size - offset);
	if (!file->map || len >= LONG_READ || vds_sigbus_hit(&file->guard))
		return vds_file_pread(file, offset, buf, len);
	for (uint64_t block = offset >> BLOCK_SHIFT;
	     block <= (offset + len - 1) >> BLOCK_SHIFT && len; block++)
		touch((struct vds_file *)file, block);
	memcpy(buf, file->map + offset, len);
	/* The copy itself may have met the hole: ask the system how far. */
	if (vds_sigbus_hit(&file->guard))
		return vds_file_pread(file, offset, buf, len);
	return len;
}

static uint64_t seek(const struct vds_file *file, uint64_t offset, int whence,
		     uint64_t unknown)
{
	off_t pos = lseek(file->fd, (off_t)offset, whence);
	if (pos < 0)
		return errno == ENXIO ? file->size : unknown;
	return VDS_MIN((uint64_t)pos, file->size);
}

uint64_t vds_file_next_data(const struct vds_file *file, uint64_t offset)
{
	return seek(file, offset, SEEK_DATA, offset);
}

uint64_t vds_file_next_hole(const struct vds_file *file, uint64_t offset)
{
	return seek(file, offset, SEEK_HOLE, file->size);
}

struct vds_error *vds_file_slurp(const char *path, size_t max, char **ret,
				 size_t *ret_len)
{
	struct vds_file *file;
	struct vds_error *err = vds_file_open(path, &file);
	if (err)
		return err;
	uint64_t size = file->size;
	char *buf = NULL;
	if (size > max) {
		err = vds_error_create(VDS_ERROR_FORMAT,
				       "%s: %llu bytes, larger than the limit of %zu",
				       path, (unsigned long long)size, max);
	} else if (!(buf = malloc((size_t)size + 1))) {
		err = &vds_enomem;
	} else {
		*ret_len = vds_file_pread(file, 0, buf, (size_t)size);
		buf[*ret_len] = 0;
		*ret = buf;
	}
	vds_file_close(file);
	return err;
}
