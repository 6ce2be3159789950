/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel over memory that is nothing but the input: its bytes are the first
 * pages of kernel space (zeros follow), in whatever layout is bound.
 */
#ifndef FUZZ_KERNEL_H
#define FUZZ_KERNEL_H

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "image/format.h"
#include "nt/kernel.h"
#include "nt/task.h"

#define BASE UINT64_C(0xffff800000000000)
#define PAGES 16
#define MEMORY ((size_t)PAGES * 4096)
/* Tables for BASE, one page a level, behind the memory. */
#define TABLES MEMORY
#define TOTAL (MEMORY + 4 * 4096)

#define BIND(k, id, off, bytes)                                              \
	((k)->binding.fields[VDS_F_##id] = (struct vds_field){               \
		 .offset = (off), .size = (bytes), .present = true})
#define BIND_BITS(k, id, off, bytes, pos, len)                               \
	((k)->binding.fields[VDS_F_##id] = (struct vds_field){               \
		 .offset = (off), .size = (bytes), .bit_pos = (pos),         \
		 .bit_len = (len), .present = true})
#define SIZE(k, id, bytes) ((k)->binding.sizes[VDS_R_##id] = (bytes))
#define SYMBOL_AT(k, id, rva)                                                \
	((k)->binding.has_symbol[VDS_S_##id] = true,                         \
	 (k)->binding.rvas[VDS_S_##id] = (rva))

static size_t read_memory(const struct vds_image *image, uint64_t source,
			  void *buf, size_t len, bool sequential)
{
	(void)sequential;
	if (source >= TOTAL)
		return 0;
	len = VDS_MIN(len, TOTAL - (size_t)source);
	memcpy(buf, (const uint8_t *)image->ctx + source, len);
	return len;
}

/* BASE is slot 256 of the top table and slot 0 of the others. */
static void put_tables(uint8_t *memory)
{
	vds_put_le64(memory + TABLES + 256 * 8, (TABLES + 0x1000) | 0x63);
	vds_put_le64(memory + TABLES + 0x1000, (TABLES + 0x2000) | 0x63);
	vds_put_le64(memory + TABLES + 0x2000, (TABLES + 0x3000) | 0x63);
	for (uint64_t i = 0; i < PAGES; i++)
		vds_put_le64(memory + TABLES + 0x3000 + 8 * i,
			     i * 4096 | 0x63);
}

/* Binds the layout and walks the kernel whose memory begins with @data. */
static inline void fuzz_kernel(const uint8_t *data, size_t size,
			       void (*bind)(struct vds_kernel *kernel),
			       void (*walk)(struct vds_kernel *kernel))
{
	uint8_t *memory = calloc(1, TOTAL);
	struct vds_image image = {.path = "fuzz", .format = "raw",
				  .dialect = "", .read = read_memory,
				  .ctx = memory};
	struct vds_kernel *kernel = calloc(1, sizeof(*kernel));

	if (!memory || !kernel || size > MEMORY)
		goto out;
	memcpy(memory, data, size);
	put_tables(memory);
	vds_arena_init(&image.arena, 0);
	if (vds_image_add_range(&image, 0, TOTAL, 0, VDS_RANGE_DATA) ||
	    vds_ranges_finish(&image.ranges, &image.num_ranges,
			      &image.notes) ||
	    vds_range_index_init(&image.index, image.ranges, image.num_ranges))
		abort();
	kernel->image = &image;
	kernel->base = BASE;
	kernel->space = (struct vds_space){.image = &image, .dtb = TABLES,
					   .levels = 4, .id = 1};
	bind(kernel);
	walk(kernel);
	vds_notes_deinit(&kernel->notes);
	vds_arena_deinit(&kernel->arena);
	vds_range_index_deinit(&image.index);
	free(image.ranges);
	vds_notes_deinit(&image.notes);
	vds_arena_deinit(&image.arena);
out:
	free(kernel);
	free(memory);
}

#endif
