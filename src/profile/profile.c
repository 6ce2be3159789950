/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/profile.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "profile/profile_int.h"

void vds_profile_destroy(struct vds_profile *profile)
{
	if (!profile)
		return;
	vds_arena_deinit(&profile->arena);
	vds_names_deinit(&profile->names);
	free(profile->types);
	free(profile->symbols);
	free(profile->path);
	free(profile);
}

const struct vds_profile_identity *
vds_profile_identity(const struct vds_profile *profile)
{
	return &profile->identity;
}

const char *vds_profile_path(const struct vds_profile *profile)
{
	return profile->path;
}

const char *vds_profile_sha256(const struct vds_profile *profile)
{
	return profile->sha256;
}

const struct vds_type *vds_profile_type(const struct vds_profile *profile,
					const char *name)
{
	struct vds_name *n = vds_names_find(&profile->names, name,
					    strlen(name));
	if (!n || !n->type || !n->type->t.name[0] ||
	    n->type->t.kind == VDS_TYPE_OPAQUE)
		return NULL;
	return &n->type->t;
}

size_t vds_profile_num_types(const struct vds_profile *profile)
{
	return profile->num_types;
}

const struct vds_type *vds_profile_type_at(const struct vds_profile *profile,
					   size_t index)
{
	return profile->types[index];
}

static int compare_symbol(const void *key, const void *element)
{
	return strcmp(key, ((const struct vds_symbol *)element)->name);
}

bool vds_profile_symbol(const struct vds_profile *profile, const char *name,
			uint32_t *ret)
{
	if (!profile->num_symbols)
		return false;
	const struct vds_symbol *s = bsearch(name, profile->symbols,
					     profile->num_symbols, sizeof(*s),
					     compare_symbol);
	if (!s)
		return false;
	*ret = s->rva;
	return true;
}

size_t vds_profile_num_symbols(const struct vds_profile *profile)
{
	return profile->num_symbols;
}

const struct vds_symbol *vds_profile_symbol_at(const struct vds_profile *profile,
					       size_t index)
{
	return &profile->symbols[index];
}

static const struct vds_member *find_member(const struct vds_type *type,
					    const char *name, size_t len)
{
	for (size_t i = 0; i < type->num_members; i++) {
		const struct vds_member *m = &type->members[i];
		if (strncmp(m->name, name, len) == 0 && !m->name[len])
			return m;
	}
	return NULL;
}

/* Unnamed nested types need no search: the model has lifted their members. */
bool vds_type_member(const struct vds_type *type, const char *path,
		     struct vds_field *ret)
{
	uint32_t offset = 0;
	const struct vds_member *m = NULL;
	*ret = (struct vds_field){0};
	for (const char *at = path; at; ) {
		const char *dot = strchr(at, '.');
		size_t len = dot ? (size_t)(dot - at) : strlen(at);
		if (!len || !type || (m && m->bit_len))
			return false;
		m = find_member(type, at, len);
		if (!m || __builtin_add_overflow(offset, m->offset, &offset))
			return false;
		type = m->type;
		at = dot ? dot + 1 : NULL;
	}
	if (!m)
		return false;
	*ret = (struct vds_field){
		.offset = offset,
		.size = m->type->size > UINT16_MAX ? 0 : (uint16_t)m->type->size,
		.bit_pos = m->bit_pos,
		.bit_len = m->bit_len,
		.present = true,
		.type = m->type,
	};
	return true;
}

enum vds_why vds_field_get(const struct vds_field *field, const void *record,
			   size_t len, uint64_t *ret)
{
	if (!field->present)
		return VDS_NO_FIELD;
	if (!field->size || field->size > 8 ||
	    !vds_fits(field->offset, field->size, len))
		return VDS_BAD_DATA;
	uint64_t v = vds_le((const uint8_t *)record + field->offset,
			    field->size);
	if (field->bit_len) {
		if (field->bit_pos + field->bit_len > field->size * 8)
			return VDS_BAD_DATA;
		v = vds_bits(v, field->bit_pos, field->bit_len);
	}
	*ret = v;
	return VDS_PRESENT;
}
