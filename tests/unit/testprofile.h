/* SPDX-License-Identifier: Apache-2.0 */
/* Small profiles for tests, from a table of members. */
#ifndef VDS_TEST_TESTPROFILE_H
#define VDS_TEST_TESTPROFILE_H

#include <stdlib.h>
#include <string.h>

#include "profile/model.h"

struct testprofile_type {
	const char *name;
	uint64_t size;
};

struct testprofile_member {
	const char *type;
	const char *name;
	uint32_t offset;
	unsigned int bit_pos, bit_len;	/* bit_len 0: plain member */
	const char *member_type;	/* a base type or a type's name */
};

struct testprofile_symbol {
	const char *name;
	uint32_t rva;
};

static inline void testprofile_check(struct vds_error *err)
{
	if (err)
		abort();
}

static inline struct vds_model_type *
testprofile_type(struct vds_model *model, const char *name)
{
	struct vds_model_type *type;
	if (!vds_model_base(model, name, &type))
		testprofile_check(vds_model_named(model, name, strlen(name),
						  &type));
	return type;
}

/* Tables end with a NULL name. */
static inline struct vds_profile *
testprofile_create(uint32_t build, const struct testprofile_type *types,
		   const struct testprofile_member *members,
		   const struct testprofile_symbol *symbols)
{
	struct vds_model *model;
	struct vds_profile *profile;
	struct vds_profile_identity identity = {
		.pdb = "ntkrnlmp.pdb", .arch = "x64", .age = 1, .build = build,
		.guid = "00112233445566778899AABBCCDDEEFF",
	};
	testprofile_check(vds_model_create(&model));
	vds_model_set_identity(model, &identity);
	for (; types && types->name; types++) {
		struct vds_model_type *type;
		testprofile_check(vds_model_define(
			model, VDS_TYPE_STRUCT, types->name,
			strlen(types->name), types->size, NULL, &type));
		for (const struct testprofile_member *m = members; m->type;
		     m++) {
			if (strcmp(m->type, types->name))
				continue;
			testprofile_check(vds_model_member(
				model, type, m->name, strlen(m->name),
				m->offset, m->bit_pos, m->bit_len,
				testprofile_type(model, m->member_type)));
		}
	}
	for (; symbols && symbols->name; symbols++)
		testprofile_check(vds_model_symbol(model, symbols->name,
						   strlen(symbols->name),
						   symbols->rva));
	testprofile_check(vds_model_finish(model, "test.yaml", NULL, 0,
					   &profile));
	return profile;
}

#endif
