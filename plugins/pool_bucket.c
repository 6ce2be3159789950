/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of low-fragmentation buckets of a segment heap, which have no header of
 * their own. The heap's segments are aligned to their size, and begin with a
 * signature that names their context; an array of descriptors says what each
 * run of pages is; a subsegment of a bucket says how large its blocks are, and
 * has two bits for each (M. V. Yason, "Windows 10 Segment Heap Internals", 2016;
 * C. Bayet, P. Fariello, "Scoop the Windows 10 pool!", 2020; the flags are those
 * that RtlpHpFreeHeap tests, and that WinDbg scripts for pools read).
 */
#include "pool_chunk.h"

#include <vadose/record.h>

#define SIGNATURE UINT64_C(0xa2e64eada2e64ead)
/* Of _HEAP_PAGE_RANGE_DESCRIPTOR.RangeFlags. */
#define RANGE_ALLOCATED 0x1u
#define RANGE_FIRST 0x2u
#define RANGE_KIND 0xcu
#define RANGE_LFH 0x8u
/* Blocks whose bits a word of the bitmap holds; the lower bit: in use. */
#define BLOCKS_PER_WORD 32u

struct heap {
	struct vds_run *run;
	uint64_t heap_key, lfh_key;
	const struct vds_type *segment, *context, *range, *subsegment;
	uint64_t range_size;
	uint32_t bitmap;	/* offset in the subsegment */
};

static enum vds_why open_heap(struct vds_run *run, struct heap *h)
{
	const struct vds_type *globals =
		vds_type_find(run, "_RTLP_HP_HEAP_GLOBALS");
	struct vds_member_info bitmap;
	uint64_t va;
	enum vds_why why;

	*h = (struct heap){
		.run = run,
		.segment = vds_type_find(run, "_HEAP_PAGE_SEGMENT"),
		.context = vds_type_find(run, "_HEAP_SEG_CONTEXT"),
		.range = vds_type_find(run, "_HEAP_PAGE_RANGE_DESCRIPTOR"),
		.subsegment = vds_type_find(run, "_HEAP_LFH_SUBSEGMENT"),
	};
	h->range_size = vds_type_size(h->range);
	if (!h->range_size ||
	    !vds_type_member_find(h->subsegment, "BlockBitmap", &bitmap) ||
	    vds_symbol_address(run, "RtlpHpHeapGlobals", &va))
		return VDS_NO_FIELD;
	h->bitmap = bitmap.offset;
	why = vds_kernel_member(run, va, globals, "HeapKey", &h->heap_key);
	return why ? why : vds_kernel_member(run, va, globals, "LfhKey",
					     &h->lfh_key);
}

/* One run of pages of a segment. */
struct range {
	uint64_t start, size;
	uint64_t flags;
};

static bool read_range(const struct heap *h, uint64_t segment, uint64_t index,
		       struct range *ret, uint64_t *ret_units)
{
	uint64_t va = segment + index * h->range_size;

	return !vds_kernel_member(h->run, va, h->range, "RangeFlags",
				  &ret->flags) &&
	       !vds_kernel_member(h->run, va, h->range, "UnitSize", ret_units);
}

/* The run that @address lies in, if @mask is that of its segment. */
static bool find_range(const struct heap *h, uint64_t address, uint64_t mask,
		       struct range *ret)
{
	uint64_t segment = address & mask, index = 0, units = 0;
	uint64_t signature, context, own_mask, shift;

	if (vds_kernel_member(h->run, segment, h->segment, "Signature",
			      &signature))
		return false;
	context = signature ^ h->heap_key ^ segment ^ SIGNATURE;
	if (!(context >> 63) ||
	    vds_kernel_member(h->run, context, h->context, "SegmentMask",
			      &own_mask) ||
	    vds_kernel_member(h->run, context, h->context, "UnitShift",
			      &shift) ||
	    own_mask != mask || shift < 12 || shift > 20)
		return false;
	index = (address - segment) >> shift;
	if (!read_range(h, segment, index, ret, &units))
		return false;
	/* Behind the first unit, the same byte says how far. */
	if (!(ret->flags & RANGE_FIRST)) {
		if (units > index)
			return false;
		index -= units;
		if (!read_range(h, segment, index, ret, &units))
			return false;
	}
	ret->start = segment + (index << shift);
	ret->size = units << shift;
	return (ret->flags & RANGE_FIRST) && (ret->flags & RANGE_ALLOCATED) &&
	       address - ret->start < ret->size;
}

/* The block at @address of a bucket's subsegment. */
static enum vds_why find_block(const struct heap *h, const struct range *range,
			       uint64_t address, struct pool_chunk *ret)
{
	uint64_t at = range->start, count, encoded, word;
	enum vds_why why = vds_kernel_member(h->run, at, h->subsegment,
					     "BlockCount", &count);

	if (!why)
		why = vds_kernel_member(h->run, at, h->subsegment,
					"BlockOffsets.EncodedData", &encoded);
	if (why)
		return why;
	encoded ^= h->lfh_key ^ at >> 12;
	uint64_t size = encoded & 0xffff, first = encoded >> 16 & 0xffff;
	if (!size || size % 16 || first < h->bitmap ||
	    first + count * size > range->size)
		return VDS_BAD_DATA;
	if (address < at + first)
		return VDS_NOT_APPLICABLE;
	uint64_t index = (address - at - first) / size;
	if (index >= count)
		return VDS_NOT_APPLICABLE;
	why = vds_kernel_uint(h->run,
			      at + h->bitmap + index / BLOCKS_PER_WORD * 8, 8,
			      &word);
	if (why)
		return why;
	*ret = (struct pool_chunk){
		.address = at + first + index * size, .size = size,
		.kind = "bucket",
		.allocated = word >> index % BLOCKS_PER_WORD * 2 & 1,
	};
	return VDS_PRESENT;
}

enum vds_why pool_bucket_of(struct vds_run *run, uint64_t address,
			    struct pool_chunk *ret)
{
	/* Of small pages, and of larger units. */
	static const uint64_t masks[] = {~UINT64_C(0xfffff),
					 ~UINT64_C(0xffffff)};
	struct range range;
	struct heap h;
	enum vds_why why = open_heap(run, &h);

	for (size_t i = 0; !why && i < sizeof(masks) / sizeof(*masks); i++) {
		if (find_range(&h, address, masks[i], &range))
			return (range.flags & RANGE_KIND) == RANGE_LFH ?
				       find_block(&h, &range, address, ret) :
				       VDS_NOT_APPLICABLE;
	}
	return why ? why : VDS_NOT_APPLICABLE;
}
