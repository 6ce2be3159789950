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
	[PID] = {"process.pid", VDS_KIND_INT,
		 VDS_COLUMN_KEY | VDS_COLUMN_GROUP, "PID"},
	[NAME] = {"process.name", VDS_KIND_STR, VDS_COLUMN_GROUP},
	[START] = {"vad.start", VDS_KIND_ADDR, VDS_COLUMN_KEY},
	[END] = {"vad.end", VDS_KIND_ADDR},
	[SIZE] = {"vad.size", VDS_KIND_SIZE},
	[RAW] = {"vad.raw", VDS_KIND_HEX},
	[COMMIT] = {"vad.commit", VDS_KIND_INT, 0, NULL, "pages"},
	[CREATED] = {"process.start", VDS_KIND_TIME, VDS_COLUMN_WIDE},
	[PRIVATE] = {"vad.private", VDS_KIND_BOOL},
	[PIDS] = {"sharing.pids", VDS_KIND_INTS},
	[WORDS] = {"sharing.flags", VDS_KIND_FLAGS},
	[BLOB] = {"vad.head", VDS_KIND_BYTES, VDS_COLUMN_WIDE},
	[LABELS] = {"labels", VDS_KIND_STRS},
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
	{"tool.name", VDS_KIND_STR, VDS_COLUMN_KEY},
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
