/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_internal.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "base/util.h"

/* A folder of evidence may hold many volumes; more aren't looked into. */
#define SIBLINGS_MAX 256

struct vds_error *vds_aff4_missing(struct vds_aff4 *a, const char *urn,
				   const char *what)
{
	const char *stored = vds_aff4_iri(a, urn, "stored");
	bool open = false;
	struct vds_str paths = {0};
	for (size_t v = 0; v < a->num_volumes; v++) {
		open |= stored && !strcmp(a->volumes[v]->urn, stored);
		vds_str_printf(&paths, "%s%s", v ? ", " : "",
			       a->volumes[v]->urn);
	}
	const char *have = vds_str_cstr(&paths);
	a->missing = urn;
	struct vds_error *err = stored && !open ?
		vds_error_create(VDS_ERROR_UNSUPPORTED,
			"needs volume %s: <%s> is stored there, and %s is not "
			"in the volumes at hand (%s)", stored, urn, what,
			have ? have : "") :
		vds_error_create(VDS_ERROR_FORMAT,
			"<%s>: %s is not in the volumes at hand (%s): is another "
			"volume of the set missing?", urn, what,
			have ? have : "");
	vds_str_deinit(&paths);
	return err;
}

/* Names that AFF4 tools give: x.aff4, x.af4, x.aff4.A01. */
static bool is_volume_name(const char *name)
{
	const char *dot = strrchr(name, '.');
	if (!dot)
		return false;
	return !strcasecmp(dot, ".aff4") || !strcasecmp(dot, ".af4") ||
	       ((dot[1] == 'A' || dot[1] == 'a') &&
		isdigit((unsigned char)dot[2]) &&
		isdigit((unsigned char)dot[3]) && !dot[4]);
}

/* Does @volume know what is missing, or is it where that is stored? */
static bool is_wanted(const struct vds_aff4 *a,
		      const struct vds_aff4_volume *volume,
		      const char *missing, const char *stored)
{
	if (stored && !strcmp(volume->urn, stored))
		return true;
	for (size_t v = 0; v + 1 < a->num_volumes; v++) {
		if (!strcmp(a->volumes[v]->urn, volume->urn))
			return false;	/* a copy of one that we have */
	}
	for (size_t i = 0; i < volume->turtle.count; i++) {
		if (!strcmp(volume->turtle.list[i].subject, missing))
			return true;
	}
	size_t i = vds_aff4_lower_bound(volume, missing), len = strlen(missing);
	return i < volume->num_members &&
	       !strncmp(volume->members[i]->urn, missing, len);
}

/* Opens one sibling and keeps it if it is wanted. */
static struct vds_error *try_sibling(struct vds_aff4 *a, const char *path,
				     const char *missing, const char *stored)
{
	struct vds_file *file;
	struct vds_error *err = vds_file_open(path, &file);
	if (err) {
		vds_error_destroy(err);
		return NULL;
	}
	/* What is wrong with volumes of other images is of no interest. */
	struct vds_notes saved = a->image->notes;
	a->image->notes = (struct vds_notes){0};
	size_t count = a->num_volumes;
	err = vds_aff4_volume_open(a, path, file, true);
	struct vds_notes fresh = a->image->notes;
	a->image->notes = saved;
	if (err) {
		vds_file_close(file);
		if (err != &vds_enomem) {
			vds_error_destroy(err);
			err = NULL;
		}
	} else if (is_wanted(a, a->volumes[count], missing, stored)) {
		vds_notes_merge(&a->image->notes, &fresh);
	} else {
		vds_aff4_volume_close(a->volumes[count]);
		a->num_volumes = count;
	}
	vds_notes_deinit(&fresh);
	return err;
}

static int is_sibling(const struct dirent *entry)
{
	return is_volume_name(entry->d_name);
}

struct vds_error *vds_aff4_join(struct vds_aff4 *a)
{
	const char *path = a->volumes[0]->path;
	const char *slash = strrchr(path, '/');
	const char *own = slash ? slash + 1 : path;
	struct vds_arena *arena = &a->image->arena;
	const char *missing = a->missing;
	const char *stored = vds_aff4_iri(a, missing, "stored");
	const char *folder = slash ?
		vds_arena_strndup(arena, path, (size_t)(slash - path) + 1) :
		"./";
	struct dirent **list;
	struct vds_error *err = NULL;
	if (!folder)
		return &vds_enomem;
	/* In the order of names, so that the result doesn't depend on luck. */
	int n = scandir(folder, &list, is_sibling, alphasort);
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		const char *full = vds_arena_printf(arena, "%s%s", folder,
						    name);
		if (!full)
			err = &vds_enomem;
		else if (!err && i < SIBLINGS_MAX && strcmp(name, own))
			err = try_sibling(a, full, missing, stored);
		free(list[i]);
	}
	if (n >= 0)
		free(list);
	return err;
}
