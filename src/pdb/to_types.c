/* SPDX-License-Identifier: Apache-2.0 */
#include "pdb/to_types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "pdb/simple.h"

/* How many pointers, arrays and qualifiers may lie around one type. */
#define CHAIN_MAX 64

struct types {
	struct vds_tpi tpi;
	struct vds_model *model;
	unsigned int pointer;
	struct vds_model_type **handles;	/* by index; NULL: not yet */
	uint32_t *pending;	/* nameless definitions to be filled in */
	size_t num_pending, cap_pending;
};

static struct vds_model_type **handle(struct types *ts, uint32_t index)
{
	return &ts->handles[index - ts->tpi.begin];
}

static bool is_udt(uint16_t leaf)
{
	return leaf == LF_STRUCTURE || leaf == LF_UNION || leaf == LF_ENUM;
}

static enum vds_type_kind kind_of(uint16_t leaf)
{
	return leaf == LF_UNION ? VDS_TYPE_UNION :
	       leaf == LF_ENUM ? VDS_TYPE_ENUM : VDS_TYPE_STRUCT;
}

/* A forward reference as what it refers to, where that is known. */
static struct vds_error *resolved(struct types *ts, uint32_t *index,
				  struct vds_tpi_type *t)
{
	uint32_t to;
	if (!is_udt(t->leaf) || !t->is_forward)
		return NULL;
	struct vds_error *err = vds_tpi_resolve(&ts->tpi, *index, &to);
	if (err || to == *index)
		return err;
	*index = to;
	return vds_tpi_type(&ts->tpi, to, t);
}

/* Bytes of a type; 0 where it has none or they are not known. */
static struct vds_error *size_of(struct types *ts, uint32_t index,
				 uint64_t *ret)
{
	for (int i = 0; i < CHAIN_MAX; i++) {
		struct vds_tpi_type t;
		if (index < CV_FIRST_NONPRIM) {
			*ret = vds_cv_simple_size(index, ts->pointer);
			return NULL;
		}
		struct vds_error *err = vds_tpi_type(&ts->tpi, index, &t);
		if (!err)
			err = resolved(ts, &index, &t);
		if (err)
			return err;
		if (t.leaf != LF_MODIFIER && t.leaf != LF_ALIAS &&
		    t.leaf != LF_ENUM && t.leaf != LF_BITFIELD) {
			*ret = t.size;
			if (t.leaf == LF_POINTER && !t.size)
				*ret = ts->pointer;
			return NULL;
		}
		index = t.target;
	}
	return vds_error_create(VDS_ERROR_FORMAT,
				"type 0x%x is defined by itself", index);
}

static struct vds_error *remember_pending(struct types *ts, uint32_t index)
{
	if (ts->num_pending == ts->cap_pending) {
		size_t cap = ts->cap_pending ? ts->cap_pending * 2 : 64;
		uint32_t *more = realloc(ts->pending, cap * sizeof(*more));
		if (!more)
			return &vds_enomem;
		ts->pending = more;
		ts->cap_pending = cap;
	}
	ts->pending[ts->num_pending++] = index;
	return NULL;
}

static struct vds_error *enum_base(struct types *ts,
				   const struct vds_tpi_type *t,
				   struct vds_model_type **ret, uint64_t *size);

/*
 * A definition's name for the model, in @buf: that of the record unless it is
 * one that the model has for a base type ("function" is no keyword of C).
 */
static struct vds_error *model_name(struct types *ts,
				    const struct vds_tpi_type *t,
				    struct vds_str *buf)
{
	struct vds_model_type *base;
	vds_str_append(buf, t->name, t->name_len);
	const char *name = vds_str_cstr(buf);
	if (name && vds_model_base(ts->model, name, &base)) {
		buf->len = 0;
		vds_str_printf(buf, "struct %.*s", (int)t->name_len, t->name);
		name = vds_str_cstr(buf);
	}
	return name ? NULL : &vds_enomem;
}

/* Starts a definition; with no name if @name is NULL. */
static struct vds_error *define(struct types *ts, const struct vds_tpi_type *t,
				const struct vds_str *name,
				struct vds_model_type **ret)
{
	struct vds_model_type *base = NULL;
	uint64_t size = t->size;
	struct vds_error *err = NULL;
	if (t->leaf == LF_ENUM)
		err = enum_base(ts, t, &base, &size);
	if (err)
		return err;
	return vds_model_define(ts->model, kind_of(t->leaf),
				name ? name->data : NULL,
				name ? name->len : 0, size, base, ret);
}

/*
 * A structure, union or enum. The name leads to its definition wherever that
 * is; one without a name is its type index.
 */
static struct vds_error *refer_udt(struct types *ts, uint32_t index,
				   struct vds_tpi_type *t,
				   struct vds_model_type **ret)
{
	_cleanup_(vds_str_deinit) struct vds_str name = {0};
	struct vds_error *err = resolved(ts, &index, t);
	if (err)
		return err;
	if (t->is_forward || !vds_tpi_is_anonymous(t->name, t->name_len)) {
		err = model_name(ts, t, &name);
		return err ? err :
			vds_model_named(ts->model, name.data, name.len, ret);
	}
	if (!*handle(ts, index)) {
		err = remember_pending(ts, index);
		if (!err)
			err = define(ts, t, NULL, handle(ts, index));
		if (err)
			return err;
	}
	*ret = *handle(ts, index);
	return NULL;
}

static struct vds_error *make_bytes(struct types *ts, uint64_t size,
				    struct vds_model_type **ret)
{
	struct vds_model_type *byte;
	struct vds_error *err =
		vds_cv_simple_type(ts->model, 0x20, ts->pointer, &byte);
	return err ? err : vds_model_array(ts->model, byte, size, ret);
}

/* Pointers to members of C++ classes may be several words. */
static struct vds_error *make_pointer(struct types *ts, uint64_t size,
				      struct vds_model_type *target,
				      struct vds_model_type **ret)
{
	if (size > 8)
		return make_bytes(ts, size, ret);
	return vds_model_pointer(ts->model, target,
				 size ? (unsigned int)size : ts->pointer, ret);
}

/* An array as the record states it, or of bytes if that doesn't come out. */
static struct vds_error *make_array(struct types *ts,
				    const struct vds_tpi_type *t,
				    struct vds_model_type *element,
				    struct vds_model_type **ret)
{
	uint64_t each = 0;
	struct vds_error *err = size_of(ts, t->target, &each);
	if (err)
		return err;
	if (!each || t->size % each)
		return make_bytes(ts, t->size, ret);
	return vds_model_array(ts->model, element, t->size / each, ret);
}

/* A record that is no type of C, or newer than this reader. */
static struct vds_error *refer_unknown(struct types *ts, uint16_t leaf,
				       struct vds_model_type **ret)
{
	char name[32];
	int len = snprintf(name, sizeof(name), "<leaf 0x%04x>", leaf);
	return vds_model_named(ts->model, name, (size_t)len, ret);
}

/* What lies at the end of a chain: neither pointer, array nor qualifier. */
static struct vds_error *refer_end(struct types *ts, uint32_t index,
				   struct vds_tpi_type *t,
				   struct vds_model_type **ret)
{
	if (is_udt(t->leaf))
		return refer_udt(ts, index, t, ret);
	/* Tables of virtual functions are pointed at, as functions are. */
	if (t->leaf != LF_PROCEDURE && t->leaf != LF_VTSHAPE &&
	    t->leaf != LF_VFTABLE)
		return refer_unknown(ts, t->leaf, ret);
	if (!vds_model_base(ts->model, "function", ret))
		return vds_error_create(VDS_ERROR_INTERNAL,
					"no type \"function\"");
	return NULL;
}

/* The type at one place of the chain, around *type. */
static struct vds_error *wrap(struct types *ts, uint32_t index,
			      struct vds_model_type **type)
{
	struct vds_tpi_type t;
	struct vds_error *err = vds_tpi_type(&ts->tpi, index, &t);
	if (err)
		return err;
	if (t.leaf == LF_POINTER)
		err = make_pointer(ts, t.size, *type, type);
	else if (t.leaf == LF_ARRAY || t.leaf == LF_STRIDED_ARRAY)
		err = make_array(ts, &t, *type, type);
	if (!err)
		*handle(ts, index) = *type;
	return err;
}

/* The model's type for type index @index. */
static struct vds_error *refer(struct types *ts, uint32_t index,
			       struct vds_model_type **ret)
{
	uint32_t chain[CHAIN_MAX];
	size_t n = 0;
	struct vds_error *err = NULL;
	struct vds_model_type *type = NULL;
	for (;;) {
		struct vds_tpi_type t;
		if (index < CV_FIRST_NONPRIM) {
			err = vds_cv_simple_type(ts->model, index, ts->pointer,
						 &type);
			break;
		}
		err = vds_tpi_type(&ts->tpi, index, &t);
		if (err)
			return err;
		type = *handle(ts, index);
		if (type)
			break;
		bool goes_on = t.leaf == LF_MODIFIER || t.leaf == LF_ALIAS ||
			       t.leaf == LF_POINTER || t.leaf == LF_ARRAY ||
			       t.leaf == LF_STRIDED_ARRAY;
		if (!goes_on) {
			err = refer_end(ts, index, &t, &type);
			break;
		}
		if (n == CHAIN_MAX)
			return vds_error_create(
				VDS_ERROR_FORMAT,
				"type 0x%x: pointers, arrays or qualifiers "
				"%d deep", index, CHAIN_MAX);
		chain[n++] = index;
		index = t.target;
	}
	while (!err && n)
		err = wrap(ts, chain[--n], &type);
	if (!err)
		*ret = type;
	return err;
}

static struct vds_error *enum_base(struct types *ts,
				   const struct vds_tpi_type *t,
				   struct vds_model_type **ret, uint64_t *size)
{
	struct vds_tpi_type base;
	uint32_t index = t->target;
	/* An integer, perhaps qualified; anything else could lead back here. */
	for (int i = 0; index >= CV_FIRST_NONPRIM; i++) {
		struct vds_error *err = vds_tpi_type(&ts->tpi, index, &base);
		if (err)
			return err;
		if (base.leaf != LF_MODIFIER || i == CHAIN_MAX)
			return vds_error_create(
				VDS_ERROR_FORMAT,
				"enum over type 0x%x, which is no integer",
				index);
		index = base.target;
	}
	*size = vds_cv_simple_size(index, ts->pointer);
	return vds_cv_simple_type(ts->model, index, ts->pointer, ret);
}

static struct vds_error *add_member(struct types *ts,
				    struct vds_model_type *to,
				    const struct vds_tpi_field *f)
{
	struct vds_tpi_type bits = {0};
	struct vds_model_type *type = NULL;
	const char *name = f->name;
	size_t len = f->name_len;
	uint32_t index = f->type;
	if (f->offset > UINT32_MAX)
		return vds_error_create(VDS_ERROR_FORMAT,
					"member at offset 0x%llx",
					(unsigned long long)f->offset);
	if (f->kind == VDS_TPI_VFPTR) {
		name = "__VFN_table";
		len = strlen(name);
	}
	if (vds_tpi_has(&ts->tpi, index)) {
		struct vds_error *err = vds_tpi_type(&ts->tpi, index, &bits);
		if (err)
			return err;
		if (bits.leaf == LF_BITFIELD)
			index = bits.target;
		else
			bits.bit_len = 0;
	}
	struct vds_error *err = refer(ts, index, &type);
	if (err)
		return err;
	return vds_model_member(ts->model, to, name, len, (uint32_t)f->offset,
				bits.bit_len ? bits.bit_pos : 0, bits.bit_len,
				type);
}

static struct vds_error *add_field(struct types *ts, struct vds_model_type *to,
				   bool is_enum, const struct vds_tpi_field *f)
{
	switch (f->kind) {
	case VDS_TPI_ENUMERATOR:
		return !is_enum ? NULL :
			vds_model_enumerator(ts->model, to, f->name,
					     f->name_len, f->value);
	case VDS_TPI_MEMBER:
	case VDS_TPI_BASE:
	case VDS_TPI_VFPTR:
		return is_enum ? NULL : add_member(ts, to, f);
	case VDS_TPI_VIRTUAL_BASE:	/* where it lies, only an object says */
	case VDS_TPI_OTHER:
		break;
	}
	return NULL;
}

/* The members or enumerators of a definition into @to. */
static struct vds_error *add_fields(struct types *ts, struct vds_model_type *to,
				    const struct vds_tpi_type *t)
{
	struct vds_tpi_fields it;
	bool done = false;
	struct vds_error *err = vds_tpi_fields_init(&it, &ts->tpi, t->fields);
	while (!err) {
		struct vds_tpi_field f;
		err = vds_tpi_fields_next(&it, &f, &done);
		if (err || done)
			break;
		err = add_field(ts, to, t->leaf == LF_ENUM, &f);
	}
	vds_tpi_fields_deinit(&it);
	return err;
}

/* A named definition, and the nameless ones that it turned out to need. */
static struct vds_error *add_definition(struct types *ts,
					const struct vds_tpi_type *t)
{
	_cleanup_(vds_str_deinit) struct vds_str name = {0};
	struct vds_model_type *type = NULL;
	struct vds_error *err = model_name(ts, t, &name);
	if (!err)
		err = define(ts, t, &name, &type);
	if (!err)
		err = add_fields(ts, type, t);
	while (!err && ts->num_pending) {
		uint32_t index = ts->pending[--ts->num_pending];
		struct vds_tpi_type inner;
		err = vds_tpi_type(&ts->tpi, index, &inner);
		if (!err)
			err = add_fields(ts, *handle(ts, index), &inner);
	}
	return err;
}

static struct vds_error *add_all(struct types *ts)
{
	struct vds_error *err = vds_tpi_index_names(&ts->tpi);
	uint32_t n = ts->tpi.end - ts->tpi.begin;
	ts->handles = calloc(n ? n : 1, sizeof(*ts->handles));
	if (!err && !ts->handles)
		err = &vds_enomem;
	for (uint32_t i = ts->tpi.begin; !err && i < ts->tpi.end; i++) {
		struct vds_tpi_type t;
		err = vds_tpi_type(&ts->tpi, i, &t);
		if (err || !is_udt(t.leaf) || t.is_forward ||
		    vds_tpi_is_anonymous(t.name, t.name_len))
			continue;
		err = vds_error_prefix(add_definition(ts, &t), "type 0x%x", i);
	}
	return err;
}

struct vds_error *vds_pdb_add_types(const struct vds_msf *msf,
				    unsigned int pointer,
				    struct vds_model *model)
{
	struct types ts = {.model = model, .pointer = pointer};
	struct vds_error *err = vds_tpi_load(msf, VDS_MSF_TPI, &ts.tpi);
	if (err)
		return err;
	err = add_all(&ts);
	free(ts.handles);
	free(ts.pending);
	vds_tpi_deinit(&ts.tpi);
	return vds_error_prefix(err, "%s", vds_msf_path(msf));
}
