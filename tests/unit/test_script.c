/* SPDX-License-Identifier: Apache-2.0 */
/* What a Lua script's declaration becomes; tests/lua runs scripts on images. */
#include <check.h>
#include <string.h>

#include "config.h"
#include "plugin/script.h"

static struct vds_arena arena;

static struct vds_plugin *load(const char *text, const char **ret_fault)
{
	struct vds_plugin *plugin;

	ck_assert_ptr_null(vds_script_load(&arena, "x", text, strlen(text),
					   &plugin, ret_fault));
	return plugin;
}

static void release(void)
{
	vds_arena_deinit(&arena);
}

#if HAVE_LUA
START_TEST(declares)
{
	const char *fault;
	const struct vds_plugin *plugin = load(
		"plugin = { name = 'x', version = '1.2', summary = 's',\n"
		"record = 'r', columns = {\n"
		"{ name = 'a.b', kind = 'addr', flags = ' key  wide ',\n"
		"  title = 't', unit = 'u', doc = 'd', ecs = 'e' },\n"
		"{ name = 'c', kind = 'strs' } }, options = {\n"
		"{ name = 'o', kind = 'enum', values = 'p|q', default = 'q',\n"
		"  flags = 'positional', value_name = 'V', doc = 'D' } } }\n"
		"function on_end() end\n", &fault);
	ck_assert_msg(plugin, "%s", fault);
	ck_assert_str_eq(plugin->name, "x");
	ck_assert_str_eq(plugin->version, "1.2");
	ck_assert_str_eq(plugin->record, "r");
	ck_assert_int_eq(plugin->scope, VDS_PER_PROCESS);
	ck_assert_uint_eq(plugin->num_columns, 2);
	ck_assert_str_eq(plugin->columns[0].name, "a.b");
	ck_assert_int_eq(plugin->columns[0].kind, VDS_KIND_ADDR);
	ck_assert_uint_eq(plugin->columns[0].flags,
			  VDS_COLUMN_KEY | VDS_COLUMN_WIDE);
	ck_assert_str_eq(plugin->columns[0].ecs, "e");
	ck_assert_int_eq(plugin->columns[1].kind, VDS_KIND_STRS);
	ck_assert_ptr_null(plugin->columns[1].title);
	/* Its own, and the two caps. */
	ck_assert_uint_eq(plugin->num_options, 3);
	ck_assert_int_eq(plugin->options[0].kind, VDS_OPTION_ENUM);
	ck_assert_str_eq(plugin->options[0].values, "p|q");
	ck_assert_uint_eq(plugin->options[0].flags, VDS_OPTION_POSITIONAL);
	ck_assert_str_eq(plugin->options[1].name, "script-memory");
	ck_assert_str_eq(plugin->options[2].name, "script-instructions");
}
END_TEST

/* Text of a script, and what its refusal begins with. */
static const char *const refused[][2] = {
	{"", "it declares nothing"},
	{"\n]", "x.lua:2:"},
	{"\033Lua", "attempt to load a binary chunk"},
	{"error('a\\nb\\xff')", "x.lua:1: a?b\xef\xbf\xbd"},
	{"error(nil)", "x.lua: error() with a value that is no text"},
	{"\nlocal function f() return f() end f()",
	 "x.lua:2: it took more than"},
	{"local s = 'x'\nwhile true do s = s .. s end",
	 "x.lua:2: a string of more than"},
	{"local t = {}\nfor i = 1, 1 << 40 do t[i] = { i } end",
	 "x.lua:2: it needs more than"},
	{"plugin = { name = 'x\\n' }", "plugin.name must be one line"},
};

START_TEST(refuses)
{
	const char *fault, *want = refused[_i][1];

	ck_assert_ptr_null(load(refused[_i][0], &fault));
	ck_assert_msg(!strncmp(fault, want, strlen(want)), "%s", fault);
}
END_TEST
#else
START_TEST(refuses)
{
	const char *fault;

	ck_assert_ptr_null(load("plugin = {}", &fault));
	ck_assert_ptr_nonnull(strstr(fault, "without Lua"));
}
END_TEST
#endif

int main(void)
{
	Suite *suite = suite_create("script");
	TCase *tc = tcase_create("script");
	tcase_add_checked_fixture(tc, NULL, release);
#if HAVE_LUA
	tcase_add_test(tc, declares);
	tcase_add_loop_test(tc, refuses, 0,
			    (int)(sizeof(refused) / sizeof(refused[0])));
#else
	tcase_add_test(tc, refuses);
#endif
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
