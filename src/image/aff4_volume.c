/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define DESCRIPTION_MAX ((size_t)4096)
/* Files of a directory volume that stay open; others are opened per read. */
#define OPEN_FILES_MAX 128
#define INFLATED_MAX ((size_t)64 << 20)

const char *vds_aff4_clean_urn(struct vds_arena *arena, const char *s,
			       size_t len)
{
	len = strnlen(s, len);
	while (len && isspace((unsigned char)*s)) {
		s++;
		len--;
	}
	while (len && isspace((unsigned char)s[len - 1]))
		len--;
	if (len < 8 || memcmp(s, "aff4://", 7))
		return NULL;
	return vds_arena_strndup(arena, s, len);
}

const char *vds_aff4_member_urn(struct vds_arena *arena,
				const struct vds_aff4_volume *volume,
				const char *name, size_t len)
{
	const char *decoded = vds_aff4_decode(arena, name, len);
	if (!decoded || !strncmp(decoded, "aff4://", 7))
		return decoded;
	while (*decoded == '/')
		decoded++;
	return vds_arena_printf(arena, "%s/%s", volume->urn, decoded);
}

static struct vds_zip_member *zip_find(struct vds_zip *zip, const char *name)
{
	struct vds_zip_member *found = NULL;
	for (size_t i = 0; i < zip->num_members; i++) {
		if (!strcmp(zip->members[i].name, name))
			found = &zip->members[i];
	}
	return found;
}

static bool is_aff4_zip(struct vds_zip *zip)
{
	return zip_find(zip, "information.turtle") ||
	       zip_find(zip, "container.description");
}

static struct vds_error *read_zip_urn(struct vds_arena *arena,
				      struct vds_aff4_volume *volume)
{
	struct vds_zip_member *m = zip_find(&volume->zip,
					    "container.description");
	if (m) {
		_cleanup_free_ uint8_t *text = NULL;
		size_t len;
		struct vds_error *err = vds_zip_extract(
			&volume->zip, m, DESCRIPTION_MAX, &text, &len);
		if (err)
			return err;
		volume->urn = vds_aff4_clean_urn(arena, (char *)text, len);
	}
	if (!volume->urn)
		volume->urn = vds_aff4_clean_urn(arena, volume->zip.comment,
					volume->zip.comment_len);
	if (!volume->urn)
		volume->urn = "aff4://";
	return NULL;
}

static int compare_members(const void *a, const void *b)
{
	const struct vds_aff4_member *x = *(void *const *)a;
	const struct vds_aff4_member *y = *(void *const *)b;
	int order = strcmp(x->urn, y->urn);
	/* All lie in one array, in the order of the directory. */
	return order ? order : (x > y) - (x < y);
}

struct vds_error *vds_aff4_index_members(struct vds_aff4 *a,
					 struct vds_aff4_volume *volume,
					 struct vds_aff4_member *list,
					 size_t count)
{
	struct vds_arena *arena = &a->image->arena;
	volume->members = vds_arena_calloc(arena, count + 1,
					   sizeof(*volume->members));
	if (!volume->members)
		return &vds_enomem;
	for (size_t i = 0; i < count; i++)
		volume->members[i] = &list[i];
	qsort(volume->members, count, sizeof(*volume->members),
	      compare_members);
	size_t n = 0;
	for (size_t i = 0; i < count; i++) {
		if (i + 1 < count && !strcmp(volume->members[i]->urn,
					     volume->members[i + 1]->urn))
			vds_note(&a->image->notes, "aff4_duplicate", 0,
				 "member \"%s\" occurs twice: the last one counts",
				 volume->members[i]->urn);
		else
			volume->members[n++] = volume->members[i];
	}
	volume->num_members = n;
	return NULL;
}

static struct vds_error *list_zip(struct vds_aff4 *a,
				  struct vds_aff4_volume *volume)
{
	struct vds_arena *arena = &a->image->arena;
	struct vds_zip *zip = &volume->zip;
	struct vds_aff4_member *list =
		vds_arena_calloc(arena, zip->num_members + 1, sizeof(*list));
	if (!list)
		return &vds_enomem;
	size_t n = 0;
	for (size_t i = 0; i < zip->num_members; i++) {
		struct vds_zip_member *m = &zip->members[i];
		const char *urn = vds_aff4_member_urn(arena, volume, m->name,
					     m->name_len);
		if (!urn)
			continue;	/* "%00" in it */
		list[n].urn = urn;
		list[n].volume = volume;
		list[n].zip = m;
		list[n++].size = m->usize;
	}
	return vds_aff4_index_members(a, volume, list, n);
}

static struct vds_error *open_zip(struct vds_aff4 *a,
				  struct vds_aff4_volume *volume)
{
	uint8_t head[2] = {0};
	struct vds_error *err = vds_zip_open(volume->file, &a->image->arena,
					     &a->image->notes, &volume->zip);
	vds_file_pread(volume->file, 0, head, sizeof(head));
	/* Memory may end in the remains of an archive without being one. */
	if (err && err->code != VDS_ERROR_NOMEM && memcmp(head, "PK", 2))
		err->code = VDS_ERROR_NOT_MINE;
	if (err)
		return err;
	if (!is_aff4_zip(&volume->zip))
		return vds_error_create(VDS_ERROR_NOT_MINE,
			"a zip archive without information.turtle or "
			"container.description: not an AFF4 volume");
	err = read_zip_urn(&a->image->arena, volume);
	return err ? err : list_zip(a, volume);
}

static int compare_triples(const void *a, const void *b)
{
	const struct vds_triple *x = a, *y = b;
	int order = strcmp(x->subject, y->subject);
	return order ? order : (x->order > y->order) - (x->order < y->order);
}

static struct vds_aff4_member *own_member(const struct vds_aff4_volume *volume,
					  const char *name)
{
	char urn[256];
	if ((size_t)snprintf(urn, sizeof(urn), "%s/%s", volume->urn, name) >=
	    sizeof(urn))
		return NULL;
	size_t i = vds_aff4_lower_bound(volume, urn);
	return i < volume->num_members && !strcmp(volume->members[i]->urn, urn)
		? volume->members[i] : NULL;
}

static struct vds_error *read_turtle(struct vds_aff4 *a,
				     struct vds_aff4_volume *volume)
{
	struct vds_aff4_member *m = own_member(volume, "information.turtle");
	_cleanup_free_ uint8_t *text = NULL;
	size_t len;
	if (!m)
		return NULL;
	struct vds_error *err = vds_aff4_extract(m, VDS_AFF4_TURTLE_MAX, &text,
						 &len);
	if (!err)
		err = vds_error_prefix(
			vds_turtle_parse(&a->image->arena, volume->urn, text,
					 len, &volume->turtle),
			"information.turtle");
	if (!err && volume->turtle.repaired)
		vds_note(&a->image->notes, "aff4_turtle", 0,
			 "information.turtle: characters that Turtle doesn't allow in IRIs or strings were escaped");
	if (!err)
		qsort(volume->turtle.list, volume->turtle.count,
		      sizeof(*volume->turtle.list), compare_triples);
	return err;
}

/* The value behind "key=" at the start of a line of @text, copied; or "". */
static const char *version_value(struct vds_arena *arena, const char *text,
				 const char *key)
{
	size_t key_len = strlen(key);
	for (const char *p = text; *p;) {
		size_t len = strcspn(p, "\r\n");
		if (len > key_len && !strncmp(p, key, key_len) &&
		    p[key_len] == '=')
			return vds_arena_strndup(arena, p + key_len + 1,
						 len - key_len - 1);
		p += len;
		p += strspn(p, "\r\n");
	}
	return "";
}

static struct vds_error *read_version(struct vds_aff4 *a,
				      struct vds_aff4_volume *volume)
{
	struct vds_arena *arena = &a->image->arena;
	struct vds_aff4_member *m = own_member(volume, "version.txt");
	_cleanup_free_ uint8_t *text = NULL;
	size_t len;
	volume->tool = volume->version = "";
	if (!m)
		return NULL;
	struct vds_error *err = vds_aff4_extract(m, DESCRIPTION_MAX, &text,
						 &len);
	if (err)
		return err;
	const char *major = version_value(arena, (char *)text, "major");
	const char *minor = version_value(arena, (char *)text, "minor");
	const char *tool = version_value(arena, (char *)text, "tool");
	if (!major || !minor || !tool)
		return &vds_enomem;
	volume->tool = tool;
	volume->version = vds_arena_printf(arena, "%s.%s", major, minor);
	if (!volume->version)
		return &vds_enomem;
	if (strcmp(major, "1"))
		vds_note(&a->image->notes, "aff4_version", 0,
			 "version.txt: version %s, known is 1",
			 volume->version);
	return NULL;
}

struct vds_error *vds_aff4_volume_open(struct vds_aff4 *a, const char *path,
				       struct vds_file *file, bool owns_file)
{
	struct vds_arena *arena = &a->image->arena;
	struct vds_aff4_volume *v = vds_arena_calloc(arena, 1, sizeof(*v));
	if (!v)
		return &vds_enomem;
	v->file = file;
	v->path = vds_arena_strdup(arena, path);
	struct vds_error *err = !v->path ? &vds_enomem :
		file ? open_zip(a, v) : vds_aff4_folder_open(a, v);
	if (!err)
		err = read_version(a, v);
	if (!err)
		err = read_turtle(a, v);
	if (!err && !file)
		err = vds_aff4_folder_rename(a, v);
	if (!err && a->num_volumes == VDS_AFF4_VOLUMES_MAX)
		err = vds_error_create(VDS_ERROR_UNSUPPORTED,
				       "more than %d volumes",
				       VDS_AFF4_VOLUMES_MAX);
	if (err) {
		vds_aff4_volume_close(v);
		return err;
	}
	v->owns_file = owns_file;
	a->volumes[a->num_volumes++] = v;
	return NULL;
}

void vds_aff4_volume_close(struct vds_aff4_volume *volume)
{
	for (size_t i = 0; i < volume->num_members; i++) {
		free(volume->members[i]->blob);
		vds_file_close(atomic_load(&volume->members[i]->file));
	}
	if (volume->owns_file)
		vds_file_close(volume->file);
}

size_t vds_aff4_lower_bound(const struct vds_aff4_volume *volume,
			    const char *urn)
{
	size_t lo = 0, hi = volume->num_members;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (strcmp(volume->members[mid]->urn, urn) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct vds_aff4_member *vds_aff4_find_member(const struct vds_aff4 *a,
					     const char *urn)
{
	for (size_t v = 0; v < a->num_volumes; v++) {
		const struct vds_aff4_volume *volume = a->volumes[v];
		size_t i = vds_aff4_lower_bound(volume, urn);
		if (i < volume->num_members &&
		    !strcmp(volume->members[i]->urn, urn))
			return volume->members[i];
	}
	return NULL;
}

struct vds_error *vds_aff4_extract(struct vds_aff4_member *member, size_t max,
				   uint8_t **ret, size_t *ret_len)
{
	if (member->zip)
		return vds_zip_extract(&member->volume->zip, member->zip, max,
				       ret, ret_len);
	char *text;
	struct vds_error *err = vds_file_slurp(member->path, max, &text,
					       ret_len);
	if (!err)
		*ret = (uint8_t *)text;
	return err;
}

struct vds_error *vds_aff4_inflate(struct vds_aff4 *a,
				   struct vds_aff4_member *member)
{
	size_t len;
	if (!member->zip || member->zip->method == VDS_ZIP_STORED ||
	    member->blob)
		return NULL;
	struct vds_error *err = vds_aff4_extract(
		member, INFLATED_MAX - a->inflated, &member->blob, &len);
	if (!err)
		a->inflated += len;
	return err;
}

/* The open file of a directory's member; *ret_close: close it after use. */
static struct vds_file *member_file(struct vds_aff4_member *member,
				    bool *ret_close)
{
	struct vds_file *file = atomic_load(&member->file), *none = NULL;
	*ret_close = false;
	if (file)
		return file;
	struct vds_error *err = vds_file_open(member->path, &file);
	if (err) {
		vds_error_destroy(err);
		return NULL;
	}
	if (atomic_fetch_add(&member->volume->open_files, 1) < OPEN_FILES_MAX) {
		if (atomic_compare_exchange_strong(&member->file, &none, file))
			return file;
		atomic_fetch_sub(&member->volume->open_files, 1);
		vds_file_close(file);
		return none;
	}
	atomic_fetch_sub(&member->volume->open_files, 1);
	*ret_close = true;
	return file;
}

size_t vds_aff4_member_read(struct vds_aff4_member *member, uint64_t offset,
			    void *buf, size_t len, bool sequential)
{
	uint64_t data = 0;
	bool close_it = false;
	const struct vds_file *file = member->volume->file;
	if (offset >= member->size)
		return 0;
	len = (size_t)VDS_MIN((uint64_t)len, member->size - offset);
	if (member->blob) {
		memcpy(buf, member->blob + offset, len);
		return len;
	}
	if (member->zip) {
		struct vds_error *err = vds_zip_locate(&member->volume->zip,
						       member->zip, &data);
		if (err || member->zip->method != VDS_ZIP_STORED) {
			vds_error_destroy(err);
			return 0;
		}
	} else {
		file = member_file(member, &close_it);
		if (!file)
			return 0;
	}
	len = sequential ? vds_file_pread(file, data + offset, buf, len)
			 : vds_file_read(file, data + offset, buf, len);
	if (close_it)
		vds_file_close((struct vds_file *)file);
	return len;
}
