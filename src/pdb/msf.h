/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The container of a PDB: MSF 7.00 ("multi-stream file"), numbered streams
 * made of blocks that may lie anywhere in the file.
 *
 * Facts from Microsoft's published PDB source (microsoft-pdb, msf.cpp) and
 * LLVM's docs/PDB/MsfFile.rst. A stream is checked before any of it is read:
 * each block exists and occurs in it once, so that no stream is longer than
 * the file, and what a caller loads is bounded by the file that is there.
 * Not thread-safe: what has been checked is remembered.
 */
#ifndef VDS_PDB_MSF_H
#define VDS_PDB_MSF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vadose/error.h"

struct vds_msf;

/* Streams with a fixed number. */
enum {
	VDS_MSF_INFO = 1,
	VDS_MSF_TPI = 2,
	VDS_MSF_DBI = 3,
	VDS_MSF_IPI = 4,
};

/* As a stream number: there is none. */
#define VDS_MSF_NO_STREAM 0xffffu

/*
 * Opens a PDB and reads its stream directory. Errors carry the path:
 * VDS_ERROR_NO_INPUT, VDS_ERROR_FORMAT (not a PDB, or damaged; says where),
 * VDS_ERROR_UNSUPPORTED (PDB 2.00, portable PDB, compressed file; says what to
 * do about it).
 */
struct vds_error *vds_msf_open(const char *path, struct vds_msf **ret);
/* The same from @len borrowed bytes at @data; @name is used in messages. */
struct vds_error *vds_msf_open_memory(const char *name, const void *data,
				      size_t len, struct vds_msf **ret);
/* NULL accepted. */
void vds_msf_close(struct vds_msf *msf);

/* The path as given to vds_msf_open(); borrowed. */
const char *vds_msf_path(const struct vds_msf *msf);
uint32_t vds_msf_block_size(const struct vds_msf *msf);
uint32_t vds_msf_num_streams(const struct vds_msf *msf);

/* True if @stream is in the directory and not deleted. */
bool vds_msf_has(const struct vds_msf *msf, uint32_t stream);
/* Bytes; 0 where vds_msf_has() is false. */
uint32_t vds_msf_size(const struct vds_msf *msf, uint32_t stream);

/*
 * Copies bytes [off, off + len) of @stream to @buf. VDS_ERROR_FORMAT, with
 * stream and position, if they are not all there.
 */
struct vds_error *vds_msf_read(const struct vds_msf *msf, uint32_t stream,
			       uint32_t off, void *buf, size_t len);

/*
 * Loads bytes [off, off + len) of @stream into memory; *ret is malloc'ed.
 * Fails before it allocates if the stream has fewer.
 */
struct vds_error *vds_msf_load(const struct vds_msf *msf, uint32_t stream,
			       uint32_t off, size_t len, uint8_t **ret);

#endif
