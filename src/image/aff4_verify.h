/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the hashes that a volume stores with what its streams decode to. */
#ifndef VDS_IMAGE_AFF4_VERIFY_H
#define VDS_IMAGE_AFF4_VERIFY_H

#include "image/digest.h"

/* One stored hash; strings are borrowed for the time of the call. */
struct vds_aff4_check {
	const char *urn;	/* of the stream */
	const char *type;	/* "MD5", "SHA1", "SHA256" */
	const char *stored;	/* hex, as in the volume */
	const char *computed;	/* hex, lower case */
	bool equal;
};

/*
 * Decodes each stream of @image that has a stored linear hash, once, and calls
 * @on_check for each such hash; nothing is called for an image without any, or
 * that isn't AFF4. Hashes of other kinds (of blocks, of the map) are passed
 * over. VDS_ERROR_FORMAT if a stream can't be decoded to its end; vds_stop if
 * @progress (may be NULL) ends it.
 */
struct vds_error *vds_aff4_verify(const struct vds_image *image,
				  const struct vds_progress *progress,
				  void (*on_check)(void *ctx,
					const struct vds_aff4_check *check),
				  void *ctx);

#endif
