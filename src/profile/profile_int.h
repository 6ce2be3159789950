/* SPDX-License-Identifier: Apache-2.0 */
/* What a profile and a model are made of; private to this room. */
#ifndef VDS_PROFILE_PROFILE_INT_H
#define VDS_PROFILE_PROFILE_INT_H

#include "base/arena.h"
#include "base/sha256.h"
#include "profile/model.h"
#include "profile/names.h"
#include "profile/profile.h"

struct vds_profile {
	struct vds_arena arena;		/* all types, members and names */
	struct vds_names names;
	struct vds_profile_identity identity;
	char *path;
	char sha256[VDS_SHA256_HEX_SIZE];
	const struct vds_type **types;	/* defined and named, in name order */
	size_t num_types;
	struct vds_symbol *symbols;	/* in name order; names not interned */
	size_t num_symbols;
};

/* Where in its source something stands, from 1; 0 where there is no source. */
struct vds_model_mark {
	uint32_t line;
	uint32_t column;
};

/* While building, members hang on a list, the one added last first. */
struct vds_model_member {
	struct vds_member m;
	struct vds_model_member *next;
	struct vds_model_mark mark;
	bool keep;		/* asked for by name (trimming) */
};

struct vds_model_enumerator {
	struct vds_enumerator e;
	struct vds_model_enumerator *next;
};

struct vds_model_type {
	struct vds_type t;	/* must be first: handles are cast to it */
	struct vds_model_member *members;
	struct vds_model_enumerator *enumerators;
	struct vds_model_type *pointer;	/* to this, of the default size */
	uint8_t depth;		/* of a chain of pointers and arrays */
	uint8_t state;		/* of the walk that is under way */
	uint8_t height;		/* levels of by-value nesting, once checked */
	struct vds_model_mark mark;
	bool builtin;
	bool live;		/* survives trimming */
	bool partial;		/* only with members that are kept */
	bool plain_pointer;	/* its size is the architecture's */
};

struct vds_model {
	struct vds_profile *profile;
	struct vds_model_type **types;	/* in order of creation */
	size_t num_types;
	size_t cap_types;
	size_t cap_symbols;
	char *pack;		/* where the next symbol's name goes */
	size_t pack_left;
	uint32_t stamp;		/* serial of the last mapping of names */
	struct vds_model_mark here;	/* of what is being added */
	struct vds_model_mark fault;	/* of what finish didn't like */
	bool keep_paths;	/* names with a '.' are paths (YAML) */
};

static inline struct vds_model_type *vds_model_type_of(const struct vds_type *t)
{
	return (struct vds_model_type *)(uintptr_t)t;
}

/*
 * Interns a name as it will stand in the profile (cleaned). VDS_ERROR_FORMAT
 * if too long.
 */
struct vds_error *vds_model_name(struct vds_model *model, const char *text,
				 size_t len, struct vds_name **ret);

/* vds_model_member() once the name is interned. */
struct vds_error *vds_model_add_member(struct vds_model *model,
				       struct vds_model_type *type,
				       struct vds_name *name, uint32_t offset,
				       unsigned int bit_pos,
				       unsigned int bit_len,
				       struct vds_model_type *member_type);
struct vds_error *vds_model_add_symbol(struct vds_model *model,
				       struct vds_name *name, uint32_t rva);

/* The base type that is called @name, or NULL. */
struct vds_base_type {
	const char *name;
	enum vds_type_kind kind;
	enum vds_base_encoding encoding;
	uint8_t size;
};
const struct vds_base_type *vds_base_types(size_t *ret_num);

/* True if @type exists under a name of its own, not by path or by nature. */
static inline bool vds_type_is_listed(const struct vds_model_type *type)
{
	enum vds_type_kind kind = type->t.kind;
	return type->t.name[0] && !type->builtin &&
	       (kind == VDS_TYPE_STRUCT || kind == VDS_TYPE_UNION ||
		kind == VDS_TYPE_ENUM || kind == VDS_TYPE_BASE);
}

#endif
