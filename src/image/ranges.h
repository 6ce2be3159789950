/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted, disjoint address ranges: how they become so, and how one is found. */
#ifndef VDS_IMAGE_RANGES_H
#define VDS_IMAGE_RANGES_H

#include "image/image.h"

/* More ranges than any machine has; sorting out overlaps takes 160 bytes each. */
#define VDS_RANGES_MAX ((size_t)1 << 20)
/* Physical addresses end here (x86-64's architectural limit). */
#define VDS_PA_LIMIT (UINT64_C(1) << 52)

/*
 * The address space cut into equal slices; first[i] is the first range that
 * ends after the start of slice i. Immutable, so threads share it without
 * writing anything, and a lookup costs one load plus the ranges of a slice.
 */
struct vds_range_index {
	uint32_t *first;	/* slices + 1 entries */
	uint64_t end;		/* one past the last range */
	unsigned int shift;	/* log2 of the slice size */
};

/* True if @next is nothing but the continuation of @range. */
static inline bool vds_range_continues(const struct vds_range *range,
				       const struct vds_range *next)
{
	return range->kind == next->kind &&
	       range->pa + range->len == next->pa &&
	       (range->kind == VDS_RANGE_ZERO ||
		range->source + range->len == next->source);
}

/*
 * Sorts @ranges (*count of them, malloc'ed, may be moved) by pa and resolves
 * overlaps: where two claim a byte, the one that came first in the array wins,
 * with a note ("range_overlap"). Neighbours that continue each other are
 * joined.
 */
struct vds_error *vds_ranges_finish(struct vds_range **ranges, size_t *count,
				    struct vds_notes *notes);

/* Builds the index over finished ranges. */
struct vds_error *vds_range_index_init(struct vds_range_index *index,
				       const struct vds_range *ranges,
				       size_t count);
void vds_range_index_deinit(struct vds_range_index *index);

/* The number of the first range that ends after @pa; count if there is none. */
static inline size_t vds_range_index_find(const struct vds_range_index *index,
					  const struct vds_range *ranges,
					  size_t count, uint64_t pa)
{
	if (pa >= index->end)
		return count;
	size_t slice = (size_t)(pa >> index->shift);
	size_t lo = index->first[slice], hi = index->first[slice + 1];
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (ranges[mid].pa + ranges[mid].len > pa)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

#endif
