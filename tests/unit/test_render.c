/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>

#include "rows.h"

/* What a hostile name may hold: ESC, quotes, a bidi mark, a bad byte. */
#define HOSTILE "a\033[2Jb\"c\\d\xe2\x80\xaeg\xff.exe"

static const struct vds_value plain[NUM_COLUMNS] = {
	[PID] = {.kind = VDS_KIND_INT, .i = 4321},
	[NAME] = {.kind = VDS_KIND_STR, .count = 11, .s = "svchost.exe"},
	[START] = {.kind = VDS_KIND_ADDR, .u = 0x1f0a2b30000},
	[END] = {.kind = VDS_KIND_ADDR, .u = 0x1f0a2b3ffff},
	[SIZE] = {.kind = VDS_KIND_SIZE, .u = 65536},
	[RAW] = {.kind = VDS_KIND_HEX, .u = 0x18},
	[COMMIT] = {.kind = VDS_KIND_INT, .i = -1},
	[CREATED] = {.kind = VDS_KIND_TIME, .u = UINT64_C(133444736000000000)},
	[PRIVATE] = {.kind = VDS_KIND_BOOL, .u = 1},
	[PIDS] = {.kind = VDS_KIND_INTS, .count = 2,
		  .list = (const uint64_t[]){888, 4321}},
	[WORDS] = {.kind = VDS_KIND_FLAGS, .count = 11, .s = "Image NoCow"},
	[BLOB] = {.kind = VDS_KIND_BYTES, .count = 2,
		  .bytes = (const uint8_t *)"MZ"},
	[LABELS] = {.kind = VDS_KIND_STRS, .count = 4, .s = "x\0y"},
};

static const struct vds_value hostile[NUM_COLUMNS] = {
	[PID] = {.kind = VDS_KIND_INT, .i = INT64_MAX},
	[NAME] = {.kind = VDS_KIND_STR, .count = sizeof(HOSTILE) - 1,
		  .s = HOSTILE},
	[START] = {.kind = VDS_KIND_ADDR, .u = UINT64_MAX},
	[END] = {.why = VDS_PAGED_OUT},
	[SIZE] = {.why = VDS_BAD_DATA},
	[RAW] = {.why = VDS_NO_FIELD},
	[COMMIT] = {.why = VDS_NOT_IN_IMAGE},
	[CREATED] = {.kind = VDS_KIND_TIME, .u = UINT64_MAX},
};

/* What @renderer makes of the rows; freed by the caller. */
static char *rendered(const char *renderer, const char *fields,
		      const struct vds_value *const *rows, size_t count,
		      const struct vds_notes *notes)
{
	struct vds_schema schema, start;
	struct vds_value start_values[] = {vds_str("vadose")};
	ck_assert_ptr_null(vds_schema_init(&schema, &test_plugin));
	ck_assert_ptr_null(vds_schema_init(&start, &test_start_plugin));
	if (fields)
		ck_assert_ptr_null(vds_schema_select(&schema, fields));
	struct vds_render_info info = {
		.schema = &schema, .image_id = TEST_IMAGE_ID,
		.timestamp = TEST_TIME,
		.start = &start, .start_values = start_values,
	};
	struct text_writer out = {.writer.write = text_write};
	struct vds_render render;
	ck_assert_ptr_null(vds_render_begin(&render,
					    vds_renderer_find(renderer), &info,
					    &out.writer));
	for (size_t i = 0; i < count; i++) {
		struct vds_absences absences = {0};
		ck_assert_ptr_null(vds_schema_check(&schema, rows[i],
						    &absences));
		ck_assert_ptr_null(render.sink.row(&render.sink, rows[i]));
	}
	struct vds_render_end end = {.status = "ok", .rows = count,
				     .notes = notes};
	ck_assert_ptr_null(vds_render_end(&render, &end));
	vds_render_deinit(&render);
	vds_schema_deinit(&schema);
	vds_schema_deinit(&start);
	ck_assert_ptr_nonnull(vds_str_cstr(&out.text));
	return out.text.data;
}

/* Line number @n (from 0) of @text, cut out in place. */
static char *line(char *text, size_t n)
{
	while (n--)
		text = strchr(text, '\n') + 1;
	*strchr(text, '\n') = 0;
	return text;
}

START_TEST(ndjson_plain)
{
	const struct vds_value *rows[] = {plain};
	char *text = rendered("ndjson", NULL, rows, 1, NULL);
	char *row = line(text, 1);
	/* The id is checked by its properties below. */
	char *id = strstr(row, "\"id\":\"") + 6;
	memset(id, '#', 32);
	ck_assert_str_eq(
		row,
		"{\"@timestamp\":\"" TEST_TIME "\",\"schema\":\"vadose/1\","
		"\"kind\":\"vad\",\"id\":\"################################\","
		"\"image\":{\"id\":\"" TEST_IMAGE_ID "\"},"
		"\"plugin\":{\"name\":\"probe\",\"version\":\"1.0.0\"},"
		"\"process\":{\"pid\":4321,\"name\":\"svchost.exe\","
		"\"start\":\"2023-11-14T22:13:20.0000000Z\"},"
		"\"vad\":{\"start\":\"0x000001f0a2b30000\","
		"\"end\":\"0x000001f0a2b3ffff\",\"size\":65536,"
		"\"raw\":\"0x0000000000000018\",\"commit\":-1,"
		"\"private\":true,\"head\":\"4d5a\"},"
		"\"sharing\":{\"pids\":[888,4321],\"pids_truncated\":false,"
		"\"flags\":[\"Image\",\"NoCow\"]},"
		"\"labels\":[\"x\",\"y\"],\"labels_truncated\":false}");
	free(text);
}
END_TEST

START_TEST(ndjson_hostile)
{
	const struct vds_value *rows[] = {hostile};
	char *text = rendered("ndjson", NULL, rows, 1, NULL);
	char *row = strstr(line(text, 1), "\"process\"");
	ck_assert_str_eq(
		row,
		"\"process\":{\"name\":\"a\\u001b[2Jb\\\"c\\\\d\\u202eg"
		"\xef\xbf\xbd.exe\"},"
		"\"vad\":{\"start\":\"0xffffffffffffffff\"},"
		"\"unreadable\":[\"vad.end\",\"vad.commit\"],"
		"\"invalid\":[\"process.pid\",\"process.start\",\"vad.size\"],"
		"\"not_in_profile\":[\"vad.raw\"]}");
	free(text);
}
END_TEST

START_TEST(ndjson_frame)
{
	struct vds_notes notes = {0};
	vds_note(&notes, "vad_cycle", 0x1000, "loop at %x", 0x1000);
	vds_note(&notes, "vad_cycle", 0x2000, "loop");
	char *text = rendered("ndjson", NULL, NULL, 0, &notes);
	ck_assert_ptr_nonnull(strstr(text, "\"kind\":\"run_start\""));
	ck_assert_ptr_nonnull(strstr(
		text, "\"note\":{\"kind\":\"vad_cycle\",\"object\":"
		      "\"0x0000000000001000\",\"message\":\"loop at 1000\"}"));
	char *end = line(text, 3);
	ck_assert_ptr_nonnull(strstr(end, "\"kind\":\"run_end\""));
	ck_assert_ptr_nonnull(strstr(
		end, "\"run\":{\"status\":\"ok\",\"exit_code\":0,"
		     "\"rows\":{\"vad\":0},\"unreadable_cells\":0,"
		     "\"invalid_cells\":0,\"note_count\":2,"
		     "\"notes_dropped\":0,\"notes\":{\"vad_cycle\":2}}}"));
	free(text);
	vds_notes_deinit(&notes);
}
END_TEST

static void id_of(const struct vds_value *values, const char *image, char *out)
{
	struct vds_schema schema;
	struct vds_id_seed seed;
	ck_assert_ptr_null(vds_schema_init(&schema, &test_plugin));
	vds_id_seed_init(&seed, image, "vad");
	vds_row_id(&seed, &schema, values, out);
	vds_schema_deinit(&schema);
}

START_TEST(id_is_that_of_the_key)
{
	char a[VDS_ID_LEN], b[VDS_ID_LEN];
	struct vds_value row[NUM_COLUMNS];
	memcpy(row, plain, sizeof(row));
	id_of(plain, TEST_IMAGE_ID, a);
	row[SIZE].u++;		/* no key column */
	id_of(row, TEST_IMAGE_ID, b);
	ck_assert_mem_eq(a, b, VDS_ID_LEN);
	row[START].u++;		/* a key column */
	id_of(row, TEST_IMAGE_ID, b);
	ck_assert_mem_ne(a, b, VDS_ID_LEN);
	id_of(plain, "ff112233445566778899aabbccddeeff", b);
	ck_assert_mem_ne(a, b, VDS_ID_LEN);
}
END_TEST

/* Lines stay within what syslog keeps, whatever a name holds. */
START_TEST(long_lines_are_cut)
{
	struct vds_value row[NUM_COLUMNS];
	static char name[60000];
	static uint64_t pids[5000];
	memset(name, _i ? '\x1b' : 'x', sizeof(name));
	for (size_t i = 0; i < 5000; i++)
		pids[i] = 100000 + i;
	memcpy(row, plain, sizeof(row));
	row[NAME].s = name;
	row[NAME].count = sizeof(name);
	row[PIDS].list = pids;
	row[PIDS].count = 5000;
	row[BLOB].bytes = (const uint8_t *)name;
	row[BLOB].count = sizeof(name);
	const struct vds_value *rows[] = {row};
	char *text = rendered("ndjson", NULL, rows, 1, NULL);
	char *out = line(text, 1);
	ck_assert_uint_lt(strlen(out), 8000);
	ck_assert_uint_gt(strlen(out), 3000);	/* no more cut than needed */
	ck_assert_ptr_nonnull(strstr(out, "\"name_truncated\":true"));
	ck_assert_ptr_nonnull(strstr(out, "\"pids_truncated\":true"));
	ck_assert_ptr_nonnull(strstr(out, "\"head_truncated\":true"));
	ck_assert_ptr_nonnull(strstr(out, "\"labels_truncated\":false"));
	free(text);
}
END_TEST

START_TEST(csv_lines)
{
	struct vds_value formula[NUM_COLUMNS] = {
		[PID] = vds_int(-5),
		[NAME] = vds_str("=cmd|' /C calc'!A0"),
		[WORDS] = vds_str("a,b"),
	};
	formula[WORDS].kind = VDS_KIND_FLAGS;
	const struct vds_value *rows[] = {plain, hostile, formula};
	char *text = rendered("csv", "pid,name,size,commit,flags,pids", rows, 3,
			      NULL);
	ck_assert_str_eq(
		text,
		"process.pid,process.name,vad.size,vad.commit,sharing.pids,"
		"sharing.flags,unreadable,invalid,not_in_profile\r\n"
		"4321,svchost.exe,65536,-1,888 4321,Image NoCow,,,\r\n"
		",\"a\\u{1b}[2Jb\"\"c\\d\\u{202e}g\xef\xbf\xbd.exe\",,,,,"
		"vad.commit,process.pid vad.size,\r\n"
		"-5,\"'=cmd|' /C calc'!A0\",,,,\"a,b\",,,\r\n");
	free(text);
}
END_TEST

START_TEST(table_lines)
{
	struct vds_value second[NUM_COLUMNS];
	memcpy(second, plain, sizeof(second));
	second[SIZE].u = 5 << 20;
	const struct vds_value *rows[] = {plain, second, hostile};
	char *text = rendered("table", "pid,name,vad.start,size,commit", rows, 3,
			      NULL);
	ck_assert_str_eq(
		text,
		"  start                    size         commit\n"
		"PID 4321  name svchost.exe\n"
		"  0x000001f0a2b30000        64K             -1\n"
		"  0x000001f0a2b30000         5M             -1\n"
		"\n"
		"PID 9223372036854775807  name a\\u{1b}[2Jb\"c\\d\\u{202e}g"
		"\xef\xbf\xbd.exe\n"
		"  0xffffffffffffffff  ?bad data  ?not in image\n");
	free(text);
}
END_TEST

START_TEST(json_is_one_array)
{
	const struct vds_value *rows[] = {plain, hostile};
	char *text = rendered("json", NULL, rows, 2, NULL);
	ck_assert(!strncmp(text, "[\n{", 3));
	size_t len = strlen(text);
	ck_assert_str_eq(text + len - 4, "}\n]\n");
	/* run_start, two rows, run_end */
	size_t separators = 0;
	for (char *c = text; (c = strstr(c, "},\n{")); c++)
		separators++;
	ck_assert_uint_eq(separators, 3);
	free(text);
}
END_TEST

START_TEST(fields_say_why_not)
{
	struct vds_schema schema;
	ck_assert_ptr_null(vds_schema_init(&schema, &test_plugin));
	struct vds_error *err = vds_schema_select(&schema, "pid,start");
	ck_assert_ptr_nonnull(err);
	ck_assert_str_eq(err->message,
			 "--fields: 'start' is the end of several columns' "
			 "names; give all of it, or '*.start' for all of them");
	vds_error_destroy(err);
	ck_assert_ptr_null(vds_schema_select(&schema, "pid,*.start"));
	err = vds_schema_select(&schema, "begin");
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_nonnull(strstr(err->message, "no column 'begin'"));
	vds_error_destroy(err);
	vds_schema_deinit(&schema);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("render");
	TCase *tc = tcase_create("render");
	tcase_add_test(tc, ndjson_plain);
	tcase_add_test(tc, fields_say_why_not);
	tcase_add_test(tc, ndjson_hostile);
	tcase_add_test(tc, ndjson_frame);
	tcase_add_test(tc, id_is_that_of_the_key);
	tcase_add_loop_test(tc, long_lines_are_cut, 0, 2);
	tcase_add_test(tc, csv_lines);
	tcase_add_test(tc, table_lines);
	tcase_add_test(tc, json_is_one_array);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
