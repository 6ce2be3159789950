/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/fields.h"

#include <stdio.h>
#include <string.h>

#include "base/util.h"

enum need { OPTIONAL, REQUIRED };

static const struct {
	const char *type;
	const char *paths;
	enum need need;
} fields[] = {
#define FIELD(id, type, paths, need) {type, paths, need},
#include "nt/fields.def"
#undef FIELD
};

static const struct {
	const char *type;
	enum need need;
} records[] = {
#define RECORD(id, type, need) {type, need},
#include "nt/records.def"
#undef RECORD
};

static const char *const symbols[] = {
#define SYMBOL(id, name) name,
#include "nt/symbols.def"
#undef SYMBOL
};

/* Longer than any path that fields.def can sensibly state. */
#define MAX_PATH 128

/* Binds the first of the alternatives in @paths that @type has. */
static bool bind_paths(const struct vds_type *type, const char *paths,
		       struct vds_field *ret)
{
	while (*paths) {
		char path[MAX_PATH];
		size_t len = strcspn(paths, "|");
		if (len < sizeof(path)) {
			memcpy(path, paths, len);
			path[len] = 0;
			if (vds_type_member(type, path, ret))
				return true;
		}
		paths += len + (paths[len] == '|');
	}
	return false;
}

static bool bind_field(const struct vds_profile *profile, size_t i,
		       struct vds_field *ret)
{
	const struct vds_type *type = vds_profile_type(profile,
						       fields[i].type);
	*ret = (struct vds_field){0};
	return type && bind_paths(type, fields[i].paths, ret);
}

static struct vds_error *lacks(const struct vds_profile *profile,
			       const char *what)
{
	return vds_error_create(VDS_ERROR_NO_PROFILE,
				"profile %s lacks %s, without which nothing can be read",
				vds_profile_path(profile), what);
}

struct vds_error *vds_binding_init(struct vds_binding *binding,
				   const struct vds_profile *profile)
{
	memset(binding, 0, sizeof(*binding));
	for (size_t i = 0; i < VDS_NUM_FIELDS; i++) {
		if (!bind_field(profile, i, &binding->fields[i]) &&
		    fields[i].need == REQUIRED)
			return lacks(profile,
				     vds_field_name((enum vds_field_id)i));
	}
	for (size_t i = 0; i < VDS_NUM_RECORDS; i++) {
		const struct vds_type *type =
			vds_profile_type(profile, records[i].type);
		if (type && type->size <= UINT32_MAX)
			binding->sizes[i] = (uint32_t)type->size;
		if (!binding->sizes[i] && records[i].need == REQUIRED)
			return lacks(profile, records[i].type);
	}
	for (size_t i = 0; i < VDS_NUM_SYMBOLS; i++)
		binding->has_symbol[i] = vds_profile_symbol(
			profile, symbols[i], &binding->rvas[i]);
	return NULL;
}

bool vds_binding_symbol(const struct vds_binding *binding, const char *name,
			uint32_t *ret)
{
	for (size_t i = 0; i < VDS_NUM_SYMBOLS; i++) {
		if (strcmp(symbols[i], name) || !binding->has_symbol[i])
			continue;
		*ret = binding->rvas[i];
		return true;
	}
	return false;
}

const char *vds_field_name(enum vds_field_id id)
{
	static const char *const names[] = {
#define FIELD(id, type, paths, need) type "." paths,
#include "nt/fields.def"
#undef FIELD
	};
	return (size_t)id < VDS_ARRAY_SIZE(names) ? names[id] : "?";
}
