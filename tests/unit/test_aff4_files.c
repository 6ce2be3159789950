/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AFF4 volumes of every writer there is: the decoded stream has the hash that
 * the README beside them gives (those that it gives as SHA-1 were compared by
 * hand once and stand here as SHA-256), hostile ones are refused in one line.
 * Needs the shared test data.
 */
#include <sys/stat.h>

#include "image/aff4_verify.h"
#include "image/codec.h"
#include "image/digest.h"
#include "image/turtle.h"
#include "image_temp.h"

static const char *folder;

#define TINY "c6d0d13ce5ca3a2d144b70640c66d58ca3c1d383cb4a75ea46dc7a8b57303b8e"
#define FULL "4e6d41082e2e6804680e83315e1438ade376ab8dbcd1d7f8857093eaed0e709a"
#define ZERO "6c76cc0bd89c824127774e3059f6a56f891bd5b509d182d0581d43a96781f0f3"
#define SPEC "0a4e77ed723e19489cd047851a1205fd9c32d9c12b13581cda8f9ef5b1fb1604"
#define ALIGNED "8478cbb3cc57aa8736c344864c91fbd16eb8394f2307e4d7fa03fb2364d6155f"
#define BIG "18bc7b489f5c94203bce16e57d482624dbd31ae37d7bb459d93e5f2003ab617c"
#define BIG0 "b03bb1ec9a7837aeb55e2c95d5d2563132b45d3234a13ae43ae0b47fff17ae56"
#define LINEAR "d7d6df4534f06568eb90a06e252592c9b79378b95bb9a7e01db3a388feda6c13"
#define M7 "9b4f4bcc58159bd551832570e34529c7684ea4a2cb988df9832da3cf9f8f9212"

#define MIB (UINT64_C(1) << 20)
#define STD "aff4-reference/AFF4Std/"
#define PRE "aff4-reference/AFF4PreStd/"
#define CAFF4 "made-by-c-aff4/"

enum { STORED = VDS_CODEC_STORED, ZLIB = VDS_CODEC_ZLIB,
       DEFLATE = VDS_CODEC_DEFLATE, SNAPPY = VDS_CODEC_SNAPPY,
       LZ4 = VDS_CODEC_LZ4 };

static const struct {
	const char *file;
	int codec;
	const char *dialect;
	uint64_t size;
	const char *zero, *spec;	/* SHA-256 by policy; NULL = the same */
} good[] = {
	{STD "Base-Linear.aff4", SNAPPY, "standard", 256 * MIB, LINEAR, NULL},
	{STD "Base-Allocated.aff4", SNAPPY, "standard", 256 * MIB, LINEAR,
	 "c1c99315c2ff74e3f37247639e4f8bb2fb7c49ad09f9d6965ac567ce5e6e3c75"},
	{STD "Base-Linear-ReadError.aff4", SNAPPY, "standard", 256 * MIB,
	 "06749acebae40de714e05b527fb05165df0fbebff79e4b79c04d95c73f5ad3a2",
	 "648d87d2e045334e750bda297f9c9a5f122b1c07ac673c16dcec46f5f18cd555"},
	{STD "Striped/Base-Linear_1.aff4", SNAPPY, "standard", 256 * MIB,
	 LINEAR, NULL},
	{STD "Striped/Base-Linear_2.aff4", SNAPPY, "standard", 256 * MIB,
	 LINEAR, NULL},
	{PRE "Base-Linear-ReadError.af4", SNAPPY, "evimetry", 256 * MIB,
	 "4247424a0a4e8ca6461f08c7be60c2ee794358cdab983f9b59b164064544da7a",
	 "a9ba2fbf613964094a6e3abdb4fe1873716cef45bda2a1a82fca63f07468e744"},
	{PRE "Base-Linear.af4", SNAPPY, "evimetry", 256 * MIB,
	 "11cbe8247a032af9884a319c9eece74b8b2b7f5b468c7b1fb553d060cc7eafd9",
	 NULL},
	{"aff4-memory-micro/Micro7.001.aff4", SNAPPY, "standard", 262144, M7,
	 NULL},
	{CAFF4 "mem8-zlib.aff4", ZLIB, "standard", 8 * MIB, ZERO, SPEC},
	{CAFF4 "mem8-snappy.aff4", SNAPPY, "standard", 8 * MIB, ZERO, SPEC},
	{CAFF4 "mem8-lz4.aff4", LZ4, "standard", 8 * MIB, ZERO, SPEC},
	{CAFF4 "mem8-none.aff4", STORED, "standard", 8 * MIB, ZERO, SPEC},
	{CAFF4 "mem8-deflate.aff4", DEFLATE, "standard", 8 * MIB, ZERO, SPEC},
	{CAFF4 "mem8-snappy-dir", SNAPPY, "standard", 8 * MIB, ZERO, SPEC},
	{CAFF4 "mem8-zipsegment-raw.aff4", STORED, "plain member", 8 * MIB,
	 FULL, NULL},
	{CAFF4 "mem4-aligned-snappy-extrachunk.aff4", SNAPPY, "standard",
	 4 * MIB, ALIGNED, NULL},
	{CAFF4 "mem128-zlib-multibevy.aff4", ZLIB, "standard", 128 * MIB, BIG0,
	 "0ff72f83ce37ac4e33c3e33ec36702c733d253b135695cfcf2c3dd564a39dbd7"},
	{CAFF4 "split-volumes/split.aff4", ZLIB, "standard", 128 * MIB, BIG,
	 NULL},
	{CAFF4 "split-volumes/split.aff4.A01", ZLIB, "standard", 128 * MIB,
	 BIG, NULL},
	{CAFF4 "split-volumes/split.aff4.A02", ZLIB, "standard", 128 * MIB,
	 BIG, NULL},
	{"made-by-libaff4-2016/mem8-none.aff4", STORED, "scudette", 8 * MIB,
	 FULL, NULL},
	{"made-by-libaff4-2016/mem8-snappy.aff4", SNAPPY, "scudette", 8 * MIB,
	 FULL, NULL},
	{"made-by-libaff4-2016/mem8-zlib.aff4", ZLIB, "scudette", 8 * MIB,
	 FULL, NULL},
	{"made-by-pyaff4/mem8-lz4.aff4", LZ4, "standard", 8 * MIB, FULL, NULL},
	{"made-by-pyaff4/mem8-snappy.aff4", SNAPPY, "standard", 8 * MIB, FULL,
	 NULL},
	{"made-by-pyaff4/mem8-zlib.aff4", ZLIB, "standard", 8 * MIB, FULL,
	 NULL},
	{"made-by-pyaff4/mem8-zlib-unsorted.aff4", ZLIB, "standard", 8 * MIB,
	 FULL, NULL},
	{"made-by-lab/tiny-evimetrystyle-deflate.aff4", DEFLATE, "standard",
	 MIB, TINY, NULL},
	{"made-by-lab/tiny-evimetrystyle-snappy.aff4", SNAPPY, "standard", MIB,
	 TINY, NULL},
	{"made-by-lab/tiny-evimetrystyle-stored.aff4", STORED, "standard", MIB,
	 TINY, NULL},
	{"made-by-lab/tiny-evimetrystyle-zlib.aff4", ZLIB, "standard", MIB,
	 TINY, NULL},
	{"hostile-aff4/00-good.aff4", ZLIB, "standard", 8192,
	 "54f624253436dcd5fe656688f7ddb3a314b4524453ce553a5b39a62ce0de4ee5",
	 NULL},
	{"hostile-aff4/38-prefixed-with-junk-1000.aff4", ZLIB, "standard", 8192,
	 "54f624253436dcd5fe656688f7ddb3a314b4524453ce553a5b39a62ce0de4ee5",
	 NULL},
};

/* What must not open, and a part of what the refusal says. */
static const struct {
	const char *file, *says;
} bad[] = {
	{"01-map-self-cycle", "refers to itself"},
	{"03-map-offset-plus-length-wraps", "entry 0: offset 0xfffffffffffff000"},
	{"04-map-target-offset-wraps", "target offset 0xfffffffffffffff0"},
	{"05-map-target-id-out-of-range", "target id 7"},
	{"08-index-offset-past-bevy", "index entry 0: offset 1099511627776"},
	{"11-chunksize-0", "chunkSize 0"},
	{"13-chunksinsegment-0", "chunksInSegment 0"},
	{"14-size-negative", "size \"-1\""},
	{"15-size-2pow64", "18446744073709551616"},
	{"18-snappy-claims-4GiB", ""},
	{"19-lz4-garbage", ""},
	{"20-unknown-codec", "http://example.org/zstd"},
	{"21-turtle-deflate-bomb-256MiB", "268435803 exceeds the limit"},
	{"23-turtle-unterminated-string", "line 5"},
	{"25-missing-index", ""},
	{"26-idx-unknown-volume", "aff4://ffffffff-0000-0000-0000-000000000000"},
	{"28-cd-offset-past-eof", "offset 2147483647"},
	{"30-lfh-offset-past-eof", "offset 2147483632"},
	{"32-multidisk-eocd", "disk 1"},
	{"33-encrypted-flag", "encrypted"},
	{"34-truncated-tail", "no end of central directory"},
	{"35-truncated-half", "no end of central directory"},
	{"36-duplicate-member-names", "target id 9"},
	{"39-empty", ""},
	{"40-only-eocd", ""},
};

static const char *path_of(const char *file)
{
	static char path[4096];
	snprintf(path, sizeof(path), "%s/containers/%s", folder, file);
	return path;
}

static void check_refusal(const char *path, const char *says)
{
	struct vds_image *image;
	struct vds_error *err = vds_image_open(path, NULL, &image);
	ck_assert_msg(err, "%s was opened", path);
	ck_assert_int_eq(vds_error_exit_status(err->code), 4);
	ck_assert_ptr_null(strchr(err->message, '\n'));
	ck_assert_msg(strstr(err->message, path), "%s", err->message);
	ck_assert_msg(strstr(err->message, says), "%s", err->message);
	vds_error_destroy(err);
}

static void check_digest(struct vds_image *image, const char *file,
			 enum vds_stream_policy policy, const char *expected)
{
	struct vds_digest digest;
	char hex[VDS_SHA256_HEX_SIZE];
	ck_assert_ptr_null(vds_image_digest(image, policy, NULL, &digest));
	vds_sha256_hex(digest.sha256, hex);
	ck_assert_msg(!strcmp(hex, expected), "%s: %s", file, hex);
	ck_assert_uint_eq(digest.damaged, 0);
}

START_TEST(decoded_streams_have_their_hash)
{
	const char *file = good[_i].file, *spec = good[_i].spec;
	struct vds_image *image;
	if (!vds_codec_available((enum vds_codec)good[_i].codec)) {
		check_refusal(path_of(file),
			      vds_codec_name((enum vds_codec)good[_i].codec));
		return;
	}
	struct vds_error *err = vds_image_open(path_of(file), NULL, &image);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	ck_assert_str_eq(vds_image_format_name(image), "aff4");
	ck_assert_str_eq(vds_image_dialect(image), good[_i].dialect);
	ck_assert_uint_eq(vds_image_stream_size(image), good[_i].size);
	check_digest(image, file, VDS_STREAM_ZERO, good[_i].zero);
	check_digest(image, file, VDS_STREAM_SPEC,
		     spec ? spec : good[_i].zero);
	vds_image_close(image);
}
END_TEST

/* Reads of 512 bytes, backwards in each page, against 1 MiB at a time. */
START_TEST(random_reads_agree_with_the_stream)
{
	struct vds_image *image;
	uint8_t page[4096];
	char hex[VDS_SHA256_HEX_SIZE];
	uint8_t digest[VDS_SHA256_SIZE];
	struct vds_sha256 hash;
	if (!vds_codec_available((enum vds_codec)good[_i].codec) ||
	    good[_i].size > 8 * MIB)
		return;
	ck_assert_ptr_null(vds_image_open(path_of(good[_i].file), NULL,
					  &image));
	vds_sha256_init(&hash);
	for (uint64_t pa = 0; pa < good[_i].size; pa += 4096) {
		for (size_t at = 4096; at; at -= 512) {
			if (vds_image_read(image, pa + at - 512,
					   page + at - 512, 512))
				memset(page + at - 512, 0, 512);
		}
		vds_sha256_update(&hash, page, sizeof(page));
	}
	vds_sha256_final(&hash, digest);
	vds_sha256_hex(digest, hex);
	ck_assert_msg(!strcmp(hex, good[_i].zero), "%s: %s", good[_i].file,
		      hex);
	vds_image_close(image);
}
END_TEST

START_TEST(patterns_never_read_as_memory)
{
	struct vds_image *image;
	uint8_t page[4096];
	ck_assert_ptr_null(vds_image_open(path_of(CAFF4 "mem8-zlib.aff4"),
					  NULL, &image));
	/* Pages that WinPmem couldn't read: an UnreadableData entry. */
	const struct vds_range *range = vds_image_range_at(image, 0x140000);
	ck_assert_ptr_nonnull(range);
	ck_assert_int_eq(range->kind, VDS_RANGE_UNREADABLE);
	ck_assert_uint_eq(range->len, 0x3000);
	ck_assert_int_eq(vds_image_read(image, 0x140000, page, 8),
			 VDS_NOT_IN_IMAGE);
	ck_assert_ptr_null(vds_image_range_at(image, 0x300000));
	for (uint64_t pa = 0; vds_image_scan(image, &pa, page, 4096);
	     pa += 4096) {
		ck_assert(pa < 0x140000 || pa >= 0x143000);
		ck_assert(pa != 0x480000);
	}
	ck_assert_uint_eq(vds_image_hints(image)->dtb, 1761280);
	ck_assert_uint_eq(vds_image_hints(image)->build, 19041);
	vds_image_close(image);
}
END_TEST

START_TEST(an_exabyte_map_is_cut_at_the_address_space)
{
	struct vds_image *image;
	uint8_t page[4096];
	const char *file = "aff4-reference/Errata/Base-ExabyteSparse.aff4";
	if (!vds_codec_available(VDS_CODEC_SNAPPY))
		return;
	ck_assert_ptr_null(vds_image_open(path_of(file), NULL, &image));
	ck_assert_uint_eq(vds_image_stream_size(image),
			  UINT64_C(9223372036854775296));
	ck_assert_uint_eq(vds_image_end(image), MIB);
	ck_assert_int_eq(vds_image_read(image, MIB - 4096, page, 4096),
			 VDS_PRESENT);
	ck_assert_uint_eq(page[0], 0xff);
	ck_assert_uint_eq(page[4095], 0xff);
	vds_image_close(image);
}
END_TEST

START_TEST(hostile_volumes_are_refused_in_one_line)
{
	char file[256];
	snprintf(file, sizeof(file), "hostile-aff4/%s.aff4", bad[_i].file);
	check_refusal(path_of(file), bad[_i].says);
}
END_TEST

/* Damage that leaves something: what is there reads, the rest is absent. */
START_TEST(damaged_volumes_keep_what_is_there)
{
	static const char *const files[] = {
		"06-map-not-multiple-of-28", "07-map-zero-length-and-overlaps",
		"10-index-too-short", "27-cd-count-65534"};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(files); i++) {
		char file[256];
		struct vds_image *image;
		uint8_t page[4096];
		snprintf(file, sizeof(file), "hostile-aff4/%s.aff4", files[i]);
		ck_assert_ptr_null(vds_image_open(path_of(file), NULL,
						  &image));
		ck_assert_uint_ge(vds_image_notes(image)->count, 1);
		ck_assert_int_eq(vds_image_read(image, 0, page, 4096),
				 VDS_PRESENT);
		enum vds_why why = vds_image_read(image, 4096, page, 4096);
		ck_assert_int_eq(why, i == 2 ? VDS_NOT_IN_IMAGE : VDS_PRESENT);
		vds_image_close(image);
	}
}
END_TEST

START_TEST(encrypted_volumes_are_refused)
{
	check_refusal(path_of("negative/encrypted-linear-password.aff4"),
		      "EncryptedStream");
}
END_TEST

static void copy_file(const char *from, const char *to)
{
	char *data;
	size_t len;
	ck_assert_ptr_null(vds_file_slurp(from, 64 * MIB, &data, &len));
	FILE *f = fopen(to, "wb");
	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(data, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
	free(data);
}

/* A part of a set, alone in a folder, is refused; the message names another. */
static void check_alone(const char *file, const char *name, const char *says)
{
	char dir[] = "/tmp/vds-aff4-XXXXXX", to[256];
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(to, sizeof(to), "%s/%s", dir, name);
	copy_file(path_of(file), to);
	check_refusal(to, says);
	unlink(to);
	rmdir(dir);
}

START_TEST(a_missing_part_is_named)
{
	check_alone(CAFF4 "split-volumes/split.aff4.A02", "x.aff4.A02",
		    "needs volume aff4://95661164-afc3-48c4-b033-f1d282439df6");
	check_alone(CAFF4 "split-volumes/split.aff4", "x.aff4",
		    "another volume of the set missing");
	if (vds_codec_available(VDS_CODEC_SNAPPY))
		check_alone(STD "Striped/Base-Linear_1.aff4", "x.aff4",
			    "needs volume "
			    "aff4://51725cd9-3769-4be7-a8ab-94e3ea62bf9a");
}
END_TEST

START_TEST(metadata_is_passed_on)
{
	struct vds_image *image;
	size_t count, found = 0;
	if (!vds_codec_available(VDS_CODEC_SNAPPY))
		return;
	ck_assert_ptr_null(vds_image_open(path_of(STD "Base-Linear.aff4"),
					  NULL, &image));
	const struct vds_image_meta *meta = vds_image_metadata(image, &count);
	for (size_t i = 0; i < count; i++) {
		found += !strcmp(meta[i].key, "tool") &&
			 !strcmp(meta[i].value, "Evimetry 2.2.0");
		found += !strcmp(meta[i].key, "acquisition_start") &&
			 !strncmp(meta[i].value, "2016-", 5);
		found += !strcmp(meta[i].key, "stored_hash") &&
			 !strncmp(meta[i].value, "SHA1 ", 5);
	}
	ck_assert_uint_ge(found, 3);
	vds_image_close(image);
}
END_TEST

static void count_check(void *ctx, const struct vds_aff4_check *check)
{
	size_t *counts = ctx;
	ck_assert_msg(check->verdict != VDS_VERDICT_DIFFERS,
		      "%s %s of %s: %s, not %s (%s)", check->what, check->type,
		      check->urn, check->computed, check->stored, check->why);
	counts[check->verdict]++;
}

/*
 * Evimetry stores MD5 and SHA-1 of each stream and of its chunks, and SHA-512
 * of index, chunk hashes, map, idx and mapPath; some are made of others.
 */
START_TEST(stored_hashes_are_verified)
{
	static const struct {
		const char *file;
		size_t equal, unchecked;
	} cases[] = {
		{STD "Striped/Base-Linear_1.aff4", 24, 6},
		{PRE "Base-Linear.af4", 11, 3},
		{"aff4-memory-micro/Micro7.001.aff4", 9, 3},
		{CAFF4 "mem8-snappy.aff4", 1, 0},
	};
	struct vds_image *image;
	size_t counts[3] = {0};
	const struct vds_aff4_checker checker = {count_check, counts, NULL};
	if (!vds_codec_available(VDS_CODEC_SNAPPY))
		return;
	ck_assert_ptr_null(vds_image_open(path_of(cases[_i].file), NULL,
					  &image));
	ck_assert_ptr_null(vds_aff4_verify(image, &checker));
	ck_assert_msg(counts[VDS_VERDICT_EQUAL] == cases[_i].equal &&
		      counts[VDS_VERDICT_UNCHECKED] == cases[_i].unchecked,
		      "%s: %zu equal, %zu unchecked", cases[_i].file,
		      counts[VDS_VERDICT_EQUAL],
		      counts[VDS_VERDICT_UNCHECKED]);
	vds_image_close(image);
}
END_TEST

int main(void)
{
	folder = getenv("VDS_SHARED_DATA");
	if (!folder || access(path_of("README.md"), R_OK)) {
		printf("skipped: no shared test data (VDS_SHARED_DATA)\n");
		return 77;
	}
	if (!vds_turtle_available()) {
		printf("skipped: this build lacks serd\n");
		return 77;
	}
	Suite *suite = suite_create("aff4_files");
	TCase *tc = tcase_create("aff4_files");
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, decoded_streams_have_their_hash, 0,
			    (int)VDS_ARRAY_SIZE(good));
	tcase_add_loop_test(tc, random_reads_agree_with_the_stream, 0,
			    (int)VDS_ARRAY_SIZE(good));
	tcase_add_loop_test(tc, hostile_volumes_are_refused_in_one_line, 0,
			    (int)VDS_ARRAY_SIZE(bad));
	tcase_add_test(tc, patterns_never_read_as_memory);
	tcase_add_test(tc, an_exabyte_map_is_cut_at_the_address_space);
	tcase_add_test(tc, damaged_volumes_keep_what_is_there);
	tcase_add_test(tc, encrypted_volumes_are_refused);
	tcase_add_test(tc, a_missing_part_is_named);
	tcase_add_test(tc, metadata_is_passed_on);
	tcase_add_loop_test(tc, stored_hashes_are_verified, 0, 4);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
