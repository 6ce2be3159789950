/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_internal.h"

#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "base/util.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

char *vds_aff4_decode(struct vds_arena *arena, const char *s, size_t len)
{
	char *out = vds_arena_alloc(arena, len + 1);
	size_t n = 0;
	if (!out)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		int hi = -1, lo = -1;
		if (s[i] == '%' && len - i > 2) {
			hi = hex_digit(s[i + 1]);
			lo = hex_digit(s[i + 2]);
		}
		if (hi >= 0 && lo >= 0) {
			out[n] = (char)(hi << 4 | lo);
			i += 2;
		} else {
			out[n] = s[i];
		}
		if (!out[n++])
			return NULL;
	}
	out[n] = 0;
	return out;
}

const char *vds_aff4_local(const char *iri, bool *ret_old)
{
	static const char *const spaces[] = {AFF4_NS, AFF4_NS_2009};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(spaces); i++) {
		size_t len = strlen(spaces[i]);
		if (!strncmp(iri, spaces[i], len)) {
			if (ret_old)
				*ret_old = i == 1;
			return iri + len;
		}
	}
	return NULL;
}

/* True if @name is one of the '|'-separated @names. */
static bool is_one_of(const char *name, const char *names, bool any_case)
{
	size_t name_len = strlen(name);
	while (*names) {
		size_t len = strcspn(names, "|");
		if (len == name_len &&
		    !(any_case ? strncasecmp(name, names, len)
			       : strncmp(name, names, len)))
			return true;
		names += len + (names[len] == '|');
	}
	return false;
}

static size_t first_triple(const struct vds_turtle *turtle, const char *subject)
{
	size_t lo = 0, hi = turtle->count;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (strcmp(turtle->list[mid].subject, subject) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const struct vds_triple *vds_aff4_property(const struct vds_aff4 *a,
					   const char *subject,
					   const char *names, size_t nth)
{
	for (size_t v = 0; v < a->num_volumes; v++) {
		const struct vds_turtle *turtle = &a->volumes[v]->turtle;
		for (size_t i = first_triple(turtle, subject);
		     i < turtle->count &&
		     !strcmp(turtle->list[i].subject, subject); i++) {
			const struct vds_triple *t = &turtle->list[i];
			const char *local = vds_aff4_local(t->predicate, NULL);
			if (local && is_one_of(local, names, true) && !nth--)
				return t;
		}
	}
	return NULL;
}

const char *vds_aff4_iri(const struct vds_aff4 *a, const char *subject,
			 const char *names)
{
	const struct vds_triple *t;
	for (size_t i = 0; (t = vds_aff4_property(a, subject, names, i)); i++) {
		if (t->is_iri)
			return t->object;
	}
	return NULL;
}

#define RDF_TYPE "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"

/* The @nth type of @subject, as a local name; *ret_old as vds_aff4_local(). */
static const char *nth_type(const struct vds_aff4 *a, const char *subject,
			    size_t nth, bool *ret_old)
{
	for (size_t v = 0; v < a->num_volumes; v++) {
		const struct vds_turtle *turtle = &a->volumes[v]->turtle;
		for (size_t i = first_triple(turtle, subject);
		     i < turtle->count &&
		     !strcmp(turtle->list[i].subject, subject); i++) {
			const struct vds_triple *t = &turtle->list[i];
			const char *local = vds_aff4_local(t->object, ret_old);
			if (local && t->is_iri &&
			    !strcmp(t->predicate, RDF_TYPE) && !nth--)
				return local;
		}
	}
	return NULL;
}

bool vds_aff4_is_a(const struct vds_aff4 *a, const char *subject,
		   const char *names)
{
	const char *type;
	for (size_t i = 0; (type = nth_type(a, subject, i, NULL)); i++) {
		if (is_one_of(type, names, false))
			return true;
	}
	return false;
}

enum vds_aff4_dialect vds_aff4_dialect(const struct vds_aff4 *a,
				       const char *subject)
{
	const char *type;
	bool old = false;
	for (size_t i = 0; (type = nth_type(a, subject, i, &old)); i++) {
		if (is_one_of(type, "Map|ImageStream", false))
			return VDS_AFF4_STANDARD;
		if (is_one_of(type, "map|image|stream", false))
			return old ? VDS_AFF4_EVIMETRY : VDS_AFF4_SCUDETTE;
	}
	return VDS_AFF4_NO_DIALECT;
}

struct vds_error *vds_aff4_number(const struct vds_aff4 *a, const char *subject,
				  const char *names, uint64_t *ret,
				  bool *ret_found)
{
	const struct vds_triple *t;
	uint64_t largest = 0;
	*ret_found = false;
	for (size_t i = 0; (t = vds_aff4_property(a, subject, names, i)); i++) {
		uint64_t n;
		if (t->is_iri || strspn(t->object, "0123456789") !=
					 strlen(t->object) ||
		    !vds_parse_u64(t->object, &n) || n > INT64_MAX)
			return vds_error_create(VDS_ERROR_FORMAT,
				"information.turtle: <%s>: %s \"%s\" is not an "
				"integer from 0 to 2^63 - 1", subject,
				vds_aff4_local(t->predicate, NULL), t->object);
		largest = VDS_MAX(largest, n);
		*ret_found = true;
	}
	*ret = largest;
	return NULL;
}
