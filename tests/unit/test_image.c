/* SPDX-License-Identifier: Apache-2.0 */
#include "image/ranges.h"
#include "image_temp.h"

static void put_lime_header(struct temp *t, uint32_t version, uint64_t first,
			    uint64_t last, uint64_t reserved)
{
	uint8_t h[32];
	vds_put_le32(h, 0x4c694d45);
	vds_put_le32(h + 4, version);
	vds_put_le64(h + 8, first);
	vds_put_le64(h + 16, last);
	vds_put_le64(h + 24, reserved);
	fwrite(h, 1, sizeof(h), t->f);
}

static void put_lime(struct temp *t, uint64_t first, uint64_t last,
		     unsigned int salt)
{
	put_lime_header(t, 1, first, last, 0);
	put_bytes(t, first, last - first + 1, salt);
}

START_TEST(raw_is_read_at_its_offsets)
{
	struct temp t;
	temp_open(&t);
	put_bytes(&t, 0, 3 * 4096 + 100, 0);
	struct vds_image *image = open_ok(&t);
	ck_assert_str_eq(vds_image_format_name(image), "raw");
	ck_assert_uint_eq(vds_image_end(image), 3 * 4096 + 100);
	check_bytes(image, 0, 8, 0);
	check_bytes(image, 4090, 12, 0);
	check_bytes(image, 3 * 4096, 100, 0);
	check_absent(image, 3 * 4096, 101);
	check_absent(image, UINT64_MAX - 3, 8);
	check_absent(image, UINT64_C(1) << 60, 8);
	ck_assert_ptr_null(vds_image_range_at(image, 3 * 4096 + 100));
	ck_assert_int_eq(vds_image_read(image, 5, NULL, 0), VDS_PRESENT);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(small_and_missing_files_are_refused)
{
	struct temp t;
	temp_open(&t);
	open_fails(&t, VDS_ERROR_NOT_AN_IMAGE, "0 bytes");
	put_bytes(&t, 0, 4095, 0);
	open_fails(&t, VDS_ERROR_NOT_AN_IMAGE, "4095 bytes");
	struct vds_image *image;
	struct vds_error *err = vds_image_open("/nonexistent/x", NULL, &image);
	ck_assert(vds_error_catch(err, VDS_ERROR_NO_INPUT));
	struct vds_image_options options = {.format = "nonsense"};
	err = vds_image_open(t.path, &options, &image);
	ck_assert(vds_error_catch(err, VDS_ERROR_USAGE));
	options.format = "lime";
	err = vds_image_open(t.path, &options, &image);
	ck_assert(vds_error_catch(err, VDS_ERROR_NOT_AN_IMAGE));
	temp_close(&t);
}
END_TEST

START_TEST(a_forced_format_is_obeyed)
{
	struct temp t;
	struct vds_image *image;
	struct vds_image_options options = {.format = "raw"};
	temp_open(&t);
	put_lime(&t, 0x1000, 0x2fff, 0);
	fflush(t.f);
	ck_assert_ptr_null(vds_image_open(t.path, &options, &image));
	ck_assert_str_eq(vds_image_format_name(image), "raw");
	uint32_t magic;
	ck_assert_int_eq(vds_image_read(image, 0, &magic, 4), VDS_PRESENT);
	ck_assert_mem_eq(&magic, "EMiL", 4);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(lime_in_order)
{
	struct temp t;
	temp_open(&t);
	put_lime(&t, 0x1000, 0x2fff, 0);
	put_lime(&t, 0x5000, 0x5fff, 0);
	put_lime(&t, 0x6000, 0x6800, 0);
	struct vds_image *image = open_ok(&t);
	ck_assert_str_eq(vds_image_format_name(image), "lime");
	size_t count;
	const struct vds_range *ranges = vds_image_ranges(image, &count);
	ck_assert_uint_eq(count, 3);
	ck_assert_uint_eq(ranges[1].pa, 0x5000);
	ck_assert_uint_eq(ranges[2].len, 0x801);
	ck_assert_uint_eq(vds_image_notes(image)->count, 0);
	check_bytes(image, 0x1000, 0x2000, 0);
	check_bytes(image, 0x5ff8, 0x10, 0);	/* across two records */
	check_absent(image, 0xfff, 2);
	check_absent(image, 0x2fff, 2);
	check_absent(image, 0x6800, 2);
	check_absent(image, 0, 1);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(lime_unsorted)
{
	struct temp t;
	temp_open(&t);
	put_lime(&t, 0x9000, 0x9fff, 0);
	put_lime(&t, 0x1000, 0x1fff, 0);
	put_lime(&t, 0x5000, 0x6fff, 0);
	struct vds_image *image = open_ok(&t);
	check_bytes(image, 0x1000, 0x1000, 0);
	check_bytes(image, 0x5000, 0x2000, 0);
	check_bytes(image, 0x9000, 0x1000, 0);
	check_absent(image, 0x7000, 1);
	ck_assert_uint_eq(vds_image_end(image), 0xa000);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(lime_overlap_keeps_the_first_and_says_so)
{
	struct temp t;
	temp_open(&t);
	put_lime(&t, 0x3000, 0x4fff, 1);
	put_lime(&t, 0x1000, 0x6fff, 2);	/* on both sides of the first */
	put_lime(&t, 0x4000, 0x7fff, 3);
	struct vds_image *image = open_ok(&t);
	check_bytes(image, 0x1000, 0x2000, 2);
	check_bytes(image, 0x3000, 0x2000, 1);
	check_bytes(image, 0x5000, 0x2000, 2);
	check_bytes(image, 0x7000, 0x1000, 3);
	ck_assert(has_note(image, "range_overlap"));
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(lime_truncated_keeps_what_is_there)
{
	struct temp t;
	temp_open(&t);
	put_lime(&t, 0x1000, 0x1fff, 0);
	put_lime_header(&t, 1, 0x4000, 0x13fff, 0);
	put_bytes(&t, 0x4000, 0x2345, 0);
	struct vds_image *image = open_ok(&t);
	check_bytes(image, 0x4000, 0x2345, 0);
	check_absent(image, 0x6345, 1);
	check_absent(image, 0x13fff, 1);
	ck_assert(has_note(image, "lime_truncated"));
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(lime_short_payload_is_found_out)
{
	struct temp t;
	temp_open(&t);
	put_lime_header(&t, 1, 0x1000, 0x8fff, 0);
	put_bytes(&t, 0x1000, 0x3000, 0);
	put_lime(&t, 0x100000, 0x10ffff, 0);
	put_lime_header(&t, 1, 0x200000, 0x2fffff, 0);
	put_bytes(&t, 0x200000, 0x1000, 0);
	put_lime(&t, 0x400000, 0x403fff, 0);
	struct vds_image *image = open_ok(&t);
	check_bytes(image, 0x1000, 0x3000, 0);
	check_absent(image, 0x4000, 1);
	check_bytes(image, 0x100000, 0x10000, 0);
	check_bytes(image, 0x200000, 0x1000, 0);
	check_absent(image, 0x201000, 1);
	check_bytes(image, 0x400000, 0x4000, 0);
	ck_assert(has_note(image, "lime_short"));
	ck_assert(!has_note(image, "lime_truncated"));
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(lime_padding_and_trailers)
{
	struct temp t;
	temp_open(&t);
	put_lime(&t, 0x1000, 0x1fff, 0);
	for (int i = 0; i < 5000; i++)
		fputc(0, t.f);
	struct vds_image *image = open_ok(&t);
	ck_assert_uint_eq(vds_image_notes(image)->count, 0);
	vds_image_close(image);
	fputs("behind the padding", t.f);
	image = open_ok(&t);
	ck_assert(has_note(image, "lime_trailer"));
	check_bytes(image, 0x1000, 0x1000, 0);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(lime_nonsense_is_refused_by_field_and_value)
{
	static const struct {
		uint32_t version;
		uint64_t first, last;
		enum vds_error_code code;
		const char *part;
	} cases[] = {
		{2, 0x4000, 0x4fff, VDS_ERROR_UNSUPPORTED, "version 2"},
		{1, 0x4fff, 0x4000, VDS_ERROR_FORMAT,
		 "offset 0x1020: end address 0x4000 lies below start address 0x4fff"},
		{1, 0, UINT64_MAX, VDS_ERROR_FORMAT, "0xffffffffffffffff"},
		{1, 0x4000, UINT64_C(1) << 52, VDS_ERROR_FORMAT,
		 "0x10000000000000"},
	};
	struct temp t;
	temp_open(&t);
	put_lime(&t, 0x1000, 0x1fff, 0);
	put_lime_header(&t, cases[_i].version, cases[_i].first, cases[_i].last,
			0);
	put_bytes(&t, 0, 0x1000, 0);
	open_fails(&t, cases[_i].code, cases[_i].part);
	temp_close(&t);
}
END_TEST

START_TEST(lime_reserved_field_is_a_note)
{
	struct temp t;
	temp_open(&t);
	put_lime_header(&t, 1, 0x1000, 0x1fff, 7);
	put_bytes(&t, 0x1000, 0x1000, 0);
	struct vds_image *image = open_ok(&t);
	ck_assert(has_note(image, "lime_reserved"));
	check_bytes(image, 0x1000, 0x1000, 0);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(a_shrunk_file_reads_as_absent)
{
	struct temp t;
	uint8_t buf[8192];
	temp_open(&t);
	put_lime(&t, 0x1000, 0x20fff, 0);
	struct vds_image *image = open_ok(&t);
	check_bytes(image, 0x10000, 16, 0);
	ck_assert_int_eq(ftruncate(fileno(t.f), 32 + 0x3000), 0);
	check_absent(image, 0x10000, 16);
	ck_assert(vds_image_shrunk(image));
	check_bytes(image, 0x1000, 0x3000, 0);
	check_absent(image, 0x3ffc, 8);
	uint64_t pa = 0x2000, total = 0;
	for (size_t n; (n = vds_image_scan(image, &pa, buf, 8192)); pa += n)
		total += n;
	ck_assert_uint_eq(total, 0x2000);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(scan_gives_all_data_once_and_skips_holes)
{
	struct temp t;
	uint8_t buf[16384];
	temp_open(&t);
	put_bytes(&t, 0, 0x5000, 0);
	ck_assert_int_eq(ftruncate(fileno(t.f), 1 << 30), 0);
	fseek(t.f, 0x20000000, SEEK_SET);
	put_bytes(&t, 0x20000000, 0x1234, 0);
	struct vds_image *image = open_ok(&t);
	uint64_t pa = 0, seen = 0, found = 0, next = 0;
	for (size_t n; (n = vds_image_scan(image, &pa, buf, sizeof(buf)));
	     pa += n) {
		ck_assert_uint_ge(pa, next);
		next = pa + n;
		seen += n;
		for (size_t i = 0; i < n; i++) {
			if (buf[i]) {
				ck_assert_uint_eq(buf[i], byte_at(pa + i, 0));
				found++;
			}
		}
	}
	ck_assert_uint_ge(found, (0x5000 + 0x1234) * 9 / 10);
	/* Where the file system has holes, they weren't read. */
	if (vds_file_next_hole(image->file, 0) < 1 << 30)
		ck_assert_uint_lt(seen, 4 << 20);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(scan_never_crosses_a_range)
{
	struct temp t;
	uint8_t buf[65536];
	temp_open(&t);
	put_lime(&t, 0x1000, 0x2fff, 0);
	put_lime(&t, 0x3000, 0x3fff, 0);
	put_lime(&t, 0x8800, 0x9fff, 0);
	struct vds_image *image = open_ok(&t);
	static const uint64_t expected[][2] = {
		{0x1000, 0x2000}, {0x3000, 0x1000}, {0x8800, 0x1800}};
	uint64_t pa = 0;
	size_t i = 0;
	for (size_t n; (n = vds_image_scan(image, &pa, buf, sizeof(buf)));
	     pa += n, i++) {
		ck_assert_uint_eq(pa, expected[i][0]);
		ck_assert_uint_eq(n, expected[i][1]);
		for (size_t k = 0; k < n; k++)
			ck_assert_uint_eq(buf[k], byte_at(pa + k, 0));
	}
	ck_assert_uint_eq(i, 3);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

/* A slow, obvious answer to "who owns this page" beside the real one. */
START_TEST(random_overlaps_agree_with_a_naive_answer)
{
	enum { PAGES = 64, RANGES = 24 };
	unsigned int seed = (unsigned int)_i * 7919 + 1;
	struct vds_range *ranges = malloc(RANGES * sizeof(*ranges));
	struct vds_notes notes = {0};
	size_t owner[PAGES], count = RANGES;
	memset(owner, 0xff, sizeof(owner));
	for (size_t i = 0; i < RANGES; i++) {
		uint64_t pa = (uint64_t)rand_r(&seed) % PAGES;
		uint64_t len = 1 + (uint64_t)rand_r(&seed) % 8;
		len = VDS_MIN(len, PAGES - pa);
		enum vds_range_kind kind =
			(enum vds_range_kind)(rand_r(&seed) % 3);
		ranges[i] = (struct vds_range){pa, len, i * 1000, kind};
		for (uint64_t p = pa; p < pa + len; p++) {
			if (owner[p] == SIZE_MAX)
				owner[p] = i;
		}
	}
	struct vds_range *before = malloc(RANGES * sizeof(*ranges));
	memcpy(before, ranges, RANGES * sizeof(*ranges));
	ck_assert_ptr_null(vds_ranges_finish(&ranges, &count, &notes));
	/* The index works in slices of pages; pages here are addresses. */
	struct vds_range_index index;
	ck_assert_ptr_null(vds_range_index_init(&index, ranges, count));
	for (uint64_t p = 0; p < PAGES; p++) {
		size_t at = vds_range_index_find(&index, ranges, count, p);
		bool covered = at < count && ranges[at].pa <= p;
		ck_assert_int_eq(covered, owner[p] != SIZE_MAX);
		if (!covered)
			continue;
		const struct vds_range *was = &before[owner[p]];
		ck_assert_int_eq(ranges[at].kind, was->kind);
		if (was->kind != VDS_RANGE_ZERO)
			ck_assert_uint_eq(ranges[at].source + p - ranges[at].pa,
					  was->source + p - was->pa);
	}
	for (size_t i = 1; i < count; i++)
		ck_assert_uint_ge(ranges[i].pa,
				  ranges[i - 1].pa + ranges[i - 1].len);
	vds_range_index_deinit(&index);
	vds_notes_deinit(&notes);
	free(before);
	free(ranges);
}
END_TEST

START_TEST(the_index_finds_every_range)
{
	enum { RANGES = 5000 };
	struct vds_range *ranges = malloc(RANGES * sizeof(*ranges));
	uint64_t pa = 0x1000;
	for (size_t i = 0; i < RANGES; i++) {
		uint64_t len = 0x1000 * (1 + i % 7 * (i % 5 ? 1 : 5000));
		ranges[i] = (struct vds_range){pa, len, 0, VDS_RANGE_DATA};
		pa += len + 0x1000 * (i % 3);
	}
	struct vds_range_index index;
	ck_assert_ptr_null(vds_range_index_init(&index, ranges, RANGES));
	for (size_t i = 0; i < RANGES; i++) {
		uint64_t end = ranges[i].pa + ranges[i].len;
		ck_assert_uint_eq(vds_range_index_find(&index, ranges, RANGES,
						       ranges[i].pa), i);
		ck_assert_uint_eq(vds_range_index_find(&index, ranges, RANGES,
						       end - 1), i);
		ck_assert_uint_eq(vds_range_index_find(&index, ranges, RANGES,
						       end), i + 1);
	}
	ck_assert_uint_eq(vds_range_index_find(&index, ranges, RANGES, 0), 0);
	vds_range_index_deinit(&index);
	free(ranges);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("image");
	TCase *tc = tcase_create("image");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, raw_is_read_at_its_offsets);
	tcase_add_test(tc, small_and_missing_files_are_refused);
	tcase_add_test(tc, a_forced_format_is_obeyed);
	tcase_add_test(tc, lime_in_order);
	tcase_add_test(tc, lime_unsorted);
	tcase_add_test(tc, lime_overlap_keeps_the_first_and_says_so);
	tcase_add_test(tc, lime_truncated_keeps_what_is_there);
	tcase_add_test(tc, lime_short_payload_is_found_out);
	tcase_add_test(tc, lime_padding_and_trailers);
	tcase_add_loop_test(tc, lime_nonsense_is_refused_by_field_and_value, 0,
			    4);
	tcase_add_test(tc, lime_reserved_field_is_a_note);
	tcase_add_test(tc, a_shrunk_file_reads_as_absent);
	tcase_add_test(tc, scan_gives_all_data_once_and_skips_holes);
	tcase_add_test(tc, scan_never_crosses_a_range);
	tcase_add_loop_test(tc, random_overlaps_agree_with_a_naive_answer, 0,
			    50);
	tcase_add_test(tc, the_index_finds_every_range);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
