/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/names.h"

#include <stdlib.h>
#include <string.h>

/* Eight bytes a step; good enough spread for identifiers. */
static uint64_t hash_bytes(const char *s, size_t len)
{
	uint64_t h = UINT64_C(0x9e3779b97f4a7c15) ^ len;
	while (len >= 8) {
		uint64_t v;
		memcpy(&v, s, 8);
		h = (h ^ v) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
		s += 8;
		len -= 8;
	}
	uint64_t tail = 0;
	if (len)
		memcpy(&tail, s, len);
	h = (h ^ tail) * UINT64_C(0xc4ceb9fe1a85ec53);
	return h ^ h >> 29;
}

void vds_names_deinit(struct vds_names *names)
{
	free(names->buckets);
	memset(names, 0, sizeof(*names));
}

static struct vds_name *find_hash(const struct vds_names *names, uint64_t hash,
				  const char *text, size_t len)
{
	if (!names->buckets)
		return NULL;
	struct vds_name *n = names->buckets[hash & names->mask];
	while (n && !(n->hash == hash && n->len == len &&
		      memcmp(n->text, text, len) == 0))
		n = n->next;
	return n;
}

struct vds_name *vds_names_find(const struct vds_names *names,
				const char *text, size_t len)
{
	return find_hash(names, hash_bytes(text, len), text, len);
}

static bool grow(struct vds_names *names)
{
	size_t n = names->buckets ? (names->mask + 1) * 4 : 1024;
	struct vds_name **fresh = calloc(n, sizeof(*fresh));
	if (!fresh)
		return false;
	for (size_t i = 0; names->buckets && i <= names->mask; i++) {
		struct vds_name *e = names->buckets[i];
		while (e) {
			struct vds_name *next = e->next;
			e->next = fresh[e->hash & (n - 1)];
			fresh[e->hash & (n - 1)] = e;
			e = next;
		}
	}
	free(names->buckets);
	names->buckets = fresh;
	names->mask = n - 1;
	return true;
}

struct vds_name *vds_names_get(struct vds_names *names,
			       struct vds_arena *arena, const char *text,
			       size_t len)
{
	uint64_t hash = hash_bytes(text, len);
	struct vds_name *n = find_hash(names, hash, text, len);
	if (n || len > VDS_NAME_MAX)
		return n;
	if ((!names->buckets || names->count > names->mask) && !grow(names))
		return NULL;
	n = vds_arena_alloc(arena, sizeof(*n) + len + 1);
	if (!n)
		return NULL;
	memset(n, 0, sizeof(*n));
	n->hash = hash;
	n->len = (uint32_t)len;
	memcpy(n->text, text, len);
	n->text[len] = '\0';
	n->next = names->buckets[hash & names->mask];
	names->buckets[hash & names->mask] = n;
	names->count++;
	return n;
}
