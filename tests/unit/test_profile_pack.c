/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The profiles that are shipped: every kernel of the shared symbol tables,
 * against the table of facts that another program made of them.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "csv.h"
#include "profile/store.h"

static struct vds_store *store;

static struct vds_profile *find(const struct csv *row)
{
	struct vds_profile_identity want = {.arch = "x64"};
	struct vds_profile *p;
	const char *id = csv_get(row, "guid_age");
	strcpy(want.pdb, csv_get(row, "pdb"));
	memcpy(want.guid, id, 32);
	want.age = (uint32_t)strtoul(id + 33, NULL, 10);
	struct vds_error *err = vds_store_find(store, &want, &p);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	return p;
}

static void check_size(const struct vds_profile *p, const struct csv *row,
		       const char *type, const char *column)
{
	ck_assert_msg(vds_profile_type(p, type)->size == csv_num(row, column),
		      "%s of %s", type, csv_get(row, "guid_age"));
}

static void check_offset(const struct vds_profile *p, const struct csv *row,
			 const char *member)
{
	struct vds_field f;
	ck_assert(vds_type_member(vds_profile_type(p, "_EPROCESS"), member, &f));
	ck_assert_msg(f.offset == csv_num(row, member), "%s of %s", member,
		      csv_get(row, "guid_age"));
}

/* "Valid:0+1 Unused0:1+3 ...": name, absolute first bit, length. */
static void check_bits(const struct vds_profile *p, const struct csv *row,
		       const char *type, const char *column)
{
	const struct vds_type *t = vds_profile_type(p, type);
	const char *at = csv_get(row, column);
	char name[64];
	unsigned int pos, bits;
	int used, checked = 0;
	while (sscanf(at, " %63[^:]:%u+%u%n", name, &pos, &bits, &used) == 3) {
		struct vds_field f;
		at += used;
		ck_assert_msg(vds_type_member(t, name, &f), "%s.%s", type, name);
		ck_assert_uint_eq(f.offset * 8 + f.bit_pos, pos);
		ck_assert_uint_eq(f.bit_len, bits);
		checked++;
	}
	ck_assert_int_gt(checked, 4);
}

static void check_kernel(const struct vds_profile *p, const struct csv *row)
{
	check_size(p, row, "_EPROCESS", "EPROCESS_size");
	check_size(p, row, "_MMVAD_SHORT", "MMVAD_SHORT_size");
	check_size(p, row, "_MMVAD", "MMVAD_size");
	check_size(p, row, "_CONTROL_AREA", "CONTROL_AREA_size");
	check_size(p, row, "_MMPTE", "MMPTE_size");
	check_offset(p, row, "UniqueProcessId");
	check_offset(p, row, "ActiveProcessLinks");
	check_offset(p, row, "ImageFileName");
	check_offset(p, row, "VadRoot");
	check_bits(p, row, "_MMVAD_FLAGS", "VadFlags_layout");
	check_bits(p, row, "_MMPTE_SUBSECTION", "MMPTE_SUBSECTION_layout");
	check_bits(p, row, "_MMPTE_PROTOTYPE", "MMPTE_PROTOTYPE_layout");
}

static int check_kernels(const char *path)
{
	struct csv csv;
	int n = 0;
	csv_open(&csv, path);
	while (csv_next(&csv)) {
		struct vds_profile *p = find(&csv);
		check_kernel(p, &csv);
		vds_profile_destroy(p);
		n++;
	}
	csv_close(&csv);
	return n;
}

START_TEST(every_kernel_equals_the_fact_table)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/isf/index.csv",
		 getenv("VDS_SHARED_DATA"));
	/* 209 kernels; two have a table from both sources. */
	ck_assert_int_eq(check_kernels(path), 211);
}
END_TEST

START_TEST(symbols_equal_the_fact_table)
{
	char path[4096];
	struct csv csv;
	int checked = 0;
	snprintf(path, sizeof(path), "%s/layouts/symbols.csv",
		 getenv("VDS_SHARED_DATA"));
	csv_open(&csv, path);
	while (csv_next(&csv)) {
		struct vds_profile_identity want = {.pdb = "ntkrnlmp.pdb"};
		struct vds_profile *p;
		memcpy(want.guid, csv.fields[0], 32);
		want.age = (uint32_t)strtoul(csv.fields[0] + 33, NULL, 10);
		struct vds_error *err = vds_store_find(store, &want, &p);
		if (vds_error_catch(err, VDS_ERROR_NO_PROFILE))
			continue;	/* its table isn't in the shared data */
		ck_assert_ptr_null(err);
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
		vds_profile_destroy(p);
	}
	csv_close(&csv);
	ck_assert_int_gt(checked, 209 * 50);
}
END_TEST

static const struct {
	const char *pdb;
	uint32_t build;
	const char *kind;	/* of the source in the map of layouts */
	int min_members;	/* that are there and right */
} published[] = {
	{"ntkrnlmp.pdb", 22621, "HDR", 1000},
	{"ntkrnlmp.pdb", 22631, "HDR", 1000},
	{"ntkrnlmp.pdb", 26100, "CS", 600},
};

static struct vds_profile *load_published(const char *pdb, uint32_t build)
{
	struct vds_profile_identity want = {.arch = "x64", .build = build};
	struct vds_store_entry *list;
	struct vds_profile *p = NULL;
	size_t n;
	strcpy(want.pdb, pdb);
	ck_assert_ptr_null(vds_store_nearest(store, &want, &list, &n));
	for (size_t i = 0; i < n && !p; i++) {
		if (list[i].identity.build == build)
			ck_assert_ptr_null(vds_store_load(&list[i], &p));
	}
	free(list);
	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(vds_profile_identity(p)->confidence,
			 VDS_PROFILE_PUBLISHED);
	return p;
}

/* True if the member is there; then it must be where the fact says. */
static bool check_fact(const struct vds_profile *p, const struct csv *row)
{
	const struct vds_type *t = vds_profile_type(p, csv_get(row, "struct"));
	const char *path = csv_get(row, "field");
	struct vds_field f;
	ck_assert_msg(t, "%s", csv_get(row, "struct"));
	ck_assert_uint_eq(t->size, csv_num(row, "size"));
	if (!vds_type_member(t, path, &f))
		return false;
	ck_assert_msg(f.offset == csv_num(row, "offset"), "%s.%s", t->name, path);
	if (csv_get(row, "bit_len")[0]) {
		ck_assert_uint_eq(f.bit_pos, csv_num(row, "bit_pos"));
		ck_assert_uint_eq(f.bit_len, csv_num(row, "bit_len"));
	}
	return true;
}

START_TEST(published_layouts_equal_the_facts)
{
	char path[4096], number[16], wanted[16384] = "";
	struct csv csv;
	int present = 0;
	struct vds_profile *p = load_published(published[_i].pdb,
					       published[_i].build);
	snprintf(number, sizeof(number), "%u", published[_i].build);
	snprintf(path, sizeof(path), "%s/layouts/layout_map.csv",
		 getenv("VDS_SHARED_DATA"));
	csv_open(&csv, path);
	while (csv_next(&csv)) {
		size_t len = strlen(wanted);
		if (strstr(csv_get(&csv, "build"), number) &&
		    !strcmp(csv_get(&csv, "arch"), "x64") &&
		    !strcmp(csv_get(&csv, "kind"), published[_i].kind))
			snprintf(wanted + len, sizeof(wanted) - len,
				 "\n%s %s\n", csv_get(&csv, "struct"),
				 csv_get(&csv, "layout"));
	}
	csv_close(&csv);
	snprintf(path, sizeof(path), "%s/layouts/layouts.csv",
		 getenv("VDS_SHARED_DATA"));
	csv_open(&csv, path);
	while (csv_next(&csv)) {
		char key[200];
		snprintf(key, sizeof(key), "\n%s %s\n", csv_get(&csv, "struct"),
			 csv_get(&csv, "layout"));
		if (!strcmp(csv_get(&csv, "arch"), "x64") &&
		    strstr(wanted, key))
			present += check_fact(p, &csv);
	}
	csv_close(&csv);
	vds_profile_destroy(p);
	ck_assert_int_ge(present, published[_i].min_members);
}
END_TEST

/* Facts that the engine can't do without, from nt-internals literature. */
START_TEST(server_2025_has_what_a_walk_needs)
{
	static const struct {
		const char *type, *path;
		uint32_t offset;
		uint8_t pos, len;
	} facts[] = {
		{"_KPROCESS", "DirectoryTableBase", 0x28, 0, 0},
		{"_EPROCESS", "UniqueProcessId", 0x1d0, 0, 0},
		{"_EPROCESS", "ActiveProcessLinks", 0x1d8, 0, 0},
		{"_EPROCESS", "ImageFileName", 0x338, 0, 0},
		{"_EPROCESS", "VadRoot.Root", 0x558, 0, 0},
		{"_MMVAD_SHORT", "u.VadFlags.Protection", 0x30, 7, 5},
		{"_MMVAD_SHORT", "u.PrivateVadFlags.MemCommit", 0x30, 25, 1},
		{"_MMVAD", "Core.VadNode.ParentValue", 0x10, 0, 0},
		{"_MMVAD", "VadFlags2.Inherit", 0x40, 2, 1},
		{"_CONTROL_AREA", "u.Flags.Image", 0x38, 5, 1},
		{"_SUBSECTION", "SubsectionFlags.Protection", 0x20, 1, 5},
		{"_MMPTE_SOFTWARE", "PageFileLow", 0, 12, 4},
		{"_MMPTE_PROTOTYPE", "ProtoAddress", 0, 16, 48},
		{"_MMPTE_TRANSITION", "PageFrameNumber", 0, 12, 40},
		{"_HANDLE_TABLE_ENTRY", "ObjectPointerBits", 0, 20, 44},
		{"_MMPFN", "u4.PteFrame", 0x28, 0, 40},
		{"_SECTION", "u1.ControlArea", 0x28, 0, 0},
		{"_OBJECT_DIRECTORY", "HashBuckets", 0, 0, 0},
	};
	struct vds_profile *p = load_published("ntkrnlmp.pdb", 26100);
	struct vds_field f;
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		const struct vds_type *t = vds_profile_type(p, facts[i].type);
		ck_assert_msg(t && vds_type_member(t, facts[i].path, &f), "%s.%s",
			      facts[i].type, facts[i].path);
		ck_assert_msg(f.offset == facts[i].offset &&
			      f.bit_pos == facts[i].pos &&
			      f.bit_len == facts[i].len, "%s.%s", facts[i].type,
			      facts[i].path);
	}
	/* Nobody has published where these bits are. */
	ck_assert(!vds_type_member(vds_profile_type(p, "_EPROCESS"), "Minimal",
				   &f));
	vds_profile_destroy(p);
	p = load_published("ntkrla57.pdb", 26100);
	ck_assert(vds_type_member(vds_profile_type(p, "_HANDLE_TABLE_ENTRY"),
				  "ObjectPointerBits", &f));
	ck_assert_uint_eq(f.bit_pos, 11);
	ck_assert_uint_eq(f.bit_len, 53);
	vds_profile_destroy(p);
}
END_TEST

int main(void)
{
	const char *shared = getenv("VDS_SHARED_DATA");
	const char *root = getenv("VDS_SOURCE_ROOT");
	char path[4096];
	snprintf(path, sizeof(path), "%s/isf/index.csv", shared ? shared : "");
	if (!root || access(path, R_OK)) {
		printf("SKIP: no %s to compare the packs with\n", path);
		return 77;
	}
	snprintf(path, sizeof(path), "%s/profiles", root);
	const char *dirs[] = {path};
	struct vds_error *err = vds_store_open(dirs, 1, &store);
	if (err)
		return 1;
	Suite *s = suite_create("profile-pack");
	TCase *tc = tcase_create("pack");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, every_kernel_equals_the_fact_table);
	tcase_add_test(tc, symbols_equal_the_fact_table);
	tcase_add_loop_test(tc, published_layouts_equal_the_facts, 0, 3);
	tcase_add_test(tc, server_2025_has_what_a_walk_needs);
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	vds_store_close(store);
	return failed ? 1 : 0;
}
