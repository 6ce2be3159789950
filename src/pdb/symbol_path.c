/* SPDX-License-Identifier: Apache-2.0 */
#include "pdb/symbol_path.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "base/util.h"

struct parser {
	struct vds_arena *arena;
	struct vds_symbol_path path;
	const char *cache;	/* default, or of the last cache* */
};

static bool is_url(const char *s)
{
	return !strncasecmp(s, "http://", 7) || !strncasecmp(s, "https://", 8);
}

/* Without blanks around it and slashes behind it, in the arena. */
static char *tidy(struct vds_arena *arena, const char *s, size_t len)
{
	while (len && (*s == ' ' || *s == '\t' || *s == '"')) {
		s++;
		len--;
	}
	while (len && (s[len - 1] == ' ' || s[len - 1] == '\t' ||
		       s[len - 1] == '"'))
		len--;
	while (len > 1 && s[len - 1] == '/')
		len--;
	return vds_arena_strndup(arena, s, len);
}

static struct vds_error *add_store(struct parser *p, const char *where,
				   const char *cache)
{
	if (p->path.count == VDS_SYMBOL_STORES_MAX)
		return vds_error_create(VDS_ERROR_USAGE,
					"symbol path: more than %d stores",
					VDS_SYMBOL_STORES_MAX);
	p->path.stores[p->path.count++] = (struct vds_symbol_store){
		.where = where, .cache = cache, .is_url = is_url(where)};
	return NULL;
}

/* "STORE*STORE*...": @rest is what follows srv*. */
static struct vds_error *add_server(struct parser *p, const char *rest)
{
	const char *keep = NULL;	/* the first directory */
	if (!*rest) {	/* what .symfix sets */
		struct vds_error *err = p->cache ?
			add_store(p, p->cache, p->cache) : NULL;
		return err ? err :
			add_store(p, VDS_SYMBOL_SERVER, p->cache);
	}
	for (;;) {
		size_t len = strcspn(rest, "*");
		const char *where = tidy(p->arena, rest, len);
		if (!where)
			return &vds_enomem;
		if (!*where)
			where = p->cache;
		if (where && !keep && !is_url(where))
			keep = where;
		struct vds_error *err = !where ? NULL :
			add_store(p, where, keep ? keep : p->cache);
		if (err)
			return err;
		if (!rest[len])
			return NULL;
		rest += len + 1;
	}
}

/* What follows the first '*' of @element if it begins with @word; or NULL. */
static const char *behind(const char *element, const char *word)
{
	size_t len = strlen(word);
	return !strncasecmp(element, word, len) && element[len] == '*' ?
		element + len + 1 : NULL;
}

static struct vds_error *add_element(struct parser *p, const char *element)
{
	const char *rest;
	if (!*element)
		return NULL;
	rest = behind(element, "srv");
	if (rest)
		return add_server(p, rest);
	rest = behind(element, "symsrv");
	if (rest) {
		rest = behind(rest, "symsrv.dll");
		if (rest)
			return add_server(p, rest);
		return vds_error_create(
			VDS_ERROR_USAGE,
			"symbol path: \"%s\": only symsrv.dll is known",
			element);
	}
	rest = behind(element, "cache");
	if (rest) {
		if (*rest)
			p->cache = rest;
		return p->cache ? add_store(p, p->cache, p->cache) : NULL;
	}
	if (vds_streq_nocase(element, "srv") || strchr(element, '*'))
		return vds_error_create(VDS_ERROR_USAGE,
					"symbol path: \"%s\" is no store",
					element);
	return add_store(p, element, p->cache);
}

struct vds_error *vds_symbol_path_parse(const char *text, const char *cache,
					struct vds_arena *arena,
					struct vds_symbol_path *ret)
{
	struct parser p = {.arena = arena, .cache = cache};
	p.path.stores = vds_arena_calloc(arena, VDS_SYMBOL_STORES_MAX,
					 sizeof(*p.path.stores));
	if (!p.path.stores)
		return &vds_enomem;
	for (;;) {
		size_t len = strcspn(text, ";");
		char *element = tidy(arena, text, len);
		if (!element)
			return &vds_enomem;
		struct vds_error *err = add_element(&p, element);
		if (err)
			return err;
		if (!text[len])
			break;
		text += len + 1;
	}
	*ret = p.path;
	return NULL;
}
