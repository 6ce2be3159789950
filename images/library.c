/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Export directories, base relocations and import address tables in the pages
 * of image sections (Microsoft's PE/COFF specification), and what the loader
 * does to a copy that lies elsewhere than the section was made for.
 */
#include "section.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "pe.h"

#define MAX_EXPORTS 64
#define MAX_DIRECTORY 0x4000u
#define HIGHLOW 0x3000u
#define DIR64 0xa000u

static void fail(struct world *w, const struct library *l, const char *what)
{
	world_fail(w, place_error(l->place, "%s", what));
}

/* @len bytes at @rva of the image, whose pages there must be resident. */
static void put_at(struct world *w, const struct library *l, uint32_t rva,
		   const uint8_t *bytes, uint32_t len)
{
	for (uint32_t i = 0; i < len && !w->err; i++, rva++) {
		uint32_t page = rva / PE_PAGE;
		uint64_t pfn = page < l->section->pages
			? l->section->frames[page] : 0;
		if (!pfn) {
			fail(w, l, "a page of the library is not resident");
			return;
		}
		mem_page(w, pfn)[rva % PE_PAGE] = bytes[i];
	}
}

static void put_directory(struct world *w, const struct library *l,
			  unsigned int index, uint32_t rva, uint32_t size)
{
	uint8_t entry[8];

	vds_put_le32(entry, rva);
	vds_put_le32(entry + 4, size);
	put_at(w, l, pe_directory_at(l->section->pe32, index), entry, 8);
}

struct export {
	const char *name;
	uint32_t rva;
	const char *forward;	/* "NTDLL.RtlX", or NULL */
};

/* Cuts "Name@RVA Name>OTHER.Name" into its parts. */
static unsigned int split_exports(struct world *w, const struct library *l,
				  struct export *list)
{
	char *text = vds_arena_strdup(&w->arena, l->exports), *save = NULL;
	unsigned int n = 0;

	for (char *word = text ? strtok_r(text, " ", &save) : NULL; word;
	     word = strtok_r(NULL, " ", &save)) {
		char *mark = strpbrk(word, "@>");
		if (!mark || n == MAX_EXPORTS) {
			fail(w, l, "an export is Name@RVA or Name>OTHER.Name");
			return 0;
		}
		list[n] = (struct export){ .name = word };
		if (*mark == '>')
			list[n].forward = mark + 1;
		else
			list[n].rva = (uint32_t)strtoul(mark + 1, NULL, 0);
		*mark = 0;
		n++;
	}
	return n;
}

/* A forwarder is a function whose RVA leads to text within the directory. */
static void put_exports(struct world *w, const struct library *l)
{
	struct export list[MAX_EXPORTS];
	const char *names[MAX_EXPORTS];
	uint32_t rvas[MAX_EXPORTS];
	uint8_t *buf = world_alloc(w, MAX_DIRECTORY);
	unsigned int n = split_exports(w, l, list);

	for (unsigned int i = 0; i < n; i++) {
		names[i] = list[i].name;
		rvas[i] = list[i].rva;
	}
	const char *slash = strrchr(l->section->file, '\\');
	uint32_t len = !buf || w->err ? 0 :
		pe_exports(buf, MAX_DIRECTORY, l->exports_at,
			   slash ? slash + 1 : l->section->file, names, rvas,
			   n);
	for (unsigned int i = 0; len && i < n; i++) {
		if (!list[i].forward)
			continue;
		uint32_t size = (uint32_t)strlen(list[i].forward) + 1;
		if (len + size > MAX_DIRECTORY)
			return fail(w, l, "too many exports");
		memcpy(buf + len, list[i].forward, size);
		vds_put_le32(buf + 40 + 4 * i, l->exports_at + len);
		len += size;
	}
	if (!len)
		return fail(w, l, "the exports have no room");
	put_at(w, l, l->exports_at, buf, len);
	put_directory(w, l, PE_DIRECTORY_EXPORT, l->exports_at, len);
}

/* Calls @visit for each pointer that relocations name. */
static void each_pointer(const struct library *l,
			 void (*visit)(void *arg, uint32_t rva), void *arg)
{
	const char *at = l->relocations;

	while (at && *at) {
		char *end;
		uint32_t rva = (uint32_t)strtoul(at, &end, 0);
		if (end == at)
			return;
		visit(arg, rva);
		at = end;
	}
}

struct blocks {
	struct world *w;
	const struct library *l;
	uint8_t buf[MAX_DIRECTORY];
	uint32_t len, block;	/* the open block begins at */
};

static uint32_t pointer_size(const struct section *s)
{
	return s->pe32 ? 4 : 8;
}

/* A place in the image's code. */
static uint64_t pointer_at(const struct section *s, uint32_t rva)
{
	return s->base + 0x1000 + rva % 0x800;
}

/* Pointers to places in the image, and an entry of the page's block. */
static void add_pointer(void *arg, uint32_t rva)
{
	struct blocks *b = arg;
	uint32_t page = rva & ~(PE_PAGE - 1);
	uint8_t pointer[8];

	if (b->len + 16 > MAX_DIRECTORY)
		return;
	if (!b->len || vds_le32(b->buf + b->block) != page) {
		if (b->len) {	/* an entry of type 0 fills it up */
			b->len = (b->len + 3) & ~3u;
			vds_put_le32(b->buf + b->block + 4, b->len - b->block);
		}
		b->block = b->len;
		vds_put_le32(b->buf + b->len, page);
		b->len += 8;
	}
	unsigned int type = b->l->section->pe32 ? HIGHLOW : DIR64;
	vds_put_le16(b->buf + b->len, (uint16_t)(type | (rva % PE_PAGE)));
	b->len += 2;
	vds_put_le32(b->buf + b->block + 4, b->len - b->block);
	vds_put_le64(pointer, pointer_at(b->l->section, rva));
	put_at(b->w, b->l, rva, pointer, pointer_size(b->l->section));
}

static void put_relocations(struct world *w, const struct library *l)
{
	struct blocks *b = world_alloc(w, sizeof(*b));

	if (!b)
		return;
	b->w = w;
	b->l = l;
	each_pointer(l, add_pointer, b);
	put_at(w, l, l->relocations_at, b->buf, b->len);
	put_directory(w, l, PE_DIRECTORY_RELOCATION, l->relocations_at,
		      b->len);
}

/* Not bound yet: each entry leads to the name of its function. */
static void put_imports(struct world *w, const struct library *l)
{
	uint32_t each = pointer_size(l->section);
	uint8_t entry[8];

	for (uint32_t i = 0; i < l->imports; i++) {
		vds_put_le64(entry, l->imports_at + 0x100 + 0x20 * i);
		put_at(w, l, l->imports_at + each * i, entry, each);
	}
	put_directory(w, l, PE_DIRECTORY_IAT, l->imports_at, each * l->imports);
}

/* GuardCFCheckFunctionPointer names a variable, which leads to nothing yet. */
static void put_config(struct world *w, const struct library *l)
{
	bool is_32 = l->section->pe32;
	uint8_t config[0x98] = { 0 };
	uint32_t size = is_32 ? 0x5c : 0x98;

	vds_put_le32(config, size);
	if (is_32)
		vds_put_le32(config + 0x48, (uint32_t)l->section->base +
					    l->guard_at);
	else
		vds_put_le64(config + 0x70, l->section->base + l->guard_at);
	put_at(w, l, l->config_at, config, size);
	put_directory(w, l, PE_DIRECTORY_LOAD_CONFIG, l->config_at, size);
}

void libraries_build(struct world *w)
{
	for (struct library *l = w->scene->libraries; l && !w->err;
	     l = l->next) {
		if (l->exports)
			put_exports(w, l);
		if (l->relocations && !w->err)
			put_relocations(w, l);
		if (l->imports && !w->err)
			put_imports(w, l);
		if (l->config_at && !w->err)
			put_config(w, l);
	}
}

struct move {
	const struct section *section;
	uint8_t *bytes;
	uint32_t page;
	uint64_t delta;
};

/* A pointer may begin in one page and end in the next. */
static void move_pointer(void *arg, uint32_t rva)
{
	struct move *m = arg;
	uint8_t pointer[8];

	vds_put_le64(pointer, pointer_at(m->section, rva) + m->delta);
	for (uint32_t i = 0; i < pointer_size(m->section); i++)
		if ((rva + i) / PE_PAGE == m->page)
			m->bytes[(rva + i) % PE_PAGE] = pointer[i];
}

void library_relocate(struct world *w, const struct view *v, uint32_t page,
		      uint8_t *bytes)
{
	uint64_t base = v->section->base;

	for (struct library *l = w->scene->libraries; l; l = l->next) {
		struct move m = { .section = l->section, .bytes = bytes,
				  .page = page + v->offset,
				  .delta = v->start - base };
		if (l->section == v->section)
			each_pointer(l, move_pointer, &m);
	}
	if (page || v->offset)
		return;
	if (v->section->pe32)
		vds_put_le32(bytes + pe_base_at(true), (uint32_t)v->start);
	else
		vds_put_le64(bytes + pe_base_at(false), v->start);
}
