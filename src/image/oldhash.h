/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MD5 (RFC 1321) and SHA-1 (FIPS 180-4): only to compare with hashes that old
 * acquisition tools left in their files. Nothing is ever protected by them.
 */
#ifndef VDS_IMAGE_OLDHASH_H
#define VDS_IMAGE_OLDHASH_H

#include <stddef.h>
#include <stdint.h>

#define VDS_MD5_SIZE 16
#define VDS_SHA1_SIZE 20

/* Caller's storage. */
struct vds_oldhash {
	uint32_t state[5];
	uint64_t len;
	uint8_t block[64];
	void (*compress)(uint32_t *state, const uint8_t *block);
};

void vds_md5_init(struct vds_oldhash *hash);
void vds_sha1_init(struct vds_oldhash *hash);
void vds_oldhash_update(struct vds_oldhash *hash, const void *data, size_t len);
/* 16 bytes for MD5, 20 for SHA-1. */
void vds_md5_final(struct vds_oldhash *hash, uint8_t out[VDS_MD5_SIZE]);
void vds_sha1_final(struct vds_oldhash *hash, uint8_t out[VDS_SHA1_SIZE]);

#endif
