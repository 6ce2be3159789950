/* SPDX-License-Identifier: Apache-2.0 */
#include "row/rowbuf.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

void vds_rowbuf_deinit(struct vds_rowbuf *buf)
{
	vds_arena_deinit(&buf->arena);
	free(buf->rows);
	*buf = (struct vds_rowbuf){0};
}

void vds_rowbuf_clear(struct vds_rowbuf *buf)
{
	vds_arena_reset(&buf->arena);
	buf->count = 0;
}

size_t vds_rowbuf_bytes(const struct vds_rowbuf *buf)
{
	return buf->arena.total + buf->cap * sizeof(*buf->rows);
}

/* Bytes behind the value's pointer, 0 if it has none. */
static size_t payload(const struct vds_value *value)
{
	switch (value->kind) {
	case VDS_KIND_STR:
	case VDS_KIND_FLAGS:
	case VDS_KIND_BYTES:
	case VDS_KIND_STRS:
		return value->count;
	case VDS_KIND_INTS:
		return value->count * sizeof(uint64_t);
	default:
		return 0;
	}
}

static bool grow(struct vds_rowbuf *buf)
{
	if (buf->count < buf->cap)
		return true;
	size_t cap = buf->cap ? buf->cap * 2 : 64;
	const struct vds_value **rows = realloc(buf->rows,
						cap * sizeof(*rows));
	if (!rows)
		return false;
	buf->rows = rows;
	buf->cap = cap;
	return true;
}

bool vds_rowbuf_add(struct vds_rowbuf *buf, const struct vds_value *values,
		    size_t num_columns)
{
	size_t fixed = num_columns * sizeof(*values), extra = 0;
	for (size_t i = 0; i < num_columns; i++) {
		/* Lists of integers start on their own alignment. */
		if (values[i].kind >= VDS_KIND_STR)
			extra += (payload(&values[i]) + 7) & ~(size_t)7;
	}
	if (!grow(buf))
		return false;
	struct vds_value *copy = vds_arena_alloc(&buf->arena, fixed + extra);
	if (!copy)
		return false;
	memcpy(copy, values, fixed);
	char *p = (char *)copy + fixed;
	for (size_t i = 0; i < num_columns; i++) {
		size_t len = values[i].kind >= VDS_KIND_STR ?
				     payload(&values[i]) : 0;
		if (!len)
			continue;
		memcpy(p, values[i].s, len);
		copy[i].s = p;
		p += (len + 7) & ~(size_t)7;
	}
	buf->rows[buf->count++] = copy;
	buf->num_columns = num_columns;
	return true;
}
