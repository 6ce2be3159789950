/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/map.h"
#include "base/note.h"
#include "base/str.h"
#include "base/util.h"
#include "base/work.h"

START_TEST(error_prefix_builds_a_chain)
{
	struct vds_error *err = vds_error_create(VDS_ERROR_FORMAT, "entry %d", 7);
	err = vds_error_prefix(err, "map");
	err = vds_error_prefix(err, "a.aff4");
	ck_assert_str_eq(err->message, "a.aff4: map: entry 7");
	ck_assert_int_eq(vds_error_exit_status(err->code), 4);
	ck_assert(!vds_error_catch(err, VDS_ERROR_NOMEM));
	ck_assert(vds_error_catch(err, VDS_ERROR_FORMAT));
	ck_assert_ptr_eq(vds_error_prefix(&vds_stop, "x"), &vds_stop);
	err = vds_error_create(VDS_ERROR_FORMAT, "name \"\x1b[2J\"");
	ck_assert_str_eq(err->message, "name \"?[2J\"");
	vds_error_destroy(err);
}
END_TEST

START_TEST(arena_respects_its_limit)
{
	struct vds_arena arena;
	vds_arena_init(&arena, 100000);
	size_t n = 0;
	while (vds_arena_alloc(&arena, 1000))
		n++;
	ck_assert_uint_ge(n, 50);
	ck_assert_uint_le(arena.total, 100000);
	ck_assert_ptr_null(vds_arena_calloc(&arena, SIZE_MAX / 2, 4));
	vds_arena_reset(&arena);
	ck_assert_str_eq(vds_arena_printf(&arena, "%d-%s", 5, "x"), "5-x");
	vds_arena_deinit(&arena);
}
END_TEST

START_TEST(bytes_never_pass_their_end)
{
	static const uint8_t data[] = {1, 2, 3, 4, 5, 'a', 0};
	struct vds_bytes b;
	vds_bytes_init(&b, data, sizeof(data));
	ck_assert_uint_eq(vds_bytes_u32(&b), 0x04030201);
	ck_assert_uint_eq(vds_bytes_u32(&b), 0);
	ck_assert(b.failed);
	vds_bytes_init(&b, data, sizeof(data));
	ck_assert(vds_bytes_seek(&b, 5));
	size_t len;
	ck_assert_str_eq(vds_bytes_cstr(&b, &len), "a");
	ck_assert_uint_eq(len, 1);
	ck_assert_ptr_null(vds_bytes_cstr(&b, &len));
	ck_assert_int_eq(vds_sign_extend(0x8, 4), -8);
	ck_assert_uint_eq(vds_bits(0xff00, 8, 4), 0xf);
	ck_assert_uint_eq(vds_bits(UINT64_MAX, 0, 64), UINT64_MAX);
}
END_TEST

START_TEST(map_holds_many_keys_and_zero)
{
	struct vds_map map = {0};
	ck_assert_int_eq(vds_set_add(&map, 0), VDS_SEEN_NEW);
	ck_assert_int_eq(vds_set_add(&map, 0), VDS_SEEN_BEFORE);
	for (uint64_t k = 1; k < 10000; k++)
		*vds_map_put(&map, k << 12, NULL) = k;
	for (uint64_t k = 1; k < 10000; k++)
		ck_assert_uint_eq(*vds_map_get(&map, k << 12), k);
	ck_assert_ptr_null(vds_map_get(&map, 7));
	/* Room for more: what is there stays, and nothing moves after. */
	ck_assert(vds_map_reserve(&map, 100000));
	uint64_t *one = vds_map_get(&map, 1 << 12);
	ck_assert_uint_eq(*one, 1);
	for (uint64_t k = 0; map.count < 100000; k++)
		*vds_map_put(&map, k << 12 | 1, NULL) = k;
	ck_assert_ptr_eq(vds_map_get(&map, 1 << 12), one);
	ck_assert(vds_map_reserve(&map, 10));
	ck_assert_uint_eq(map.count, 100000);
	ck_assert(!vds_map_reserve(&map, SIZE_MAX));
	ck_assert_uint_eq(*vds_map_get(&map, 1 << 12), 1);
	vds_map_clear(&map);
	ck_assert(!vds_set_has(&map, 0));
	ck_assert(!vds_set_has(&map, 1 << 12));
	vds_map_deinit(&map);
}
END_TEST

START_TEST(utf16_becomes_valid_utf8)
{
	struct vds_str s = {0};
	/* A, e-acute, lone high surrogate, U+1F600, lone low surrogate */
	static const uint8_t u[] = {'A', 0, 0xe9, 0, 0x00, 0xd8, 0x3d, 0xd8,
				    0x00, 0xde, 0x00, 0xdc};
	vds_str_put_utf16(&s, u, sizeof(u) / 2);
	ck_assert_str_eq(vds_str_cstr(&s),
			 "A\xc3\xa9\xef\xbf\xbd\xf0\x9f\x98\x80\xef\xbf\xbd");
	s.len = 0;
	vds_str_put_utf8(&s, "a\xff\xc0\xaf\xe2\x82\xac", 7);
	ck_assert_str_eq(vds_str_cstr(&s),
			 "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xe2\x82\xac");
	vds_str_deinit(&s);
	ck_assert(vds_is_unsafe_char(0x1b));
	ck_assert(vds_is_unsafe_char(0x202e));
	ck_assert(!vds_is_unsafe_char(0xe9));
}
END_TEST

START_TEST(glob_matches_whole_strings)
{
	ck_assert(vds_glob_match("*thumb*.db", "C:\\x\\ThumbCache_idx.db"));
	ck_assert(vds_glob_match("s?chost.exe", "SVCHOST.EXE"));
	ck_assert(vds_glob_match("a?c", "a\xc3\xa9" "c"));
	ck_assert(!vds_glob_match("svchost", "svchost.exe"));
	ck_assert(vds_glob_match("*", ""));
	ck_assert(!vds_glob_match("?", ""));
}
END_TEST

START_TEST(numbers_parse_whole_or_not_at_all)
{
	uint64_t v;
	ck_assert(vds_parse_u64("0xfffff800`00000000", &v));
	ck_assert_uint_eq(v, UINT64_C(0xfffff80000000000));
	ck_assert(vds_parse_u64("18446744073709551615", &v));
	ck_assert(!vds_parse_u64("18446744073709551616", &v));
	ck_assert(!vds_parse_u64("12x", &v));
	ck_assert(!vds_parse_u64("", &v));
	ck_assert(!vds_parse_u64("0x", &v));
	ck_assert(!vds_parse_u64("_1", &v));
	ck_assert(!vds_parse_u64("1_", &v));
}
END_TEST

START_TEST(addresses_are_read_as_debuggers_print_them)
{
	static const struct {
		const char *text;
		uint64_t value;
	} good[] = {
		{"0xfffff800`00000000", UINT64_C(0xfffff80000000000)},
		{"fffff800`00000000", UINT64_C(0xfffff80000000000)},
		{"FFFFF80000000000", UINT64_C(0xfffff80000000000)},
		/* Sixteen digits are an address, whichever they are. */
		{"0000000000401000", 0x401000},
		{"00000000`00401000", 0x401000},
		{"0xfffff800000012", UINT64_C(0xfffff800000012)},
		{"7ffe0000", 0x7ffe0000},
		{"4096", 4096},
	};
	uint64_t v;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		v = 0;
		ck_assert_msg(vds_parse_address(good[i].text, &v) &&
			      v == good[i].value, "%s: 0x%llx", good[i].text,
			      (unsigned long long)v);
	}
	ck_assert(!vds_parse_address("", &v));
	ck_assert(!vds_parse_address("0x", &v));
	ck_assert(!vds_parse_address("`", &v));
	ck_assert(!vds_parse_address("fffff800`", &v));
	ck_assert(!vds_parse_address("12x", &v));
	ck_assert(!vds_parse_address("1fffff80000000000", &v));
}
END_TEST

START_TEST(notes_are_recorded_once_and_capped)
{
	struct vds_notes notes = {0};
	vds_note(&notes, "loop", 1, "first %d", 1);
	vds_note(&notes, "loop", 1, "again");
	vds_note(&notes, "loop", 2, "other");
	ck_assert_uint_eq(notes.count, 2);
	ck_assert_str_eq(notes.list[0].message, "first 1");
	for (uint64_t i = 0; i < 5000; i++)
		vds_note(&notes, "many", i, "x");
	ck_assert_uint_eq(notes.count, VDS_NOTES_MAX);
	ck_assert_uint_eq(notes.dropped, 5002 - VDS_NOTES_MAX);
	vds_notes_deinit(&notes);
}
END_TEST

struct order {
	size_t expected;
	size_t stop_at;
};

static struct vds_error *run_some(void *ctx, size_t task, unsigned int worker)
{
	struct order *order = ctx;
	(void)worker;
	usleep((useconds_t)(task % 7) * 100);
	if (task >= order->stop_at)
		return vds_error_create(VDS_ERROR_INTERNAL, "task %zu", task);
	return NULL;
}

static struct vds_error *commit_some(void *ctx, size_t task)
{
	struct order *order = ctx;
	ck_assert_uint_eq(task, order->expected);
	order->expected++;
	return NULL;
}

START_TEST(work_commits_in_order_and_names_the_first_failure)
{
	for (unsigned int threads = 1; threads <= 8; threads++) {
		struct order order = {.stop_at = 77};
		struct vds_work work = {
			.threads = threads, .tasks = 200, .ctx = &order,
			.run = run_some, .commit = commit_some,
		};
		struct vds_error *err = vds_work_run(&work);
		ck_assert_ptr_nonnull(err);
		ck_assert_str_eq(err->message, "task 77");
		ck_assert_uint_eq(order.expected, 77);
		vds_error_destroy(err);
		order = (struct order){.stop_at = SIZE_MAX};
		ck_assert_ptr_null(vds_work_run(&work));
		ck_assert_uint_eq(order.expected, 200);
	}
}
END_TEST

START_TEST(a_file_that_shrinks_reads_as_absent)
{
	char path[] = "/tmp/vds-test-XXXXXX";
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 1 << 20), 0);
	ck_assert_int_eq(pwrite(fd, "here", 4, 4096), 4);
	struct vds_file *file;
	ck_assert_ptr_null(vds_file_open(path, &file));
	char buf[8];
	ck_assert_uint_eq(vds_file_read(file, 4096, buf, 4), 4);
	ck_assert_mem_eq(buf, "here", 4);
	ck_assert(!vds_file_shrunk(file));
	ck_assert_int_eq(ftruncate(fd, 8192), 0);
	ck_assert_uint_eq(vds_file_read(file, 65536, buf, 8), 0);
	ck_assert(vds_file_shrunk(file));
	ck_assert_uint_eq(vds_file_read(file, 8188, buf, 8), 4);
	ck_assert_uint_eq(vds_file_read(file, 4096, buf, 4), 4);
	ck_assert_mem_eq(buf, "here", 4);
	vds_file_close(file);
	close(fd);
	unlink(path);
	struct vds_error *err = vds_file_open("/nonexistent", &file);
	ck_assert(vds_error_catch(err, VDS_ERROR_NO_INPUT));
	err = vds_file_open("/tmp", &file);
	ck_assert(vds_error_catch(err, VDS_ERROR_NO_INPUT));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base");
	TCase *tc = tcase_create("base");
	tcase_add_test(tc, error_prefix_builds_a_chain);
	tcase_add_test(tc, arena_respects_its_limit);
	tcase_add_test(tc, bytes_never_pass_their_end);
	tcase_add_test(tc, map_holds_many_keys_and_zero);
	tcase_add_test(tc, utf16_becomes_valid_utf8);
	tcase_add_test(tc, glob_matches_whole_strings);
	tcase_add_test(tc, numbers_parse_whole_or_not_at_all);
	tcase_add_test(tc, addresses_are_read_as_debuggers_print_them);
	tcase_add_test(tc, notes_are_recorded_once_and_capped);
	tcase_add_test(tc, work_commits_in_order_and_names_the_first_failure);
	tcase_add_test(tc, a_file_that_shrinks_reads_as_absent);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
