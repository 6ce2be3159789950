/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random access to streams in the snappy framing format (framing_format.txt
 * of google/snappy): chunks of at most 64 KiB, each with a CRC. The chunk
 * headers are walked once; every few chunks a mark stays in memory (about 2 MB
 * for 64 GB), and chunks are decoded on demand, into a bounded cache.
 */
#ifndef VDS_IMAGE_FRAMES_H
#define VDS_IMAGE_FRAMES_H

#include "base/file.h"
#include "image/chunk_cache.h"
#include "image/progress.h"

#define VDS_FRAMES_MAGIC "\xff\x06\x00\x00sNaPpY"
#define VDS_FRAMES_MAGIC_LEN 10

struct vds_frames_mark {
	uint64_t pos;		/* decoded bytes before this chunk */
	uint64_t offset;	/* of its header in the file */
};

/* Immutable once all streams are added; then shared by threads. */
struct vds_frames {
	const struct vds_file *file;
	struct vds_frames_mark *marks;
	size_t num_marks, cap_marks;
	uint64_t size;		/* decoded bytes of all streams */
	const struct vds_progress *progress;	/* of adding; may be NULL */
	struct vds_chunk_cache *cache;
};

/* VDS_ERROR_UNSUPPORTED if the build lacks snappy. */
struct vds_error *vds_frames_init(struct vds_frames *frames,
				  const struct vds_file *file);
void vds_frames_deinit(struct vds_frames *frames);

/*
 * Indexes the stream at *offset up to @want decoded bytes, or to the end of
 * the file if that comes first (then the last, cut chunk doesn't count); its
 * bytes come at frames->size as it was before. Moves *offset behind the last
 * chunk. VDS_ERROR_FORMAT if a chunk is malformed, or crosses @want; vds_stop.
 */
struct vds_error *vds_frames_add(struct vds_frames *frames, uint64_t *offset,
				 uint64_t want);

/*
 * Up to @len decoded bytes from @pos on; fewer where a chunk is damaged.
 * @sequential: doesn't touch the cache. Thread-safe.
 */
size_t vds_frames_read(const struct vds_frames *frames, uint64_t pos,
		       void *buf, size_t len, bool sequential);

#endif
