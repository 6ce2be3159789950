/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A physical memory of a few pages in a buffer, seen as an image: what the
 * tests of paging and of the kernel's structures build their worlds in.
 */
#ifndef VDS_TEST_TESTMEM_H
#define VDS_TEST_TESTMEM_H

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "image/format.h"

struct testmem {
	struct vds_image image;
	uint8_t *bytes;
	size_t size;
};

static inline size_t testmem_read(const struct vds_image *image,
				  uint64_t source, void *buf, size_t len,
				  bool sequential)
{
	const struct testmem *mem = image->ctx;
	(void)sequential;
	if (source >= mem->size)
		return 0;
	len = VDS_MIN(len, mem->size - (size_t)source);
	memcpy(buf, mem->bytes + source, len);
	return len;
}

/* What of `bytes` the image has: sources are offsets of it. */
static inline void testmem_set_ranges(struct testmem *mem,
				      const struct vds_range *ranges,
				      size_t count)
{
	struct vds_image *image = &mem->image;
	vds_range_index_deinit(&image->index);
	free(image->ranges);
	image->ranges = NULL;
	image->num_ranges = image->cap_ranges = 0;
	for (size_t i = 0; i < count; i++) {
		if (vds_image_add_range(image, ranges[i].pa, ranges[i].len,
					ranges[i].source, ranges[i].kind))
			abort();
	}
	if (vds_ranges_finish(&image->ranges, &image->num_ranges,
			      &image->notes) ||
	    vds_range_index_init(&image->index, image->ranges,
				 image->num_ranges))
		abort();
}

/* Physical memory [0, size); @size is in bytes, a multiple of 4096. */
static inline void testmem_init(struct testmem *mem, size_t size)
{
	memset(mem, 0, sizeof(*mem));
	mem->bytes = calloc(1, size ? size : 1);
	mem->size = size;
	vds_arena_init(&mem->image.arena, 0);
	mem->image.path = "testmem";
	mem->image.format = "raw";
	mem->image.dialect = "";
	mem->image.read = testmem_read;
	mem->image.ctx = mem;
	struct vds_range all = {.len = size};
	if (!mem->bytes)
		abort();
	testmem_set_ranges(mem, &all, size ? 1 : 0);
}

static inline void testmem_deinit(struct testmem *mem)
{
	vds_range_index_deinit(&mem->image.index);
	free(mem->image.ranges);
	vds_notes_deinit(&mem->image.notes);
	vds_arena_deinit(&mem->image.arena);
	free(mem->bytes);
}

static inline void testmem_put64(struct testmem *mem, uint64_t pa, uint64_t v)
{
	vds_put_le64(mem->bytes + pa, v);
}

static inline void testmem_put32(struct testmem *mem, uint64_t pa, uint32_t v)
{
	vds_put_le32(mem->bytes + pa, v);
}

static inline uint64_t testmem_get64(const struct testmem *mem, uint64_t pa)
{
	return vds_le64(mem->bytes + pa);
}

/*
 * Maps the 4 KiB page at @va to @pa in the tables below @dtb (4 levels),
 * taking pages for new tables from *next on. Flags are those of the leaf;
 * tables of the upper half are the supervisor's.
 */
static inline void testmem_map(struct testmem *mem, uint64_t dtb,
			       uint64_t *next, uint64_t va, uint64_t pa,
			       uint64_t flags)
{
	uint64_t table = dtb;
	for (unsigned int shift = 39; shift > 12; shift -= 9) {
		uint64_t slot = table + ((va >> shift) & 0x1ff) * 8;
		uint64_t entry = testmem_get64(mem, slot);
		if (!entry) {
			entry = *next | (va >> 63 ? 0x63 : 0x67);
			*next += 4096;
			testmem_put64(mem, slot, entry);
		}
		table = entry & UINT64_C(0x000ffffffffff000);
	}
	testmem_put64(mem, table + ((va >> 12) & 0x1ff) * 8, pa | flags);
}

#endif
