/* SPDX-License-Identifier: Apache-2.0 */
/* Control areas, their subsections, files, and the section objects of both
 * eras; layouts of 19041 unless a test says otherwise. */
#include <check.h>

#include "nt/section_object.h"
#include "testnt.h"
#include "vadose/section.h"

#define CA (NT_BASE + 0x1000)
#define SUB(i) (CA + 0x80 + 0x38 * (uint64_t)(i))
#define SEGMENT (NT_BASE + 0x2000)
#define FILE_OBJECT (NT_BASE + 0x2200)
#define SOP (NT_BASE + 0x2400)
#define PTES (NT_BASE + 0x3000)

static struct testnt nt;
static struct vds_process process;

static void bind(void)
{
	testnt_size(&nt, CONTROL_AREA, 0x80);
	testnt_plain(&nt, CA_SEGMENT, 0, 8);
	testnt_plain(&nt, CA_VIEWS, 0x28, 8);
	testnt_plain(&nt, CA_USER_REFS, 0x30, 8);
	testnt_plain(&nt, CA_FLAGS, 0x38, 4);
	testnt_plain(&nt, CA_FILE, 0x40, 8);
	testnt_field(&nt, VDS_F_SECTION_FLAG_IMAGE, 0, 4, 5, 1);
	testnt_field(&nt, VDS_F_SECTION_FLAG_FILE, 0, 4, 7, 1);
	testnt_field(&nt, VDS_F_SECTION_FLAG_PHYSICAL, 0, 4, 10, 1);
	testnt_field(&nt, VDS_F_SECTION_FLAG_FILE_NULL, 0, 4, 19, 1);
	testnt_size(&nt, SEGMENT, 0x48);
	testnt_plain(&nt, SEGMENT_CA, 0, 8);
	testnt_plain(&nt, SEGMENT_PTES, 8, 4);
	testnt_field(&nt, VDS_F_SEGMENT_PTES_HIGH, 0xc, 4, 0, 10);
	testnt_plain(&nt, SEGMENT_SIZE, 0x18, 8);
	testnt_plain(&nt, SEGMENT_CREATOR_PID, 0x30, 4);
	testnt_size(&nt, SUBSECTION, 0x38);
	testnt_plain(&nt, SUB_CA, 0, 8);
	testnt_plain(&nt, SUB_BASE, 8, 8);
	testnt_plain(&nt, SUB_NEXT, 0x10, 8);
	testnt_field(&nt, VDS_F_SUB_PROTECTION, 0x20, 4, 1, 5);
	testnt_field(&nt, VDS_F_SUB_SECTOR_HIGH, 0x20, 4, 6, 10);
	testnt_plain(&nt, SUB_SECTOR, 0x24, 4);
	testnt_plain(&nt, SUB_SECTORS, 0x28, 4);
	testnt_plain(&nt, SUB_PTES, 0x2c, 4);
	testnt_size(&nt, FILE_OBJECT, 0xd8);
	testnt_plain(&nt, FILE_TYPE, 0, 2);
	testnt_plain(&nt, FILE_DEVICE, 8, 8);
	testnt_plain(&nt, FILE_SOP, 0x28, 8);
	testnt_plain(&nt, FILE_RELATED, 0x40, 8);
	testnt_plain(&nt, FILE_DELETE_PENDING, 0x49, 1);
	testnt_plain(&nt, FILE_NAME, 0x58, 16);
	testnt_bind_unicode(&nt);
	testnt_plain(&nt, OBJECT_BODY, 0x30, 8);
}

/* A data file of 32 + 48 pages. */
static void put_section(uint32_t flags)
{
	testnt_put64(&nt, CA, SEGMENT);
	testnt_put64(&nt, CA + 0x28, 3);
	testnt_put32(&nt, CA + 0x38, flags);
	testnt_put64(&nt, SEGMENT, CA);
	testnt_put32(&nt, SEGMENT + 8, 80);
	testnt_put64(&nt, SEGMENT + 0x18, 80 * 4096);
	testnt_put32(&nt, SEGMENT + 0x30, 4321);
	for (uint64_t i = 0; i < 2; i++) {
		testnt_put64(&nt, SUB(i), CA);
		testnt_put64(&nt, SUB(i) + 8, PTES + 0x200 * i);
		testnt_put64(&nt, SUB(i) + 0x10, i ? 0 : SUB(1));
		testnt_put32(&nt, SUB(i) + 0x20, 4 << 1);
		testnt_put32(&nt, SUB(i) + 0x24, i ? 32 : 0);
		testnt_put32(&nt, SUB(i) + 0x28, i ? 48 : 32);
		testnt_put32(&nt, SUB(i) + 0x2c, i ? 48 : 32);
	}
}

static void put_file(const char *name)
{
	/* The low 4 bits of an EX_FAST_REF are a count. */
	testnt_put64(&nt, CA + 0x40, FILE_OBJECT | 0xc);
	testnt_put16(&nt, FILE_OBJECT, 5);
	testnt_put64(&nt, FILE_OBJECT + 0x28, SOP);
	testnt_unicode(&nt, FILE_OBJECT + 0x58, FILE_OBJECT + 0x100, name);
}

static void setup(void)
{
	testnt_init(&nt, 16);
	bind();
	process = (struct vds_process){.pid = 8, .task = &nt.task};
}

static void teardown(void)
{
	testnt_deinit(&nt);
}

START_TEST(a_data_file)
{
	put_section(1 << 7);
	put_file("\\a\\grow.dat");
	const struct vds_section *s = vds_section_at(&process, CA);
	ck_assert_int_eq(s->why, VDS_PRESENT);
	ck_assert_int_eq(s->backing, VDS_BACKING_DATA);
	ck_assert_str_eq(s->file_name, "\\a\\grow.dat");
	ck_assert_uint_eq(s->file_object, FILE_OBJECT);
	ck_assert_uint_eq(s->file_identity, SOP);
	ck_assert(!s->file_deleted);
	ck_assert_uint_eq(s->size, 80 * 4096);
	ck_assert_uint_eq(s->total_ptes, 80);
	ck_assert_uint_eq(s->mapped_views, 3);
	ck_assert_int_eq(s->creator_why, VDS_NOT_APPLICABLE);
	ck_assert_uint_eq(s->num_subsections, 2);
	ck_assert(s->subsections_complete);
	ck_assert_uint_eq(s->subsections[1].first_page, 32);
	ck_assert_uint_eq(s->subsections[1].file_offset, 32 * 4096);
	ck_assert_uint_eq(s->subsections[1].file_bytes, 48 * 4096);
	ck_assert_uint_eq(s->subsections[1].protection, 4);
	ck_assert_uint_eq(nt.task.notes.count, 0);
	/* Decoded once. */
	ck_assert_ptr_eq(vds_section_at(&process, CA), s);
}
END_TEST

START_TEST(sectors_of_images_are_512_bytes)
{
	put_section(1 << 5 | 1 << 7);
	put_file("\\a\\x.dll");
	const struct vds_section *s = vds_section_at(&process, CA);
	ck_assert_int_eq(s->backing, VDS_BACKING_IMAGE);
	ck_assert_uint_eq(s->subsections[1].file_offset, 32 * 512);
	ck_assert_uint_eq(s->subsections[1].file_bytes, 48 * 512);
	/* The upper ten bits of a sector stand among the flags. */
	testnt_put32(&nt, SUB(1) + 0x20, 4 << 1 | 1 << 6);
	vds_task_reset(&nt.task);
	s = vds_section_at(&process, CA);
	ck_assert_uint_eq(s->subsections[1].file_offset,
			  (UINT64_C(1) << 32 | 32) * 512);
}
END_TEST

START_TEST(a_pagefile_section_has_a_creator)
{
	put_section(1 << 13);
	const struct vds_section *s = vds_section_at(&process, CA);
	ck_assert_int_eq(s->backing, VDS_BACKING_PAGEFILE);
	ck_assert_ptr_null(s->file_name);
	ck_assert_int_eq(s->file_name_why, VDS_NOT_APPLICABLE);
	ck_assert_int_eq(s->creator_why, VDS_PRESENT);
	ck_assert_uint_eq(s->creator_pid, 4321);
	ck_assert_uint_eq(s->subsections[0].file_bytes, 0);
	/* Up to 14393 it is a pointer to the process. */
	nt.kernel.binding.fields[VDS_F_SEGMENT_CREATOR_PID].present = false;
	testnt_plain(&nt, SEGMENT_CREATOR, 0x30, 8);
	testnt_plain(&nt, EPROCESS_PID, 0x10, 8);
	testnt_put64(&nt, SEGMENT + 0x30, NT_BASE + 0x4000);
	testnt_put64(&nt, NT_BASE + 0x4010, 888);
	vds_task_reset(&nt.task);
	s = vds_section_at(&process, CA);
	ck_assert_uint_eq(s->creator_pid, 888);
}
END_TEST

START_TEST(prototype_ptes_and_pages)
{
	uint64_t page, pte;

	put_section(1 << 7);
	const struct vds_section *s = vds_section_at(&process, CA);
	ck_assert(vds_section_page_of(s, PTES + 8 * 31, &page));
	ck_assert_uint_eq(page, 31);
	/* The arrays are not one: what follows the first is nobody's. */
	ck_assert(!vds_section_page_of(s, PTES + 8 * 32, &page));
	ck_assert(vds_section_page_of(s, PTES + 0x200, &page));
	ck_assert_uint_eq(page, 32);
	ck_assert(!vds_section_page_of(s, PTES + 4, &page));
	ck_assert(vds_section_pte_of(s, 32, &pte));
	ck_assert_uint_eq(pte, PTES + 0x200);
	ck_assert(vds_section_pte_of(s, 79, &pte));
	ck_assert(!vds_section_pte_of(s, 80, &pte));
	ck_assert_ptr_eq(vds_section_subsection_of(s, PTES + 0x208),
			 &s->subsections[1]);
	ck_assert_ptr_null(vds_section_subsection_of(s, PTES - 8));
}
END_TEST

START_TEST(a_chain_that_loops_is_cut)
{
	put_section(1 << 7);
	testnt_put64(&nt, SUB(1) + 0x10, SUB(0));
	const struct vds_section *s = vds_section_at(&process, CA);
	ck_assert_uint_eq(s->num_subsections, 2);
	ck_assert(!s->subsections_complete);
	ck_assert(testnt_noted(&nt.task.notes, "subsection_cycle", CA));
}
END_TEST

START_TEST(a_long_chain_is_followed_to_its_end)
{
	enum { COUNT = 100 };
	uint64_t page = 0;

	put_section(1 << 7);
	for (uint64_t i = 0; i < COUNT; i++) {
		uint64_t at = i ? NT_BASE + 0x5000 + 0x38 * i : SUB(0);
		testnt_put64(&nt, at, CA);
		testnt_put64(&nt, at + 0x10,
			     i + 1 < COUNT ? NT_BASE + 0x5000 + 0x38 * (i + 1) :
					     NT_BASE + 0x5000 + 0x38 * 50);
		testnt_put32(&nt, at + 0x2c, (uint32_t)i + 1);
	}
	const struct vds_section *s = vds_section_at(&process, CA);
	ck_assert_uint_eq(s->num_subsections, COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		ck_assert_uint_eq(s->subsections[i].first_page, page);
		page += s->subsections[i].ptes;
	}
	/* The last one leads back to the fiftieth. */
	ck_assert(testnt_noted(&nt.task.notes, "subsection_cycle", CA));
}
END_TEST

START_TEST(back_pointers_are_checked)
{
	put_section(1 << 7);
	testnt_put64(&nt, SUB(1), CA + 0x1000);
	const struct vds_section *s = vds_section_at(&process, CA);
	ck_assert_uint_eq(s->num_subsections, 1);
	ck_assert(testnt_noted(&nt.task.notes, "subsection_unusable", CA));
	vds_task_reset(&nt.task);
	testnt_put64(&nt, SEGMENT, CA + 0x80);
	s = vds_section_at(&process, CA);
	ck_assert_int_eq(s->why, VDS_BAD_DATA);
	ck_assert(testnt_noted(&nt.task.notes, "section_bad_segment", CA));
	/* A segment that was paged out proves nothing. */
	vds_task_reset(&nt.task);
	testnt_unmap(&nt, SEGMENT);
	s = vds_section_at(&process, CA);
	ck_assert_int_eq(s->why, VDS_PRESENT);
	ck_assert_int_eq(s->size_why, VDS_NOT_MAPPED);
}
END_TEST

START_TEST(addresses_that_are_no_control_areas)
{
	static const uint64_t wild[] = {0x1000, NT_BASE + 4,
					NT_BASE + 0x40000000,
					UINT64_C(0x8000000000001000)};

	for (size_t i = 0; i < VDS_ARRAY_SIZE(wild); i++)
		ck_assert_int_ne(vds_section_at(&process, wild[i])->why,
				 VDS_PRESENT);
	/* Zeros: no segment. */
	ck_assert_int_eq(vds_section_at(&process, NT_BASE + 0x6000)->why,
			 VDS_BAD_DATA);
}
END_TEST

START_TEST(deleted_files)
{
	put_section(1 << 5 | 1 << 7);
	put_file("\\Users\\Public\\ghost.tmp");
	*testnt_at(&nt, FILE_OBJECT + 0x49) = 1;
	ck_assert(vds_section_at(&process, CA)->file_deleted);
	vds_task_reset(&nt.task);
	*testnt_at(&nt, FILE_OBJECT + 0x49) = 0;
	testnt_put32(&nt, CA + 0x38, 1 << 5 | 1 << 7 | 1 << 19);
	ck_assert(vds_section_at(&process, CA)->file_deleted);
}
END_TEST

START_TEST(hostile_file_names)
{
	uint64_t name = FILE_OBJECT + 0x58;

	put_section(1 << 7);
	put_file("\\a\\b");
	testnt_put16(&nt, name, 0xfffe);	/* longer than its buffer */
	ck_assert_int_eq(vds_section_at(&process, CA)->file_name_why,
			 VDS_BAD_DATA);
	vds_task_reset(&nt.task);
	testnt_put16(&nt, name, 7);		/* odd */
	ck_assert_int_eq(vds_section_at(&process, CA)->file_name_why,
			 VDS_BAD_DATA);
	vds_task_reset(&nt.task);
	testnt_put16(&nt, name, 8);
	testnt_put16(&nt, FILE_OBJECT + 0x102, 0);	/* a NUL inside */
	ck_assert_int_eq(vds_section_at(&process, CA)->file_name_why,
			 VDS_BAD_DATA);
	vds_task_reset(&nt.task);
	testnt_put16(&nt, FILE_OBJECT + 0x102, 0xd800);	/* half a pair */
	ck_assert_str_eq(vds_section_at(&process, CA)->file_name,
			 "\\\xef\xbf\xbd\\b");
	vds_task_reset(&nt.task);
	testnt_put64(&nt, name + 8, NT_BASE + 0x40000000);
	ck_assert_int_eq(vds_section_at(&process, CA)->file_name_why,
			 VDS_NOT_MAPPED);
	vds_task_reset(&nt.task);
	testnt_put16(&nt, FILE_OBJECT, 3);	/* no FILE_OBJECT */
	ck_assert_int_eq(vds_section_at(&process, CA)->file_name_why,
			 VDS_BAD_DATA);
}
END_TEST

START_TEST(a_relative_name_follows_its_related_file)
{
	uint64_t related = FILE_OBJECT + 0x400;

	put_section(1 << 7);
	put_file("b.dat");
	testnt_put64(&nt, FILE_OBJECT + 0x40, related);
	testnt_unicode(&nt, related + 0x58, related + 0x100, "\\a");
	ck_assert_str_eq(vds_section_at(&process, CA)->file_name, "\\a\\b.dat");
	/* Related to itself: it ends. */
	vds_task_reset(&nt.task);
	testnt_put64(&nt, FILE_OBJECT + 0x40, FILE_OBJECT);
	ck_assert_ptr_nonnull(vds_section_at(&process, CA)->file_name);
}
END_TEST

START_TEST(the_section_behind_a_vad)
{
	struct vds_vad vad = {.section_why = VDS_NOT_APPLICABLE};
	uint64_t ca = 0;

	put_section(1 << 7);
	ck_assert_ptr_null(vds_vad_section(&process, &vad));
	vad.section_why = VDS_PAGED_OUT;
	ck_assert_int_eq(vds_vad_section(&process, &vad)->why, VDS_PAGED_OUT);
	vad.has_section = true;
	vad.subsection = SUB(1);
	ck_assert_int_eq(vds_vad_control_area(&process, &vad, &ca),
			 VDS_PRESENT);
	ck_assert_uint_eq(ca, CA);
	ck_assert_uint_eq(vds_vad_section(&process, &vad)->control_area, CA);
	ck_assert_uint_eq(vad.control_area, CA);
	vad.subsection = NT_BASE + 0x40000000;
	ck_assert_int_eq(vds_vad_section(&process, &vad)->why, VDS_NOT_MAPPED);
}
END_TEST

START_TEST(section_objects_of_both_eras)
{
	uint64_t object = NT_BASE + 0x7000;
	struct vds_section_object o;

	put_section(1 << 7);
	/* 10: SECTION. */
	testnt_plain(&nt, SECTION_CA, 0x28, 8);
	testnt_plain(&nt, SECTION_SIZE, 0x30, 8);
	testnt_put64(&nt, object + 0x28, CA);
	testnt_put64(&nt, object + 0x30, 0x50000);
	vds_section_object_read(&nt.task, object, &o);
	ck_assert_uint_eq(o.control_area, CA);
	ck_assert_uint_eq(o.size, 0x50000);
	/* The low bits say that it is a file object. */
	testnt_put64(&nt, object + 0x28, FILE_OBJECT | 1);
	vds_section_object_read(&nt.task, object, &o);
	ck_assert_int_eq(o.control_area_why, VDS_NOT_APPLICABLE);
	ck_assert_uint_eq(o.control_area, 0);
	/* 7: SECTION_OBJECT, whose Segment is a SEGMENT, whatever its type. */
	nt.kernel.binding.fields[VDS_F_SECTION_CA].present = false;
	testnt_plain(&nt, SECTION_OBJECT_SEGMENT, 0x28, 8);
	testnt_plain(&nt, SEGMENT_OBJECT_CA, 0x20, 8);
	testnt_plain(&nt, SEGMENT_OBJECT_SIZE, 0x10, 8);
	testnt_put64(&nt, object + 0x28, SEGMENT);
	vds_section_object_read(&nt.task, object, &o);
	ck_assert_uint_eq(o.control_area, CA);
	ck_assert_uint_eq(o.size, 80 * 4096);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("section");
	TCase *tc = tcase_create("section");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_data_file);
	tcase_add_test(tc, sectors_of_images_are_512_bytes);
	tcase_add_test(tc, a_pagefile_section_has_a_creator);
	tcase_add_test(tc, prototype_ptes_and_pages);
	tcase_add_test(tc, a_chain_that_loops_is_cut);
	tcase_add_test(tc, a_long_chain_is_followed_to_its_end);
	tcase_add_test(tc, back_pointers_are_checked);
	tcase_add_test(tc, addresses_that_are_no_control_areas);
	tcase_add_test(tc, deleted_files);
	tcase_add_test(tc, hostile_file_names);
	tcase_add_test(tc, a_relative_name_follows_its_related_file);
	tcase_add_test(tc, the_section_behind_a_vad);
	tcase_add_test(tc, section_objects_of_both_eras);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
