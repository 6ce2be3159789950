/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sha256.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

/* FIPS 180-4, 4.2.2: fractional parts of the cube roots of 64 primes. */
static const uint32_t k256[64] __attribute__((aligned(16))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static const uint32_t initial[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static inline uint32_t rotr(uint32_t x, unsigned int n)
{
	return x >> n | x << (32 - n);
}

/* The one big-endian format of the project. */
static inline uint32_t load_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static void store_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

/* FIPS 180-4, 6.2.2 step 1: the message schedule. */
static void expand(uint32_t w[64], const uint8_t *block)
{
	for (int i = 0; i < 16; i++)
		w[i] = load_be32(block + 4 * i);
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];
		uint32_t s0 = rotr(a, 7) ^ rotr(a, 18) ^ a >> 3;
		uint32_t s1 = rotr(b, 17) ^ rotr(b, 19) ^ b >> 10;
		w[i] = w[i - 16] + s0 + w[i - 7] + s1;
	}
}

static void compress_portable(uint32_t state[8], const uint8_t *blocks,
			      size_t n)
{
	uint32_t w[64], s[8];
	for (; n; n--, blocks += 64) {
		expand(w, blocks);
		memcpy(s, state, sizeof(s));
		for (int i = 0; i < 64; i++) {
			uint32_t a = s[0], e = s[4];
			uint32_t t1 = s[7] + k256[i] + w[i] +
				      (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) +
				      ((e & s[5]) ^ (~e & s[6]));
			uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) +
				      ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
			memmove(s + 1, s, 7 * sizeof(*s));
			s[4] += t1;
			s[0] = t1 + t2;
		}
		for (int i = 0; i < 8; i++)
			state[i] += s[i];
	}
}

#if defined(__x86_64__)

/*
 * Four rounds with the four message words of @w0, which then becomes the
 * words of the rounds 16 later (Intel SDM vol. 2, SHA256RNDS2, SHA256MSG1/2).
 */
#define ROUNDS(i, w0, w1, w2, w3) do {					\
	__m128i m = _mm_add_epi32(w0,					\
		_mm_load_si128((const __m128i *)&k256[4 * (i)]));	\
	cdgh = _mm_sha256rnds2_epu32(cdgh, abef, m);			\
	abef = _mm_sha256rnds2_epu32(abef, cdgh,			\
				     _mm_shuffle_epi32(m, 0x0e));	\
	if ((i) < 12)							\
		w0 = _mm_sha256msg2_epu32(				\
			_mm_add_epi32(_mm_sha256msg1_epu32(w0, w1),	\
				      _mm_alignr_epi8(w3, w2, 4)), w3);	\
} while (0)

#define LOAD(p) _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(p)), swap)

__attribute__((target("sha,sse4.1,ssse3")))
static void compress_ni(uint32_t state[8], const uint8_t *blocks, size_t n)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b,
					    0x0405060700010203);
	/* The instructions want the state as ABEF and CDGH. */
	__m128i badc = _mm_shuffle_epi32(
		_mm_loadu_si128((const __m128i *)state), 0xb1);
	__m128i hgfe = _mm_shuffle_epi32(
		_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
	__m128i abef = _mm_alignr_epi8(badc, hgfe, 8);
	__m128i cdgh = _mm_blend_epi16(hgfe, badc, 0xf0);
	for (; n; n--, blocks += 64) {
		__m128i abef_before = abef, cdgh_before = cdgh;
		__m128i a = LOAD(blocks), b = LOAD(blocks + 16);
		__m128i c = LOAD(blocks + 32), d = LOAD(blocks + 48);
		ROUNDS(0, a, b, c, d);
		ROUNDS(1, b, c, d, a);
		ROUNDS(2, c, d, a, b);
		ROUNDS(3, d, a, b, c);
		ROUNDS(4, a, b, c, d);
		ROUNDS(5, b, c, d, a);
		ROUNDS(6, c, d, a, b);
		ROUNDS(7, d, a, b, c);
		ROUNDS(8, a, b, c, d);
		ROUNDS(9, b, c, d, a);
		ROUNDS(10, c, d, a, b);
		ROUNDS(11, d, a, b, c);
		ROUNDS(12, a, b, c, d);
		ROUNDS(13, b, c, d, a);
		ROUNDS(14, c, d, a, b);
		ROUNDS(15, d, a, b, c);
		abef = _mm_add_epi32(abef, abef_before);
		cdgh = _mm_add_epi32(cdgh, cdgh_before);
	}
	__m128i feba = _mm_shuffle_epi32(abef, 0x1b);
	__m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
	_mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xf0));
	_mm_storeu_si128((__m128i *)(state + 4),
			 _mm_alignr_epi8(dchg, feba, 8));
}

/* gcc 12's __builtin_cpu_supports() doesn't know "sha": ask the processor. */
static bool has_ni(void)
{
	unsigned int a, b, c, d;
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) ||
	    !(c & bit_SSE4_1))
		return false;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

#else
static bool has_ni(void)
{
	return false;
}
#define compress_ni compress_portable
#endif

static void (*best)(uint32_t state[8], const uint8_t *blocks, size_t n);
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void choose(void)
{
	best = has_ni() ? compress_ni : compress_portable;
}

void vds_sha256_init_portable(struct vds_sha256 *hash)
{
	memcpy(hash->state, initial, sizeof(initial));
	hash->len = 0;
	hash->compress = compress_portable;
}

void vds_sha256_init(struct vds_sha256 *hash)
{
	pthread_once(&once, choose);
	vds_sha256_init_portable(hash);
	hash->compress = best;
}

void vds_sha256_update(struct vds_sha256 *hash, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t used = (size_t)(hash->len % 64);
	if (!len)
		return;
	hash->len += len;
	if (used) {
		size_t n = VDS_MIN(len, 64 - used);
		memcpy(hash->block + used, p, n);
		if (used + n < 64)
			return;
		hash->compress(hash->state, hash->block, 1);
		p += n;
		len -= n;
	}
	if (len / 64)
		hash->compress(hash->state, p, len / 64);
	memcpy(hash->block, p + len / 64 * 64, len % 64);
}

void vds_sha256_final(struct vds_sha256 *hash, uint8_t out[VDS_SHA256_SIZE])
{
	static const uint8_t padding[64] = {0x80};
	uint8_t bits[8];
	store_be32(bits, (uint32_t)(hash->len >> 29));
	store_be32(bits + 4, (uint32_t)(hash->len << 3));
	vds_sha256_update(hash, padding, 1 + (119 - hash->len % 64) % 64);
	vds_sha256_update(hash, bits, 8);
	for (int i = 0; i < 8; i++)
		store_be32(out + 4 * i, hash->state[i]);
}

void vds_sha256_hex(const uint8_t digest[VDS_SHA256_SIZE],
		    char out[VDS_SHA256_HEX_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	for (size_t i = 0; i < VDS_SHA256_SIZE; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	out[2 * VDS_SHA256_SIZE] = 0;
}
