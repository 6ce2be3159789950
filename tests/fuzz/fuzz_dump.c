/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dump header is 8 KiB of mostly "PAGE", so the input is a list of patches:
 * u8 flags (1: 64-bit), u16 bytes behind the header; then {u16 offset, u8
 * length, bytes} each.
 */
#include "image/image.h"

static void fuzz_kernel(const struct vds_image *image);
#define FUZZ_MORE fuzz_kernel
#include "fuzz_image.h"

#include <string.h>

#include "base/bytes.h"
#include "nt/anchors.h"
#include "nt/copies.h"

static void bind(struct vds_kernel *kernel, enum vds_field_id id,
		 uint32_t offset)
{
	kernel->binding.fields[id] = (struct vds_field){
		.offset = offset, .size = 8, .present = true,
	};
}

/*
 * What a kernel without page tables is opened by: addresses that the dump
 * states, and where its copies were. The layout is made up.
 */
static void fuzz_kernel(const struct vds_image *image)
{
	struct vds_kernel *kernel = calloc(1, sizeof(*kernel));
	struct vds_anchors anchors;
	size_t count, modules;
	const struct vds_virtual_block *blocks =
		vds_image_virtual_blocks(image, &count);
	vds_image_modules(image, &modules);
	if (!kernel || !count || modules > 2 * 8192)
		goto out;
	kernel->image = image;
	kernel->space = (struct vds_space){.image = image, .levels = 4,
					   .blocks = blocks,
					   .num_blocks = count};
	kernel->base = vds_image_hints(image)->kernel_base;
	kernel->size = vds_image_hints(image)->kernel_size;
	bind(kernel, VDS_F_KPRCB_CURRENT_THREAD, 8);
	bind(kernel, VDS_F_KPRCB_NUMBER, 0x10);
	bind(kernel, VDS_F_KTHREAD_APC_PROCESS, 0x18);
	bind(kernel, VDS_F_ETHREAD_TID, 0x20);
	kernel->binding.sizes[VDS_R_ETHREAD] = 0x40;
	vds_anchors_collect(kernel, &anchors);
	vds_anchors_bind(&anchors, kernel);
	vds_anchors_fit(&anchors, kernel);
	struct vds_error *err = vds_copies_place(kernel);
	if (!err && kernel->crash.thread) {
		uint8_t byte;
		/* A copy that was placed can be read there. */
		if (vds_space_read(&kernel->space, NULL, kernel->crash.thread,
				   &byte, 1))
			abort();
	}
	vds_error_destroy(err);
	vds_notes_deinit(&kernel->notes);
	free(kernel->blocks);
out:
	free(kernel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t file[0x2000 + 0xffff];
	struct vds_bytes b;
	vds_bytes_init(&b, data, size);
	bool wide = vds_bytes_u8(&b) & 1;
	size_t header = wide ? 0x2000 : 0x1000;
	size_t len = header + vds_bytes_u16(&b);
	memset(file, 0, sizeof(file));
	for (size_t i = 0; i < header; i += 4)
		memcpy(file + i, "PAGE", 4);
	memcpy(file + 4, wide ? "DU64" : "DUMP", 4);
	while (vds_bytes_left(&b) >= 3) {
		size_t at = vds_bytes_u16(&b), n = vds_bytes_u8(&b);
		n = VDS_MIN(n, vds_bytes_left(&b));
		const uint8_t *patch = vds_bytes_take(&b, n);
		memcpy(file + at, patch, VDS_MIN(n, sizeof(file) - at));
	}
	return fuzz_image("crashdump", file, len);
}
