/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interned names: each distinct string of a profile exists once, and what is
 * known about it (the type of that name, the type that it spells, whether it
 * was seen in the mapping at hand) hangs on it. A profile has some 50,000
 * names; this keeps loading linear.
 */
#ifndef VDS_PROFILE_NAMES_H
#define VDS_PROFILE_NAMES_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

/* Longer ones are refused: MSVC's limit for decorated names is 4096. */
#define VDS_NAME_MAX 65535

struct vds_model_type;

struct vds_name {
	struct vds_name *next;		/* in its hash chain */
	uint64_t hash;
	uint32_t len;
	uint32_t stamp;			/* the last mapping that had it as key */
	struct vds_model_type *type;	/* the type of this name */
	struct vds_model_type *spelled;	/* of a type expression: what it means */
	char text[];			/* NUL-terminated */
};

/* Caller's storage; zero-initialised is valid and empty. */
struct vds_names {
	struct vds_name **buckets;
	size_t mask;
	size_t count;
};

void vds_names_deinit(struct vds_names *names);

/* Finds or adds; the name lives in @arena. NULL when out of memory. */
struct vds_name *vds_names_get(struct vds_names *names,
			       struct vds_arena *arena, const char *text,
			       size_t len);
/* NULL if there is none. */
struct vds_name *vds_names_find(const struct vds_names *names,
				const char *text, size_t len);

/* The entry that @text (a name's text, not any string) is part of. */
static inline struct vds_name *vds_name_of(const char *text)
{
	return (struct vds_name *)(uintptr_t)(text -
			offsetof(struct vds_name, text));
}

#endif
