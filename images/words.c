/* SPDX-License-Identifier: Apache-2.0 */
#include "words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "base/util.h"

/* Seconds from 1601 to 1970, FILETIME's and time_t's epochs. */
#define FILETIME_EPOCH INT64_C(11644473600)

struct vds_error *place_error(struct place place, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return vds_error_create(VDS_ERROR_FORMAT, "%s:%u: %s", place.file,
				place.line, text);
}

struct vds_error *line_split(struct line *line, const char *s)
{
	line->num = line->pos = 0;
	for (;;) {
		while (*s == ' ' || *s == '\t' || *s == '\r')
			s++;
		if (!*s || *s == '#')
			return NULL;
		if (line->num == MAX_WORDS)
			return place_error(line->place, "more than %u words",
					   MAX_WORDS);
		bool quoted = *s == '"';
		const char *start = s + quoted;
		size_t len = quoted ? strcspn(start, "\"")
				    : strcspn(start, " \t\r");
		if (quoted && !start[len])
			return place_error(line->place, "unclosed quote");
		char *word = vds_arena_strndup(line->arena, start, len);
		if (!word)
			return &vds_enomem;
		line->quoted[line->num] = quoted;
		line->words[line->num++] = word;
		s = start + len + quoted;
	}
}

const char *line_next(struct line *line)
{
	return line->pos < line->num ? line->words[line->pos++] : NULL;
}

struct vds_error *line_word(struct line *line, const char *what,
			    const char **ret)
{
	const char *word = line_next(line);
	if (!word)
		return place_error(line->place, "%s is missing", what);
	*ret = word;
	return NULL;
}

struct vds_error *line_u64(struct line *line, const char *what, uint64_t *ret)
{
	const char *word = "";
	struct vds_error *err = line_word(line, what, &word);

	if (!err && !vds_parse_u64(word, ret))
		err = place_error(line->place, "%s: \"%s\" is not a number",
				  what, word);
	return err;
}

struct vds_error *line_u32(struct line *line, const char *what, uint32_t *ret)
{
	uint64_t value;
	struct vds_error *err = line_u64(line, what, &value);

	if (!err && value > UINT32_MAX)
		err = place_error(line->place, "%s is too large", what);
	if (!err)
		*ret = (uint32_t)value;
	return err;
}

bool parse_prot(const char *text, uint32_t *ret)
{
	static const struct {
		const char *brief, *full;
	} names[] = {
		{ "-", "NOACCESS" },	{ "r", "READONLY" },
		{ "x", "EXECUTE" },	{ "rx", "EXECUTE_READ" },
		{ "rw", "READWRITE" },	{ "wc", "WRITECOPY" },
		{ "rwx", "EXECUTE_READWRITE" },
		{ "wcx", "EXECUTE_WRITECOPY" },
	};
	char name[48];
	uint32_t extra = 0;

	if (strncmp(text, "PAGE_", 5) == 0)
		text += 5;
	const char *plus = strchr(text, '+');
	if (plus) {
		if (strcmp(plus, "+GUARD") == 0)
			extra = 0x10;
		else if (strcmp(plus, "+NOCACHE") == 0)
			extra = 0x08;
		else if (strcmp(plus, "+WRITECOMBINE") == 0)
			extra = 0x18;
		else
			return false;
	}
	size_t len = plus ? (size_t)(plus - text) : strlen(text);
	if (len >= sizeof(name))
		return false;
	memcpy(name, text, len);
	name[len] = '\0';
	for (uint32_t i = 0; i < VDS_ARRAY_SIZE(names); i++) {
		if (strcmp(name, names[i].brief) == 0 ||
		    strcmp(name, names[i].full) == 0) {
			*ret = i | extra;
			return true;
		}
	}
	return false;
}

static bool parse_size(const char *text, uint64_t *ret)
{
	size_t len = strlen(text);
	char digits[32];
	unsigned int shift = 0;

	if (!len || len >= sizeof(digits))
		return false;
	memcpy(digits, text, len + 1);
	switch (digits[len - 1]) {
	case 'K': shift = 10; break;
	case 'M': shift = 20; break;
	case 'G': shift = 30; break;
	default: break;
	}
	if (shift)
		digits[len - 1] = '\0';
	uint64_t n;
	return vds_parse_u64(digits, &n) &&
	       vds_mul_u64(n, UINT64_C(1) << shift, ret);
}

static bool parse_time(const char *text, uint64_t *ret)
{
	struct tm tm = { 0 };

	if (vds_parse_u64(text, ret))
		return true;
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!end || *end)
		return false;
	*ret = (uint64_t)(((int64_t)timegm(&tm) + FILETIME_EPOCH) * 10000000);
	return true;
}

static bool put_option(const struct option_key *key, const char *text,
		       void *field)
{
	uint64_t n;

	switch (key->kind) {
	case OPT_FLAG:
		*(bool *)field = true;
		return true;
	case OPT_U32:
		if (!vds_parse_u64(text, &n) || n > UINT32_MAX)
			return false;
		*(uint32_t *)field = (uint32_t)n;
		return true;
	case OPT_U64:
		if (strcmp(text, "auto") == 0) {
			*(uint64_t *)field = SCENE_AUTO;
			return true;
		}
		return vds_parse_u64(text, field);
	case OPT_SIZE:
		return parse_size(text, field);
	case OPT_TEXT:
		*(const char **)field = text;
		return true;
	case OPT_PROT:
		return parse_prot(text, field);
	case OPT_TIME:
		return parse_time(text, field);
	}
	return false;
}

struct vds_error *line_options(struct line *line, const struct option_key *keys,
			       size_t num_keys, void *object)
{
	const char *word;

	while ((word = line_next(line))) {
		size_t i = 0;
		while (i < num_keys && strcmp(word, keys[i].name) != 0)
			i++;
		if (i == num_keys)
			return place_error(line->place,
					   "unknown option \"%s\"", word);
		const char *text = word;
		if (keys[i].kind != OPT_FLAG) {
			struct vds_error *err = line_word(line, word, &text);
			if (err)
				return err;
		}
		if (!put_option(&keys[i], text,
				(char *)object + keys[i].offset))
			return place_error(line->place, "%s: bad value \"%s\"",
					   word, text);
	}
	return NULL;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct vds_error *parse_bytes(struct line *line, const uint8_t **ret,
			      size_t *ret_len)
{
	const char *word = "";
	struct vds_error *err = line_word(line, "bytes", &word);
	if (err)
		return err;

	size_t len = strlen(word);
	if (line->quoted[line->pos - 1]) {
		*ret = (const uint8_t *)word;
		*ret_len = len;
		return NULL;
	}
	uint8_t *bytes = vds_arena_alloc(line->arena, len / 2 + 1);
	if (!bytes)
		return &vds_enomem;
	for (size_t i = 0; i < len / 2; i++) {
		int high = hex_digit(word[2 * i]);
		int low = hex_digit(word[2 * i + 1]);
		if (high < 0 || low < 0)
			return place_error(line->place, "\"%s\" is not hex",
					   word);
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	if (len % 2 || !len)
		return place_error(line->place, "\"%s\" is not hex", word);
	*ret = bytes;
	*ret_len = len / 2;
	return NULL;
}
