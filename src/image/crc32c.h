/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli), as the snappy framing format uses it. */
#ifndef VDS_IMAGE_CRC32C_H
#define VDS_IMAGE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t vds_crc32c(const void *data, size_t len);
/* The same, by table: what processors without SSE 4.2 get (for tests). */
uint32_t vds_crc32c_portable(const void *data, size_t len);

/* snappy's framing_format.txt, section 3: a checksum that may be checksummed. */
static inline uint32_t vds_crc32c_mask(uint32_t crc)
{
	return (crc >> 15 | crc << 17) + 0xa282ead8;
}

#endif
