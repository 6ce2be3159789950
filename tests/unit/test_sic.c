/* SPDX-License-Identifier: Apache-2.0 */
/* The two listings that SiC's own README shows, in part. */
#include <check.h>
#include <stdlib.h>

#include "rows.h"

static const struct vds_column columns[] = {
	{.name = "vad.first_prototype_pte", .kind = VDS_KIND_ADDR, .flags = VDS_COLUMN_KEY},
	{.name = "process.name", .kind = VDS_KIND_STR},
	{.name = "process.pid", .kind = VDS_KIND_INT},
	{.name = "process.eprocess", .kind = VDS_KIND_ADDR},
	{.name = "vad.start", .kind = VDS_KIND_ADDR},
	{.name = "vad.end", .kind = VDS_KIND_ADDR},
	{.name = "process.start", .kind = VDS_KIND_TIME},
};

static struct vds_plugin plugin = {
	.name = "sharedmem", .version = "1", .record = "sharedmem_view",
	.columns = columns, .num_columns = 7,
};

static const struct {
	uint64_t pte;
	const char *name;
	int64_t pid;
	uint64_t eprocess, start, end, created;
} views[] = {
	{0xffffd80ce21e4d70, "Explorer.EXE", 3836, 0xffffc50b824f6080,
	 0x6300000, 0x6338fff, 500},
	{0xffffd80ce21e4d70, "Explorer.EXE", 3836, 0xffffc50b824f6080,
	 0x63b0000, 0x63e8fff, 500},
	{0xffffd80cdc802050, "cmd.exe", 6720, 0xffffc50b846e8080,
	 0x25cb6010000, 0x25cb602afff, 700},
	{0xffffd80cdc802050, "sic.exe", 1112, 0xffffc50b824670c0,
	 0x1ce98090000, 0x1ce980aafff, 900},
	{0xffffd80cdc802050, "MpCmdRun.exe", 4188, 0xffffc50b855340c0,
	 0x1b547e20000, 0x1b547e3afff, 800},
	{0xffffd80cdc900000, "alone.exe", 7, 0xffffc50b855340c0, 0x1000,
	 0x1fff, 800},
};

static const char expected[] =
	"ProtoPTE: ffffd80cdc802050\n"
	"  Name: sic.exe (PID: 1112, EPROCESS: ffffc50b824670c0) at "
	"000001ce98090000-000001ce980aa000\n"
	"  Name: mpcmdrun.exe (PID: 4188, EPROCESS: ffffc50b855340c0) at "
	"000001b547e20000-000001b547e3a000\n"
	"  Name: cmd.exe (PID: 6720, EPROCESS: ffffc50b846e8080) at "
	"0000025cb6010000-0000025cb602a000\n"
	"ProtoPTE: ffffd80ce21e4d70\n"
	"  Name: explorer.exe (PID: 3836, EPROCESS: ffffc50b824f6080) at "
	"00000000063b0000-00000000063e8000\n"
	"  Name: explorer.exe (PID: 3836, EPROCESS: ffffc50b824f6080) at "
	"0000000006300000-0000000006338000\n";

static struct vds_schema schema, start;
static struct vds_value start_values[1];
static struct text_writer out;

static struct vds_error *begin(struct vds_render *render,
			       struct vds_render_info *info)
{
	ck_assert_ptr_null(vds_schema_init(&schema, &plugin));
	ck_assert_ptr_null(vds_schema_init(&start, &test_start_plugin));
	*info = (struct vds_render_info){
		.schema = &schema, .image_id = TEST_IMAGE_ID,
		.timestamp = TEST_TIME, .start = &start,
		.start_values = start_values};
	out = (struct text_writer){.writer.write = text_write};
	return vds_render_begin(render, vds_renderer_find("sic"), info,
				&out.writer);
}

static void end(struct vds_render *render)
{
	vds_render_deinit(render);
	vds_schema_deinit(&schema);
	vds_schema_deinit(&start);
	vds_str_deinit(&out.text);
}

START_TEST(published_listing)
{
	struct vds_render render;
	struct vds_render_info info;
	ck_assert_ptr_null(begin(&render, &info));
	for (size_t i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		struct vds_value values[] = {
			vds_addr(views[i].pte), vds_str(views[i].name),
			vds_int(views[i].pid), vds_addr(views[i].eprocess),
			vds_addr(views[i].start), vds_addr(views[i].end),
			vds_time(views[i].created)};
		ck_assert_ptr_null(render.sink.row(&render.sink, values));
	}
	struct vds_render_end how = {.status = "ok"};
	ck_assert_ptr_null(vds_render_end(&render, &how));
	ck_assert_str_eq(vds_str_cstr(&out.text), expected);
	end(&render);
}
END_TEST

START_TEST(other_rows_are_refused)
{
	struct vds_render render;
	struct vds_render_info info;
	plugin.num_columns = 6;
	struct vds_error *err = begin(&render, &info);
	plugin.num_columns = 7;
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->code, VDS_ERROR_USAGE);
	vds_error_destroy(err);
	end(&render);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sic");
	TCase *tc = tcase_create("sic");
	tcase_add_test(tc, published_listing);
	tcase_add_test(tc, other_rows_are_refused);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
