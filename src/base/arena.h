/* SPDX-License-Identifier: Apache-2.0 */
/* Bump allocation for everything that lives as long as one task or object. */
#ifndef VDS_BASE_ARENA_H
#define VDS_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>

#include "vadose/types.h"

struct vds_arena_block;

/* Caller's storage; zero-initialised is valid and empty. Not thread-safe. */
struct vds_arena {
	struct vds_arena_block *head;
	size_t total;	/* bytes obtained from malloc */
	size_t limit;	/* 0 = none; an allocation past it fails */
};

void vds_arena_init(struct vds_arena *arena, size_t limit);
/* Frees all memory of the arena; safe on a zeroed one. */
void vds_arena_deinit(struct vds_arena *arena);
/* Forgets all allocations but keeps one block for reuse. */
void vds_arena_reset(struct vds_arena *arena);

/* @size bytes, 16-byte aligned, not zeroed; NULL when memory or limit is out. */
void *vds_arena_alloc(struct vds_arena *arena, size_t size);
/* n * size bytes, zeroed; NULL also if the product wraps. */
void *vds_arena_calloc(struct vds_arena *arena, size_t n, size_t size);
/* Copies @len bytes and appends a NUL. */
char *vds_arena_strndup(struct vds_arena *arena, const char *s, size_t len);
char *vds_arena_strdup(struct vds_arena *arena, const char *s);
char *vds_arena_printf(struct vds_arena *arena, const char *format, ...)
	VDS_PRINTF(2, 3);

#endif
