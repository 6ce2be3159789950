/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers written by other tools: the decoded stream has the hash that the
 * README beside them gives, and what can't be read is refused in one line.
 * Needs the shared test data.
 */
#include "image/codec.h"
#include "image/digest.h"
#include "image_temp.h"

#define TINY "c6d0d13ce5ca3a2d144b70640c66d58ca3c1d383cb4a75ea46dc7a8b57303b8e"

static const char *folder;

static const struct {
	const char *file, *format;
	uint64_t size;
	const char *sha256;
} good[] = {
	{"made-by-lab/tiny.lime", "lime", 0x100000, TINY},
	{"made-by-lab/tiny-full-type1.dmp", "crashdump", 0x100000, TINY},
	{"made-by-lab/tiny-full32-type1.dmp", "crashdump", 0x100000, TINY},
	{"made-by-lab/tiny-bitmap-type5-SDMP.dmp", "crashdump", 0x100000, TINY},
	{"made-by-lab/tiny-bitmap-type5-FDMP.dmp", "crashdump", 0x100000, TINY},
	{"made-by-lab/tiny-livebitmap-type6-SDMP.dmp", "crashdump", 0x100000,
	 TINY},
	{"made-by-lab/tiny-rdmp-type8.dmp", "crashdump", 0x100000, TINY},
	{"made-by-lab/tiny-rdmp-typea.dmp", "crashdump", 0x100000, TINY},
	{"made-by-lab/tiny-pmemlike.elf", "elf", 0x100000, TINY},
	{"made-by-lab/tiny.avml", "avml", 0x100000, TINY},
	{"made-by-lab/tiny-snappyframed.raw.sz", "raw", 0x100000, TINY},
	{"plain/tiny-full.raw.gz", "raw", 0x100000, TINY},
	{"plain/small-full.raw.gz", "raw", 0x800000,
	 "4e6d41082e2e6804680e83315e1438ade376ab8dbcd1d7f8857093eaed0e709a"},
	{"plain/small-zero.raw.gz", "raw", 0x800000,
	 "6c76cc0bd89c824127774e3059f6a56f891bd5b509d182d0581d43a96781f0f3"},
	{"plain/aligned-full.raw.gz", "raw", 0x400000,
	 "8478cbb3cc57aa8736c344864c91fbd16eb8394f2307e4d7fa03fb2364d6155f"},
	{"plain/big-zero.raw.gz", "raw", 0x8000000,
	 "b03bb1ec9a7837aeb55e2c95d5d2563132b45d3234a13ae43ae0b47fff17ae56"},
	{"made-by-lab/tiny-vmware.vmem", "vmware", 0x100000, TINY},
	{"made-by-lab/tiny-vmware.vmss", "vmware", 0x100000, TINY},
};

static const char *path_of(const char *file)
{
	static char path[4096];
	snprintf(path, sizeof(path), "%s/containers/%s", folder, file);
	return path;
}

/* These two hold snappy chunks, which are an optional feature. */
static bool is_readable(const char *file)
{
	if (vds_codec_available(VDS_CODEC_SNAPPY) ||
	    (!strstr(file, ".avml") && !strstr(file, ".sz")))
		return true;
	struct vds_image *image;
	struct vds_error *err = vds_image_open(path_of(file), NULL, &image);
	ck_assert_ptr_nonnull(err);
	ck_assert_msg(strstr(err->message, "snappy"), "%s", err->message);
	ck_assert(vds_error_catch(err, VDS_ERROR_UNSUPPORTED));
	return false;
}

static struct vds_image *open_file(const char *file)
{
	struct vds_image *image;
	struct vds_error *err = vds_image_open(path_of(file), NULL, &image);
	ck_assert_msg(!err, "%s", err ? err->message : "");
	return image;
}

START_TEST(decoded_streams_have_their_hash)
{
	if (!is_readable(good[_i].file))
		return;
	struct vds_image *image = open_file(good[_i].file);
	struct vds_digest digest;
	char hex[VDS_SHA256_HEX_SIZE];
	ck_assert_str_eq(vds_image_format_name(image), good[_i].format);
	ck_assert_uint_eq(vds_image_stream_size(image), good[_i].size);
	for (int policy = VDS_STREAM_ZERO; policy <= VDS_STREAM_SPEC; policy++) {
		ck_assert_ptr_null(vds_image_digest(image,
						    (enum vds_stream_policy)policy, NULL,
						    &digest));
		vds_sha256_hex(digest.sha256, hex);
		ck_assert_msg(!strcmp(hex, good[_i].sha256), "%s: %s",
			      good[_i].file, hex);
		ck_assert_uint_eq(digest.damaged, 0);
	}
	vds_image_close(image);
}
END_TEST

/* Small reads give the same bytes as the stream does. */
START_TEST(random_reads_agree_with_the_stream)
{
	if (!is_readable(good[_i].file))
		return;
	struct vds_image *image = open_file(good[_i].file);
	struct vds_sha256 hash;
	uint8_t page[4096], digest[VDS_SHA256_SIZE];
	char hex[VDS_SHA256_HEX_SIZE];
	vds_sha256_init(&hash);
	for (uint64_t pa = 0; pa < good[_i].size; pa += 4096) {
		/* Backwards inside the page, so that no read is sequential. */
		for (size_t at = 4096; at; at -= 512) {
			if (vds_image_read(image, pa + at - 512,
					   page + at - 512, 512))
				memset(page + at - 512, 0, 512);
		}
		vds_sha256_update(&hash, page, 4096);
	}
	vds_sha256_final(&hash, digest);
	vds_sha256_hex(digest, hex);
	ck_assert_msg(!strcmp(hex, good[_i].sha256), "%s: %s", good[_i].file,
		      hex);
	vds_image_close(image);
}
END_TEST

START_TEST(a_real_lime_slice)
{
	struct vds_image *image = open_file("lime-real/deb-x86_64-slice.lime");
	size_t count;
	const struct vds_range *ranges = vds_image_ranges(image, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(ranges->pa, 0x1000);
	ck_assert_uint_eq(ranges->len, 0x9f000);
	uint8_t *buf = malloc(0x9f000);
	ck_assert_int_eq(vds_image_read(image, 0x1000, buf, 0x9f000),
			 VDS_PRESENT);
	struct vds_sha256 hash;
	uint8_t digest[VDS_SHA256_SIZE];
	char hex[VDS_SHA256_HEX_SIZE];
	vds_sha256_init(&hash);
	vds_sha256_update(&hash, buf, 0x9f000);
	vds_sha256_final(&hash, digest);
	vds_sha256_hex(digest, hex);
	ck_assert_str_eq(hex, "c01fc88600238c24c52b05c6e762b25c"
			      "5ea34aa47bdf342e6e4306d45ac58c58");
	free(buf);
	vds_image_close(image);
}
END_TEST

START_TEST(a_real_triage_dump)
{
	struct vds_image *image = open_file("negative/rizin-triage_x64.dmp");
	const struct vds_image_hints *hints = vds_image_hints(image);
	size_t count;
	uint8_t buf[0x380];
	ck_assert_str_eq(vds_image_dialect(image), "64-bit triage");
	ck_assert_uint_eq(hints->build, 19041);
	ck_assert_uint_eq(hints->kernel_base, UINT64_C(0xfffff8047ba00000));
	vds_image_virtual_blocks(image, &count);
	ck_assert_uint_gt(count, 1000);
	/* KDDEBUGGER_DATA64 begins with a list entry and "KDBG". */
	ck_assert_int_eq(vds_image_read_virtual(image, hints->kdbg, buf, 0x380),
			 VDS_PRESENT);
	ck_assert_mem_eq(buf + 16, "KDBG", 4);
	/* The first data block of its table. */
	ck_assert_int_eq(vds_image_read_virtual(image,
						UINT64_C(0xfffff8047c62a7a0),
						buf, 0x9c), VDS_PRESENT);
	ck_assert_uint_eq(vds_image_notes(image)->count, 0);
	vds_image_close(image);
}
END_TEST

/* The first 8 MiB of QEMU's guest are the plain memory "small". */
START_TEST(a_core_by_qemu)
{
	struct vds_image *image =
		open_file("made-by-qemu/qemu-pc-8M-elf64.core");
	const size_t size = (size_t)8 << 20;
	struct vds_sha256 hash;
	uint8_t digest[VDS_SHA256_SIZE], *buf = malloc(size);
	char hex[VDS_SHA256_HEX_SIZE];
	ck_assert_str_eq(vds_image_dialect(image), "QEMU");
	ck_assert_int_eq(vds_image_read(image, 0, buf, size), VDS_PRESENT);
	vds_sha256_init(&hash);
	vds_sha256_update(&hash, buf, size);
	vds_sha256_final(&hash, digest);
	vds_sha256_hex(digest, hex);
	ck_assert_str_eq(hex, "4e6d41082e2e6804680e83315e1438ad"
			      "e376ab8dbcd1d7f8857093eaed0e709a");
	free(buf);
	vds_image_close(image);
}
END_TEST

START_TEST(a_kdump_is_refused_in_one_line)
{
	const char *file = "made-by-qemu/qemu-pc-8M-kdump-zlib.vmcore";
	struct vds_image *image;
	struct vds_error *err = vds_image_open(path_of(file), NULL, &image);
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->code, VDS_ERROR_UNSUPPORTED);
	ck_assert_ptr_null(strchr(err->message, '\n'));
	ck_assert(strstr(err->message, file));
	vds_error_destroy(err);
}
END_TEST

int main(void)
{
	folder = getenv("VDS_SHARED_DATA");
	if (!folder || access(path_of("README.md"), R_OK)) {
		printf("skipped: no shared test data (VDS_SHARED_DATA)\n");
		return 77;
	}
	Suite *suite = suite_create("image_files");
	TCase *tc = tcase_create("image_files");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, decoded_streams_have_their_hash, 0,
			    (int)VDS_ARRAY_SIZE(good));
	tcase_add_loop_test(tc, random_reads_agree_with_the_stream, 0,
			    (int)VDS_ARRAY_SIZE(good));
	tcase_add_test(tc, a_real_lime_slice);
	tcase_add_test(tc, a_real_triage_dump);
	tcase_add_test(tc, a_core_by_qemu);
	tcase_add_test(tc, a_kdump_is_refused_in_one_line);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
