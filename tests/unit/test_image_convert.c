/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes of streams and files, and conversion. */
#include <sys/stat.h>

#include "config.h"
#include "image/convert.h"
#include "image_temp.h"

static void put_record(struct temp *t, uint64_t first, uint64_t last)
{
	uint8_t h[32] = {0};
	vds_put_le32(h, 0x4c694d45);
	vds_put_le32(h + 4, 1);
	vds_put_le64(h + 8, first);
	vds_put_le64(h + 16, last);
	fwrite(h, 1, 32, t->f);
	put_bytes(t, first, last - first + 1, 0);
}

/* Gaps before, between; unaligned ends. */
static struct vds_image *open_sample(struct temp *t)
{
	temp_open(t);
	put_record(t, 0x1000, 0x2fff);
	put_record(t, 0x5000, 0x5800);
	put_record(t, 0x300000, 0x4fffff);
	return open_ok(t);
}

/* What must be hashed: the padded bytes, made here. */
static void padded_hash(char hex[VDS_SHA256_HEX_SIZE])
{
	static const uint64_t ranges[][2] = {
		{0x1000, 0x2fff}, {0x5000, 0x5800}, {0x300000, 0x4fffff}};
	uint8_t *all = calloc(1, 0x500000), digest[VDS_SHA256_SIZE];
	struct vds_sha256 hash;
	for (size_t i = 0; i < 3; i++) {
		for (uint64_t pa = ranges[i][0]; pa <= ranges[i][1]; pa++)
			all[pa] = byte_at(pa, 0);
	}
	vds_sha256_init(&hash);
	vds_sha256_update(&hash, all, 0x500000);
	vds_sha256_final(&hash, digest);
	vds_sha256_hex(digest, hex);
	free(all);
}

START_TEST(stream_hash_pads_gaps)
{
	struct temp t;
	struct vds_digest digest;
	char hex[VDS_SHA256_HEX_SIZE], expected[VDS_SHA256_HEX_SIZE];
	struct vds_image *image = open_sample(&t);
	padded_hash(expected);
	ck_assert_ptr_null(vds_image_digest(image, VDS_STREAM_ZERO, NULL,
					    &digest));
	vds_sha256_hex(digest.sha256, hex);
	ck_assert_str_eq(hex, expected);
	ck_assert_uint_eq(digest.size, 0x500000);
	ck_assert_uint_eq(digest.absent,
			  0x500000 - 0x2000 - 0x801 - 0x200000);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(file_hash_is_of_the_container)
{
	struct temp t;
	struct vds_digest digest;
	struct vds_image *image;
	char hex[VDS_SHA256_HEX_SIZE];
	temp_open(&t);
	for (int i = 0; i < 1000000; i++)
		fputc('a', t.f);
	image = open_ok(&t);
	ck_assert_ptr_null(vds_image_digest_file(image, NULL, &digest));
	vds_sha256_hex(digest.sha256, hex);
	ck_assert_str_eq(hex, "cdc76e5c9914fb9281a1c7e284d73e67"
			      "f1809a48a497200e046d39ccc7112cd0");
	ck_assert_uint_eq(digest.size, 1000000);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

/* A container with unreadable ranges and damage, by a made-up reader. */
static size_t fake_read(const struct vds_image *image, uint64_t source,
			void *buf, size_t len, bool sequential)
{
	(void)image;
	(void)sequential;
	size_t n = 0;
	/* Source 0x3000 to 0x4000 is damaged. */
	while (n < len && (source + n < 0x3000 || source + n >= 0x4000)) {
		((uint8_t *)buf)[n] = byte_at(source + n, 0);
		n++;
	}
	return n;
}

static void fake_pattern(const struct vds_image *image, uint64_t source,
			 void *buf, size_t len)
{
	(void)image;
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)"BAD"[(source + i) % 3];
}

static struct vds_image *open_fake(struct temp *t)
{
	struct vds_image *image;
	temp_open(t);
	put_bytes(t, 0, 0x1000, 0);
	image = open_ok(t);
	image->num_ranges = 0;
	vds_range_index_deinit(&image->index);
	image->stream_size = 0;
	image->read = fake_read;
	image->pattern = fake_pattern;
	vds_image_add_range(image, 0x1000, 0x4000, 0x1000, VDS_RANGE_DATA);
	vds_image_add_range(image, 0x5000, 0x2000, 0, VDS_RANGE_ZERO);
	vds_image_add_range(image, 0x7001, 0x300000, 7, VDS_RANGE_UNREADABLE);
	vds_range_index_init(&image->index, image->ranges, image->num_ranges);
	return image;
}

START_TEST(policies_differ_in_unreadable_ranges_only)
{
	struct temp t;
	struct vds_image *image = open_fake(&t);
	struct vds_digest zero, spec;
	uint8_t digest[VDS_SHA256_SIZE], *all = calloc(1, 0x307001);
	struct vds_sha256 hash;
	for (uint64_t pa = 0x1000; pa < 0x5000; pa++)
		all[pa] = pa >> 12 == 3 ? 0 : byte_at(pa, 0);
	ck_assert_ptr_null(vds_image_digest(image, VDS_STREAM_ZERO, NULL,
					    &zero));
	vds_sha256_init(&hash);
	vds_sha256_update(&hash, all, 0x307001);
	vds_sha256_final(&hash, digest);
	ck_assert_mem_eq(digest, zero.sha256, VDS_SHA256_SIZE);
	for (uint64_t i = 0; i < 0x300000; i++)
		all[0x7001 + i] = (uint8_t)"BAD"[(i + 7) % 3];
	ck_assert_ptr_null(vds_image_digest(image, VDS_STREAM_SPEC, NULL,
					    &spec));
	vds_sha256_init(&hash);
	vds_sha256_update(&hash, all, 0x307001);
	vds_sha256_final(&hash, digest);
	ck_assert_mem_eq(digest, spec.sha256, VDS_SHA256_SIZE);
	ck_assert_uint_eq(spec.damaged, 0x1000);
	ck_assert_uint_eq(spec.unreadable, 0x300000);
	ck_assert_uint_eq(spec.absent, 0x1001);
	free(all);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

static char out_dir[] = "/tmp/vds-convert-XXXXXX";
static char out_path[64];

static void out_setup(void)
{
	strcpy(out_dir + strlen(out_dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(out_dir));
	snprintf(out_path, sizeof(out_path), "%s/out", out_dir);
}

/* Nothing but the result, if there is one, was left in the folder. */
static void out_teardown(void)
{
	unlink(out_path);
	ck_assert_int_eq(rmdir(out_dir), 0);
}

static struct vds_image *convert_and_open(const struct vds_image *image,
					  const char *format,
					  struct vds_conversion *ret)
{
	struct vds_image *out;
	struct vds_error *err = vds_image_convert(image, format, out_path, NULL,
						  ret);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	ck_assert_ptr_null(vds_image_open(out_path, NULL, &out));
	ck_assert_str_eq(vds_image_format_name(out), format);
	return out;
}

START_TEST(to_raw_and_to_lime)
{
	struct temp t;
	struct vds_conversion done;
	struct vds_digest digest;
	char hex[VDS_SHA256_HEX_SIZE], expected[VDS_SHA256_HEX_SIZE];
	struct vds_image *image = open_sample(&t);
	padded_hash(expected);
	struct vds_image *out = convert_and_open(image, _i ? "lime" : "raw",
						 &done);
	ck_assert_ptr_null(vds_image_digest(out, VDS_STREAM_ZERO, NULL,
					    &digest));
	vds_sha256_hex(digest.sha256, hex);
	ck_assert_str_eq(hex, expected);
	ck_assert_uint_eq(done.written, vds_image_file_size(out));
	if (_i) {
		size_t count;
		const struct vds_range *ranges = vds_image_ranges(out, &count);
		ck_assert_uint_eq(count, 3);
		ck_assert_uint_eq(ranges[1].len, 0x801);
		check_absent(out, 0x3000, 1);
	} else {
		struct stat st;
		ck_assert_int_eq(stat(out_path, &st), 0);
		ck_assert_int_lt(st.st_blocks * 512, 0x280000);
	}
	vds_image_close(out);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

#if HAVE_SERD	/* to read it again */
START_TEST(to_aff4)
{
	struct temp t;
	struct vds_conversion done;
	struct vds_image *image = open_sample(&t);
	struct vds_image *out = convert_and_open(image, "aff4", &done);
	check_bytes(out, 0x1000, 0x2000, 0);
	check_bytes(out, 0x5000, 0x801, 0);
	check_bytes(out, 0x300000, 0x200000, 0);
	check_absent(out, 0x3000, 1);
	ck_assert_uint_eq(done.absent,
			  0x500000 - 0x2000 - 0x801 - 0x200000);
	ck_assert_uint_eq(done.written, vds_image_file_size(out));
	vds_image_close(out);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST
#endif

START_TEST(lime_leaves_out_what_is_not_there)
{
	struct temp t;
	struct vds_conversion done;
	struct vds_image *image = open_fake(&t);
	struct vds_image *out = convert_and_open(image, "lime", &done);
	check_bytes(out, 0x1000, 0x2000, 0);
	check_absent(out, 0x3000, 1);		/* damaged */
	check_bytes(out, 0x4000, 0x1000, 0);
	uint8_t zeros[0x2000];
	ck_assert_int_eq(vds_image_read(out, 0x5000, zeros, 0x2000),
			 VDS_PRESENT);
	ck_assert_uint_eq(zeros[0] | zeros[0x1fff], 0);
	check_absent(out, 0x7001, 1);		/* unreadable */
	ck_assert_uint_eq(vds_image_end(out), 0x7000);
	ck_assert_uint_eq(done.damaged, 0x1000);
	ck_assert_uint_eq(done.unreadable, 0x300000);
	ck_assert_uint_eq(vds_image_notes(out)->count, 0);
	vds_image_close(out);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

static bool stop_soon(void *ctx, uint64_t done, uint64_t total)
{
	*(uint64_t *)ctx = done;
	return done < total / 2;
}

START_TEST(interrupted_runs_leave_nothing)
{
	struct temp t;
	struct vds_conversion done;
	uint64_t reached = 0;
	struct vds_progress progress = {stop_soon, &reached};
	struct vds_image *image = open_sample(&t);
	static const char *const formats[] = {"raw", "lime", "aff4"};
	ck_assert_ptr_eq(vds_image_convert(image, formats[_i], out_path,
					   &progress, &done), &vds_stop);
	ck_assert_uint_ne(reached, 0);
	ck_assert_int_ne(access(out_path, F_OK), 0);
	struct vds_digest digest;
	ck_assert_ptr_eq(vds_image_digest(image, VDS_STREAM_ZERO, &progress,
					  &digest), &vds_stop);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(existing_files_are_not_replaced)
{
	struct temp t;
	struct vds_conversion done;
	struct vds_image *image = open_sample(&t);
	struct vds_error *err = vds_image_convert(image, "raw", t.path, NULL,
						  &done);
	ck_assert_ptr_nonnull(err);
	ck_assert_msg(strstr(err->message, "exists"), "%s", err->message);
	ck_assert(vds_error_catch(err, VDS_ERROR_OUTPUT));
	check_bytes(image, 0x1000, 0x2000, 0);
	err = vds_image_convert(image, "vhd", out_path, NULL, &done);
	ck_assert(vds_error_catch(err, VDS_ERROR_USAGE));
	err = vds_image_convert(image, "raw", "/nonexistent/x", NULL, &done);
	ck_assert(vds_error_catch(err, VDS_ERROR_OUTPUT));
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("image_convert");
	TCase *tc = tcase_create("image_convert");
	tcase_add_checked_fixture(tc, out_setup, out_teardown);
	tcase_add_test(tc, stream_hash_pads_gaps);
	tcase_add_test(tc, file_hash_is_of_the_container);
	tcase_add_test(tc, policies_differ_in_unreadable_ranges_only);
	tcase_add_loop_test(tc, to_raw_and_to_lime, 0, 2);
#if HAVE_SERD
	tcase_add_test(tc, to_aff4);
#endif
	tcase_add_test(tc, lime_leaves_out_what_is_not_there);
	tcase_add_loop_test(tc, interrupted_runs_leave_nothing, 0, 3);
	tcase_add_test(tc, existing_files_are_not_replaced);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
