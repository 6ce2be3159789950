/* SPDX-License-Identifier: Apache-2.0 */
/* pool: the block of kernel pool that an address lies in. */
#include "pool_chunk.h"

#include <vadose/plugin.h>
#include <vadose/pool.h>

enum {
	COL_QUERY,
	COL_ADDRESS,
	COL_DATA,
	COL_SIZE,
	COL_PREVIOUS,
	COL_STATE,
	COL_TAG,
	COL_PROTECTED,
	COL_TYPE,
	COL_TYPE_RAW,
	COL_METHOD,
	COL_CHUNK,
	COL_CHUNK_SIZE,
	COL_CHUNK_ALLOCATED,
	COL_CHUNK_KIND,
	NUM_COLS,
};

static const struct vds_column columns[NUM_COLS] = {
	[COL_QUERY] = {"query.address", VDS_KIND_ADDR, VDS_COLUMN_KEY, "Query", NULL, "address that was asked for", NULL},
	[COL_ADDRESS] = {"pool.address", VDS_KIND_ADDR, 0, "Block", NULL, "of the POOL_HEADER, or of a big allocation", NULL},
	[COL_DATA] = {"pool.data", VDS_KIND_ADDR, 0, "Data", NULL, "first byte that the owner sees", NULL},
	[COL_SIZE] = {"pool.size", VDS_KIND_SIZE, 0, "Size", "bytes", "of the block with its header", NULL},
	[COL_PREVIOUS] = {"pool.previous_size", VDS_KIND_SIZE, 0, "Previous", "bytes", "size of the block before it in its page; segment heaps have none", NULL},
	[COL_STATE] = {"pool.state", VDS_KIND_STR, 0, "State", NULL, "allocated or free", NULL},
	[COL_TAG] = {"pool.tag", VDS_KIND_STR, 0, "Tag", NULL, "tag of whoever allocated it", NULL},
	[COL_PROTECTED] = {"pool.protected", VDS_KIND_BOOL, VDS_COLUMN_WIDE, NULL, NULL, "bit 31 of the tag: freed with its tag only", NULL},
	[COL_TYPE] = {"pool.type", VDS_KIND_STR, 0, "Type", NULL, "pool that a big allocation came from", NULL},
	[COL_TYPE_RAW] = {"pool.type_raw", VDS_KIND_HEX, VDS_COLUMN_WIDE, NULL, NULL, "PoolType as stored", NULL},
	[COL_METHOD] = {"pool.method", VDS_KIND_STR, 0, "Found by", NULL, "big-page table, chain (block sizes from the start of the page), or header (the nearest plausible one: weakest)", NULL},
	[COL_CHUNK] = {"pool.chunk.address", VDS_KIND_ADDR, VDS_COLUMN_WIDE, "Chunk", NULL, "segment heap: the HEAP_VS_CHUNK_HEADER before it, if that and the next one agree, or the block of a low-fragmentation bucket, by its subsegment", NULL},
	[COL_CHUNK_SIZE] = {"pool.chunk.size", VDS_KIND_SIZE, VDS_COLUMN_WIDE, "Chunk size", "bytes", "of the chunk or block, by the same", NULL},
	[COL_CHUNK_ALLOCATED] = {"pool.chunk.allocated", VDS_KIND_BOOL, VDS_COLUMN_WIDE, "In use", NULL, "by the chunk's header or the bucket's bitmap: what the heap itself says, while a freed block keeps its tag", NULL},
	[COL_CHUNK_KIND] = {"pool.chunk.kind", VDS_KIND_STR, VDS_COLUMN_WIDE, "Chunk kind", NULL, "variable (a chunk with a header) or bucket (a block of a low-fragmentation bucket)", NULL},
};

static const struct vds_option options[] = {
	{"address", VDS_OPTION_UINTS, VDS_OPTION_POSITIONAL | VDS_OPTION_REQUIRED, "ADDR", NULL, NULL, "kernel addresses"},
};

/* @block: NULL if no header of one was found. */
static void fill_chunk(struct vds_run *run, uint64_t address,
		       const struct vds_pool_block *block, struct vds_value *v)
{
	struct pool_chunk chunk = {0};
	enum vds_why why = block ? pool_chunk_of(run, block, &chunk) :
				   VDS_NOT_APPLICABLE;

	if (why == VDS_NOT_APPLICABLE)
		why = pool_bucket_of(run, address, &chunk);
	v[COL_CHUNK] = vds_or(why, vds_addr(chunk.address));
	if (why)
		return;
	v[COL_CHUNK_SIZE] = vds_size(chunk.size);
	v[COL_CHUNK_ALLOCATED] = vds_bool(chunk.allocated);
	v[COL_CHUNK_KIND] = vds_str(chunk.kind);
}

static void fill(struct vds_run *run, uint64_t address,
		 const struct vds_pool_block *block, struct vds_value *v)
{
	bool big = block->method == VDS_POOL_BIG_PAGES;
	v[COL_ADDRESS] = vds_addr(block->address);
	v[COL_DATA] = vds_addr(block->data);
	v[COL_SIZE] = vds_size(block->size);
	if (!big && !vds_pool_is_segment_heap(run))
		v[COL_PREVIOUS] = vds_size(block->previous_size);
	v[COL_STATE] = vds_str(block->allocated ? "allocated" : "free");
	v[COL_TAG] = vds_str(vds_pool_tag_str(run, block->tag));
	v[COL_PROTECTED] = vds_bool(block->tag >> 31);
	if (big)
		v[COL_TYPE] = vds_str(vds_pool_type_str(run, block->pool_type));
	v[COL_TYPE_RAW] = vds_hex(block->pool_type);
	v[COL_METHOD] = vds_str(vds_pool_method_str(block->method));
	if (!big && vds_pool_is_segment_heap(run))
		fill_chunk(run, address, block, v);
}

static struct vds_error *run_pool(struct vds_run *run,
				  const struct vds_process *process)
{
	const struct vds_big_page *big;
	enum vds_why why;
	size_t num_big, count;
	const uint64_t *addresses = vds_option_uints(run, "address", &count);
	(void)process;
	struct vds_error *err = vds_big_pages_load(run, &big, &num_big, &why);
	if (err)
		return err;
	if (why)
		vds_run_note(run, "no_big_pages", 0,
			     "the table of big allocations: %s",
			     vds_why_str(why));
	for (size_t i = 0; i < count; i++) {
		struct vds_value v[NUM_COLS] = {0};
		struct vds_pool_block block;
		v[COL_QUERY] = vds_addr(addresses[i]);
		why = vds_pool_block_at(run, addresses[i], big, num_big,
					&block);
		if (!why)
			fill(run, addresses[i], &block, v);
		else
			v[COL_ADDRESS] = vds_absent(why);
		if (why && vds_pool_is_segment_heap(run))
			fill_chunk(run, addresses[i], NULL, v);
		err = vds_emit(run, v);
		if (err)
			return err;
	}
	return NULL;
}

VDS_PLUGIN(pool) = {
	VDS_PLUGIN_HEADER(pool),
	.version = "1.0.0",
	.summary = "the block of kernel pool that an address lies in",
	.record = "pool_block",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_pool,
};
