/* SPDX-License-Identifier: Apache-2.0 */
/* The stream of types: records of all ages, chains of lists, damage. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "pdb/tpi.h"
#include "testpdb.h"

/* A PDB whose type stream is @o. */
static uint8_t *types_file(const struct pdb_out *o, struct vds_msf **ret)
{
	struct pdb_stream streams[] = {
		{NULL, 0}, {NULL, 0}, {o->data, o->len}};
	size_t len;
	uint8_t *file = pdb_build(1024, streams, 3, &len);
	expect_no_error(vds_msf_open_memory("x", file, len, ret));
	return file;
}

START_TEST(tpi_decodes_old_and_new_forms)
{
	static struct pdb_out o;
	struct vds_msf *msf;
	struct vds_tpi tpi;
	struct vds_tpi_type t;
	pdb_tpi_start(&o, 19990903);
	uint32_t r = pdb_record(&o, LF_UNION_ST);	/* 1000 */
	pdb_u16(&o, 0);
	pdb_u16(&o, 0);
	pdb_u32(&o, 0);
	pdb_u16(&o, LF_ULONG);
	pdb_u32(&o, 0x12345);
	pdb_u8(&o, 3);
	memcpy(o.data + o.len, "abc", 3);
	o.len += 3;
	pdb_end(&o, r);
	r = pdb_record(&o, LF_STRUCTURE2);		/* 1001 */
	pdb_u32(&o, CV_PROP_UNIQUE_NAME);
	for (int i = 0; i < 3; i++)
		pdb_u32(&o, 0);
	pdb_u16(&o, 0);
	pdb_u16(&o, 24);
	pdb_str(&o, "S");
	pdb_str(&o, ".?AUS@@");
	pdb_end(&o, r);
	r = pdb_record(&o, LF_POINTER);			/* 1002: size in it */
	pdb_u32(&o, 0x1001);
	pdb_u32(&o, 0x0c | 8 << 13);
	pdb_end(&o, r);
	r = pdb_record(&o, LF_POINTER);			/* 1003: kind only */
	pdb_u32(&o, 0x1001);
	pdb_u32(&o, 0x0a);
	pdb_end(&o, r);
	r = pdb_record(&o, LF_BITFIELD);		/* 1004 */
	pdb_u32(&o, 0x75);
	pdb_u8(&o, 5);
	pdb_u8(&o, 27);
	pdb_end(&o, r);
	pdb_tpi_done(&o, 5);
	uint8_t *file = types_file(&o, &msf);
	expect_no_error(vds_tpi_load(msf, 2, &tpi));
	expect_no_error(vds_tpi_type(&tpi, 0x1000, &t));
	ck_assert_uint_eq(t.leaf, LF_UNION);
	ck_assert_uint_eq(t.size, 0x12345);
	ck_assert_uint_eq(t.name_len, 3);
	ck_assert_mem_eq(t.name, "abc", 3);
	expect_no_error(vds_tpi_type(&tpi, 0x1001, &t));
	ck_assert_uint_eq(t.leaf, LF_STRUCTURE);
	ck_assert_uint_eq(t.size, 24);
	ck_assert_str_eq(t.unique, ".?AUS@@");
	expect_no_error(vds_tpi_type(&tpi, 0x1002, &t));
	ck_assert_uint_eq(t.size, 8);
	expect_no_error(vds_tpi_type(&tpi, 0x1003, &t));
	ck_assert_uint_eq(t.size, 4);
	expect_no_error(vds_tpi_type(&tpi, 0x1004, &t));
	ck_assert_uint_eq(t.bit_len, 5);
	ck_assert_uint_eq(t.bit_pos, 27);
	expect_error(vds_tpi_type(&tpi, 0x1005, &t), VDS_ERROR_FORMAT,
		     "no type 0x1005");
	expect_error(vds_tpi_type(&tpi, 0x75, &t), VDS_ERROR_FORMAT,
		     "no type 0x75");
	vds_tpi_deinit(&tpi);
	vds_msf_close(msf);
	free(file);
}
END_TEST

static void put_enumerator(struct pdb_out *o, const char *name,
			   unsigned int leaf, const void *raw, uint32_t len)
{
	pdb_u16(o, LF_ENUMERATE);
	pdb_u16(o, 3);
	pdb_u16(o, leaf);
	if (len)
		memcpy(o->data + o->len, raw, len);
	o->len += len;
	pdb_str(o, name);
	while (o->len % 4)
		pdb_u8(o, 0xf0 | (4 - o->len % 4));
}

START_TEST(tpi_reads_every_number_leaf)
{
	static const struct {
		unsigned int leaf;
		uint32_t len;
		int64_t value;
	} numbers[] = {
		{0x7fff, 0, 0x7fff},
		{LF_CHAR, 1, -2},
		{LF_SHORT, 2, -2},
		{LF_USHORT, 2, 0xfffe},
		{LF_LONG, 4, -2},
		{LF_ULONG, 4, 0xfffffffe},
		{LF_QUADWORD, 8, -2},
		{LF_UQUADWORD, 8, -2},
		{LF_OCTWORD, 16, -2},
		{LF_UOCTWORD, 16, -2},
		{LF_REAL16, 2, 0},
		{LF_REAL32, 4, 0},
		{LF_REAL48, 6, 0},
		{LF_REAL64, 8, 0},
		{LF_REAL80, 10, 0},
		{LF_REAL128, 16, 0},
		{LF_COMPLEX32, 8, 0},
		{LF_COMPLEX64, 16, 0},
		{LF_COMPLEX80, 20, 0},
		{LF_COMPLEX128, 32, 0},
		{LF_DECIMAL, 16, 0},
		{LF_DATE, 8, 0},
	};
	static struct pdb_out o;
	struct vds_msf *msf;
	struct vds_tpi tpi;
	struct vds_tpi_fields it;
	struct vds_tpi_field f;
	uint8_t raw[32];
	bool done;
	memset(raw, 0xff, sizeof(raw));
	raw[0] = 0xfe;
	pdb_tpi_start(&o, 20040203);
	uint32_t r = pdb_record(&o, LF_FIELDLIST);
	for (size_t i = 0; i < VDS_ARRAY_SIZE(numbers); i++)
		put_enumerator(&o, "e", numbers[i].leaf, raw, numbers[i].len);
	put_enumerator(&o, "v", LF_VARSTRING, "\2\0ab", 4);
	put_enumerator(&o, "u", LF_UTF8STRING, "abc", 4);
	pdb_end(&o, r);
	pdb_tpi_done(&o, 1);
	uint8_t *file = types_file(&o, &msf);
	expect_no_error(vds_tpi_load(msf, 2, &tpi));
	expect_no_error(vds_tpi_fields_init(&it, &tpi, 0x1000));
	for (size_t i = 0; i < VDS_ARRAY_SIZE(numbers) + 2; i++) {
		expect_no_error(vds_tpi_fields_next(&it, &f, &done));
		ck_assert(!done);
		ck_assert_int_eq(f.kind, VDS_TPI_ENUMERATOR);
		ck_assert_uint_eq(f.name_len, 1);
		if (i < VDS_ARRAY_SIZE(numbers))
			ck_assert_int_eq(f.value, numbers[i].value);
	}
	expect_no_error(vds_tpi_fields_next(&it, &f, &done));
	ck_assert(done);
	vds_tpi_fields_deinit(&it);
	vds_tpi_deinit(&tpi);
	vds_msf_close(msf);
	free(file);
}
END_TEST

/* A field list of one enumerator that goes on in list @next. */
static void put_continued(struct pdb_out *o, const char *name, uint32_t next)
{
	uint32_t r = pdb_record(o, LF_FIELDLIST);
	put_enumerator(o, name, 1, NULL, 0);
	if (next) {
		pdb_u16(o, LF_INDEX);
		pdb_u16(o, 0);
		pdb_u32(o, next);
	}
	pdb_end(o, r);
}

static struct vds_error *count_fields(const struct vds_tpi *tpi,
				      uint32_t index, size_t *ret)
{
	struct vds_tpi_fields it;
	struct vds_tpi_field f;
	bool done = false;
	struct vds_error *err = vds_tpi_fields_init(&it, tpi, index);
	for (*ret = 0; !err && !done; *ret += !done)
		err = vds_tpi_fields_next(&it, &f, &done);
	vds_tpi_fields_deinit(&it);
	return err;
}

START_TEST(tpi_continues_field_lists_and_sees_loops)
{
	static struct pdb_out o;
	struct vds_msf *msf;
	struct vds_tpi tpi;
	size_t n;
	pdb_tpi_start(&o, 20040203);
	put_continued(&o, "c", 0);		/* 1000 */
	put_continued(&o, "b", 0x1000);		/* 1001 */
	put_continued(&o, "a", 0x1001);		/* 1002 */
	put_continued(&o, "x", 0x1004);		/* 1003 */
	put_continued(&o, "y", 0x1003);		/* 1004 */
	put_continued(&o, "z", 0x1006);		/* 1005 */
	put_struct(&o, 0, 0, "S", NULL);	/* 1006 */
	pdb_tpi_done(&o, 7);
	uint8_t *file = types_file(&o, &msf);
	expect_no_error(vds_tpi_load(msf, 2, &tpi));
	expect_no_error(count_fields(&tpi, 0x1002, &n));
	ck_assert_uint_eq(n, 3);
	expect_no_error(count_fields(&tpi, 0, &n));
	ck_assert_uint_eq(n, 0);
	expect_error(count_fields(&tpi, 0x1003, &n), VDS_ERROR_FORMAT,
		     "continues itself");
	expect_error(count_fields(&tpi, 0x1005, &n), VDS_ERROR_FORMAT,
		     "0x1006 is no field list");
	vds_tpi_deinit(&tpi);
	vds_msf_close(msf);
	free(file);
}
END_TEST

START_TEST(tpi_resolves_forward_references)
{
	static struct pdb_out o;
	struct vds_msf *msf;
	struct vds_tpi tpi;
	uint32_t to;
	const unsigned int fwd = CV_PROP_FORWARD_REF, un = CV_PROP_UNIQUE_NAME;
	pdb_tpi_start(&o, 20040203);
	put_struct(&o, fwd, 0, "A", NULL);			/* 1000 */
	put_struct(&o, fwd | un, 0, "B", ".?AUB@2@@");		/* 1001 */
	put_continued(&o, "f", 0);				/* 1002 */
	put_struct(&o, un, 0x1002, "B", ".?AUB@1@@");		/* 1003 */
	put_struct(&o, un, 0x1002, "B", ".?AUB@2@@");		/* 1004 */
	put_struct(&o, 0, 0x1002, "A", NULL);			/* 1005 */
	put_struct(&o, 0, 0x1002, "<unnamed-tag>", NULL);	/* 1006 */
	put_struct(&o, fwd, 0, "<unnamed-tag>", NULL);		/* 1007 */
	put_struct(&o, fwd, 0, "C", NULL);			/* 1008 */
	pdb_tpi_done(&o, 9);
	uint8_t *file = types_file(&o, &msf);
	expect_no_error(vds_tpi_load(msf, 2, &tpi));
	expect_no_error(vds_tpi_index_names(&tpi));
	static const uint32_t expected[] = {0x1005, 0x1004, 0x1002, 0x1003,
					    0x1004, 0x1005, 0x1006, 0x1007,
					    0x1008};
	for (uint32_t i = 0; i < VDS_ARRAY_SIZE(expected); i++) {
		expect_no_error(vds_tpi_resolve(&tpi, 0x1000 + i, &to));
		ck_assert_uint_eq(to, expected[i]);
	}
	vds_tpi_deinit(&tpi);
	vds_msf_close(msf);
	free(file);
}
END_TEST

START_TEST(tpi_refuses_damage)
{
	static const struct {
		size_t at;
		uint32_t value;
		enum vds_error_code code;
		const char *text;
	} cases[] = {
		{0, 19961031, VDS_ERROR_UNSUPPORTED, "version 19961031"},
		{4, 8, VDS_ERROR_FORMAT, "header of 8"},
		{8, 0, VDS_ERROR_FORMAT, "byte 0x8: type indices"},
		{12, 0x2000000, VDS_ERROR_FORMAT, "byte 0x8: type indices"},
		{12, 0x1005, VDS_ERROR_FORMAT, "byte 0x6c: record of type "
		 "0x1003 is cut off"},
		{16, 1 << 20, VDS_ERROR_FORMAT, "1048576 bytes of records"},
		{56, 1, VDS_ERROR_FORMAT, "byte 0x38: record of type 0x1000"},
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(cases); i++) {
		static struct pdb_out o;
		struct vds_msf *msf;
		struct vds_tpi tpi = {0};
		pdb_tpi_start(&o, 20040203);
		put_continued(&o, "c", 0);
		put_continued(&o, "b", 0x1000);
		put_continued(&o, "a", 0x1001);
		pdb_tpi_done(&o, 3);
		vds_put_le32(o.data + cases[i].at, cases[i].value);
		uint8_t *file = types_file(&o, &msf);
		expect_error(vds_tpi_load(msf, 2, &tpi), cases[i].code,
			     cases[i].text);
		vds_msf_close(msf);
		free(file);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pdb-types");
	TCase *tc = tcase_create("types");
	tcase_add_test(tc, tpi_decodes_old_and_new_forms);
	tcase_add_test(tc, tpi_reads_every_number_leaf);
	tcase_add_test(tc, tpi_continues_field_lists_and_sees_loops);
	tcase_add_test(tc, tpi_resolves_forward_references);
	tcase_add_test(tc, tpi_refuses_damage);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
