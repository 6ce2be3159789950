/* SPDX-License-Identifier: Apache-2.0 */
#include "pdb/leaf.h"

#include "pdb/codeview.h"

/* Bytes behind the leaf of a number that is no integer of 64 bits. */
static size_t odd_number_len(struct vds_bytes *b, uint16_t leaf)
{
	switch (leaf) {
	case LF_REAL16:
		return 2;
	case LF_REAL32:
		return 4;
	case LF_REAL48:
		return 6;
	case LF_REAL64:
	case LF_COMPLEX32:
	case LF_DATE:
		return 8;
	case LF_REAL80:
		return 10;
	case LF_REAL128:
	case LF_COMPLEX64:
	case LF_DECIMAL:
		return 16;
	case LF_COMPLEX80:
		return 20;
	case LF_COMPLEX128:
		return 32;
	case LF_VARSTRING:
		return vds_bytes_u16(b);
	default:
		b->failed = true;
		return 0;
	}
}

uint64_t vds_cv_number(struct vds_bytes *b)
{
	uint16_t leaf = vds_bytes_u16(b);
	uint64_t v;
	size_t len;
	if (leaf < LF_NUMERIC)
		return leaf;
	switch (leaf) {
	case LF_CHAR:
		return (uint64_t)(int8_t)vds_bytes_u8(b);
	case LF_SHORT:
		return (uint64_t)(int16_t)vds_bytes_u16(b);
	case LF_USHORT:
		return vds_bytes_u16(b);
	case LF_LONG:
		return (uint64_t)(int32_t)vds_bytes_u32(b);
	case LF_ULONG:
		return vds_bytes_u32(b);
	case LF_QUADWORD:
	case LF_UQUADWORD:
		return vds_bytes_u64(b);
	case LF_OCTWORD:
	case LF_UOCTWORD:	/* the low half; no layout needs more */
		v = vds_bytes_u64(b);
		vds_bytes_u64(b);
		return v;
	case LF_UTF8STRING:
		vds_bytes_cstr(b, &len);
		return 0;
	default:
		vds_bytes_take(b, odd_number_len(b, leaf));
		return 0;
	}
}

void vds_cv_string(struct vds_bytes *b, bool st, const char **ret,
		   size_t *ret_len)
{
	size_t len = 0;
	const char *s;
	if (st) {
		len = vds_bytes_u8(b);
		s = (const char *)vds_bytes_take(b, len);
	} else {
		s = vds_bytes_cstr(b, &len);
	}
	*ret = s ? s : "";
	*ret_len = s ? len : 0;
}
