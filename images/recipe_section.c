/* SPDX-License-Identifier: Apache-2.0 */
/* Statements about sections and what their pages hold. */
#include "recipe.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"

/* "16 16 64" or ".text:rx:300 .data:wc:4": see README.md. */
static struct vds_error *parse_parts(struct scene *scene, struct place place,
				     struct section *s, const char *text)
{
	struct line line = { .place = place, .arena = &scene->arena };
	struct vds_error *err = line_split(&line, text);
	uint32_t total = 0;

	if (err)
		return err;
	s->num_parts = line.num;
	s->parts = vds_arena_calloc(&scene->arena, line.num + 1,
				    sizeof(*s->parts));
	if (!s->parts)
		return &vds_enomem;
	for (unsigned int i = 0; i < line.num; i++) {
		struct part *part = &s->parts[i];
		char *word = (char *)line.words[i];
		char *last = strrchr(word, ':');
		char *prot = NULL;
		uint64_t n;

		part->name = "";
		part->prot = s->prot;
		if (last) {
			*last = '\0';
			prot = strchr(word, ':');
			part->name = word;
			if (prot) {
				*prot++ = '\0';
				if (!parse_prot(prot, &part->prot))
					return place_error(place,
						"protection \"%s\"", prot);
			}
		}
		if (!vds_parse_u64(last ? last + 1 : word, &n) || !n ||
		    n > 1u << 20)
			return place_error(place, "part %u: bad size", i);
		part->pages = (uint32_t)n;
		total += part->pages;
	}
	s->pages = total;
	return NULL;
}

/* The shape of an ordinary DLL: headers, code, constants, data, resources. */
static struct vds_error *default_parts(struct scene *scene, struct place place,
				       struct section *s)
{
	uint32_t n = s->pages;
	char text[160];

	if (s->kind != SECTION_IMAGE) {
		(void)snprintf(text, sizeof(text), "%u", n);
		return parse_parts(scene, place, s, text);
	}
	if (n < 6)
		return place_error(place, "an image has 6 pages or more");
	uint32_t code = (n - 1) / 2, constants = (n - 1) / 4;
	if (code < 2)
		code = 2;
	uint32_t rest = n - 1 - code - constants;
	(void)snprintf(text, sizeof(text),
		       "header:r:1 .text:rx:%u .rdata:r:%u .data:wc:%u "
		       ".reloc:r:1", code, constants, rest - 1);
	return parse_parts(scene, place, s, text);
}

static const char *default_states(const struct section *s)
{
	switch (s->kind) {
	case SECTION_IMAGE: return "V2S*";
	case SECTION_DATA: return "V2TS*";
	case SECTION_PAGEFILE: return "V2TPZ*";
	}
	return "";
}

struct vds_error *recipe_section(struct scene *scene, struct line *line)
{
	struct {
		struct section s;
		const char *parts, *like;
	} in = { .s = { .proto = SCENE_AUTO, .base = SCENE_AUTO,
			.prot = UINT32_MAX } };
	static const struct option_key keys[] = {
		KEY(section, "name", OPT_TEXT, name),
		KEY(section, "pages", OPT_U32, pages),
		KEY(section, "prot", OPT_PROT, prot),
		KEY(section, "proto", OPT_U64, proto),
		KEY(section, "base", OPT_U64, base),
		KEY(section, "states", OPT_TEXT, states),
		KEY(section, "creator", OPT_U32, creator),
		KEY(section, "frame", OPT_U64, at_frame),
		KEY(section, "large", OPT_FLAG, large),
		KEY(section, "pe32", OPT_FLAG, pe32),
		KEY(section, "object", OPT_FLAG, object),
		KEY(section, "delete-pending", OPT_FLAG, delete_pending),
		KEY(section, "no-file", OPT_FLAG, no_file),
		KEY(section, "reserve", OPT_FLAG, reserve),
		KEY(section, "cached", OPT_FLAG, cached),
		{ "parts", OPT_TEXT, offsetof(__typeof__(in), parts) },
		{ "like", OPT_TEXT, offsetof(__typeof__(in), like) },
	};
	const char *kind;
	struct vds_error *err = line_word(line, "section id", &in.s.id);
	if (!err)
		err = line_word(line, "kind", &kind);
	if (err)
		return err;
	if (strcmp(kind, "file") == 0)
		in.s.kind = SECTION_DATA;
	else if (strcmp(kind, "image") == 0)
		in.s.kind = SECTION_IMAGE;
	else if (strcmp(kind, "pagefile") == 0)
		in.s.kind = SECTION_PAGEFILE;
	else
		return place_error(line->place, "section kind \"%s\"", kind);
	if (in.s.kind != SECTION_PAGEFILE)
		err = line_word(line, "path", &in.s.file);
	if (!err)
		err = line_options(line, keys, VDS_ARRAY_SIZE(keys), &in);
	if (err)
		return err;
	if (scene_find_section(scene, in.s.id))
		return place_error(line->place, "section %s again", in.s.id);
	if (in.like) {
		in.s.like = scene_find_section(scene, in.like);
		if (!in.s.like)
			return place_error(line->place, "no section \"%s\"",
					   in.like);
	}
	if (in.s.prot == UINT32_MAX)
		in.s.prot = in.s.kind == SECTION_IMAGE ? 7 : 4;
	if (!in.s.pages)
		in.s.pages = in.s.kind == SECTION_IMAGE ? 37 : 16;
	err = in.parts ? parse_parts(scene, line->place, &in.s, in.parts)
		       : default_parts(scene, line->place, &in.s);
	if (err)
		return err;

	struct section *s = vds_arena_alloc(&scene->arena, sizeof(*s));
	if (!s)
		return &vds_enomem;
	*s = in.s;
	s->place = line->place;
	s->index = scene->num_sections++;
	s->states = scene_states(&scene->arena,
				 s->states ? s->states : default_states(s),
				 s->pages);
	if (!s->states)
		return &vds_enomem;
	*scene->last_section = s;
	scene->last_section = &s->next;
	return NULL;
}

struct vds_error *recipe_one_process(struct process *process, void *arg)
{
	struct process **ret = arg;

	*ret = process;
	return NULL;
}

/* content SECTION OFFSET BYTES | write PROCESS VA BYTES | patch ... */
static struct vds_error *add_content(struct scene *scene, struct line *line,
				     struct content in)
{
	struct vds_error *err = line_u64(line, "address", &in.at);
	if (!err)
		err = parse_bytes(line, &in.bytes, &in.len);
	if (err)
		return err;
	struct content *c = vds_arena_alloc(&scene->arena, sizeof(*c));
	if (!c)
		return &vds_enomem;
	*c = in;
	c->place = line->place;
	c->next = NULL;
	*scene->last_content = c;
	scene->last_content = &c->next;
	return NULL;
}

struct vds_error *recipe_content(struct scene *scene, struct line *line)
{
	struct content in = { 0 };
	const char *id;
	struct vds_error *err = line_word(line, "section", &id);
	if (err)
		return err;
	in.section = scene_find_section(scene, id);
	if (!in.section)
		return place_error(line->place, "no section \"%s\"", id);
	return add_content(scene, line, in);
}

/* library SECTION [exports TEXT at RVA] [relocations TEXT ...] [imports ...] */
struct vds_error *recipe_library(struct scene *scene, struct line *line)
{
	static const struct option_key keys[] = {
		KEY(library, "exports", OPT_TEXT, exports),
		KEY(library, "exports-at", OPT_U32, exports_at),
		KEY(library, "relocations", OPT_TEXT, relocations),
		KEY(library, "relocations-at", OPT_U32, relocations_at),
		KEY(library, "imports-at", OPT_U32, imports_at),
		KEY(library, "imports", OPT_U32, imports),
		KEY(library, "config-at", OPT_U32, config_at),
		KEY(library, "guard-at", OPT_U32, guard_at),
	};
	struct library *l = vds_arena_calloc(&scene->arena, 1, sizeof(*l));
	const char *id;
	struct vds_error *err = l ? line_word(line, "section", &id) :
				    &vds_enomem;
	if (err)
		return err;
	l->place = line->place;
	l->section = scene_find_section(scene, id);
	if (!l->section || l->section->kind != SECTION_IMAGE)
		return place_error(line->place, "no image section \"%s\"", id);
	l->next = scene->libraries;
	scene->libraries = l;
	return line_options(line, keys, VDS_ARRAY_SIZE(keys), l);
}

static struct vds_error *write_into(struct scene *scene, struct line *line,
				    bool copy)
{
	struct content in = { .copy = copy };
	const char *selector;
	struct vds_error *err = line_word(line, "process", &selector);
	if (!err)
		err = scene_each(scene, line->place, selector, recipe_one_process,
				 &in.process);
	return err ? err : add_content(scene, line, in);
}

struct vds_error *recipe_write(struct scene *scene, struct line *line)
{
	return write_into(scene, line, false);
}

struct vds_error *recipe_patch(struct scene *scene, struct line *line)
{
	return write_into(scene, line, true);
}
