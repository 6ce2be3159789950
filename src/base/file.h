/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Read-only files of any size, shared by all threads.
 *
 * Random reads go through a mapping (a system call per 8-byte pointer would
 * cost more than everything else); a file that shrinks under us raises SIGBUS
 * there, which is caught: the lost bytes read as absent, the process lives on.
 * Mapped pages count as resident memory, so the mapping is dropped and faulted
 * in again whenever more than a budget of it has been touched.
 */
#ifndef VDS_BASE_FILE_H
#define VDS_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "vadose/error.h"

struct vds_file;

/*
 * Opens a regular file or block device read-only. Errors: VDS_ERROR_NO_INPUT
 * (does not exist, no permission, a directory).
 */
struct vds_error *vds_file_open(const char *path, struct vds_file **ret);
/* Closes; NULL accepted. No other thread may be reading. */
void vds_file_close(struct vds_file *file);

/* The path as given to vds_file_open(); borrowed. */
const char *vds_file_path(const struct vds_file *file);
/* Size in bytes when it was opened. */
uint64_t vds_file_size(const struct vds_file *file);

/*
 * Copies up to @len bytes at @offset and returns how many there were: fewer
 * than @len only at the end of the file (as opened, or as it is now if it has
 * shrunk), or where the device fails. Thread-safe. Random access.
 */
size_t vds_file_read(const struct vds_file *file, uint64_t offset, void *buf,
		     size_t len);

/*
 * As vds_file_read(), by system call and without touching the mapping: for
 * long sequential reads (scans, hashing, conversion).
 */
size_t vds_file_pread(const struct vds_file *file, uint64_t offset, void *buf,
		      size_t len);

/*
 * The next offset >= @offset that holds data (not a hole of a sparse file), or
 * the file size if there is none; @offset itself where the system can't tell.
 * An optimisation only: holes read as zeros.
 */
uint64_t vds_file_next_data(const struct vds_file *file, uint64_t offset);
/* The next offset > @offset where a hole begins, or the file size. */
uint64_t vds_file_next_hole(const struct vds_file *file, uint64_t offset);

/* True once a read met the end of a file that has shrunk since it was opened. */
bool vds_file_shrunk(const struct vds_file *file);

/* Reads a whole small file; VDS_ERROR_NO_INPUT, or VDS_ERROR_FORMAT if larger
 * than @max bytes. *ret is malloc'ed and NUL-terminated past *ret_len bytes. */
struct vds_error *vds_file_slurp(const char *path, size_t max, char **ret,
				 size_t *ret_len);

#endif
