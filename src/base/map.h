/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash map from u64 to u64 and, over it, the visited set that every walk over
 * image data uses. Open addressing; memory is 16 bytes a slot at most 70 % full.
 */
#ifndef VDS_BASE_MAP_H
#define VDS_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Caller's storage; zero-initialised is valid and empty. */
struct vds_map {
	struct vds_map_slot *slots;
	size_t mask;	/* slots - 1, or 0 when there are none */
	size_t count;
	bool has_zero;	/* key 0 is kept outside of the table */
	uint64_t zero_value;
};

void vds_map_deinit(struct vds_map *map);
/* Forgets all entries, keeps the memory. */
void vds_map_clear(struct vds_map *map);

/*
 * Makes room for @count entries in all, so that putting them in moves nothing;
 * false: out of memory.
 */
bool vds_map_reserve(struct vds_map *map, size_t count);

/* Pointer to the value of @key, valid until the next insertion, or NULL. */
uint64_t *vds_map_get(const struct vds_map *map, uint64_t key);

/*
 * Finds or adds @key (a new value is 0). *ret_new (may be NULL) says which.
 * NULL when out of memory. The pointer is valid until the next insertion.
 */
uint64_t *vds_map_put(struct vds_map *map, uint64_t key, bool *ret_new);

enum vds_seen {
	VDS_SEEN_NEW,		/* was not in the set, is now */
	VDS_SEEN_BEFORE,	/* was in the set */
	VDS_SEEN_NOMEM,
};

/* Uses the map as a set of visited addresses. */
enum vds_seen vds_set_add(struct vds_map *set, uint64_t key);
bool vds_set_has(const struct vds_map *set, uint64_t key);

#endif
