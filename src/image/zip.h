/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reader of zip archives as AFF4 writers make them. Only the central directory
 * is believed: sizes, extra fields and data descriptors of local headers are
 * wrong in files of every AFF4 writer but one, which is why no zip library
 * reads them all. Members are found by the caller; data of stored members is
 * read at its place in the file.
 *
 * Layout: PKWARE APPNOTE 6.3, sections 4.3 (headers) and 4.5.3 (zip64 extra).
 */
#ifndef VDS_IMAGE_ZIP_H
#define VDS_IMAGE_ZIP_H

#include <stdatomic.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/note.h"

enum vds_zip_method {
	VDS_ZIP_STORED = 0,
	VDS_ZIP_DEFLATED = 8,
};

struct vds_zip_member {
	const char *name;	/* as stored, NUL-terminated, without inner NULs */
	size_t name_len;
	uint64_t header;	/* file offset of the local header */
	uint64_t csize;		/* bytes in the archive */
	uint64_t usize;		/* bytes once inflated */
	uint32_t crc;		/* CRC-32 of the inflated bytes */
	uint16_t method;	/* enum vds_zip_method; nothing else is kept */
	_Atomic uint64_t data;	/* file offset of the data, 0 = not looked up */
};

/* Everything but `file` lives in the arena given to vds_zip_open(). */
struct vds_zip {
	const struct vds_file *file;
	struct vds_zip_member *members;	/* in the order of the directory */
	size_t num_members;
	const char *comment;	/* NUL-terminated; may hold NULs before that */
	size_t comment_len;
	uint64_t directory;	/* file offset of the central directory */
};

/*
 * True if the file ends in an end-of-central-directory record whose comment
 * reaches exactly to the end of the file: cheap, and rare in anything else.
 */
bool vds_zip_probe(const struct vds_file *file);

/*
 * Reads the central directory. VDS_ERROR_NOT_AN_IMAGE if there is none,
 * VDS_ERROR_FORMAT where it contradicts itself, VDS_ERROR_UNSUPPORTED for
 * encryption, other methods and archives on several disks. Messages name
 * offset, field and value, not the file.
 */
struct vds_error *vds_zip_open(const struct vds_file *file,
			       struct vds_arena *arena, struct vds_notes *notes,
			       struct vds_zip *ret);

/* File offset of the member's data, csize bytes long. Thread-safe. */
struct vds_error *vds_zip_locate(const struct vds_zip *zip,
				 struct vds_zip_member *member,
				 uint64_t *ret);

/*
 * The whole member, inflated, its CRC checked; malloc'ed, and followed by a NUL
 * that *ret_len doesn't count. Members larger than @max are refused.
 */
struct vds_error *vds_zip_extract(const struct vds_zip *zip,
				  struct vds_zip_member *member, size_t max,
				  uint8_t **ret, size_t *ret_len);

#endif
