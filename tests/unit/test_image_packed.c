/* SPDX-License-Identifier: Apache-2.0 */
/* AVML, and whole images inside of compressed streams. */
#include <zlib.h>

#include "image/codec.h"
#include "image/crc32c.h"
#include "image/digest.h"
#include "image_temp.h"

static bool have_snappy(void)
{
	return vds_codec_available(VDS_CODEC_SNAPPY);
}

START_TEST(crc32c_of_known_strings)
{
	uint8_t data[1000];
	/* RFC 3720, appendix B.4, and the check value of the CRC catalogue. */
	static const uint8_t zeros[32];
	ck_assert_uint_eq(vds_crc32c("123456789", 9), 0xe3069283);
	ck_assert_uint_eq(vds_crc32c(zeros, 32), 0x8a9136aa);
	ck_assert_uint_eq(vds_crc32c("", 0), 0);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = byte_at(i, 3);
	for (size_t len = 0; len < sizeof(data); len += 13)
		ck_assert_uint_eq(vds_crc32c(data + len % 7, len - len % 7),
				  vds_crc32c_portable(data + len % 7,
						      len - len % 7));
}
END_TEST

/* A snappy-framed stream of the bytes at @pa; returns its length. */
static size_t put_frames(struct temp *t, uint64_t pa, uint64_t len,
			 unsigned int salt)
{
	static const uint8_t skippable[] = {0xfe, 3, 0, 0, 1, 2, 3};
	size_t total = 10 + sizeof(skippable);
	fwrite("\xff\x06\0\0sNaPpY", 1, 10, t->f);
	fwrite(skippable, 1, sizeof(skippable), t->f);
	for (uint64_t done = 0, n; done < len; done += n) {
		uint8_t plain[65536], packed[80000], h[8];
		size_t packed_len;
		/* Chunks of many sizes, stored and compressed in turn. */
		n = VDS_MIN(len - done, 65536 - (done / 65536 % 3) * 20000);
		for (uint64_t i = 0; i < n; i++)
			plain[i] = byte_at(pa + done + i, salt);
		bool stored = done / 65536 % 2;
		ck_assert(vds_codec_encode(VDS_CODEC_SNAPPY, plain, n, packed,
					   sizeof(packed), &packed_len));
		size_t body = stored ? n : packed_len;
		vds_put_le32(h, (uint32_t)(body + 4) << 8 | stored);
		vds_put_le32(h + 4, vds_crc32c_mask(vds_crc32c(plain, n)));
		fwrite(h, 1, 8, t->f);
		fwrite(stored ? plain : packed, 1, body, t->f);
		total += 8 + body;
	}
	return total;
}

static void put_header(struct temp *t, const char *magic, uint32_t version,
		       uint64_t first, uint64_t last)
{
	uint8_t h[32] = {0};
	memcpy(h, magic, 4);
	vds_put_le32(h + 4, version);
	vds_put_le64(h + 8, first);
	vds_put_le64(h + 16, last);
	fwrite(h, 1, sizeof(h), t->f);
}

static void put_avml(struct temp *t, uint64_t pa, uint64_t len)
{
	uint8_t count[8];
	put_header(t, "AVML", 2, pa, pa + len - 1);
	vds_put_le64(count, put_frames(t, pa, len, 0));
	fwrite(count, 1, 8, t->f);
}

/* Reads of all sizes at odd places, against the expected bytes. */
static void check_scattered(const struct vds_image *image, uint64_t pa,
			    uint64_t len)
{
	static const size_t sizes[] = {1, 8, 333, 4096, 70000, 200001};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(sizes); i++) {
		for (uint64_t at = 5; at + sizes[i] <= len; at += len / 7)
			check_bytes(image, pa + at, sizes[i], 0);
	}
}

START_TEST(avml_records)
{
	struct temp t;
	temp_open(&t);
	put_avml(&t, 0x100000, 0xa0000);
	put_header(&t, "EMiL", 1, 0x1000, 0x1fff);
	put_bytes(&t, 0x1000, 0x1000, 0);
	put_avml(&t, 0x800000, 0x12345);
	struct vds_image *image = open_ok(&t);
	ck_assert_str_eq(vds_image_format_name(image), "avml");
	check_scattered(image, 0x100000, 0xa0000);
	check_bytes(image, 0x100000, 0xa0000, 0);
	check_bytes(image, 0x1000, 0x1000, 0);
	check_bytes(image, 0x800000, 0x12345, 0);
	check_absent(image, 0x812345, 1);
	check_absent(image, 0x19ffff, 2);
	ck_assert_uint_eq(vds_image_notes(image)->count, 0);
	uint8_t *buf = malloc(1 << 20);
	uint64_t pa = 0, total = 0;
	for (size_t n; (n = vds_image_scan(image, &pa, buf, 1 << 20));
	     pa += n) {
		for (size_t i = 0; i < n; i += 97)
			total += buf[i] != byte_at(pa + i, 0);
	}
	ck_assert_uint_eq(total, 0);
	free(buf);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(lime_first_and_avml_later)
{
	struct temp t;
	temp_open(&t);
	put_header(&t, "EMiL", 1, 0x1000, 0x1fff);
	put_bytes(&t, 0x1000, 0x1000, 0);
	put_avml(&t, 0x100000, 0x20000);
	struct vds_image *image = open_ok(&t);
	ck_assert_str_eq(vds_image_format_name(image), "avml");
	check_bytes(image, 0x1000, 0x1000, 0);
	check_bytes(image, 0x100000, 0x20000, 0);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(avml_cut_short)
{
	struct temp t;
	temp_open(&t);
	put_avml(&t, 0x100000, 0x40000);
	fflush(t.f);
	ck_assert_int_eq(ftruncate(fileno(t.f), ftell(t.f) - 5000), 0);
	struct vds_image *image = open_ok(&t);
	check_bytes(image, 0x100000, 0x10000, 0);
	check_absent(image, 0x13fff8, 8);
	ck_assert(has_note(image, "avml_truncated"));
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(a_flipped_bit_is_bad_data)
{
	struct temp t;
	uint8_t buf[16];
	temp_open(&t);
	put_avml(&t, 0x100000, 0x40000);
	/* The first chunk's checksum. */
	fseek(t.f, 32 + 17 + 4, SEEK_SET);
	fputc(0x55, t.f);
	struct vds_image *image = open_ok(&t);
	ck_assert_int_eq(vds_image_read(image, 0x100000, buf, 16),
			 VDS_BAD_DATA);
	ck_assert_int_eq(vds_image_read(image, 0x100008, buf, 16),
			 VDS_BAD_DATA);
	check_bytes(image, 0x120000, 0x20000, 0);
	struct vds_digest digest;
	ck_assert_ptr_null(vds_image_digest(image, VDS_STREAM_ZERO, NULL,
					    &digest));
	ck_assert_uint_eq(digest.damaged, 0x10000);
	uint64_t pa = 0x100000;
	uint8_t page[4096];
	ck_assert_uint_eq(vds_image_scan(image, &pa, page, 4096), 4096);
	ck_assert_uint_eq(pa, 0x110000);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(bad_avml_is_refused)
{
	static const char *const parts[] = {
		"version 3", "below start", "is malformed",
		"more than the record has left", "no snappy stream"};
	struct temp t;
	temp_open(&t);
	put_avml(&t, 0x100000, 0x40000);
	/* Version, end address twice, chunk type, stream identifier. */
	static const long at[] = {4, 18, 32 + 17, 17, 40};
	static const uint8_t value[] = {3, 0, 2, 0x7f, 'x'};
	fseek(t.f, at[_i], SEEK_SET);
	fputc(value[_i], t.f);
	open_fails(&t, _i == 0 ? VDS_ERROR_UNSUPPORTED : VDS_ERROR_FORMAT,
		   parts[_i]);
	temp_close(&t);
}
END_TEST

/* One gzip member or zlib stream of what @make writes. */
static void put_deflated(struct temp *t, bool gzip, const uint8_t *data,
			 size_t len)
{
	size_t cap = len + 1000;
	uint8_t *out = malloc(cap);
	z_stream z = {0};
	/* The best packing is what makes a bomb. */
	int level = data[0] || memcmp(data, data + 1, len - 1) ? 1 : 9;
	ck_assert_int_eq(deflateInit2(&z, level, Z_DEFLATED,
				      gzip ? 15 + 16 : 11,
				      8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)data;
	z.avail_in = (uInt)len;
	z.next_out = out;
	z.avail_out = (uInt)cap;
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	fwrite(out, 1, z.total_out, t->f);
	deflateEnd(&z);
	free(out);
}

static uint8_t *raw_bytes(size_t len)
{
	uint8_t *data = calloc(1, len);
	/* A hole in the middle. */
	for (size_t i = 0; i < len; i++) {
		if (i < len / 3 || i > len / 2)
			data[i] = byte_at(i, 0);
	}
	return data;
}

START_TEST(deflated_raw)
{
	const size_t len = 0x120000;
	struct temp t;
	temp_open(&t);
	uint8_t *data = raw_bytes(len);
	put_deflated(&t, _i, data, len / 2);
	if (_i) {	/* two members and padding */
		put_deflated(&t, true, data + len / 2, len / 2);
		fwrite("\0\0\0", 1, 3, t.f);
	}
	long packed = ftell(t.f);
	struct vds_image *image = open_ok(&t);
	ck_assert_str_eq(vds_image_format_name(image), "raw");
	ck_assert_uint_eq(vds_image_end(image), _i ? len : len / 2);
	ck_assert_uint_eq(vds_image_file_size(image), (uint64_t)packed);
	ck_assert_uint_eq(vds_image_notes(image)->count, 0);
	uint8_t *buf = malloc(len);
	size_t n = _i ? len : len / 2;
	ck_assert_int_eq(vds_image_read(image, 0, buf, n), VDS_PRESENT);
	ck_assert_mem_eq(buf, data, n);
	free(buf);
	free(data);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(lime_in_zlib_as_lime_writes_it)
{
	struct temp plain, t;
	temp_open(&plain);
	put_header(&plain, "EMiL", 1, 0x1000, 0x3fff);
	put_bytes(&plain, 0x1000, 0x3000, 0);
	put_header(&plain, "EMiL", 1, 0x100000, 0x1fffff);
	put_bytes(&plain, 0x100000, 0x100000, 0);
	size_t len = (size_t)ftell(plain.f);
	uint8_t *data = malloc(len);
	rewind(plain.f);
	ck_assert_uint_eq(fread(data, 1, len, plain.f), len);
	temp_open(&t);
	put_deflated(&t, false, data, len);
	struct vds_image *image = open_ok(&t);
	ck_assert_str_eq(vds_image_format_name(image), "lime");
	check_bytes(image, 0x1000, 0x3000, 0);
	check_bytes(image, 0x100000, 0x100000, 0);
	check_absent(image, 0, 1);
	free(data);
	vds_image_close(image);
	temp_close(&t);
	temp_close(&plain);
}
END_TEST

START_TEST(packed_twice_is_refused)
{
	const size_t len = 0x20000;
	struct temp once, t;
	temp_open(&once);
	uint8_t *data = raw_bytes(len);
	put_deflated(&once, true, data, len);
	size_t packed = (size_t)ftell(once.f);
	rewind(once.f);
	ck_assert_uint_eq(fread(data, 1, packed, once.f), packed);
	temp_open(&t);
	put_deflated(&t, true, data, packed);
	open_fails(&t, VDS_ERROR_NOT_AN_IMAGE,
		   "a compressed stream inside of the gzip stream");
	free(data);
	temp_close(&t);
	temp_close(&once);
}
END_TEST

START_TEST(damaged_deflate_keeps_what_came_out)
{
	const size_t len = 0x200000;
	struct temp t;
	uint8_t page[4096];
	temp_open(&t);
	uint8_t *data = raw_bytes(len);
	put_deflated(&t, true, data, len);
	if (_i) {
		fflush(t.f);
		ck_assert_int_eq(ftruncate(fileno(t.f), ftell(t.f) / 2), 0);
	} else {
		fseek(t.f, ftell(t.f) / 2, SEEK_SET);
		fwrite("\xff\xff\xff\xff\xff\xff\xff\xff", 1, 8, t.f);
	}
	struct vds_image *image = open_ok(&t);
	ck_assert_uint_lt(vds_image_end(image), len);
	ck_assert_int_eq(vds_image_read(image, 0, page, 4096), VDS_PRESENT);
	ck_assert_mem_eq(page, data, 4096);
	ck_assert(has_note(image, _i ? "wrapper_truncated" :
				       "wrapper_damaged"));
	free(data);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

/* Many gzip members of zeros: 1.25 GiB out of 1.3 MB. */
START_TEST(a_bomb_is_refused)
{
	struct temp t;
	size_t len = (size_t)16 << 20;
	uint8_t *zeros = calloc(1, len), *packed;
	temp_open(&t);
	put_deflated(&t, true, zeros, len);
	fflush(t.f);
	long one = ftell(t.f);
	packed = malloc((size_t)one);
	rewind(t.f);
	ck_assert_uint_eq(fread(packed, 1, (size_t)one, t.f), (size_t)one);
	for (int i = 1; i < 80; i++) {
		fseek(t.f, 0, SEEK_END);
		fwrite(packed, 1, (size_t)one, t.f);
	}
	open_fails(&t, VDS_ERROR_FORMAT, "more than 1000 for one");
	free(zeros);
	free(packed);
	temp_close(&t);
}
END_TEST

static bool stop_at_half(void *ctx, uint64_t done, uint64_t total)
{
	*(int *)ctx += 1;
	return done < total / 2;
}

START_TEST(unpacking_can_be_stopped)
{
	struct temp t;
	struct vds_image *image;
	int steps = 0;
	size_t len = (size_t)4 << 20;
	const struct vds_progress progress = {stop_at_half, &steps};
	const struct vds_image_options options = {.progress = &progress};
	temp_open(&t);
	uint8_t *data = raw_bytes(len);
	put_deflated(&t, true, data, len);
	fflush(t.f);
	ck_assert_ptr_eq(vds_image_open(t.path, &options, &image), &vds_stop);
	ck_assert_int_gt(steps, 1);
	free(data);
	temp_close(&t);
}
END_TEST

START_TEST(raw_that_looks_like_zlib_stays_raw)
{
	struct temp t;
	temp_open(&t);
	fwrite("\x78\x9c", 1, 2, t.f);
	for (int i = 0; i < 8192; i++)
		fputc(0xff, t.f);
	struct vds_image *image = open_ok(&t);
	ck_assert_str_eq(vds_image_format_name(image), "raw");
	ck_assert_uint_eq(vds_image_end(image), 8194);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(raw_in_snappy_frames)
{
	struct temp t;
	temp_open(&t);
	put_frames(&t, 0, 0x98765, 0);
	struct vds_image *image = open_ok(&t);
	ck_assert_str_eq(vds_image_format_name(image), "raw");
	check_scattered(image, 0, 0x98765);
	check_absent(image, 0x98765, 1);
	vds_image_close(image);
	temp_close(&t);
}
END_TEST

START_TEST(without_snappy_the_message_says_so)
{
	struct temp t;
	temp_open(&t);
	if (_i)
		put_header(&t, "AVML", 2, 0x1000, 0x1fff);
	fwrite("\xff\x06\0\0sNaPpY", 1, 10, t.f);
	put_bytes(&t, 0, 0x1000, 0);
	open_fails(&t, VDS_ERROR_UNSUPPORTED, "libsnappy-dev");
	temp_close(&t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("image_packed");
	TCase *tc = tcase_create("image_packed");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, crc32c_of_known_strings);
	if (have_snappy()) {
		tcase_add_test(tc, avml_records);
		tcase_add_test(tc, lime_first_and_avml_later);
		tcase_add_test(tc, avml_cut_short);
		tcase_add_test(tc, a_flipped_bit_is_bad_data);
		tcase_add_loop_test(tc, bad_avml_is_refused, 0, 5);
		tcase_add_test(tc, raw_in_snappy_frames);
	} else {
		tcase_add_loop_test(tc, without_snappy_the_message_says_so, 0,
				    2);
	}
	tcase_add_loop_test(tc, deflated_raw, 0, 2);
	tcase_add_test(tc, lime_in_zlib_as_lime_writes_it);
	tcase_add_test(tc, packed_twice_is_refused);
	tcase_add_loop_test(tc, damaged_deflate_keeps_what_came_out, 0, 2);
	tcase_add_test(tc, a_bomb_is_refused);
	tcase_add_test(tc, unpacking_can_be_stopped);
	tcase_add_test(tc, raw_that_looks_like_zlib_stays_raw);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
