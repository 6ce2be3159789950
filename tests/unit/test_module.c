/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "plugin/loader.h"

static const char *header_of(const char *name, struct vds_abi_header *ret)
{
	char path[4096], *data;
	size_t len;
	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/module/%s",
		 getenv("VDS_SOURCE_ROOT"), name);
	ck_assert_ptr_null(vds_file_slurp(path, 1 << 20, &data, &len));
	const char *mend;
	const char *fault = vds_elf_header(data, len, "vds_plugin_p", ret,
					   &mend);
	free(data);
	return fault;
}

START_TEST(sound)
{
	struct vds_abi_header header;
	const char *fault = header_of("good", &header);
#ifdef __x86_64__
	ck_assert_ptr_null(fault);
	ck_assert_uint_eq(header.major, 1);
	ck_assert_uint_eq(header.minor, 0);
	ck_assert_uint_eq(header.size, 128);
#else
	ck_assert_ptr_nonnull(fault);
#endif
}
END_TEST

START_TEST(faults)
{
	static const char *const names[] = {"undefined", "outside", "wraps",
					    "cut", "other"};
	struct vds_abi_header header;
	ck_assert_ptr_nonnull(header_of(names[_i], &header));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("module");
	TCase *tc = tcase_create("module");
	tcase_add_test(tc, sound);
	tcase_add_loop_test(tc, faults, 0, 5);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
