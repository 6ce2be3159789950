/* SPDX-License-Identifier: Apache-2.0 */
/* Structures are written by the names of their members in the profile. */
#include "world.h"

#include <string.h>

#include "base/bytes.h"
#include "base/str.h"

struct field_entry {
	struct field_entry *next;	/* same hash */
	const char *type, *path;	/* compared as pointers */
	struct vds_field field;
};

/* Longest text of a recipe, in UTF-16 code units. */
#define MAX_TEXT 2048u

/* A type of this kernel, or where nothing is published of it, of another's. */
static const struct vds_type *type_of(const struct world *w, const char *type)
{
	const struct vds_type *t = vds_profile_type(w->profile, type);

	if ((!t || !t->size) && w->other)
		t = vds_profile_type(w->other, type);
	return (t && t->size) || !w->user32
		? t : vds_profile_type(w->user32, type);
}

static bool find(struct world *w, const char *type, const char *paths,
		 struct vds_field *ret)
{
	const struct vds_type *t = type_of(w, type);
	char path[160];

	ret->present = false;
	while (t && *paths) {
		size_t len = strcspn(paths, "|");
		if (len < sizeof(path)) {
			memcpy(path, paths, len);
			path[len] = '\0';
			if (vds_type_member(t, path, ret))
				return true;
		}
		paths += len + (paths[len] == '|');
	}
	ret->present = false;
	return false;
}

/* Cached, as a large scene places some millions of fields. */
static const struct vds_field *lookup(struct world *w, const char *type,
				      const char *path)
{
	static const struct vds_field none;
	uint64_t key = (uintptr_t)type * UINT64_C(0x9e3779b97f4a7c15) ^
		       (uintptr_t)path;
	uint64_t *slot = vds_map_put(&w->fields, key, NULL);

	if (!slot) {
		world_nomem(w);
		return &none;
	}
	struct field_entry *e = (struct field_entry *)(uintptr_t)*slot;
	for (; e; e = e->next)
		if (e->type == type && e->path == path)
			return &e->field;
	e = world_alloc(w, sizeof(*e));
	if (!e)
		return &none;
	e->type = type;
	e->path = path;
	(void)find(w, type, path, &e->field);
	e->next = (struct field_entry *)(uintptr_t)*slot;
	*slot = (uintptr_t)e;
	return &e->field;
}

static void missing(struct world *w, const char *type, const char *path)
{
	world_fail(w, vds_error_create(VDS_ERROR_FORMAT,
		"the profile has no %s.%s", type, path));
}

bool has_type(struct world *w, const char *type)
{
	const struct vds_type *t = type_of(w, type);
	return t && t->size;
}

bool has_field(struct world *w, const char *type, const char *path)
{
	return lookup(w, type, path)->present;
}

uint64_t offset_of(struct world *w, const char *type, const char *path)
{
	const struct vds_field *f = lookup(w, type, path);
	if (!f->present)
		missing(w, type, path);
	return f->offset;
}

uint64_t size_of(struct world *w, const char *type)
{
	const struct vds_type *t = type_of(w, type);
	if (!t || !t->size) {
		missing(w, type, "(its size)");
		return 0;
	}
	return t->size;
}

static void set_field(uint8_t *unit, const struct vds_field *f, size_t size,
		      uint64_t value)
{
	uint64_t old = vds_le(unit, size);

	if (f->bit_len) {
		uint64_t mask = f->bit_len >= 64
			? UINT64_MAX : (UINT64_C(1) << f->bit_len) - 1;
		value = (old & ~(mask << f->bit_pos)) |
			(value & mask) << f->bit_pos;
	}
	for (size_t i = 0; i < size; i++)
		unit[i] = (uint8_t)(value >> (8 * i));
}

bool put_opt(struct world *w, struct space *s, uint64_t va, const char *type,
	     const char *path, uint64_t value)
{
	const struct vds_field *f = lookup(w, type, path);
	uint8_t unit[8];

	if (!f->present || w->err)
		return false;
	/* A wider member (a union, EX_FAST_REF) is set by its first 8 bytes. */
	size_t size = f->size && f->size < 8 ? f->size : 8;
	space_read(w, s, va + f->offset, unit, size);
	set_field(unit, f, size, value);
	space_write(w, s, va + f->offset, unit, size);
	return true;
}

void put(struct world *w, struct space *s, uint64_t va, const char *type,
	 const char *path, uint64_t value)
{
	/* What nobody has published of this kernel stays zero. */
	if (!put_opt(w, s, va, type, path, value) && !w->err && !w->other)
		missing(w, type, path);
}

void set_bits(struct world *w, uint64_t *word, const char *type,
	      const char *path, uint64_t value)
{
	const struct vds_field *f = lookup(w, type, path);
	uint8_t bytes[16] = { 0 };

	if (!f->present || f->offset >= 8) {
		missing(w, type, path);
		return;
	}
	size_t size = f->size && f->size < 8 ? f->size : 8;
	vds_put_le64(bytes, *word);
	set_field(bytes + f->offset, f, size, value);
	*word = vds_le64(bytes);
}

void put_bytes(struct world *w, struct space *s, uint64_t va, const char *type,
	       const char *path, const void *bytes, size_t len)
{
	const struct vds_field *f = lookup(w, type, path);

	if (!f->present && !w->other)
		missing(w, type, path);
	else if (f->present)
		space_write(w, s, va + f->offset, bytes,
			    f->size ? VDS_MIN(len, f->size) : len);
}

static void put_unit(uint8_t *buf, size_t max, size_t *len, uint32_t unit)
{
	if (*len + 2 <= max) {
		vds_put_le16(buf + *len, (uint16_t)unit);
		*len += 2;
	}
}

size_t text_utf16(const char *text, uint8_t *buf, size_t max)
{
	size_t size = strlen(text), pos = 0, len = 0;

	while (pos < size) {
		if (text[pos] == '{') {
			char hex[8] = "0x";
			size_t n = strcspn(text + pos, "}") - 1;
			uint64_t unit;
			if (n && n <= 4 && text[pos + n + 1]) {
				memcpy(hex + 2, text + pos + 1, n);
				hex[n + 2] = '\0';
				if (vds_parse_u64(hex, &unit)) {
					put_unit(buf, max, &len,
						 (uint32_t)unit);
					pos += n + 2;
					continue;
				}
			}
		}
		int32_t c = vds_utf8_next(text, size, &pos);
		if (c < 0)
			break;
		uint32_t u = (uint32_t)c;
		if (u >= 0x10000) {
			put_unit(buf, max, &len, 0xd800 + ((u - 0x10000) >> 10));
			u = 0xdc00 + ((u - 0x10000) & 0x3ff);
		}
		put_unit(buf, max, &len, u);
	}
	return len;
}

uint64_t put_text(struct world *w, struct space *s, uint64_t va,
		  const char *text, uint64_t buffer)
{
	uint8_t utf16[MAX_TEXT * 2 + 2];
	size_t len = text_utf16(text, utf16, MAX_TEXT * 2);

	utf16[len] = utf16[len + 1] = 0;
	if (!buffer)
		buffer = pool_alloc(w, &w->paged, len + 2, "ObNm");
	space_write(w, s, buffer, utf16, len + 2);
	put(w, s, va, "_UNICODE_STRING", "Length", len);
	put(w, s, va, "_UNICODE_STRING", "MaximumLength", len + 2);
	put(w, s, va, "_UNICODE_STRING", "Buffer", buffer);
	return buffer + ((len + 2 + 15) & ~UINT64_C(15));
}

void list_init(struct world *w, uint64_t head)
{
	put(w, &w->kernel, head, "_LIST_ENTRY", "Flink", head);
	put(w, &w->kernel, head, "_LIST_ENTRY", "Blink", head);
}

void list_add(struct world *w, uint64_t head, uint64_t entry)
{
	uint8_t bytes[8];
	uint64_t blink = offset_of(w, "_LIST_ENTRY", "Blink");

	space_read(w, &w->kernel, head + blink, bytes, 8);
	uint64_t last = vds_le64(bytes);
	put(w, &w->kernel, entry, "_LIST_ENTRY", "Flink", head);
	put(w, &w->kernel, entry, "_LIST_ENTRY", "Blink", last);
	put(w, &w->kernel, last, "_LIST_ENTRY", "Flink", entry);
	put(w, &w->kernel, head, "_LIST_ENTRY", "Blink", entry);
}

uint64_t global(struct world *w, const char *name)
{
	uint32_t rva;

	/* An RVA of 0 marks an absolute symbol, which has no address. */
	if (!vds_profile_symbol(w->symbols, name, &rva) || !rva)
		return 0;
	return w->base + rva;
}

bool put_global(struct world *w, const char *name, uint64_t value)
{
	uint64_t va = global(w, name);
	uint8_t bytes[8];

	if (!va)
		return false;
	vds_put_le64(bytes, value);
	space_write(w, &w->kernel, va, bytes, 8);
	return true;
}
