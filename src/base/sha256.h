/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 (FIPS 180-4) over a stream: row ids, provenance, `hash`. Uses the
 * processor's SHA instructions where it has them; the result is the same.
 */
#ifndef VDS_BASE_SHA256_H
#define VDS_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define VDS_SHA256_SIZE 32
/* Hex digits and the NUL. */
#define VDS_SHA256_HEX_SIZE 65

/* Caller's storage; nothing to free. May be copied to fork a stream. */
struct vds_sha256 {
	uint32_t state[8];
	uint64_t len;		/* bytes so far; FIPS allows 2^61 - 1 */
	uint8_t block[64];	/* the len % 64 bytes not yet compressed */
	void (*compress)(uint32_t state[8], const uint8_t *blocks, size_t n);
};

void vds_sha256_init(struct vds_sha256 *hash);
/* As vds_sha256_init(), but never uses SHA instructions (for tests). */
void vds_sha256_init_portable(struct vds_sha256 *hash);
void vds_sha256_update(struct vds_sha256 *hash, const void *data, size_t len);
/* Writes the digest; @hash must be initialised again before further use. */
void vds_sha256_final(struct vds_sha256 *hash, uint8_t out[VDS_SHA256_SIZE]);

/* The digest as lower-case hex digits and a NUL. */
void vds_sha256_hex(const uint8_t digest[VDS_SHA256_SIZE],
		    char out[VDS_SHA256_HEX_SIZE]);

#endif
