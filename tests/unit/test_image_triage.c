/* SPDX-License-Identifier: Apache-2.0 */
#include "image_temp.h"

#define STACK_VA UINT64_C(0xffff8504298921a0)
#define BLOCK_VA UINT64_C(0xffff850429892120)
#define KDBG_VA UINT64_C(0xfffff8047c600b20)
#define KERNEL_VA UINT64_C(0xfffff8047ba00000)
#define SIZE 0x4000u

/* A triage dump under construction; fields of TRIAGE_DUMP64 from 0x2000 on. */
struct dump {
	struct temp t;
	uint8_t h[SIZE];
};

static void put32(struct dump *d, size_t at, uint32_t v)
{
	vds_put_le32(d->h + at, v);
}

static void put64(struct dump *d, size_t at, uint64_t v)
{
	vds_put_le64(d->h + at, v);
}

static void put_block(struct dump *d, unsigned int i, uint64_t va,
		      uint32_t source, uint32_t len)
{
	put64(d, 0x2b00 + 16 * i, va);
	put32(d, 0x2b08 + 16 * i, source);
	put32(d, 0x2b0c + 16 * i, len);
}

static void put_driver(struct dump *d, size_t at, uint32_t name, uint64_t base,
		       uint32_t size)
{
	put32(d, at, name);
	put64(d, at + 0x38, base);
	put32(d, at + 0x48, size);
	put32(d, at + 0x80, 0xa5938c);
	put32(d, at + 0x88, 0x0d8333e6);
}

static void put_name(struct dump *d, size_t at, const char *name)
{
	put32(d, at, (uint32_t)strlen(name));
	for (size_t i = 0; name[i]; i++)
		d->h[at + 4 + 2 * i] = (uint8_t)name[i];
}

static void put_headers(struct dump *d)
{
	for (size_t i = 0; i < 0x2000; i += 4)
		memcpy(d->h + i, "PAGE", 4);
	memcpy(d->h + 4, "DU64", 4);
	put32(d, 0x0c, 19041);
	put64(d, 0x20, KERNEL_VA + 0xc2a390);
	put32(d, 0x30, 0x8664);
	put32(d, 0x38, 0x1e);
	put64(d, 0x40, 0xc0000005);
	put64(d, 0x80, KDBG_VA);
	put32(d, 0xf98, 4);
	put64(d, 0xfa8, UINT64_C(133444736000000000));
	put64(d, 0x1030, UINT64_C(36610000000));
	put32(d, 0x2004, SIZE);
	put32(d, 0x2008, SIZE - 4);
	memcpy(d->h + SIZE - 4, "TRGD", 4);
}

static void dump_open(struct dump *d)
{
	*d = (struct dump){0};
	temp_open(&d->t);
	put_headers(d);
	put32(d, 0x2028, 0x3000);		/* stack */
	put32(d, 0x202c, 0x100);
	put64(d, 0x2048, STACK_VA);	/* overlaps a data block */
	memset(d->h + 0x3000, 's', 0x100);
	put32(d, 0x2030, 0x2400);		/* drivers, and their names */
	put32(d, 0x2034, 2);
	put32(d, 0x2038, 0x2520);
	put_driver(d, 0x2400, 0x2540, KERNEL_VA - 0x100000, 0x2000);
	put_driver(d, 0x2490, 0x2520, KERNEL_VA, 0x1046000);
	put_name(d, 0x2520, "\\a\\nt.exe");
	put_name(d, 0x2540, "kd.dll");
	put32(d, 0x2018, 0x2600);		/* unloaded drivers */
	put32(d, 0x2600, 1);
	vds_put_le16(d->h + 0x2608, 10);
	memcpy(d->h + 0x2618, "w\0.\0s\0y\0s\0", 10);
	put64(d, 0x2630, 0x10000);
	put64(d, 0x2638, 0x13000);
	put32(d, 0x2070, 0x2a00);		/* debugger data */
	put32(d, 0x2074, 0x20);
	memcpy(d->h + 0x2a10, "KDBG", 4);
	put32(d, 0x201c, 0x3800);		/* KPRCB, EPROCESS, ETHREAD */
	put32(d, 0x2020, 0x3a00);
	put32(d, 0x2024, 0x3b80);
	put32(d, 0x2078, 0x2b00);		/* data blocks */
	put32(d, 0x207c, 2);
	put_block(d, 0, BLOCK_VA, 0x2c00, 0x100);
	memset(d->h + 0x2c00, 'b', 0x100);
	put_block(d, 1, UINT64_C(0xffffa00000000000), 0x2d00, 0x10);
}

static struct vds_image *open_dump(struct dump *d)
{
	rewind(d->t.f);
	fwrite(d->h, 1, SIZE, d->t.f);
	return open_ok(&d->t);
}

START_TEST(blocks_are_read_by_virtual_address)
{
	struct dump d;
	uint8_t buf[0x200];
	size_t count;
	dump_open(&d);
	struct vds_image *image = open_dump(&d);
	ck_assert_int_eq(vds_image_read_virtual(image, BLOCK_VA, buf, 0x180),
			 VDS_PRESENT);
	ck_assert_uint_eq(buf[0xff], 'b');
	ck_assert_uint_eq(buf[0x100], 's');
	ck_assert_int_eq(vds_image_read_virtual(image, BLOCK_VA, buf, 0x181),
			 VDS_NOT_IN_IMAGE);
	ck_assert_int_eq(vds_image_read_virtual(image, BLOCK_VA - 1, buf, 2),
			 VDS_NOT_IN_IMAGE);
	ck_assert_int_eq(vds_image_read_virtual(image, KDBG_VA + 16, buf, 4),
			 VDS_PRESENT);
	ck_assert_mem_eq(buf, "KDBG", 4);
	ck_assert_int_eq(vds_image_read_virtual(image, UINT64_MAX - 3, buf, 4),
			 VDS_NOT_IN_IMAGE);
	vds_image_ranges(image, &count);
	ck_assert_uint_eq(count, 0);
	check_absent(image, 0x1000, 8);
	ck_assert_uint_eq(vds_image_notes(image)->count, 0);
	vds_image_close(image);
	temp_close(&d.t);
}
END_TEST

START_TEST(the_header_and_its_lists)
{
	struct dump d;
	size_t count;
	dump_open(&d);
	struct vds_image *image = open_dump(&d);
	const struct vds_image_hints *hints = vds_image_hints(image);
	/* The kernel is where PsLoadedModuleList is, not what comes first. */
	ck_assert(hints->has_kernel_base && hints->has_bugcheck);
	ck_assert_uint_eq(hints->kernel_base, KERNEL_VA);
	ck_assert_uint_eq(hints->kernel_size, 0x1046000);
	ck_assert_uint_eq(hints->bugcheck, 0x1e);
	ck_assert_uint_eq(hints->bugcheck_parameters[0], 0xc0000005);
	ck_assert_uint_eq(hints->uptime, UINT64_C(36610000000));
	const struct vds_image_module *m = vds_image_modules(image, &count);
	ck_assert_uint_eq(count, 3);
	ck_assert_str_eq(m[0].path, "kd.dll");
	ck_assert_str_eq(m[1].path, "\\a\\nt.exe");
	ck_assert_uint_eq(m[1].timestamp, 0x0d8333e6);
	ck_assert_uint_eq(m[1].checksum, 0xa5938c);
	ck_assert(!m[1].unloaded && m[2].unloaded);
	ck_assert_str_eq(m[2].path, "w.sys");
	ck_assert_uint_eq(m[2].base, 0x10000);
	ck_assert_uint_eq(m[2].size, 0x3000);
	/* Each goes on to the next. */
	ck_assert_uint_eq(vds_image_copy(image, VDS_COPY_PRCB)->len, 0x200);
	ck_assert_uint_eq(vds_image_copy(image, VDS_COPY_PROCESS)->source,
			  0x3a00);
	ck_assert_uint_eq(vds_image_copy(image, VDS_COPY_PROCESS)->len, 0x180);
	ck_assert_uint_eq(vds_image_copy(image, VDS_COPY_THREAD)->len,
			  SIZE - 4 - 0x3b80);
	const struct vds_image_meta *meta = vds_image_metadata(image, &count);
	unsigned int found = 0;
	for (size_t i = 0; i < count; i++)
		found += (!strcmp(meta[i].key, "kernel_symbol_key") &&
			  !strcmp(meta[i].value, "0D8333E61046000")) ||
			 (!strcmp(meta[i].key, "uptime") &&
			  !strcmp(meta[i].value, "0 days 01:01:01"));
	ck_assert_uint_eq(found, 2);
	vds_image_close(image);
	temp_close(&d.t);
}
END_TEST

/* The loader's structure grew: where the names begin, the entries end. */
START_TEST(longer_driver_entries)
{
	struct dump d;
	size_t count;
	dump_open(&d);
	memset(d.h + 0x2490, 0, 0x90);
	put_driver(&d, 0x2400 + 0xa0, 0x2540, KERNEL_VA, 0x1046000);
	put_name(&d, 0x2540, "kd.dll");
	put32(&d, 0x2038, 0x2540);
	put32(&d, 0x2400, 0);
	struct vds_image *image = open_dump(&d);
	const struct vds_image_module *m = vds_image_modules(image, &count);
	ck_assert_ptr_null(m[0].path);
	ck_assert_uint_eq(m[1].base, KERNEL_VA);
	vds_image_close(image);
	temp_close(&d.t);
}
END_TEST

/* First in the file, as with ranges; both are said to differ. */
START_TEST(overlapping_data_blocks)
{
	struct dump d;
	uint8_t buf[0x110];
	dump_open(&d);
	put_block(&d, 1, BLOCK_VA - 0x10, 0x2d00, 0x120);
	memset(d.h + 0x2d00, 'c', 0x120);
	struct vds_image *image = open_dump(&d);
	ck_assert_int_eq(vds_image_read_virtual(image, BLOCK_VA - 1, buf,
						0x110), VDS_PRESENT);
	ck_assert_uint_eq(buf[0], 'c');
	ck_assert_uint_eq(buf[1], 'b');
	ck_assert_uint_eq(buf[0x100], 'b');
	ck_assert_uint_eq(buf[0x101], 'c');
	ck_assert(has_note(image, "range_overlap"));
	vds_image_close(image);
	temp_close(&d.t);
}
END_TEST

/* What SizeOfDump promises and the file lacks was cut off: the rest is used. */
START_TEST(a_dump_cut_short)
{
	struct dump d;
	uint8_t buf[0x100];
	dump_open(&d);
	put32(&d, 0x2004, 0x8000);
	put32(&d, 0x2008, 0x7ffc);
	put32(&d, 0x207c, 3);
	put_block(&d, 2, UINT64_C(0xffffb00000000000), 0x3ff0, 0x100);
	struct vds_image *image = open_dump(&d);
	ck_assert(has_note(image, "dump_truncated"));
	ck_assert(!has_note(image, "triage_unfinished"));
	ck_assert_int_eq(vds_image_read_virtual(
		image, UINT64_C(0xffffb00000000000), buf, 0x10), VDS_PRESENT);
	ck_assert_int_eq(vds_image_read_virtual(
		image, UINT64_C(0xffffb00000000000), buf, 0x11),
		VDS_NOT_IN_IMAGE);
	vds_image_close(image);
	temp_close(&d.t);
}
END_TEST

/* Parts that MiniDumpFields doesn't state may hold anything. */
START_TEST(parts_that_are_not_stated)
{
	struct dump d;
	uint8_t buf[0x10];
	size_t count;
	dump_open(&d);
	put32(&d, 0x1038, 0xff);
	put32(&d, 0x2068, 0x12345678);
	put32(&d, 0x206c, 0xcccccccc);
	put64(&d, 0x2060, BLOCK_VA);
	put32(&d, 0x2078, 0xcccccccc);
	put32(&d, 0x207c, 0xcccccccc);
	struct vds_image *image = open_dump(&d);
	ck_assert_int_eq(vds_image_read_virtual(image, STACK_VA, buf, 0x10),
			 VDS_PRESENT);
	ck_assert_uint_eq(buf[0], 's');
	vds_image_virtual_blocks(image, &count);
	ck_assert_uint_eq(count, 2);	/* and the debugger's */
	ck_assert_uint_eq(vds_image_notes(image)->count, 0);
	vds_image_close(image);
	temp_close(&d.t);
}
END_TEST

START_TEST(a_dump_without_its_last_word)
{
	struct dump d;
	dump_open(&d);
	memset(d.h + SIZE - 4, 0, 4);
	struct vds_image *image = open_dump(&d);
	ck_assert(has_note(image, "triage_unfinished"));
	vds_image_close(image);
	temp_close(&d.t);
}
END_TEST

/* One field of an otherwise good dump is wrong. */
static const struct {
	uint16_t at;
	uint32_t value;
	const char *part;
} bad_fields[] = {
	{0x2008, 0x4001, "ValidOffset at offset 0x2008 leads to offset 0x4001"},
	{0x2018, 0xfffffff0, "UnloadedDriversOffset at offset 0x2018 leads to offset 0xfffffff0"},
	{0x201c, 0x4000, "PrcbOffset at offset 0x201c"},
	{0x2020, 0xffffffff, "ProcessOffset at offset 0x2020"},
	{0x2024, 0x7fffffff, "ThreadOffset at offset 0x2024"},
	{0x2028, 0x3f80, "CallStackOffset at offset 0x2028 leads to offset 0x3f80, length 0x100, beyond the end of the dump at 0x4000"},
	{0x202c, 0xffffffff, "CallStackOffset at offset 0x2028"},
	{0x2030, 0x3fff, "DriverCount at offset 0x2034 leads to offset 0x3fff"},
	{0x2034, 0xffffffff, "DriverCount at offset 0x2034 is 0xffffffff"},
	{0x2034, 100, "DriverCount at offset 0x2034 leads to"},
	{0x2070, 0x3ff0, "DebuggerDataOffset at offset 0x2070"},
	{0x2078, 0x3ff8, "DataBlocksCount at offset 0x207c leads to offset 0x3ff8"},
	{0x207c, 0xffffffff, "DataBlocksCount at offset 0x207c leads to offset 0x2b00, length 0xffffffff0"},
	{0x2400, 0xfffffffe, "DriverNameOffset at offset 0x2400 leads to offset 0xfffffffe"},
	{0x2520, 0xffffffff, "length of the driver name at offset 0x2520 is 0xffffffff"},
	{0x2600, 0xffffffff, "number of unloaded drivers at offset 0x2600 is 0xffffffff"},
	{0x2600, 8000, "number of unloaded drivers at offset 0x2600 leads to"},
	{0x2b08, 0x3f01, "data block at offset 0x2b00 leads to offset 0x3f01, length 0x100"},
	{0x2b0c, 0xffffffff, "data block at offset 0x2b00"},
};

START_TEST(bad_fields_are_named)
{
	struct dump d;
	dump_open(&d);
	put32(&d, bad_fields[_i].at, bad_fields[_i].value);
	fwrite(d.h, 1, SIZE, d.t.f);
	open_fails(&d.t, VDS_ERROR_FORMAT, bad_fields[_i].part);
	temp_close(&d.t);
}
END_TEST

START_TEST(blocks_that_wrap_or_are_missing)
{
	struct dump d;
	dump_open(&d);
	put_block(&d, 1, UINT64_MAX - 0x1f, 0x2d00, 0x40);
	fwrite(d.h, 1, SIZE, d.t.f);
	open_fails(&d.t, VDS_ERROR_FORMAT,
		   "data block at offset 0x2b10: virtual address 0xffffffffffffffe0, length 0x40, wraps around");
	temp_close(&d.t);
	dump_open(&d);
	put32(&d, 0x2028, 0);
	put32(&d, 0x2070, 0);
	put32(&d, 0x207c, 0);
	fwrite(d.h, 1, SIZE, d.t.f);
	open_fails(&d.t, VDS_ERROR_FORMAT,
		   "DataBlocksCount at offset 0x207c is 0");
	temp_close(&d.t);
}
END_TEST

START_TEST(dumps_of_32_bits_are_refused_by_name)
{
	struct dump d;
	temp_open(&d.t);
	for (size_t i = 0; i < SIZE; i += 4)
		memcpy(d.h + i, "PAGE", 4);
	memcpy(d.h + 4, "DUMP", 4);
	put32(&d, 0x0c, 2600);
	put32(&d, 0x20, 0x14c);
	put32(&d, 0x28, 0x7e);
	put32(&d, 0xf88, 4);
	fwrite(d.h, 1, SIZE, d.t.f);
	open_fails(&d.t, VDS_ERROR_UNSUPPORTED,
		   "32-bit triage dump (PAGEDUMP, DumpType 4; machine 0x014c, build 2600, bug check 0x0000007e)");
	temp_close(&d.t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("image_triage");
	TCase *tc = tcase_create("image_triage");
	tcase_add_test(tc, blocks_are_read_by_virtual_address);
	tcase_add_test(tc, the_header_and_its_lists);
	tcase_add_test(tc, longer_driver_entries);
	tcase_add_test(tc, overlapping_data_blocks);
	tcase_add_test(tc, a_dump_cut_short);
	tcase_add_test(tc, parts_that_are_not_stated);
	tcase_add_test(tc, a_dump_without_its_last_word);
	tcase_add_loop_test(tc, bad_fields_are_named, 0,
			    (int)VDS_ARRAY_SIZE(bad_fields));
	tcase_add_test(tc, blocks_that_wrap_or_are_missing);
	tcase_add_test(tc, dumps_of_32_bits_are_refused_by_name);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
