/* SPDX-License-Identifier: Apache-2.0 */
/* Directory volumes: which file is which segment. */
#include "image/aff4_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "image/aff4_folder.h"

#define DESCRIPTION_MAX ((size_t)4096)
/* Segments with a file name of their own; each costs a search of the listing. */
#define NAMES_MAX ((size_t)4096)

/* The URN of a folder; NOT_MINE, before anything is listed, if it has none. */
static struct vds_error *read_folder_urn(struct vds_arena *arena,
					 struct vds_aff4_volume *volume)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	const char *path = vds_arena_printf(arena, "%s/container.description",
					    volume->path);
	if (!path)
		return &vds_enomem;
	struct vds_error *err = vds_file_slurp(path, DESCRIPTION_MAX, &text,
					       &len);
	if (vds_error_catch(err, VDS_ERROR_NO_INPUT))
		return vds_error_create(VDS_ERROR_NOT_MINE,
			"a folder without container.description: not an AFF4 "
			"volume");
	if (err)
		return err;
	volume->urn = vds_aff4_clean_urn(arena, text, len);
	if (!volume->urn)
		volume->urn = "aff4://";
	return NULL;
}

struct vds_error *vds_aff4_folder_open(struct vds_aff4 *a,
				       struct vds_aff4_volume *volume)
{
	struct vds_arena *arena = &a->image->arena;
	struct vds_aff4_folder folder;
	struct vds_error *err = read_folder_urn(arena, volume);
	if (!err)
		err = vds_aff4_folder_list(arena, volume->path,
					   &a->image->notes, &folder);
	if (err)
		return err;
	struct vds_aff4_member *list =
		vds_arena_calloc(arena, folder.num_files + 1, sizeof(*list));
	if (!list)
		return &vds_enomem;
	size_t n = 0;
	for (size_t i = 0; i < folder.num_files; i++) {
		const struct vds_aff4_file *f = &folder.files[i];
		list[n].urn = vds_aff4_member_urn(arena, volume, f->name,
					 strlen(f->name));
		list[n].volume = volume;
		list[n].path = f->path;
		list[n].size = f->size;
		n += list[n].urn != NULL;
	}
	return vds_aff4_index_members(a, volume, list, n);
}

/* The file that a fileName property means: of the listing, never by its path. */
static const char *find_path(const struct vds_aff4_volume *volume,
			     const char *name)
{
	size_t root = strlen(volume->path);
	while (!strncmp(name, "./", 2))
		name += 2;
	for (size_t i = 0; i < volume->num_members; i++) {
		const char *path = volume->members[i]->path;
		if (!strcmp(path + root + 1, name))
			return path;
	}
	return NULL;
}

static bool names_file(const struct vds_triple *t)
{
	const char *local = vds_aff4_local(t->predicate, NULL);
	return local && !t->is_iri &&
	       (!strcmp(local, "fileName") || !strcmp(local, "filename") ||
		!strcmp(local, "directory/filename"));
}

/* The segment of triple @t, if it is not called what its file is. */
static bool rename_one(struct vds_aff4 *a, struct vds_aff4_volume *volume,
		       const struct vds_triple *t, struct vds_aff4_member *ret)
{
	const char *path = find_path(volume, t->object);
	const char *urn = vds_aff4_decode(&a->image->arena, t->subject,
					  strlen(t->subject));
	if (!path || !urn)
		return false;
	for (size_t i = 0; i < volume->num_members; i++) {
		const struct vds_aff4_member *m = volume->members[i];
		if (strcmp(m->path, path))
			continue;
		ret->urn = urn;
		ret->volume = volume;
		ret->path = path;
		ret->size = m->size;
		return strcmp(m->urn, urn) != 0;
	}
	return false;
}

struct vds_error *vds_aff4_folder_rename(struct vds_aff4 *a,
					 struct vds_aff4_volume *volume)
{
	const struct vds_turtle *turtle = &volume->turtle;
	size_t n = 0, names = 0;
	for (size_t i = 0; i < turtle->count; i++)
		names += names_file(&turtle->list[i]);
	if (!names)
		return NULL;
	names = VDS_MIN(names, NAMES_MAX);
	struct vds_aff4_member *list =
		vds_arena_calloc(&a->image->arena,
				 volume->num_members + names + 1,
				 sizeof(*list));
	if (!list)
		return &vds_enomem;
	for (size_t i = 0; i < volume->num_members; i++) {
		const struct vds_aff4_member *m = volume->members[i];
		list[n].urn = m->urn;
		list[n].volume = volume;
		list[n].path = m->path;
		list[n++].size = m->size;
	}
	for (size_t i = 0; i < turtle->count && names; i++) {
		const struct vds_triple *t = &turtle->list[i];
		if (!names_file(t))
			continue;
		n += rename_one(a, volume, t, &list[n]);
		names--;
	}
	return vds_aff4_index_members(a, volume, list, n);
}
