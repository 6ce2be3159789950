/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/util.h"

#define DEPTH_MAX 8
#define FILES_MAX 65536

/* A walk without recursion: folders wait in `todo`, names below the root. */
struct walk {
	struct vds_arena *arena;
	struct vds_notes *notes;
	const char *root;
	struct folder {
		const char *name;	/* "" for the root */
		unsigned int depth;
	} *todo;
	size_t num_todo, cap_todo;
	struct vds_aff4_file *files;
	size_t num_files, cap_files;
};

/* Makes room for one more element of @size; false when out of memory. */
static bool grow(void *list, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return true;
	size_t n = *cap ? *cap * 2 : 64;
	void *more = realloc(*(void **)list, n * size);
	if (!more)
		return false;
	*(void **)list = more;
	*cap = n;
	return true;
}

static struct vds_error *add_entry(struct walk *w, const struct folder *in,
				   const char *entry)
{
	struct stat st;
	const char *name = *in->name ?
		vds_arena_printf(w->arena, "%s/%s", in->name, entry) :
		vds_arena_strdup(w->arena, entry);
	const char *path = !name ? NULL :
		vds_arena_printf(w->arena, "%s/%s", w->root, name);
	if (!path)
		return &vds_enomem;
	if (lstat(path, &st))
		return NULL;
	if (S_ISDIR(st.st_mode) && in->depth < DEPTH_MAX) {
		if (!grow(&w->todo, w->num_todo, &w->cap_todo,
			  sizeof(*w->todo)))
			return &vds_enomem;
		w->todo[w->num_todo++] = (struct folder){name, in->depth + 1};
	} else if (S_ISREG(st.st_mode) && w->num_files < FILES_MAX) {
		if (!grow(&w->files, w->num_files, &w->cap_files,
			  sizeof(*w->files)))
			return &vds_enomem;
		w->files[w->num_files++] = (struct vds_aff4_file){
			name, path, (uint64_t)st.st_size};
	} else {
		vds_note(w->notes, "aff4_folder", 0,
			 "%s: not a plain file, too deep or one too many: ignored",
			 path);
	}
	return NULL;
}

static struct vds_error *list_folder(struct walk *w, struct folder folder)
{
	_cleanup_free_ char *path = NULL;
	if (asprintf(&path, "%s/%s", w->root, folder.name) < 0) {
		path = NULL;
		return &vds_enomem;
	}
	DIR *dir = opendir(path);
	if (!dir)
		return vds_error_errno(VDS_ERROR_NO_INPUT, errno, "%s", path);
	struct vds_error *err = NULL;
	struct dirent *entry;
	while (!err && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			err = add_entry(w, &folder, entry->d_name);
	}
	closedir(dir);
	return err;
}

static int compare_files(const void *a, const void *b)
{
	const struct vds_aff4_file *x = a, *y = b;
	return strcmp(x->name, y->name);
}

struct vds_error *vds_aff4_folder_list(struct vds_arena *arena,
				       const char *path,
				       struct vds_notes *notes,
				       struct vds_aff4_folder *ret)
{
	struct walk w = {.arena = arena, .notes = notes, .root = path};
	struct vds_error *err = list_folder(&w, (struct folder){"", 0});
	while (!err && w.num_todo) {
		struct folder next = w.todo[--w.num_todo];
		err = list_folder(&w, next);
	}
	struct vds_aff4_file *files = err ? NULL :
		vds_arena_calloc(arena, w.num_files + 1, sizeof(*files));
	if (!err && !files)
		err = &vds_enomem;
	if (!err) {
		/* The system lists in any order; what we do must not depend. */
		if (w.num_files) {
			qsort(w.files, w.num_files, sizeof(*w.files),
			      compare_files);
			memcpy(files, w.files, w.num_files * sizeof(*files));
		}
		*ret = (struct vds_aff4_folder){files, w.num_files};
	}
	free(w.todo);
	free(w.files);
	return err;
}
