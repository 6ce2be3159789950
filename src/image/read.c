/* SPDX-License-Identifier: Apache-2.0 */
/* Reading an open image: small random reads, and sequential scans. */
#include <string.h>

#include "base/util.h"
#include "image/format.h"

static size_t fetch(const struct vds_image *image, uint64_t source, void *buf,
		    size_t len, bool sequential)
{
	if (image->read)
		return image->read(image, source, buf, len, sequential);
	return sequential ? vds_file_pread(image->file, source, buf, len) :
			    vds_file_read(image->file, source, buf, len);
}

/* Why a read inside a DATA range came back short. */
static enum vds_why why_short(const struct vds_image *image)
{
	return image->read && !vds_image_shrunk(image) ? VDS_BAD_DATA :
							 VDS_NOT_IN_IMAGE;
}

/*
 * Reads that begin in range @i and may go on into its neighbours. @refused: a
 * kind that counts as not there, besides UNREADABLE.
 */
static enum vds_why read_across(const struct vds_image *image, size_t i,
				uint64_t pa, char *buf, size_t len,
				enum vds_range_kind refused)
{
	while (len) {
		if (i == image->num_ranges || pa < image->ranges[i].pa)
			return VDS_NOT_IN_IMAGE;
		const struct vds_range *range = &image->ranges[i++];
		uint64_t skip = pa - range->pa;
		size_t n = (size_t)VDS_MIN((uint64_t)len, range->len - skip);
		if (range->kind == VDS_RANGE_UNREADABLE ||
		    range->kind == refused)
			return VDS_NOT_IN_IMAGE;
		if (range->kind == VDS_RANGE_ZERO)
			memset(buf, 0, n);
		else if (fetch(image, range->source + skip, buf, n, false) < n)
			return why_short(image);
		pa += n;
		buf += n;
		len -= n;
	}
	return VDS_PRESENT;
}

static enum vds_why read_at(const struct vds_image *image, uint64_t pa,
			    void *buf, size_t len, enum vds_range_kind refused)
{
	if (!len)
		return VDS_PRESENT;
	size_t i = vds_range_index_find(&image->index, image->ranges,
					image->num_ranges, pa);
	if (i < image->num_ranges && !image->read) {
		const struct vds_range *range = &image->ranges[i];
		uint64_t skip = pa - range->pa;	/* wraps in a gap: too large */
		if (range->kind == VDS_RANGE_DATA && skip < range->len &&
		    len <= range->len - skip)
			return vds_file_read(image->file, range->source + skip,
					     buf, len) == len ?
				       VDS_PRESENT : VDS_NOT_IN_IMAGE;
	}
	return read_across(image, i, pa, buf, len, refused);
}

enum vds_why vds_image_read(const struct vds_image *image, uint64_t pa,
			    void *buf, size_t len)
{
	return read_at(image, pa, buf, len, VDS_RANGE_UNREADABLE);
}

enum vds_why vds_image_read_table(const struct vds_image *image, uint64_t pa,
				  void *buf, size_t len)
{
	return read_at(image, pa, buf, len, VDS_RANGE_CONSTANT);
}

enum vds_why vds_image_read_blocks(const struct vds_image *image,
				   const struct vds_virtual_block *blocks,
				   size_t count, uint64_t va, void *buf,
				   size_t len)
{
	char *out = buf;
	size_t lo = 0, hi = count;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (blocks[mid].va + (blocks[mid].len - 1) >= va)
			hi = mid;
		else
			lo = mid + 1;
	}
	for (; len; lo++) {
		if (lo == count || va < blocks[lo].va)
			return VDS_NOT_IN_IMAGE;
		const struct vds_virtual_block *block = &blocks[lo];
		uint64_t skip = va - block->va;
		size_t n = (size_t)VDS_MIN((uint64_t)len, block->len - skip);
		if (fetch(image, block->source + skip, out, n, false) < n)
			return why_short(image);
		va += n;
		out += n;
		len -= n;
	}
	return VDS_PRESENT;
}

enum vds_why vds_image_read_virtual(const struct vds_image *image, uint64_t va,
				    void *buf, size_t len)
{
	return vds_image_read_blocks(image, image->blocks, image->num_blocks,
				     va, buf, len);
}

enum vds_why vds_image_read_source(const struct vds_image *image,
				   uint64_t source, void *buf, size_t len)
{
	return fetch(image, source, buf, len, false) < len ?
		       why_short(image) : VDS_PRESENT;
}

uint64_t vds_image_lost(const struct vds_image *image,
			const struct vds_range *range, uint64_t pa)
{
	uint64_t left = range->pa + range->len - pa;
	uint64_t lost = VDS_PAGE_SIZE - (pa & VDS_PAGE_MASK);
	if (image->lost)
		lost = image->lost(image, range->source + (pa - range->pa));
	return VDS_MAX(VDS_MIN(lost, left), 1);
}

/* Below this, reading a hole's zeros is cheaper than asking for its end. */
#define SMALL_STEP ((uint64_t)1 << 16)

/*
 * Trims a step to what a sparse file really holds. False: nothing is left of
 * the range. *pa stays page aligned as far as the range allows it.
 */
static bool skip_holes(const struct vds_image *image,
		       const struct vds_range *range, uint64_t *pa, size_t *n)
{
	uint64_t source = range->source + (*pa - range->pa);
	uint64_t data = vds_file_next_data(image->file, source);
	if (data - range->source >= range->len)
		return false;
	if (data > source) {
		uint64_t to = (range->pa + (data - range->source)) &
			      ~VDS_PAGE_MASK;
		*pa = VDS_MAX(*pa, to);
		source = range->source + (*pa - range->pa);
	}
	uint64_t hole = vds_file_next_hole(image->file,
					   VDS_MAX(source, data));
	uint64_t most = VDS_MAX(hole - source, SMALL_STEP);
	most = VDS_MIN(most, range->len - (*pa - range->pa));
	*n = (size_t)VDS_MIN((uint64_t)*n, most);
	return true;
}

size_t vds_image_scan(const struct vds_image *image, uint64_t *pa, void *buf,
		      size_t len)
{
	size_t i = vds_range_index_find(&image->index, image->ranges,
					image->num_ranges, *pa);
	uint64_t at = *pa;
	bool ask = image->sparse && !image->read;
	while (i < image->num_ranges) {
		const struct vds_range *range = &image->ranges[i];
		at = VDS_MAX(at, range->pa);
		uint64_t left = range->pa + range->len - at;
		size_t n = (size_t)VDS_MIN((uint64_t)len, left);
		if (!left || range->kind != VDS_RANGE_DATA ||
		    (ask && !skip_holes(image, range, &at, &n))) {
			i++;
			continue;
		}
		n = fetch(image, range->source + (at - range->pa), buf, n,
			  true);
		if (n) {
			*pa = at;
			return n;
		}
		/*
		 * A damaged spot: go on behind it. If the file has shrunk,
		 * the system knows that nothing follows.
		 */
		ask = !image->read;
		at += vds_image_lost(image, range, at);
	}
	return 0;
}
