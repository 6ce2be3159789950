/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"
#include "base/util.h"
#include "config.h"
#include "profile/load.h"
#include "profile/store_index.h"

#define MAX_DIRS 64

struct vds_store {
	struct vds_arena arena;
	struct vds_store_dir dirs[MAX_DIRS];
	size_t num_dirs;
};

static struct vds_error *add_dir(struct vds_store *store, const char *path,
				 size_t len)
{
	if (!len || store->num_dirs == MAX_DIRS)
		return NULL;
	char *copy = vds_arena_strndup(&store->arena, path, len);
	if (!copy)
		return &vds_enomem;
	store->dirs[store->num_dirs++].path = copy;
	return NULL;
}

/* Relative ones would depend on the working directory. */
static struct vds_error *add_environment(struct vds_store *store)
{
	const char *at = getenv("VADOSE_PROFILE_PATH");
	while (at && *at) {
		size_t len = strcspn(at, ":");
		struct vds_error *err = NULL;
		if (at[0] == '/')
			err = add_dir(store, at, len);
		if (err)
			return err;
		at += len + (at[len] == ':');
	}
	return NULL;
}

struct vds_error *vds_store_open(const char *const *dirs, size_t num_dirs,
				 struct vds_store **ret)
{
	struct vds_store *store = calloc(1, sizeof(*store));
	if (!store)
		return &vds_enomem;
	struct vds_error *err = NULL;
	for (size_t i = 0; i < num_dirs && !err; i++)
		err = add_dir(store, dirs[i], strlen(dirs[i]));
	if (!err)
		err = add_environment(store);
	if (!err)
		err = add_dir(store, VDS_PROFILE_DIR, strlen(VDS_PROFILE_DIR));
	if (err) {
		vds_store_close(store);
		return err;
	}
	*ret = store;
	return NULL;
}

void vds_store_close(struct vds_store *store)
{
	if (!store)
		return;
	for (size_t i = 0; i < store->num_dirs; i++)
		vds_store_dir_deinit(&store->dirs[i]);
	vds_arena_deinit(&store->arena);
	free(store);
}

size_t vds_store_num_dirs(const struct vds_store *store)
{
	return store->num_dirs;
}

const char *vds_store_dir(const struct vds_store *store, size_t index)
{
	return store->dirs[index].path;
}

/*
 * Enablement packages: releases that are the same files under a newer number,
 * which only KUSER_SHARED_DATA shows (Microsoft's release notes: KB4517245,
 * KB4562830, KB5000736, KB5003791, KB5015684, KB5027397, KB5054156).
 */
uint32_t vds_build_family(uint32_t build)
{
	static const struct {
		uint32_t number, files;
	} families[] = {
		{18363, 18362}, {19042, 19041}, {19043, 19041},
		{19044, 19041}, {19045, 19041}, {22631, 22621},
		{26200, 26100},
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(families); i++) {
		if (families[i].number == build)
			return families[i].files;
	}
	return build;
}

static struct vds_error *refuse_build(const struct vds_profile_identity *want)
{
	if (want->build < VDS_FIRST_UNSUPPORTED_BUILD)
		return NULL;
	return vds_error_create(VDS_ERROR_UNSUPPORTED,
		"build %u is not supported: from build %u on, prototype PTEs "
		"and VADs mean other things than this version knows",
		want->build, VDS_FIRST_UNSUPPORTED_BUILD);
}

struct vds_error *vds_store_no_profile(const struct vds_profile_identity *want)
{
	const char *pdb = want->pdb[0] ? want->pdb : "ntkrnlmp.pdb";
	_cleanup_(vds_str_deinit) struct vds_str build = {0};
	if (want->build)
		vds_str_printf(&build, " (build %u)", want->build);
	const char *where = vds_str_cstr(&build);
	return vds_error_create(VDS_ERROR_NO_PROFILE,
		"no profile for this kernel: PDB %s, GUID %s, age %u%s; make "
		"one with `vadose profile fetch %s %s-%u -o %s-%u.yaml`, or "
		"from its PDB with `vadose profile from-pdb %s -o %s-%u.yaml`, "
		"or from a Volatility 3 table with `vadose profile from-isf "
		"%s-%u.json.xz -o %s-%u.yaml`, then say `--profile=%s-%u.yaml`",
		pdb, want->guid, want->age, where ? where : "",
		pdb, want->guid, want->age, want->guid, want->age,
		pdb, want->guid, want->age,
		want->guid, want->age, want->guid, want->age,
		want->guid, want->age);
}

static bool same_pdb(const struct vds_profile_identity *a,
		     const struct vds_profile_identity *b)
{
	return vds_streq_nocase(a->pdb, b->pdb);
}

static bool is_exact(const struct vds_profile_identity *id,
		     const struct vds_profile_identity *want)
{
	return id->guid[0] && strcmp(id->guid, want->guid) == 0 &&
	       id->age == want->age && same_pdb(id, want);
}

struct vds_error *vds_store_load(const struct vds_store_entry *entry,
				 struct vds_profile **ret)
{
	struct vds_profile *p;
	struct vds_error *err = vds_profile_load_kernel(entry->path,
							&entry->identity, &p);
	if (err)
		return err;
	const struct vds_profile_identity *id = vds_profile_identity(p);
	if (strcmp(id->guid, entry->identity.guid) ||
	    id->age != entry->identity.age ||
	    id->build != entry->identity.build) {
		vds_profile_destroy(p);
		return vds_error_create(VDS_ERROR_FORMAT,
			"%s: is not the kernel that its index says",
			entry->path);
	}
	*ret = p;
	return NULL;
}

struct vds_error *vds_store_find(struct vds_store *store,
				 const struct vds_profile_identity *want,
				 struct vds_profile **ret)
{
	struct vds_error *err = refuse_build(want);
	if (err)
		return err;
	for (size_t i = 0; i < store->num_dirs; i++) {
		struct vds_store_dir *dir = &store->dirs[i];
		err = vds_store_dir_read(dir, &store->arena);
		if (err)
			return err;
		for (size_t k = 0; k < dir->num_items; k++) {
			if (is_exact(&dir->items[k].entry.identity, want))
				return vds_store_load(&dir->items[k].entry, ret);
		}
	}
	return vds_store_no_profile(want);
}

struct candidate {
	const struct vds_store_item *item;
	uint32_t distance;	/* of the revisions */
	size_t order;		/* of the directory, then within it */
};

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int cx = (int)x->item->entry.identity.confidence;
	int cy = (int)y->item->entry.identity.confidence;
	if (cx != cy)
		return cx - cy;
	if (x->distance != y->distance)
		return x->distance < y->distance ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static bool is_candidate(const struct vds_profile_identity *id,
			 const struct vds_profile_identity *want)
{
	return id->build && vds_build_family(id->build) ==
					    vds_build_family(want->build) &&
	       same_pdb(id, want) &&
	       (!want->arch[0] || !strcmp(id->arch, want->arch));
}

static uint32_t distance(const struct vds_profile_identity *id,
			 const struct vds_profile_identity *want)
{
	if (!want->revision)
		return UINT32_MAX - id->revision;
	return id->revision > want->revision ? id->revision - want->revision :
		want->revision - id->revision;
}

typedef bool (*filter_fn)(const struct vds_profile_identity *id,
			  const struct vds_profile_identity *want);

/* The items that @filter lets through, of all directories, in order. */
static struct vds_error *collect(struct vds_store *store, filter_fn filter,
				 const struct vds_profile_identity *want,
				 struct candidate **ret, size_t *ret_num)
{
	size_t total = 0, n = 0;
	for (size_t i = 0; i < store->num_dirs; i++) {
		struct vds_error *err = vds_store_dir_read(&store->dirs[i],
							   &store->arena);
		if (err)
			return err;
		total += store->dirs[i].num_items;
	}
	struct candidate *list = vds_malloc_array(total, sizeof(*list));
	if (!list)
		return &vds_enomem;
	for (size_t i = 0; i < store->num_dirs; i++) {
		const struct vds_store_dir *dir = &store->dirs[i];
		for (size_t k = 0; k < dir->num_items; k++) {
			const struct vds_profile_identity *id =
				&dir->items[k].entry.identity;
			if (filter && !filter(id, want))
				continue;
			list[n] = (struct candidate){
				&dir->items[k], want ? distance(id, want) : 0, n,
			};
			n++;
		}
	}
	*ret = list;
	*ret_num = n;
	return NULL;
}

/* True if an earlier candidate has the same types. */
static bool is_repeated(const struct candidate *list, size_t i)
{
	const struct vds_store_item *item = list[i].item;
	for (size_t k = 0; k < i && item->layout[0]; k++) {
		if (!strcmp(list[k].item->layout, item->layout) &&
		    !strcmp(list[k].item->entry.path, item->entry.path))
			return true;
	}
	return false;
}

static struct vds_error *list_build(struct vds_store *store,
				    const struct vds_profile_identity *want,
				    bool all, struct vds_store_entry **ret,
				    size_t *ret_num)
{
	_cleanup_free_ struct candidate *list = NULL;
	size_t n, out = 0;
	struct vds_error *err = refuse_build(want);
	if (!err)
		err = collect(store, is_candidate, want, &list, &n);
	if (err)
		return err;
	if (!n)
		return vds_store_no_profile(want);
	qsort(list, n, sizeof(*list), compare_candidates);
	struct vds_store_entry *entries = vds_malloc_array(n, sizeof(*entries));
	if (!entries)
		return &vds_enomem;
	for (size_t i = 0; i < n; i++) {
		if (all || !is_repeated(list, i))
			entries[out++] = list[i].item->entry;
	}
	*ret = entries;
	*ret_num = out;
	return NULL;
}

struct vds_error *vds_store_nearest(struct vds_store *store,
				    const struct vds_profile_identity *want,
				    struct vds_store_entry **ret,
				    size_t *ret_num)
{
	return list_build(store, want, false, ret, ret_num);
}

struct vds_error *vds_store_of_build(struct vds_store *store,
				     const struct vds_profile_identity *want,
				     struct vds_store_entry **ret,
				     size_t *ret_num)
{
	return list_build(store, want, true, ret, ret_num);
}

struct vds_error *vds_store_list(struct vds_store *store,
				 struct vds_store_entry **ret, size_t *ret_num)
{
	_cleanup_free_ struct candidate *list = NULL;
	size_t n;
	struct vds_error *err = collect(store, NULL, NULL, &list, &n);
	if (err)
		return err;
	struct vds_store_entry *entries = vds_malloc_array(n, sizeof(*entries));
	if (!entries)
		return &vds_enomem;
	for (size_t i = 0; i < n; i++)
		entries[i] = list[i].item->entry;
	*ret = entries;
	*ret_num = n;
	return NULL;
}
