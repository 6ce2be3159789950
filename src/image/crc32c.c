/* SPDX-License-Identifier: Apache-2.0 */
#include "image/crc32c.h"

#include <pthread.h>

#include "base/bytes.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <nmmintrin.h>
#endif

#define POLYNOMIAL 0x82f63b78	/* bit-reversed 0x1edc6f41 */

static uint32_t table[8][256];
static uint32_t (*best)(const void *data, size_t len);
static pthread_once_t once = PTHREAD_ONCE_INIT;

#if defined(__x86_64__)
__attribute__((target("sse4.2")))
static uint32_t by_instruction(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t crc = UINT32_MAX;
	for (; len >= 8; len -= 8, p += 8)
		crc = _mm_crc32_u64(crc, vds_le64(p));
	for (; len; len--, p++)
		crc = _mm_crc32_u8((uint32_t)crc, *p);
	return ~(uint32_t)crc;
}

static int has_instruction(void)
{
	unsigned int a, b, c, d;
	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2);
}
#else
#define by_instruction by_table
static int has_instruction(void)
{
	return 0;
}
#endif

/* Eight bytes at a time ("slicing by 8"). */
static uint32_t by_table(const void *data, size_t len)
{
	const uint8_t *p = data;
	uint32_t crc = UINT32_MAX;
	for (; len >= 8; len -= 8, p += 8) {
		uint32_t lo = crc ^ vds_le32(p), hi = vds_le32(p + 4);
		crc = table[7][lo & 255] ^ table[6][lo >> 8 & 255] ^
		      table[5][lo >> 16 & 255] ^ table[4][lo >> 24] ^
		      table[3][hi & 255] ^ table[2][hi >> 8 & 255] ^
		      table[1][hi >> 16 & 255] ^ table[0][hi >> 24];
	}
	for (; len; len--, p++)
		crc = crc >> 8 ^ table[0][(crc ^ *p) & 255];
	return ~crc;
}

static void prepare(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[0][i] = crc;
	}
	for (int t = 1; t < 8; t++) {
		for (int i = 0; i < 256; i++)
			table[t][i] = table[t - 1][i] >> 8 ^
				      table[0][table[t - 1][i] & 255];
	}
	best = has_instruction() ? by_instruction : by_table;
}

uint32_t vds_crc32c(const void *data, size_t len)
{
	pthread_once(&once, prepare);
	return best(data, len);
}

uint32_t vds_crc32c_portable(const void *data, size_t len)
{
	pthread_once(&once, prepare);
	return by_table(data, len);
}
