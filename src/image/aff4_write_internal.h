/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the AFF4 writer share: aff4_write*.c. */
#ifndef VDS_IMAGE_AFF4_WRITE_INTERNAL_H
#define VDS_IMAGE_AFF4_WRITE_INTERNAL_H

#include "base/str.h"
#include "image/aff4_internal.h"
#include "image/aff4_write.h"
#include "image/zip_write.h"

#define VDS_AFF4_INDEX_ENTRY 12
/* The data stream, zeros, two patterns, and one line for each byte value. */
#define VDS_AFF4_LINES_MAX 260

struct vds_aff4_gap {
	uint64_t pa, len;
};

struct vds_aff4_gaps {
	struct vds_aff4_gap *list;
	size_t count, cap;
};

/* A batch of chunks on its way from a worker to the file. */
struct vds_aff4_batch {
	uint8_t *raw;		/* as in memory, padded to whole chunks */
	uint8_t *packed;	/* one behind the other */
	uint32_t *lens;		/* of each packed chunk */
	struct vds_aff4_gaps damaged;
};

struct vds_aff4_writer {
	const struct vds_image *image;
	const struct vds_aff4_write_options *options;
	struct vds_zip_writer zip;
	const struct vds_range *ranges;
	size_t num_ranges;
	uint64_t *starts;	/* offset in the stream of each range's data */
	uint64_t size;		/* of the stream */
	uint32_t chunk_size, chunks_per_bevy;
	size_t batch_chunks;
	struct vds_aff4_batch *batches;	/* a ring of `window` */
	size_t window;
	uint8_t *index;		/* of the bevy being written */
	uint32_t slot;		/* chunks in it so far */
	uint64_t bevy_pos;	/* bytes in it so far */
	uint32_t bevy;
	struct vds_sha256 hash;	/* of the stream */
	struct vds_aff4_gaps damaged;
	/* idx: lines in the order of first use; symbolic streams are few. */
	struct vds_str idx_lines[VDS_AFF4_LINES_MAX];
	size_t num_lines;
	char urn[48];
};

/* aff4_write_stream.c: ranges to chunks, chunks to bevies */

/* Writes the image stream; leaves its SHA-256 running in w->hash. */
struct vds_error *vds_aff4_write_stream(struct vds_aff4_writer *w);
void vds_aff4_free_batches(struct vds_aff4_writer *w);

/* aff4_write_map.c: where the stream and the rest belong */

/* The map segment; fills w->idx_lines, of which line 0 is the stream. */
void vds_aff4_build_map(struct vds_aff4_writer *w, struct vds_str *map);

/* aff4_write_meta.c: what is said about it */

/* @sha256: of the stream, in hex. */
void vds_aff4_build_turtle(const struct vds_aff4_writer *w, const char *sha256,
			   struct vds_str *out);
/* WinPmem's way to pass on what is known about the system. */
void vds_aff4_build_yaml(const struct vds_aff4_writer *w, struct vds_str *out);

#endif
