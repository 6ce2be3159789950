/* SPDX-License-Identifier: Apache-2.0 */
/* Statements about what processes map and hold. */
#include "recipe.h"

#include <string.h>

#include "base/util.h"

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
	KEY(view_args, "ldr32", OPT_FLAG, view.ldr32),
	KEY(view_args, "unlinked", OPT_FLAG, view.unlinked),
	KEY(view_args, "commit", OPT_FLAG, view.commit),
	KEY(view_args, "frame", OPT_U64, view.at_frame),
	KEY(view_args, "large", OPT_FLAG, view.large),
	KEY(view_args, "physical", OPT_FLAG, view.physical),
	KEY(view_args, "combined", OPT_FLAG, view.combined),
	KEY(view_args, "now", OPT_PROT, view.now),
	KEY(view_args, "count", OPT_U32, count),
};

struct vds_error *recipe_view(struct scene *scene, struct line *line)
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

struct vds_error *recipe_private(struct scene *scene, struct line *line)
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

struct handle_args {
	struct scene *scene;
	struct handle handle;
	const char *section, *file;
	uint32_t thread, token;	/* PIDs */
	const char *names[4];	/* of OBJECT_KEY and those that follow */
	bool device;
};

/* The kinds that are told by a PID or by a name. */
static void choose_object(struct handle_args *a)
{
	struct handle *h = &a->handle;

	h->kind = a->section ? OBJECT_SECTION : a->file ? OBJECT_FILE
		: a->thread ? OBJECT_THREAD : a->token ? OBJECT_TOKEN
		: a->device ? OBJECT_DEVICE : OBJECT_PROCESS;
	if (a->thread || a->token)
		h->pid = a->thread ? a->thread : a->token;
	for (unsigned int i = 0; i < VDS_ARRAY_SIZE(a->names); i++)
		if (a->names[i]) {
			h->kind = (enum object_kind)(OBJECT_KEY + i);
			h->name = a->names[i];
		}
}

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

struct vds_error *recipe_handle(struct scene *scene, struct line *line)
{
	static const struct option_key keys[] = {
		KEY(handle_args, "section", OPT_TEXT, section),
		KEY(handle_args, "file", OPT_TEXT, file),
		KEY(handle_args, "process", OPT_U32, handle.pid),
		KEY(handle_args, "thread", OPT_U32, thread),
		KEY(handle_args, "token", OPT_U32, token),
		KEY(handle_args, "key", OPT_TEXT, names[0]),
		KEY(handle_args, "event", OPT_TEXT, names[1]),
		KEY(handle_args, "mutant", OPT_TEXT, names[2]),
		KEY(handle_args, "directory", OPT_TEXT, names[3]),
		KEY(handle_args, "device", OPT_FLAG, device),
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
	choose_object(&a);
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
struct vds_error *recipe_table(struct scene *scene, struct line *line)
{
	static const char *const levels[] = { "", "pt", "pd", "pdpt", "pml4" };
	struct process *process = NULL;
	const char *word;
	uint64_t va;
	struct vds_error *err = line_word(line, "process", &word);
	if (!err)
		err = scene_each(scene, line->place, word, recipe_one_process,
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

static struct vds_error *add_system_view(struct scene *scene, struct line *line,
					 struct system_view **ret)
{
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
	v->session = UINT32_MAX;
	v->place = line->place;
	*scene->last_system_view = v;
	scene->last_system_view = &v->next;
	*ret = v;
	return NULL;
}

struct vds_error *recipe_system_view(struct scene *scene, struct line *line)
{
	static const struct option_key keys[] = {
		KEY(system_view, "offset", OPT_U32, offset),
		KEY(system_view, "pages", OPT_U32, pages),
		KEY(system_view, "at", OPT_U64, va),
		KEY(system_view, "type", OPT_U32, type),
		KEY(system_view, "session", OPT_U32, session),
		KEY(system_view, "unlisted", OPT_FLAG, unlisted),
	};
	struct system_view *v = NULL;
	struct vds_error *err = add_system_view(scene, line, &v);
	return err ? err : line_options(line, keys, VDS_ARRAY_SIZE(keys), v);
}

struct vds_error *recipe_cache_view(struct scene *scene, struct line *line)
{
	static const struct option_key keys[] = {
		KEY(system_view, "offset", OPT_U32, offset),
		KEY(system_view, "at", OPT_U64, va),
		KEY(system_view, "unlisted", OPT_FLAG, unlisted),
	};
	struct system_view *v = NULL;
	struct vds_error *err = add_system_view(scene, line, &v);
	if (!err)
		err = line_options(line, keys, VDS_ARRAY_SIZE(keys), v);
	if (err)
		return err;
	v->vacb = true;
	if (v->offset % 64 || v->offset >= v->section->pages)
		return place_error(line->place,
				   "the cache shows 64 pages from a multiple of 64 on");
	v->pages = VDS_MIN(v->section->pages - v->offset, 64u);
	return NULL;
}
