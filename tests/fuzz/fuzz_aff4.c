/* SPDX-License-Identifier: Apache-2.0 */
/* A whole AFF4 volume. */
#include "fuzz_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_image("aff4", data, size);
}
