/* SPDX-License-Identifier: Apache-2.0 */
/* A full kernel profile is 2 MB of YAML; an analysis needs a tenth. */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "profile/model.h"
#include "profile/profile_int.h"
#include "profile/trim_lists.h"

struct work {
	struct vds_model_type **items;
	size_t len;
};

/* Each type enters once (`live`), so the array can't overflow. */
static void push(struct work *work, struct vds_model_type *type)
{
	if (type->live)
		return;
	type->live = true;
	work->items[work->len++] = type;
}

/*
 * Follows what @type holds by value, and anonymous types wherever they are:
 * these have no name that a pointer could keep.
 */
static void follow(struct work *work, const struct vds_type *type)
{
	bool by_value = true;
	while (type->kind == VDS_TYPE_POINTER || type->kind == VDS_TYPE_ARRAY) {
		if (type->kind == VDS_TYPE_POINTER)
			by_value = false;
		type = type->target;
	}
	if (by_value || !type->name[0])
		push(work, vds_model_type_of(type));
}

static void mark(struct work *work)
{
	while (work->len) {
		struct vds_model_type *type = work->items[--work->len];
		for (struct vds_model_member *m = type->members; m; m = m->next)
			follow(work, m->m.type);
		if (type->t.kind == VDS_TYPE_ENUM && type->t.target)
			follow(work, type->t.target);
	}
}

static struct vds_model_type *find_type(const struct vds_model *model,
					const char *name, size_t len)
{
	struct vds_name *n = vds_names_find(&model->profile->names, name, len);
	return n ? n->type : NULL;
}

/* An entry "_TYPE.member": notes that of the type only such are wanted. */
static void want_member(struct vds_model_type *type, const char *name)
{
	type->partial = true;
	for (struct vds_model_member *m = type->members; m; m = m->next)
		m->keep |= strcmp(m->m.name, name) == 0;
}

static void drop_members(struct vds_model_type *type)
{
	struct vds_model_member **link = &type->members;
	while (*link) {
		if ((*link)->keep)
			link = &(*link)->next;
		else
			*link = (*link)->next;
	}
}

/* Puts what the list names on the worklist. */
static void push_listed(struct vds_model *model, struct work *work,
			const char *const *types, size_t num_types)
{
	for (size_t i = 0; i < num_types; i++) {
		size_t len = strcspn(types[i], ".");
		struct vds_model_type *type = find_type(model, types[i], len);
		if (!type)
			continue;
		if (types[i][len])
			want_member(type, types[i] + len + 1);
		push(work, type);
	}
	for (size_t i = 0; i < work->len; i++) {
		if (work->items[i]->partial)
			drop_members(work->items[i]);
	}
}

static void drop_types(struct vds_model *model)
{
	for (size_t i = 0; i < model->num_types; i++) {
		struct vds_model_type *type = model->types[i];
		if (type->live || type->builtin ||
		    type->t.kind == VDS_TYPE_POINTER ||
		    type->t.kind == VDS_TYPE_ARRAY)
			continue;
		type->t.kind = VDS_TYPE_OPAQUE;
		type->t.size = 0;
		type->members = NULL;
		type->enumerators = NULL;
	}
}

static struct vds_error *trim_symbols(struct vds_model *model,
				      const char *const *symbols, size_t num)
{
	struct vds_profile *p = model->profile;
	uint32_t stamp = ++model->stamp;
	size_t out = 0;
	for (size_t i = 0; i < num; i++) {
		struct vds_name *n = vds_names_get(&p->names, &p->arena,
						   symbols[i],
						   strlen(symbols[i]));
		if (!n)
			return &vds_enomem;
		n->stamp = stamp;
	}
	for (size_t i = 0; i < p->num_symbols; i++) {
		const char *name = p->symbols[i].name;
		struct vds_name *n = vds_names_find(&p->names, name,
						    strlen(name));
		if (n && n->stamp == stamp)
			p->symbols[out++] = p->symbols[i];
	}
	p->num_symbols = out;
	return NULL;
}

struct vds_error *vds_model_trim(struct vds_model *model,
				 const char *const *types, size_t num_types,
				 const char *const *symbols,
				 size_t num_symbols)
{
	_cleanup_free_ struct vds_model_type **items =
		vds_malloc_array(model->num_types, sizeof(*items));
	if (!items)
		return &vds_enomem;
	struct work work = {items, 0};
	push_listed(model, &work, types, num_types);
	mark(&work);
	drop_types(model);
	return trim_symbols(model, symbols, num_symbols);
}

struct vds_error *vds_model_trim_default(struct vds_model *model)
{
	return vds_model_trim(model, vds_trim_types, vds_num_trim_types,
			      vds_trim_symbols, vds_num_trim_symbols);
}
