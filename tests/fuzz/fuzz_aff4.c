/* SPDX-License-Identifier: Apache-2.0 */
/* A whole AFF4 volume: what it holds, and the hashes that it stores. */
#include "image/aff4_verify.h"

static void verify(const struct vds_image *image);
#define FUZZ_MORE verify
#include "fuzz_image.h"

static void ignore(void *ctx, const struct vds_aff4_check *check)
{
	(void)ctx, (void)check;
}

/* What is large is decoded in part only. */
static bool step(void *ctx, uint64_t done, uint64_t total)
{
	(void)done, (void)total;
	return ++*(unsigned int *)ctx < 256;
}

static void verify(const struct vds_image *image)
{
	unsigned int steps = 0;
	const struct vds_progress progress = {step, &steps};
	const struct vds_aff4_checker checker = {.on_check = ignore,
						 .progress = &progress};
	struct vds_error *err = vds_aff4_verify(image, &checker);
	if (err)
		vds_error_destroy(err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_image("aff4", data, size);
}
