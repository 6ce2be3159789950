/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin's declaration and an image's facts, made up for tests of rows. */
#ifndef TEST_ROWS_H
#define TEST_ROWS_H

#include <string.h>

#include "base/str.h"
#include "render/render.h"

/* A writer that keeps everything. */
struct text_writer {
	struct vds_writer writer;
	struct vds_str text;
};

static inline struct vds_error *text_write(struct vds_writer *writer,
					   const char *data, size_t len)
{
	struct text_writer *to = (struct text_writer *)writer;
	vds_str_append(&to->text, data, len);
	return NULL;
}

enum { PID, NAME, START, END, SIZE, RAW, COMMIT, CREATED, PRIVATE, PIDS, WORDS,
       BLOB, LABELS, NUM_COLUMNS };

static const struct vds_column test_columns[NUM_COLUMNS] = {
	[PID] = {.name = "process.pid", .kind = VDS_KIND_INT,
		 .flags = VDS_COLUMN_KEY | VDS_COLUMN_GROUP, .title = "PID"},
	[NAME] = {.name = "process.name", .kind = VDS_KIND_STR,
		  .flags = VDS_COLUMN_GROUP},
	[START] = {.name = "vad.start", .kind = VDS_KIND_ADDR, .flags = VDS_COLUMN_KEY},
	[END] = {.name = "vad.end", .kind = VDS_KIND_ADDR},
	[SIZE] = {.name = "vad.size", .kind = VDS_KIND_SIZE},
	[RAW] = {.name = "vad.raw", .kind = VDS_KIND_HEX},
	[COMMIT] = {.name = "vad.commit", .kind = VDS_KIND_INT, .unit = "pages"},
	[CREATED] = {.name = "process.start", .kind = VDS_KIND_TIME, .flags = VDS_COLUMN_WIDE},
	[PRIVATE] = {.name = "vad.private", .kind = VDS_KIND_BOOL},
	[PIDS] = {.name = "sharing.pids", .kind = VDS_KIND_INTS},
	[WORDS] = {.name = "sharing.flags", .kind = VDS_KIND_FLAGS},
	[BLOB] = {.name = "vad.head", .kind = VDS_KIND_BYTES, .flags = VDS_COLUMN_WIDE},
	[LABELS] = {.name = "labels", .kind = VDS_KIND_STRS},
};

static const struct vds_plugin test_plugin = {
	VDS_PLUGIN_HEADER(probe),
	.version = "1.0.0",
	.summary = "rows for tests",
	.record = "vad",
	.scope = VDS_PER_PROCESS,
	.columns = test_columns,
	.num_columns = NUM_COLUMNS,
};

static const struct vds_column test_start_columns[] = {
	{.name = "tool.name", .kind = VDS_KIND_STR, .flags = VDS_COLUMN_KEY},
};

static const struct vds_plugin test_start_plugin = {
	.name = "probe",
	.record = "run_start",
	.columns = test_start_columns,
	.num_columns = 1,
};

#define TEST_IMAGE_ID "00112233445566778899aabbccddeeff"
#define TEST_TIME "2020-10-08T17:21:44.1234567Z"

#endif
