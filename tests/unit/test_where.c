/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>

#include "plugin/arrange.h"
#include "plugin/where.h"
#include "rows.h"

static struct vds_schema schema;

static const struct vds_value row[NUM_COLUMNS] = {
	[PID] = {.kind = VDS_KIND_INT, .i = -5},
	[NAME] = {.kind = VDS_KIND_STR, .count = 11, .s = "SvcHost.exe"},
	[START] = {.kind = VDS_KIND_ADDR, .u = UINT64_C(0xffff800000001000)},
	[END] = {.why = VDS_PAGED_OUT},
	[SIZE] = {.kind = VDS_KIND_SIZE, .u = 65536},
	[RAW] = {.why = VDS_BAD_DATA},
	[CREATED] = {.kind = VDS_KIND_TIME, .u = UINT64_C(133444736000000000)},
	[PRIVATE] = {.kind = VDS_KIND_BOOL, .u = 1},
	[PIDS] = {.kind = VDS_KIND_INTS, .count = 2,
		  .list = (const uint64_t[]){888, 4321}},
	[WORDS] = {.kind = VDS_KIND_FLAGS, .count = 22,
		   .s = "PAGE_EXECUTE_READWRITE"},
	[BLOB] = {.kind = VDS_KIND_BYTES, .count = 4,
		  .bytes = (const uint8_t *)"MZ\x90\0"},
	[LABELS] = {.kind = VDS_KIND_STRS, .count = 10, .s = "alpha\0bet"},
};

static const struct {
	const char *text;
	bool match;
} cases[] = {
	{"size > 64K", false}, {"size >= 64K", true}, {"size = 0x10000", true},
	{"size != 64K", false}, {"pid = -5", true}, {"pid < 0", true},
	{"process.pid > -5", false},
	{"name = svchost.exe", true}, {"name ~ HOST", true},
	{"name ~ 'svc*.exe'", true}, {"name ~ 'svc*.dll'", false},
	{"name !~ host", false}, {"name != explorer.exe", true},
	{"vad.start = 0xffff8000`00001000", true},	/* as WinDbg prints it */
	{"flags ~ execute and size >= 64K", true},
	/* process.start or vad.start: of what was spoken of last. */
	{"size > 0 and start = 0xffff800000001000", true},
	{"name ~ svc and start > 2023-01-01 and start < 2024-01-01", true},
	{"name ~ svc and start > 2024-01-01", false},
	{"flags ~ execute and size > 64K", false},
	{"size > 64K or private", true}, {"not private", false},
	{"not (size > 64K or not private)", true},
	{"private = yes", true}, {"private = no", false},
	{"size > 1 or size > 64K and not private", true},	/* and binds */
	{"vad.start > 0xffff7fffffffffff", true},
	{"end = 0", false}, {"end != 0", false},	/* absent: no comparison */
	{"not end = 0", true},
	{"end is absent", true}, {"end is unreadable", true},
	{"end is not unreadable", false}, {"raw is invalid", true},
	{"raw is present", false}, {"commit is unreadable", false},
	{"process.start < 2023-11-15", true},
	{"process.start >= 2023-11-14T22:13:21", false},
	{"pids = 888", true}, {"pids != 888", false}, {"pids > 5000", false},
	{"labels = BET", true}, {"labels ~ z", false},
	{"head ~ 5a90", true}, {"head = 4d5a", false}, {"head = 4D5A9000", true},
};

START_TEST(truth)
{
	struct vds_where *where;
	struct vds_error *err = vds_where_parse(cases[_i].text, &schema, &where);
	ck_assert_msg(!err, "%s: %s", cases[_i].text,
		      err ? err->message : "");
	ck_assert_msg(vds_where_match(where, row) == cases[_i].match, "%s",
		      cases[_i].text);
	vds_where_destroy(where);
}
END_TEST

static const struct {
	const char *text, *message;
} refusals[] = {
	{"", "--where: character 1: a column expected, not the end"},
	{"nosuch = 1", "--where: character 1: a column expected, not 'nosuch'"},
	{"start = 1", "--where: character 1: the whole name of a column "
		      "expected, not 'start'"},
	{"flags ~ x and start = 1", "--where: character 15: the whole name of "
				    "a column expected, not 'start'"},
	{"NAME = x", "--where: character 1: a column expected, not 'NAME'"},
	{"size", "--where: character 5: an operator expected, not the end"},
	{"size > ", "--where: character 8: a value expected, not the end"},
	{"size > big", "--where: character 8: a number expected, not 'big'"},
	{"size ~ 1", "--where: character 6: an operator for such a column "
		     "expected, not '~'"},
	{"name = 'x", "--where: character 8: the quote doesn't end"},
	{"(private", "--where: character 9: ')' expected, not the end"},
	{"private private", "--where: character 9: 'and', 'or' or the end "
			    "expected, not 'private'"},
	{"end is gone", "--where: character 8: present, absent, unreadable or "
			"invalid expected, not 'gone'"},
};

START_TEST(refused)
{
	struct vds_where *where;
	struct vds_error *err = vds_where_parse(refusals[_i].text, &schema,
						&where);
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->code, VDS_ERROR_USAGE);
	ck_assert_str_eq(err->message, refusals[_i].message);
	vds_error_destroy(err);
}
END_TEST

START_TEST(nesting_is_bounded)
{
	static char text[100000];
	struct vds_where *where;
	memset(text, '(', sizeof(text) - 1);
	struct vds_error *err = vds_where_parse(text, &schema, &where);
	ck_assert_ptr_nonnull(err);
	vds_error_destroy(err);
}
END_TEST

/* A sink that remembers the PIDs of its rows. */
struct recorder {
	struct vds_sink sink;
	int64_t pids[8];
	size_t count;
};

static struct vds_error *record(struct vds_sink *sink,
				const struct vds_value *values)
{
	struct recorder *to = (struct recorder *)sink;
	to->pids[to->count++] = values[PID].i;
	return NULL;
}

static void arranged(const char *keys, uint64_t limit, struct recorder *to)
{
	static const struct { int64_t pid; uint64_t size; } rows[] = {
		{1, 30}, {2, 10}, {3, 0}, {4, 10}, {5, 20}};
	struct vds_arrange arrange;
	*to = (struct recorder){.sink.row = record};
	ck_assert_ptr_null(vds_arrange_init(&arrange, keys, &schema,
					    &to->sink));
	arrange.limit = limit;
	for (size_t i = 0; i < 5; i++) {
		struct vds_value values[NUM_COLUMNS] = {
			[PID] = vds_int(rows[i].pid),
			[SIZE] = rows[i].size ? vds_size(rows[i].size) :
						vds_absent(VDS_PAGED_OUT)};
		ck_assert_ptr_null(arrange.sink.row(&arrange.sink, values));
	}
	ck_assert_ptr_null(arrange.sink.flush(&arrange.sink));
	ck_assert_uint_eq(arrange.tally.rows, to->count);
	vds_arrange_deinit(&arrange);
}

START_TEST(sorted)
{
	struct recorder to;
	arranged("size", 0, &to);	/* stable; absent ones last */
	ck_assert_mem_eq(to.pids, ((int64_t[]){2, 4, 5, 1, 3}), 40);
	arranged("-size,-pid", 0, &to);
	ck_assert_mem_eq(to.pids, ((int64_t[]){1, 5, 4, 2, 3}), 40);
	arranged("-pid", 2, &to);
	ck_assert_uint_eq(to.count, 2);
	ck_assert_mem_eq(to.pids, ((int64_t[]){5, 4}), 16);
}
END_TEST

START_TEST(sort_is_refused)
{
	struct vds_arrange arrange;
	struct vds_error *err = vds_arrange_init(&arrange, "nosuch", &schema,
						 NULL);
	ck_assert_ptr_nonnull(err);
	vds_error_destroy(err);
	err = vds_arrange_init(&arrange, "start", &schema, NULL);
	ck_assert_ptr_nonnull(err);
	vds_error_destroy(err);
}
END_TEST

int main(void)
{
	if (vds_schema_init(&schema, &test_plugin))
		return 1;
	Suite *suite = suite_create("where");
	TCase *tc = tcase_create("where");
	tcase_add_loop_test(tc, truth, 0,
			    (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_loop_test(tc, refused, 0,
			    (int)(sizeof(refusals) / sizeof(refusals[0])));
	tcase_add_test(tc, nesting_is_bounded);
	tcase_add_test(tc, sorted);
	tcase_add_test(tc, sort_is_refused);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	vds_schema_deinit(&schema);
	return failed ? 1 : 0;
}
