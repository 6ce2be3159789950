/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A dump header is 8 KiB of mostly "PAGE", so the input is a list of patches:
 * u8 flags (1: 64-bit), u16 bytes behind the header; then {u16 offset, u8
 * length, bytes} each.
 */
#include "fuzz_image.h"

#include <string.h>

#include "base/bytes.h"

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
