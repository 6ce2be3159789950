/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <string.h>

#include "row/units.h"

static const char *text(char *(*put)(char *, uint64_t), uint64_t v)
{
	static char buf[VDS_NUMBER_MAX];
	char *end = put(buf, v);
	if (!end)
		return "none";
	*end = 0;
	return buf;
}

START_TEST(numbers)
{
	char buf[VDS_NUMBER_MAX];
	ck_assert_str_eq(text(vds_put_u64, 0), "0");
	ck_assert_str_eq(text(vds_put_u64, UINT64_MAX), "18446744073709551615");
	*vds_put_i64(buf, INT64_MIN) = 0;
	ck_assert_str_eq(buf, "-9223372036854775808");
	ck_assert_str_eq(text(vds_put_hex, 0), "0x0");
	ck_assert_str_eq(text(vds_put_hex, 0x1f), "0x1f");
	ck_assert_str_eq(text(vds_put_hex, UINT64_MAX), "0xffffffffffffffff");
	ck_assert_str_eq(text(vds_put_addr, 0x63b0000), "0x00000000063b0000");
}
END_TEST

START_TEST(sizes)
{
	ck_assert_str_eq(text(vds_put_size, 0), "0");
	ck_assert_str_eq(text(vds_put_size, 1023), "1023");
	ck_assert_str_eq(text(vds_put_size, 65536), "64K");
	ck_assert_str_eq(text(vds_put_size, 0x39000), "228K");
	ck_assert_str_eq(text(vds_put_size, 1152 << 10), "1152K");
	ck_assert_str_eq(text(vds_put_size, 3 << 20), "3M");
	ck_assert_str_eq(text(vds_put_size, 1536), "1.5K");
	ck_assert_str_eq(text(vds_put_size, UINT64_MAX), "15.9E");
}
END_TEST

/* Known pairs: Unix epoch, and times with the calendar's corners. */
static const struct {
	uint64_t filetime;
	const char *text;
} times[] = {
	{0, "1601-01-01T00:00:00.0000000Z"},
	{UINT64_C(116444736000000000), "1970-01-01T00:00:00.0000000Z"},
	{UINT64_C(133444736000000000), "2023-11-14T22:13:20.0000000Z"},
	{UINT64_C(125962560001234567), "2000-02-29T00:00:00.1234567Z"},
	{UINT64_C(129067776009999999), "2010-01-01T00:00:00.9999999Z"},
	{UINT64_C(2650467743999999999), "9999-12-31T23:59:59.9999999Z"},
};

START_TEST(time_both_ways)
{
	uint64_t back;
	ck_assert_str_eq(text(vds_put_time, times[_i].filetime),
			 times[_i].text);
	ck_assert(vds_parse_time(times[_i].text, &back));
	ck_assert_uint_eq(back, times[_i].filetime);
}
END_TEST

START_TEST(time_refused)
{
	static const char *const bad[] = {
		"", "2020", "2020-13-01", "2021-02-29", "1900-02-29",
		"2020-10-08T24:00", "2020-10-08T10:00:00x", "1600-01-01",
	};
	uint64_t v;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!vds_parse_time(bad[i], &v), "%s", bad[i]);
	ck_assert(vds_parse_time("2020-10-08", &v));
	ck_assert_str_eq(text(vds_put_time, UINT64_C(2650467744000000000)),
			 "none");
}
END_TEST

START_TEST(sizes_typed)
{
	uint64_t v;
	ck_assert(vds_parse_size("64K", &v) && v == 65536);
	ck_assert(vds_parse_size("64k", &v) && v == 65536);
	ck_assert(vds_parse_size("0x1000", &v) && v == 4096);
	ck_assert(vds_parse_size("2T", &v) && v == UINT64_C(2) << 40);
	ck_assert(!vds_parse_size("", &v));
	ck_assert(!vds_parse_size("K", &v));
	ck_assert(!vds_parse_size("12Q", &v));
	ck_assert(!vds_parse_size("99999999999999999T", &v));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("units");
	TCase *tc = tcase_create("units");
	tcase_add_test(tc, numbers);
	tcase_add_test(tc, sizes);
	tcase_add_loop_test(tc, time_both_ways, 0,
			    (int)(sizeof(times) / sizeof(times[0])));
	tcase_add_test(tc, time_refused);
	tcase_add_test(tc, sizes_typed);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
