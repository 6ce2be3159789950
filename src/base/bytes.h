/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only way in which integers leave a file or an image: little-endian
 * loads, and a bounded cursor that fails instead of reading past its end.
 */
#ifndef VDS_BASE_BYTES_H
#define VDS_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Little-endian loads; @p needs no alignment. The caller has bounded @p. */
static inline uint16_t vds_le16(const void *p)
{
	const uint8_t *b = p;
	return (uint16_t)(b[0] | b[1] << 8);
}

static inline uint32_t vds_le32(const void *p)
{
	const uint8_t *b = p;
	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
	       (uint32_t)b[3] << 24;
}

static inline uint64_t vds_le64(const void *p)
{
	return (uint64_t)vds_le32(p) |
	       (uint64_t)vds_le32((const uint8_t *)p + 4) << 32;
}

/* Little-endian load of @size bytes (1 to 8), zero-extended. */
uint64_t vds_le(const void *p, size_t size);

/* Little-endian stores. */
void vds_put_le16(void *p, uint16_t v);
void vds_put_le32(void *p, uint32_t v);
void vds_put_le64(void *p, uint64_t v);

/* Sign-extends the low @bits (1 to 64) bits of @v. */
static inline int64_t vds_sign_extend(uint64_t v, unsigned int bits)
{
	unsigned int shift = 64 - bits;
	return (int64_t)(v << shift) >> shift;
}

/* Bits [pos, pos + len) of @v, zero-extended; pos + len <= 64, len >= 1. */
static inline uint64_t vds_bits(uint64_t v, unsigned int pos, unsigned int len)
{
	v >>= pos;
	return len >= 64 ? v : v & ((UINT64_C(1) << len) - 1);
}

/*
 * A cursor over borrowed bytes. Reads past the end return 0, set `failed` and
 * leave `pos` where it was; `failed` is sticky, so that a group of reads can be
 * checked once.
 */
struct vds_bytes {
	const uint8_t *data;
	size_t len;
	size_t pos;
	bool failed;
};

static inline void vds_bytes_init(struct vds_bytes *b, const void *data,
				  size_t len)
{
	b->data = data;
	b->len = len;
	b->pos = 0;
	b->failed = false;
}

static inline size_t vds_bytes_left(const struct vds_bytes *b)
{
	return b->len - b->pos;
}

uint8_t vds_bytes_u8(struct vds_bytes *b);
uint16_t vds_bytes_u16(struct vds_bytes *b);
uint32_t vds_bytes_u32(struct vds_bytes *b);
uint64_t vds_bytes_u64(struct vds_bytes *b);

/* The next @len bytes, borrowed, or NULL (and `failed`). */
const uint8_t *vds_bytes_take(struct vds_bytes *b, size_t len);

/*
 * A NUL-terminated string inside the bytes, borrowed, its length without the
 * NUL in *ret_len; NULL (and `failed`) if there is no NUL before the end.
 */
const char *vds_bytes_cstr(struct vds_bytes *b, size_t *ret_len);

/* Moves to absolute position @pos (<= len), or fails. */
bool vds_bytes_seek(struct vds_bytes *b, size_t pos);

#endif
