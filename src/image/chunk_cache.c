/* SPDX-License-Identifier: Apache-2.0 */
#include "image/chunk_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/util.h"

#define WAYS 8
#define NO_KEY UINT64_MAX
#define SETS_MAX 4096	/* however small the chunks */
/* In `pins`: a thread is replacing the slot's chunk; readers back off. */
#define EXCLUSIVE UINT32_C(0x80000000)

struct slot {
	_Atomic uint64_t key;
	_Atomic uint32_t pins;	/* readers copying, and EXCLUSIVE */
	atomic_bool used;	/* since the replacement hand last passed */
	size_t len;
	uint8_t *data;
};

struct set {
	pthread_mutex_t lock;	/* held while one of the slots is replaced */
	unsigned int hand;
	struct slot slots[WAYS];
};

/*
 * Slots get their memory from blocks of this size in the order of first use.
 * Huge pages: filling the cache costs a few page faults, not thousands.
 */
#define BLOCK_SIZE ((size_t)2 << 20)

struct vds_chunk_cache {
	size_t chunk_size;
	size_t num_sets;	/* a power of two */
	struct set *sets;
	pthread_mutex_t memory;	/* over the rest */
	uint8_t **blocks;
	size_t num_blocks, cap_blocks;
	size_t block_used;	/* bytes of the last block */
};

struct vds_chunk_cache *vds_chunk_cache_create(size_t chunk_size,
					       size_t budget)
{
	struct vds_chunk_cache *cache = calloc(1, sizeof(*cache));
	if (!cache)
		return NULL;
	cache->chunk_size = chunk_size;
	cache->num_sets = 1;
	while (cache->num_sets < SETS_MAX &&
	       cache->num_sets * 2 * WAYS <= budget / VDS_MAX(chunk_size, 1u))
		cache->num_sets *= 2;
	cache->sets = calloc(cache->num_sets, sizeof(*cache->sets));
	if (!cache->sets) {
		free(cache);
		return NULL;
	}
	pthread_mutex_init(&cache->memory, NULL);
	for (size_t i = 0; i < cache->num_sets; i++) {
		pthread_mutex_init(&cache->sets[i].lock, NULL);
		for (size_t k = 0; k < WAYS; k++)
			atomic_init(&cache->sets[i].slots[k].key, NO_KEY);
	}
	return cache;
}

void vds_chunk_cache_destroy(struct vds_chunk_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; i < cache->num_sets; i++)
		pthread_mutex_destroy(&cache->sets[i].lock);
	pthread_mutex_destroy(&cache->memory);
	for (size_t i = 0; i < cache->num_blocks; i++)
		free(cache->blocks[i]);
	free(cache->blocks);
	free(cache->sets);
	free(cache);
}

static struct set *set_of(struct vds_chunk_cache *cache, uint64_t key)
{
	uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15);
	return &cache->sets[(h >> 32) & (cache->num_sets - 1)];
}

static size_t copy_out(const struct slot *slot, size_t offset, void *buf,
		       size_t len)
{
	if (offset >= slot->len)
		return 0;
	len = VDS_MIN(len, slot->len - offset);
	memcpy(buf, slot->data + offset, len);
	return len;
}

/* Copies from the slot that holds @key, if one does. */
static bool get_from_set(struct set *set, uint64_t key, size_t offset,
			 void *buf, size_t len, size_t *ret)
{
	for (size_t i = 0; i < WAYS; i++) {
		struct slot *slot = &set->slots[i];
		if (atomic_load_explicit(&slot->key, memory_order_relaxed) !=
		    key)
			continue;
		uint32_t pins = atomic_fetch_add_explicit(
			&slot->pins, 1, memory_order_acquire);
		/* It may have been replaced before the pin was in. */
		bool hit = !(pins & EXCLUSIVE) &&
			   atomic_load_explicit(&slot->key,
						memory_order_relaxed) == key;
		if (hit) {
			*ret = copy_out(slot, offset, buf, len);
			if (!atomic_load_explicit(&slot->used,
						  memory_order_relaxed))
				atomic_store_explicit(&slot->used, true,
						      memory_order_relaxed);
		}
		atomic_fetch_sub_explicit(&slot->pins, 1,
					  memory_order_release);
		if (hit)
			return true;
	}
	return false;
}

bool vds_chunk_cache_get(struct vds_chunk_cache *cache, uint64_t key,
			 size_t offset, void *buf, size_t len, size_t *ret)
{
	return get_from_set(set_of(cache, key), key, offset, buf, len, ret);
}

static uint8_t *new_block(struct vds_chunk_cache *cache)
{
	/* A chunk that is larger than a block has one for itself. */
	size_t size = (VDS_MAX(cache->chunk_size, BLOCK_SIZE) + BLOCK_SIZE - 1) /
		      BLOCK_SIZE * BLOCK_SIZE;
	if (cache->num_blocks == cache->cap_blocks) {
		size_t cap = cache->cap_blocks ? cache->cap_blocks * 2 : 16;
		uint8_t **more = realloc(cache->blocks, cap * sizeof(*more));
		if (!more)
			return NULL;
		cache->blocks = more;
		cache->cap_blocks = cap;
	}
	uint8_t *block = aligned_alloc(BLOCK_SIZE, size);
	if (!block)
		return NULL;
	madvise(block, size, MADV_HUGEPAGE);	/* or not: only slower */
	cache->blocks[cache->num_blocks++] = block;
	cache->block_used = 0;
	return block;
}

/* Memory for one chunk, freed with the cache; NULL when there is none. */
static uint8_t *chunk_memory(struct vds_chunk_cache *cache)
{
	uint8_t *block = NULL;
	pthread_mutex_lock(&cache->memory);
	if (cache->num_blocks &&
	    cache->block_used + cache->chunk_size <= BLOCK_SIZE)
		block = cache->blocks[cache->num_blocks - 1];
	else
		block = new_block(cache);
	if (block) {
		block += cache->block_used;
		cache->block_used += cache->chunk_size;
	}
	pthread_mutex_unlock(&cache->memory);
	return block;
}

/* A slot taken exclusively, second chance for those in use; NULL if none. */
static struct slot *take_slot(struct vds_chunk_cache *cache, struct set *set)
{
	for (size_t i = 0; i < 3 * WAYS; i++) {
		struct slot *slot = &set->slots[set->hand++ % WAYS];
		uint32_t unpinned = 0;
		if (i < 2 * WAYS && atomic_exchange(&slot->used, false))
			continue;
		if (!atomic_compare_exchange_strong_explicit(
			    &slot->pins, &unpinned, EXCLUSIVE,
			    memory_order_acquire, memory_order_relaxed))
			continue;
		if (!slot->data)
			slot->data = chunk_memory(cache);
		if (slot->data)
			return slot;
		atomic_fetch_sub(&slot->pins, EXCLUSIVE);
	}
	return NULL;
}

bool vds_chunk_cache_read(struct vds_chunk_cache *cache, uint64_t key,
			  size_t offset, void *buf, size_t len,
			  vds_chunk_load *load, void *ctx, size_t *ret)
{
	struct set *set = set_of(cache, key);
	if (get_from_set(set, key, offset, buf, len, ret))
		return true;
	pthread_mutex_lock(&set->lock);
	/* Whoever held the lock may have brought it. */
	bool hit = get_from_set(set, key, offset, buf, len, ret);
	struct slot *slot = hit ? NULL : take_slot(cache, set);
	if (slot) {
		atomic_store_explicit(&slot->key, NO_KEY, memory_order_relaxed);
		slot->len = load(ctx, key, slot->data, cache->chunk_size);
		*ret = copy_out(slot, offset, buf, len);
		atomic_store_explicit(&slot->used, true, memory_order_relaxed);
		atomic_store_explicit(&slot->key, key, memory_order_relaxed);
		/* Readers that bounced off may still be counted: subtract. */
		atomic_fetch_sub_explicit(&slot->pins, EXCLUSIVE,
					  memory_order_release);
	}
	pthread_mutex_unlock(&set->lock);
	return hit || slot;
}
