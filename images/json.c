/* SPDX-License-Identifier: Apache-2.0 */
#include "json.h"

#include <json-c/json.h>

#include "base/str.h"
#include "world.h"

void json_string(FILE *f, const char *text)
{
	/* {HEX} becomes what a reader that maps UTF-16 to UTF-8 shows. */
	uint8_t utf16[4096];
	struct vds_str s = { 0 };

	if (!text) {
		(void)fputs("null", f);
		return;
	}
	vds_str_put_utf16(&s, utf16, text_utf16(text, utf16,
						sizeof(utf16)) / 2);
	const char *utf8 = vds_str_cstr(&s);
	struct json_object *o = json_object_new_string_len(utf8 ? utf8 : "",
							   (int)s.len);
	(void)fputs(json_object_to_json_string_ext(o,
			JSON_C_TO_STRING_PLAIN |
			JSON_C_TO_STRING_NOSLASHESCAPE), f);
	json_object_put(o);
	vds_str_deinit(&s);
}

void json_hex(FILE *f, uint64_t value)
{
	(void)fprintf(f, "\"%llx\"", (unsigned long long)value);
}

void json_key_text(FILE *f, const char *key, const char *text)
{
	(void)fprintf(f, ",\"%s\":", key);
	json_string(f, text);
}

/* An address, null when it is 0. */
void json_key_hex(FILE *f, const char *key, uint64_t value)
{
	(void)fprintf(f, ",\"%s\":", key);
	if (value)
		json_hex(f, value);
	else
		(void)fputs("null", f);
}

void json_key_int(FILE *f, const char *key, uint64_t value)
{
	(void)fprintf(f, ",\"%s\":%llu", key, (unsigned long long)value);
}

void json_key_bool(FILE *f, const char *key, bool value)
{
	(void)fprintf(f, ",\"%s\":%s", key, value ? "true" : "false");
}
