/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"

uint64_t vds_le(const void *p, size_t size)
{
	const uint8_t *b = p;
	uint64_t v = 0;
	for (size_t i = size; i-- > 0;)
		v = v << 8 | b[i];
	return v;
}

void vds_put_le16(void *p, uint16_t v)
{
	uint8_t *b = p;
	b[0] = (uint8_t)v;
	b[1] = (uint8_t)(v >> 8);
}

void vds_put_le32(void *p, uint32_t v)
{
	vds_put_le16(p, (uint16_t)v);
	vds_put_le16((uint8_t *)p + 2, (uint16_t)(v >> 16));
}

void vds_put_le64(void *p, uint64_t v)
{
	vds_put_le32(p, (uint32_t)v);
	vds_put_le32((uint8_t *)p + 4, (uint32_t)(v >> 32));
}

const uint8_t *vds_bytes_take(struct vds_bytes *b, size_t len)
{
	if (b->failed || len > b->len - b->pos) {
		b->failed = true;
		return NULL;
	}
	const uint8_t *p = b->data + b->pos;
	b->pos += len;
	return p;
}

uint8_t vds_bytes_u8(struct vds_bytes *b)
{
	const uint8_t *p = vds_bytes_take(b, 1);
	return p ? *p : 0;
}

uint16_t vds_bytes_u16(struct vds_bytes *b)
{
	const uint8_t *p = vds_bytes_take(b, 2);
	return p ? vds_le16(p) : 0;
}

uint32_t vds_bytes_u32(struct vds_bytes *b)
{
	const uint8_t *p = vds_bytes_take(b, 4);
	return p ? vds_le32(p) : 0;
}

uint64_t vds_bytes_u64(struct vds_bytes *b)
{
	const uint8_t *p = vds_bytes_take(b, 8);
	return p ? vds_le64(p) : 0;
}

const char *vds_bytes_cstr(struct vds_bytes *b, size_t *ret_len)
{
	if (b->failed)
		return NULL;
	const uint8_t *start = b->data + b->pos;
	const uint8_t *nul = b->len == b->pos ?
		NULL : memchr(start, 0, b->len - b->pos);
	if (!nul) {
		b->failed = true;
		return NULL;
	}
	if (ret_len)
		*ret_len = (size_t)(nul - start);
	b->pos += (size_t)(nul - start) + 1;
	return (const char *)start;
}

bool vds_bytes_seek(struct vds_bytes *b, size_t pos)
{
	if (b->failed || pos > b->len) {
		b->failed = true;
		return false;
	}
	b->pos = pos;
	return true;
}
