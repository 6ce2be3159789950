/* SPDX-License-Identifier: Apache-2.0 */
/* dt: what a member holds, in words. */
#include "dt.h"

#include <string.h>

/* Text that is shown of a character array or a string. */
#define MAX_TEXT 512

static enum vds_why read_bytes(struct vds_run *run,
			       const struct vds_process *process, uint64_t va,
			       void *buf, size_t len)
{
	return process ? vds_process_read(process, va, buf, len) :
			 vds_kernel_read(run, va, buf, len);
}

/* Names of types as C spells them, from the inside out. */
const char *dt_spell(struct vds_run *run, const struct vds_type *type)
{
	const char *after = "";

	for (int i = 0; type && i < DT_MAX_NESTING; i++) {
		struct vds_type_info info;
		const char *name;

		vds_type_info(type, &info);
		switch (info.kind) {
		case VDS_CLASS_POINTER:
			after = vds_sprintf(run, "*%s", after);
			break;
		case VDS_CLASS_ARRAY:
			after = vds_sprintf(run, "%s[%llu]", after,
					    (unsigned long long)info.count);
			break;
		default:
			name = *info.name ? info.name :
			       info.kind == VDS_CLASS_UNION ? "union" :
			       info.kind == VDS_CLASS_STRUCT ? "struct" :
			       info.kind == VDS_CLASS_FUNCTION ? "function" :
			       info.kind == VDS_CLASS_ENUM ? "enum" : "void";
			return vds_sprintf(run, "%s%s%s", name,
					   *after ? " " : "", after);
		}
		if (!after)
			return NULL;
		type = info.target;
	}
	return vds_sprintf(run, "void%s%s", *after ? " " : "", after);
}

/* Sign-extends the @bits low bits of @value. */
static int64_t extend(uint64_t value, unsigned int bits)
{
	uint64_t sign;

	if (!bits || bits >= 64)
		return (int64_t)value;
	sign = UINT64_C(1) << (bits - 1);
	return (int64_t)((value ^ sign) - sign);
}

static const char *format_number(struct vds_run *run,
				 const struct dt_field *f,
				 const struct vds_type_info *info,
				 uint64_t value)
{
	unsigned int bits = f->bit_len ? f->bit_len :
					 (unsigned int)info->size * 8;
	const char *name;

	switch (info->kind) {
	case VDS_CLASS_SIGNED:
		return vds_sprintf(run, "%lld",
				   (long long)extend(value, bits));
	case VDS_CLASS_BOOL:
		return value > 1 ? vds_sprintf(run, "0x%llx",
					       (unsigned long long)value) :
		       value ? "true" : "false";
	case VDS_CLASS_ENUM:
		name = vds_type_enumerator(f->type, extend(value, bits));
		if (!name)
			name = vds_type_enumerator(f->type, (int64_t)value);
		return vds_sprintf(run, "%s (%lld)", name ? name : "?",
				   (long long)extend(value, bits));
	case VDS_CLASS_POINTER:
		return vds_sprintf(run, "0x%016llx",
				   (unsigned long long)value);
	default:
		return vds_sprintf(run, "0x%llx",
				   (unsigned long long)value);
	}
}

enum vds_why dt_read_number(struct vds_run *run,
			    const struct vds_process *process,
			    const struct dt_field *f, uint64_t size,
			    uint64_t *ret)
{
	uint8_t raw[8] = {0};
	uint64_t value = 0;
	enum vds_why why;

	if (!size || size > sizeof(raw))
		return VDS_NOT_APPLICABLE;
	why = read_bytes(run, process, f->va, raw, (size_t)size);
	if (why)
		return why;
	for (size_t i = sizeof(raw); i-- > 0;)
		value = value << 8 | raw[i];
	if (f->bit_len) {
		value >>= f->bit_pos & 63;
		if (f->bit_len < 64)
			value &= (UINT64_C(1) << f->bit_len) - 1;
	}
	*ret = value;
	return VDS_PRESENT;
}

static bool is_bytes(const struct vds_type_info *element)
{
	return element->size == 1 && (element->kind == VDS_CLASS_CHAR ||
				      element->kind == VDS_CLASS_UNSIGNED);
}

static bool is_wide(const struct vds_type_info *element)
{
	return element->size == 2 && element->kind == VDS_CLASS_WCHAR;
}

bool dt_is_text(const struct vds_type_info *element)
{
	return is_bytes(element) || is_wide(element);
}

/* UCHAR Name[15]: as text up to the first NUL if that is ASCII, else in hex. */
static enum vds_why read_byte_array(struct vds_run *run,
				    const struct vds_process *process,
				    const struct dt_field *f, uint64_t count,
				    const char **ret)
{
	char raw[MAX_TEXT + 1] = "", hex[2 * MAX_TEXT + 1] = "";
	size_t len = count < MAX_TEXT ? (size_t)count : MAX_TEXT, text = 0;
	enum vds_why why = read_bytes(run, process, f->va, raw, len);

	if (why)
		return why;
	while (text < len && raw[text] >= ' ' && raw[text] <= '~')
		text++;
	if (text && !raw[text]) {
		*ret = vds_sprintf(run, "\"%s\"", raw);
		return VDS_PRESENT;
	}
	for (size_t i = 0; i < len; i++) {
		hex[2 * i] = "0123456789abcdef"[raw[i] >> 4 & 15];
		hex[2 * i + 1] = "0123456789abcdef"[raw[i] & 15];
	}
	*ret = vds_sprintf(run, "%s", hex);
	return VDS_PRESENT;
}

/* @unit of UTF-16 as UTF-8; halves of a pair are not put together. */
static size_t put_unit(char *to, unsigned int unit)
{
	if (unit >> 11 == 0x1b)
		unit = 0xfffd;
	if (unit < 0x80) {
		to[0] = (char)unit;
		return 1;
	}
	if (unit < 0x800) {
		to[0] = (char)(0xc0 | unit >> 6);
		to[1] = (char)(0x80 | (unit & 0x3f));
		return 2;
	}
	to[0] = (char)(0xe0 | unit >> 12);
	to[1] = (char)(0x80 | (unit >> 6 & 0x3f));
	to[2] = (char)(0x80 | (unit & 0x3f));
	return 3;
}

/* WCHAR Path[260]: text up to the first NUL. */
static enum vds_why read_wide_array(struct vds_run *run,
				    const struct vds_process *process,
				    const struct dt_field *f, uint64_t count,
				    const char **ret)
{
	uint8_t raw[2 * MAX_TEXT];
	char text[3 * MAX_TEXT + 1];
	size_t units = count < MAX_TEXT ? (size_t)count : MAX_TEXT, len = 0;
	enum vds_why why = read_bytes(run, process, f->va, raw, 2 * units);

	if (why)
		return why;
	for (size_t i = 0; i < units; i++) {
		unsigned int unit = raw[2 * i] |
				    (unsigned int)raw[2 * i + 1] << 8;

		if (!unit)
			break;
		len += put_unit(text + len, unit);
	}
	text[len] = 0;
	*ret = vds_sprintf(run, "\"%s\"", text);
	return VDS_PRESENT;
}

static enum vds_why read_string(struct vds_run *run,
				const struct vds_process *process,
				const struct dt_field *f, const char **ret)
{
	const char *text;
	enum vds_why why = process ?
		vds_process_unicode_string(run, process, f->va, &text) :
		vds_kernel_unicode_string(run, f->va, &text);

	if (!why)
		*ret = vds_sprintf(run, "\"%.*s\"", MAX_TEXT, text);
	return why;
}

void dt_read_value(struct vds_run *run, const struct vds_process *process,
		   const struct dt_field *f,
		   const struct vds_type_info *info,
		   struct vds_value *ret_text, struct vds_value *ret_number)
{
	struct vds_type_info element = {0};
	const char *text = NULL;
	uint64_t number = 0;
	enum vds_why why = VDS_NOT_APPLICABLE;

	if (info->target)
		vds_type_info(info->target, &element);
	if (info->kind == VDS_CLASS_ARRAY && is_bytes(&element)) {
		why = read_byte_array(run, process, f, info->count, &text);
	} else if (info->kind == VDS_CLASS_ARRAY && is_wide(&element)) {
		why = read_wide_array(run, process, f, info->count, &text);
	} else if (!strcmp(info->name, "_UNICODE_STRING")) {
		why = read_string(run, process, f, &text);
	} else if (!dt_is_struct(info->kind) &&
		   info->kind != VDS_CLASS_ARRAY &&
		   info->kind != VDS_CLASS_OPAQUE) {
		why = dt_read_number(run, process, f, info->size, &number);
		*ret_number = vds_or(why, vds_hex(number));
		if (!why)
			text = format_number(run, f, info, number);
	}
	*ret_text = vds_or(why, vds_str(text));
}
