/* SPDX-License-Identifier: Apache-2.0 */
/* YAML to profile: docs/profile-format.md, read strictly. */
#include "profile/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/util.h"
#include "profile/emit.h"
#include "profile/profile_int.h"
#include "profile/spell.h"
#include "profile/yaml_in.h"

/* A full profile of the largest kernel here is 2.2 MB. */
#define MAX_FILE ((size_t)64 << 20)
#define MAX_LAYERS 64

/* Which parts of a pack the wanted kernel consists of. */
struct layers {
	struct vds_name *wanted[MAX_LAYERS];
	size_t num;
};

struct loader {
	struct vds_yaml_in in;
	struct vds_model *model;
	struct vds_profile_identity identity;
	const struct vds_profile_identity *want;	/* NULL = the only one */
	struct layers layers;
	size_t kernels;		/* seen in a pack */
	bool found;		/* the wanted one */
	bool head_only;
	/* All kernels' identities, when they are what is asked for. */
	bool list;
	struct vds_profile_identity *listed;
};

typedef struct vds_error *(*value_fn)(struct loader *, const char *key,
				      void *arg);

static void mark_here(struct loader *l)
{
	l->model->here.line = (uint32_t)l->in.event.start_mark.line + 1;
	l->model->here.column = (uint32_t)l->in.event.start_mark.column + 1;
}

/* Gives an error of the model the position of the current event. */
static struct vds_error *locate(struct loader *l, struct vds_error *err)
{
	if (!err || err->code != VDS_ERROR_FORMAT)
		return err;
	struct vds_error *at = vds_yaml_error(&l->in, "%s", err->message);
	vds_error_destroy(err);
	return at;
}

static struct vds_error *text_value(struct loader *l, const char **ret,
				    size_t *ret_len)
{
	return vds_yaml_scalar(&l->in, ret, ret_len);
}

static struct vds_error *u64_value(struct loader *l, const char *key,
				   uint64_t max, uint64_t *ret)
{
	const char *text;
	size_t len;
	struct vds_error *err = text_value(l, &text, &len);
	if (err)
		return err;
	if (!vds_spelled_u64(text, len, max, ret))
		return vds_yaml_error(&l->in,
			"%s: not an integer from 0 to %llu", key,
			(unsigned long long)max);
	return vds_yaml_next(&l->in);
}

static struct vds_error *u32_value(struct loader *l, const char *key,
				   uint32_t *ret)
{
	uint64_t v;
	struct vds_error *err = u64_value(l, key, UINT32_MAX, &v);
	if (!err)
		*ret = (uint32_t)v;
	return err;
}

/* Copies a scalar into an array of @size bytes. */
static struct vds_error *string_value(struct loader *l, const char *key,
				      char *ret, size_t size)
{
	const char *text;
	size_t len;
	struct vds_error *err = text_value(l, &text, &len);
	if (err)
		return err;
	if (len >= size)
		return vds_yaml_error(&l->in, "%s: longer than %zu characters",
				      key, size - 1);
	for (size_t i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e)
			return vds_yaml_error(&l->in,
				"%s: only printable ASCII is allowed", key);
	}
	memcpy(ret, text, len + 1);
	return vds_yaml_next(&l->in);
}

/*
 * Walks a mapping: @fn is called at each value and consumes it. The key is
 * NUL-terminated and the callback's while it runs. With @known, only these
 * keys are allowed, each once.
 */
static struct vds_error *each(struct loader *l, const char *what,
			      const char *const *known, value_fn fn, void *arg)
{
	uint32_t seen = 0;
	struct vds_error *err = vds_yaml_begin(&l->in, YAML_MAPPING_START_EVENT,
					       what);
	while (!err) {
		bool end;
		const char *text;
		size_t len, i = 0;
		err = vds_yaml_at_end(&l->in, YAML_MAPPING_END_EVENT, &end);
		if (err || end)
			return err;
		err = vds_yaml_scalar(&l->in, &text, &len);
		if (err)
			return err;
		while (known[i] && strcmp(known[i], text) != 0)
			i++;
		if (!known[i])
			return vds_yaml_error(&l->in, "%.100s: unknown key",
					      text);
		if (seen & 1u << i)
			return vds_yaml_error(&l->in, "%s: duplicate key",
					      text);
		seen |= 1u << i;
		err = vds_yaml_next(&l->in);
		if (!err)
			err = fn(l, known[i], arg);
	}
	return err;
}

typedef struct vds_error *(*entry_fn)(struct loader *, struct vds_name *name,
				      void *arg);

/*
 * Walks a mapping with free keys, interned. With @unique, duplicates are
 * refused here (the values may then not walk another such mapping).
 */
static struct vds_error *each_name(struct loader *l, const char *what,
				   bool unique, entry_fn fn, void *arg)
{
	uint32_t stamp = ++l->model->stamp;
	struct vds_error *err = vds_yaml_begin(&l->in, YAML_MAPPING_START_EVENT,
					       what);
	while (!err) {
		bool end;
		const char *text;
		size_t len;
		struct vds_name *name;
		err = vds_yaml_at_end(&l->in, YAML_MAPPING_END_EVENT, &end);
		if (err || end)
			return err;
		mark_here(l);
		err = vds_yaml_scalar(&l->in, &text, &len);
		if (!err)
			err = locate(l, vds_model_name(l->model, text, len,
						       &name));
		if (err)
			return err;
		if (unique && name->stamp == stamp && name->len)
			return vds_yaml_error(&l->in, "%.100s: duplicate key",
					      name->text);
		name->stamp = stamp;
		err = vds_yaml_next(&l->in);
		if (!err)
			err = fn(l, name, arg);
	}
	return err;
}

static struct vds_error *on_member(struct loader *l, struct vds_name *name,
				   void *arg)
{
	const char *text;
	size_t len;
	struct vds_spelled_member m;
	struct vds_model_type *type;
	struct vds_error *err = text_value(l, &text, &len);
	if (err)
		return err;
	if (strchr(name->text, '.'))
		return vds_yaml_error(&l->in, "%.100s: a '.' in a member's name",
				      name->text);
	if (!vds_spelled_member(text, len, &m))
		return vds_yaml_error(&l->in,
			"%.100s: expected OFFSET[:BIT+LENGTH] TYPE", name->text);
	err = vds_model_spelled(l->model, m.type, m.type_len, &type);
	if (!err)
		err = vds_model_add_member(l->model, arg, name, m.offset,
					   m.bit_pos, m.bit_len, type);
	return err ? locate(l, err) : vds_yaml_next(&l->in);
}

static struct vds_error *on_enumerator(struct loader *l, struct vds_name *name,
				       void *arg)
{
	const char *text;
	size_t len;
	int64_t value;
	struct vds_error *err = text_value(l, &text, &len);
	if (err)
		return err;
	if (!vds_spelled_i64(text, len, &value))
		return vds_yaml_error(&l->in, "%.100s: not a 64-bit integer",
				      name->text);
	err = vds_model_enumerator(l->model, arg, name->text, name->len, value);
	return err ? locate(l, err) : vds_yaml_next(&l->in);
}

/* A type's entry: which of its keys came first decides what it is. */
struct entry {
	struct vds_name *name;
	struct vds_model_type *type;
	enum vds_base_encoding encoding;
	bool is_base;
};

static struct vds_error *define(struct loader *l, struct entry *e,
				enum vds_type_kind kind, uint64_t size,
				struct vds_model_type *base)
{
	if (e->type || e->is_base)
		return vds_yaml_error(&l->in, "%.100s: two kinds of type",
				      e->name->text);
	return locate(l, vds_model_define(l->model, kind, e->name->text,
					  e->name->len, size, base, &e->type));
}

static struct vds_error *on_enum_base(struct loader *l, struct entry *e)
{
	const char *text;
	size_t len;
	struct vds_model_type *base;
	struct vds_error *err = text_value(l, &text, &len);
	if (!err)
		err = locate(l, vds_model_named(l->model, text, len, &base));
	if (!err)
		err = define(l, e, VDS_TYPE_ENUM, 0, base);
	return err ? err : vds_yaml_next(&l->in);
}

static struct vds_error *on_base(struct loader *l, struct entry *e)
{
	const char *text;
	size_t len;
	struct vds_error *err = text_value(l, &text, &len);
	if (err)
		return err;
	if (e->type || e->is_base || strchr(e->name->text, '.') ||
	    !vds_encoding_parse(text, &e->encoding))
		return vds_yaml_error(&l->in, "%.100s: no such base type",
				      e->name->text);
	e->is_base = true;
	return vds_yaml_next(&l->in);
}

static struct vds_error *on_base_size(struct loader *l, struct entry *e)
{
	uint64_t size;
	if (!e->is_base || e->type)
		return vds_yaml_error(&l->in, "size: only a base type has it, "
				      "after `base`");
	struct vds_error *err = u64_value(l, "size", 64, &size);
	if (err)
		return err;
	return locate(l, vds_model_add_base(l->model, e->name->text,
					    e->encoding, size, &e->type));
}

static struct vds_error *on_type_key(struct loader *l, const char *key,
				     void *arg)
{
	struct entry *e = arg;
	uint64_t size;
	if (strcmp(key, "enum") == 0)
		return on_enum_base(l, e);
	if (strcmp(key, "base") == 0)
		return on_base(l, e);
	if (strcmp(key, "size") == 0)
		return on_base_size(l, e);
	if (strcmp(key, "members") == 0 || strcmp(key, "values") == 0) {
		bool values = key[0] == 'v';
		if (!e->type || (e->type->t.kind == VDS_TYPE_ENUM) != values ||
		    e->is_base)
			return vds_yaml_error(&l->in,
				"%s: not for this kind of type", key);
		return each_name(l, "a mapping", true,
				 values ? on_enumerator : on_member, e->type);
	}
	struct vds_error *err = u64_value(l, key, UINT32_MAX, &size);
	if (err)
		return err;
	return define(l, e, strcmp(key, "union") ? VDS_TYPE_STRUCT :
		      VDS_TYPE_UNION, size, NULL);
}

static struct vds_error *on_type(struct loader *l, struct vds_name *name,
				 void *arg)
{
	static const char *const keys[] = {
		"struct", "union", "members", "enum", "values", "base", "size",
		NULL,
	};
	struct entry entry = {.name = name};
	(void)arg;
	if (name->type && (name->type->builtin ||
			   name->type->t.kind != VDS_TYPE_OPAQUE))
		return vds_yaml_error(&l->in, "%.100s: defined twice",
				      name->text);
	struct vds_error *err = each(l, "a type's mapping", keys, on_type_key,
				     &entry);
	if (!err && !entry.type)
		err = vds_yaml_error(&l->in, "%.100s: no struct, union, enum or "
				     "base with its size", name->text);
	return err;
}

static struct vds_error *on_types(struct loader *l)
{
	return each_name(l, "a mapping of types", false, on_type, NULL);
}

static struct vds_error *on_symbol(struct loader *l, struct vds_name *name,
				   void *arg)
{
	uint32_t rva;
	(void)arg;
	struct vds_error *err = u32_value(l, "address", &rva);
	return err ? err : locate(l, vds_model_add_symbol(l->model, name, rva));
}

static struct vds_error *on_guid(struct loader *l,
				 struct vds_profile_identity *id)
{
	const char *text;
	size_t len;
	struct vds_error *err = text_value(l, &text, &len);
	if (err)
		return err;
	if (len != 32 || strspn(text, "0123456789ABCDEF") != 32)
		return vds_yaml_error(&l->in,
				      "guid: not 32 upper-case hex digits");
	return string_value(l, "guid", id->guid, sizeof(id->guid));
}

static struct vds_error *on_confidence(struct loader *l,
				       struct vds_profile_identity *id)
{
	char word[16];
	struct vds_error *err = string_value(l, "confidence", word,
					     sizeof(word));
	if (err)
		return err;
	if (strcmp(word, "symbols") && strcmp(word, "published"))
		return vds_yaml_error(&l->in,
			"confidence: neither symbols nor published");
	id->confidence = strcmp(word, "symbols") ? VDS_PROFILE_PUBLISHED :
		VDS_PROFILE_SYMBOLS;
	return NULL;
}

/* The keys of a kernel's identity; false if @key is none of them. */
static bool on_identity(struct loader *l, const char *key,
			struct vds_profile_identity *id, struct vds_error **ret)
{
	if (strcmp(key, "pdb") == 0)
		*ret = string_value(l, key, id->pdb, sizeof(id->pdb));
	else if (strcmp(key, "guid") == 0)
		*ret = on_guid(l, id);
	else if (strcmp(key, "age") == 0)
		*ret = u32_value(l, key, &id->age);
	else if (strcmp(key, "build") == 0)
		*ret = u32_value(l, key, &id->build);
	else if (strcmp(key, "revision") == 0)
		*ret = u32_value(l, key, &id->revision);
	else if (strcmp(key, "confidence") == 0)
		*ret = on_confidence(l, id);
	else
		return false;
	return true;
}

static bool same_kernel(const struct vds_profile_identity *a,
			const struct vds_profile_identity *b)
{
	return strcmp(a->pdb, b->pdb) == 0 && strcmp(a->guid, b->guid) == 0 &&
	       a->age == b->age && a->build == b->build &&
	       (!b->revision || a->revision == b->revision);
}

struct kernel {
	struct vds_profile_identity id;
	struct layers layers;
	bool complete;	/* its symbols were read or skipped */
};

static struct vds_error *on_layer_names(struct loader *l, struct layers *layers)
{
	struct vds_error *err = vds_yaml_begin(&l->in,
					       YAML_SEQUENCE_START_EVENT,
					       "a list of layers");
	while (!err) {
		bool end;
		const char *text;
		size_t len;
		err = vds_yaml_at_end(&l->in, YAML_SEQUENCE_END_EVENT, &end);
		if (err || end)
			return err;
		err = vds_yaml_scalar(&l->in, &text, &len);
		if (err)
			return err;
		if (layers->num == MAX_LAYERS)
			return vds_yaml_error(&l->in, "more than %d layers",
					      MAX_LAYERS);
		err = locate(l, vds_model_name(l->model, text, len,
				&layers->wanted[layers->num]));
		if (err)
			return err;
		layers->num++;
		err = vds_yaml_next(&l->in);
	}
	return err;
}

static struct vds_error *on_kernel_key(struct loader *l, const char *key,
				       void *arg)
{
	struct kernel *k = arg;
	struct vds_error *err;
	/* They come last, so that those of other kernels can be skipped. */
	if (k->complete)
		return vds_yaml_error(&l->in, "symbols: must be the last key");
	if (on_identity(l, key, &k->id, &err))
		return err;
	if (strcmp(key, "layers") == 0)
		return on_layer_names(l, &k->layers);
	k->complete = true;
	if (l->found || l->list || (l->want && !same_kernel(&k->id, l->want)))
		return vds_yaml_skip(&l->in);
	return each_name(l, "a mapping of symbols", true, on_symbol, NULL);
}

static struct vds_error *list_kernel(struct loader *l,
				     const struct vds_profile_identity *id)
{
	void *p = realloc(l->listed, (l->kernels + 1) * sizeof(*id));
	if (!p)
		return &vds_enomem;
	l->listed = p;
	l->listed[l->kernels - 1] = *id;
	return NULL;
}

static struct vds_error *on_kernels(struct loader *l)
{
	static const char *const keys[] = {
		"pdb", "guid", "age", "build", "revision", "confidence",
		"layers", "symbols", NULL,
	};
	struct vds_error *err = vds_yaml_begin(&l->in,
					       YAML_SEQUENCE_START_EVENT,
					       "a list of kernels");
	while (!err) {
		bool end;
		struct kernel k = {0};
		err = vds_yaml_at_end(&l->in, YAML_SEQUENCE_END_EVENT, &end);
		if (err || end)
			break;
		l->kernels++;
		if (!l->want && !l->list && l->kernels > 1)
			return vds_yaml_error(&l->in, "several kernels: say "
					      "which by GUID and age");
		memcpy(k.id.arch, l->identity.arch, sizeof(k.id.arch));
		err = each(l, "a kernel's mapping", keys, on_kernel_key, &k);
		if (!err && l->list)
			err = list_kernel(l, &k.id);
		if (err || l->found ||
		    (l->want && !same_kernel(&k.id, l->want)))
			continue;
		l->found = true;
		l->identity = k.id;
		l->layers = k.layers;
	}
	return err;
}

static struct vds_error *on_layer(struct loader *l, struct vds_name *name,
				  void *arg)
{
	(void)arg;
	for (size_t i = 0; i < l->layers.num; i++) {
		if (l->layers.wanted[i] == name)
			return on_types(l);
	}
	return vds_yaml_skip(&l->in);
}

static struct vds_error *on_format(struct loader *l)
{
	char word[32];
	struct vds_error *err = string_value(l, "format", word, sizeof(word));
	if (!err && strcmp(word, VDS_PROFILE_FORMAT))
		err = vds_yaml_error(&l->in, "format: not " VDS_PROFILE_FORMAT);
	return err;
}

static struct vds_error *on_arch(struct loader *l)
{
	struct vds_profile_identity *id = &l->identity;
	struct vds_error *err = string_value(l, "arch", id->arch,
					     sizeof(id->arch));
	if (!err && strcmp(id->arch, "x64") && strcmp(id->arch, "x86") &&
	    strcmp(id->arch, "arm64"))
		err = vds_yaml_error(&l->in, "arch: not x64, x86 or arm64");
	return err;
}

static struct vds_error *on_top_key(struct loader *l, const char *key,
				    void *arg)
{
	bool *has_format = arg;
	struct vds_error *err;
	if (strcmp(key, "format") == 0) {
		*has_format = true;
		return on_format(l);
	}
	if (!*has_format)
		return vds_yaml_error(&l->in, "not a profile: its first key is "
				      "not `format`");
	if (on_identity(l, key, &l->identity, &err))
		return err;
	if (strcmp(key, "arch") == 0)
		return on_arch(l);
	if (l->list && strcmp(key, "kernels"))
		return &vds_stop;
	if (l->head_only)
		return strcmp(key, "kernels") ? &vds_stop :
			vds_yaml_error(&l->in, "a pack");
	if (strcmp(key, "types") == 0)
		return on_types(l);
	if (strcmp(key, "symbols") == 0)
		return each_name(l, "a mapping of symbols", true, on_symbol,
				 NULL);
	if (strcmp(key, "kernels") == 0)
		return on_kernels(l);
	if (!l->kernels)
		return vds_yaml_error(&l->in, "layers: `kernels` must come first");
	return each_name(l, "a mapping of layers", false, on_layer, NULL);
}

static struct vds_error *read_document(struct loader *l)
{
	static const char *const keys[] = {
		"format", "pdb", "guid", "age", "arch", "build", "revision",
		"confidence", "kernels", "types", "layers", "symbols", NULL,
	};
	bool has_format = false;
	struct vds_error *err = each(l, "a profile (a mapping)", keys,
				     on_top_key, &has_format);
	if (!err && !has_format)
		err = vds_yaml_error(&l->in, "not a profile: no `format`");
	if (!err && l->want && l->kernels && !l->found)
		err = vds_yaml_error(&l->in, "%s %s-%u is not in this file",
				     l->want->pdb, l->want->guid, l->want->age);
	return err ? err : vds_yaml_finish(&l->in);
}

static struct vds_error *finish(struct loader *l, const void *data, size_t len,
				struct vds_profile **ret)
{
	vds_model_set_identity(l->model, &l->identity);
	struct vds_error *err = vds_model_finish(l->model, l->in.name, data,
						 len, ret);
	if (!err)
		l->model = NULL;
	else if (err->code == VDS_ERROR_FORMAT)
		err = vds_error_prefix(err, "%s:%u:%u", l->in.name,
				       l->model->fault.line,
				       l->model->fault.column);
	return err;
}

struct vds_error *vds_profile_parse_kernel(const char *name, const void *data,
					   size_t len,
					   const struct vds_profile_identity *want,
					   struct vds_profile **ret)
{
	struct loader l = {.want = want};
	if (len > MAX_FILE)
		return vds_error_create(VDS_ERROR_FORMAT,
			"%s:1:1: larger than %zu bytes", name, MAX_FILE);
	struct vds_error *err = vds_model_create(&l.model);
	if (err)
		return err;
	l.model->keep_paths = true;
	err = vds_yaml_open(&l.in, name, data, len);
	if (!err)
		err = read_document(&l);
	if (!err)
		err = finish(&l, data, len, ret);
	vds_yaml_close(&l.in);
	vds_model_destroy(l.model);
	return err;
}

struct vds_error *vds_profile_parse(const char *name, const void *data,
				    size_t len, struct vds_profile **ret)
{
	return vds_profile_parse_kernel(name, data, len, NULL, ret);
}

struct vds_error *vds_profile_load_kernel(const char *path,
					  const struct vds_profile_identity *want,
					  struct vds_profile **ret)
{
	_cleanup_free_ char *data = NULL;
	size_t len;
	struct vds_error *err = vds_file_slurp(path, MAX_FILE, &data, &len);
	if (err)
		return err;
	return vds_profile_parse_kernel(path, data, len, want, ret);
}

struct vds_error *vds_profile_load(const char *path, struct vds_profile **ret)
{
	return vds_profile_load_kernel(path, NULL, ret);
}

struct vds_error *vds_profile_parse_head(const char *name, const void *data,
					 size_t len,
					 struct vds_profile_identity *ret)
{
	struct loader l = {.head_only = true};
	struct vds_error *err = vds_model_create(&l.model);
	if (err)
		return err;
	err = vds_yaml_open(&l.in, name, data, len);
	if (!err)
		err = read_document(&l);
	if (err == &vds_stop)
		err = NULL;
	if (!err)
		*ret = l.identity;
	vds_yaml_close(&l.in);
	vds_model_destroy(l.model);
	return err;
}

struct vds_error *vds_profile_parse_kernels(const char *name, const void *data,
					    size_t len,
					    struct vds_profile_identity **ret,
					    size_t *ret_num)
{
	struct loader l = {.list = true};
	struct vds_error *err = vds_model_create(&l.model);
	if (err)
		return err;
	err = vds_yaml_open(&l.in, name, data, len);
	if (!err)
		err = read_document(&l);
	if (err == &vds_stop)
		err = NULL;
	if (!err && !l.kernels) {
		l.kernels = 1;
		err = list_kernel(&l, &l.identity);
	}
	if (!err) {
		*ret_num = l.kernels;
		*ret = vds_steal(l.listed);
	}
	free(l.listed);
	vds_yaml_close(&l.in);
	vds_model_destroy(l.model);
	return err;
}
