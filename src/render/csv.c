/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 4180: a header line, CRLF, quotes where needed. Absent values are empty
 * fields; the last three columns name those that exist but can't be had. A
 * spreadsheet takes text that begins with = + - @ for a formula, and the text
 * is the attacker's: such text gets an apostrophe in front (OWASP, "CSV
 * Injection").
 */
#include "render/render.h"
#include "render/text.h"

#include <string.h>

#include "base/util.h"

static void put_field(struct vds_str *out, const char *s, size_t len,
		      bool is_text)
{
	bool quote = memchr(s, '"', len) || memchr(s, ',', len) ||
		     memchr(s, '\n', len) || memchr(s, '\r', len) ||
		     (len && (s[0] == ' ' || s[len - 1] == ' '));
	bool formula = is_text && len && strchr("=+-@\t\r", s[0]);
	if (formula)
		quote = true;
	if (!quote) {
		vds_str_append(out, s, len);
		return;
	}
	vds_str_putc(out, '"');
	if (formula)
		vds_str_putc(out, '\'');
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '"')
			vds_str_putc(out, '"');
		vds_str_putc(out, s[i]);
	}
	vds_str_putc(out, '"');
}

static const struct {
	const char *name;
	enum vds_absence absence;
} lists[] = {
	{"unreadable", VDS_ABSENCE_UNREADABLE},
	{"invalid", VDS_ABSENCE_INVALID},
	{"not_in_profile", VDS_ABSENCE_NOT_IN_PROFILE},
};

static struct vds_error *begin(struct vds_render *render, struct vds_str *out)
{
	const struct vds_schema *schema = render->info->schema;
	for (size_t i = 0; i < schema->num_columns; i++) {
		if (!schema->visible[i])
			continue;
		vds_str_puts(out, schema->columns[i].name);
		vds_str_putc(out, ',');
	}
	for (size_t i = 0; i < VDS_ARRAY_SIZE(lists); i++) {
		vds_str_puts(out, i ? "," : "");
		vds_str_puts(out, lists[i].name);
	}
	vds_str_puts(out, "\r\n");
	return NULL;
}

/* Names of the columns that are absent in this way, separated by spaces. */
static void put_absent(const struct vds_schema *schema,
		       const struct vds_value *values, enum vds_absence which,
		       struct vds_str *out)
{
	const char *space = "";
	for (size_t i = 0; i < schema->num_columns; i++) {
		enum vds_absence absence = VDS_ABSENCE_NONE;
		if (!schema->visible[i])
			continue;
		if (values[i].kind == VDS_KIND_NONE)
			absence = vds_absence_of(values[i].why);
		else if (vds_value_overflows(&values[i]))
			absence = VDS_ABSENCE_INVALID;
		if (absence != which)
			continue;
		vds_str_puts(out, space);
		vds_str_puts(out, schema->columns[i].name);
		space = " ";
	}
}

static struct vds_error *row(const struct vds_render *render,
			     const struct vds_value *values,
			     struct vds_str *out)
{
	const struct vds_schema *schema = render->info->schema;
	_cleanup_(vds_str_deinit) struct vds_str cell = {0};
	for (size_t i = 0; i < schema->num_columns; i++) {
		if (!schema->visible[i])
			continue;
		bool is_text = values[i].kind == VDS_KIND_STR ||
			       values[i].kind == VDS_KIND_FLAGS ||
			       values[i].kind == VDS_KIND_STRS;
		cell.len = 0;
		if (!vds_value_overflows(&values[i]))
			vds_text_cell(&cell, &values[i], VDS_TEXT_CSV);
		if (cell.len)
			put_field(out, cell.data, cell.len, is_text);
		vds_str_putc(out, ',');
	}
	for (size_t i = 0; i < VDS_ARRAY_SIZE(lists); i++) {
		vds_str_puts(out, i ? "," : "");
		put_absent(schema, values, lists[i].absence, out);
	}
	vds_str_puts(out, "\r\n");
	return cell.failed || out->failed ? &vds_enomem : NULL;
}

static struct vds_error *end(struct vds_render *render,
			     const struct vds_render_end *how,
			     struct vds_str *out)
{
	(void)render;
	(void)how;
	(void)out;
	return NULL;
}

const struct vds_renderer vds_render_csv = {
	.name = "csv",
	.summary = "RFC 4180, one line per row",
	.begin = begin,
	.row = row,
	.end = end,
};
