/* SPDX-License-Identifier: Apache-2.0 */
/* The scene builder: its language, its PE headers, its messages. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/util.h"
#include "images/pe.h"
#include "images/scene.h"
#include "images/words.h"
#include "images/world.h"

static struct vds_error *read_text(const char *text, struct scene **ret)
{
	char path[] = "/tmp/scene-XXXXXX";
	int fd = mkstemp(path);
	struct vds_error *err;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	err = scene_read(path, ret);
	unlink(path);
	return err;
}

static struct scene *read_good(const char *text)
{
	struct scene *scene = NULL;
	struct vds_error *err = read_text(text, &scene);

	ck_assert_msg(!err, "%s", err ? err->message : "");
	return scene;
}

/* Recipe, and what must stand in the message. */
static const struct {
	const char *text, *message;
} bad[] = {
	{ "\n\nnonsense 1\n", ":3: unknown statement \"nonsense\"" },
	{ "section a pagefile pages x\n", ":1: pages: bad value \"x\"" },
	{ "section a pagefile prot rxw\n", "prot: bad value \"rxw\"" },
	{ "section a heap\n", "section kind \"heap\"" },
	{ "section a pagefile\nsection a pagefile\n", ":2: section a again" },
	{ "section a image \"\\a.dll\" pages 3\n", "6 pages or more" },
	{ "section a file\n", "path is missing" },
	{ "section a file \"\\x\" parts \"4 no\"\n", "part 1: bad size" },
	{ "process a.exe\n", "a PID is a multiple of 4" },
	{ "process a.exe pid 6\n", "a PID is a multiple of 4" },
	{ "process a pid 4\nprocess b pid 4\n", ":2: PID 4 again" },
	{ "process a pid 8 image b\n", "no image section \"b\"" },
	{ "process a pid 8 integrity odd\n", "integrity \"odd\"" },
	{ "process a pid 8\nview a s\n", ":2: no section \"s\"" },
	{ "section s pagefile\nview 8 s\n", ":2: no process \"8\"" },
	{ "section s pagefile pages 4\nprocess a pid 8\n"
	  "view 8 s offset 4\n", ":3: the view is empty" },
	{ "process a \"pid 8\n", "unclosed quote" },
	{ "private 8 pages\n", "pages is missing" },
	{ "section s pagefile\ncontent s 0 4g\n", "\"4g\" is not hex" },
	{ "section s pagefile\ncontent s 0 123\n", "\"123\" is not hex" },
	{ "include nowhere.scene\n", "nowhere.scene" },
	{ "fault\n", "what?" },
	{ "crowd processes 6000\n", "too large a crowd" },
	{ "machine time yesterday\n", "time: bad value" },
};

START_TEST(bad_lines_are_named)
{
	struct scene *scene = NULL;
	struct vds_error *err = read_text(bad[_i].text, &scene);

	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_null(scene);
	ck_assert_msg(strstr(err->message, bad[_i].message), "%s",
		      err->message);
	vds_error_destroy(err);
}
END_TEST

START_TEST(states_are_spelled_out)
{
	static const struct {
		const char *pattern;
		size_t n;
		const char *want;
	} cases[] = {
		{ "V", 3, "V.." },	{ "V*", 3, "VVV" },
		{ "V2TS*", 6, "VVTSSS" },	{ "V10", 4, "VVVV" },
		{ ".2V", 4, "..V." },	{ "", 2, ".." },
		{ "VLP", 2, "VL" },	{ "V0T", 3, "T.." },
	};
	struct vds_arena arena = { 0 };

	for (size_t i = 0; i < VDS_ARRAY_SIZE(cases); i++)
		ck_assert_str_eq(scene_states(&arena, cases[i].pattern,
					      cases[i].n),
				 cases[i].want);
	vds_arena_deinit(&arena);
}
END_TEST

START_TEST(protections_have_two_names)
{
	uint32_t prot = 99;

	ck_assert(parse_prot("rw", &prot) && prot == PROT_READWRITE);
	ck_assert(parse_prot("PAGE_EXECUTE_WRITECOPY", &prot) && prot == 7);
	ck_assert(parse_prot("READWRITE+GUARD", &prot) && prot == 0x14);
	ck_assert(parse_prot("r+NOCACHE", &prot) && prot == 0x09);
	ck_assert(!parse_prot("READ", &prot));
	ck_assert(!parse_prot("rw+SOMETHING", &prot));
}
END_TEST

static struct vds_error *add_pid(struct process *process, void *arg)
{
	*(uint32_t *)arg += process->pid;
	return NULL;
}

START_TEST(selectors_select)
{
	static const struct {
		const char *selector;
		uint32_t sum;	/* of the PIDs */
	} cases[] = {
		{ "*", 8 + 12 + 16 }, { "a*.exe", 8 + 12 },
		{ "session:1", 12 }, { "8,16", 24 }, { "*,!8", 28 },
		{ "*,!a*", 16 }, { "24", 24 }, { "System", 4 },
	};
	struct scene *scene = read_good(
		"process System pid 4\nprocess a.exe pid 8\n"
		"process ab.exe pid 12 session 1\nprocess c.exe pid 16\n"
		"process mini pid 20 minimal\n"
		"process gone.exe pid 24 exited 2020-10-08T17:00:00\n");

	for (size_t i = 0; i < VDS_ARRAY_SIZE(cases); i++) {
		uint32_t sum = 0;
		ck_assert_ptr_null(scene_each(scene, (struct place){ "t", 1 },
					      cases[i].selector, add_pid,
					      &sum));
		ck_assert_msg(sum == cases[i].sum, "%s: %u",
			      cases[i].selector, sum);
	}
	scene_destroy(scene);
}
END_TEST

START_TEST(sections_have_parts)
{
	struct scene *scene = read_good(
		"section dll image \"\\a.dll\" pages 40\n"
		"section grow file \"\\g\" parts \"16 32\" prot rw\n");
	const struct section *dll = scene_find_section(scene, "dll");
	const struct section *grow = scene_find_section(scene, "grow");
	uint32_t sum = 0;

	for (unsigned int i = 0; i < dll->num_parts; i++)
		sum += dll->parts[i].pages;
	ck_assert_uint_eq(sum, 40);
	ck_assert_str_eq(dll->parts[1].name, ".text");
	ck_assert_uint_eq(dll->parts[1].prot, PROT_EXECUTE_READ);
	ck_assert_uint_eq(grow->num_parts, 2);
	ck_assert_uint_eq(grow->pages, 48);
	ck_assert_uint_eq(grow->parts[1].prot, PROT_READWRITE);
	scene_destroy(scene);
}
END_TEST

START_TEST(times_and_sizes)
{
	struct scene *scene = read_good(
		"machine memory 2G time 1970-01-01T00:00:01 truncate 3M\n");

	ck_assert_uint_eq(scene->memory, UINT64_C(2) << 30);
	ck_assert_uint_eq(scene->truncate, 3 << 20);
	/* FILETIME of the Unix epoch, and one second. */
	ck_assert_uint_eq(scene->time, UINT64_C(116444736010000000));
	scene_destroy(scene);
}
END_TEST

START_TEST(a_crowd_is_the_same_every_time)
{
	const char *text = "crowd processes 20 vads 30 sections 40\n";
	struct scene *a = read_good(text), *b = read_good(text);
	const struct process *p = a->processes, *q = b->processes;
	unsigned int shared = 0, n = 0;

	for (; p && q; p = p->next, q = q->next, n++) {
		const struct view *v = p->views, *u = q->views;
		for (; v && u; v = v->next, u = u->next) {
			ck_assert_uint_eq(v->pages, u->pages);
			ck_assert_int_eq(!v->section, !u->section);
			shared += v->section != NULL;
		}
		ck_assert_int_eq(!v, !u);
	}
	ck_assert_uint_eq(n, 20);
	/* Half of 20 x 28 (two VADs come with the PEB), give or take. */
	ck_assert_uint_gt(shared, 220);
	ck_assert_uint_lt(shared, 340);
	scene_destroy(a);
	scene_destroy(b);
}
END_TEST

START_TEST(texts_become_utf16)
{
	static const uint8_t want[] = { 'a', 0, 0x1b, 0, 0x2e, 0x20, 0xe4, 0,
					0x3d, 0xd8, 0x00, 0xde, 0x00, 0xd8,
					'{', 0, 'x', 0 };
	uint8_t got[64];
	size_t len = text_utf16("a{1b}{202e}\xc3\xa4\xf0\x9f\x98\x80{d800}{x",
				got, sizeof(got));

	ck_assert_uint_eq(len, sizeof(want));
	ck_assert_mem_eq(got, want, len);
	/* No more than there is room for. */
	ck_assert_uint_eq(text_utf16("abcdef", got, 4), 4);
}
END_TEST

START_TEST(pe_header_by_the_specification)
{
	static const struct pe_section sections[] = {
		{ ".text", 0x1000, 0x3000, PE_EXECUTABLE_CODE },
		{ ".data", 0x4000, 0x1000, PE_DATA },
	};
	const struct pe pe = { .image_base = 0x140000000, .size = 0x5000,
			       .entry = 0x1000, .timestamp = 7, .dll = 1,
			       .debug_rva = 0x4000, .debug_size = 28,
			       .sections = sections, .num_sections = 2 };
	uint8_t page[PE_PAGE];

	pe_header(&pe, page);
	ck_assert_mem_eq(page, "MZ", 2);
	uint32_t at = vds_le32(page + 0x3c);
	ck_assert_mem_eq(page + at, "PE\0\0", 4);
	ck_assert_uint_eq(vds_le16(page + at + 4), 0x8664);
	ck_assert_uint_eq(vds_le16(page + at + 6), 2);
	ck_assert(vds_le16(page + at + 22) & 0x2000);
	ck_assert_uint_eq(vds_le16(page + at + 24), 0x20b);
	ck_assert_uint_eq(vds_le64(page + at + 24 + 24), 0x140000000);
	ck_assert_uint_eq(vds_le32(page + at + 24 + 56), 0x5000);
	/* Sections follow the optional header, whose size is stated. */
	uint32_t table = at + 24 + vds_le16(page + at + 20);
	ck_assert_str_eq((const char *)page + table + 40, ".data");
	ck_assert_uint_eq(vds_le32(page + table + 40 + 12), 0x4000);
}
END_TEST

START_TEST(codeview_record_names_the_pdb)
{
	uint8_t buf[128] = { 0 };
	uint32_t len = pe_debug(buf, 0x2000, "ntkrnlmp.pdb",
				"35A038B1F6E2E8CAF642111E6EC66F57", 3, 1);
	static const uint8_t guid[] = { 0xb1, 0x38, 0xa0, 0x35, 0xe2, 0xf6,
					0xca, 0xe8, 0xf6, 0x42, 0x11, 0x1e,
					0x6e, 0xc6, 0x6f, 0x57 };

	ck_assert_uint_eq(len, 28 + 24 + 13);
	ck_assert_uint_eq(vds_le32(buf + 20), 0x2000 + 28);
	ck_assert_mem_eq(buf + 28, "RSDS", 4);
	ck_assert_mem_eq(buf + 32, guid, 16);
	ck_assert_uint_eq(vds_le32(buf + 48), 3);
	ck_assert_str_eq((const char *)buf + 52, "ntkrnlmp.pdb");
}
END_TEST

START_TEST(exports_do_not_overflow)
{
	static const char *const names[] = { "A", "B" };
	static const uint32_t rvas[] = { 0x10, 0x20 };
	uint8_t buf[128] = { 0 };
	uint32_t len = pe_exports(buf, sizeof(buf), 0x1000, "k.exe", names,
				  rvas, 2);

	ck_assert_uint_gt(len, 0);
	ck_assert_str_eq((const char *)buf + vds_le32(buf + 12) - 0x1000,
			 "k.exe");
	for (uint32_t max = 0; max < len; max++)
		ck_assert_uint_eq(pe_exports(buf, max, 0x1000, "k.exe", names,
					     rvas, 2), 0);
}
END_TEST

/* A profile that lacks what the builder needs is an error, never a crash. */
START_TEST(poor_profile_is_an_error)
{
	static const char yaml[] =
		"format: vadose-profile/1\npdb: ntkrnlmp.pdb\n"
		"guid: 35A038B1F6E2E8CAF642111E6EC66F57\nage: 1\narch: x64\n";
	struct scene *scene = read_good("process System pid 4\n");
	struct vds_profile *profile = NULL;
	struct world world;
	struct vds_error *err = vds_profile_parse("p", yaml, strlen(yaml),
						  &profile);

	ck_assert_msg(!err, "%s", err ? err->message : "");
	err = world_build(&world, scene, profile, NULL);
	ck_assert_ptr_nonnull(err);
	ck_assert_ptr_nonnull(strstr(err->message, "the profile has no"));
	vds_error_destroy(err);
	world_deinit(&world);
	vds_profile_destroy(profile);
	scene_destroy(scene);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scene");
	TCase *tcase = tcase_create("scene");

	tcase_add_loop_test(tcase, bad_lines_are_named, 0,
			    VDS_ARRAY_SIZE(bad));
	tcase_add_test(tcase, states_are_spelled_out);
	tcase_add_test(tcase, protections_have_two_names);
	tcase_add_test(tcase, selectors_select);
	tcase_add_test(tcase, sections_have_parts);
	tcase_add_test(tcase, times_and_sizes);
	tcase_add_test(tcase, a_crowd_is_the_same_every_time);
	tcase_add_test(tcase, texts_become_utf16);
	tcase_add_test(tcase, pe_header_by_the_specification);
	tcase_add_test(tcase, codeview_record_names_the_pdb);
	tcase_add_test(tcase, exports_do_not_overflow);
	tcase_add_test(tcase, poor_profile_is_an_error);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
