/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/isf.h"

#include <json.h>
#include <string.h>

#include "base/file.h"
#include "base/util.h"
#include "profile/names.h"
#include "profile/unxz.h"

/* The largest kernel table here is 7 MB, or 400 kB of .xz. */
#define MAX_FILE ((size_t)64 << 20)
#define MAX_JSON ((size_t)64 << 20)
/* Types nest a few levels (array of pointers to ...) below the top level. */
#define MAX_DEPTH 40

struct isf {
	struct json_object *root;
	struct vds_model *model;
	/* Handles of anonymous types by the converter's names for them. */
	struct vds_names names;
	struct vds_arena arena;
};

static bool is(struct json_object *o, enum json_type type)
{
	return json_object_is_type(o, type);
}

/* Member @key of object @o, of the given type; NULL if there is none. */
static struct json_object *get(struct json_object *o, const char *key,
			       enum json_type type)
{
	struct json_object *v;
	if (!is(o, json_type_object) || !json_object_object_get_ex(o, key, &v) ||
	    !is(v, type))
		return NULL;
	return v;
}

static const char *get_string(struct json_object *o, const char *key)
{
	struct json_object *v = get(o, key, json_type_string);
	const char *s = v ? json_object_get_string(v) : NULL;
	/* A NUL inside would cut the name short. */
	if (s && strlen(s) != (size_t)json_object_get_string_len(v))
		return NULL;
	return s;
}

static bool get_u64(struct json_object *o, const char *key, uint64_t max,
		    uint64_t *ret)
{
	struct json_object *v = get(o, key, json_type_int);
	if (!v || json_object_get_int64(v) < 0)
		return false;
	uint64_t n = json_object_get_uint64(v);
	if (n > max)
		return false;
	*ret = n;
	return true;
}

static struct vds_error *bad(const char *what, const char *where)
{
	return vds_error_create(VDS_ERROR_FORMAT, "%s: %.200s", what, where);
}

/*
 * pdbconv calls anonymous types "__unnamed_" or (for "<anonymous-tag>")
 * "__anonymous_" and the type's index in hex; the index is the PDB's and means
 * nothing outside of this table.
 */
static bool is_anonymous(const char *name)
{
	static const char *const prefixes[] = {"__unnamed_", "__anonymous_"};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(prefixes); i++) {
		size_t n = strlen(prefixes[i]);
		if (strncmp(name, prefixes[i], n) == 0 && name[n] &&
		    strspn(name + n, "0123456789abcdefABCDEF") ==
		    strlen(name + n))
			return true;
	}
	return false;
}

static struct vds_error *named(struct isf *isf, const char *name,
			       struct vds_model_type **ret)
{
	if (!is_anonymous(name))
		return vds_model_named(isf->model, name, strlen(name), ret);
	struct vds_name *n = vds_names_find(&isf->names, name, strlen(name));
	if (!n)
		return bad("a type that is not in the table", name);
	*ret = n->type;
	return NULL;
}

/* Defines @name (a struct, union or enum) and returns its handle. */
static struct vds_error *define(struct isf *isf, const char *name,
				enum vds_type_kind kind, uint64_t size,
				struct vds_model_type *base,
				struct vds_model_type **ret)
{
	if (!is_anonymous(name))
		return vds_model_define(isf->model, kind, name, strlen(name),
					size, base, ret);
	struct vds_name *n = vds_names_get(&isf->names, &isf->arena, name,
					   strlen(name));
	if (!n)
		return &vds_enomem;
	struct vds_error *err = vds_model_define(isf->model, kind, NULL, 0,
						 size, base, ret);
	if (!err)
		n->type = *ret;
	return err;
}

/* Names of base types in ISF tables and what they are called here. */
static const char *base_alias(const char *name)
{
	return strcmp(name, "f32") == 0 ? "float" : name;
}

static enum vds_base_encoding encoding_of(const char *kind, bool is_signed)
{
	if (strcmp(kind, "float") == 0)
		return VDS_BASE_FLOAT;
	if (strcmp(kind, "bool") == 0)
		return VDS_BASE_BOOL;
	if (strcmp(kind, "char") == 0 && is_signed)
		return VDS_BASE_CHAR;
	return is_signed ? VDS_BASE_SIGNED : VDS_BASE_UNSIGNED;
}

static struct vds_error *add_base(struct isf *isf, const char *name,
				  struct json_object *o)
{
	struct vds_model_type *type;
	const char *kind = get_string(o, "kind");
	struct json_object *is_signed = get(o, "signed", json_type_boolean);
	uint64_t size;
	if (!kind || !get_u64(o, "size", 64, &size))
		return bad("base type without kind and size", name);
	name = base_alias(name);
	/* "pointer" only states the size of pointers, which the CPU implies. */
	if (vds_model_base(isf->model, name, &type) ||
	    strcmp(name, "pointer") == 0 || !size)
		return NULL;
	return vds_model_add_base(isf->model, name,
		encoding_of(kind, is_signed && json_object_get_boolean(is_signed)),
		size, &type);
}

static struct vds_error *add_enum(struct isf *isf, const char *name,
				  struct json_object *o)
{
	const char *base_name = get_string(o, "base");
	struct json_object *constants = get(o, "constants", json_type_object);
	struct vds_model_type *type, *base;
	if (!base_name || !constants)
		return bad("enum without base and constants", name);
	struct vds_error *err = named(isf, base_alias(base_name), &base);
	if (!err)
		err = define(isf, name, VDS_TYPE_ENUM, 0, base, &type);
	if (err)
		return err;
	json_object_object_foreach(constants, key, value) {
		if (!is(value, json_type_int))
			return bad("enum value is no integer", key);
		int64_t v = json_object_get_int64(value);
		if (v == INT64_MAX)	/* json-c clamps what is larger */
			v = (int64_t)json_object_get_uint64(value);
		err = vds_model_enumerator(isf->model, type, key, strlen(key), v);
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *add_type(struct isf *isf, const char *name,
				  struct json_object *o)
{
	const char *kind = get_string(o, "kind");
	struct vds_model_type *type;
	uint64_t size;
	if (!kind || (strcmp(kind, "struct") && strcmp(kind, "class") &&
		      strcmp(kind, "union")))
		return bad("type is no struct, class or union", name);
	if (!get_u64(o, "size", UINT32_MAX, &size))
		return bad("type without a size", name);
	return define(isf, name, strcmp(kind, "union") ? VDS_TYPE_STRUCT :
		      VDS_TYPE_UNION, size, NULL, &type);
}

/*
 * The type that @o describes. Walks from the outermost description inwards and
 * applies pointers and arrays on the way back; the parser has bounded both.
 */
static struct vds_error *type_of(struct isf *isf, struct json_object *o,
				 struct vds_model_type **ret)
{
	struct json_object *chain[MAX_DEPTH];
	int n = 0;
	const char *kind;
	struct vds_error *err = NULL;
	for (;;) {
		kind = get_string(o, "kind");
		if (!kind)
			return bad("type without a kind", "");
		if (strcmp(kind, "pointer") && strcmp(kind, "array"))
			break;
		if (n == MAX_DEPTH)
			return bad("type nests too deep", kind);
		chain[n++] = o;
		o = get(o, "subtype", json_type_object);
	}
	const char *name = strcmp(kind, "function") ? get_string(o, "name") :
		"function";
	if (!name)
		return bad("type without a name", kind);
	struct vds_model_type *type;
	err = named(isf, strcmp(kind, "base") ? name : base_alias(name), &type);
	while (n-- && !err) {
		uint64_t count;
		if (strcmp(get_string(chain[n], "kind"), "pointer") == 0)
			err = vds_model_pointer(isf->model, type, 0, &type);
		else if (get_u64(chain[n], "count", UINT32_MAX, &count))
			err = vds_model_array(isf->model, type, count, &type);
		else
			err = bad("array without a count", name);
	}
	if (!err)
		*ret = type;
	return err;
}

static struct vds_error *add_field(struct isf *isf, struct vds_model_type *type,
				   const char *name, struct json_object *o)
{
	struct json_object *t = get(o, "type", json_type_object);
	uint64_t offset, pos = 0, bits = 0;
	if (!t || !get_u64(o, "offset", UINT32_MAX, &offset))
		return bad("member without offset and type", name);
	const char *kind = get_string(t, "kind");
	if (kind && strcmp(kind, "bitfield") == 0) {
		if (!get_u64(t, "bit_position", 127, &pos) ||
		    !get_u64(t, "bit_length", 128, &bits) || !bits)
			return bad("bit field without position and length", name);
		t = get(t, "type", json_type_object);
	}
	struct vds_model_type *member = NULL;
	struct vds_error *err = type_of(isf, t, &member);
	if (err)
		return vds_error_prefix(err, "%.200s", name);
	return vds_model_member(isf->model, type, name, strlen(name),
				(uint32_t)offset, (unsigned int)pos,
				(unsigned int)bits, member);
}

static struct vds_error *add_fields(struct isf *isf, const char *name,
				    struct json_object *o)
{
	struct json_object *fields = get(o, "fields", json_type_object);
	struct vds_model_type *type;
	if (!fields)
		return bad("type without fields", name);
	struct vds_error *err = named(isf, name, &type);
	if (err)
		return err;
	json_object_object_foreach(fields, key, value) {
		err = add_field(isf, type, key, value);
		if (err)
			return vds_error_prefix(err, "%.200s", name);
	}
	return NULL;
}

/* The table's key has a leading '_' stripped; linkage_name is the real one. */
static struct vds_error *add_symbol(struct isf *isf, const char *name,
				    struct json_object *o)
{
	uint64_t rva;
	if (!get_u64(o, "address", UINT32_MAX, &rva))
		return bad("symbol without an address", name);
	const char *linkage = get_string(o, "linkage_name");
	if (linkage && linkage[0])
		name = linkage;
	return vds_model_symbol(isf->model, name, strlen(name), (uint32_t)rva);
}

typedef struct vds_error *(*entry_fn)(struct isf *, const char *name,
				      struct json_object *);

static struct vds_error *each(struct isf *isf, const char *section, entry_fn fn)
{
	struct json_object *o = get(isf->root, section, json_type_object);
	if (!o)
		return bad("not a symbol table: it lacks", section);
	json_object_object_foreach(o, key, value) {
		struct vds_error *err = fn(isf, key, value);
		if (err)
			return vds_error_prefix(err, "%s", section);
	}
	return NULL;
}

static struct vds_error *add_identity(struct isf *isf)
{
	struct vds_profile_identity id = {.confidence = VDS_PROFILE_SYMBOLS};
	struct json_object *o = get(isf->root, "metadata", json_type_object);
	const char *format = get_string(o, "format");
	o = get(get(o, "windows", json_type_object), "pdb", json_type_object);
	if (!o)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
			"not a table of a Windows PDB (no metadata.windows.pdb)");
	if (!format || !strchr("3456", format[0]) || format[1] != '.')
		return bad("unknown version of the format", format ? format : "");
	const char *guid = get_string(o, "GUID");
	const char *pdb = get_string(o, "database");
	uint64_t age, machine = 0;
	if (!guid || strlen(guid) != 32 ||
	    strspn(guid, "0123456789abcdefABCDEF") != 32)
		return bad("metadata", "GUID is not 32 hex digits");
	if (!pdb || !pdb[0] || strlen(pdb) >= sizeof(id.pdb))
		return bad("metadata", "no PDB name");
	if (!get_u64(o, "age", UINT32_MAX, &age))
		return bad("metadata", "no age");
	get_u64(o, "machine_type", UINT16_MAX, &machine);
	for (int i = 0; i < 32; i++)
		id.guid[i] = (char)(guid[i] >= 'a' ? guid[i] - 32 : guid[i]);
	for (size_t i = 0; pdb[i]; i++)
		id.pdb[i] = pdb[i] < 0x20 || pdb[i] > 0x7e ? '?' : pdb[i];
	id.age = (uint32_t)age;
	/* IMAGE_FILE_MACHINE_I386, _ARM64, _AMD64 (PE specification). */
	strcpy(id.arch, machine == 0x14c ? "x86" :
	       machine == 0xaa64 ? "arm64" : "x64");
	vds_model_set_identity(isf->model, &id);
	return NULL;
}

static struct vds_error *add_all(struct isf *isf)
{
	struct vds_error *err = add_identity(isf);
	if (!err)
		err = each(isf, "base_types", add_base);
	if (!err)
		err = each(isf, "enums", add_enum);
	/* All types before any member: anonymous ones go by handle. */
	if (!err)
		err = each(isf, "user_types", add_type);
	if (!err)
		err = each(isf, "user_types", add_fields);
	if (!err)
		err = each(isf, "symbols", add_symbol);
	return err;
}

static struct vds_error *parse_json(const char *text, size_t len,
				    struct json_object **ret)
{
	if (len > MAX_JSON)
		return vds_error_create(VDS_ERROR_FORMAT,
					"larger than %zu bytes", MAX_JSON);
	struct json_tokener *tok = json_tokener_new_ex(MAX_DEPTH);
	if (!tok)
		return &vds_enomem;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT |
			       JSON_TOKENER_VALIDATE_UTF8);
	struct json_object *root = json_tokener_parse_ex(tok, text, (int)len);
	enum json_tokener_error error = json_tokener_get_error(tok);
	size_t at = json_tokener_get_parse_end(tok);
	json_tokener_free(tok);
	while (root && at < len && strchr(" \t\r\n", text[at]) && text[at])
		at++;
	if (error == json_tokener_success && root && at == len) {
		*ret = root;
		return NULL;
	}
	json_object_put(root);
	return vds_error_create(VDS_ERROR_FORMAT, "byte %zu: %s", at,
		error == json_tokener_continue ? "the JSON ends too early" :
		error == json_tokener_success ? "not one JSON object" :
		json_tokener_error_desc(error));
}

static struct vds_error *parse(const char *text, size_t len,
			       struct vds_model *model)
{
	struct isf isf = {.model = model};
	struct vds_error *err = parse_json(text, len, &isf.root);
	if (!err)
		err = add_all(&isf);
	json_object_put(isf.root);
	vds_names_deinit(&isf.names);
	vds_arena_deinit(&isf.arena);
	return err;
}

struct vds_error *vds_isf_parse(const char *name, const void *data, size_t len,
				struct vds_model *model)
{
	_cleanup_(vds_str_deinit) struct vds_str plain = {0};
	struct vds_error *err;
	if (vds_is_xz(data, len)) {
		err = vds_unxz(data, len, MAX_JSON, &plain);
		if (!err)
			err = parse(plain.data ? plain.data : "", plain.len,
				    model);
	} else {
		err = parse(data, len, model);
	}
	return vds_error_prefix(err, "%s", name);
}

struct vds_error *vds_isf_load(const char *path, struct vds_model *model)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	struct vds_error *err = vds_file_slurp(path, MAX_FILE, &data, &len);
	return err ? err : vds_isf_parse(path, data, len, model);
}
