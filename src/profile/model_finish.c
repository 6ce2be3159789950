/* SPDX-License-Identifier: Apache-2.0 */
/* From a model to its canonical, checked and sorted profile. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "profile/model.h"
#include "profile/profile_int.h"

/* By-value nesting of types: kernels have about ten levels. */
#define MAX_NESTING 100

enum state { STATE_NONE, STATE_OPEN, STATE_DONE };

static bool has_members(const struct vds_type *t)
{
	return t->kind == VDS_TYPE_STRUCT || t->kind == VDS_TYPE_UNION;
}

static const struct vds_type *element_of(const struct vds_type *t)
{
	while (t->kind == VDS_TYPE_ARRAY)
		t = t->target;
	return t;
}

static const char *label(const struct vds_type *t)
{
	return t->name[0] ? t->name : "an anonymous type";
}

static struct vds_error *settle_enum(struct vds_model *model,
				     struct vds_model_type *type)
{
	if (!type->t.target) {
		struct vds_model_type *base;
		if (vds_model_base(model, "int", &base))
			type->t.target = &base->t;
	}
	if (!type->t.target || type->t.target->kind != VDS_TYPE_BASE ||
	    type->t.target->size > 8)
		return vds_error_create(VDS_ERROR_FORMAT,
					"%s: an enum needs an integer base type",
					label(&type->t));
	type->t.size = type->t.target->size;
	type->t.encoding = type->t.target->encoding;
	return NULL;
}

/* Element types are settled before: they were created before. */
static struct vds_error *settle_size(struct vds_model *model,
				     struct vds_model_type *type)
{
	struct vds_type *t = &type->t;
	switch (t->kind) {
	case VDS_TYPE_POINTER:
		if (type->plain_pointer)
			t->size = strcmp(model->profile->identity.arch, "x86")
				? 8 : 4;
		return NULL;
	case VDS_TYPE_ENUM:
		return settle_enum(model, type);
	default:
		return NULL;
	}
}

/* After settle_size() of all, as an enum may be defined after its array. */
static struct vds_error *settle_array(struct vds_model *model,
				      struct vds_model_type *type)
{
	(void)model;
	struct vds_type *t = &type->t;
	if (t->kind == VDS_TYPE_ARRAY &&
	    !vds_mul_u64(t->count, t->target->size, &t->size))
		return vds_error_create(VDS_ERROR_FORMAT,
					"an array of %llu elements of %llu bytes",
					(unsigned long long)t->count,
					(unsigned long long)t->target->size);
	return NULL;
}

/*
 * Replaces each unnamed nested struct or union of @type by its own members.
 * What is lifted counts as added at the place of the member it comes from.
 */
static struct vds_error *lift(struct vds_model *model,
			      struct vds_model_type *type, int depth)
{
	if (type->state == STATE_DONE)
		return NULL;
	if (type->state == STATE_OPEN || depth > MAX_NESTING)
		return vds_error_create(VDS_ERROR_FORMAT,
					"%s: unnamed members nest without end",
					label(&type->t));
	type->state = STATE_OPEN;
	struct vds_model_member **link = &type->members;
	while (*link) {
		struct vds_model_member *at = *link;
		if (at->m.name[0] || !has_members(at->m.type)) {
			link = &at->next;
			continue;
		}
		struct vds_model_type *inner = vds_model_type_of(at->m.type);
		struct vds_error *err = lift(model, inner, depth + 1);
		if (err)
			return err;
		*link = at->next;
		for (struct vds_model_member *m = inner->members; m; m = m->next) {
			struct vds_model_member *copy =
				vds_arena_alloc(&model->profile->arena,
						sizeof(*copy));
			if (!copy)
				return &vds_enomem;
			*copy = *m;
			if (__builtin_add_overflow(m->m.offset, at->m.offset,
						   &copy->m.offset))
				return vds_error_create(VDS_ERROR_FORMAT,
					"%s.%s: its offset is past 4 GiB",
					label(&type->t), m->m.name);
			copy->next = *link;
			*link = copy;
			link = &copy->next;
		}
	}
	type->state = STATE_DONE;
	return NULL;
}

static struct vds_error *check_member(const struct vds_type *t,
				      const struct vds_member *m)
{
	if (!vds_fits(m->offset, m->type->size, t->size))
		return vds_error_create(VDS_ERROR_FORMAT,
			"%s.%s: 0x%x + 0x%llx bytes is outside of the type's 0x%llx",
			label(t), m->name, m->offset,
			(unsigned long long)m->type->size,
			(unsigned long long)t->size);
	if (m->bit_len && (m->type->size > 16 ||
	    m->bit_pos + m->bit_len > (unsigned int)m->type->size * 8))
		return vds_error_create(VDS_ERROR_FORMAT,
			"%s.%s: bits %u+%u are outside of a unit of %llu bytes",
			label(t), m->name, m->bit_pos, m->bit_len,
			(unsigned long long)m->type->size);
	return NULL;
}

static int compare_members(const void *a, const void *b)
{
	const struct vds_member *x = a, *y = b;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	if (x->bit_pos != y->bit_pos)
		return x->bit_pos < y->bit_pos ? -1 : 1;
	return strcmp(x->name, y->name);
}

static struct vds_error *settle_members(struct vds_model *model,
					struct vds_model_type *type)
{
	size_t n = 0, i = 0;
	bool sorted = true;
	for (struct vds_model_member *m = type->members; m; m = m->next)
		n++;
	struct vds_member *array = vds_arena_calloc(&model->profile->arena, n,
						    sizeof(*array));
	if (!array)
		return &vds_enomem;
	uint32_t stamp = ++model->stamp;
	for (struct vds_model_member *m = type->members; m; m = m->next) {
		struct vds_name *name = vds_name_of(m->m.name);
		if (name->stamp == stamp || !name->len)
			continue;	/* the one added later has won */
		name->stamp = stamp;
		struct vds_error *err = check_member(&type->t, &m->m);
		if (err) {
			model->fault = m->mark;
			return err;
		}
		array[n - 1 - i++] = m->m;
	}
	struct vds_member *first = array + (n - i);
	for (size_t k = 1; k < i && sorted; k++)
		sorted = compare_members(&first[k - 1], &first[k]) <= 0;
	if (!sorted)
		qsort(first, i, sizeof(*first), compare_members);
	type->t.members = first;
	type->t.num_members = i;
	return NULL;
}

static int compare_enumerators(const void *a, const void *b)
{
	const struct vds_enumerator *x = a, *y = b;
	if (x->value != y->value)
		return x->value < y->value ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* What the value is once stored in the enum's base type. */
static int64_t wrap_value(const struct vds_type *t, int64_t value)
{
	unsigned int bits = (unsigned int)t->size * 8;
	if (bits == 0 || bits >= 64)
		return value;
	if (t->encoding == VDS_BASE_SIGNED || t->encoding == VDS_BASE_CHAR)
		return (int64_t)((uint64_t)value << (64 - bits)) >> (64 - bits);
	return (int64_t)((uint64_t)value & ((UINT64_C(1) << bits) - 1));
}

static struct vds_error *settle_enumerators(struct vds_model *model,
					    struct vds_model_type *type)
{
	size_t n = 0, i = 0;
	for (struct vds_model_enumerator *e = type->enumerators; e; e = e->next)
		n++;
	struct vds_enumerator *array = vds_arena_calloc(&model->profile->arena,
							n, sizeof(*array));
	if (!array)
		return &vds_enomem;
	uint32_t stamp = ++model->stamp;
	for (struct vds_model_enumerator *e = type->enumerators; e; e = e->next) {
		struct vds_name *name = vds_name_of(e->e.name);
		if (name->stamp == stamp)
			continue;
		name->stamp = stamp;
		array[i].name = e->e.name;
		array[i++].value = wrap_value(&type->t, e->e.value);
	}
	qsort(array, i, sizeof(*array), compare_enumerators);
	type->t.enumerators = array;
	type->t.num_enumerators = i;
	return NULL;
}

static struct vds_error *settle_content(struct vds_model *model,
					struct vds_model_type *type)
{
	if (has_members(&type->t))
		return settle_members(model, type);
	if (type->t.kind == VDS_TYPE_ENUM)
		return settle_enumerators(model, type);
	return NULL;
}

static struct vds_error *lift_all(struct vds_model *model,
				  struct vds_model_type *type)
{
	return has_members(&type->t) ? lift(model, type, 0) : NULL;
}

typedef struct vds_error *(*step_fn)(struct vds_model *,
				     struct vds_model_type *);

static struct vds_error *settle(struct vds_model *model)
{
	/* Each step needs what the one before it made of all types. */
	static const step_fn steps[] = {
		settle_size, settle_array, lift_all, settle_content,
	};
	for (size_t s = 0; s < VDS_ARRAY_SIZE(steps); s++) {
		for (size_t i = 0; i < model->num_types; i++) {
			model->fault = model->types[i]->mark;
			struct vds_error *err = steps[s](model,
							 model->types[i]);
			if (err)
				return err;
		}
	}
	return NULL;
}

static struct vds_error *check_height(struct vds_model_type *type, int depth)
{
	if (type->state == STATE_DONE)
		return NULL;
	if (type->state == STATE_OPEN || depth > MAX_NESTING)
		return vds_error_create(VDS_ERROR_FORMAT,
			"%s: contains itself, or more than %d levels of types",
			label(&type->t), MAX_NESTING);
	type->state = STATE_OPEN;
	unsigned int height = 0;
	for (size_t i = 0; i < type->t.num_members; i++) {
		const struct vds_type *t =
			element_of(type->t.members[i].type);
		if (!has_members(t))
			continue;
		struct vds_model_type *inner = vds_model_type_of(t);
		struct vds_error *err = check_height(inner, depth + 1);
		if (err)
			return err;
		height = VDS_MAX(height, inner->height + 1u);
	}
	if (height > MAX_NESTING)
		return vds_error_create(VDS_ERROR_FORMAT,
					"%s: more than %d levels of types",
					label(&type->t), MAX_NESTING);
	type->height = (uint8_t)height;
	type->state = STATE_DONE;
	return NULL;
}

static struct vds_error *check_nesting(struct vds_model *model)
{
	for (size_t i = 0; i < model->num_types; i++)
		model->types[i]->state = STATE_NONE;
	for (size_t i = 0; i < model->num_types; i++) {
		if (!has_members(&model->types[i]->t))
			continue;
		model->fault = model->types[i]->mark;
		struct vds_error *err = check_height(model->types[i], 0);
		if (err)
			return err;
	}
	return NULL;
}

static int compare_types(const void *a, const void *b)
{
	return strcmp((*(const struct vds_type *const *)a)->name,
		      (*(const struct vds_type *const *)b)->name);
}

static struct vds_error *list_types(struct vds_model *model)
{
	struct vds_profile *p = model->profile;
	size_t n = 0;
	bool sorted = true;
	for (size_t i = 0; i < model->num_types; i++) {
		struct vds_model_type *type = model->types[i];
		if (model->keep_paths && strchr(type->t.name, '.')) {
			model->fault = type->mark;
			if (type->t.kind == VDS_TYPE_OPAQUE)
				return vds_error_create(VDS_ERROR_FORMAT,
					"%s: there is no such anonymous type",
					type->t.name);
			type->t.name = "";	/* a path, not a name */
		}
		n += vds_type_is_listed(type);
	}
	p->types = vds_malloc_array(n, sizeof(*p->types));
	if (!p->types)
		return &vds_enomem;
	for (size_t i = 0; i < model->num_types; i++) {
		if (vds_type_is_listed(model->types[i]))
			p->types[p->num_types++] = &model->types[i]->t;
	}
	for (size_t i = 1; i < n && sorted; i++)
		sorted = compare_types(&p->types[i - 1], &p->types[i]) < 0;
	if (!sorted && n)
		qsort(p->types, n, sizeof(*p->types), compare_types);
	return NULL;
}

static int compare_symbols(const void *a, const void *b)
{
	const struct vds_symbol *x = a, *y = b;
	int order = strcmp(x->name, y->name);
	return order ? order : (x->rva > y->rva) - (x->rva < y->rva);
}

static void sort_symbols(struct vds_profile *p)
{
	bool sorted = true;
	size_t n = p->num_symbols, out = 0;
	for (size_t i = 1; i < n && sorted; i++)
		sorted = strcmp(p->symbols[i - 1].name, p->symbols[i].name) < 0;
	if (sorted)
		return;
	qsort(p->symbols, n, sizeof(*p->symbols), compare_symbols);
	for (size_t i = 0; i < n; i++) {
		if (!out || strcmp(p->symbols[out - 1].name,
				   p->symbols[i].name))
			p->symbols[out++] = p->symbols[i];
	}
	p->num_symbols = out;
}

static void hash_bytes(struct vds_profile *p, const void *bytes, size_t len)
{
	struct vds_sha256 hash;
	uint8_t digest[VDS_SHA256_SIZE];
	if (!bytes)
		return;
	vds_sha256_init(&hash);
	vds_sha256_update(&hash, bytes, len);
	vds_sha256_final(&hash, digest);
	vds_sha256_hex(digest, p->sha256);
}

struct vds_error *vds_model_finish(struct vds_model *model, const char *path,
				   const void *bytes, size_t len,
				   struct vds_profile **ret)
{
	struct vds_profile *p = model->profile;
	struct vds_error *err = settle(model);
	if (!err)
		err = check_nesting(model);
	if (!err)
		err = list_types(model);
	if (err)
		return err;
	p->path = strdup(path ? path : "");
	if (!p->path)
		return &vds_enomem;
	sort_symbols(p);
	hash_bytes(p, bytes, len);
	model->profile = NULL;
	vds_model_destroy(model);
	*ret = p;
	return NULL;
}
