/* SPDX-License-Identifier: Apache-2.0 */
#include "image_temp.h"

/* A crash dump under construction: header bytes first, pages appended. */
struct dump {
	struct temp t;
	bool wide;
	uint8_t h[0x4000];
	size_t size;		/* of h that is written */
};

static void dump_open(struct dump *d, bool wide, uint32_t type)
{
	temp_open(&d->t);
	d->wide = wide;
	for (size_t i = 0; i < sizeof(d->h); i += 4)
		memcpy(d->h + i, "PAGE", 4);
	memcpy(d->h + 4, wide ? "DU64" : "DUMP", 4);
	d->size = wide ? 0x2000 : 0x1000;
	vds_put_le32(d->h + 8, 15);
	vds_put_le32(d->h + 12, 19041);
	vds_put_le32(d->h + (wide ? 0xf98 : 0xf88), type);
	memset(d->h + d->size, 0, sizeof(d->h) - d->size);
}

static void dump_write(struct dump *d)
{
	rewind(d->t.f);
	fwrite(d->h, 1, d->size, d->t.f);
}

static void put_run64(struct dump *d, unsigned int i, uint64_t pfn,
		      uint64_t count)
{
	vds_put_le64(d->h + 0x98 + 16 * i, pfn);
	vds_put_le64(d->h + 0xa0 + 16 * i, count);
}

static void put_descriptor64(struct dump *d, uint32_t runs, uint64_t pages)
{
	vds_put_le64(d->h + 0x88, runs);
	vds_put_le64(d->h + 0x90, pages);
}

static void put_pages(struct dump *d, uint64_t pfn, uint64_t count)
{
	put_bytes(&d->t, pfn << 12, count << 12, 0);
}

START_TEST(full_dump_of_unsorted_runs)
{
	struct dump d;
	dump_open(&d, true, 1);
	put_descriptor64(&d, 3, 6);
	put_run64(&d, 0, 0x100, 3);
	put_run64(&d, 1, 1, 1);
	put_run64(&d, 2, 0x200, 2);
	vds_put_le64(d.h + 0x10, 0x1ad002);
	vds_put_le64(d.h + 0x80, UINT64_C(0xfffff80012345678));
	vds_put_le64(d.h + 0x20, UINT64_C(0xfffff80011111110));
	vds_put_le64(d.h + 0x28, UINT64_C(0xfffff80022222220));
	vds_put_le32(d.h + 0x30, 0x8664);
	vds_put_le64(d.h + 0xfa8, UINT64_C(133444736000000000));
	dump_write(&d);
	put_pages(&d, 0x100, 3);
	put_pages(&d, 1, 1);
	put_pages(&d, 0x200, 2);
	struct vds_image *image = open_ok(&d.t);
	ck_assert_str_eq(vds_image_format_name(image), "crashdump");
	ck_assert_str_eq(vds_image_dialect(image), "64-bit full");
	check_bytes(image, 0x1000, 0x1000, 0);
	check_bytes(image, 0x100000, 0x3000, 0);
	check_bytes(image, 0x200000, 0x2000, 0);
	check_absent(image, 0x2000, 1);
	const struct vds_image_hints *hints = vds_image_hints(image);
	ck_assert(hints->has_dtb && hints->has_kdbg);
	ck_assert(hints->has_module_list && hints->has_process_head);
	ck_assert_uint_eq(hints->dtb, 0x1ad002);
	ck_assert_uint_eq(hints->kdbg, UINT64_C(0xfffff80012345678));
	ck_assert_uint_eq(hints->module_list, UINT64_C(0xfffff80011111110));
	ck_assert_uint_eq(hints->process_head, UINT64_C(0xfffff80022222220));
	ck_assert_uint_eq(hints->build, 19041);
	ck_assert_uint_eq(hints->machine, 0x8664);
	ck_assert_uint_eq(hints->system_time, UINT64_C(133444736000000000));
	ck_assert_uint_eq(vds_image_notes(image)->count, 0);
	vds_image_close(image);
	temp_close(&d.t);
}
END_TEST

START_TEST(unset_fields_are_no_hints)
{
	struct dump d;
	dump_open(&d, true, 1);
	put_descriptor64(&d, 1, 1);
	put_run64(&d, 0, 1, 1);
	dump_write(&d);
	put_pages(&d, 1, 1);
	struct vds_image *image = open_ok(&d.t);
	const struct vds_image_hints *hints = vds_image_hints(image);
	ck_assert(!hints->has_dtb && !hints->has_kdbg);
	ck_assert(!hints->has_module_list && !hints->has_process_head);
	ck_assert_uint_eq(hints->machine, 0);
	ck_assert_uint_eq(hints->system_time, 0);
	vds_image_close(image);
	temp_close(&d.t);
}
END_TEST

START_TEST(truncated_and_miscounted_full_dump)
{
	struct dump d;
	dump_open(&d, true, 1);
	put_descriptor64(&d, 2, 99);
	put_run64(&d, 0, 0x10, 4);
	put_run64(&d, 1, 0x20, 4);
	dump_write(&d);
	put_pages(&d, 0x10, 4);
	put_bytes(&d.t, 0x20000, 0x1800, 0);
	struct vds_image *image = open_ok(&d.t);
	check_bytes(image, 0x10000, 0x4000, 0);
	check_bytes(image, 0x20000, 0x1800, 0);
	check_absent(image, 0x217ff, 2);
	check_absent(image, 0x23000, 1);
	ck_assert(has_note(image, "dump_truncated"));
	ck_assert(has_note(image, "dump_page_count"));
	vds_image_close(image);
	temp_close(&d.t);
}
END_TEST

START_TEST(full_dump_of_32_bits)
{
	struct dump d;
	dump_open(&d, false, 1);
	vds_put_le32(d.h + 0x10, 0x39000);
	d.h[0x5c] = 1;
	vds_put_le32(d.h + 0x64, 2);
	vds_put_le32(d.h + 0x68, 3);
	vds_put_le32(d.h + 0x6c, 1);
	vds_put_le32(d.h + 0x70, 1);
	vds_put_le32(d.h + 0x74, 0x80);
	vds_put_le32(d.h + 0x78, 2);
	dump_write(&d);
	put_pages(&d, 1, 1);
	put_pages(&d, 0x80, 2);
	struct vds_image *image = open_ok(&d.t);
	ck_assert_str_eq(vds_image_dialect(image), "32-bit full");
	check_bytes(image, 0x1000, 0x1000, 0);
	check_bytes(image, 0x80000, 0x2000, 0);
	ck_assert_uint_eq(vds_image_hints(image)->dtb, 0x39000);
	vds_image_close(image);
	temp_close(&d.t);
}
END_TEST

static void put_bitmap(struct dump *d, const char *magic, uint64_t first_page,
		       uint64_t present, uint64_t bits)
{
	uint8_t *s = d->h + d->size;
	memcpy(s, magic, 4);
	memcpy(s + 4, "DUMP", 4);
	vds_put_le64(s + 0x20, first_page);
	vds_put_le64(s + 0x28, present);
	vds_put_le64(s + 0x30, bits);
	d->size += 0x1000;
}

/* Every third page frame, and a run over two words of the bitmap. */
static bool is_dumped(uint64_t pfn)
{
	return pfn % 3 == 1 || (pfn >= 60 && pfn < 140);
}

START_TEST(bitmap_dumps)
{
	enum { BITS = 203 };
	bool wide = _i & 1;
	struct dump d;
	uint64_t present = 0;
	dump_open(&d, wide, _i & 2 ? 5 : 6);
	size_t at = d.size + 0x38;
	for (uint64_t pfn = 0; pfn < BITS; pfn++)
		present += is_dumped(pfn);
	put_bitmap(&d, _i & 2 ? "SDMP" : "FDMP", d.size + 0x1000, present,
		   BITS);
	/* Bits behind the number of bits don't count. */
	for (uint64_t pfn = 0; pfn < 512; pfn++) {
		if (is_dumped(pfn))
			d.h[at + pfn / 8] |= (uint8_t)(1 << pfn % 8);
	}
	dump_write(&d);
	for (uint64_t pfn = 0; pfn < BITS; pfn++) {
		if (is_dumped(pfn))
			put_pages(&d, pfn, 1);
	}
	struct vds_image *image = open_ok(&d.t);
	for (uint64_t pfn = 0; pfn < 512; pfn++) {
		if (pfn < BITS && is_dumped(pfn))
			check_bytes(image, pfn << 12, 0x1000, 0);
		else
			check_absent(image, pfn << 12, 1);
	}
	ck_assert_uint_eq(vds_image_notes(image)->count, 0);
	vds_image_close(image);
	temp_close(&d.t);
}
END_TEST

static void put_rdmp(struct dump *d, uint64_t metadata, uint64_t first_page)
{
	uint8_t *s = d->h + 0x2000;
	vds_put_le32(s, 0x40);
	memcpy(s + 4, "RDMPDUMP", 8);
	vds_put_le64(s + 0x10, metadata);
	vds_put_le64(s + 0x18, first_page);
	d->size = 0x3000;
}

static void put_rdmp_run(struct dump *d, unsigned int i, uint64_t pfn,
			 uint64_t count)
{
	vds_put_le64(d->h + 0x2030 + 16 * i, pfn);
	vds_put_le64(d->h + 0x2038 + 16 * i, count);
}

START_TEST(run_list_dumps)
{
	struct dump d;
	uint32_t type = (uint32_t[]){8, 9, 10}[_i];
	dump_open(&d, true, type);
	put_rdmp(&d, 0xfe0, 0x3000);
	if (type == 10) {
		vds_put_le32(d.h + 0x2020, 2);
		vds_put_le64(d.h + 0x2028, 5);
		put_rdmp_run(&d, 2, 0x999, 7);	/* behind the total */
	}
	put_rdmp_run(&d, 0, 0x40, 2);
	put_rdmp_run(&d, 1, 0x10, 3);
	dump_write(&d);
	put_pages(&d, 0x40, 2);
	put_pages(&d, 0x10, 3);
	struct vds_image *image = open_ok(&d.t);
	check_bytes(image, 0x40000, 0x2000, 0);
	check_bytes(image, 0x10000, 0x3000, 0);
	check_absent(image, 0x999000, 1);
	ck_assert_uint_eq(vds_image_notes(image)->count, 0);
	vds_image_close(image);
	temp_close(&d.t);
}
END_TEST

/* One field of an otherwise good dump is wrong. */
static const struct {
	uint32_t type;
	uint16_t at;
	uint64_t value;
	const char *part;
} bad_fields[] = {
	{1, 0x88, 0x45474150, "not set"},
	{1, 0x88, 43, "NumberOfRuns at offset 0x88 is 43"},
	{1, 0x88, 0, "NumberOfRuns at offset 0x88 is 0"},
	{1, 0x98, UINT64_C(1) << 40, "crash dump run 0"},
	{1, 0xa0, UINT64_MAX, "crash dump run 0 at offset 0x98"},
	{3, 0xf98, 3, "DumpType at offset 0xf98 is 3"},
	{5, 0x2000, 0, "no SDMP or FDMP header at offset 0x2000"},
	{5, 0x2020, 0x3001, "offset of the first page at offset 0x2020 is 0x3001, not page aligned"},
	{5, 0x2020, UINT64_C(1) << 62, "behind the file's end"},
	{5, 0x2020, 0x2000, "inside of the bitmap"},
	{5, 0x2030, UINT64_MAX, "more than 2^32"},
	{5, 0x2030, 0x8000, "inside of the bitmap"},
	{8, 0x2004, 0, "no RDMP header"},
	{8, 0x2010, 0, "size of the run list"},
	{8, 0x2010, 0x18, "size of the run list"},
	{8, 0x2010, UINT64_MAX - 15, "size of the run list"},
	{8, 0x2018, 0x2040, "inside of the run list"},
	{8, 0x2018, UINT64_MAX, "behind the file's end"},
	{8, 0x2038, UINT64_MAX, "run at offset 0x2030"},
};

START_TEST(bad_fields_are_named)
{
	struct dump d;
	uint32_t type = bad_fields[_i].type;
	dump_open(&d, true, type);
	put_descriptor64(&d, 1, 1);
	put_run64(&d, 0, 1, 1);
	if (type == 5)
		put_bitmap(&d, "SDMP", 0x3000, 1, 64);
	if (type == 8) {
		put_rdmp(&d, 0xfe0, 0x3000);
		put_rdmp_run(&d, 0, 1, 1);
	}
	vds_put_le64(d.h + bad_fields[_i].at, bad_fields[_i].value);
	dump_write(&d);
	put_pages(&d, 1, 1);
	open_fails(&d.t, type == 3 ? VDS_ERROR_UNSUPPORTED : VDS_ERROR_FORMAT,
		   bad_fields[_i].part);
	temp_close(&d.t);
}
END_TEST

START_TEST(headers_cut_short)
{
	struct dump d;
	dump_open(&d, true, (uint32_t[]){1, 5, 8, 4}[_i]);
	dump_write(&d);
	fflush(d.t.f);
	if (_i == 0)
		ck_assert_int_eq(ftruncate(fileno(d.t.f), 0x1fff), 0);
	open_fails(&d.t, VDS_ERROR_FORMAT, "the file ends");
	temp_close(&d.t);
}
END_TEST

/* SUMMARY_DUMP of Windows 7 and before, of 64 and of 32 bits. */
START_TEST(old_kernel_dumps)
{
	struct dump d;
	bool wide = _i == 0;
	dump_open(&d, wide, 2);
	size_t at = d.size, first = at + 0x1000;
	memcpy(d.h + at, "SDMPDUMP", 8);
	vds_put_le32(d.h + at + 0x08, 1);
	vds_put_le32(d.h + at + 0x0c, (uint32_t)first);
	vds_put_le32(d.h + at + 0x10, 300);
	vds_put_le32(d.h + at + 0x14, 3);
	vds_put_le32(d.h + at + 0x18, 300);
	size_t bitmap = at + (wide ? 0x28 : 0x20);
	d.h[bitmap] = 0x22;
	d.h[bitmap + 37] = 0x08;
	d.size = first;
	dump_write(&d);
	put_pages(&d, 1, 1);
	put_pages(&d, 5, 1);
	put_pages(&d, 299, 1);
	struct vds_image *image = open_ok(&d.t);
	ck_assert_str_eq(vds_image_dialect(image), wide ?
			 "64-bit kernel summary" : "32-bit kernel summary");
	check_bytes(image, 0x1000, 0x1000, 0);
	check_bytes(image, 0x5000, 0x1000, 0);
	check_bytes(image, UINT64_C(299) << 12, 0x1000, 0);
	/* Pages that weren't dumped are absent, never zero. */
	check_absent(image, 0, 1);
	check_absent(image, 0x2000, 0x1000);
	check_absent(image, 0x12a000, 1);
	ck_assert_uint_eq(vds_image_notes(image)->count, 0);
	vds_image_close(image);
	temp_close(&d.t);
}
END_TEST

START_TEST(old_summary_dumps_are_refused)
{
	struct dump d;
	dump_open(&d, true, 2);
	d.size = 0x3000;
	dump_write(&d);
	open_fails(&d.t, VDS_ERROR_UNSUPPORTED, "type 2");
	temp_close(&d.t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("image_dump");
	TCase *tc = tcase_create("image_dump");
	tcase_add_test(tc, full_dump_of_unsorted_runs);
	tcase_add_test(tc, unset_fields_are_no_hints);
	tcase_add_test(tc, truncated_and_miscounted_full_dump);
	tcase_add_test(tc, full_dump_of_32_bits);
	tcase_add_loop_test(tc, bitmap_dumps, 0, 4);
	tcase_add_loop_test(tc, run_list_dumps, 0, 3);
	tcase_add_loop_test(tc, bad_fields_are_named, 0,
			    (int)VDS_ARRAY_SIZE(bad_fields));
	tcase_add_loop_test(tc, headers_cut_short, 0, 4);
	tcase_add_loop_test(tc, old_kernel_dumps, 0, 2);
	tcase_add_test(tc, old_summary_dumps_are_refused);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
