/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The map and its idx: input is a byte for the dialect, a byte for the number
 * of bytes of idx, idx, and the map's entries.
 */
#include "fuzz_aff4.h"

#define TURTLE(map)							\
	"@prefix aff4: <http://aff4.org/Schema#> .\n"			\
	"@base <" FUZZ_URN "> .\n"					\
	"</M> a aff4:" map " ; aff4:size 65536 ; aff4:category "	\
	"<http://aff4.org/Schema#memory/physical> .\n"			\
	"</N> a aff4:Map .\n"						\
	"</S> a aff4:ImageStream ; aff4:size 8192 ; aff4:chunkSize 4096 ; " \
	"aff4:chunksInSegment 2 .\n"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char standard[] = TURTLE("Map"), old[] = TURTLE("map");
	static const uint8_t bevy[8192];
	static const uint8_t index[24] = {[9] = 0x10, [13] = 0x10, [21] = 0x10};
	if (size < 2 || size - 2 < data[1])
		return 0;
	const char *turtle = data[0] & 1 ? old : standard;
	const uint8_t *idx = data + 2, *map = idx + data[1];
	size_t map_len = size - 2 - data[1];
	struct fuzz_part parts[] = {
		{"information.turtle", turtle, strlen(turtle)},
		{"container.description", FUZZ_URN, strlen(FUZZ_URN)},
		{"S/00000000", bevy, sizeof(bevy)},
		{"S/00000000.index", index, sizeof(index)},
		{"M/idx", idx, data[1]},
		{"M/map", map, map_len},
		{"N/idx", idx, data[1]},
		{"N/map", map, map_len},
	};
	return fuzz_volume(parts, VDS_ARRAY_SIZE(parts));
}
