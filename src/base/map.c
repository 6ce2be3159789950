/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

struct vds_map_slot {
	uint64_t key;	/* 0 = free */
	uint64_t value;
};

#define FIRST_SLOTS ((size_t)64)

/* Finaliser of MurmurHash3: page-aligned keys differ in few bits. */
static size_t hash(uint64_t k)
{
	k ^= k >> 33;
	k *= UINT64_C(0xff51afd7ed558ccd);
	k ^= k >> 33;
	k *= UINT64_C(0xc4ceb9fe1a85ec53);
	k ^= k >> 33;
	return (size_t)k;
}

void vds_map_deinit(struct vds_map *map)
{
	free(map->slots);
	*map = (struct vds_map){0};
}

void vds_map_clear(struct vds_map *map)
{
	if (map->slots)
		memset(map->slots, 0, (map->mask + 1) * sizeof(*map->slots));
	map->count = 0;
	map->has_zero = false;
}

static struct vds_map_slot *find(const struct vds_map *map, uint64_t key)
{
	size_t i = hash(key) & map->mask;
	while (map->slots[i].key && map->slots[i].key != key)
		i = (i + 1) & map->mask;
	return &map->slots[i];
}

static size_t num_slots(const struct vds_map *map)
{
	return map->slots ? map->mask + 1 : 0;
}

/* Is it too full for one entry more than @count? */
static bool is_full(size_t slots, size_t count)
{
	return count >= slots / 10 * 7 + slots % 10 * 7 / 10;
}

static bool resize(struct vds_map *map, size_t n)
{
	size_t old_n = num_slots(map);
	struct vds_map_slot *old = map->slots;
	struct vds_map_slot *slots = calloc(n, sizeof(*slots));
	if (!slots)
		return false;
	map->slots = slots;
	map->mask = n - 1;
	for (size_t i = 0; i < old_n; i++) {
		if (old[i].key)
			*find(map, old[i].key) = old[i];
	}
	free(old);
	return true;
}

static bool grow(struct vds_map *map)
{
	size_t n = num_slots(map);
	if (n > SIZE_MAX / 2)
		return false;
	return resize(map, n ? n * 2 : FIRST_SLOTS);
}

bool vds_map_reserve(struct vds_map *map, size_t count)
{
	size_t n = FIRST_SLOTS;
	while (is_full(n, count)) {
		if (n > SIZE_MAX / 2)
			return false;
		n *= 2;
	}
	return n <= num_slots(map) || resize(map, n);
}

uint64_t *vds_map_get(const struct vds_map *map, uint64_t key)
{
	if (!key)
		return map->has_zero ? (uint64_t *)&map->zero_value : NULL;
	if (!map->slots)
		return NULL;
	struct vds_map_slot *slot = find(map, key);
	return slot->key ? &slot->value : NULL;
}

uint64_t *vds_map_put(struct vds_map *map, uint64_t key, bool *ret_new)
{
	bool unused;
	if (!ret_new)
		ret_new = &unused;
	if (!key) {
		*ret_new = !map->has_zero;
		if (!map->has_zero)
			map->zero_value = 0;
		map->has_zero = true;
		return &map->zero_value;
	}
	if (is_full(num_slots(map), map->count) && !grow(map))
		return NULL;
	struct vds_map_slot *slot = find(map, key);
	*ret_new = !slot->key;
	if (!slot->key) {
		slot->key = key;
		slot->value = 0;
		map->count++;
	}
	return &slot->value;
}

enum vds_seen vds_set_add(struct vds_map *set, uint64_t key)
{
	bool is_new;
	if (!vds_map_put(set, key, &is_new))
		return VDS_SEEN_NOMEM;
	return is_new ? VDS_SEEN_NEW : VDS_SEEN_BEFORE;
}

bool vds_set_has(const struct vds_map *set, uint64_t key)
{
	return vds_map_get(set, key) != NULL;
}
