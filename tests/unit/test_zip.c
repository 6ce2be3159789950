/* SPDX-License-Identifier: Apache-2.0 */
/* The zip reader on archives by our writer, whole and damaged. */
#include "image/zip.h"
#include "image/zip_write.h"
#include "image_temp.h"

#define URN "aff4://00000000-0000-0000-0000-0000000000aa"

struct archive {
	struct temp temp;
	struct vds_file *file;
	struct vds_arena arena;
	struct vds_notes notes;
	struct vds_zip zip;
};

static void build(struct archive *z)
{
	struct vds_zip_writer w = {0};
	*z = (struct archive){0};
	temp_open(&z->temp);
	w.fd = fileno(z->temp.f);
	ck_assert_ptr_null(vds_zip_add(&w, "first", "one", 3));
	ck_assert_ptr_null(vds_zip_begin(&w, "dir/second"));
	ck_assert_ptr_null(vds_zip_put(&w, "tw", 2));
	ck_assert_ptr_null(vds_zip_put(&w, "o", 1));
	ck_assert_ptr_null(vds_zip_end(&w));
	ck_assert_ptr_null(vds_zip_add(&w, "empty", "", 0));
	ck_assert_ptr_null(vds_zip_rewrite(&w, 0, "ONE", 3));
	ck_assert_ptr_null(vds_zip_finish(&w, URN));
	vds_zip_writer_deinit(&w);
}

static struct vds_error *open_it(struct archive *z)
{
	ck_assert_ptr_null(vds_file_open(z->temp.path, &z->file));
	return vds_zip_open(z->file, &z->arena, &z->notes, &z->zip);
}

static void destroy(struct archive *z)
{
	vds_file_close(z->file);
	vds_arena_deinit(&z->arena);
	vds_notes_deinit(&z->notes);
	temp_close(&z->temp);
}

/* Overwrites @len bytes at @offset from the end (negative) or the start. */
static void patch(struct archive *z, off_t offset, const void *data, size_t len)
{
	int fd = fileno(z->temp.f);
	off_t size = lseek(fd, 0, SEEK_END);
	ck_assert_int_eq(pwrite(fd, data, len,
				offset < 0 ? size + offset : offset),
			 (ssize_t)len);
}

static void check_fails(struct archive *z, enum vds_error_code code,
			const char *part)
{
	struct vds_error *err = open_it(z);
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->code, code);
	ck_assert_msg(strstr(err->message, part), "%s", err->message);
	vds_error_destroy(err);
	destroy(z);
}

/* From the end: the comment, the record before it, and the two of zip64. */
#define EOCD (-(off_t)(22 + sizeof(URN) - 1))
#define LOCATOR (EOCD - 20)
#define EOCD64 (LOCATOR - 56)

START_TEST(what_is_written_is_read)
{
	struct archive z;
	uint8_t *data;
	size_t len;
	build(&z);
	ck_assert_ptr_null(open_it(&z));
	ck_assert(vds_zip_probe(z.file));
	ck_assert_uint_eq(z.zip.num_members, 3);
	ck_assert_uint_eq(z.notes.count, 0);
	ck_assert_str_eq(z.zip.comment, URN);
	ck_assert_str_eq(z.zip.members[1].name, "dir/second");
	ck_assert_uint_eq(z.zip.members[1].usize, 3);
	ck_assert_ptr_null(vds_zip_extract(&z.zip, &z.zip.members[0], 3, &data,
					   &len));
	ck_assert_uint_eq(len, 3);
	ck_assert_str_eq((char *)data, "ONE");
	free(data);
	struct vds_error *err = vds_zip_extract(&z.zip, &z.zip.members[0], 2,
						&data, &len);
	ck_assert_ptr_nonnull(err);
	ck_assert_msg(strstr(err->message, "exceeds the limit of 2"), "%s",
		      err->message);
	vds_error_destroy(err);
	destroy(&z);
}
END_TEST

START_TEST(a_changed_byte_is_noticed)
{
	struct archive z;
	uint8_t *data;
	size_t len;
	uint64_t offset;
	build(&z);
	ck_assert_ptr_null(open_it(&z));
	ck_assert_ptr_null(vds_zip_locate(&z.zip, &z.zip.members[0], &offset));
	patch(&z, (off_t)offset, "X", 1);
	struct vds_error *err = vds_zip_extract(&z.zip, &z.zip.members[0], 99,
						&data, &len);
	ck_assert_ptr_nonnull(err);
	ck_assert_msg(strstr(err->message, "CRC-32"), "%s", err->message);
	vds_error_destroy(err);
	destroy(&z);
}
END_TEST

START_TEST(what_stands_in_front_is_skipped)
{
	struct archive z;
	char body[4096];
	uint8_t *data;
	size_t len;
	build(&z);
	int fd = fileno(z.temp.f);
	ssize_t n = pread(fd, body, sizeof(body), 0);
	ck_assert_int_gt(n, 0);
	ck_assert_int_eq(pwrite(fd, body, (size_t)n, 1000), n);
	memset(body, 'x', sizeof(body));
	ck_assert_int_eq(pwrite(fd, body, 1000, 0), 1000);
	ck_assert_ptr_null(open_it(&z));
	ck_assert_uint_eq(z.zip.num_members, 3);
	ck_assert_uint_eq(z.notes.count, 1);
	ck_assert_ptr_null(vds_zip_extract(&z.zip, &z.zip.members[1], 99,
					   &data, &len));
	ck_assert_str_eq((char *)data, "two");
	free(data);
	destroy(&z);
}
END_TEST

START_TEST(a_truncated_archive_is_refused)
{
	struct archive z;
	build(&z);
	ck_assert_int_eq(ftruncate(fileno(z.temp.f), 100), 0);
	check_fails(&z, VDS_ERROR_NOT_AN_IMAGE, "no end of central directory");
}
END_TEST

START_TEST(end_records_are_not_believed)
{
	static const struct {
		off_t at;
		size_t len;
		const char *bytes;
		const char *says;
	} cases[] = {
		{EOCD + 4, 2, "\1", "disk 1"},
		{EOCD + 12, 4, "\xff\xff\xff\x7f", "size 2147483647"},
		{EOCD + 16, 4, "\xff\xff\xff\x7f", "offset 2147483647"},
		{LOCATOR + 16, 1, "\2", "2 disks"},
		{EOCD64, 4, "XXXX", "no end record"},
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(cases); i++) {
		struct archive z;
		build(&z);
		patch(&z, cases[i].at, cases[i].bytes, cases[i].len);
		struct vds_error *err = open_it(&z);
		ck_assert_msg(err, "case %zu", i);
		ck_assert_msg(strstr(err->message, cases[i].says), "%s",
			      err->message);
		vds_error_destroy(err);
		destroy(&z);
	}
}
END_TEST

START_TEST(a_wrong_count_is_noted)
{
	struct archive z;
	build(&z);
	patch(&z, EOCD + 10, "\7", 1);
	ck_assert_ptr_null(open_it(&z));
	ck_assert_uint_eq(z.zip.num_members, 3);
	ck_assert_str_eq(z.notes.list[0].kind, "zip_count");
	destroy(&z);
}
END_TEST

/* The directory's first entry, by way of the 64-bit end record. */
static off_t first_entry(struct archive *z)
{
	uint8_t offset[8];
	int fd = fileno(z->temp.f);
	off_t size = lseek(fd, 0, SEEK_END);
	ck_assert_int_eq(pread(fd, offset, 8, size + EOCD64 + 48), 8);
	return (off_t)vds_le64(offset);
}

START_TEST(entries_are_not_believed)
{
	static const struct {
		off_t at;
		const char *bytes;
		size_t len;
		enum vds_error_code code;
		const char *says;
	} cases[] = {
		{0, "X", 1, VDS_ERROR_FORMAT, "signature"},
		{8, "\1", 1, VDS_ERROR_UNSUPPORTED, "encrypted"},
		{10, "\14", 1, VDS_ERROR_UNSUPPORTED, "method 12"},
		{20, "\4", 1, VDS_ERROR_FORMAT, "stored, but size 4"},
		{45, "\x7f", 1, VDS_ERROR_FORMAT, "past the central directory"},
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(cases); i++) {
		struct archive z;
		build(&z);
		patch(&z, first_entry(&z) + cases[i].at, cases[i].bytes,
		      cases[i].len);
		check_fails(&z, cases[i].code, cases[i].says);
	}
}
END_TEST

START_TEST(a_missing_local_header_is_refused)
{
	struct archive z;
	uint64_t offset;
	build(&z);
	patch(&z, 0, "QQ", 2);
	ck_assert_ptr_null(open_it(&z));
	struct vds_error *err = vds_zip_locate(&z.zip, &z.zip.members[0],
					       &offset);
	ck_assert_ptr_nonnull(err);
	ck_assert_msg(strstr(err->message, "offset 0: member \"first\""), "%s",
		      err->message);
	vds_error_destroy(err);
	destroy(&z);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("zip");
	TCase *tc = tcase_create("zip");
	tcase_add_test(tc, what_is_written_is_read);
	tcase_add_test(tc, a_changed_byte_is_noticed);
	tcase_add_test(tc, what_stands_in_front_is_skipped);
	tcase_add_test(tc, a_truncated_archive_is_refused);
	tcase_add_test(tc, end_records_are_not_believed);
	tcase_add_test(tc, a_wrong_count_is_noted);
	tcase_add_test(tc, entries_are_not_believed);
	tcase_add_test(tc, a_missing_local_header_is_refused);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
