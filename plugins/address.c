/* SPDX-License-Identifier: Apache-2.0 */
#include "address.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <vadose/record.h>

/* poi(poi(...)): deeper is a mistake. */
#define MAX_POINTERS 8

/* Digits of 16, with a '`' between them; sixteen, or a letter among them. */
static bool bare_hex(const char *text, uint64_t *ret)
{
	bool tick = false, letter = false;
	int digits = 0;

	for (*ret = 0; *text; text++) {
		unsigned char c = (unsigned char)*text;

		tick |= c == '`';
		if (c == '`' && digits && text[1])
			continue;
		if (!isxdigit(c) || ++digits > 16)
			return false;
		letter |= !isdigit(c);
		*ret = *ret << 4 | (uint64_t)(isdigit(c) ? c - '0' :
					      tolower(c) - 'a' + 10);
	}
	return digits == 16 || (digits && (tick || letter));
}

bool address_is_number(const char *text, uint64_t *ret)
{
	bool prefix = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	char *end;

	if (!prefix && bare_hex(text, ret))
		return true;
	if (prefix && strchr(text, '`'))
		return bare_hex(text + 2, ret);
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*ret = strtoull(text, &end, prefix ? 16 : 10);
	return !*end && !errno;
}

const char *address_without_module(const char *text)
{
	static const char *const modules[] = {"nt!", "ntkrnlmp!", "ntoskrnl!",
					      "ntkrla57!"};

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		if (!strncasecmp(text, modules[i], strlen(modules[i])))
			return text + strlen(modules[i]);
	}
	return text;
}

static struct vds_error *bad(const char *text)
{
	return vds_error_create(VDS_ERROR_USAGE, "'%s' is no address", text);
}

/* A number or a symbol. */
static struct vds_error *parse_word(struct vds_run *run, const char *word,
				    uint64_t *ret)
{
	const char *symbol = address_without_module(word);

	/* The names of some symbols could be hexadecimal numbers. */
	if (*word && !vds_symbol_address(run, symbol, ret))
		return NULL;
	if (address_is_number(word, ret))
		return NULL;
	if (!strcmp(word, "nt")) {
		*ret = vds_kernel_base(run);
		return NULL;
	}
	return vds_error_create(VDS_ERROR_USAGE,
				"'%s' is no address, and the profile has no such symbol",
				word);
}

/* What is added to an address, @text beginning with its sign. */
static struct vds_error *add_numbers(struct vds_run *run, char *text,
				     uint64_t *ret)
{
	while (*text) {
		bool minus = *text == '-';
		size_t len = strcspn(text + 1, "+-");
		const char *word = vds_sprintf(run, "%.*s", (int)len,
					       text + 1);
		uint64_t more;

		if (!word)
			return &vds_enomem;
		if ((*text != '+' && !minus) ||
		    !address_is_number(word, &more))
			return bad(text);
		*ret += minus ? 0 - more : more;
		text += 1 + len;
	}
	return NULL;
}

/* Reads the pointer at *ret, and adds what follows the parenthesis. */
static struct vds_error *follow(struct vds_run *run,
				const struct vds_process *process, char *more,
				uint64_t *ret)
{
	uint8_t raw[8];
	uint64_t at = *ret, value = 0;
	enum vds_why why = process ?
		vds_process_read(process, at, raw, sizeof(raw)) :
		vds_kernel_read(run, at, raw, sizeof(raw));

	if (why)
		return vds_error_create(VDS_ERROR_USAGE,
					"the pointer at 0x%llx can't be read: %s",
					(unsigned long long)at,
					vds_why_str(why));
	for (size_t i = sizeof(raw); i-- > 0;)
		value = value << 8 | raw[i];
	*ret = value;
	return add_numbers(run, more, ret);
}

struct vds_error *address_parse(struct vds_run *run,
				const struct vds_process *process,
				const char *text, uint64_t *ret)
{
	char *rests[MAX_POINTERS], *word = vds_sprintf(run, "%s", text);
	size_t depth = 0;
	struct vds_error *err;

	/* From the outside in: what follows each closing parenthesis. */
	while (word && !strncmp(word, "poi(", 4)) {
		char *close = strrchr(word, ')');

		if (!close || depth == MAX_POINTERS)
			return bad(text);
		*close = 0;
		rests[depth++] = close + 1;
		word += 4;
	}
	if (!word)
		return &vds_enomem;
	/* Symbols don't begin with a sign. */
	size_t len = strcspn(word, "+-");
	const char *first = vds_sprintf(run, "%.*s", (int)len, word);

	if (!first)
		return &vds_enomem;
	err = parse_word(run, first, ret);
	if (!err)
		err = add_numbers(run, word + len, ret);
	while (!err && depth)
		err = follow(run, process, rests[--depth], ret);
	return err;
}
