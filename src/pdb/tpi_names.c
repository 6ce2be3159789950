/* SPDX-License-Identifier: Apache-2.0 */
#include "pdb/tpi_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "pdb/tpi.h"

/* Open addressing, at most half full; a slot is a type index or 0. */
struct vds_tpi_names {
	uint32_t *slots;
	size_t mask;
};

bool vds_tpi_is_anonymous(const char *name, size_t len)
{
	/* microsoft-pdb tpi.cpp, fUDTAnon(): whole, or behind the last "::" */
	static const char *const known[] = {
		"<unnamed-tag>", "__unnamed", "<anonymous-tag>", "<unnamed>"};
	if (!len)
		return true;
	for (size_t i = 0; i < VDS_ARRAY_SIZE(known); i++) {
		size_t n = strlen(known[i]);
		if (len < n || memcmp(name + len - n, known[i], n))
			continue;
		if (len == n || (len >= n + 2 &&
				 !memcmp(name + len - n - 2, "::", 2)))
			return true;
	}
	return false;
}

/* What a definition is found by. */
static const char *key_of(const struct vds_tpi_type *t, size_t *ret_len)
{
	*ret_len = t->unique_len ? t->unique_len : t->name_len;
	return t->unique_len ? t->unique : t->name;
}

/* FNV-1a with a final mix; the kind of record keeps namespaces apart. */
static size_t hash(const struct vds_tpi_type *t)
{
	size_t len;
	const char *key = key_of(t, &len);
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ t->leaf;
	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)key[i]) * UINT64_C(0x100000001b3);
	return (size_t)(h ^ h >> 32);
}

static bool is_udt(const struct vds_tpi_type *t)
{
	return t->leaf == LF_STRUCTURE || t->leaf == LF_UNION ||
	       t->leaf == LF_ENUM;
}

static bool same(const struct vds_tpi_type *a, const struct vds_tpi_type *b)
{
	size_t a_len, b_len;
	const char *ka = key_of(a, &a_len), *kb = key_of(b, &b_len);
	return a->leaf == b->leaf && !a->unique_len == !b->unique_len &&
	       a_len == b_len && !memcmp(ka, kb, a_len);
}

/* The slot of @t's definition, or the free one where it belongs. */
static struct vds_error *find(const struct vds_tpi *tpi,
			      const struct vds_tpi_names *names,
			      const struct vds_tpi_type *t, uint32_t **ret)
{
	for (size_t i = hash(t);; i++) {
		uint32_t *slot = &names->slots[i & names->mask];
		struct vds_tpi_type other;
		struct vds_error *err = NULL;
		if (*slot)
			err = vds_tpi_type(tpi, *slot, &other);
		if (err)
			return err;
		if (!*slot || same(t, &other)) {
			*ret = slot;
			return NULL;
		}
	}
}

/* Counts definitions (@names NULL) or enters them; a name's first one stays. */
static struct vds_error *each_definition(const struct vds_tpi *tpi,
					 struct vds_tpi_names *names,
					 size_t *count)
{
	for (uint32_t i = tpi->begin; i < tpi->end; i++) {
		struct vds_tpi_type t;
		uint32_t *slot;
		struct vds_error *err = vds_tpi_type(tpi, i, &t);
		if (err)
			return err;
		if (!is_udt(&t) || t.is_forward ||
		    (!t.unique_len && vds_tpi_is_anonymous(t.name, t.name_len)))
			continue;
		++*count;
		if (!names)
			continue;
		err = find(tpi, names, &t, &slot);
		if (err)
			return err;
		if (!*slot)
			*slot = i;
	}
	return NULL;
}

struct vds_error *vds_tpi_index_names(struct vds_tpi *tpi)
{
	size_t count = 0, slots = 16;
	struct vds_error *err = each_definition(tpi, NULL, &count);
	if (err)
		return err;
	while (slots < count * 2)
		slots *= 2;
	struct vds_tpi_names *names = calloc(1, sizeof(*names));
	if (!names)
		return &vds_enomem;
	names->slots = calloc(slots, sizeof(*names->slots));
	names->mask = slots - 1;
	err = names->slots ? each_definition(tpi, names, &count) : &vds_enomem;
	if (err) {
		vds_tpi_names_destroy(names);
		return err;
	}
	vds_tpi_names_destroy(tpi->names);
	tpi->names = names;
	return NULL;
}

void vds_tpi_names_destroy(struct vds_tpi_names *names)
{
	if (!names)
		return;
	free(names->slots);
	free(names);
}

struct vds_error *vds_tpi_resolve(const struct vds_tpi *tpi, uint32_t index,
				  uint32_t *ret)
{
	struct vds_tpi_type t;
	uint32_t *slot;
	struct vds_error *err = vds_tpi_type(tpi, index, &t);
	if (err)
		return err;
	*ret = index;
	if (!is_udt(&t) || !t.is_forward || !tpi->names ||
	    vds_tpi_is_anonymous(t.name, t.name_len))
		return NULL;
	err = find(tpi, tpi->names, &t, &slot);
	if (!err && *slot)
		*ret = *slot;
	return err;
}
