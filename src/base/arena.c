/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

struct vds_arena_block {
	struct vds_arena_block *next;
	size_t size;	/* of data[] */
	size_t used;
	alignas(16) unsigned char data[];
};

/* Blocks double from the first size up to the second. */
#define FIRST_BLOCK ((size_t)4096)
#define LARGEST_BLOCK ((size_t)1 << 20)

void vds_arena_init(struct vds_arena *arena, size_t limit)
{
	*arena = (struct vds_arena){.limit = limit};
}

void vds_arena_deinit(struct vds_arena *arena)
{
	struct vds_arena_block *block = arena->head;
	while (block) {
		struct vds_arena_block *next = block->next;
		free(block);
		block = next;
	}
	arena->head = NULL;
	arena->total = 0;
}

void vds_arena_reset(struct vds_arena *arena)
{
	struct vds_arena_block *keep = arena->head;
	if (!keep)
		return;
	arena->head = keep->next;
	vds_arena_deinit(arena);
	keep->next = NULL;
	keep->used = 0;
	arena->head = keep;
	arena->total = sizeof(*keep) + keep->size;
}

static struct vds_arena_block *grow(struct vds_arena *arena, size_t size)
{
	size_t want = FIRST_BLOCK;
	if (arena->head)
		want = VDS_MIN(arena->head->size * 2, LARGEST_BLOCK);
	want = VDS_MAX(want, size);
	if (want > SIZE_MAX - sizeof(struct vds_arena_block))
		return NULL;
	size_t bytes = sizeof(struct vds_arena_block) + want;
	if (arena->limit && (arena->total > arena->limit ||
			     bytes > arena->limit - arena->total))
		return NULL;
	struct vds_arena_block *block = malloc(bytes);
	if (!block)
		return NULL;
	block->size = want;
	block->used = 0;
	block->next = arena->head;
	arena->head = block;
	arena->total += bytes;
	return block;
}

void *vds_arena_alloc(struct vds_arena *arena, size_t size)
{
	if (size > SIZE_MAX - 15)
		return NULL;
	size = (size + 15) & ~(size_t)15;
	struct vds_arena_block *block = arena->head;
	if (!block || size > block->size - block->used) {
		block = grow(arena, size);
		if (!block)
			return NULL;
	}
	void *p = block->data + block->used;
	block->used += size;
	return p;
}

void *vds_arena_calloc(struct vds_arena *arena, size_t n, size_t size)
{
	size_t bytes;
	if (__builtin_mul_overflow(n, size, &bytes))
		return NULL;
	void *p = vds_arena_alloc(arena, bytes);
	return p ? memset(p, 0, bytes) : NULL;
}

char *vds_arena_strndup(struct vds_arena *arena, const char *s, size_t len)
{
	if (len == SIZE_MAX)
		return NULL;
	char *copy = vds_arena_alloc(arena, len + 1);
	if (!copy)
		return NULL;
	memcpy(copy, s, len);
	copy[len] = 0;
	return copy;
}

char *vds_arena_strdup(struct vds_arena *arena, const char *s)
{
	return vds_arena_strndup(arena, s, strlen(s));
}

char *vds_arena_printf(struct vds_arena *arena, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (len < 0)
		return NULL;
	char *s = vds_arena_alloc(arena, (size_t)len + 1);
	if (!s)
		return NULL;
	va_start(ap, format);
	vsnprintf(s, (size_t)len + 1, format, ap);
	va_end(ap);
	return s;
}
