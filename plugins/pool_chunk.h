/* SPDX-License-Identifier: Apache-2.0 */
/* Between pool.c, pool_chunk.c and pool_bucket.c: segment heaps below pool. */
#ifndef PLUGINS_POOL_CHUNK_H
#define PLUGINS_POOL_CHUNK_H

#include <vadose/pool.h>

/*
 * A chunk of variable size, as its own header has it, or a block of a bucket, as
 * its subsegment has it.
 */
struct pool_chunk {
	uint64_t address;	/* of its header, if it has one */
	uint64_t size;		/* bytes, with that header */
	const char *kind;	/* "variable" or "bucket" */
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
/*
 * The block of a bucket that @address lies in. NOT_APPLICABLE if it lies in
 * none, BAD_DATA if the subsegment contradicts itself, NO_FIELD as above.
 */
enum vds_why pool_bucket_of(struct vds_run *run, uint64_t address,
			    struct pool_chunk *ret);

#endif
