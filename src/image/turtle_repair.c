/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turtle as some writers leave it: paths of Windows in IRIs and strings as they
 * are, text of other encodings. Turtle 1.1 (W3C) section 6.5 gives what may
 * stand where.
 */
#include "image/turtle.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct repair {
	const char *p, *end;
	struct vds_str out;
	bool changed;
};

static void put(struct repair *r, const char *text)
{
	vds_str_puts(&r->out, text);
	r->changed = true;
}

/* Bytes of the UTF-8 sequence at @p, 1 for ASCII, 0 if it is none. */
static size_t sequence(const char *p, const char *end)
{
	uint8_t first = (uint8_t)*p;
	size_t n = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 :
		   first >= 0xe0 && first < 0xf0 ? 3 :
		   first >= 0xf0 && first < 0xf5 ? 4 : 0;
	if (!n || (size_t)(end - p) < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (((uint8_t)p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

/* One character as it is, or a question mark for a byte that is none. */
static void copy_one(struct repair *r)
{
	size_t n = sequence(r->p, r->end);
	if (!n) {
		put(r, "?");
		r->p++;
		return;
	}
	vds_str_append(&r->out, r->p, n);
	r->p += n;
}

/* From '<' to '>' on one line: what an IRI can't hold becomes %XX. */
static void copy_iri(struct repair *r)
{
	vds_str_putc(&r->out, *r->p++);
	while (r->p < r->end && *r->p != '>' && *r->p != '\n') {
		char c = *r->p;
		bool escape = c == '\\' && r->end - r->p > 1 &&
			      (r->p[1] == 'u' || r->p[1] == 'U');
		if (escape || ((uint8_t)c > 0x20 && !strchr("<\"{}|^`\\", c))) {
			copy_one(r);
			continue;
		}
		vds_str_printf(&r->out, "%%%02X", (unsigned int)(uint8_t)c);
		r->changed = true;
		r->p++;
	}
}

static bool starts(const struct repair *r, const char *text)
{
	size_t len = strlen(text);
	return (size_t)(r->end - r->p) >= len && !memcmp(r->p, text, len);
}

/* A string with its quotes: lone backslashes are doubled, line ends escaped. */
static void copy_string(struct repair *r)
{
	const char quote[4] = {*r->p, *r->p, *r->p, 0};
	bool is_long = starts(r, quote);
	size_t marks = is_long ? 3 : 1;
	vds_str_append(&r->out, r->p, marks);
	r->p += marks;
	while (r->p < r->end && !starts(r, quote + (3 - marks))) {
		if (*r->p == '\\' && r->end - r->p > 1) {
			if (strchr("tbnrf\"'\\uU", r->p[1]))
				vds_str_append(&r->out, r->p++, 1);
			else
				put(r, "\\");
			copy_one(r);
		} else if (*r->p == '\n' && !is_long) {
			put(r, "\\n");
			r->p++;
		} else if (*r->p == '\r' && !is_long) {
			put(r, "\\r");
			r->p++;
		} else {
			copy_one(r);
		}
	}
	if (r->p < r->end) {
		vds_str_append(&r->out, r->p, marks);
		r->p += marks;
	}
}

char *vds_turtle_repair(const char *text, size_t len, size_t *ret_len)
{
	struct repair r = {.p = text, .end = text + len};
	while (r.p < r.end && !r.out.failed) {
		if (*r.p == '#') {
			while (r.p < r.end && *r.p != '\n')
				copy_one(&r);
		} else if (*r.p == '<') {
			copy_iri(&r);
		} else if (*r.p == '"' || *r.p == '\'') {
			copy_string(&r);
		} else {
			copy_one(&r);
		}
	}
	if (!r.changed || r.out.failed) {
		vds_str_deinit(&r.out);
		return NULL;
	}
	*ret_len = r.out.len;
	return r.out.data;
}
