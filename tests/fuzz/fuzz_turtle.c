/* SPDX-License-Identifier: Apache-2.0 */
/* Turtle, and the volume model that is made of it. */
#include "fuzz_aff4.h"
#include "image/turtle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t map[28] = {[9] = 0x20}, bevy[8192];
	static const uint8_t index[24] = {[9] = 0x10, [13] = 0x10, [21] = 0x10};
	struct vds_arena arena;
	struct vds_turtle turtle;
	vds_arena_init(&arena, 1 << 24);
	struct vds_error *err = vds_turtle_parse(&arena, FUZZ_URN, data, size,
						 &turtle);
	for (size_t i = 0; !err && i < turtle.count; i++) {
		if (!turtle.list[i].subject || !turtle.list[i].object)
			abort();
	}
	vds_arena_deinit(&arena);
	if (err) {
		vds_error_destroy(err);
		return 0;
	}
	struct fuzz_part parts[] = {
		{"information.turtle", data, size},
		{"container.description", FUZZ_URN, strlen(FUZZ_URN)},
		{"S/00000000", bevy, sizeof(bevy)},
		{"S/00000000.index", index, sizeof(index)},
		{"M/idx", FUZZ_URN "/S", strlen(FUZZ_URN "/S")},
		{"M/map", map, sizeof(map)},
	};
	return fuzz_volume(parts, VDS_ARRAY_SIZE(parts));
}
