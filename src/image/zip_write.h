/* SPDX-License-Identifier: Apache-2.0 */
/* Writes zip64 archives of stored members into a seekable file. */
#ifndef VDS_IMAGE_ZIP_WRITE_H
#define VDS_IMAGE_ZIP_WRITE_H

#include <stddef.h>
#include <stdint.h>

#include "vadose/error.h"

struct vds_zip_entry {
	char *name;
	uint64_t header;	/* file offset of the local header */
	uint64_t size;
	uint32_t crc;
};

/* Caller's storage; all but `fd` zero at first. One member is open at a time. */
struct vds_zip_writer {
	int fd;			/* seekable; not closed here */
	uint64_t pos;		/* end of what is written */
	struct vds_zip_entry *entries;
	size_t num_entries, cap_entries;
};

void vds_zip_writer_deinit(struct vds_zip_writer *w);

/* All return VDS_ERROR_OUTPUT when the file can't be written. */

/* Begins a member; its number among the entries is num_entries - 1. */
struct vds_error *vds_zip_begin(struct vds_zip_writer *w, const char *name);
struct vds_error *vds_zip_put(struct vds_zip_writer *w, const void *data,
			      size_t len);
struct vds_error *vds_zip_end(struct vds_zip_writer *w);
/* A whole member at once. */
struct vds_error *vds_zip_add(struct vds_zip_writer *w, const char *name,
			      const void *data, size_t len);
/* Replaces the content of member @number by as many other bytes. */
struct vds_error *vds_zip_rewrite(struct vds_zip_writer *w, size_t number,
				  const void *data, size_t len);
/* Writes the central directory and the end records with @comment. */
struct vds_error *vds_zip_finish(struct vds_zip_writer *w, const char *comment);

#endif
