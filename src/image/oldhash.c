/* SPDX-License-Identifier: Apache-2.0 */
#include "image/oldhash.h"

#include <string.h>

#include "base/bytes.h"
#include "base/util.h"

static uint32_t rotl(uint32_t v, unsigned int n)
{
	return v << n | v >> (32 - n);
}

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static void put_be32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* RFC 1321, 3.4: floor(2^32 * abs(sin(i + 1))). */
static const uint32_t md5_table[64] = {
	0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee,
	0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
	0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be,
	0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
	0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa,
	0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
	0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed,
	0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
	0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c,
	0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
	0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05,
	0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
	0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039,
	0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
	0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1,
	0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static void md5_compress(uint32_t *state, const uint8_t *block)
{
	static const uint8_t shifts[4][4] = {
		{7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23},
		{6, 10, 15, 21}};
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
	for (unsigned int i = 0; i < 64; i++) {
		uint32_t f, g = i;
		if (i < 16) {
			f = (b & c) | (~b & d);
		} else if (i < 32) {
			f = (d & b) | (~d & c);
			g = 5 * i + 1;
		} else if (i < 48) {
			f = b ^ c ^ d;
			g = 3 * i + 5;
		} else {
			f = c ^ (b | ~d);
			g = 7 * i;
		}
		f += a + md5_table[i] + vds_le32(block + g % 16 * 4);
		a = d;
		d = c;
		c = b;
		b += rotl(f, shifts[i / 16][i % 4]);
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
}

static void sha1_compress(uint32_t *state, const uint8_t *block)
{
	static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc,
				      0xca62c1d6};
	uint32_t w[80], v[5];
	for (int i = 0; i < 16; i++)
		w[i] = be32(block + i * 4);
	for (int i = 16; i < 80; i++)
		w[i] = rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	memcpy(v, state, sizeof(v));
	for (int i = 0; i < 80; i++) {
		uint32_t f = i < 20 ? (v[1] & v[2]) | (~v[1] & v[3]) :
			     i >= 40 && i < 60 ? (v[1] & v[2]) |
				(v[1] & v[3]) | (v[2] & v[3]) :
				v[1] ^ v[2] ^ v[3];
		uint32_t t = rotl(v[0], 5) + f + v[4] + k[i / 20] + w[i];
		v[4] = v[3];
		v[3] = v[2];
		v[2] = rotl(v[1], 30);
		v[1] = v[0];
		v[0] = t;
	}
	for (int i = 0; i < 5; i++)
		state[i] += v[i];
}

static void init(struct vds_oldhash *hash,
		 void (*compress)(uint32_t *, const uint8_t *))
{
	static const uint32_t state[5] = {0x67452301, 0xefcdab89, 0x98badcfe,
					  0x10325476, 0xc3d2e1f0};
	*hash = (struct vds_oldhash){.compress = compress};
	memcpy(hash->state, state, sizeof(state));
}

void vds_md5_init(struct vds_oldhash *hash)
{
	init(hash, md5_compress);
}

void vds_sha1_init(struct vds_oldhash *hash)
{
	init(hash, sha1_compress);
}

void vds_oldhash_update(struct vds_oldhash *hash, const void *data, size_t len)
{
	const uint8_t *p = data;
	while (len) {
		size_t used = hash->len % 64, n = VDS_MIN(len, 64 - used);
		memcpy(hash->block + used, p, n);
		hash->len += n;
		p += n;
		len -= n;
		if (used + n == 64)
			hash->compress(hash->state, hash->block);
	}
}

/* A one bit, zeros, and the length in bits as the last eight bytes. */
static void pad(struct vds_oldhash *hash, const uint8_t length[8])
{
	static const uint8_t one = 0x80, zero;
	vds_oldhash_update(hash, &one, 1);
	while (hash->len % 64 != 56)
		vds_oldhash_update(hash, &zero, 1);
	vds_oldhash_update(hash, length, 8);
}

void vds_md5_final(struct vds_oldhash *hash, uint8_t out[VDS_MD5_SIZE])
{
	uint8_t length[8];
	vds_put_le64(length, hash->len * 8);
	pad(hash, length);
	for (int i = 0; i < 4; i++)
		vds_put_le32(out + i * 4, hash->state[i]);
}

void vds_sha1_final(struct vds_oldhash *hash, uint8_t out[VDS_SHA1_SIZE])
{
	uint8_t length[8];
	put_be32(length, (uint32_t)(hash->len >> 29));
	put_be32(length + 4, (uint32_t)(hash->len << 3));
	pad(hash, length);
	for (int i = 0; i < 5; i++)
		put_be32(out + i * 4, hash->state[i]);
}
