/* SPDX-License-Identifier: Apache-2.0 */
/* Between pool.c and pool_chunk.c: segment heaps below the pool. */
#ifndef PLUGINS_POOL_CHUNK_H
#define PLUGINS_POOL_CHUNK_H

#include <vadose/pool.h>

/* A chunk of a variable-size subsegment, as its own header has it. */
struct pool_chunk {
	uint64_t address;	/* of the HEAP_VS_CHUNK_HEADER */
	uint64_t size;		/* bytes, with that header */
	bool allocated;
};

/*
 * The chunk that @block fills, in *ret: PRESENT if a header before it decodes
 * with the heap's key, holds the block, and the next chunk says the same of it.
 * NOT_APPLICABLE if nothing of that is so (a block of a low-fragmentation
 * bucket has no header of its own), NO_FIELD if the profile can't tell.
 */
enum vds_why pool_chunk_of(struct vds_run *run,
			   const struct vds_pool_block *block,
			   struct pool_chunk *ret);

#endif
