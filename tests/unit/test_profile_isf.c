/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real symbol tables against the fact tables that were made from them by
 * another program, and hostile ones against the limits.
 */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/util.h"
#include "config.h"
#include "csv.h"
#include "profile/isf.h"
#include "profile/model.h"
#include "profile/profile.h"

static const char *shared;
static char **tables;	/* GUID-AGE of the loose tables */
static size_t num_tables;

static struct vds_profile *load(const char *id, bool trim)
{
	_cleanup_free_ char *path = NULL;
	struct vds_model *model;
	struct vds_profile *p;
	ck_assert(asprintf(&path, "%s/isf/%s.json.xz", shared, id) > 0);
	ck_assert_ptr_null(vds_model_create(&model));
	struct vds_error *err = vds_isf_load(path, model);
	if (!err && trim)
		err = vds_model_trim_default(model);
	if (!err)
		err = vds_model_finish(model, path, NULL, 0, &p);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	return p;
}

static void check_member(const struct vds_profile *p, const struct csv *row)
{
	const char *name = csv_get(row, "struct"), *path = csv_get(row, "field");
	const struct vds_type *type = vds_profile_type(p, name);
	struct vds_field f;
	ck_assert_msg(type, "%s", name);
	ck_assert_uint_eq(type->size, csv_num(row, "size"));
	ck_assert_msg(vds_type_member(type, path, &f), "%s.%s", name, path);
	ck_assert_msg(f.offset == csv_num(row, "offset"), "%s.%s", name, path);
	ck_assert_msg(f.bit_pos == csv_num(row, "bit_pos"), "%s.%s", name, path);
	ck_assert_msg(f.bit_len == csv_num(row, "bit_len"), "%s.%s", name, path);
}

/* Which layout of each structure the table @id has: "struct layout\n"... */
static void read_layouts(const char *id, struct vds_str *ret)
{
	_cleanup_free_ char *path = NULL;
	struct csv map;
	ck_assert(asprintf(&path, "%s/layouts/layout_map.csv", shared) > 0);
	csv_open(&map, path);
	while (csv_next(&map)) {
		if (strcmp(csv_get(&map, "guid_age_or_source"), id) == 0)
			vds_str_printf(ret, "\n%s %s\n", csv_get(&map, "struct"),
				       csv_get(&map, "layout"));
	}
	csv_close(&map);
	ck_assert_ptr_nonnull(vds_str_cstr(ret));
}

static void check_members(const struct vds_profile *p, const char *id)
{
	_cleanup_(vds_str_deinit) struct vds_str layouts = {0};
	_cleanup_free_ char *path = NULL;
	struct csv csv;
	int checked = 0;
	read_layouts(id, &layouts);
	ck_assert(asprintf(&path, "%s/layouts/layouts.csv", shared) > 0);
	csv_open(&csv, path);
	while (csv_next(&csv)) {
		char key[200];
		snprintf(key, sizeof(key), "\n%s %s\n", csv_get(&csv, "struct"),
			 csv_get(&csv, "layout"));
		if (strcmp(csv_get(&csv, "arch"), "x64") ||
		    !strstr(layouts.data, key))
			continue;
		check_member(p, &csv);
		checked++;
	}
	csv_close(&csv);
	ck_assert_int_gt(checked, 700);
}

static void check_symbols(const struct vds_profile *p, const char *id)
{
	_cleanup_free_ char *path = NULL;
	struct csv csv;
	int checked = 0;
	ck_assert(asprintf(&path, "%s/layouts/symbols.csv", shared) > 0);
	csv_open(&csv, path);
	while (csv_next(&csv)) {
		if (strcmp(csv_get(&csv, "guid_age"), id))
			continue;
		for (int i = 2; i < csv.num_columns; i++) {
			uint32_t rva;
			bool has = vds_profile_symbol(p, csv.columns[i], &rva);
			ck_assert_msg(has == !!csv.fields[i][0], "%s",
				      csv.columns[i]);
			if (has)
				ck_assert_uint_eq(rva, strtoul(csv.fields[i],
							       NULL, 16));
			checked += has;
		}
	}
	csv_close(&csv);
	ck_assert_int_gt(checked, 40);
}

/* One test: what takes time is reading the table. */
START_TEST(members_and_symbols_equal_the_fact_tables)
{
	struct vds_profile *p = load(tables[_i], true);
	check_members(p, tables[_i]);
	check_symbols(p, tables[_i]);
	vds_profile_destroy(p);
}
END_TEST

START_TEST(full_tables_survive_the_round_trip)
{
	struct vds_profile *p = load(tables[_i], false), *q;
	_cleanup_(vds_str_deinit) struct vds_str one = {0}, two = {0};
	ck_assert_ptr_null(vds_profile_emit(p, &one));
	struct vds_error *err = vds_profile_parse("x", one.data, one.len, &q);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	ck_assert_ptr_null(vds_profile_emit(q, &two));
	ck_assert_uint_eq(one.len, two.len);
	ck_assert_int_eq(memcmp(one.data, two.data, one.len), 0);
	ck_assert_uint_gt(vds_profile_num_types(q), 700);
	ck_assert_uint_gt(vds_profile_num_symbols(q), 18000);
	char id[64];
	snprintf(id, sizeof(id), "%s-%u", vds_profile_identity(q)->guid,
		 vds_profile_identity(q)->age);
	ck_assert_str_eq(id, tables[_i]);
	vds_profile_destroy(p);
	vds_profile_destroy(q);
}
END_TEST

#define META "\"metadata\": {\"format\": \"6.1.0\", \"windows\": {\"pdb\": {" \
	"\"GUID\": \"8b11040A5928757B11390AC78F6B6925\", \"age\": 1, " \
	"\"database\": \"nt.pdb\", \"machine_type\": 332}}}"
#define REST "\"base_types\": {}, \"enums\": {}, \"symbols\": {}"
#define INT "{\"kind\": \"base\", \"name\": \"int\"}"

static struct vds_error *parse(const char *json, struct vds_profile **ret)
{
	struct vds_model *model;
	ck_assert_ptr_null(vds_model_create(&model));
	struct vds_error *err = vds_isf_parse("t.json", json, strlen(json), model);
	if (!err)
		err = vds_model_finish(model, NULL, NULL, 0, ret);
	if (err)
		vds_model_destroy(model);
	return err;
}

START_TEST(a_small_table_becomes_this_profile)
{
	struct vds_profile *p = NULL;
	struct vds_error *err = parse("{" META ","
		"\"base_types\": {\"f32\": {\"kind\": \"float\", \"signed\": true,"
		" \"size\": 4}, \"odd\": {\"kind\": \"int\", \"signed\": true,"
		" \"size\": 3}},"
		"\"enums\": {\"__anonymous_12\": {\"base\": \"int\", \"size\": 4,"
		" \"constants\": {\"B\": 1, \"A\": -2}}},"
		"\"user_types\": {\"_C\": {\"kind\": \"class\", \"size\": 32, \"fields\": {"
		"\"u\": {\"offset\": 4, \"type\": {\"kind\": \"union\", \"name\": \"__unnamed_a\"}},"
		"\"v\": {\"offset\": 8, \"type\": {\"kind\": \"union\", \"name\": \"__unnamed_a\"}},"
		"\"e\": {\"offset\": 0, \"type\": {\"kind\": \"enum\", \"name\": \"__anonymous_12\"}},"
		"\"p\": {\"offset\": 12, \"type\": {\"kind\": \"array\", \"count\": 2, \"subtype\":"
		" {\"kind\": \"pointer\", \"subtype\": {\"kind\": \"function\"}}}},"
		"\"o\": {\"offset\": 20, \"type\": {\"kind\": \"base\", \"name\": \"odd\"}},"
		"\"f\": {\"offset\": 24, \"type\": {\"kind\": \"base\", \"name\": \"f32\"}}"
		"}}, \"__unnamed_a\": {\"kind\": \"union\", \"size\": 4, \"fields\": {"
		"\"bit\": {\"offset\": 0, \"type\": {\"kind\": \"bitfield\", \"bit_position\": 3,"
		" \"bit_length\": 2, \"type\": " INT "}}}}},"
		"\"symbols\": {\"b\": {\"address\": 2, \"linkage_name\": \"_b\"}}}", &p);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	ck_assert_ptr_null(vds_profile_emit(p, &out));
	ck_assert_str_eq(vds_str_cstr(&out),
		"format: vadose-profile/1\n"
		"pdb: nt.pdb\n"
		"guid: '8B11040A5928757B11390AC78F6B6925'\n"
		"age: 1\n"
		"arch: x86\n"
		"confidence: symbols\n"
		"types:\n"
		"  _C:\n"
		"    struct: 0x20\n"
		"    members:\n"
		"      e: 0x0 _C.e\n"
		"      u: 0x4 _C.u\n"
		"      v: 0x8 _C.v\n"
		"      p: 0xc function*[2]\n"
		"      o: 0x14 odd\n"
		"      f: 0x18 float\n"
		"  _C.e:\n"
		"    enum: int\n"
		"    values:\n"
		"      A: -2\n"
		"      B: 1\n"
		"  _C.u:\n"
		"    union: 0x4\n"
		"    members:\n"
		"      bit: 0x0:3+2 int\n"
		"  _C.v:\n"
		"    union: 0x4\n"
		"    members:\n"
		"      bit: 0x0:3+2 int\n"
		"  odd:\n"
		"    base: signed\n"
		"    size: 3\n"
		"symbols:\n"
		"  _b: 0x2\n");
	vds_profile_destroy(p);
}
END_TEST

#define TYPE(fields) "{" META "," REST ", \"user_types\": {\"_S\": {\"kind\": " \
	"\"struct\", \"size\": 8, \"fields\": {" fields "}}}}"
#define POINTER "{\"kind\": \"pointer\", \"subtype\": "
#define TEN(x) x x x x x x x x x x

static const struct {
	const char *json;
	const char *message;	/* contains */
} bad[] = {
	{"", "byte 0: "},
	{"{", "ends too early"},
	{"[]", "no metadata.windows.pdb"},
	{"7", "byte "},
	{"{} x", "byte "},
	{"{\"metadata\": 3}", "no metadata.windows.pdb"},
	{"{" META "}", "it lacks: base_types"},
	{"{" META ", " REST "}", "it lacks: user_types"},
	{TYPE("\"a\": 1"), "without offset and type: a"},
	{TYPE("\"a\": {\"offset\": -1, \"type\": " INT "}"), "without offset"},
	{TYPE("\"a\": {\"offset\": 4294967296, \"type\": " INT "}"),
	 "without offset"},
	{TYPE("\"a\": {\"offset\": 6, \"type\": " INT "}"),
	 "_S.a: 0x6 + 0x4 bytes is outside"},
	{TYPE("\"a\": {\"offset\": 0, \"type\": {\"kind\": \"bitfield\"}}"),
	 "bit field without"},
	{TYPE("\"a\": {\"offset\": 0, \"type\": {\"kind\": \"bitfield\", "
	      "\"bit_position\": 31, \"bit_length\": 2, \"type\": " INT "}}"),
	 "bits 31+2 are outside"},
	{TYPE("\"a\": {\"offset\": 0, \"type\": {\"kind\": \"struct\", "
	      "\"name\": \"__unnamed_7\"}}"), "not in the table"},
	{TYPE("\"a\": {\"offset\": 0, \"type\": {\"kind\": \"struct\", "
	      "\"name\": \"_S\"}}"), "contains itself"},
	{TYPE("\"a\": {\"offset\": 0, \"type\": {\"kind\": \"array\", "
	      "\"subtype\": " INT "}}"), "array without a count"},
	{TYPE("\"a\": {\"offset\": 0, \"type\": " TEN(TEN(POINTER))),
	 "nesting too deep"},
	{"{" META "," REST ", \"user_types\": {\"int\": {\"kind\": \"struct\", "
	 "\"size\": 8, \"fields\": {}}}}", "int is a base type"},
};

START_TEST(bad_tables_are_refused)
{
	struct vds_profile *p;
	struct vds_error *err = parse(bad[_i].json, &p);
	ck_assert_msg(err, "accepted: %s", bad[_i].json);
	ck_assert_msg(strstr(err->message, bad[_i].message), "%s\nlacks\n%s",
		      err->message, bad[_i].message);
	ck_assert(err->code == VDS_ERROR_FORMAT ||
		  err->code == VDS_ERROR_UNSUPPORTED);
	vds_error_destroy(err);
}
END_TEST

static void find_tables(void)
{
	char dir[4096];
	struct dirent **list;
	snprintf(dir, sizeof(dir), "%s/isf", shared);
	int n = scandir(dir, &list, NULL, alphasort);
	tables = calloc(n > 0 ? (size_t)n : 1, sizeof(*tables));
	for (int i = 0; i < n; i++) {
		char *end = strstr(list[i]->d_name, ".json.xz");
		if (end) {
			*end = '\0';
			tables[num_tables++] = strdup(list[i]->d_name);
		}
		free(list[i]);
	}
	if (n >= 0)
		free(list);
}

int main(void)
{
	shared = getenv("VDS_SHARED_DATA");
	if (shared && HAVE_LZMA)
		find_tables();
	Suite *s = suite_create("profile-isf");
	TCase *tc = tcase_create("tables");
	tcase_add_test(tc, a_small_table_becomes_this_profile);
	tcase_add_loop_test(tc, bad_tables_are_refused, 0, VDS_ARRAY_SIZE(bad));
	suite_add_tcase(s, tc);
	tc = tcase_create("kernels");
	tcase_set_timeout(tc, 60);
	/* VDS_BRIEF: this build isn't the only one that reads them all. */
	int n = getenv("VDS_BRIEF") && num_tables > 4 ? 4 : (int)num_tables;
	tcase_add_loop_test(tc, members_and_symbols_equal_the_fact_tables, 0,
			    n);
	tcase_add_loop_test(tc, full_tables_survive_the_round_trip, 0, n);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	for (size_t i = 0; i < num_tables; i++)
		free(tables[i]);
	free(tables);
	if (failed)
		return 1;
	if (!n) {
		printf("SKIP: no real symbol tables in %s, or no liblzma\n",
		       shared ? shared : "VDS_SHARED_DATA");
		return 77;
	}
	return 0;
}
