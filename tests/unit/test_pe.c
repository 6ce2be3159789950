/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "vadose/pe.h"

#define SIZE 0x4000u
#define TEXT 0x1000u
#define DATA 0x2000u

static uint8_t image[SIZE];

static enum vds_why read_bytes(void *ctx, uint32_t rva, void *buf, size_t len)
{
	const uint32_t *end = ctx;
	if (!vds_fits(rva, len, *end))
		return VDS_PAGED_OUT;
	memcpy(buf, image + rva, len);
	return VDS_PRESENT;
}

static void put_section(unsigned int i, const char *name, uint32_t rva,
			uint32_t flags)
{
	uint8_t *p = image + 0x80 + 24 + 240 + 40 * i;
	memcpy(p, name, strlen(name));
	vds_put_le32(p + 8, 0x1000);
	vds_put_le32(p + 12, rva);
	vds_put_le32(p + 36, flags);
}

static void put_directory(unsigned int i, uint32_t rva, uint32_t size)
{
	uint8_t *p = image + 0x80 + 24 + 112 + 8 * i;
	vds_put_le32(p, rva);
	vds_put_le32(p + 4, size);
}

/* Two functions at TEXT + 0x100 and + 0x200, and one in DATA. */
static void put_exports(void)
{
	static const uint32_t functions[] = {TEXT + 0x200, DATA + 8,
					     TEXT + 0x100};
	static const char *const names[] = {"First", "Global", "Second"};
	static const uint16_t ordinals[] = {2, 1, 0};
	uint8_t *p = image + 0x3000;
	put_directory(0, 0x3000, 0x200);
	vds_put_le32(p + 20, 3);
	vds_put_le32(p + 24, 3);
	vds_put_le32(p + 28, 0x3040);
	vds_put_le32(p + 32, 0x3060);
	vds_put_le32(p + 36, 0x3080);
	for (unsigned int i = 0; i < 3; i++) {
		vds_put_le32(p + 0x40 + 4 * i, functions[i]);
		vds_put_le32(p + 0x60 + 4 * i, 0x3100 + 16 * i);
		vds_put_le16(p + 0x80 + 2 * i, ordinals[i]);
		strcpy((char *)p + 0x100 + 16 * i, names[i]);
	}
}

static void make(void)
{
	uint8_t *p = image + 0x80;
	memset(image, 0, sizeof(image));
	memcpy(image, "MZ", 2);
	vds_put_le32(image + 0x3c, 0x80);
	memcpy(p, "PE\0", 4);
	vds_put_le16(p + 6, 2);
	vds_put_le16(p + 20, 240);
	vds_put_le16(p + 24, 0x20b);
	vds_put_le64(p + 24 + 24, 0x180000000);
	vds_put_le32(p + 24 + 56, SIZE);
	vds_put_le32(p + 24 + 60, 0x400);
	vds_put_le32(p + 24 + 108, 16);
	put_section(0, ".text", TEXT, 0x60000020);
	put_section(1, ".da\x1bta", DATA, 0xc0000040);
	put_exports();
	/* Relocations: one block for TEXT, one for DATA with a filler. */
	put_directory(5, 0x3400, 24);
	vds_put_le32(image + 0x3400, TEXT);
	vds_put_le32(image + 0x3404, 12);
	vds_put_le16(image + 0x3408, 0xa010);
	vds_put_le16(image + 0x340a, 0xaff8);
	vds_put_le32(image + 0x340c, DATA);
	vds_put_le32(image + 0x3410, 12);
	vds_put_le16(image + 0x3414, 0xa008);
}

START_TEST(headers_are_read)
{
	uint32_t end = SIZE;
	struct vds_pe pe;
	make();
	ck_assert_int_eq(vds_pe_parse(read_bytes, &end, &pe), VDS_PRESENT);
	ck_assert(pe.is_64);
	ck_assert_uint_eq(pe.image_base, 0x180000000);
	ck_assert_uint_eq(pe.image_size, SIZE);
	ck_assert_uint_eq(pe.num_sections, 2);
	ck_assert_str_eq(vds_pe_section_at(&pe, TEXT + 0xfff)->name, ".text");
	ck_assert_str_eq(vds_pe_section_at(&pe, DATA)->name, ".da?ta");
	ck_assert_ptr_null(vds_pe_section_at(&pe, 0x3000));
	ck_assert_ptr_null(vds_pe_section_at(&pe, 0));
}
END_TEST

START_TEST(directories_are_read_by_index)
{
	uint32_t end = SIZE;
	struct vds_pe_directory d;
	make();
	ck_assert_int_eq(vds_pe_directory_at(read_bytes, &end, VDS_PE_CLR, &d),
			 VDS_NOT_APPLICABLE);
	put_directory(VDS_PE_CLR, 0x2048, 72);
	ck_assert_int_eq(vds_pe_directory_at(read_bytes, &end, VDS_PE_CLR, &d),
			 VDS_PRESENT);
	ck_assert_uint_eq(d.rva, 0x2048);
	ck_assert_uint_eq(d.size, 72);
	ck_assert_int_eq(vds_pe_directory_at(read_bytes, &end, 16, &d),
			 VDS_NOT_APPLICABLE);
	vds_put_le16(image + 0x80 + 24, 0);
	ck_assert_int_eq(vds_pe_directory_at(read_bytes, &end, VDS_PE_CLR, &d),
			 VDS_BAD_DATA);
}
END_TEST

START_TEST(what_is_no_image_is_bad_data)
{
	uint32_t end = SIZE;
	struct vds_pe pe;
	make();
	image[0x82] = 1;
	ck_assert_int_eq(vds_pe_parse(read_bytes, &end, &pe), VDS_BAD_DATA);
	make();
	vds_put_le32(image + 0x3c, UINT32_MAX - 4);
	ck_assert_int_eq(vds_pe_parse(read_bytes, &end, &pe), VDS_BAD_DATA);
	make();
	vds_put_le16(image + 0x86, VDS_PE_MAX_SECTIONS + 1);
	ck_assert_int_eq(vds_pe_parse(read_bytes, &end, &pe), VDS_BAD_DATA);
	make();
	end = 0x90;
	ck_assert_int_eq(vds_pe_parse(read_bytes, &end, &pe), VDS_PAGED_OUT);
}
END_TEST

START_TEST(the_nearest_export_lies_before_in_the_same_section)
{
	uint32_t end = SIZE, distance;
	char name[VDS_PE_NAME_SIZE];
	struct vds_pe pe;
	make();
	ck_assert_int_eq(vds_pe_parse(read_bytes, &end, &pe), VDS_PRESENT);
	ck_assert_int_eq(vds_pe_export_at(read_bytes, &end, &pe, TEXT + 0x1ff,
					  name, &distance), VDS_PRESENT);
	ck_assert_str_eq(name, "First");
	ck_assert_uint_eq(distance, 0xff);
	ck_assert_int_eq(vds_pe_export_at(read_bytes, &end, &pe, TEXT + 0x200,
					  name, &distance), VDS_PRESENT);
	ck_assert_str_eq(name, "Second");
	ck_assert_uint_eq(distance, 0);
	ck_assert_int_eq(vds_pe_export_at(read_bytes, &end, &pe, TEXT + 0xff,
					  name, &distance),
			 VDS_NOT_APPLICABLE);
	ck_assert_int_eq(vds_pe_export_at(read_bytes, &end, &pe, DATA, name,
					  &distance), VDS_NOT_APPLICABLE);
	/* Tables that are not in memory are no absence of exports. */
	end = 0x3050;
	ck_assert_int_eq(vds_pe_export_at(read_bytes, &end, &pe, TEXT + 0x200,
					  name, &distance), VDS_PAGED_OUT);
}
END_TEST

START_TEST(relocations_are_those_of_the_page)
{
	uint32_t end = SIZE;
	uint16_t offsets[8];
	size_t count = 9;
	struct vds_pe pe;
	make();
	ck_assert_int_eq(vds_pe_parse(read_bytes, &end, &pe), VDS_PRESENT);
	ck_assert_int_eq(vds_pe_relocations_of(read_bytes, &end, &pe, TEXT,
					       offsets, 8, &count),
			 VDS_PRESENT);
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(offsets[0], 0x10);
	ck_assert_uint_eq(offsets[1], 0xff8);
	ck_assert_int_eq(vds_pe_relocations_of(read_bytes, &end, &pe, DATA,
					       offsets, 8, &count),
			 VDS_PRESENT);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(vds_pe_relocations_of(read_bytes, &end, &pe, 0x3000,
					       offsets, 8, &count),
			 VDS_PRESENT);
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(vds_pe_relocations_of(read_bytes, &end, &pe, TEXT,
					       offsets, 1, &count),
			 VDS_PRESENT);
	ck_assert_uint_eq(count, 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pe");
	TCase *tests = tcase_create("pe");
	tcase_add_test(tests, headers_are_read);
	tcase_add_test(tests, directories_are_read_by_index);
	tcase_add_test(tests, what_is_no_image_is_bad_data);
	tcase_add_test(tests,
		       the_nearest_export_lies_before_in_the_same_section);
	tcase_add_test(tests, relocations_are_those_of_the_page);
	suite_add_tcase(suite, tests);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
