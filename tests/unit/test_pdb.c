/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "pdb/dbi.h"
#include "pdb/info.h"
#include "pdb/pdb.h"
#include "pdb/sections.h"
#include "pdb/symbols.h"
#include "testpdb.h"

START_TEST(msf_reads_streams_at_all_block_sizes)
{
	static uint8_t data[100000];
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	struct pdb_stream streams[] = {
		{NULL, 0}, {data, 1}, {data, sizeof(data)}, {data, 4096}};
	for (uint32_t block = 512; block <= 65536; block *= 2) {
		struct vds_msf *msf;
		size_t len;
		uint8_t part[3000], *all;
		uint8_t *file = pdb_build(block, streams, 4, &len);
		expect_no_error(vds_msf_open_memory("x", file, len, &msf));
		ck_assert_uint_eq(vds_msf_block_size(msf), block);
		ck_assert_uint_eq(vds_msf_num_streams(msf), 4);
		ck_assert_uint_eq(vds_msf_size(msf, 2), sizeof(data));
		expect_no_error(vds_msf_load(msf, 2, 0, sizeof(data), &all));
		ck_assert_mem_eq(all, data, sizeof(data));
		free(all);
		expect_no_error(vds_msf_read(msf, 2, 511, part, sizeof(part)));
		ck_assert_mem_eq(part, data + 511, sizeof(part));
		expect_error(vds_msf_read(msf, 2, 99999, part, 2),
			     VDS_ERROR_FORMAT, "stream 2: byte 0x1869f");
		expect_error(vds_msf_read(msf, 9, 0, part, 1),
			     VDS_ERROR_FORMAT, "stream 9: there is none");
		vds_msf_close(msf);
		free(file);
	}
}
END_TEST

/* Blocks in any order, as in files that have been written to many times. */
START_TEST(msf_follows_scattered_blocks)
{
	static uint8_t data[2048], got[2048];
	struct pdb_stream streams[] = {{NULL, 0}, {data, 2048}};
	struct vds_msf *msf;
	size_t len;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i >> 3);
	uint8_t *file = pdb_build(512, streams, 2, &len);
	uint8_t *numbers = file + 7 * 512 + 12;
	vds_put_le32(numbers, 6);
	vds_put_le32(numbers + 12, 3);
	expect_no_error(vds_msf_open_memory("x", file, len, &msf));
	expect_no_error(vds_msf_read(msf, 1, 0, got, sizeof(got)));
	ck_assert_mem_eq(got, data + 1536, 512);
	ck_assert_mem_eq(got + 512, data + 512, 1024);
	ck_assert_mem_eq(got + 1536, data, 512);
	vds_msf_close(msf);
	free(file);
}
END_TEST

START_TEST(msf_refuses_damage_with_a_position)
{
	static uint8_t data[2048];
	struct pdb_stream streams[] = {{NULL, 0}, {data, 2048}};
	static const struct {
		size_t at;	/* of a u32 in the file ... */
		uint32_t value;	/* ... set to this */
		const char *text;
		bool on_read;	/* seen when the stream is read */
	} cases[] = {
		{32, 0, "byte 0x20: block size 0", false},
		{32, 256, "byte 0x20: block size 256", false},
		{32, 768, "byte 0x20: block size 768", false},
		{32, 1 << 17, "byte 0x20: block size 131072", false},
		{40, 10, "truncated: 4608 bytes, but its header says 5120",
		 false},
		{40, UINT32_MAX, "truncated", false},
		{44, 0, "byte 0x2c: stream directory of 0", false},
		{44, UINT32_MAX - 3, "byte 0x2c: stream directory of", false},
		{44, 8, "2 streams, but it has 2 words", false},
		{52, 0, "block map: block 0 of 9", false},
		{52, 9, "block map: block 9 of 9", false},
		{8 * 512, 9, "directory: block 9 of 9", false},
		{7 * 512, UINT32_MAX, "4294967295 streams", false},
		{7 * 512 + 8, 1 << 20, "stream 1 of 1048576 bytes", false},
		{7 * 512 + 12, 99, "byte 0x0: lies in block 99 of 9", true},
		{7 * 512 + 24, 3, "byte 0x600: loops: block 3", true},
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(cases); i++) {
		struct vds_msf *msf;
		size_t len;
		uint8_t b;
		uint8_t *file = pdb_build(512, streams, 2, &len);
		vds_put_le32(file + cases[i].at, cases[i].value);
		struct vds_error *err =
			vds_msf_open_memory("x.pdb", file, len, &msf);
		if (cases[i].on_read) {
			expect_no_error(err);
			err = vds_msf_read(msf, 1, 0, &b, 1);
			vds_msf_close(msf);
		}
		expect_error(err, VDS_ERROR_FORMAT, cases[i].text);
		free(file);
	}
}
END_TEST

START_TEST(msf_names_what_it_does_not_read)
{
	static const struct {
		const char *head;
		enum vds_error_code code;
		const char *text;
	} cases[] = {
		{"Microsoft C/C++ program database 2.00\r\n\x1aJG",
		 VDS_ERROR_UNSUPPORTED, "PDB 2.00 (JG)"},
		{"BSJB\x01", VDS_ERROR_UNSUPPORTED, "portable PDB"},
		{"MSCF", VDS_ERROR_UNSUPPORTED, "cabextract"},
		{"SZDD\x88", VDS_ERROR_UNSUPPORTED, "expand.exe"},
		{"MZ", VDS_ERROR_FORMAT, "executable"},
		{"%PDF-1.4", VDS_ERROR_FORMAT, "not a PDB"},
		{"", VDS_ERROR_FORMAT, "not a PDB"},
		{"Microsoft C/C++ MSF 7.00\r\n\x1a" "DS", VDS_ERROR_FORMAT,
		 "truncated: the header ends at byte 29"},
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(cases); i++) {
		struct vds_msf *msf;
		expect_error(vds_msf_open_memory("x.pdb", cases[i].head,
						 strlen(cases[i].head), &msf),
			     cases[i].code, cases[i].text);
	}
}
END_TEST

START_TEST(info_gives_guid_and_age)
{
	static struct pdb_out info;
	struct vds_msf *msf;
	struct vds_pdb_info got;
	size_t len;
	pdb_info(&info, 20000404, 3);
	struct pdb_stream streams[] = {{NULL, 0}, {info.data, info.len}};
	uint8_t *file = pdb_build(512, streams, 2, &len);
	expect_no_error(vds_msf_open_memory("x", file, len, &msf));
	expect_no_error(vds_pdb_info_read(msf, &got));
	ck_assert_str_eq(got.guid, "00112233445566778899AABBCCDDEEFF");
	ck_assert_uint_eq(got.age, 3);
	vds_msf_close(msf);
	vds_put_le32(file + 3 * 512, 19970604);
	expect_no_error(vds_msf_open_memory("x", file, len, &msf));
	expect_error(vds_pdb_info_read(msf, &got), VDS_ERROR_UNSUPPORTED,
		     "version 19970604");
	vds_msf_close(msf);
	free(file);
}
END_TEST

/* What the walk over symbols found, as one line of text. */
static struct vds_error *print_symbol(void *ctx,
				      const struct vds_pdb_symbol *sym)
{
	char *text = ctx;
	snprintf(text + strlen(text), 100, "%.*s@%u:%x ", (int)sym->name_len,
		 sym->name, sym->section, sym->offset);
	return NULL;
}

static uint32_t put_symbol(struct pdb_out *o, unsigned int kind,
			   const char *name, unsigned int section,
			   uint32_t offset)
{
	uint32_t r = pdb_record(o, kind);
	pdb_u32(o, 0);
	pdb_u32(o, offset);
	pdb_u16(o, section);
	pdb_str(o, name);
	pdb_end(o, r);
	return r;
}

/* A table of @n entries for records at @at, each of which counts from 1. */
static void put_table(struct pdb_out *o, const uint32_t *at, uint32_t n)
{
	pdb_u32(o, UINT32_MAX);
	pdb_u32(o, UINT32_C(0xeffe0000) + 19990810);
	pdb_u32(o, n * 8);
	pdb_u32(o, 0);
	for (uint32_t i = 0; i < n; i++) {
		pdb_u32(o, at[i] + 1);
		pdb_u32(o, 1);
	}
}

START_TEST(symbols_are_those_of_the_tables)
{
	static struct pdb_out records, globals, publics, dbi;
	struct vds_msf *msf;
	struct vds_dbi d;
	uint32_t at[5];
	char text[1000] = "";
	size_t len;
	at[0] = put_symbol(&records, S_PUB32, "Public", 1, 0x10);
	put_symbol(&records, S_PUB32, "Dead", 1, 0x20);
	at[1] = put_symbol(&records, S_GDATA32, "Global", 2, 0x30);
	at[2] = put_symbol(&records, S_LDATA32, "Static", 2, 0x40);
	at[3] = put_symbol(&records, 0x1107, "Constant", 0, 0);
	at[4] = put_symbol(&records, S_PUB32, "Other", 3, 0x50);
	for (int i = 0; i < 7; i++)
		pdb_u32(&publics, i ? 0 : 16 + 16);
	put_table(&publics, (uint32_t[]){at[4], at[0]}, 2);
	put_table(&globals, at + 1, 3);
	pdb_dbi(&dbi, 7, VDS_MACHINE_X64, 4, 5, 6, NULL, 0);
	struct pdb_stream streams[] = {
		{NULL, 0}, {NULL, 0}, {NULL, 0}, {dbi.data, dbi.len},
		{globals.data, globals.len}, {publics.data, publics.len},
		{records.data, records.len}};
	uint8_t *file = pdb_build(512, streams, 7, &len);
	expect_no_error(vds_msf_open_memory("x", file, len, &msf));
	expect_no_error(vds_dbi_read(msf, &d));
	ck_assert_uint_eq(d.age, 7);
	ck_assert_uint_eq(d.machine, VDS_MACHINE_X64);
	expect_no_error(vds_pdb_symbols_walk(msf, &d, print_symbol, text));
	ck_assert_str_eq(text,
			 "Public@1:10 Global@2:30 Static@2:40 Other@3:50 ");
	vds_msf_close(msf);
	free(file);
}
END_TEST

/* The profile of a PDB with the types @o, as YAML. */
static struct vds_error *types_yaml(const struct pdb_out *o,
				    unsigned int machine, struct vds_str *text)
{
	static struct pdb_out info, dbi;
	struct vds_msf *msf;
	struct vds_model *model;
	struct vds_profile *profile;
	size_t len;
	pdb_info(&info, 20000404, 9);
	pdb_dbi(&dbi, 1, machine, 0xffff, 0xffff, 0xffff, NULL, 0);
	struct pdb_stream streams[] = {
		{NULL, 0}, {info.data, info.len}, {o->data, o->len},
		{dbi.data, dbi.len}};
	_cleanup_free_ uint8_t *file = pdb_build(512, streams, 4, &len);
	expect_no_error(vds_msf_open_memory("x", file, len, &msf));
	struct vds_error *err = vds_pdb_msf_to_model(msf, NULL, &model);
	vds_msf_close(msf);
	if (err)
		return err;
	expect_no_error(vds_model_finish(model, "x", NULL, 0, &profile));
	err = vds_profile_emit(profile, text);
	vds_profile_destroy(profile);
	return err;
}

static void put_member(struct pdb_out *o, uint32_t type, unsigned int offset,
		       const char *name)
{
	pdb_u16(o, LF_MEMBER);
	pdb_u16(o, 3);
	pdb_u32(o, type);
	pdb_u16(o, offset);
	pdb_str(o, name);
	while (o->len % 4)
		pdb_u8(o, 0xf0 | (4 - o->len % 4));
}

static void put_pointer(struct pdb_out *o, uint32_t target)
{
	uint32_t r = pdb_record(o, LF_POINTER);
	pdb_u32(o, target);
	pdb_u32(o, 0x0a);
	pdb_end(o, r);
}

START_TEST(profiles_say_what_they_dont_know)
{
	static struct pdb_out o;
	_cleanup_(vds_str_deinit) struct vds_str text = {0};
	pdb_tpi_start(&o, 19990903);
	uint32_t r = pdb_record(&o, 0x160a);			/* 1000 */
	pdb_u32(&o, 0);
	pdb_end(&o, r);
	put_pointer(&o, 0x1000);				/* 1001 */
	put_struct(&o, CV_PROP_FORWARD_REF, 0, "gone", NULL);	/* 1002 */
	put_pointer(&o, 0x1002);				/* 1003 */
	put_struct(&o, CV_PROP_FORWARD_REF, 0, "__unnamed", NULL);
	put_pointer(&o, 0x1004);				/* 1005 */
	r = pdb_record(&o, LF_FIELDLIST);			/* 1006 */
	put_member(&o, 0x1001, 0, "newer");
	put_member(&o, 0x1003, 4, "gone");
	put_member(&o, 0x1005, 8, "nameless");
	put_member(&o, 0x0470, 12, "text");
	pdb_end(&o, r);
	put_struct(&o, 0, 0x1006, "function", NULL);		/* 1007 */
	put_struct(&o, 0, 0x1006, "__unnamed", NULL);		/* 1008 */
	pdb_tpi_done(&o, 9);
	expect_no_error(types_yaml(&o, 0, &text));
	ck_assert_str_eq(vds_str_cstr(&text),
		"format: vadose-profile/1\n"
		"pdb: x\n"
		"guid: '00112233445566778899AABBCCDDEEFF'\n"
		"age: 1\n"
		"arch: x86\n"
		"confidence: symbols\n"
		"types:\n"
		"  struct function:\n"
		"    struct: 0x10\n"
		"    members:\n"
		"      newer: 0x0 <leaf 0x160a>*\n"
		"      gone: 0x4 gone*\n"
		"      nameless: 0x8 __unnamed*\n"
		"      text: 0xc char*\n");
}
END_TEST

START_TEST(profiles_of_circular_types_are_refused)
{
	static struct pdb_out o;
	struct vds_str text = {0};
	pdb_tpi_start(&o, 20040203);
	put_pointer(&o, 0x1000);				/* 1000 */
	uint32_t r = pdb_record(&o, LF_FIELDLIST);		/* 1001 */
	put_member(&o, 0x1000, 0, "self");
	pdb_end(&o, r);
	put_struct(&o, 0, 0x1001, "s", NULL);			/* 1002 */
	pdb_tpi_done(&o, 3);
	expect_error(types_yaml(&o, VDS_MACHINE_X64, &text), VDS_ERROR_FORMAT,
		     "type 0x1002: type 0x1000: pointers, arrays");
	pdb_tpi_start(&o, 20040203);
	r = pdb_record(&o, LF_ENUM);				/* 1000 */
	pdb_u16(&o, 0);
	pdb_u16(&o, 0);
	pdb_u32(&o, 0x1000);
	pdb_u32(&o, 0);
	pdb_str(&o, "e");
	pdb_end(&o, r);
	pdb_tpi_done(&o, 1);
	expect_error(types_yaml(&o, VDS_MACHINE_X64, &text), VDS_ERROR_FORMAT,
		     "enum over type 0x1000");
}
END_TEST

static void put_section(struct pdb_out *o, uint32_t rva)
{
	for (int i = 0; i < 10; i++)
		pdb_u32(o, i == 3 ? rva : 0);
}

START_TEST(addresses_go_through_omap)
{
	static struct pdb_out now, linked, omap, dbi;
	struct vds_msf *msf;
	struct vds_dbi d;
	struct vds_pdb_sections s;
	uint32_t rva;
	size_t len;
	put_section(&now, 0x9000);
	put_section(&linked, 0x1000);
	put_section(&linked, 0x2000);
	static const uint32_t map[][2] = {
		{0x1000, 0x5000}, {0x1800, 0}, {0x2000, 0x4000},
		{0x2800, 0x80000000}};
	for (int i = 0; i < 4; i++) {
		pdb_u32(&omap, map[i][0]);
		pdb_u32(&omap, map[i][1]);
	}
	uint16_t debug[11];
	memset(debug, 0xff, sizeof(debug));
	debug[4] = 4;
	debug[5] = 5;
	debug[10] = 6;
	pdb_dbi(&dbi, 1, 0, 0xffff, 0xffff, 0xffff, debug, 11);
	struct pdb_stream streams[] = {
		{NULL, 0}, {NULL, 0}, {NULL, 0}, {dbi.data, dbi.len},
		{omap.data, omap.len}, {now.data, now.len},
		{linked.data, linked.len}};
	uint8_t *file = pdb_build(512, streams, 7, &len);
	expect_no_error(vds_msf_open_memory("x", file, len, &msf));
	expect_no_error(vds_dbi_read(msf, &d));
	expect_no_error(vds_pdb_sections_load(msf, &d, &s));
	ck_assert(vds_pdb_rva(&s, 1, 0x10, &rva));
	ck_assert_uint_eq(rva, 0x5010);
	ck_assert(!vds_pdb_rva(&s, 1, 0x900, &rva));	/* removed */
	ck_assert(vds_pdb_rva(&s, 2, 0x123, &rva));
	ck_assert_uint_eq(rva, 0x4123);
	ck_assert(!vds_pdb_rva(&s, 2, 0x900, &rva));
	ck_assert(!vds_pdb_rva(&s, 0, 0, &rva));
	ck_assert(!vds_pdb_rva(&s, 3, 0, &rva));	/* absolute */
	ck_assert(!vds_pdb_rva(&s, 1, UINT32_MAX, &rva));
	vds_pdb_sections_deinit(&s);
	d.omap_from_src = VDS_MSF_NO_STREAM;
	expect_no_error(vds_pdb_sections_load(msf, &d, &s));
	ck_assert(vds_pdb_rva(&s, 1, 0x10, &rva));
	ck_assert_uint_eq(rva, 0x9010);
	vds_pdb_sections_deinit(&s);
	vds_msf_close(msf);
	free(file);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pdb");
	TCase *tc = tcase_create("pdb");
	tcase_add_test(tc, msf_reads_streams_at_all_block_sizes);
	tcase_add_test(tc, msf_follows_scattered_blocks);
	tcase_add_test(tc, msf_refuses_damage_with_a_position);
	tcase_add_test(tc, msf_names_what_it_does_not_read);
	tcase_add_test(tc, info_gives_guid_and_age);
	tcase_add_test(tc, profiles_say_what_they_dont_know);
	tcase_add_test(tc, profiles_of_circular_types_are_refused);
	tcase_add_test(tc, symbols_are_those_of_the_tables);
	tcase_add_test(tc, addresses_go_through_omap);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
