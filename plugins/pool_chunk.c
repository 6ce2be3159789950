/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From 1809 on pool lies in segment heaps. A block of variable size has a chunk
 * header before its POOL_HEADER, whose sizes are XORed with the heap's key and
 * the header's own address (C. Bayet, P. Fariello, "Scoop the Windows 10 pool!",
 * 2020).
 */
#include "pool_chunk.h"

#include <vadose/record.h>

/* Sizes of chunks are in units of 16 bytes. */
#define UNIT 16

struct sizes {
	uint64_t size, previous, allocated;
};

/* A member of the decoded first eight bytes. */
static bool take(const struct vds_type *type, const char *path,
		 const uint8_t *raw, uint64_t *ret)
{
	struct vds_member_info member;

	return vds_type_member_find(type, path, &member) &&
	       !vds_member_value(&member, raw, 8, ret);
}

static enum vds_why read_sizes(struct vds_run *run, uint64_t chunk,
			       uint64_t key, struct sizes *ret)
{
	const struct vds_type *type =
		vds_type_find(run, "_HEAP_VS_CHUNK_HEADER");
	uint64_t bits;
	uint8_t raw[8];
	enum vds_why why = vds_kernel_member(run, chunk, type,
					     "Sizes.HeaderBits", &bits);

	if (why)
		return why;
	bits ^= chunk ^ key;
	for (int i = 0; i < 8; i++)
		raw[i] = (uint8_t)(bits >> 8 * i);
	return take(type, "Sizes.UnsafeSize", raw, &ret->size) &&
	       take(type, "Sizes.UnsafePrevSize", raw, &ret->previous) &&
	       take(type, "Sizes.Allocated", raw, &ret->allocated) ?
		       VDS_PRESENT : VDS_NO_FIELD;
}

enum vds_why pool_chunk_of(struct vds_run *run,
			   const struct vds_pool_block *block,
			   struct pool_chunk *ret)
{
	uint64_t header = vds_type_size(vds_type_find(
		run, "_HEAP_VS_CHUNK_HEADER"));
	uint64_t globals, key, chunk;
	struct sizes own, next;
	enum vds_why why;

	if (!header || block->address < header ||
	    vds_symbol_address(run, "RtlpHpHeapGlobals", &globals))
		return VDS_NO_FIELD;
	why = vds_kernel_member(run, globals,
				vds_type_find(run, "_RTLP_HP_HEAP_GLOBALS"),
				"HeapKey", &key);
	if (why)
		return why;
	chunk = block->address - header;
	why = read_sizes(run, chunk, key, &own);
	/* A block that starts a page may have nothing before it: no chunk. */
	if (why)
		return why != VDS_NOT_MAPPED ? why : VDS_NOT_APPLICABLE;
	if (own.allocated > 1 || own.size * UNIT < header + block->size)
		return VDS_NOT_APPLICABLE;
	why = read_sizes(run, chunk + own.size * UNIT, key, &next);
	if (why || next.previous != own.size)
		return why && why != VDS_NOT_MAPPED ? why : VDS_NOT_APPLICABLE;
	*ret = (struct pool_chunk){chunk, own.size * UNIT, "variable",
				   own.allocated};
	return VDS_PRESENT;
}
