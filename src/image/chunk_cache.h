/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bounded cache of decoded chunks, shared by all threads that read an image
 * at random. A hit takes no lock: it pins the slot, checks the key again and
 * copies. A chunk is decoded by one thread while others that want it wait.
 */
#ifndef VDS_IMAGE_CHUNK_CACHE_H
#define VDS_IMAGE_CHUNK_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vds_chunk_cache;

/*
 * Decodes chunk @key into @buf (@cap bytes, the cache's chunk size) and returns
 * its length; 0 = the chunk is bad, which is remembered as well.
 */
typedef size_t vds_chunk_load(void *ctx, uint64_t key, void *buf, size_t cap);

/*
 * A cache for chunks of up to @chunk_size bytes that holds about @budget bytes,
 * never fewer than 8 chunks. Memory is taken as chunks come. NULL when out of
 * memory.
 */
struct vds_chunk_cache *vds_chunk_cache_create(size_t chunk_size,
					       size_t budget);
/* NULL accepted. No other thread may be reading. */
void vds_chunk_cache_destroy(struct vds_chunk_cache *cache);

/*
 * Copies up to @len bytes from @offset of chunk @key, if it is in the cache;
 * false if it isn't. *ret is short where the chunk is. Thread-safe.
 */
bool vds_chunk_cache_get(struct vds_chunk_cache *cache, uint64_t key,
			 size_t offset, void *buf, size_t len, size_t *ret);

/*
 * As vds_chunk_cache_get(), but calls @load for a chunk that isn't there. False
 * only if no slot could be had (memory is out, or each is being read): the
 * caller then decodes for himself. Keys are anything but UINT64_MAX.
 */
bool vds_chunk_cache_read(struct vds_chunk_cache *cache, uint64_t key,
			  size_t offset, void *buf, size_t len,
			  vds_chunk_load *load, void *ctx, size_t *ret);

#endif
