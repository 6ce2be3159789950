/* SPDX-License-Identifier: Apache-2.0 */
#include "pdb/fetch.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/str.h"
#include "base/util.h"
#include "pdb/http.h"
#include "pdb/pdb.h"
#include "pdb/symbol_path.h"
#include "pdb/tpi.h"

/* Reads up to 32 hex digits, past dashes and braces; where it stopped. */
static const char *parse_guid(const char *s, char ret[33])
{
	size_t n = 0;
	for (; *s && n < 32; s++) {
		if (*s == '-' || *s == '{')
			continue;
		if (!isxdigit((unsigned char)*s))
			break;
		ret[n++] = (char)toupper((unsigned char)*s);
	}
	ret[n] = '\0';
	if (n == 32 && *s == '}')
		s++;
	return n == 32 ? s : NULL;
}

bool vds_fetch_parse_id(const char *text, char ret_guid[33], uint32_t *ret_age)
{
	char guid[33], *end;
	const char *s = parse_guid(text, guid);
	if (!s || !*s)
		return false;
	int base = *s == '-' || *s == ' ' || *s == '/' ? 10 : 16;
	if (base == 10)
		s++;
	if (!isxdigit((unsigned char)*s))
		return false;
	errno = 0;
	unsigned long long age = strtoull(s, &end, base);
	if (errno || *end || age > UINT32_MAX)
		return false;
	memcpy(ret_guid, guid, sizeof(guid));
	*ret_age = (uint32_t)age;
	return true;
}

struct vds_error *vds_fetch_key_str(const struct vds_fetch_key *key,
				    char ret[48])
{
	char guid[33];
	const char *end = parse_guid(key->guid, guid);
	if (!end || *end)
		return vds_error_create(VDS_ERROR_USAGE,
					"\"%s\" is no GUID (32 hex digits)",
					key->guid);
	/* It becomes part of paths and of an address. */
	for (const char *p = key->pdb; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("._-+", *p))
			end = NULL;
	if (!end || !*key->pdb || key->pdb[0] == '.')
		return vds_error_create(VDS_ERROR_USAGE,
					"\"%s\" is no PDB's name", key->pdb);
	snprintf(ret, 48, "%s%X", guid, key->age);
	return NULL;
}

char *vds_fetch_default_cache(void)
{
	const char *base = getenv("XDG_CACHE_HOME"), *sub = "";
	char *path;
	if (!base || base[0] != '/') {
		base = getenv("HOME");
		sub = "/.cache";
	}
	if (!base || !*base)
		return NULL;
	if (asprintf(&path, "%s%s/vadose/symbols", base, sub) < 0)
		return NULL;
	return path;
}

char *vds_pdb_fetch_advice(const struct vds_fetch_key *key)
{
	char id[48], *text;
	struct vds_error *err = vds_fetch_key_str(key, id);
	if (err) {
		vds_error_destroy(err);
		return NULL;
	}
	if (asprintf(&text,
		     "it is at %s/%s/%s/%s; on a machine with a network: "
		     "curl -fL -o %s %s/%s/%s/%s && vadose profile from-pdb "
		     "%s -o %s-%s.yaml",
		     VDS_SYMBOL_SERVER, key->pdb, id, key->pdb, key->pdb,
		     VDS_SYMBOL_SERVER, key->pdb, id, key->pdb, key->pdb,
		     key->pdb, id) < 0)
		return NULL;
	return text;
}

struct fetch {
	const struct vds_fetch_key *key;
	const struct vds_fetch_options *options;
	char id[48];
	struct vds_arena arena;
	struct vds_str why;	/* what became of each store */
};

/* The PDB at @path is the one asked for, and its types can be read. */
static struct vds_error *check_pdb(const struct fetch *f, const char *path)
{
	struct vds_msf *msf;
	struct vds_profile_identity id;
	struct vds_tpi tpi = {0};
	char found[48];
	struct vds_error *err = vds_msf_open(path, &msf);
	if (err)
		return err;
	err = vds_pdb_identity(msf, f->key->pdb, &id);
	if (!err)
		err = vds_tpi_load(msf, VDS_MSF_TPI, &tpi);
	vds_tpi_deinit(&tpi);
	vds_msf_close(msf);
	if (err)
		return err;
	snprintf(found, sizeof(found), "%s%X", id.guid, id.age);
	if (!strcmp(found, f->id))
		return NULL;
	return vds_error_create(VDS_ERROR_FORMAT,
				"%s: is PDB %s, not the %s asked for", path,
				found, f->id);
}

static void remember(struct fetch *f, const char *where, const char *what)
{
	vds_str_printf(&f->why, "%s%s: %s", f->why.len ? "; " : "", where,
		       what);
}

/* A path in @dir: as in a store, or else flat as a debugger also looks. */
static char *path_in(struct fetch *f, const char *dir, bool flat, bool lower)
{
	char *path = flat ?
		vds_arena_printf(&f->arena, "%s/%s", dir, f->key->pdb) :
		vds_arena_printf(&f->arena, "%s/%s/%s/%s", dir, f->key->pdb,
				 f->id, f->key->pdb);
	/* Windows doesn't care about case; some stores on Linux are lower. */
	for (char *p = path && lower ? path + strlen(dir) : NULL; p && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return path;
}

/* *ret_path NULL: it is not there. */
static struct vds_error *look_in_dir(struct fetch *f, const char *dir,
				     const char **ret_path)
{
	*ret_path = NULL;
	for (int i = 0; i < 3; i++) {
		const char *path = path_in(f, dir, i == 2, i == 1);
		if (!path)
			return &vds_enomem;
		if (access(path, F_OK))
			continue;
		struct vds_error *err = check_pdb(f, path);
		/* A PDB beside others is of any kernel: no reason to stop. */
		if (err && i == 2) {
			remember(f, dir, err->message);
			vds_error_destroy(err);
			continue;
		}
		if (!err)
			*ret_path = path;
		return err;
	}
	remember(f, dir, "not there");
	return NULL;
}

static struct vds_error *make_dirs(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		int failed = mkdir(path, 0755) && errno != EEXIST;
		struct vds_error *err = !failed ? NULL :
			vds_error_errno(VDS_ERROR_OUTPUT, errno, "%s", path);
		*p = '/';
		if (err)
			return err;
	}
	return NULL;
}

/* Gets @url into @part, looks into it, and gives it its name @path. */
static struct vds_error *download(struct fetch *f, const char *url,
				  const char *part, const char *path)
{
	struct vds_http_get get = {
		.url = url, .path = part,
		.max_bytes = f->options->max_bytes ?
			f->options->max_bytes : VDS_FETCH_MAX,
		.progress = f->options->progress, .ctx = f->options->ctx};
	struct vds_error *err = vds_http_get(&get);
	struct stat st;
	if (err) {
		/* Nothing came: leave no empty file behind. */
		if (!stat(part, &st) && !st.st_size)
			unlink(part);
		return err;
	}
	err = check_pdb(f, part);
	if (err) {
		unlink(part);
		return vds_error_prefix(err, "%s", url);
	}
	if (rename(part, path))
		return vds_error_errno(VDS_ERROR_OUTPUT, errno, "%s", path);
	return NULL;
}

static struct vds_error *ask_server(struct fetch *f,
				    const struct vds_symbol_store *store,
				    const char **ret_path)
{
	if (f->options->offline) {
		remember(f, store->where, "not asked (offline)");
		return NULL;
	}
	if (!store->cache)
		return vds_error_create(VDS_ERROR_USAGE,
					"%s: no directory to keep files in; "
					"set HOME or a symbol path with one",
					store->where);
	char *path = path_in(f, store->cache, false, false);
	char *part = vds_arena_printf(&f->arena, "%s.part", path ? path : "");
	char *url = vds_arena_printf(&f->arena, "%s/%s/%s/%s", store->where,
				     f->key->pdb, f->id, f->key->pdb);
	if (!path || !part || !url)
		return &vds_enomem;
	struct vds_error *err = make_dirs(path);
	if (!err)
		err = download(f, url, part, path);
	if (!err) {
		*ret_path = path;
		return NULL;
	}
	/* Another server may have it; a wrong PDB or a full disk is final. */
	if (err->code != VDS_ERROR_NOT_FOUND &&
	    err->code != VDS_ERROR_NO_INPUT &&
	    err->code != VDS_ERROR_UNSUPPORTED)
		return err;
	vds_str_printf(&f->why, "%s%s", f->why.len ? "; " : "", err->message);
	vds_error_destroy(err);
	return NULL;
}

static struct vds_error *search(struct fetch *f, const char *text,
				const char *cache, char **ret_path)
{
	struct vds_symbol_path path;
	const char *found = NULL;
	struct vds_error *err =
		vds_symbol_path_parse(text, cache, &f->arena, &path);
	for (size_t i = 0; !err && !found && i < path.count; i++) {
		const struct vds_symbol_store *store = &path.stores[i];
		err = store->is_url ? ask_server(f, store, &found) :
			look_in_dir(f, store->where, &found);
	}
	if (err)
		return err;
	if (found) {
		*ret_path = strdup(found);
		return *ret_path ? NULL : &vds_enomem;
	}
	_cleanup_free_ char *advice = vds_pdb_fetch_advice(f->key);
	const char *why = vds_str_cstr(&f->why);
	if (!advice || !why)
		return &vds_enomem;
	return vds_error_create(VDS_ERROR_NO_PROFILE,
				"%s %s: not to be had (%s); %s", f->key->pdb,
				f->id, why, advice);
}

struct vds_error *vds_pdb_fetch(const struct vds_fetch_key *key,
				const struct vds_fetch_options *options,
				char **ret_path)
{
	struct fetch f = {.key = key, .options = options};
	const char *text = options->symbol_path;
	_cleanup_free_ char *cache = options->cache ?
		strdup(options->cache) : vds_fetch_default_cache();
	struct vds_error *err = vds_fetch_key_str(key, f.id);
	if (err)
		return err;
	if (!text)
		text = getenv("_NT_SYMBOL_PATH");
	if (!text || !*text)
		text = "srv*";
	err = search(&f, text, cache, ret_path);
	vds_str_deinit(&f.why);
	vds_arena_deinit(&f.arena);
	return err;
}
