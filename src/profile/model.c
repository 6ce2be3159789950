/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "profile/profile_int.h"
#include "profile/spell.h"

/* Pointers to arrays of pointers...: C needs a handful. */
#define MAX_CHAIN 64
/* Types of one profile: the largest PDB seen has some 200,000. */
#define MAX_TYPES ((size_t)1 << 22)
#define MAX_SYMBOLS ((size_t)1 << 23)
#define PACK_ROOM 16384	/* bytes of symbol names that are allocated at once */

/*
 * CodeView's simple types under the names that Volatility 3's pdbconv gives
 * them, so that both sources of a kernel's types agree. Sizes are those of
 * Windows' data model (LLP64, and ILP32 alike).
 */
static const struct vds_base_type base_types[] = {
	{"HRESULT", VDS_TYPE_BASE, VDS_BASE_SIGNED, 4},
	{"bool", VDS_TYPE_BASE, VDS_BASE_BOOL, 1},
	{"char", VDS_TYPE_BASE, VDS_BASE_CHAR, 1},
	{"char16", VDS_TYPE_BASE, VDS_BASE_WCHAR, 2},
	{"char32", VDS_TYPE_BASE, VDS_BASE_UNSIGNED, 4},
	{"double", VDS_TYPE_BASE, VDS_BASE_FLOAT, 8},
	{"float", VDS_TYPE_BASE, VDS_BASE_FLOAT, 4},
	{"function", VDS_TYPE_FUNCTION, VDS_BASE_UNSIGNED, 0},
	{"int", VDS_TYPE_BASE, VDS_BASE_SIGNED, 4},
	{"int128", VDS_TYPE_BASE, VDS_BASE_SIGNED, 16},
	{"long", VDS_TYPE_BASE, VDS_BASE_SIGNED, 4},
	{"long long", VDS_TYPE_BASE, VDS_BASE_SIGNED, 8},
	{"short", VDS_TYPE_BASE, VDS_BASE_SIGNED, 2},
	{"unsigned char", VDS_TYPE_BASE, VDS_BASE_UNSIGNED, 1},
	{"unsigned int", VDS_TYPE_BASE, VDS_BASE_UNSIGNED, 4},
	{"unsigned int128", VDS_TYPE_BASE, VDS_BASE_UNSIGNED, 16},
	{"unsigned long", VDS_TYPE_BASE, VDS_BASE_UNSIGNED, 4},
	{"unsigned long long", VDS_TYPE_BASE, VDS_BASE_UNSIGNED, 8},
	{"unsigned short", VDS_TYPE_BASE, VDS_BASE_UNSIGNED, 2},
	{"void", VDS_TYPE_VOID, VDS_BASE_UNSIGNED, 0},
	{"wchar", VDS_TYPE_BASE, VDS_BASE_WCHAR, 2},
};

const struct vds_base_type *vds_base_types(size_t *ret_num)
{
	*ret_num = VDS_ARRAY_SIZE(base_types);
	return base_types;
}

static struct vds_error *add_type(struct vds_model *model,
				  enum vds_type_kind kind,
				  struct vds_model_type **ret)
{
	if (model->num_types >= MAX_TYPES)
		return vds_error_create(VDS_ERROR_FORMAT,
					"more than %zu types", MAX_TYPES);
	if (model->num_types == model->cap_types) {
		size_t cap = model->cap_types ? model->cap_types * 2 : 1024;
		void *p = realloc(model->types, cap * sizeof(*model->types));
		if (!p)
			return &vds_enomem;
		model->types = p;
		model->cap_types = cap;
	}
	struct vds_model_type *type = vds_arena_calloc(&model->profile->arena,
						       1, sizeof(*type));
	if (!type)
		return &vds_enomem;
	type->t.kind = kind;
	type->t.name = "";
	type->mark = model->here;
	model->types[model->num_types++] = type;
	*ret = type;
	return NULL;
}

static struct vds_error *add_builtins(struct vds_model *model)
{
	for (size_t i = 0; i < VDS_ARRAY_SIZE(base_types); i++) {
		const struct vds_base_type *b = &base_types[i];
		struct vds_model_type *type = NULL;
		struct vds_error *err = vds_model_named(model, b->name,
							strlen(b->name), &type);
		if (err)
			return err;
		type->t.kind = b->kind;
		type->t.encoding = b->encoding;
		type->t.size = b->size;
		type->builtin = true;
	}
	return NULL;
}

struct vds_error *vds_model_create(struct vds_model **ret)
{
	struct vds_model *model = calloc(1, sizeof(*model));
	if (!model)
		return &vds_enomem;
	model->profile = calloc(1, sizeof(*model->profile));
	if (!model->profile) {
		free(model);
		return &vds_enomem;
	}
	struct vds_error *err = add_builtins(model);
	if (err) {
		vds_model_destroy(model);
		return err;
	}
	*ret = model;
	return NULL;
}

void vds_model_destroy(struct vds_model *model)
{
	if (!model)
		return;
	vds_profile_destroy(model->profile);
	free(model->types);
	free(model);
}

void vds_model_set_identity(struct vds_model *model,
			    const struct vds_profile_identity *identity)
{
	model->profile->identity = *identity;
}

void vds_model_set_build(struct vds_model *model, uint32_t build,
			 uint32_t revision)
{
	model->profile->identity.build = build;
	model->profile->identity.revision = revision;
}

/* ASCII, with control characters: import thunks have a DEL in their names. */
static bool is_clean(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		if (!c || c > 0x7f)
			return false;
	}
	return true;
}

/*
 * YAML holds no NUL, surrogates, U+FFFE and the like; line separators and
 * bidirectional controls would make it lie to its reader.
 */
static void clean(struct vds_str *out, const char *text, size_t len)
{
	struct vds_str utf8 = {0};
	vds_str_put_utf8(&utf8, text, len);
	size_t pos = 0, from = 0;
	int32_t c;
	while (!utf8.failed && (c = vds_utf8_next(utf8.data, utf8.len, &pos)) >= 0) {
		if (!c || (c > 0x7f && (vds_is_unsafe_char(c) ||
					(c & 0xfffe) == 0xfffe)))
			vds_str_puts(out, "\xef\xbf\xbd");
		else
			vds_str_append(out, utf8.data + from, pos - from);
		from = pos;
	}
	out->failed |= utf8.failed;
	vds_str_deinit(&utf8);
}

static struct vds_error *intern(struct vds_model *model, const char *text,
				size_t len, struct vds_name **ret)
{
	_cleanup_(vds_str_deinit) struct vds_str cleaned = {0};
	if (!is_clean(text, len)) {
		clean(&cleaned, text, len);
		if (cleaned.failed)
			return &vds_enomem;
		text = cleaned.data;
		len = cleaned.len;
	}
	if (len > VDS_NAME_MAX)
		return vds_error_create(VDS_ERROR_FORMAT,
					"a name of %zu bytes", len);
	*ret = vds_names_get(&model->profile->names, &model->profile->arena,
			     text, len);
	return *ret ? NULL : &vds_enomem;
}

/*
 * Names of types and members from a producer: a '.' would read as the path of
 * an anonymous type, a '*' or ']' at the end of a type as a pointer or array.
 */
static struct vds_error *intern_plain(struct vds_model *model,
				      const char *text, size_t len,
				      bool is_type, struct vds_name **ret)
{
	bool ambiguous = is_type && vds_spelling_is_ambiguous(text, len);
	if (model->keep_paths || (!ambiguous && !memchr(text, '.', len)))
		return intern(model, text, len, ret);
	_cleanup_free_ char *copy = malloc(len + 1);
	if (!copy)
		return &vds_enomem;
	for (size_t i = 0; i < len; i++)
		copy[i] = text[i] == '.' ? '_' : text[i];
	if (ambiguous)
		copy[len - 1] = '_';
	return intern(model, copy, len, ret);
}

struct vds_error *vds_model_name(struct vds_model *model, const char *text,
				 size_t len, struct vds_name **ret)
{
	return intern(model, text, len, ret);
}

bool vds_model_base(struct vds_model *model, const char *name,
		    struct vds_model_type **ret)
{
	struct vds_name *n = vds_names_find(&model->profile->names, name,
					    strlen(name));
	if (!n || !n->type || !n->type->builtin)
		return false;
	*ret = n->type;
	return true;
}

struct vds_error *vds_model_named(struct vds_model *model, const char *name,
				  size_t len, struct vds_model_type **ret)
{
	struct vds_name *n;
	if (!len)
		return vds_error_create(VDS_ERROR_FORMAT,
					"a reference to a type without a name");
	struct vds_error *err = intern_plain(model, name, len, true, &n);
	if (err)
		return err;
	if (!n->type) {
		struct vds_model_type *type = NULL;
		err = add_type(model, VDS_TYPE_OPAQUE, &type);
		if (err)
			return err;
		type->t.name = n->text;
		n->type = type;
	}
	*ret = n->type;
	return NULL;
}

/* Gives @type a definition, its first or a new one. */
static struct vds_error *redefine(struct vds_model_type *type,
				  enum vds_type_kind kind, uint64_t size,
				  struct vds_model_mark here)
{
	if (type->builtin)
		return vds_error_create(VDS_ERROR_FORMAT,
					"%s is a base type and can't be redefined",
					type->t.name);
	type->t.kind = kind;
	type->t.size = size;
	type->t.target = NULL;
	type->mark = here;
	type->members = NULL;
	type->enumerators = NULL;
	return NULL;
}

struct vds_error *vds_model_add_base(struct vds_model *model, const char *name,
				     enum vds_base_encoding encoding,
				     uint64_t size, struct vds_model_type **ret)
{
	if (!size || size > 64)
		return vds_error_create(VDS_ERROR_FORMAT,
					"base type %s: a size of %llu bytes",
					name, (unsigned long long)size);
	struct vds_model_type *type = NULL;
	struct vds_error *err = vds_model_named(model, name, strlen(name),
						&type);
	if (!err)
		err = redefine(type, VDS_TYPE_BASE, size, model->here);
	if (err)
		return err;
	type->t.encoding = encoding;
	*ret = type;
	return NULL;
}

static struct vds_error *derive(struct vds_model *model,
				enum vds_type_kind kind,
				struct vds_model_type *target,
				struct vds_model_type **ret)
{
	if (target->depth >= MAX_CHAIN)
		return vds_error_create(VDS_ERROR_FORMAT,
					"more than %d pointers and arrays on one type",
					MAX_CHAIN);
	struct vds_model_type *type = NULL;
	struct vds_error *err = add_type(model, kind, &type);
	if (err)
		return err;
	type->t.target = &target->t;
	type->depth = (uint8_t)(target->depth + 1);
	*ret = type;
	return NULL;
}

struct vds_error *vds_model_pointer(struct vds_model *model,
				    struct vds_model_type *target,
				    unsigned int size,
				    struct vds_model_type **ret)
{
	if (!size && target->pointer) {
		*ret = target->pointer;
		return NULL;
	}
	if (size > 8)
		return vds_error_create(VDS_ERROR_FORMAT,
					"a pointer of %u bytes", size);
	struct vds_error *err = derive(model, VDS_TYPE_POINTER, target, ret);
	if (err)
		return err;
	(*ret)->t.size = size;
	(*ret)->plain_pointer = !size;
	if (!size)
		target->pointer = *ret;
	return NULL;
}

struct vds_error *vds_model_array(struct vds_model *model,
				  struct vds_model_type *element,
				  uint64_t count, struct vds_model_type **ret)
{
	struct vds_error *err = derive(model, VDS_TYPE_ARRAY, element, ret);
	if (!err)
		(*ret)->t.count = count;
	return err;
}

struct vds_error *vds_model_define(struct vds_model *model,
				   enum vds_type_kind kind, const char *name,
				   size_t len, uint64_t size,
				   struct vds_model_type *base,
				   struct vds_model_type **ret)
{
	struct vds_model_type *type = NULL;
	struct vds_error *err = name ?
		vds_model_named(model, name, len, &type) :
		add_type(model, kind, &type);
	if (!err)
		err = redefine(type, kind, size, model->here);
	if (err)
		return err;
	if (kind == VDS_TYPE_ENUM && base)
		type->t.target = &base->t;
	*ret = type;
	return NULL;
}

struct vds_error *vds_model_add_member(struct vds_model *model,
				       struct vds_model_type *type,
				       struct vds_name *name, uint32_t offset,
				       unsigned int bit_pos,
				       unsigned int bit_len,
				       struct vds_model_type *member_type)
{
	if (bit_pos > 127 || bit_len > 128)
		return vds_error_create(VDS_ERROR_FORMAT, "%s.%s: bits %u+%u",
					type->t.name, name->text, bit_pos,
					bit_len);
	struct vds_model_member *member =
		vds_arena_alloc(&model->profile->arena, sizeof(*member));
	if (!member)
		return &vds_enomem;
	*member = (struct vds_model_member){
		.m = {
			.name = name->text,
			.offset = offset,
			.bit_pos = (uint8_t)bit_pos,
			.bit_len = (uint8_t)bit_len,
			.type = &member_type->t,
		},
		.next = type->members,
		.mark = model->here,
	};
	type->members = member;
	return NULL;
}

struct vds_error *vds_model_member(struct vds_model *model,
				   struct vds_model_type *type,
				   const char *name, size_t len,
				   uint32_t offset, unsigned int bit_pos,
				   unsigned int bit_len,
				   struct vds_model_type *member_type)
{
	struct vds_name *n;
	struct vds_error *err = intern_plain(model, name, len, false, &n);
	if (err)
		return err;
	return vds_model_add_member(model, type, n, offset, bit_pos, bit_len,
				    member_type);
}

struct vds_error *vds_model_enumerator(struct vds_model *model,
				       struct vds_model_type *type,
				       const char *name, size_t len,
				       int64_t value)
{
	struct vds_name *n;
	struct vds_error *err = vds_model_name(model, name, len, &n);
	if (err)
		return err;
	struct vds_model_enumerator *e =
		vds_arena_alloc(&model->profile->arena, sizeof(*e));
	if (!e)
		return &vds_enomem;
	e->e.name = n->text;
	e->e.value = value;
	e->next = type->enumerators;
	type->enumerators = e;
	return NULL;
}

static struct vds_error *push_symbol(struct vds_model *model, const char *text,
				     uint32_t rva)
{
	struct vds_profile *p = model->profile;
	if (p->num_symbols >= MAX_SYMBOLS)
		return vds_error_create(VDS_ERROR_FORMAT,
					"more than %zu symbols", MAX_SYMBOLS);
	if (p->num_symbols == model->cap_symbols) {
		size_t cap = model->cap_symbols ? model->cap_symbols * 2 : 1024;
		void *grown = realloc(p->symbols, cap * sizeof(*p->symbols));
		if (!grown)
			return &vds_enomem;
		p->symbols = grown;
		model->cap_symbols = cap;
	}
	p->symbols[p->num_symbols++] = (struct vds_symbol){text, rva};
	return NULL;
}

struct vds_error *vds_model_add_symbol(struct vds_model *model,
				       struct vds_name *name, uint32_t rva)
{
	return push_symbol(model, name->text, rva);
}

/*
 * A copy of a symbol's name. A kernel has 40,000 of them, which nothing but
 * the list of symbols refers to: interning and aligning them would double the
 * memory of a conversion.
 */
static char *pack_text(struct vds_model *model, const char *text, size_t len)
{
	if (len >= model->pack_left) {
		size_t room = VDS_MAX(len + 1, (size_t)PACK_ROOM);
		model->pack = vds_arena_alloc(&model->profile->arena, room);
		model->pack_left = model->pack ? room : 0;
	}
	if (!model->pack)
		return NULL;
	char *copy = model->pack;
	memcpy(copy, text, len);
	copy[len] = '\0';
	model->pack += len + 1;
	model->pack_left -= len + 1;
	return copy;
}

struct vds_error *vds_model_symbol(struct vds_model *model, const char *name,
				   size_t len, uint32_t rva)
{
	_cleanup_(vds_str_deinit) struct vds_str cleaned = {0};
	if (!is_clean(name, len)) {
		clean(&cleaned, name, len);
		if (cleaned.failed)
			return &vds_enomem;
		name = cleaned.data;
		len = cleaned.len;
	}
	if (len > VDS_NAME_MAX)
		return vds_error_create(VDS_ERROR_FORMAT,
					"a name of %zu bytes", len);
	char *text = pack_text(model, name, len);
	return text ? push_symbol(model, text, rva) : &vds_enomem;
}
