/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-512 (FIPS 180-4): for hashes that acquisition tools left in their files. */
#ifndef VDS_IMAGE_SHA512_H
#define VDS_IMAGE_SHA512_H

#include <stddef.h>
#include <stdint.h>

#define VDS_SHA512_SIZE 64

/* Caller's storage; nothing to free. */
struct vds_sha512 {
	uint64_t state[8];
	uint64_t len;		/* bytes so far */
	uint8_t block[128];
};

void vds_sha512_init(struct vds_sha512 *hash);
void vds_sha512_update(struct vds_sha512 *hash, const void *data, size_t len);
/* @hash must be initialised again before further use. */
void vds_sha512_final(struct vds_sha512 *hash, uint8_t out[VDS_SHA512_SIZE]);

#endif
