/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where is member M of type T, and symbol S? A profile is one kernel's type
 * layouts and symbol addresses, as its PDB states them. Immutable once loaded
 * and shared by all threads.
 */
#ifndef VDS_PROFILE_PROFILE_H
#define VDS_PROFILE_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "vadose/error.h"

enum vds_type_kind {
	VDS_TYPE_VOID,
	VDS_TYPE_BASE,		/* integer, bool, float, char of `size` bytes */
	VDS_TYPE_POINTER,	/* to `target` */
	VDS_TYPE_ARRAY,		/* `count` x `target` */
	VDS_TYPE_STRUCT,	/* struct or class */
	VDS_TYPE_UNION,
	VDS_TYPE_ENUM,		/* values over base `target` */
	VDS_TYPE_FUNCTION,	/* only behind pointers */
	VDS_TYPE_OPAQUE,	/* named, but its layout is not known */
};

enum vds_base_encoding {
	VDS_BASE_UNSIGNED,
	VDS_BASE_SIGNED,
	VDS_BASE_BOOL,
	VDS_BASE_CHAR,
	VDS_BASE_WCHAR,
	VDS_BASE_FLOAT,
};

struct vds_type;

struct vds_member {
	const char *name;	/* "" for an unnamed nested struct or union */
	uint32_t offset;	/* bytes from the start of the enclosing type */
	uint8_t bit_pos;	/* first bit within the storage unit at offset */
	uint8_t bit_len;	/* 0 = not a bit field */
	const struct vds_type *type;	/* storage unit's type for bit fields */
};

struct vds_enumerator {
	const char *name;
	int64_t value;
};

struct vds_type {
	enum vds_type_kind kind;
	enum vds_base_encoding encoding;
	const char *name;	/* "" if anonymous */
	uint64_t size;		/* bytes */
	const struct vds_type *target;
	uint64_t count;		/* of array elements */
	const struct vds_member *members;	/* by (offset, bit_pos, name) */
	size_t num_members;
	const struct vds_enumerator *enumerators;	/* by (value, name) */
	size_t num_enumerators;
};

/* A symbol's address relative to the kernel's image base. */
struct vds_symbol {
	const char *name;
	uint32_t rva;
};

/* How sure the layouts are: read from this kernel's own symbols, or not. */
enum vds_profile_confidence {
	VDS_PROFILE_SYMBOLS,	/* made from the PDB (or an ISF made from it) */
	VDS_PROFILE_PUBLISHED,	/* from published facts about this build */
};

/* Identity; strings never NULL, "" where not known. */
struct vds_profile_identity {
	char pdb[64];		/* "ntkrnlmp.pdb" */
	char guid[33];		/* 32 upper-case hex digits, or "" */
	uint32_t age;		/* the DBI age, as in the RSDS record */
	char arch[8];		/* "x64", "x86" */
	uint32_t build;		/* 19041; 0 = not known */
	uint32_t revision;	/* 572 in 10.0.19041.572; 0 = not known */
	enum vds_profile_confidence confidence;
};

struct vds_profile;

/*
 * Loads a YAML profile file (docs/profile-format.md). Errors:
 * VDS_ERROR_NO_INPUT, VDS_ERROR_FORMAT with "path:line:column: what".
 */
struct vds_error *vds_profile_load(const char *path, struct vds_profile **ret);
/* The same from memory; @name is used in messages. */
struct vds_error *vds_profile_parse(const char *name, const void *data,
				    size_t len, struct vds_profile **ret);
void vds_profile_destroy(struct vds_profile *profile);

const struct vds_profile_identity *
vds_profile_identity(const struct vds_profile *profile);
/* Path it was loaded from, and lower-case SHA-256 of the file's bytes. */
const char *vds_profile_path(const struct vds_profile *profile);
const char *vds_profile_sha256(const struct vds_profile *profile);

/* The named type, or NULL. Borrowed. O(log n) or better. */
const struct vds_type *vds_profile_type(const struct vds_profile *profile,
					const char *name);
/* All named types in name order. */
size_t vds_profile_num_types(const struct vds_profile *profile);
const struct vds_type *vds_profile_type_at(const struct vds_profile *profile,
					   size_t index);

/* RVA of a symbol in *ret; false if the profile has none. */
bool vds_profile_symbol(const struct vds_profile *profile, const char *name,
			uint32_t *ret);
size_t vds_profile_num_symbols(const struct vds_profile *profile);
/* In name order. */
const struct vds_symbol *vds_profile_symbol_at(const struct vds_profile *profile,
					       size_t index);

/* A member found by path, its offset summed up from the outermost type. */
struct vds_field {
	uint32_t offset;	/* bytes */
	uint16_t size;		/* bytes of the storage unit (0 if > 65535) */
	uint8_t bit_pos;
	uint8_t bit_len;	/* 0 = not a bit field */
	bool present;
	const struct vds_type *type;
};

/*
 * Finds @path ("u.VadFlags.Protection", "VadRoot") in the struct or union
 * @type; members of unnamed nested types are found as if they were its own,
 * as in C. False (and ret->present false) if there is no such member.
 */
bool vds_type_member(const struct vds_type *type, const char *path,
		     struct vds_field *ret);

/*
 * The field's value from a record of @len bytes that starts at the outermost
 * type: zero-extended, the bit field extracted. NO_FIELD if absent from the
 * profile, BAD_DATA if the record is too short or the unit exceeds 8 bytes.
 */
enum vds_why vds_field_get(const struct vds_field *field, const void *record,
			   size_t len, uint64_t *ret);

#endif
