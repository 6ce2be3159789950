/* SPDX-License-Identifier: Apache-2.0 */
/* Compares the hashes that a volume stores with what is in it. */
#ifndef VDS_IMAGE_AFF4_VERIFY_H
#define VDS_IMAGE_AFF4_VERIFY_H

#include "image/digest.h"

enum vds_verdict {
	VDS_VERDICT_EQUAL,
	VDS_VERDICT_DIFFERS,
	VDS_VERDICT_UNCHECKED,	/* see `why` */
};

/* One stored hash, or a group of them; strings are borrowed for the call. */
struct vds_aff4_check {
	const char *urn;	/* of what was hashed */
	const char *what;	/* "hash", "mapIdxHash", "blockHash", "members" */
	const char *type;	/* "MD5", "SHA1", "SHA256", "SHA512", "CRC-32" */
	const char *stored;	/* hex, as in the volume; NULL for a group */
	const char *computed;	/* hex, lower case; NULL if it wasn't */
	const char *why;	/* "61 of 62 chunks", why it isn't checked; or NULL */
	enum vds_verdict verdict;
};

/* Gets the checks one by one, in an order that depends on the volumes only. */
struct vds_aff4_checker {
	void (*on_check)(void *ctx, const struct vds_aff4_check *check);
	void *ctx;
	const struct vds_progress *progress;	/* may be NULL */
};

/*
 * Checks all that the volumes of @image store: linear hashes of streams and
 * hashes of their chunks (each stream is decoded once), hashes of maps and
 * other segments, the CRC-32 of each member of a zip archive. Nothing is called
 * for an image without any, or that isn't AFF4. vds_stop if the progress says
 * so; a stream that can't be decoded DIFFERS.
 */
struct vds_error *vds_aff4_verify(const struct vds_image *image,
				  const struct vds_aff4_checker *checker);

#endif
