/* SPDX-License-Identifier: Apache-2.0 */
/* Recipe text to scene: one function per statement. README.md is the manual. */
#include "scene.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"
#include "crowd.h"
#include "words.h"

#define KEY(type, name, kind, member) \
	{ name, kind, offsetof(struct type, member) }

/* An include within an include ... is more than a recipe needs. */
#define MAX_INCLUDE_DEPTH 8u

static struct vds_error *read_file(struct scene *scene, const char *path,
				   unsigned int depth);

struct process *scene_find_process(const struct scene *scene, uint32_t pid)
{
	struct process *p = scene->processes;
	while (p && p->pid != pid)
		p = p->next;
	return p;
}

struct section *scene_find_section(const struct scene *scene, const char *id)
{
	struct section *s = scene->sections;
	while (s && strcmp(s->id, id) != 0)
		s = s->next;
	return s;
}

static bool selects(const char *selector, const struct process *p)
{
	uint64_t number;

	if (strcmp(selector, "*") == 0)
		return p->pid != 4 && !p->minimal && !p->exited;
	if (strncmp(selector, "session:", 8) == 0)
		return vds_parse_u64(selector + 8, &number) &&
		       p->session == number && p->pid != 4 && !p->minimal &&
		       !p->exited;
	if (vds_parse_u64(selector, &number))
		return p->pid == number;
	return vds_glob_match(selector, p->name);
}

static bool selected(char *parts, size_t len, const struct process *p)
{
	bool yes = false;

	for (size_t i = 0; i < len; i += strlen(parts + i) + 1) {
		if (parts[i] == '!')
			yes = yes && !selects(parts + i + 1, p);
		else
			yes = yes || selects(parts + i, p);
	}
	return yes;
}

struct vds_error *scene_each(const struct scene *scene, struct place place,
			     const char *selector, scene_each_fn f, void *arg)
{
	_cleanup_free_ char *parts = strdup(selector);
	size_t len = strlen(selector);
	bool any = false;

	if (!parts)
		return &vds_enomem;
	for (size_t i = 0; i < len; i++)
		if (parts[i] == ',')
			parts[i] = '\0';
	for (struct process *p = scene->processes; p; p = p->next) {
		if (!selected(parts, len, p))
			continue;
		any = true;
		struct vds_error *err = f(p, arg);
		if (err)
			return err;
	}
	return any ? NULL : place_error(place, "no process \"%s\"", selector);
}

char *scene_states(struct vds_arena *arena, const char *pattern, size_t n)
{
	char *states = vds_arena_alloc(arena, n + 1);
	size_t len = 0;

	if (!states)
		return NULL;
	while (*pattern && len < n) {
		char c = *pattern++;
		size_t count = 1;
		if (*pattern == '*') {
			count = n - len;
			pattern++;
		} else if (*pattern >= '0' && *pattern <= '9') {
			count = strtoul(pattern, (char **)&pattern, 10);
		}
		while (count-- && len < n)
			states[len++] = c;
	}
	memset(states + len, '.', n - len);
	states[n] = '\0';
	return states;
}

static struct vds_error *do_kernel(struct scene *scene, struct line *line)
{
	static const struct option_key keys[] = {
		KEY(scene, "base", OPT_U64, kernel_base),
		KEY(scene, "pa", OPT_U64, kernel_pa),
		KEY(scene, "dtb", OPT_U64, dtb),
		KEY(scene, "stub", OPT_U64, stub),
		KEY(scene, "nostub", OPT_FLAG, no_stub),
		KEY(scene, "selfref", OPT_U64, pte_index),
		KEY(scene, "small-pages", OPT_FLAG, small_pages),
		KEY(scene, "la57", OPT_FLAG, la57),
		KEY(scene, "l1tf", OPT_U64, l1tf_mask),
		KEY(scene, "nonpaged", OPT_U64, nonpaged),
		KEY(scene, "paged", OPT_U64, paged),
		KEY(scene, "lab", OPT_TEXT, lab),
		KEY(scene, "build", OPT_U32, build),
		KEY(scene, "memory", OPT_SIZE, memory),
		KEY(scene, "time", OPT_TIME, time),
		KEY(scene, "truncate", OPT_SIZE, truncate),
	};
	return line_options(line, keys, VDS_ARRAY_SIZE(keys), scene);
}

static uint32_t parse_integrity(const char *name)
{
	static const struct {
		const char *name;
		uint32_t rid;
	} levels[] = {
		{ "untrusted", 0 }, { "low", 0x1000 }, { "medium", 0x2000 },
		{ "high", 0x3000 }, { "system", 0x4000 },
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(levels); i++)
		if (strcmp(name, levels[i].name) == 0)
			return levels[i].rid;
	return UINT32_MAX;
}

/* Session 0 holds the services, others a desktop user. */
static void process_defaults(struct process *p)
{
	if (!p->user)
		p->user = p->session ? "S-1-5-21-1085031214-1563985344-"
				       "725345543-1001"
				     : "S-1-5-18";
	if (p->integrity == UINT32_MAX)
		p->integrity = p->session ? 0x2000 : 0x4000;
}

static struct vds_error *do_process(struct scene *scene, struct line *line)
{
	struct {
		struct process p;
		const char *integrity, *image;
	} in = { .p = { .eprocess = SCENE_AUTO, .dtb = SCENE_AUTO,
			.peb = SCENE_AUTO, .threads = 1,
			.integrity = UINT32_MAX } };
	static const struct option_key keys[] = {
		KEY(process, "pid", OPT_U32, pid),
		KEY(process, "parent", OPT_U32, parent),
		KEY(process, "session", OPT_U32, session),
		KEY(process, "eprocess", OPT_U64, eprocess),
		KEY(process, "dtb", OPT_U64, dtb),
		KEY(process, "peb", OPT_U64, peb),
		KEY(process, "path", OPT_TEXT, path),
		KEY(process, "user", OPT_TEXT, user),
		KEY(process, "threads", OPT_U32, threads),
		KEY(process, "started", OPT_TIME, created),
		KEY(process, "exited", OPT_TIME, exited),
		KEY(process, "wow64", OPT_FLAG, wow64),
		KEY(process, "minimal", OPT_FLAG, minimal),
		KEY(process, "hidden", OPT_FLAG, hidden),
		KEY(process, "no-peb", OPT_FLAG, no_peb),
		KEY(process, "no-audit-name", OPT_FLAG, no_audit),
		KEY(process, "clone", OPT_FLAG, clone),
		{ "integrity", OPT_TEXT, offsetof(__typeof__(in), integrity) },
		{ "image", OPT_TEXT, offsetof(__typeof__(in), image) },
	};
	struct vds_error *err = line_word(line, "process name", &in.p.name);
	if (!err)
		err = line_options(line, keys, VDS_ARRAY_SIZE(keys), &in);
	if (err)
		return err;
	if (in.integrity) {
		in.p.integrity = parse_integrity(in.integrity);
		if (in.p.integrity == UINT32_MAX)
			return place_error(line->place, "integrity \"%s\"",
					   in.integrity);
	}
	if (!in.p.pid || in.p.pid % 4)
		return place_error(line->place, "a PID is a multiple of 4");
	if (scene_find_process(scene, in.p.pid))
		return place_error(line->place, "PID %u again", in.p.pid);

	struct process *p = vds_arena_alloc(&scene->arena, sizeof(*p));
	if (!p)
		return &vds_enomem;
	*p = in.p;
	p->place = line->place;
	p->last_view = &p->views;
	p->last_handle = &p->handles;
	process_defaults(p);
	if (!p->created)
		p->created = scene->time - UINT64_C(36000000000) +
			     p->pid * UINT64_C(1000000);
	*scene->last_process = p;
	scene->last_process = &p->next;
	scene->num_processes++;
	if (!in.image)
		return NULL;
	p->image = scene_find_section(scene, in.image);
	if (!p->image || p->image->kind != SECTION_IMAGE)
		return place_error(line->place, "no image section \"%s\"",
				   in.image);
	if (p->minimal || p->exited)
		return NULL;
	struct view *v = scene_add_view(scene, p, p->image);
	if (!v)
		return &vds_enomem;
	v->place = line->place;
	v->main_image = true;
	return NULL;
}

struct view *scene_add_view(struct scene *scene, struct process *process,
			    struct section *section)
{
	struct view *v = vds_arena_calloc(&scene->arena, 1, sizeof(*v));
	if (!v)
		return NULL;
	v->process = process;
	v->section = section;
	v->start = SCENE_AUTO;
	if (section) {
		v->pages = section->pages;
		v->prot = section->kind == SECTION_IMAGE ? 7 : section->prot;
		v->vad_type = section->kind == SECTION_IMAGE ? 2 : 0;
	}
	*process->last_view = v;
	process->last_view = &v->next;
	return v;
}

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

static struct vds_error *do_section(struct scene *scene, struct line *line)
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
		KEY(section, "object", OPT_FLAG, object),
		KEY(section, "delete-pending", OPT_FLAG, delete_pending),
		KEY(section, "no-file", OPT_FLAG, no_file),
		KEY(section, "reserve", OPT_FLAG, reserve),
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

struct view_args {
	struct scene *scene;
	struct place place;
	struct section *section;
	struct view view;	/* what the options said */
	uint32_t count;
};

static struct vds_error *add_views(struct process *process, void *arg)
{
	const struct view_args *a = arg;

	for (uint32_t i = 0; i < a->count; i++) {
		struct view *v = scene_add_view(a->scene, process, a->section);
		if (!v)
			return &vds_enomem;
		struct view *next = v->next;
		*v = a->view;
		v->next = next;
		v->process = process;
		v->section = a->section;
		v->place = a->place;
	}
	return NULL;
}

static const struct option_key view_keys[] = {
	KEY(view_args, "at", OPT_U64, view.start),
	KEY(view_args, "pages", OPT_U32, view.pages),
	KEY(view_args, "offset", OPT_U32, view.offset),
	KEY(view_args, "prot", OPT_PROT, view.prot),
	KEY(view_args, "states", OPT_TEXT, view.states),
	KEY(view_args, "type", OPT_U32, view.vad_type),
	KEY(view_args, "tag", OPT_TEXT, view.tag),
	KEY(view_args, "peb", OPT_TEXT, view.peb_field),
	KEY(view_args, "note", OPT_TEXT, view.note),
	KEY(view_args, "no-ldr", OPT_FLAG, view.no_ldr),
	KEY(view_args, "unlinked", OPT_FLAG, view.unlinked),
	KEY(view_args, "commit", OPT_FLAG, view.commit),
	KEY(view_args, "frame", OPT_U64, view.at_frame),
	KEY(view_args, "physical", OPT_FLAG, view.physical),
	KEY(view_args, "count", OPT_U32, count),
};

static struct vds_error *do_view(struct scene *scene, struct line *line)
{
	struct view_args a = { .scene = scene, .place = line->place,
			       .count = 1 };
	const char *selector, *id;
	struct vds_error *err = line_word(line, "process", &selector);
	if (!err)
		err = line_word(line, "section", &id);
	if (err)
		return err;
	a.section = scene_find_section(scene, id);
	if (!a.section)
		return place_error(line->place, "no section \"%s\"", id);
	a.view.start = SCENE_AUTO;
	a.view.prot = a.section->kind == SECTION_IMAGE ? 7 : a.section->prot;
	a.view.vad_type = a.section->kind == SECTION_IMAGE ? 2 : 0;
	err = line_options(line, view_keys, VDS_ARRAY_SIZE(view_keys), &a);
	if (err)
		return err;
	if (!a.view.pages && a.view.offset < a.section->pages)
		a.view.pages = a.section->pages - a.view.offset;
	if (!a.view.pages)
		return place_error(line->place, "the view is empty");
	return scene_each(scene, line->place, selector, add_views, &a);
}

static struct vds_error *do_private(struct scene *scene, struct line *line)
{
	struct view_args a = { .scene = scene, .place = line->place,
			       .count = 1,
			       .view = { .start = SCENE_AUTO, .pages = 16,
					 .prot = 4 } };
	const char *selector;
	struct vds_error *err = line_word(line, "process", &selector);
	if (!err)
		err = line_options(line, view_keys, VDS_ARRAY_SIZE(view_keys),
				   &a);
	if (err)
		return err;
	return scene_each(scene, line->place, selector, add_views, &a);
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

static struct vds_error *do_content(struct scene *scene, struct line *line)
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

static struct vds_error *one_process(struct process *process, void *arg)
{
	struct process **ret = arg;

	*ret = process;
	return NULL;
}

static struct vds_error *write_into(struct scene *scene, struct line *line,
				    bool copy)
{
	struct content in = { .copy = copy };
	const char *selector;
	struct vds_error *err = line_word(line, "process", &selector);
	if (!err)
		err = scene_each(scene, line->place, selector, one_process,
				 &in.process);
	return err ? err : add_content(scene, line, in);
}

static struct vds_error *do_write(struct scene *scene, struct line *line)
{
	return write_into(scene, line, false);
}

static struct vds_error *do_patch(struct scene *scene, struct line *line)
{
	return write_into(scene, line, true);
}

struct handle_args {
	struct scene *scene;
	struct handle handle;
	const char *section, *file;
};

static struct vds_error *add_handle(struct process *process, void *arg)
{
	const struct handle_args *a = arg;
	struct handle *h = vds_arena_alloc(&a->scene->arena, sizeof(*h));
	if (!h)
		return &vds_enomem;
	*h = a->handle;
	h->owner = process;
	*process->last_handle = h;
	process->last_handle = &h->next;
	process->num_handles++;
	return NULL;
}

static struct vds_error *do_handle(struct scene *scene, struct line *line)
{
	static const struct option_key keys[] = {
		KEY(handle_args, "section", OPT_TEXT, section),
		KEY(handle_args, "file", OPT_TEXT, file),
		KEY(handle_args, "process", OPT_U32, handle.pid),
		KEY(handle_args, "access", OPT_U32, handle.access),
		KEY(handle_args, "value", OPT_U32, handle.value),
	};
	struct handle_args a = { .scene = scene,
				 .handle = { .place = line->place,
					     .access = 0xf0007 } };
	const char *selector;
	struct vds_error *err = line_word(line, "process", &selector);
	if (!err)
		err = line_options(line, keys, VDS_ARRAY_SIZE(keys), &a);
	if (err)
		return err;
	const char *id = a.section ? a.section : a.file;
	a.handle.kind = a.section ? OBJECT_SECTION
		      : a.file ? OBJECT_FILE : OBJECT_PROCESS;
	if (id) {
		a.handle.section = scene_find_section(scene, id);
		if (!a.handle.section)
			return place_error(line->place, "no section \"%s\"",
					   id);
		if (a.section)
			a.handle.section->object = true;
	}
	return scene_each(scene, line->place, selector, add_handle, &a);
}

/* table PROCESS VA LEVEL PA [LEVEL PA ...] */
static struct vds_error *do_table(struct scene *scene, struct line *line)
{
	static const char *const levels[] = { "", "pt", "pd", "pdpt", "pml4" };
	struct process *process = NULL;
	const char *word;
	uint64_t va;
	struct vds_error *err = line_word(line, "process", &word);
	if (!err)
		err = scene_each(scene, line->place, word, one_process,
				 &process);
	if (!err)
		err = line_u64(line, "address", &va);
	while (!err && (word = line_next(line))) {
		struct table_hint *hint = vds_arena_calloc(&scene->arena, 1,
							   sizeof(*hint));
		if (!hint)
			return &vds_enomem;
		for (hint->level = 1; hint->level < 5; hint->level++)
			if (strcmp(word, levels[hint->level]) == 0)
				break;
		if (hint->level == 5)
			return place_error(line->place, "table \"%s\"", word);
		hint->process = process;
		hint->va = va;
		err = line_u64(line, "table address", &hint->pa);
		hint->next = scene->tables;
		scene->tables = hint;
	}
	return err;
}

static struct vds_error *do_system_view(struct scene *scene, struct line *line)
{
	static const struct option_key keys[] = {
		KEY(system_view, "offset", OPT_U32, offset),
		KEY(system_view, "pages", OPT_U32, pages),
		KEY(system_view, "at", OPT_U64, va),
		KEY(system_view, "type", OPT_U32, type),
	};
	struct system_view *v = vds_arena_calloc(&scene->arena, 1, sizeof(*v));
	if (!v)
		return &vds_enomem;
	const char *id;
	struct vds_error *err = line_word(line, "section", &id);
	if (err)
		return err;
	v->section = scene_find_section(scene, id);
	if (!v->section)
		return place_error(line->place, "no section \"%s\"", id);
	v->type = 3;
	v->va = SCENE_AUTO;
	v->pages = v->section->pages;
	v->place = line->place;
	v->next = scene->system_views;
	scene->system_views = v;
	return line_options(line, keys, VDS_ARRAY_SIZE(keys), v);
}

static struct vds_error *do_hole(struct scene *scene, struct line *line)
{
	struct range *r = vds_arena_calloc(&scene->arena, 1, sizeof(*r));
	if (!r)
		return &vds_enomem;
	struct vds_error *err = line_u64(line, "hole's start", &r->start);
	if (!err)
		err = line_u64(line, "hole's length", &r->len);
	r->next = scene->holes;
	scene->holes = r;
	return err;
}

/* The rest of the line as it stands, appended at @last. */
static struct vds_error *add_order(struct scene *scene, struct line *line,
				   struct order ***last)
{
	struct order *o = vds_arena_calloc(&scene->arena, 1, sizeof(*o));
	if (!o)
		return &vds_enomem;
	o->place = line->place;
	o->words = vds_arena_calloc(&scene->arena, line->num + 1,
				    sizeof(*o->words));
	if (!o->words)
		return &vds_enomem;
	const char *word;
	while ((word = line_next(line)))
		o->words[o->num_words++] = word;
	if (!o->num_words)
		return place_error(line->place, "what?");
	**last = o;
	*last = &o->next;
	return NULL;
}

static struct vds_error *do_fault(struct scene *scene, struct line *line)
{
	return add_order(scene, line, &scene->last_fault);
}

static struct vds_error *do_expect(struct scene *scene, struct line *line)
{
	return add_order(scene, line, &scene->last_expect);
}

static struct vds_error *do_crowd(struct scene *scene, struct line *line)
{
	static const struct option_key keys[] = {
		KEY(crowd, "processes", OPT_U32, processes),
		KEY(crowd, "vads", OPT_U32, vads),
		KEY(crowd, "shared", OPT_U32, shared),
		KEY(crowd, "sections", OPT_U32, sections),
		KEY(crowd, "seed", OPT_U32, seed),
	};
	struct crowd crowd = { .processes = 100, .vads = 100, .shared = 50,
			       .sections = 200, .seed = 1 };
	struct vds_error *err = line_options(line, keys, VDS_ARRAY_SIZE(keys),
					     &crowd);
	return err ? err : crowd_add(scene, line->place, &crowd);
}

static const struct {
	const char *word;
	struct vds_error *(*f)(struct scene *scene, struct line *line);
} statements[] = {
	{ "content", do_content },	{ "crowd", do_crowd },
	{ "expect", do_expect },	{ "fault", do_fault },
	{ "handle", do_handle },
	{ "hole", do_hole },		{ "machine", do_kernel },
	{ "patch", do_patch },		{ "private", do_private },
	{ "process", do_process },	{ "section", do_section },
	{ "system-view", do_system_view },	{ "table", do_table },
	{ "view", do_view },		{ "write", do_write },
};

static struct vds_error *do_include(struct scene *scene, struct line *line,
				    unsigned int depth)
{
	const char *name;
	struct vds_error *err = line_word(line, "file name", &name);
	if (err)
		return err;
	if (depth >= MAX_INCLUDE_DEPTH)
		return place_error(line->place, "too many includes");
	const char *slash = strrchr(line->place.file, '/');
	int dir = slash ? (int)(slash - line->place.file + 1) : 0;
	const char *path = vds_arena_printf(&scene->arena, "%.*s%s", dir,
					    line->place.file, name);
	return path ? read_file(scene, path, depth + 1) : &vds_enomem;
}

static struct vds_error *do_line(struct scene *scene, struct line *line,
				 const char *text, unsigned int depth)
{
	struct vds_error *err = line_split(line, text);
	const char *word = err ? NULL : line_next(line);

	if (!word)
		return err;
	if (strcmp(word, "include") == 0)
		return do_include(scene, line, depth);
	for (size_t i = 0; i < VDS_ARRAY_SIZE(statements); i++)
		if (strcmp(word, statements[i].word) == 0)
			return statements[i].f(scene, line);
	return place_error(line->place, "unknown statement \"%s\"", word);
}

static void fclosep(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

static struct vds_error *read_file(struct scene *scene, const char *path,
				   unsigned int depth)
{
	_cleanup_(fclosep) FILE *file = fopen(path, "re");
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	ssize_t len;
	struct line *line = vds_arena_calloc(&scene->arena, 1, sizeof(*line));

	if (!file)
		return vds_error_errno(VDS_ERROR_NO_INPUT, errno, "%s", path);
	if (!line)
		return &vds_enomem;
	line->arena = &scene->arena;
	line->place.file = vds_arena_strdup(&scene->arena, path);
	if (!line->place.file)
		return &vds_enomem;
	while ((len = getline(&text, &size, file)) > 0) {
		line->place.line++;
		if (text[len - 1] == '\n')
			text[len - 1] = '\0';
		struct vds_error *err = do_line(scene, line, text, depth);
		if (err)
			return err;
	}
	return NULL;
}

struct vds_error *scene_read(const char *path, struct scene **ret)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	if (!scene)
		return &vds_enomem;
	vds_arena_init(&scene->arena, 0);
	scene->last_process = &scene->processes;
	scene->last_section = &scene->sections;
	scene->last_content = &scene->contents;
	scene->last_fault = &scene->faults;
	scene->last_expect = &scene->expects;
	scene->memory = UINT64_C(256) << 20;
	/* 2020-10-08T17:21:44Z, the day of the publication. */
	scene->time = UINT64_C(132466513041234567);
	scene->kernel_base = UINT64_C(0xfffff80002a00000);
	scene->kernel_pa = scene->dtb = scene->pte_index = SCENE_AUTO;
	scene->stub = 0x13000;
	scene->l1tf_mask = SCENE_AUTO;
	scene->nonpaged = UINT64_C(0xffffc50b90000000);
	scene->paged = UINT64_C(0xffffd80cd0000000);
	const char *slash = strrchr(path, '/');
	scene->name = vds_arena_strdup(&scene->arena, slash ? slash + 1 : path);
	struct vds_error *err = scene->name ? read_file(scene, path, 0)
					    : &vds_enomem;
	if (err) {
		scene_destroy(scene);
		return err;
	}
	*ret = scene;
	return NULL;
}

void scene_destroy(struct scene *scene)
{
	if (!scene)
		return;
	vds_arena_deinit(&scene->arena);
	free(scene);
}
