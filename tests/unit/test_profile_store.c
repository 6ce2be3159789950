/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "profile/load.h"
#include "profile/store.h"

#define G1 "11111111111111111111111111111111"
#define G2 "22222222222222222222222222222222"
#define G3 "33333333333333333333333333333333"
#define G4 "44444444444444444444444444444444"

static char root[64];

static void put(const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", root, name);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

static const char *at(const char *name)
{
	static char path[4][256];
	static int i;
	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", root, name);
	return path[i];
}

#define PACK "format: vadose-profile/1\narch: x64\nkernels:\n" \
	"  - pdb: ntkrnlmp.pdb\n    guid: '" G1 "'\n    age: 1\n" \
	"    build: 19041\n    revision: 508\n    confidence: symbols\n" \
	"    layers: [a]\n    symbols:\n      S: 0x1\n" \
	"  - pdb: ntkrnlmp.pdb\n    guid: '" G2 "'\n    age: 2\n" \
	"    build: 19041\n    revision: 685\n    confidence: symbols\n" \
	"    layers: [b, c]\n    symbols:\n      S: 0x2\n      T: 0x3\n" \
	"types:\n  _COMMON:\n    struct: 0x8\n" \
	"layers:\n  a:\n    _P:\n      struct: 0x10\n" \
	"  b:\n    _P:\n      struct: 0x20\n      members:\n" \
	"        u: 0x0 _P.u\n    _P.u:\n      union: 0x4\n" \
	"  c:\n    _Q:\n      struct: 0x4\n"

#define INDEX "# pdb guid age arch build revision confidence layout file\n" \
	"ntkrnlmp.pdb " G1 " 1 x64 19041 508 symbols 1 pack.yaml\n" \
	"ntkrnlmp.pdb " G2 " 2 x64 19041 685 symbols 2 pack.yaml\n" \
	"ntkrnlmp.pdb " G3 " 1 x64 19041 700 symbols 2 pack.yaml\n" \
	"ntkrnlmp.pdb - 0 x64 19041 0 published 1 published.yaml\n" \
	"ntkrla57.pdb " G4 " 1 x64 19041 685 symbols 1 la57.yaml\n"

static void setup(void)
{
	strcpy(root, "/tmp/vadose-store-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	mkdir(at("indexed"), 0700);
	mkdir(at("loose"), 0700);
	mkdir(at("loose/sub"), 0700);
	put("indexed/index", INDEX);
	put("indexed/pack.yaml", PACK);
	put("loose/notes.txt", "format: vadose-profile/1\n");
	put("loose/broken.yaml", "{{{");
	put("loose/sub/any.yaml", "format: vadose-profile/1\npdb: NtKrnlMp.pdb\n"
	    "guid: '" G3 "'\nage: 1\narch: x64\nbuild: 19041\nrevision: 800\n"
	    "types:\n  _R: {struct: 4}\n");
	unsetenv("VADOSE_PROFILE_PATH");
}

static void teardown(void)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", root);
	ck_assert_int_eq(system(command), 0);
}

static struct vds_profile_identity kernel(const char *guid, uint32_t age,
					  uint32_t build)
{
	struct vds_profile_identity id = {
		.pdb = "ntkrnlmp.pdb", .arch = "x64", .age = age, .build = build,
	};
	strcpy(id.guid, guid);
	return id;
}

static struct vds_store *open_store(const char *a, const char *b)
{
	const char *dirs[] = {a, b};
	struct vds_store *store;
	ck_assert_ptr_null(vds_store_open(dirs, b ? 2 : 1, &store));
	return store;
}

START_TEST(a_pack_gives_each_kernel_its_own)
{
	struct vds_store *store = open_store(at("indexed"), NULL);
	struct vds_profile_identity want = kernel(G1, 1, 19041);
	struct vds_profile *p;
	uint32_t rva;
	ck_assert_ptr_null(vds_store_find(store, &want, &p));
	ck_assert_uint_eq(vds_profile_type(p, "_P")->size, 0x10);
	ck_assert_ptr_nonnull(vds_profile_type(p, "_COMMON"));
	ck_assert_ptr_null(vds_profile_type(p, "_Q"));
	ck_assert(vds_profile_symbol(p, "S", &rva) && rva == 1);
	ck_assert(!vds_profile_symbol(p, "T", &rva));
	ck_assert_uint_eq(vds_profile_identity(p)->revision, 508);
	ck_assert_str_eq(vds_profile_identity(p)->arch, "x64");
	vds_profile_destroy(p);

	want = kernel(G2, 2, 0);
	ck_assert_ptr_null(vds_store_find(store, &want, &p));
	ck_assert_uint_eq(vds_profile_type(p, "_P")->size, 0x20);
	ck_assert_uint_eq(vds_profile_type(p, "_P")->members[0].type->size, 4);
	ck_assert_ptr_nonnull(vds_profile_type(p, "_Q"));
	ck_assert_uint_eq(vds_profile_num_symbols(p), 2);
	vds_profile_destroy(p);
	vds_store_close(store);
}
END_TEST

START_TEST(a_miss_says_how_to_make_one)
{
	struct vds_store *store = open_store(at("indexed"), at("nowhere"));
	struct vds_profile_identity want = kernel(G2, 3, 19041);
	struct vds_profile *p;
	struct vds_error *err = vds_store_find(store, &want, &p);
	ck_assert_int_eq(err->code, VDS_ERROR_NO_PROFILE);
	static const char *const parts[] = {
		"PDB ntkrnlmp.pdb, GUID " G2 ", age 3", "build 19041",
		"`vadose profile fetch ntkrnlmp.pdb " G2 "-3 -o ",
		"`vadose profile from-pdb ntkrnlmp.pdb ",
		"`vadose profile from-isf " G2 "-3.json.xz ",
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(parts); i++)
		ck_assert_msg(strstr(err->message, parts[i]), "%s\nlacks %s",
			      err->message, parts[i]);
	vds_error_destroy(err);
	vds_store_close(store);
}
END_TEST

START_TEST(an_index_that_lies_is_noticed)
{
	struct vds_store *store = open_store(at("indexed"), NULL);
	struct vds_profile_identity want = kernel(G3, 1, 19041);
	struct vds_profile *p;
	struct vds_error *err = vds_store_find(store, &want, &p);
	ck_assert_int_eq(err->code, VDS_ERROR_FORMAT);
	ck_assert_ptr_nonnull(strstr(err->message, "is not in this file"));
	vds_error_destroy(err);
	vds_store_close(store);
}
END_TEST

START_TEST(profiles_without_an_index_are_found)
{
	struct vds_store *store = open_store(at("loose"), at("indexed"));
	struct vds_profile_identity want = kernel(G3, 1, 19041);
	struct vds_profile *p;
	ck_assert_ptr_null(vds_store_find(store, &want, &p));
	ck_assert_ptr_nonnull(vds_profile_type(p, "_R"));
	ck_assert_str_eq(vds_profile_path(p), at("loose/sub/any.yaml"));
	vds_profile_destroy(p);
	vds_store_close(store);
}
END_TEST

START_TEST(only_absolute_directories_come_from_the_environment)
{
	setenv("VADOSE_PROFILE_PATH", "::.:relative:/abs/a:/abs/b:", 1);
	struct vds_store *store = open_store("given", NULL);
	ck_assert_uint_eq(vds_store_num_dirs(store), 4);
	ck_assert_str_eq(vds_store_dir(store, 0), "given");
	ck_assert_str_eq(vds_store_dir(store, 1), "/abs/a");
	ck_assert_str_eq(vds_store_dir(store, 2), "/abs/b");
	vds_store_close(store);
	unsetenv("VADOSE_PROFILE_PATH");
}
END_TEST

START_TEST(the_nearest_are_those_of_the_build)
{
	struct vds_store *store = open_store(at("indexed"), at("loose"));
	/* 19045 is an enablement package: the files of 19041. */
	struct vds_profile_identity want = kernel(G4, 1, 19045);
	struct vds_store_entry *e;
	size_t n;
	want.revision = 600;
	ck_assert_ptr_null(vds_store_nearest(store, &want, &e, &n));
	/* 700 has the types of 685 and is left out. */
	ck_assert_uint_eq(n, 4);
	ck_assert_uint_eq(e[0].identity.revision, 685);
	ck_assert_uint_eq(e[1].identity.revision, 508);
	ck_assert_uint_eq(e[2].identity.revision, 800);
	ck_assert_int_eq(e[3].identity.confidence, VDS_PROFILE_PUBLISHED);
	free(e);
	want.revision = 0;	/* the newest first */
	ck_assert_ptr_null(vds_store_nearest(store, &want, &e, &n));
	ck_assert_uint_eq(e[0].identity.revision, 800);
	ck_assert_uint_eq(e[1].identity.revision, 700);
	ck_assert_uint_eq(e[2].identity.revision, 508);
	free(e);

	want = kernel(G4, 1, 22000);
	struct vds_error *err = vds_store_nearest(store, &want, &e, &n);
	ck_assert(vds_error_catch(err, VDS_ERROR_NO_PROFILE));
	ck_assert_ptr_null(vds_store_list(store, &e, &n));
	ck_assert_uint_eq(n, 6);
	ck_assert_str_eq(e[0].identity.pdb, "ntkrla57.pdb");
	free(e);
	vds_store_close(store);
}
END_TEST

START_TEST(later_builds_are_refused)
{
	struct vds_store *store = open_store(at("indexed"), NULL);
	struct vds_profile_identity want = kernel(G1, 1, 28000);
	struct vds_store_entry *e;
	struct vds_profile *p;
	size_t n;
	ck_assert(vds_error_catch(vds_store_find(store, &want, &p),
				  VDS_ERROR_UNSUPPORTED));
	ck_assert(vds_error_catch(vds_store_nearest(store, &want, &e, &n),
				  VDS_ERROR_UNSUPPORTED));
	vds_store_close(store);
}
END_TEST

static const char *const bad_lines[] = {
	"a.pdb " G1 " 1 x64 1 1 symbols 1",
	"a.pdb " G1 " 1 x64 1 1 symbols 1 a.yaml more",
	"a.pdb 1234 1 x64 1 1 symbols 1 a.yaml",
	"a.pdb " G1 " -1 x64 1 1 symbols 1 a.yaml",
	"a.pdb " G1 " 1 x64 1 1 maybe 1 a.yaml",
	"a.pdb " G1 " 1 x64 1 1 symbols 1 /etc/passwd",
	"a.pdb " G1 " 1 x64 1 1 symbols 1 ../a.yaml",
	"a.pdb " G1 " 1 x64 1 1 symbols 1 b/../../a.yaml",
	"a.pdb " G1 " 1 x64longer 1 1 symbols 1 a.yaml",
};

START_TEST(bad_indexes_are_refused_with_line)
{
	char text[512];
	snprintf(text, sizeof(text), "# comment\n\n%s\n", bad_lines[_i]);
	put("indexed/index", text);
	struct vds_store *store = open_store(at("indexed"), NULL);
	struct vds_profile_identity want = kernel(G1, 1, 0);
	struct vds_profile *p;
	struct vds_error *err = vds_store_find(store, &want, &p);
	ck_assert_int_eq(err->code, VDS_ERROR_FORMAT);
	ck_assert_msg(strstr(err->message, "/indexed/index:3: "), "%s",
		      err->message);
	vds_error_destroy(err);
	vds_store_close(store);
}
END_TEST

static const struct {
	const char *pack;
	const char *message;
} bad_packs[] = {
	{PACK, "several kernels"},
	{"format: vadose-profile/1\nkernels: []\nlayers: {}\n", "`kernels` must"},
	{"format: vadose-profile/1\nkernels:\n  - symbols: {}\n    age: 1\n",
	 "must be the last key"},
	{"format: vadose-profile/1\nkernels:\n  - layers: a\n",
	 "expected a list of layers"},
	{"format: vadose-profile/1\nkernels:\n  - layers: [a, b]\n"
	 "layers:\n  a:\n    T: {struct: 1}\n  b:\n    T: {struct: 1}\n",
	 "T: defined twice"},
};

START_TEST(bad_packs_are_refused)
{
	struct vds_profile *p;
	struct vds_error *err = vds_profile_parse("p", bad_packs[_i].pack,
						  strlen(bad_packs[_i].pack), &p);
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->code, VDS_ERROR_FORMAT);
	ck_assert_msg(strstr(err->message, bad_packs[_i].message), "%s",
		      err->message);
	vds_error_destroy(err);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("profile-store");
	TCase *tc = tcase_create("store");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_pack_gives_each_kernel_its_own);
	tcase_add_test(tc, a_miss_says_how_to_make_one);
	tcase_add_test(tc, an_index_that_lies_is_noticed);
	tcase_add_test(tc, profiles_without_an_index_are_found);
	tcase_add_test(tc, only_absolute_directories_come_from_the_environment);
	tcase_add_test(tc, the_nearest_are_those_of_the_build);
	tcase_add_test(tc, later_builds_are_refused);
	tcase_add_loop_test(tc, bad_indexes_are_refused_with_line, 0,
			    VDS_ARRAY_SIZE(bad_lines));
	tcase_add_loop_test(tc, bad_packs_are_refused, 0,
			    VDS_ARRAY_SIZE(bad_packs));
	suite_add_tcase(s, tc);
	SRunner *sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	int failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? 1 : 0;
}
