/* SPDX-License-Identifier: Apache-2.0 */
/* The types and symbols of a profile. */
#include "profile/load_int.h"

#include <string.h>

#include "profile/emit.h"
#include "profile/spell.h"

static struct vds_error *on_member(struct vds_loader *l, struct vds_name *name,
				   void *arg)
{
	const char *text;
	size_t len;
	struct vds_spelled_member m;
	struct vds_model_type *type;
	struct vds_error *err = vds_load_text(l, &text, &len);
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
	return err ? vds_load_locate(l, err) : vds_yaml_next(&l->in);
}

static struct vds_error *on_enumerator(struct vds_loader *l,
				       struct vds_name *name,
				       void *arg)
{
	const char *text;
	size_t len;
	int64_t value;
	struct vds_error *err = vds_load_text(l, &text, &len);
	if (err)
		return err;
	if (!vds_spelled_i64(text, len, &value))
		return vds_yaml_error(&l->in, "%.100s: not a 64-bit integer",
				      name->text);
	err = vds_model_enumerator(l->model, arg, name->text, name->len, value);
	return err ? vds_load_locate(l, err) : vds_yaml_next(&l->in);
}

/* A type's entry: which of its keys came first decides what it is. */
struct entry {
	struct vds_name *name;
	struct vds_model_type *type;
	enum vds_base_encoding encoding;
	bool is_base;
};

static struct vds_error *define(struct vds_loader *l, struct entry *e,
				enum vds_type_kind kind, uint64_t size,
				struct vds_model_type *base)
{
	if (e->type || e->is_base)
		return vds_yaml_error(&l->in, "%.100s: two kinds of type",
				      e->name->text);
	return vds_load_locate(l,
		vds_model_define(l->model, kind, e->name->text, e->name->len,
				 size, base, &e->type));
}

static struct vds_error *on_enum_base(struct vds_loader *l, struct entry *e)
{
	const char *text;
	size_t len;
	struct vds_model_type *base;
	struct vds_error *err = vds_load_text(l, &text, &len);
	if (!err)
		err = vds_load_locate(l, vds_model_named(l->model, text, len,
							 &base));
	if (!err)
		err = define(l, e, VDS_TYPE_ENUM, 0, base);
	return err ? err : vds_yaml_next(&l->in);
}

static struct vds_error *on_base(struct vds_loader *l, struct entry *e)
{
	const char *text;
	size_t len;
	struct vds_error *err = vds_load_text(l, &text, &len);
	if (err)
		return err;
	if (e->type || e->is_base || strchr(e->name->text, '.') ||
	    !vds_encoding_parse(text, &e->encoding))
		return vds_yaml_error(&l->in, "%.100s: no such base type",
				      e->name->text);
	e->is_base = true;
	return vds_yaml_next(&l->in);
}

static struct vds_error *on_base_size(struct vds_loader *l, struct entry *e)
{
	uint64_t size;
	if (!e->is_base || e->type)
		return vds_yaml_error(&l->in, "size: only a base type has it, "
				      "after `base`");
	struct vds_error *err = vds_load_u64(l, "size", 64, &size);
	if (err)
		return err;
	return vds_load_locate(l, vds_model_add_base(l->model, e->name->text,
					    e->encoding, size, &e->type));
}

static struct vds_error *on_type_key(struct vds_loader *l, const char *key,
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
		return vds_load_each_name(l, "a mapping", true,
				 values ? on_enumerator : on_member, e->type);
	}
	struct vds_error *err = vds_load_u64(l, key, UINT32_MAX, &size);
	if (err)
		return err;
	return define(l, e, strcmp(key, "union") ? VDS_TYPE_STRUCT :
		      VDS_TYPE_UNION, size, NULL);
}

static struct vds_error *on_type(struct vds_loader *l, struct vds_name *name,
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
	struct vds_error *err = vds_load_each(l, "a type's mapping", keys,
					      on_type_key,
					      &entry);
	if (!err && !entry.type)
		err = vds_yaml_error(&l->in, "%.100s: no struct, union, enum or "
				     "base with its size", name->text);
	return err;
}

struct vds_error *vds_load_types(struct vds_loader *l)
{
	return vds_load_each_name(l, "a mapping of types", false, on_type,
				  NULL);
}

static struct vds_error *on_symbol(struct vds_loader *l, struct vds_name *name,
				   void *arg)
{
	uint32_t rva;
	(void)arg;
	struct vds_error *err = vds_load_u32(l, "address", &rva);
	if (!err)
		err = vds_load_locate(l, vds_model_add_symbol(l->model, name,
							      rva));
	return err;
}

struct vds_error *vds_load_symbols(struct vds_loader *l)
{
	return vds_load_each_name(l, "a mapping of symbols", true, on_symbol,
				  NULL);
}
