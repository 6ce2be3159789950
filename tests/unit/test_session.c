/* SPDX-License-Identifier: Apache-2.0 */
/* Runs over a kernel that is only a table of processes. */
#include <check.h>
#include <stdlib.h>

#include "base/util.h"
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

static struct vds_error *careless_piece(struct vds_run *run, size_t index,
					void *ctx)
{
	(void)ctx;
	return vds_emit(run, (struct vds_value[NUM_COLUMNS]){
				     [PID] = index == 3 ? vds_str("x") :
							  vds_int(1)});
}

/* Its pieces return their errors; it doesn't return theirs. */
static struct vds_error *run_careless_of_pieces(struct vds_run *run,
						const struct vds_process *p)
{
	(void)p;
	vds_error_destroy(vds_parallel(run, 7, careless_piece, NULL));
	return NULL;
}

static struct vds_error *run_odd(struct vds_run *run,
				 const struct vds_process *process)
{
	(void)process;
	vds_run_note(run, NULL, 1, "no kind");
	vds_run_note(run, "\033[31m", 2, "no word");
	return vds_emit(run, (struct vds_value[NUM_COLUMNS]){
				     [PID] = vds_int(1),
				     [START] = vds_absent((enum vds_why)200)});
}

static struct vds_error *run_failing(struct vds_run *run,
				     const struct vds_process *process)
{
	if (process->pid >= 20)
		return vds_error_create(VDS_ERROR_FORMAT, "at %u",
					process->pid);
	return emit_rows(run, process->pid);
}

/* Rows come from the run itself, from its pieces, and from itself again. */
static struct vds_error *run_mixed(struct vds_run *run,
				   const struct vds_process *process)
{
	uint64_t seen[PROCESSES] = {0};
	struct vds_error *err = emit_rows(run, process ? process->pid : 14);
	if (!err)
		err = vds_parallel(run, process ? 15 : PROCESSES, piece, seen);
	return err ? err : emit_rows(run, process ? process->pid : 9);
}

/* Fails behind rows that a run may hold. */
static struct vds_error *run_failing_late(struct vds_run *run,
					  const struct vds_process *process)
{
	struct vds_error *err = emit_rows(run, process->pid);
	if (!err && process->pid == 21)
		err = vds_error_create(VDS_ERROR_FORMAT, "behind 21");
	return err;
}

static struct vds_error *piece_failing_late(struct vds_run *run, size_t index,
					    void *ctx)
{
	(void)ctx;
	return run_failing_late(run, vds_process_at(run, index));
}

static struct vds_error *run_parallel_failing(struct vds_run *run,
					      const struct vds_process *process)
{
	(void)process;
	return vds_parallel(run, PROCESSES, piece_failing_late, NULL);
}

static struct vds_tally tally;
static size_t num_notes;
/* Of the next run_with(); NULL: all. */
static const char *fields;

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
	if (fields)
		ck_assert_ptr_null(vds_schema_select(&schema, fields));
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

/*
 * Runs @plugin with every renderer and number of threads: the bytes are the same,
 * the error's message is @error (NULL: none), and so many rows came out.
 */
static void check_all_ways(const struct vds_plugin *plugin,
			   const bool *selected, const char *error,
			   uint64_t rows)
{
	for (size_t r = 0; r < VDS_ARRAY_SIZE(renderers); r++) {
		char *first = NULL;
		for (unsigned int threads = 1; threads <= 8; threads *= 2) {
			struct vds_error *err;
			char *text = run_with(plugin, renderers[r], threads, 0,
					      selected, &err);
			ck_assert_pstr_eq(err ? err->message : NULL, error);
			vds_error_destroy(err);
			ck_assert_uint_eq(tally.rows, rows);
			if (first) {
				ck_assert(!strcmp(first, text));
				free(text);
			} else {
				first = text;
			}
		}
		free(first);
	}
}

/*
 * Tables without groups become text on the workers once widths are known, with
 * groups they don't: the bytes are the same at any number of threads.
 */
START_TEST(own_rows_and_those_of_pieces_keep_their_order)
{
	const struct vds_plugin each = plugin_of(VDS_PER_PROCESS, run_mixed);
	const struct vds_plugin once = plugin_of(VDS_ONCE, run_mixed);
	bool selected[PROCESSES] = {false};
	memset(selected, true, 4);
	fields = _i ? "vad.start,size,commit" : NULL;
	/* 14; those of all; 9 */
	check_all_ways(&once, NULL, NULL,
		       700 + 3 * BIG + 6 * 700 + 103 + 4);
	/* 0 to 3 twice, and 0 to 14 for each of them */
	check_all_ways(&each, selected, NULL,
		       2 * (BIG + 6) + 4 * (BIG + 2 * 700 + 24));
	fields = NULL;
}
END_TEST

/* Where a row lies does not depend on who else had found one by then. */
START_TEST(a_failing_run_hands_out_what_it_found)
{
	const struct vds_plugin each = plugin_of(VDS_PER_PROCESS,
						 run_failing_late);
	const struct vds_plugin once = plugin_of(VDS_ONCE,
						 run_parallel_failing);
	fields = _i ? "vad.start,size,commit" : NULL;
	/* 0, 7, 14 and 21, and up to 4 of each other */
	check_all_ways(&each, NULL, "plugin probe: behind 21",
		       BIG + 3 * 700 + 34);
	check_all_ways(&once, NULL, "plugin probe: behind 21",
		       BIG + 3 * 700 + 34);
	fields = NULL;
}
END_TEST

START_TEST(limit_is_exact)
{
	const struct vds_plugin plugins[] = {
		plugin_of(VDS_PER_PROCESS, run_process),
		plugin_of(VDS_ONCE, run_parallel),
		plugin_of(VDS_PER_PROCESS, run_mixed),
	};
	/* The second lies far beyond what one run may hold. */
	static const uint64_t limits[] = {10, BIG + 5};
	struct vds_error *err;
	for (size_t p = 0; p < VDS_ARRAY_SIZE(plugins); p++) {
		for (unsigned int threads = 1; threads <= 8; threads *= 2) {
			char *text = run_with(&plugins[p], "ndjson", threads,
					      limits[_i], NULL, &err);
			ck_assert_ptr_null(err);
			ck_assert_uint_eq(tally.rows, limits[_i]);
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
	const struct vds_plugin plugin =
		_i ? plugin_of(VDS_ONCE, run_careless_of_pieces) :
		     plugin_of(VDS_PER_PROCESS, run_careless);
	struct vds_error *err;
	free(run_with(&plugin, "ndjson", 2, 0, NULL, &err));
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->code, VDS_ERROR_PLUGIN);
	ck_assert_ptr_nonnull(strstr(err->message, "threw away"));
	vds_error_destroy(err);
}
END_TEST

START_TEST(odd_notes_and_reasons_are_said)
{
	const struct vds_plugin plugin = plugin_of(VDS_ONCE, run_odd);
	struct vds_error *err;
	char *text = run_with(&plugin, "ndjson", 1, 0, NULL, &err);
	ck_assert_ptr_null(err);
	ck_assert_uint_eq(num_notes, 2);
	ck_assert_uint_eq(tally.absences.invalid, 1);
	ck_assert_ptr_nonnull(strstr(text, "\"unnamed\""));
	ck_assert_ptr_nonnull(strstr(text, "\"invalid\":[\"vad.start\"]"));
	ck_assert_ptr_null(strstr(text, "[31m"));
	free(text);
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
	tcase_add_loop_test(tc, own_rows_and_those_of_pieces_keep_their_order,
			    0, 2);
	tcase_add_loop_test(tc, a_failing_run_hands_out_what_it_found, 0, 2);
	tcase_add_loop_test(tc, limit_is_exact, 0, 2);
	tcase_add_test(tc, selection);
	tcase_add_loop_test(tc, thrown_away_errors_are_refused, 0, 2);
	tcase_add_test(tc, odd_notes_and_reasons_are_said);
	tcase_add_test(tc, errors_keep_what_came_before);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
