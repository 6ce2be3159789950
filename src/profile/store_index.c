/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/store_index.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "base/util.h"
#include "profile/load.h"
#include "profile/spell.h"

#define MAX_INDEX ((size_t)16 << 20)
#define MAX_FILES 20000
/* An identity and comments; types come after it. */
#define HEAD_SIZE 16384
#define INDEX_WORDS 9

void vds_store_dir_deinit(struct vds_store_dir *dir)
{
	free(dir->items);
	dir->items = NULL;
}

static struct vds_error *add_item(struct vds_store_dir *dir, size_t *cap,
				  const struct vds_store_item *item)
{
	if (dir->num_items == *cap) {
		size_t want = *cap ? *cap * 2 : 64;
		void *p = realloc(dir->items, want * sizeof(*dir->items));
		if (!p)
			return &vds_enomem;
		dir->items = p;
		*cap = want;
	}
	dir->items[dir->num_items++] = *item;
	return NULL;
}

static bool copy_word(char *out, size_t size, const char *word)
{
	size_t len = strlen(word);
	if (len >= size)
		return false;
	memcpy(out, word, len + 1);
	return true;
}

static bool number_word(const char *word, uint32_t *ret)
{
	uint64_t v;
	if (!vds_spelled_u64(word, strlen(word), UINT32_MAX, &v))
		return false;
	*ret = (uint32_t)v;
	return true;
}

/* A file below the directory and nowhere else. */
static bool is_inside(const char *file)
{
	if (file[0] == '/')
		return false;
	for (const char *at = file; at; at = strchr(at, '/')) {
		at += *at == '/';
		if (!strncmp(at, "..", 2) && (at[2] == '/' || !at[2]))
			return false;
	}
	return true;
}

static bool parse_words(char *const words[INDEX_WORDS],
			struct vds_profile_identity *id)
{
	if (strcmp(words[1], "-") &&
	    (strlen(words[1]) != 32 ||
	     strspn(words[1], "0123456789ABCDEF") != 32 ||
	     !copy_word(id->guid, sizeof(id->guid), words[1])))
		return false;
	if (strcmp(words[6], "symbols") && strcmp(words[6], "published"))
		return false;
	id->confidence = words[6][0] == 's' ? VDS_PROFILE_SYMBOLS :
		VDS_PROFILE_PUBLISHED;
	return copy_word(id->pdb, sizeof(id->pdb), words[0]) &&
	       number_word(words[2], &id->age) &&
	       copy_word(id->arch, sizeof(id->arch), words[3]) &&
	       number_word(words[4], &id->build) &&
	       number_word(words[5], &id->revision) && is_inside(words[8]);
}

/* One line, changed in place. True and no item for an empty one. */
static bool parse_line(const struct vds_store_dir *dir, char *line,
		       struct vds_arena *arena, struct vds_store_item *item)
{
	char *words[INDEX_WORDS + 1], *save;
	int n = 0;
	line[strcspn(line, "#\r")] = '\0';
	for (char *w = strtok_r(line, " \t", &save); w && n <= INDEX_WORDS;
	     w = strtok_r(NULL, " \t", &save))
		words[n++] = w;
	if (!n)
		return true;
	if (n != INDEX_WORDS || !parse_words(words, &item->entry.identity))
		return false;
	item->layout = vds_arena_strdup(arena, words[7]);
	item->entry.path = vds_arena_printf(arena, "%s/%s", dir->path, words[8]);
	return true;
}

static struct vds_error *read_index(struct vds_store_dir *dir, const char *path,
				    struct vds_arena *arena)
{
	_cleanup_free_ char *text = NULL;
	size_t len, cap = 0, number = 0;
	struct vds_error *err = vds_file_slurp(path, MAX_INDEX, &text, &len);
	for (char *line = text; !err && line; ) {
		struct vds_store_item item = {0};
		char *end = strchr(line, '\n');
		if (end)
			*end = '\0';
		number++;
		if (!parse_line(dir, line, arena, &item))
			return vds_error_create(VDS_ERROR_FORMAT,
				"%s:%zu: not a line of an index", path, number);
		if (item.layout && item.entry.path)
			err = add_item(dir, &cap, &item);
		else if (item.layout || item.entry.path)
			err = &vds_enomem;
		line = end ? end + 1 : NULL;
	}
	return err;
}

static bool is_yaml(const char *name)
{
	size_t len = strlen(name);
	return name[0] != '.' && len > 5 && !strcmp(name + len - 5, ".yaml");
}

static struct vds_error *add_file(struct vds_store_dir *dir, size_t *cap,
				  const char *path, struct vds_arena *arena)
{
	struct vds_store_item item = {.layout = ""};
	struct vds_file *file;
	char head[HEAD_SIZE];
	struct vds_error *err = vds_file_open(path, &file);
	if (err) {
		vds_error_destroy(err);
		return NULL;
	}
	size_t len = vds_file_pread(file, 0, head, sizeof(head));
	vds_file_close(file);
	err = vds_profile_parse_head(path, head, len, &item.entry.identity);
	if (err) {
		bool nomem = err == &vds_enomem;
		vds_error_destroy(err);
		return nomem ? &vds_enomem : NULL;
	}
	item.entry.path = vds_arena_strdup(arena, path);
	return item.entry.path ? add_item(dir, cap, &item) : &vds_enomem;
}

/* Profiles in @path and, if @deeper, in its subdirectories. */
static struct vds_error *scan(struct vds_store_dir *dir, size_t *cap,
			      const char *path, bool deeper,
			      struct vds_arena *arena)
{
	struct dirent **list;
	struct vds_error *err = NULL;
	int n = scandir(path, &list, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		_cleanup_free_ char *child = NULL;
		struct stat st;
		if (!err && asprintf(&child, "%s/%s", path, name) < 0) {
			child = NULL;
			err = &vds_enomem;
		}
		if (!err && name[0] != '.' && i < MAX_FILES &&
		    stat(child, &st) == 0) {
			if (S_ISREG(st.st_mode) && is_yaml(name))
				err = add_file(dir, cap, child, arena);
			else if (S_ISDIR(st.st_mode) && deeper)
				err = scan(dir, cap, child, false, arena);
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return err;
}

static int compare_items(const void *a, const void *b)
{
	const struct vds_store_entry *x = &((const struct vds_store_item *)a)->entry;
	const struct vds_store_entry *y = &((const struct vds_store_item *)b)->entry;
	int order = strcmp(x->identity.pdb, y->identity.pdb);
	if (order)
		return order;
	if (x->identity.build != y->identity.build)
		return x->identity.build < y->identity.build ? -1 : 1;
	if (x->identity.revision != y->identity.revision)
		return x->identity.revision < y->identity.revision ? -1 : 1;
	order = strcmp(x->identity.guid, y->identity.guid);
	if (order)
		return order;
	if (x->identity.age != y->identity.age)
		return x->identity.age < y->identity.age ? -1 : 1;
	return strcmp(x->path, y->path);
}

struct vds_error *vds_store_dir_read(struct vds_store_dir *dir,
				     struct vds_arena *arena)
{
	_cleanup_free_ char *index = NULL;
	struct stat st;
	size_t cap = 0;
	struct vds_error *err;
	if (dir->read)
		return NULL;
	if (asprintf(&index, "%s/index", dir->path) < 0) {
		index = NULL;
		return &vds_enomem;
	}
	if (stat(index, &st) == 0 && S_ISREG(st.st_mode))
		err = read_index(dir, index, arena);
	else
		err = scan(dir, &cap, dir->path, true, arena);
	if (err) {
		vds_store_dir_deinit(dir);
		dir->num_items = 0;
		return err;
	}
	if (dir->num_items)
		qsort(dir->items, dir->num_items, sizeof(*dir->items),
		      compare_items);
	dir->read = true;
	return NULL;
}
