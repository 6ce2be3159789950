/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How types and members are spelled in a YAML profile:
 *   TYPE    NAME, then `*` (pointer), `*N` (pointer of N bytes, where that is
 *           not the architecture's) and `[N]` (array) as in C, read outwards
 *           from the name; neighbouring `[A][B]` are A arrays of B elements
 *   MEMBER  OFFSET TYPE, or OFFSET:BIT+LENGTH TYPE
 * Integers are 0x and lower-case hex digits, or decimal without leading zeros.
 */
#ifndef VDS_PROFILE_SPELL_H
#define VDS_PROFILE_SPELL_H

#include "profile/model.h"

/* The whole of @text as an integer <= @max. */
bool vds_spelled_u64(const char *text, size_t len, uint64_t max,
		     uint64_t *ret);
/* Decimal or hex with an optional '-', within int64_t or uint64_t. */
bool vds_spelled_i64(const char *text, size_t len, int64_t *ret);

/* The type that @text spells; VDS_ERROR_FORMAT if it is no such spelling. */
struct vds_error *vds_model_spelled(struct vds_model *model, const char *text,
				    size_t len, struct vds_model_type **ret);

/* True if a type of this name would read as something else: "int*", "a[2]". */
bool vds_spelling_is_ambiguous(const char *name, size_t len);

struct vds_spelled_member {
	uint32_t offset;
	unsigned int bit_pos;
	unsigned int bit_len;	/* 0 = not a bit field */
	const char *type;	/* into the text */
	size_t type_len;
};
bool vds_spelled_member(const char *text, size_t len,
			struct vds_spelled_member *ret);

/*
 * Appends the spelling of @type. An anonymous type at its core is called
 * @path. Pointers are plain if they have @pointer_size.
 */
void vds_spell_type(struct vds_str *out, const struct vds_type *type,
		    const char *path, uint64_t pointer_size);

/* The type at the core of pointers and arrays. */
const struct vds_type *vds_type_core(const struct vds_type *type);

#endif
