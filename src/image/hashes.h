/* SPDX-License-Identifier: Apache-2.0 */
/* The hashes that containers store, several of them over one stream. */
#ifndef VDS_IMAGE_HASHES_H
#define VDS_IMAGE_HASHES_H

#include "base/sha256.h"
#include "image/oldhash.h"
#include "image/sha512.h"

enum vds_hash_type {
	VDS_HASH_MD5, VDS_HASH_SHA1, VDS_HASH_SHA256, VDS_HASH_SHA512,
	VDS_NUM_HASHES,
};

/* Bytes of the longest of them, and its hex digits with a NUL. */
#define VDS_HASH_MAX VDS_SHA512_SIZE
#define VDS_HASH_HEX_SIZE (2 * VDS_HASH_MAX + 1)

/* Caller's storage; nothing to free. */
struct vds_hashes {
	unsigned int wanted;	/* bit per type */
	struct vds_oldhash md5, sha1;
	struct vds_sha256 sha256;
	struct vds_sha512 sha512;
};

/* "MD5", "SHA1", "SHA256", "SHA512". */
const char *vds_hash_name(enum vds_hash_type type);
/* The type of that name, in any case of letters; VDS_NUM_HASHES if unknown. */
enum vds_hash_type vds_hash_by_name(const char *name);
/* Bytes of a digest. */
size_t vds_hash_size(enum vds_hash_type type);

/* @wanted: 1 << type for each type. */
void vds_hashes_init(struct vds_hashes *hashes, unsigned int wanted);
void vds_hashes_update(struct vds_hashes *hashes, const void *data,
		       size_t len);
/* Each wanted type once, in any order. */
void vds_hashes_final(struct vds_hashes *hashes, enum vds_hash_type type,
		      uint8_t out[VDS_HASH_MAX]);
/* The digest as lower-case hex digits and a NUL. */
void vds_hash_hex(enum vds_hash_type type, const uint8_t *digest,
		  char out[VDS_HASH_HEX_SIZE]);

#endif
