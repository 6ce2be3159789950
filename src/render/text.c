/* SPDX-License-Identifier: Apache-2.0 */
#include "render/text.h"

#include <string.h>

#include "row/units.h"

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/* True if each of the eight bytes is printable ASCII. */
static bool is_plain(uint64_t w)
{
	/* Top bits: from 0x7f on by the first sum, below 0x20 by its lack. */
	return !((w | (w + EACH_BYTE(0x01)) | ~(w + EACH_BYTE(0x60))) &
		 EACH_BYTE(0x80));
}

/* Leading bytes that are printable ASCII: all of them, or some. */
static size_t plain_bytes(const char *s, size_t len)
{
	size_t n = 0;
	uint64_t w;
	for (; len - n >= sizeof(w); n += sizeof(w)) {
		memcpy(&w, s + n, sizeof(w));
		if (!is_plain(w))
			return n;
	}
	/* The rest, filled up with letters. */
	w = EACH_BYTE('a');
	for (size_t i = n; i < len; i++)
		w = w << 8 | (unsigned char)s[i];
	return is_plain(w) ? len : n;
}

void vds_text_escape(struct vds_str *out, const char *s, size_t len)
{
	size_t pos = plain_bytes(s, len), plain = 0;
	if (pos == len) {
		vds_str_append(out, s, len);
		return;
	}
	while (pos < len) {
		unsigned char b = (unsigned char)s[pos];
		if (b >= 0x20 && b < 0x7f) {
			pos++;
			continue;
		}
		size_t start = pos;
		int32_t c = vds_utf8_next(s, len, &pos);
		/* U+FFFD is three bytes unless it stands for an invalid one. */
		bool invalid = c == 0xfffd && pos - start == 1;
		if (!invalid && !vds_is_unsafe_char(c))
			continue;
		vds_str_append(out, s + plain, start - plain);
		plain = pos;
		if (invalid)
			vds_str_puts(out, "\xef\xbf\xbd");
		else
			vds_str_printf(out, "\\u{%x}", (unsigned int)c);
	}
	vds_str_append(out, s + plain, len - plain);
}

static void put_hex_bytes(struct vds_str *out, const uint8_t *bytes, size_t n)
{
	if (!vds_str_reserve(out, 2 * n))
		return;
	vds_put_hex_bytes(out->data + out->len, bytes, n);
	out->len += 2 * n;
}

static void put_list(struct vds_str *out, const struct vds_value *value)
{
	char buf[VDS_NUMBER_MAX];
	const char *space = "";
	if (value->kind == VDS_KIND_INTS) {
		for (uint32_t i = 0; i < value->count; i++) {
			char *end = vds_put_u64(buf, value->list[i]);
			vds_str_puts(out, space);
			vds_str_append(out, buf, (size_t)(end - buf));
			space = " ";
		}
	} else {
		vds_for_each_str(s, value) {
			vds_str_puts(out, space);
			vds_text_escape(out, s, strlen(s));
			space = " ";
		}
	}
	if (value->flags & VDS_VALUE_TRUNCATED)
		vds_str_puts(out, " ...");
}

static void put_number(struct vds_str *out, const struct vds_value *value,
		       enum vds_text_style style)
{
	char buf[VDS_NUMBER_MAX], *end = buf;
	switch (value->kind) {
	case VDS_KIND_BOOL:
		vds_str_puts(out, style == VDS_TEXT_TABLE ?
				  (value->u ? "yes" : "no") :
				  (value->u ? "true" : "false"));
		return;
	case VDS_KIND_INT:
		end = vds_put_i64(buf, value->i);
		break;
	case VDS_KIND_HEX:
		end = vds_put_hex(buf, value->u);
		break;
	case VDS_KIND_ADDR:
		end = vds_put_addr(buf, value->u);
		break;
	case VDS_KIND_SIZE:
		end = style == VDS_TEXT_TABLE ? vds_put_size(buf, value->u) :
						vds_put_u64(buf, value->u);
		break;
	case VDS_KIND_TIME:
		end = vds_put_time(buf, value->u);
		if (!end) {
			vds_str_puts(out, style == VDS_TEXT_TABLE ?
					  "?bad time" : "");
			return;
		}
		break;
	default:
		break;
	}
	vds_str_append(out, buf, (size_t)(end - buf));
}

void vds_text_cell(struct vds_str *out, const struct vds_value *value,
		   enum vds_text_style style)
{
	switch (value->kind) {
	case VDS_KIND_NONE:
		if (style != VDS_TEXT_TABLE)
			return;
		if (value->why <= VDS_NOT_APPLICABLE)
			vds_str_putc(out, '-');
		else {
			vds_str_putc(out, '?');
			vds_str_puts(out, vds_why_str(value->why));
		}
		return;
	case VDS_KIND_STR:
	case VDS_KIND_FLAGS:
		vds_text_escape(out, value->s, value->count);
		if (value->flags & VDS_VALUE_TRUNCATED)
			vds_str_puts(out, "...");
		return;
	case VDS_KIND_BYTES:
		put_hex_bytes(out, value->bytes, value->count);
		return;
	case VDS_KIND_INTS:
	case VDS_KIND_STRS:
		put_list(out, value);
		return;
	default:
		put_number(out, value, style);
	}
}

/* East Asian wide and fullwidth forms, coarsely (Unicode TR 11). */
static bool is_wide(int32_t c)
{
	return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
	       (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
	       (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
	       (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) ||
	       (c >= 0x20000 && c <= 0x3fffd);
}

size_t vds_text_width(const char *s, size_t len)
{
	size_t pos = plain_bytes(s, len), width = 0;
	int32_t c;
	/* Nearly all text is ASCII: one column a byte. */
	while (pos < len && (unsigned char)s[pos] < 0x80)
		pos++;
	width = pos;
	while ((c = vds_utf8_next(s, len, &pos)) >= 0) {
		if (c >= 0x300 && c <= 0x36f)	/* combining */
			continue;
		width += is_wide(c) ? 2 : 1;
	}
	return width;
}
