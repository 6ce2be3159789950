/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"

void vds_str_deinit(struct vds_str *s)
{
	free(s->data);
	*s = (struct vds_str){0};
}

bool vds_str_reserve(struct vds_str *s, size_t extra)
{
	if (s->failed)
		return false;
	if (extra <= s->cap - s->len)
		return true;
	size_t want;
	if (__builtin_add_overflow(s->len, extra, &want)) {
		s->failed = true;
		return false;
	}
	size_t cap = s->cap ? s->cap : 64;
	while (cap < want)
		cap = cap > SIZE_MAX / 2 ? want : cap * 2;
	char *data = realloc(s->data, cap);
	if (!data) {
		s->failed = true;
		return false;
	}
	s->data = data;
	s->cap = cap;
	return true;
}

void vds_str_fill(struct vds_str *s, char c, size_t n)
{
	if (!n || !vds_str_reserve(s, n))
		return;
	memset(s->data + s->len, c, n);
	s->len += n;
}

void vds_str_printf(struct vds_str *s, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (len < 0 || !vds_str_reserve(s, (size_t)len + 1)) {
		s->failed = true;
		return;
	}
	va_start(ap, format);
	vsnprintf(s->data + s->len, (size_t)len + 1, format, ap);
	va_end(ap);
	s->len += (size_t)len;
}

const char *vds_str_cstr(struct vds_str *s)
{
	if (!vds_str_reserve(s, 1))
		return NULL;
	s->data[s->len] = 0;
	return s->data;
}

static void put_code_point(struct vds_str *s, uint32_t c)
{
	char b[4];
	size_t n;
	if (c < 0x80) {
		b[0] = (char)c;
		n = 1;
	} else if (c < 0x800) {
		b[0] = (char)(0xc0 | c >> 6);
		b[1] = (char)(0x80 | (c & 0x3f));
		n = 2;
	} else if (c < 0x10000) {
		b[0] = (char)(0xe0 | c >> 12);
		b[1] = (char)(0x80 | (c >> 6 & 0x3f));
		b[2] = (char)(0x80 | (c & 0x3f));
		n = 3;
	} else {
		b[0] = (char)(0xf0 | c >> 18);
		b[1] = (char)(0x80 | (c >> 12 & 0x3f));
		b[2] = (char)(0x80 | (c >> 6 & 0x3f));
		b[3] = (char)(0x80 | (c & 0x3f));
		n = 4;
	}
	vds_str_append(s, b, n);
}

void vds_str_put_utf16(struct vds_str *s, const void *utf16, size_t n)
{
	const uint8_t *p = utf16;
	for (size_t i = 0; i < n; i++) {
		uint32_t c = vds_le16(p + 2 * i);
		if (c >= 0xd800 && c <= 0xdfff) {
			uint32_t low = i + 1 < n ? vds_le16(p + 2 * i + 2) : 0;
			if (c <= 0xdbff && low >= 0xdc00 && low <= 0xdfff) {
				c = 0x10000 + ((c - 0xd800) << 10) +
				    (low - 0xdc00);
				i++;
			} else {
				c = 0xfffd;
			}
		}
		put_code_point(s, c);
	}
}

/* Length of the valid UTF-8 sequence at @p, or 0; *ret is its code point. */
static size_t decode(const uint8_t *p, size_t len, uint32_t *ret)
{
	uint32_t c = p[0];
	if (c < 0x80) {
		*ret = c;
		return 1;
	}
	size_t n = c >= 0xc2 && c <= 0xdf ? 2 :
		   c >= 0xe0 && c <= 0xef ? 3 :
		   c >= 0xf0 && c <= 0xf4 ? 4 : 0;
	if (!n || n > len)
		return 0;
	c &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	/* Overlong forms, surrogates and values past U+10FFFF. */
	if ((n == 3 && c < 0x800) || (n == 4 && c < 0x10000) ||
	    (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff)
		return 0;
	*ret = c;
	return n;
}

int32_t vds_utf8_next(const char *s, size_t len, size_t *pos)
{
	if (*pos >= len)
		return -1;
	uint32_t c;
	size_t n = decode((const uint8_t *)s + *pos, len - *pos, &c);
	if (!n) {
		*pos += 1;
		return 0xfffd;
	}
	*pos += n;
	return (int32_t)c;
}

void vds_str_put_utf8(struct vds_str *s, const void *bytes, size_t len)
{
	size_t pos = 0;
	int32_t c;
	while ((c = vds_utf8_next(bytes, len, &pos)) >= 0)
		put_code_point(s, (uint32_t)c);
}

bool vds_is_unsafe_char(int32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0xad ||
	       c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	       c == 0xfeff || (c >= 0xfff9 && c <= 0xfffb);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

bool vds_streq_nocase(const char *a, const char *b)
{
	while (*a && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return lower(*a) == lower(*b);
}

bool vds_glob_match(const char *pattern, const char *text)
{
	/* On a mismatch, go back to the last '*' and let it eat one more. */
	const char *star = NULL, *retry = NULL;
	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			retry = text;
		} else if (*pattern && (*pattern == '?' ||
					lower(*pattern) == lower(*text))) {
			pattern++;
			/* '?' is one character, not one byte. */
			bool one = pattern[-1] == '?';
			text++;
			while (one && ((unsigned char)*text & 0xc0) == 0x80)
				text++;
		} else if (star) {
			pattern = star;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* Digits of @base that fill the string. */
static bool parse_digits(const char *s, unsigned int base, uint64_t *ret)
{
	uint64_t v = 0;
	bool digits = false;
	for (; *s; s++) {
		unsigned int d;
		if ((*s == '_' || *s == '`') && digits && s[1])
			continue;
		if (*s >= '0' && *s <= '9')
			d = (unsigned int)(*s - '0');
		else if (lower(*s) >= 'a' && lower(*s) <= 'f')
			d = (unsigned int)(lower(*s) - 'a' + 10);
		else
			return false;
		if (d >= base || !vds_mul_u64(v, base, &v) ||
		    !vds_add_u64(v, d, &v))
			return false;
		digits = true;
	}
	if (!digits)
		return false;
	*ret = v;
	return true;
}

bool vds_parse_u64(const char *s, uint64_t *ret)
{
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		return parse_digits(s + 2, 16, ret);
	return parse_digits(s, 10, ret);
}

bool vds_parse_address(const char *s, uint64_t *ret)
{
	size_t len = strlen(s);
	if (len != 16 && !strchr(s, '`') && vds_parse_u64(s, ret))
		return true;
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	return parse_digits(s, 16, ret);
}
