/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strings: a growing buffer, and the one place where names from an image
 * become valid UTF-8. Renderers escape; nobody else does.
 */
#ifndef VDS_BASE_STR_H
#define VDS_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "vadose/types.h"

/*
 * A growing byte buffer; zero-initialised is valid and empty. After a failed
 * allocation `failed` is set, further appends do nothing, and the content is
 * what was appended before: check once, at the end.
 */
struct vds_str {
	char *data;	/* not NUL-terminated; see vds_str_cstr() */
	size_t len;
	size_t cap;
	bool failed;
};

void vds_str_deinit(struct vds_str *s);
/* Makes room for @extra more bytes; false (and failed) when out of memory. */
bool vds_str_reserve(struct vds_str *s, size_t extra);
static inline void vds_str_append(struct vds_str *s, const void *data,
				  size_t len)
{
	if (!len || ((s->failed || len > s->cap - s->len) &&
		     !vds_str_reserve(s, len)))
		return;
	memcpy(s->data + s->len, data, len);
	s->len += len;
}

static inline void vds_str_puts(struct vds_str *s, const char *cstr)
{
	vds_str_append(s, cstr, strlen(cstr));
}

static inline void vds_str_putc(struct vds_str *s, char c)
{
	if ((s->failed || s->len == s->cap) && !vds_str_reserve(s, 1))
		return;
	s->data[s->len++] = c;
}

/* @n times @c. */
void vds_str_fill(struct vds_str *s, char c, size_t n);
void vds_str_printf(struct vds_str *s, const char *format, ...)
	VDS_PRINTF(2, 3);
/* NUL-terminates and returns the content, borrowed; NULL if failed. */
const char *vds_str_cstr(struct vds_str *s);

/*
 * Appends @n UTF-16LE code units (@n * 2 bytes, any alignment) as UTF-8.
 * Lone surrogates become U+FFFD; embedded NULs are kept as U+0000.
 */
void vds_str_put_utf16(struct vds_str *s, const void *utf16, size_t n);

/*
 * Appends @len bytes that claim to be UTF-8 (or 8-bit Windows names); each
 * byte that is not part of a valid sequence becomes U+FFFD.
 */
void vds_str_put_utf8(struct vds_str *s, const void *bytes, size_t len);

/*
 * Decodes the code point at *pos of valid UTF-8 and advances *pos; -1 at the
 * end. Invalid bytes decode to U+FFFD, one byte at a time.
 */
int32_t vds_utf8_next(const char *s, size_t len, size_t *pos);

/*
 * True if @c must not reach a terminal raw: C0, DEL, C1, line and paragraph
 * separators, bidirectional controls, zero-width format characters, U+FEFF.
 */
bool vds_is_unsafe_char(int32_t c);

/*
 * Shell-style match of the whole string: '*' any run, '?' one character,
 * ASCII case-insensitive. Both NUL-terminated. Linear space, no recursion.
 */
bool vds_glob_match(const char *pattern, const char *text);

/* ASCII case-insensitive equality. */
bool vds_streq_nocase(const char *a, const char *b);

/*
 * Parses an unsigned integer that fills the whole string: decimal, 0x hex, with
 * '_' or '`' between digits allowed (WinDbg prints fffff800`00000000). False if
 * malformed or too large.
 */
bool vds_parse_u64(const char *s, uint64_t *ret);

/*
 * The same for an address, which people paste as debuggers print it:
 * hexadecimal without 0x if it has sixteen digits, a '`' or a letter.
 */
bool vds_parse_address(const char *s, uint64_t *ret);

#endif
