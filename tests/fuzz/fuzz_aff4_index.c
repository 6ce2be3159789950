/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index and the chunks of a bevy: input is a byte for dialect and codec, a
 * byte for the length of the index, the index, and the bevy.
 */
#include "fuzz_aff4.h"

static const char *const types[] = {"aff4:ImageStream", "aff4:image",
				    "old:stream"};
static const char *const codecs[] = {
	"<http://aff4.org/Schema#NullCompressor>",
	"<https://www.ietf.org/rfc/rfc1950.txt>",
	"<https://tools.ietf.org/html/rfc1951>",
	"<http://code.google.com/p/snappy/>",
	"<https://code.google.com/p/lz4/>",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char turtle[1024];
	if (size < 2 || size - 2 < data[1])
		return 0;
	unsigned int type = data[0] % VDS_ARRAY_SIZE(types);
	const char *codec = codecs[data[0] / 3 % VDS_ARRAY_SIZE(codecs)];
	snprintf(turtle, sizeof(turtle),
		 "@prefix aff4: <http://aff4.org/Schema#> .\n"
		 "@prefix old: <http://afflib.org/2009/aff4#> .\n"
		 "@base <" FUZZ_URN "> .\n"
		 "</S> a %s ; aff4:size 20000 ; aff4:chunkSize 4096 ; "
		 "aff4:chunksInSegment 3 ; aff4:compressionMethod %s ; "
		 "aff4:category <http://aff4.org/Schema#memory/physical> .\n",
		 types[type], codec);
	const uint8_t *index = data + 2, *bevy = index + data[1];
	size_t bevy_len = size - 2 - data[1];
	struct fuzz_part parts[] = {
		{"information.turtle", turtle, strlen(turtle)},
		{"container.description", FUZZ_URN, strlen(FUZZ_URN)},
		{"S/00000000", bevy, bevy_len},
		{type ? "S/00000000/index" : "S/00000000.index", index,
		 data[1]},
		{"S/00000001", bevy, bevy_len},
		{type ? "S/00000001/index" : "S/00000001.index", index,
		 data[1]},
	};
	return fuzz_volume(parts, VDS_ARRAY_SIZE(parts));
}
