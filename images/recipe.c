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
#include "recipe.h"

/* An include within an include ... is more than a recipe needs. */
#define MAX_INCLUDE_DEPTH 8u

static struct vds_error *read_file(struct scene *scene, const char *path,
				   unsigned int depth);

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
		KEY(scene, "big-pools", OPT_FLAG, big_pools),
		KEY(scene, "la57", OPT_FLAG, la57),
		KEY(scene, "l1tf", OPT_U64, l1tf_mask),
		KEY(scene, "nonpaged", OPT_U64, nonpaged),
		KEY(scene, "paged", OPT_U64, paged),
		KEY(scene, "lab", OPT_TEXT, lab),
		KEY(scene, "build", OPT_U32, build),
		KEY(scene, "memory", OPT_SIZE, memory),
		KEY(scene, "time", OPT_TIME, time),
		KEY(scene, "truncate", OPT_SIZE, truncate),
		KEY(scene, "section-tree", OPT_FLAG, section_tree),
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
		KEY(process, "container", OPT_TEXT, container),
		KEY(process, "began", OPT_U64, began),
		KEY(process, "threads", OPT_U32, threads),
		KEY(process, "started", OPT_TIME, created),
		KEY(process, "exited", OPT_TIME, exited),
		KEY(process, "wow64", OPT_FLAG, wow64),
		KEY(process, "minimal", OPT_FLAG, minimal),
		KEY(process, "hidden", OPT_FLAG, hidden),
		KEY(process, "unlisted", OPT_FLAG, unlisted),
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
		KEY(crowd, "handles", OPT_U32, handles),
		KEY(crowd, "modules", OPT_FLAG, modules),
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
	{ "cache-view", recipe_cache_view },
	{ "content", recipe_content },	{ "crowd", do_crowd },
	{ "expect", do_expect },	{ "fault", do_fault },
	{ "handle", recipe_handle },
	{ "hole", do_hole },		{ "library", recipe_library },
	{ "machine", do_kernel },
	{ "patch", recipe_patch },		{ "private", recipe_private },
	{ "process", do_process },	{ "section", recipe_section },
	{ "system-view", recipe_system_view },	{ "table", recipe_table },
	{ "view", recipe_view },		{ "write", recipe_write },
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
	scene->last_system_view = &scene->system_views;
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
