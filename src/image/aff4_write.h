/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes any image as an AFF4 volume of the standard dialect, laid out as
 * c-aff4 (WinPmem 3.3) does: a map "PhysicalMemory" over one image stream.
 */
#ifndef VDS_IMAGE_AFF4_WRITE_H
#define VDS_IMAGE_AFF4_WRITE_H

#include "image/codec.h"
#include "image/digest.h"

struct vds_aff4_write_options {
	enum vds_codec codec;	/* the build must have it */
	uint32_t chunk_size;	/* bytes, 4096 to 8 MiB; 0 = 32768 */
	uint32_t chunks_per_bevy;	/* 0 = 1024 */
	unsigned int threads;	/* that compress; 0 = as many as processors */
	const struct vds_progress *progress;	/* may be NULL */
};

/* What became of the bytes. */
struct vds_aff4_written {
	uint64_t data;		/* bytes of memory in the volume */
	uint64_t damaged;	/* bytes that couldn't be read: "unreadable" */
	uint64_t size;		/* of the volume */
	char urn[48];		/* of the volume: "aff4://GUID" */
};

/*
 * Writes @image into @fd, an empty seekable file open for writing. Gaps stay
 * gaps; zero and unreadable ranges stay what they are, and unreadable ones keep
 * their pattern where the source is AFF4. The volume's GUID comes from its
 * content: the same image gives the same bytes, at any number of threads.
 * Errors: VDS_ERROR_OUTPUT; VDS_ERROR_UNSUPPORTED if the image has no physical
 * memory or the build lacks the codec; vds_stop if progress says so. @ret may
 * be NULL. The file's name, and its removal after an error, are the caller's.
 */
struct vds_error *vds_aff4_write(const struct vds_image *image, int fd,
				 const struct vds_aff4_write_options *options,
				 struct vds_aff4_written *ret);

#endif
