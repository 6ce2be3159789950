/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the verification share. */
#ifndef VDS_IMAGE_AFF4_VERIFY_INTERNAL_H
#define VDS_IMAGE_AFF4_VERIFY_INTERNAL_H

#include "image/aff4_internal.h"
#include "image/aff4_verify.h"
#include "image/hashes.h"

/* aff4_verify_stream.c: linear hashes and those of chunks, in one pass. */
struct vds_error *
vds_aff4_verify_stream(const struct vds_aff4 *a, size_t target,
		       const struct vds_aff4_checker *checker);
/* The segment with the hashes of a bevy's chunks, or NULL. */
struct vds_aff4_member *
vds_aff4_block_hashes(const struct vds_aff4 *a, const char *stream,
		      uint32_t bevy, const char *type);

/* aff4_verify_meta.c: hashes of segments, stated in the metadata. */
struct vds_error *
vds_aff4_verify_segments(const struct vds_aff4 *a,
			 const struct vds_aff4_checker *checker);

#endif
