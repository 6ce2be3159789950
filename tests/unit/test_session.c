/* SPDX-License-Identifier: Apache-2.0 */
/* Runs over a kernel that is only a table of processes. */
#include <check.h>
#include <stdlib.h>

#include "plugin/session.h"
#include "rows.h"

#define PROCESSES 60
/* Rows that are more than a run may hold before its turn (deliver.c). */
#define BIG 6000

static struct vds_process table[PROCESSES];
static struct vds_kernel kernel = {.processes = table,
				   .num_processes = PROCESSES};

/* Rows per process differ a lot, so that threads overtake one another. */
static struct vds_error *emit_rows(struct vds_run *run, uint32_t pid)
{
	uint32_t count = pid % 28 == 0 ? BIG : pid % 7 == 0 ? 700 : pid % 5;
	if (pid % 3 == 0)
		vds_run_note(run, "odd", pid, "process %u is odd", pid);
	for (uint32_t i = 0; i < count; i++) {
		char *name = vds_sprintf(run, "process-%u-%u", pid, i);
		if (!name)
			return &vds_enomem;
		struct vds_error *err = vds_emit(run, (struct vds_value[
			NUM_COLUMNS]){
			[PID] = vds_int(pid),
			[NAME] = vds_str(name),
			[START] = vds_addr(i),
			[COMMIT] = i % 9 ? vds_int(i) :
					   vds_absent(VDS_PAGED_OUT),
		});
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *run_process(struct vds_run *run,
				     const struct vds_process *process)
{
	ck_assert_ptr_nonnull(process->task);
	return emit_rows(run, process->pid);
}

static struct vds_error *piece(struct vds_run *run, size_t index, void *ctx)
{
	uint64_t *seen = ctx;
	seen[index]++;
	const struct vds_process *process = vds_process_at(run, index);
	return process ? emit_rows(run, process->pid) : &vds_enomem;
}

static struct vds_error *run_parallel(struct vds_run *run,
				      const struct vds_process *process)
{
	ck_assert_ptr_null(process);
	uint64_t *seen = vds_alloc(run, PROCESSES, sizeof(*seen));
	struct vds_error *err = vds_parallel(run, vds_num_processes(run), piece,
					     seen);
	for (size_t i = 0; !err && i < PROCESSES; i++)
		ck_assert_uint_eq(seen[i], 1);
	return err;
}

static struct vds_error *run_careless(struct vds_run *run,
				      const struct vds_process *process)
{
	struct vds_value values[NUM_COLUMNS] = {
		[PID] = process->pid == 30 ? vds_str("x") : vds_int(1)};
	vds_error_destroy(vds_emit(run, values));
	return NULL;
}

static struct vds_error *run_failing(struct vds_run *run,
				     const struct vds_process *process)
{
	if (process->pid >= 20)
		return vds_error_create(VDS_ERROR_FORMAT, "at %u",
					process->pid);
	return emit_rows(run, process->pid);
}

static struct vds_tally tally;
static size_t num_notes;

/* The text of a whole run; NULL and *ret_err if it failed. */
static char *run_with(const struct vds_plugin *plugin, const char *renderer,
		      unsigned int threads, uint64_t limit,
		      const bool *selected, struct vds_error **ret_err)
{
	struct vds_schema schema, start;
	struct vds_value start_values[] = {vds_str("vadose")};
	struct vds_options options;
	ck_assert_ptr_null(vds_schema_init(&schema, plugin));
	ck_assert_ptr_null(vds_schema_init(&start, &test_start_plugin));
	ck_assert_ptr_null(vds_options_init(&options, plugin));
	struct vds_render_info info = {
		.schema = &schema, .image_id = TEST_IMAGE_ID,
		.timestamp = TEST_TIME,
		.start = &start, .start_values = start_values,
	};
	struct text_writer out = {.writer.write = text_write};
	struct vds_render render;
	ck_assert_ptr_null(vds_render_begin(&render,
					    vds_renderer_find(renderer), &info,
					    &out.writer));
	struct vds_session session = {
		.kernel = &kernel, .plugin = plugin, .schema = &schema,
		.options = &options, .sink = &render.sink,
		.selected = selected, .limit = limit, .threads = threads,
	};
	*ret_err = vds_session_run(&session);
	struct vds_render_end end = {.status = "ok", .notes = &session.notes,
				     .rows = session.tally.rows};
	ck_assert_ptr_null(vds_render_end(&render, &end));
	tally = session.tally;
	num_notes = session.notes.count;
	vds_notes_deinit(&session.notes);
	vds_render_deinit(&render);
	vds_options_deinit(&options);
	vds_schema_deinit(&schema);
	vds_schema_deinit(&start);
	ck_assert_ptr_nonnull(vds_str_cstr(&out.text));
	return out.text.data;
}

static struct vds_plugin plugin_of(enum vds_scope scope,
				   struct vds_error *(*run)(
					   struct vds_run *,
					   const struct vds_process *))
{
	struct vds_plugin plugin = test_plugin;
	plugin.scope = scope;
	plugin.run = run;
	return plugin;
}

static const char *const renderers[] = {"ndjson", "table", "csv", "json"};

START_TEST(same_bytes_at_any_thread_count)
{
	const struct vds_plugin plugins[] = {
		plugin_of(VDS_PER_PROCESS, run_process),
		plugin_of(VDS_ONCE, run_parallel),
	};
	struct vds_error *err;
	char *first = NULL;
	for (size_t p = 0; p < 2; p++) {
		for (unsigned int threads = 1; threads <= 8; threads *= 2) {
			char *text = run_with(&plugins[p], renderers[_i],
					      threads, 0, NULL, &err);
			ck_assert_ptr_null(err);
			/* pids 0, 28, 56; 6 of 700; 0 to 4 of the others */
			ck_assert_uint_eq(tally.rows, 3 * BIG + 6 * 700 + 103);
			ck_assert_uint_gt(tally.absences.unreadable, 2000);
			ck_assert_uint_eq(num_notes, 20);
			if (!first) {
				first = text;
				continue;
			}
			ck_assert(!strcmp(first, text));
			free(text);
		}
	}
	free(first);
}
END_TEST

START_TEST(limit_is_exact)
{
	const struct vds_plugin plugins[] = {
		plugin_of(VDS_PER_PROCESS, run_process),
		plugin_of(VDS_ONCE, run_parallel),
	};
	struct vds_error *err;
	for (size_t p = 0; p < 2; p++) {
		for (unsigned int threads = 1; threads <= 8; threads *= 2) {
			char *text = run_with(&plugins[p], "ndjson", threads,
					      10, NULL, &err);
			ck_assert_ptr_null(err);
			ck_assert_uint_eq(tally.rows, 10);
			free(text);
		}
	}
}
END_TEST

START_TEST(selection)
{
	const struct vds_plugin plugin = plugin_of(VDS_PER_PROCESS,
						   run_process);
	bool selected[PROCESSES] = {false};
	struct vds_error *err;
	selected[4] = true;	/* pid 4: four rows */
	char *text = run_with(&plugin, "ndjson", 2, 0, selected, &err);
	ck_assert_ptr_null(err);
	ck_assert_uint_eq(tally.rows, 4);
	free(text);
}
END_TEST

START_TEST(thrown_away_errors_are_refused)
{
	const struct vds_plugin plugin = plugin_of(VDS_PER_PROCESS,
						   run_careless);
	struct vds_error *err;
	free(run_with(&plugin, "ndjson", 2, 0, NULL, &err));
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->code, VDS_ERROR_PLUGIN);
	ck_assert_ptr_nonnull(strstr(err->message, "threw away"));
	vds_error_destroy(err);
}
END_TEST

START_TEST(errors_keep_what_came_before)
{
	const struct vds_plugin plugin = plugin_of(VDS_PER_PROCESS,
						   run_failing);
	struct vds_error *err;
	for (unsigned int threads = 1; threads <= 8; threads *= 2) {
		free(run_with(&plugin, "ndjson", threads, 0, NULL, &err));
		ck_assert_ptr_nonnull(err);
		ck_assert_int_eq(err->code, VDS_ERROR_PLUGIN);
		ck_assert_str_eq(err->message, "plugin probe: at 20");
		/* pids 0, 7 and 14, and up to 4 of each other */
		ck_assert_uint_eq(tally.rows, BIG + 2 * 700 + 34);
		vds_error_destroy(err);
	}
}
END_TEST

int main(void)
{
	for (uint32_t i = 0; i < PROCESSES; i++)
		table[i].pid = i;
	Suite *suite = suite_create("session");
	TCase *tc = tcase_create("session");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, same_bytes_at_any_thread_count, 0, 4);
	tcase_add_test(tc, limit_is_exact);
	tcase_add_test(tc, selection);
	tcase_add_test(tc, thrown_away_errors_are_refused);
	tcase_add_test(tc, errors_keep_what_came_before);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
