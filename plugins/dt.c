/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dt: a structure by the profile, as WinDbg's dt shows it: each member with its
 * offset and type, and with --address its value. Structures within it are laid
 * open, arrays up to --elements, pointers are followed up to --depth times.
 */
#include "dt.h"

#include <string.h>

#include <vadose/plugin.h>
#include <vadose/record.h>

/* Structures within structures; types of Windows nest about eight deep. */
#define MAX_NESTING 24
#define MAX_DEPTH 8
#define MAX_ELEMENTS 4096
/* Followed pointers multiply: no run says more than this. */
#define MAX_ROWS 200000
/* Text that is shown of a character array or a string. */
#define MAX_TEXT 512

enum {
	TYPE,
	ADDRESS,
	PATH,
	OFFSET,
	FIELD_ADDRESS,
	FIELD_TYPE,
	SIZE,
	BIT_POS,
	BIT_LEN,
	VALUE,
	NUMBER,
	NUM_COLUMNS
};

static const struct vds_column columns[] = {
	[TYPE] = {"object.type", VDS_KIND_STR, VDS_COLUMN_KEY | VDS_COLUMN_GROUP,
		  "Type", NULL, "the structure", NULL},
	[ADDRESS] = {"object.address", VDS_KIND_ADDR,
		     VDS_COLUMN_KEY | VDS_COLUMN_GROUP, "Address", NULL,
		     "where it was read", NULL},
	[PATH] = {"field.name", VDS_KIND_STR, VDS_COLUMN_KEY, "Member", NULL,
		  "path of the member; -> where a pointer was followed", NULL},
	[OFFSET] = {"field.offset", VDS_KIND_HEX, 0, "Offset", "bytes",
		    "from the start of its structure, the outermost that it "
		    "lies in", NULL},
	[FIELD_ADDRESS] = {"field.address", VDS_KIND_ADDR, VDS_COLUMN_WIDE,
			   "At", NULL, "where the member was read", NULL},
	[FIELD_TYPE] = {"field.type", VDS_KIND_STR, 0, "Field type", NULL,
			"its type; of bit fields also how many bits, and where",
			NULL},
	[SIZE] = {"field.size", VDS_KIND_SIZE, VDS_COLUMN_WIDE, "Size",
		  "bytes", "of its storage", NULL},
	[BIT_POS] = {"field.bit_position", VDS_KIND_INT, VDS_COLUMN_WIDE, "Bit",
		     NULL, "of bit fields: lowest bit", NULL},
	[BIT_LEN] = {"field.bit_length", VDS_KIND_INT, VDS_COLUMN_WIDE, "Bits",
		     NULL, "of bit fields: how many", NULL},
	[VALUE] = {"field.value", VDS_KIND_STR, 0, "Value", NULL,
		   "in the form that fits its type", NULL},
	[NUMBER] = {"field.number", VDS_KIND_HEX, VDS_COLUMN_WIDE, "Number",
		    NULL, "of integers, pointers and enums: the bits", NULL},
};

static const struct vds_option options[] = {
	{"type", VDS_OPTION_STR, VDS_OPTION_POSITIONAL | VDS_OPTION_REQUIRED,
	 "TYPE", NULL, NULL, "the structure's name (_EPROCESS)"},
	{"address", VDS_OPTION_STRS, VDS_OPTION_POSITIONAL, "ADDRESS", NULL,
	 NULL, "read it here: a number, or a kernel symbol "
	 "(PsActiveProcessHead, nt!MiState+0x40); without it only the layout "
	 "is shown"},
	{"depth", VDS_OPTION_UINT, 0, "N", "0", NULL,
	 "follow pointers to structures so many times (at most 8)"},
	{"elements", VDS_OPTION_UINT, 0, "N", "8", NULL,
	 "show so many elements of an array"},
	{"member", VDS_OPTION_STR, 0, "GLOB", NULL, NULL,
	 "only members whose path matches"},
};

struct context {
	struct vds_run *run;
	const struct vds_process *process;	/* NULL: the kernel's space */
	const char *type_name;
	uint64_t address;
	bool has_address;
	uint64_t elements;
	const char *glob;
	size_t rows;
};

/* One member or element on its way out. */
struct field {
	const char *path;
	const struct vds_type *type;
	uint64_t offset;	/* from the start of the structure */
	uint64_t va;		/* of the member */
	uint8_t bit_pos, bit_len;
	uint64_t depth;		/* pointers that may still be followed */
	unsigned int nesting;
};

static struct vds_error *show(struct context *c, const struct field *field);

static enum vds_why read_bytes(const struct context *c, uint64_t va, void *buf,
			       size_t len)
{
	return c->process ? vds_process_read(c->process, va, buf, len) :
			    vds_kernel_read(c->run, va, buf, len);
}

/* Names of types as C spells them, from the inside out. */
static const char *spell(struct vds_run *run, const struct vds_type *type)
{
	const char *after = "";

	for (int i = 0; type && i < MAX_NESTING; i++) {
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

static bool is_struct(enum vds_type_class kind)
{
	return kind == VDS_CLASS_STRUCT || kind == VDS_CLASS_UNION;
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

static const char *format_number(struct context *c, const struct field *f,
				 const struct vds_type_info *info,
				 uint64_t value)
{
	unsigned int bits = f->bit_len ? f->bit_len :
					 (unsigned int)info->size * 8;
	const char *name;

	switch (info->kind) {
	case VDS_CLASS_SIGNED:
		return vds_sprintf(c->run, "%lld",
				   (long long)extend(value, bits));
	case VDS_CLASS_BOOL:
		return value > 1 ? vds_sprintf(c->run, "0x%llx",
					       (unsigned long long)value) :
		       value ? "true" : "false";
	case VDS_CLASS_ENUM:
		name = vds_type_enumerator(f->type, extend(value, bits));
		if (!name)
			name = vds_type_enumerator(f->type, (int64_t)value);
		return vds_sprintf(c->run, "%s (%lld)", name ? name : "?",
				   (long long)extend(value, bits));
	case VDS_CLASS_POINTER:
		return vds_sprintf(c->run, "0x%016llx",
				   (unsigned long long)value);
	default:
		return vds_sprintf(c->run, "0x%llx",
				   (unsigned long long)value);
	}
}

/* The integer at @f, its bit field taken out. */
static enum vds_why read_number(const struct context *c, const struct field *f,
				uint64_t size, uint64_t *ret)
{
	uint8_t raw[8] = {0};
	uint64_t value = 0;
	enum vds_why why;

	if (!size || size > sizeof(raw))
		return VDS_NOT_APPLICABLE;
	why = read_bytes(c, f->va, raw, (size_t)size);
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

/* Elements of one byte: text, or numbers. */
static bool is_bytes(const struct vds_type_info *element)
{
	return element->size == 1 && (element->kind == VDS_CLASS_CHAR ||
				      element->kind == VDS_CLASS_UNSIGNED);
}

/* UCHAR Name[15]: as text up to the first NUL if that is ASCII, else in hex. */
static enum vds_why read_byte_array(struct context *c, const struct field *f,
				    uint64_t count, const char **ret)
{
	char raw[MAX_TEXT + 1] = "", hex[2 * MAX_TEXT + 1] = "";
	size_t len = count < MAX_TEXT ? (size_t)count : MAX_TEXT, text = 0;
	enum vds_why why = read_bytes(c, f->va, raw, len);

	if (why)
		return why;
	while (text < len && raw[text] >= ' ' && raw[text] <= '~')
		text++;
	if (text && !raw[text]) {
		*ret = vds_sprintf(c->run, "\"%s\"", raw);
		return VDS_PRESENT;
	}
	for (size_t i = 0; i < len; i++) {
		hex[2 * i] = "0123456789abcdef"[raw[i] >> 4 & 15];
		hex[2 * i + 1] = "0123456789abcdef"[raw[i] & 15];
	}
	*ret = vds_sprintf(c->run, "%s", hex);
	return VDS_PRESENT;
}

static enum vds_why read_string(struct context *c, const struct field *f,
				const char **ret)
{
	const char *text;
	enum vds_why why = c->process ?
		vds_process_unicode_string(c->run, c->process, f->va, &text) :
		vds_kernel_unicode_string(c->run, f->va, &text);

	if (!why)
		*ret = vds_sprintf(c->run, "\"%.*s\"", MAX_TEXT, text);
	return why;
}

/* The value of @f, if one row can hold it. */
static void fill_value(struct context *c, const struct field *f,
		       const struct vds_type_info *info, struct vds_value *row)
{
	struct vds_type_info element = {0};
	const char *text = NULL;
	uint64_t number;
	enum vds_why why = VDS_NOT_APPLICABLE;

	if (info->target)
		vds_type_info(info->target, &element);
	if (info->kind == VDS_CLASS_ARRAY && is_bytes(&element)) {
		why = read_byte_array(c, f, info->count, &text);
	} else if (!strcmp(info->name, "_UNICODE_STRING")) {
		why = read_string(c, f, &text);
	} else if (!is_struct(info->kind) && info->kind != VDS_CLASS_ARRAY &&
		   info->kind != VDS_CLASS_OPAQUE) {
		why = read_number(c, f, info->size, &number);
		if (!why) {
			row[NUMBER] = vds_hex(number);
			text = format_number(c, f, info, number);
		}
	}
	row[VALUE] = vds_or(why, vds_str(text));
}

static struct vds_error *emit(struct context *c, const struct field *f,
			      const struct vds_type_info *info)
{
	struct vds_value row[NUM_COLUMNS] = {
		[TYPE] = vds_str(c->type_name),
		[PATH] = vds_str(f->path),
		[OFFSET] = vds_hex(f->offset),
		[SIZE] = vds_size(info->size),
	};

	if (c->glob && !vds_match(c->glob, f->path))
		return NULL;
	if (c->rows++ == MAX_ROWS) {
		vds_run_note(c->run, "too_many_rows", c->address,
			     "%s: more than %d members", c->type_name,
			     MAX_ROWS);
		return &vds_stop;
	}
	row[FIELD_TYPE] = vds_str(spell(c->run, f->type));
	if (f->bit_len) {
		row[FIELD_TYPE] = vds_str(vds_sprintf(c->run, "%s :%u at %u",
						      info->name, f->bit_len,
						      f->bit_pos));
		row[BIT_POS] = vds_int(f->bit_pos);
		row[BIT_LEN] = vds_int(f->bit_len);
	}
	if (c->has_address) {
		row[ADDRESS] = vds_addr(c->address);
		row[FIELD_ADDRESS] = vds_addr(f->va);
		fill_value(c, f, info, row);
	}
	return vds_emit(c->run, row);
}

static struct vds_error *show_members(struct context *c,
				      const struct field *f,
				      const struct vds_type_info *info,
				      const char *joint)
{
	struct vds_error *err = NULL;

	for (size_t i = 0; !err && i < info->num_members; i++) {
		struct vds_member_info member;
		struct field part = *f;

		vds_type_member_at(f->type, i, &member);
		part.path = *f->path && *member.name ?
			vds_sprintf(c->run, "%s%s%s", f->path, joint,
				    member.name) :
			*member.name ? member.name : f->path;
		if (!part.path)
			return &vds_enomem;
		part.type = member.type;
		part.offset += member.offset;
		part.va += member.offset;
		part.bit_pos = member.bit_pos;
		part.bit_len = member.bit_len;
		part.nesting++;
		if (member.type)
			err = show(c, &part);
	}
	return err;
}

static struct vds_error *show_elements(struct context *c,
				       const struct field *f,
				       const struct vds_type_info *info)
{
	uint64_t size = vds_type_size(info->target);
	struct vds_error *err = NULL;

	for (uint64_t i = 0; !err && i < info->count && i < c->elements; i++) {
		struct field part = *f;

		part.path = vds_sprintf(c->run, "%s[%llu]", f->path,
					(unsigned long long)i);
		if (!part.path)
			return &vds_enomem;
		part.type = info->target;
		part.offset += i * size;
		part.va += i * size;
		part.nesting++;
		err = show(c, &part);
	}
	return err;
}

/* What the pointer @f leads to, if that is a structure. */
static struct vds_error *follow(struct context *c, const struct field *f,
				const struct vds_type_info *info)
{
	struct vds_type_info target;
	struct field there = *f;

	if (!c->has_address || !f->depth || !info->target)
		return NULL;
	vds_type_info(info->target, &target);
	if (!is_struct(target.kind) ||
	    read_number(c, f, info->size, &there.va) || !there.va)
		return NULL;
	there.type = info->target;
	there.offset = 0;
	there.bit_len = 0;
	there.depth--;
	there.nesting = 0;
	return show_members(c, &there, &target, "->");
}

/* Depth: bounded by MAX_NESTING within a structure and by --depth beyond. */
static struct vds_error *show(struct context *c, const struct field *f)
{
	struct vds_type_info info;
	struct vds_error *err;

	vds_type_info(f->type, &info);
	err = emit(c, f, &info);
	if (err || f->nesting >= MAX_NESTING)
		return err;
	if (is_struct(info.kind))
		return show_members(c, f, &info, ".");
	if (info.kind == VDS_CLASS_POINTER)
		return follow(c, f, &info);
	if (info.kind == VDS_CLASS_ARRAY && info.target) {
		struct vds_type_info element;

		vds_type_info(info.target, &element);
		if (!is_bytes(&element))
			return show_elements(c, f, &info);
	}
	return NULL;
}

static struct vds_error *show_at(struct context *c, const struct vds_type *type,
				 uint64_t address)
{
	struct vds_type_info info;
	struct field root = {.path = "", .type = type, .va = address,
			     .depth = vds_option_uint(c->run, "depth")};

	if (root.depth > MAX_DEPTH)
		root.depth = MAX_DEPTH;
	c->address = address;
	vds_type_info(type, &info);
	return show_members(c, &root, &info, ".");
}

/* User addresses are those of the process that --pid names. */
static const struct vds_process *chosen(struct vds_run *run)
{
	const struct vds_process *found = NULL;

	for (size_t i = 0; i < vds_num_processes(run); i++) {
		const struct vds_process *p = vds_process_at(run, i);

		if (!p || !p->selected)
			continue;
		if (found)
			return NULL;
		found = p;
	}
	return found;
}

static struct vds_error *show_one(struct context *c,
				  const struct vds_type *type,
				  const char *text)
{
	uint64_t at;
	struct vds_error *err = dt_parse_address(c->run, text, &at);

	if (err)
		return err;
	if (!(at >> 63) && !c->process)
		return vds_error_create(
			VDS_ERROR_USAGE, "dt: 0x%llx is a user "
			"address: --pid says of which process",
			(unsigned long long)at);
	return show_at(c, type, at);
}

/* Several may stand in one word, separated by commas. */
static struct vds_error *show_list(struct context *c,
				   const struct vds_type *type,
				   const char *words)
{
	struct vds_error *err = NULL;
	char *copy = vds_sprintf(c->run, "%s", words), *save = NULL;

	if (!copy)
		return &vds_enomem;
	for (char *word = strtok_r(copy, ",", &save); !err && word;
	     word = strtok_r(NULL, ",", &save))
		err = show_one(c, type, word);
	return err;
}

static struct vds_error *run_dt(struct vds_run *run,
				const struct vds_process *unused)
{
	struct context c = {.run = run, .process = chosen(run),
			    .type_name = vds_option_str(run, "type"),
			    .elements = vds_option_uint(run, "elements"),
			    .glob = vds_option_str(run, "member")};
	const struct vds_type *type = vds_type_find(run, c.type_name);
	size_t count;
	const char *const *list = vds_option_strs(run, "address", &count);
	struct vds_error *err = NULL;

	(void)unused;
	if (!type)
		return vds_error_create(VDS_ERROR_USAGE,
					"dt: the profile has no type %s",
					c.type_name);
	if (c.elements > MAX_ELEMENTS)
		c.elements = MAX_ELEMENTS;
	if (!count)
		return show_at(&c, type, 0);
	c.has_address = true;
	for (size_t i = 0; !err && i < count; i++)
		err = show_list(&c, type, list[i]);
	return err;
}

VDS_PLUGIN(dt) = {
	VDS_PLUGIN_HEADER(dt),
	.flags = VDS_PLUGIN_WITHOUT_TABLES,
	.version = "1.0.0",
	.summary = "a structure by the profile, member by member",
	.record = "field",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_dt,
};
