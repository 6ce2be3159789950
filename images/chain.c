/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault set: any member of any structure, found as a debugger would find it, by
 * names: a place to begin with, then members, pointers and list links (README.md).
 */
#include "section.h"

#include <string.h>

#include "base/bytes.h"
#include "base/str.h"

/* User addresses end below this; they need a process. */
#define KERNEL_HALF (UINT64_C(1) << 63)

struct chain {
	struct world *w;
	struct place place;
	const struct process *process;	/* whose user half; NULL: nobody's */
	uint64_t va;
	/* The last step, if it was a member: it lies at base. */
	uint64_t base;
	const char *type, *path;
};

static void fail(struct chain *c, const char *what, const char *word)
{
	world_fail(c->w, place_error(c->place, "%s: \"%s\"", what, word));
}

static struct space *space_of(const struct chain *c, uint64_t va)
{
	return va < KERNEL_HALF && c->process ? c->process->space
					      : &c->w->kernel;
}

static uint64_t read64(const struct chain *c, uint64_t va)
{
	uint8_t bytes[8];

	space_read(c->w, space_of(c, va), va, bytes, 8);
	return vds_le64(bytes);
}

/* "kind:name": the part behind the colon, or NULL. */
static const char *behind(const char *word, const char *kind)
{
	size_t len = strlen(kind);
	return strncmp(word, kind, len) == 0 && word[len] == ':'
		? word + len + 1 : NULL;
}

static bool of_process(struct chain *c, const char *word)
{
	const char *pid = behind(word, "eprocess");
	uint64_t n;

	if (!pid)
		return false;
	if (vds_parse_u64(pid, &n))
		c->process = scene_find_process(c->w->scene, (uint32_t)n);
	if (c->process)
		c->va = c->process->eprocess;
	else
		fail(c, "no such process", word);
	return true;
}

static bool of_section(struct chain *c, const char *word)
{
	static const char *const kinds[] = { "area", "file", "pointers",
					     "object", "cache", "proto",
					     "pfn" };
	size_t k = 0;

	while (k < VDS_ARRAY_SIZE(kinds) && !behind(word, kinds[k]))
		k++;
	if (k == VDS_ARRAY_SIZE(kinds))
		return false;
	const struct section *s = scene_find_section(c->w->scene,
						     behind(word, kinds[k]));
	if (!s) {
		fail(c, "no such section", word);
		return true;
	}
	const uint64_t places[] = {
		s->control_area, s->file_object, s->pointers, s->object_va,
		s->cache_map, s->parts[0].proto,
		c->w->pfn_db + s->frames[0] * size_of(c->w, "_MMPFN"),
	};
	c->va = places[k];
	if (!c->va)
		fail(c, "the section has none", word);
	return true;
}

static void begin(struct chain *c, const char *word)
{
	if (of_process(c, word) || of_section(c, word) ||
	    vds_parse_u64(word, &c->va))
		return;
	if (behind(word, "symbol"))
		c->va = global(c->w, behind(word, "symbol"));
	if (!c->va)
		fail(c, "no place to begin with", word);
}

/* "_TYPE.Member.Below", or of several kernels "_TYPE.A|B". */
static bool member(struct chain *c, const char *word, const char **type,
		   const char **path)
{
	const char *dot = strchr(word, '.');

	*type = dot ? vds_arena_strndup(&c->w->arena, word,
					(size_t)(dot - word)) : NULL;
	*path = dot ? dot + 1 : NULL;
	if (*type && has_field(c->w, *type, *path))
		return true;
	fail(c, "this kernel has no such member", word);
	return false;
}

static void step(struct chain *c, const char *word)
{
	const char *type, *path;
	uint64_t n;

	c->type = NULL;
	if (strcmp(word, ">") == 0) {
		c->va = read64(c, c->va);
	} else if (strcmp(word, ">~") == 0) {
		/* Fast references and table codes count in the low bits. */
		c->va = read64(c, c->va) & ~UINT64_C(15);
	} else if (word[0] == '<') {
		if (member(c, word + 1, &type, &path))
			c->va -= offset_of(c->w, type, path);
	} else if (vds_parse_u64(word, &n)) {
		c->va += n;
	} else if (member(c, word, &type, &path)) {
		c->base = c->va;
		c->type = type;
		c->path = path;
		c->va += offset_of(c->w, type, path);
	}
}

/* Words up to @until or the end; the number of words used. */
static unsigned int walk(struct chain *c, const struct order *o,
			 unsigned int first, const char *until)
{
	unsigned int i = first;

	if (i < o->num_words)
		begin(c, o->words[i++]);
	while (i < o->num_words && strcmp(o->words[i], until) != 0 &&
	       !c->w->err)
		step(c, o->words[i++]);
	return i;
}

static void store(struct chain *c, uint64_t value)
{
	uint8_t bytes[8];

	if (c->type) {
		put(c->w, space_of(c, c->base), c->base, c->type, c->path,
		    value);
		return;
	}
	vds_put_le64(bytes, value);
	space_write(c->w, space_of(c, c->va), c->va, bytes, 8);
}

void chain_set(struct world *w, const struct order *o)
{
	struct chain to = { .w = w, .place = o->place }, from = to;
	unsigned int i = walk(&to, o, 1, "=");

	if (w->err)
		return;
	if (i + 1 >= o->num_words) {
		fail(&to, "fault set PLACE = VALUE", "");
		return;
	}
	/* "self": the place itself, for rings of one. */
	from.process = to.process;
	if (strcmp(o->words[i + 1], "self") == 0)
		from.va = to.va;
	else
		(void)walk(&from, o, i + 1, "=");
	if (!w->err)
		store(&to, from.va);
}
