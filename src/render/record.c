/* SPDX-License-Identifier: Apache-2.0 */
#include "render/record.h"

#include <string.h>

#include "base/util.h"
#include "render/text.h"
#include "row/units.h"

/* A record being written. */
struct record {
	struct vds_str *out;
	const struct vds_schema *schema;
	size_t cap;	/* bytes that one text or list may take */
	int open;	/* group that is open, -1 = the record itself */
	bool comma;	/* something stands before the next key */
};

/* Plain ASCII that JSON takes as it is. */
static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

/* The escape sequence of @c at @p (room for 12 bytes); returns its end. */
static char *put_escape(char *p, uint32_t c)
{
	static const char digits[] = "0123456789abcdef";
	*p++ = '\\';
	if (c == '"' || c == '\\') {
		*p++ = (char)c;
		return p;
	}
	if (c > 0xffff) {
		p = put_escape(p - 1, 0xd800 + ((c - 0x10000) >> 10));
		return put_escape(p, 0xdc00 + ((c - 0x10000) & 0x3ff));
	}
	*p++ = 'u';
	for (int shift = 12; shift >= 0; shift -= 4)
		*p++ = digits[c >> shift & 15];
	return p;
}

/* One character at s[*pos], which advances; returns the end of its text. */
static char *put_char(char *p, const char *s, size_t len, size_t *pos)
{
	size_t start = *pos;
	if (is_plain((unsigned char)s[start])) {
		*p++ = s[start];
		*pos += 1;
		return p;
	}
	int32_t c = vds_utf8_next(s, len, pos);
	if (c == 0xfffd) {	/* or an invalid byte */
		memcpy(p, "\xef\xbf\xbd", 3);
		return p + 3;
	}
	if (c == '"' || c == '\\' || vds_is_unsafe_char(c))
		return put_escape(p, (uint32_t)c);
	memcpy(p, s + start, *pos - start);
	return p + (*pos - start);
}

/*
 * Appends the string, up to @cap bytes of it between the quotes. False if it
 * was cut.
 */
static bool put_string(struct vds_str *out, const char *s, size_t len,
		       size_t cap)
{
	/* No character's text is longer than six times its bytes. */
	cap = VDS_MIN(cap, len * 6);
	size_t room = cap + 32, pos = 0;
	if (!vds_str_reserve(out, room))
		return true;
	char *p = out->data + out->len;
	*p++ = '"';
	char *limit = p + cap;
	while (pos < len && p < limit) {
		char *end = put_char(p, s, len, &pos);
		if (end > limit)
			break;
		p = end;
	}
	bool whole = pos >= len;
	*p++ = '"';
	out->len = (size_t)(p - out->data);
	return whole;
}

void vds_json_put_string(struct vds_str *out, const char *s, size_t len)
{
	put_string(out, s, len, SIZE_MAX / 2);
}

static bool put_ints(struct vds_str *out, const struct vds_value *value,
		     size_t cap)
{
	size_t start = out->len;
	char buf[VDS_NUMBER_MAX];
	bool whole = true;
	vds_str_putc(out, '[');
	for (uint32_t i = 0; i < value->count; i++) {
		if (value->list[i] > (uint64_t)VDS_JSON_INT_MAX)
			continue;	/* no consumer would keep it */
		if (out->len - start + VDS_NUMBER_MAX > cap) {
			whole = false;
			break;
		}
		if (out->len > start + 1)
			vds_str_putc(out, ',');
		char *end = vds_put_u64(buf, value->list[i]);
		vds_str_append(out, buf, (size_t)(end - buf));
	}
	vds_str_putc(out, ']');
	return whole;
}

/* Adds @s to the list that began at @start; false if it doesn't fit. */
static bool put_element(struct vds_str *out, size_t start, const char *s,
			size_t len, size_t cap)
{
	size_t before = out->len;
	if (before > start + 1)
		vds_str_putc(out, ',');
	if (out->len - start < cap && put_string(out, s, len, cap) &&
	    out->len - start < cap)
		return true;
	out->len = before;
	return false;
}

static bool put_strings(struct vds_str *out, const struct vds_value *value,
			size_t cap)
{
	size_t start = out->len;
	bool whole = true;
	vds_str_putc(out, '[');
	vds_for_each_str(s, value) {
		if (!put_element(out, start, s, strlen(s), cap)) {
			whole = false;
			break;
		}
	}
	vds_str_putc(out, ']');
	return whole;
}

/* Flags are words separated by one space. */
static bool put_words(struct vds_str *out, const struct vds_value *value,
		      size_t cap)
{
	size_t start = out->len, pos = 0;
	bool whole = true;
	vds_str_putc(out, '[');
	while (pos < value->count) {
		const char *word = value->s + pos;
		const char *space = memchr(word, ' ', value->count - pos);
		size_t len = space ? (size_t)(space - word) :
				     value->count - pos;
		pos += len + 1;
		if (len && !put_element(out, start, word, len, cap)) {
			whole = false;
			break;
		}
	}
	vds_str_putc(out, ']');
	return whole;
}

static bool put_bytes(struct vds_str *out, const struct vds_value *value,
		      size_t cap)
{
	size_t n = VDS_MIN((size_t)value->count, cap / 2);
	if (!vds_str_reserve(out, 2 * n + 2))
		return true;
	char *p = out->data + out->len;
	*p++ = '"';
	p = vds_put_hex_bytes(p, value->bytes, n);
	*p++ = '"';
	out->len += 2 * n + 2;
	return n == value->count;
}

/* Numbers; the caller has reserved VDS_NUMBER_MAX bytes. */
static void put_number(struct vds_str *out, const struct vds_value *value)
{
	char *p = out->data + out->len;
	switch (value->kind) {
	case VDS_KIND_BOOL:
		memcpy(p, value->u ? "true" : "false", 5);
		p += value->u ? 4 : 5;
		break;
	case VDS_KIND_INT:
		p = vds_put_i64(p, value->i);
		break;
	case VDS_KIND_SIZE:
		p = vds_put_u64(p, value->u);
		break;
	case VDS_KIND_HEX:
	case VDS_KIND_ADDR:
		*p++ = '"';
		p = vds_put_addr(p, value->u);
		*p++ = '"';
		break;
	case VDS_KIND_TIME:
		*p++ = '"';
		p = vds_put_time(p, value->u);
		*p++ = '"';
		break;
	default:
		break;
	}
	out->len = (size_t)(p - out->data);
}

/* False if the value was cut to the cap. */
static bool put_value(struct record *record, const struct vds_value *value)
{
	struct vds_str *out = record->out;
	switch (value->kind) {
	case VDS_KIND_STR:
		return put_string(out, value->s, value->count, record->cap);
	case VDS_KIND_FLAGS:
		return put_words(out, value, record->cap);
	case VDS_KIND_BYTES:
		return put_bytes(out, value, record->cap);
	case VDS_KIND_INTS:
		return put_ints(out, value, record->cap);
	case VDS_KIND_STRS:
		return put_strings(out, value, record->cap);
	default:
		put_number(out, value);
		return true;
	}
}

static bool lies_in(const struct vds_schema *schema, int group, int ancestor)
{
	while (group > ancestor && group >= 0)
		group = schema->groups[group].parent;
	return group == ancestor;
}

static void close_groups(struct record *record, int target)
{
	const struct vds_group *groups = record->schema->groups;
	while (record->open >= 0 &&
	       (target < 0 || !lies_in(record->schema, target, record->open))) {
		vds_str_putc(record->out, '}');
		record->open = groups[record->open].parent;
		record->comma = true;
	}
}

/* Closes and opens objects until @target is the open one. */
static void enter_group(struct record *record, int target)
{
	const struct vds_group *groups = record->schema->groups;
	int path[VDS_MAX_DEPTH];
	size_t n = 0;
	close_groups(record, target);
	for (int g = target; g != record->open && n < VDS_MAX_DEPTH;
	     g = groups[g].parent)
		path[n++] = g;
	while (n--) {
		if (record->comma)
			vds_str_putc(record->out, ',');
		vds_str_append(record->out, groups[path[n]].open,
			       groups[path[n]].open_len);
		record->comma = false;
	}
	record->open = target;
}

/* Keys are padded: short ones are copied in one go (row/schema.c). */
static void put_key(struct record *record, const char *key, uint32_t len)
{
	struct vds_str *out = record->out;
	size_t skip = record->comma ? 0 : 1;
	if (!vds_str_reserve(out, VDS_KEY_PAD + len + VDS_NUMBER_MAX))
		return;
	if (len <= VDS_KEY_PAD)
		memcpy(out->data + out->len, key + skip, VDS_KEY_PAD);
	else
		memcpy(out->data + out->len, key + skip, len - skip);
	out->len += len - skip;
	record->comma = true;
}

static void put_cell(struct record *record, const struct vds_cell_plan *cell,
		     const struct vds_value *value)
{
	if (cell->group != record->open)
		enter_group(record, cell->group);
	put_key(record, cell->key, cell->key_len);
	if (record->out->failed)
		return;
	bool cut = !put_value(record, value) ||
		   (value->flags & VDS_VALUE_TRUNCATED);
	bool is_list = value->kind == VDS_KIND_INTS ||
		       value->kind == VDS_KIND_STRS;
	if (cut || is_list) {
		put_key(record, cell->cut_key, cell->cut_key_len);
		vds_str_puts(record->out, cut ? "true" : "false");
	}
}

static enum vds_absence absence_of(const struct vds_value *value)
{
	if (value->kind == VDS_KIND_NONE)
		return vds_absence_of(value->why);
	return vds_value_overflows(value) ? VDS_ABSENCE_INVALID :
					    VDS_ABSENCE_NONE;
}

/* Writes cells [from, to) of the plan; returns the absences met, as bits. */
static unsigned int put_cells(struct record *record,
			      const struct vds_value *values, size_t from,
			      size_t to)
{
	const struct vds_schema *schema = record->schema;
	unsigned int absences = 0;
	for (size_t i = from; i < to; i++) {
		const struct vds_cell_plan *cell = &schema->plan[i];
		const struct vds_value *value = &values[cell->column];
		if (!schema->visible[cell->column])
			continue;
		enum vds_absence absence = absence_of(value);
		absences |= 1u << absence;
		if (value->kind != VDS_KIND_NONE && !absence)
			put_cell(record, cell, value);
	}
	return absences;
}

static void put_absent(struct record *record, const struct vds_value *values,
		       enum vds_absence which, const char *open)
{
	const struct vds_schema *schema = record->schema;
	vds_str_puts(record->out, open);
	bool comma = false;
	for (size_t i = 0; i < schema->num_columns; i++) {
		const struct vds_cell_plan *cell = &schema->plan[i];
		if (!schema->visible[cell->column] ||
		    absence_of(&values[cell->column]) != which)
			continue;
		if (comma)
			vds_str_putc(record->out, ',');
		vds_str_append(record->out, cell->path, cell->path_len);
		comma = true;
	}
	vds_str_putc(record->out, ']');
}

static void put_record(const struct vds_record_head *head,
		       const struct vds_schema *schema,
		       const struct vds_value *values, const char *id,
		       size_t cap, struct vds_str *out)
{
	struct record record = {out, schema, cap, 0, true};
	size_t image = schema->num_image_cells;
	vds_str_append(out, head->before_id.data, head->before_id.len);
	vds_str_append(out, id, VDS_ID_LEN);
	vds_str_append(out, head->after_id.data, head->after_id.len);
	unsigned int absences = put_cells(&record, values, 0, image);
	close_groups(&record, -1);
	vds_str_append(out, head->after_image.data, head->after_image.len);
	absences |= put_cells(&record, values, image, schema->num_columns);
	close_groups(&record, -1);
	if (absences & 1u << VDS_ABSENCE_UNREADABLE)
		put_absent(&record, values, VDS_ABSENCE_UNREADABLE,
			   ",\"unreadable\":[");
	if (absences & 1u << VDS_ABSENCE_INVALID)
		put_absent(&record, values, VDS_ABSENCE_INVALID,
			   ",\"invalid\":[");
	if (absences & 1u << VDS_ABSENCE_NOT_IN_PROFILE)
		put_absent(&record, values, VDS_ABSENCE_NOT_IN_PROFILE,
			   ",\"not_in_profile\":[");
	vds_str_putc(out, '}');
}

struct vds_error *vds_record_put(const struct vds_record_head *head,
				 const struct vds_schema *schema,
				 const struct vds_value *values,
				 struct vds_str *out)
{
	char id[VDS_ID_LEN];
	vds_row_id(&head->seed, schema, values, id);
	return vds_record_put_id(head, schema, values, id, out);
}

struct vds_error *vds_record_put_id(const struct vds_record_head *head,
				    const struct vds_schema *schema,
				    const struct vds_value *values,
				    const char *id, struct vds_str *out)
{
	size_t start = out->len;
	for (size_t cap = 6144; cap >= 12; cap /= 2) {
		put_record(head, schema, values, id, cap, out);
		if (out->failed)
			return &vds_enomem;
		if (out->len - start < VDS_LINE_MAX)
			return NULL;
		out->len = start;
	}
	return vds_error_create(VDS_ERROR_PLUGIN,
				"plugin %s: a %s record doesn't fit into %d "
				"bytes", schema->plugin, schema->record,
				VDS_LINE_MAX);
}

struct vds_error *vds_record_head_init(struct vds_record_head *head,
				       const char *timestamp,
				       const char *image_id, const char *record,
				       const char *plugin, const char *version)
{
	*head = (struct vds_record_head){0};
	vds_str_printf(&head->before_id,
		       "{\"@timestamp\":\"%s\",\"schema\":\"%s\",\"kind\":\"%s\","
		       "\"id\":\"", timestamp, VDS_RECORD_SCHEMA, record);
	vds_str_printf(&head->after_id, "\",\"image\":{\"id\":\"%s\"",
		       image_id);
	vds_str_puts(&head->after_image, ",\"plugin\":{\"name\":");
	vds_json_put_string(&head->after_image, plugin, strlen(plugin));
	vds_str_puts(&head->after_image, ",\"version\":");
	vds_json_put_string(&head->after_image, version, strlen(version));
	vds_str_puts(&head->after_image, "}");
	vds_id_seed_init(&head->seed, image_id, record);
	if (!head->before_id.failed && !head->after_id.failed &&
	    !head->after_image.failed)
		return NULL;
	vds_record_head_deinit(head);
	return &vds_enomem;
}

void vds_record_head_deinit(struct vds_record_head *head)
{
	vds_str_deinit(&head->before_id);
	vds_str_deinit(&head->after_id);
	vds_str_deinit(&head->after_image);
}
