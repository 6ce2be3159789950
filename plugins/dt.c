/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dt: a structure by the profile, as WinDbg's dt shows it: each member with its
 * offset and type, and with --address its value. Structures within it are laid
 * open, arrays up to --elements, pointers are followed up to --depth times.
 */
#include "address.h"
#include "dt.h"

#include <string.h>
#include <strings.h>

#define MAX_DEPTH 8
#define MAX_ELEMENTS 4096
/* Followed pointers multiply: no run says more than this. */
#define MAX_ROWS 200000
/* ... and looks at no more than this, wanted or not. */
#define MAX_LOOKS 1000000
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
	 "TYPE", NULL, NULL, "the type's name (_EPROCESS, nt!_EPROCESS); with a "
	 "* or ? in it, the types of such a name are listed"},
	{"address", VDS_OPTION_STRS, VDS_OPTION_POSITIONAL, "ADDRESS", NULL,
	 NULL, "read it here: a number, a kernel symbol (PsActiveProcessHead, "
	 "nt!MiState+0x40), or the pointer that lies somewhere "
	 "(poi(PsInitialSystemProcess)); without it only the layout is shown. "
	 "A word that is a member's name is taken as with --member"},
	{"depth", VDS_OPTION_UINT, 0, "N", "0", NULL,
	 "follow pointers to structures so many times (at most 8)"},
	{"elements", VDS_OPTION_UINT, 0, "N", "8", NULL,
	 "show so many elements of an array"},
	{"count", VDS_OPTION_UINT, 0, "N", "1", NULL,
	 "an array of so many of them begins at the address"},
	{"member", VDS_OPTION_STRS, 0, "GLOB", NULL, NULL,
	 "only members whose path matches; Pcb. is all that is in Pcb, "
	 "Children[1] an element, Peb->Ldr what lies behind a pointer"},
};

struct context {
	struct vds_run *run;
	const struct vds_process *process;	/* NULL: the kernel's space */
	const char *type_name;
	uint64_t address;
	bool has_address;
	uint64_t elements, depth, count;
	const char **globs;	/* of members; none: all */
	size_t num_globs;
	size_t rows, looks;
};

static struct vds_error *show(struct context *c, const struct dt_field *field);

static bool is_wanted(const struct context *c, const char *path)
{
	for (size_t i = 0; i < c->num_globs; i++) {
		if (vds_match(c->globs[i], path))
			return true;
	}
	return !c->num_globs;
}

/* Whether a path that begins with @path could match. */
static bool leads_on(const struct context *c, const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < c->num_globs; i++) {
		size_t fixed = strcspn(c->globs[i], "*?");

		if (!strncasecmp(c->globs[i], path, len < fixed ? len : fixed))
			return true;
	}
	return !c->num_globs;
}

static struct vds_error *emit(struct context *c, const struct dt_field *f,
			      const struct vds_type_info *info)
{
	struct vds_value row[NUM_COLUMNS] = {
		[TYPE] = vds_str(c->type_name),
		[PATH] = vds_str(f->path),
		[OFFSET] = vds_hex(f->offset),
		[SIZE] = vds_size(info->size),
	};

	if (c->looks++ == MAX_LOOKS || c->rows == MAX_ROWS) {
		vds_run_note(c->run, "too_many_rows", c->address,
			     "%s: more than %d members", c->type_name,
			     c->rows == MAX_ROWS ? MAX_ROWS : MAX_LOOKS);
		return &vds_stop;
	}
	if (!is_wanted(c, f->path))
		return NULL;
	c->rows++;
	row[FIELD_TYPE] = vds_str(dt_spell(c->run, f->type));
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
		dt_read_value(c->run, c->process, f, info, &row[VALUE],
			      &row[NUMBER]);
	}
	return vds_emit(c->run, row);
}

static struct vds_error *show_members(struct context *c,
				      const struct dt_field *f,
				      const struct vds_type_info *info,
				      const char *joint)
{
	struct vds_error *err = NULL;

	for (size_t i = 0; !err && i < info->num_members; i++) {
		struct vds_member_info member;
		struct dt_field part = *f;

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

/* Whether a chosen member is an element of the array @path. */
static bool names_element(const struct context *c, const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < c->num_globs; i++) {
		if (!strncasecmp(c->globs[i], path, len) &&
		    c->globs[i][len] == '[')
			return true;
	}
	return false;
}

static struct vds_error *show_elements(struct context *c,
				       const struct dt_field *f,
				       const struct vds_type_info *info)
{
	uint64_t size = vds_type_size(info->target);
	/* Whoever names elements has chosen among all of them. */
	uint64_t limit = names_element(c, f->path) ? MAX_ELEMENTS : c->elements;
	struct vds_error *err = NULL;

	for (uint64_t i = 0; !err && i < info->count && i < limit; i++) {
		struct dt_field part = *f;

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

/* What the pointer @f leads to, if that is a structure; its layout, if there is no
 * address to read at. */
static struct vds_error *follow(struct context *c, const struct dt_field *f,
				const struct vds_type_info *info)
{
	struct vds_type_info target;
	struct dt_field there = *f;

	if (!f->depth || !info->target)
		return NULL;
	vds_type_info(info->target, &target);
	if (!dt_is_struct(target.kind) ||
	    (c->has_address &&
	     (dt_read_number(c->run, c->process, f, info->size, &there.va) ||
	      !there.va)))
		return NULL;
	there.type = info->target;
	there.offset = 0;
	there.bit_len = 0;
	there.depth--;
	there.nesting = 0;
	return show_members(c, &there, &target, "->");
}

/* Depth: bounded by DT_MAX_NESTING within a structure and by --depth beyond. */
static struct vds_error *show(struct context *c, const struct dt_field *f)
{
	struct vds_type_info info;
	struct vds_error *err;

	vds_type_info(f->type, &info);
	err = emit(c, f, &info);
	if (err || f->nesting >= DT_MAX_NESTING || !leads_on(c, f->path))
		return err;
	if (dt_is_struct(info.kind))
		return show_members(c, f, &info, ".");
	if (info.kind == VDS_CLASS_POINTER)
		return follow(c, f, &info);
	if (info.kind == VDS_CLASS_ARRAY && info.target) {
		struct vds_type_info element;

		vds_type_info(info.target, &element);
		if (!dt_is_text(&element) || names_element(c, f->path))
			return show_elements(c, f, &info);
	}
	return NULL;
}

static struct vds_error *show_at(struct context *c, const struct vds_type *type,
				 uint64_t address)
{
	struct vds_type_info info;
	struct dt_field root = {.path = "", .type = type, .va = address,
				.depth = c->depth};

	c->address = address;
	vds_type_info(type, &info);
	if (dt_is_struct(info.kind))
		return show_members(c, &root, &info, ".");
	root.path = c->type_name;
	return show(c, &root);
}

/* An array of them begins at @address. */
static struct vds_error *show_objects(struct context *c,
				      const struct vds_type *type,
				      uint64_t address)
{
	struct vds_error *err = NULL;

	for (uint64_t i = 0; !err && i < c->count && i < MAX_ROWS; i++)
		err = show_at(c, type, address + i * vds_type_size(type));
	return err;
}

static const char *class_word(const struct vds_type_info *info)
{
	switch (info->kind) {
	case VDS_CLASS_STRUCT:
		return "struct";
	case VDS_CLASS_UNION:
		return "union";
	case VDS_CLASS_ENUM:
		return "enum";
	case VDS_CLASS_OPAQUE:
		return "unknown layout";
	default:
		return "integer";
	}
}

/* dt nt!_MM*: what there is. */
static struct vds_error *list_types(struct context *c)
{
	struct vds_error *err = NULL;

	for (size_t i = 0; !err && i < vds_num_types(c->run); i++) {
		struct vds_type_info info;

		vds_type_info(vds_type_at(c->run, i), &info);
		if (!vds_match(c->type_name, info.name))
			continue;
		c->rows++;
		err = vds_emit(c->run, (struct vds_value[NUM_COLUMNS]){
			[TYPE] = vds_str(c->type_name),
			[PATH] = vds_str(info.name),
			[FIELD_TYPE] = vds_str(class_word(&info)),
			[SIZE] = vds_size(info.size),
		});
	}
	return err || c->rows ? err :
		vds_error_create(VDS_ERROR_USAGE,
				 "dt: the profile has no type %s",
				 c->type_name);
}

/* The words of an enum, and their numbers. */
static struct vds_error *list_enumerators(struct context *c,
					  const struct vds_type *type,
					  const struct vds_type_info *info)
{
	struct vds_error *err = NULL;

	for (size_t i = 0; !err && i < info->num_enumerators; i++) {
		int64_t value;
		const char *name = vds_type_enumerator_at(type, i, &value);

		if (!is_wanted(c, name))
			continue;
		c->rows++;
		err = vds_emit(c->run, (struct vds_value[NUM_COLUMNS]){
			[TYPE] = vds_str(c->type_name),
			[PATH] = vds_str(name),
			[VALUE] = vds_str(vds_sprintf(c->run, "%lld",
						      (long long)value)),
			[NUMBER] = vds_hex((uint64_t)value),
		});
	}
	return err;
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

/* "Pcb." is all that is in it. What lies behind a pointer asks to follow it. */
static struct vds_error *add_glob(struct context *c, const char *word)
{
	size_t len = strlen(word);
	uint64_t depth = 0;

	for (const char *s = word; (s = strstr(s, "->")); s += 2)
		depth++;
	if (depth > c->depth)
		c->depth = depth < MAX_DEPTH ? depth : MAX_DEPTH;
	if (len && (word[len - 1] == '.' || word[len - 1] == '>'))
		word = vds_sprintf(c->run, "%s*", word);
	if (!word)
		return &vds_enomem;
	c->globs[c->num_globs++] = word;
	return NULL;
}

/* Whether @word chooses among the members of @type. */
static bool is_member(const struct vds_type *type, const char *word)
{
	struct vds_member_info member;
	struct vds_type_info info;
	char first[128];
	size_t len = strcspn(word, ".[-");
	int64_t value;

	vds_type_info(type, &info);
	if (strpbrk(word, "*?"))
		return true;
	if (!len || len >= sizeof(first))
		return false;
	memcpy(first, word, len);
	first[len] = 0;
	if (info.kind == VDS_CLASS_ENUM)
		return vds_type_enum_value(type, first, &value);
	/* As paths are matched: however it is written. */
	for (size_t i = 0; i < info.num_members; i++) {
		vds_type_member_at(type, i, &member);
		if (!strcasecmp(member.name, first))
			return true;
	}
	return vds_type_member_find(type, first, &member);
}

/* A word behind the type: an address, of which there may be several. */
static struct vds_error *add_word(struct context *c,
				  const struct vds_type *type, const char *word,
				  uint64_t *addresses, size_t *count)
{
	uint64_t at;
	struct vds_error *err;

	if (is_member(type, word))
		return add_glob(c, word);
	err = address_parse(c->run, c->process, word, &at);
	if (err)
		return err;
	if (!(at >> 63) && !c->process)
		return vds_error_create(
			VDS_ERROR_USAGE, "dt: 0x%llx is a user "
			"address: --pid says of which process",
			(unsigned long long)at);
	addresses[(*count)++] = at;
	return NULL;
}

static size_t count_words(const char *const *list, size_t count)
{
	size_t words = count;

	for (size_t i = 0; i < count; i++) {
		for (const char *s = list[i]; (s = strchr(s, ',')); s++)
			words++;
	}
	return words;
}

/* Reads the words: members into @c, addresses into *ret. */
static struct vds_error *read_words(struct context *c,
				    const struct vds_type *type,
				    uint64_t **ret, size_t *ret_count)
{
	size_t count, num_members;
	const char *const *list = vds_option_strs(c->run, "address", &count);
	const char *const *members = vds_option_strs(c->run, "member",
						     &num_members);
	size_t words = count_words(list, count);
	struct vds_error *err = NULL;

	*ret_count = 0;
	*ret = vds_alloc(c->run, words + 1, sizeof(**ret));
	c->globs = vds_alloc(c->run, words + num_members + 1,
			     sizeof(*c->globs));
	if (!*ret || !c->globs)
		return &vds_enomem;
	for (size_t i = 0; !err && i < num_members; i++)
		err = add_glob(c, members[i]);
	for (size_t i = 0; !err && i < count; i++) {
		char *copy = vds_sprintf(c->run, "%s", list[i]), *save = NULL;

		if (!copy)
			return &vds_enomem;
		for (char *word = strtok_r(copy, ",", &save); !err && word;
		     word = strtok_r(NULL, ",", &save))
			err = add_word(c, type, word, *ret, ret_count);
	}
	return err;
}

/* Says what can be done about a name that is no type's. */
static struct vds_error *no_type(struct context *c)
{
	uint64_t va;

	if (strpbrk(c->type_name, "*?"))
		return list_types(c);
	if (!vds_symbol_address(c->run, c->type_name, &va))
		return vds_error_create(
			VDS_ERROR_USAGE, "dt: %s is a symbol, at 0x%016llx; "
			"say what lies there: dt _TYPE %s", c->type_name,
			(unsigned long long)va, c->type_name);
	return vds_error_create(
		VDS_ERROR_USAGE, "dt: the profile has no type %s (dt '*%s*' "
		"lists those with such a name)", c->type_name, c->type_name);
}

static struct vds_error *run_dt(struct vds_run *run,
				const struct vds_process *unused)
{
	const char *name = vds_option_str(run, "type");
	struct context c = {
		.run = run, .process = chosen(run),
		.type_name = address_without_module(name),
		.elements = vds_option_uint(run, "elements"),
		.depth = vds_option_uint(run, "depth"),
		.count = vds_option_uint(run, "count")};
	const struct vds_type *type = vds_type_find(run, c.type_name);
	struct vds_type_info info;
	uint64_t *addresses;
	size_t count;
	struct vds_error *err;

	(void)unused;
	if (!type)
		return no_type(&c);
	if (c.elements > MAX_ELEMENTS)
		c.elements = MAX_ELEMENTS;
	if (c.depth > MAX_DEPTH)
		c.depth = MAX_DEPTH;
	vds_type_info(type, &info);
	err = read_words(&c, type, &addresses, &count);
	c.has_address = !err && count;
	if (!err && !count)
		err = info.kind == VDS_CLASS_ENUM ?
			list_enumerators(&c, type, &info) :
			show_at(&c, type, 0);
	for (size_t i = 0; !err && i < count; i++)
		err = show_objects(&c, type, addresses[i]);
	/* With an address, a pointer on the way may be null or unreadable. */
	if (!err && !c.rows && c.num_globs && !count)
		err = vds_error_create(VDS_ERROR_USAGE,
				       "dt: no member of %s is called %s",
				       c.type_name, c.globs[0]);
	return err;
}

VDS_PLUGIN(dt) = {
	VDS_PLUGIN_HEADER(dt),
	.flags = VDS_PLUGIN_WITHOUT_TABLES,
	.version = "1.1.0",
	.summary = "a structure by the profile, member by member",
	.record = "field",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_dt,
};
