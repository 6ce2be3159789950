/* SPDX-License-Identifier: Apache-2.0 */
/* What run.h promises to plugins. */
#include "vadose/run.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "base/work.h"
#include "nt/process.h"
#include "plugin/session.h"
#include "plugin/where.h"
#include "vadose/plugin.h"

struct vds_error *vds_emit(struct vds_run *run, const struct vds_value *values)
{
	const struct vds_session *session = run->session;
	if (run->stopped)
		return &vds_stop;
	struct vds_absences absences = {0};
	struct vds_error *err = vds_schema_check(session->schema, values,
						 &absences);
	if (!err && session->where && !vds_where_match(session->where, values))
		return NULL;
	if (!err)
		err = vds_run_add(run, values, &absences);
	if (err && err->code == VDS_ERROR_STOP)
		run->stopped = true;
	else if (err)
		run->failed = true;
	return err;
}

/* Kinds are words of the record, and nothing that commands a terminal. */
static bool is_kind(const char *kind)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	return kind && *kind && !kind[strspn(kind, allowed)];
}

void vds_run_note(struct vds_run *run, const char *kind, uint64_t object,
		  const char *format, ...)
{
	char message[512];
	va_list ap;
	va_start(ap, format);
	vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	vds_note(&run->task->notes, is_kind(kind) ? kind : "unnamed", object,
		 "%s", message);
}

void *vds_alloc(struct vds_run *run, size_t count, size_t size)
{
	return vds_arena_calloc(&run->task->arena, count, size);
}

char *vds_sprintf(struct vds_run *run, const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	int len = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	if (len < 0)
		return NULL;
	char *s = vds_arena_alloc(&run->task->arena, (size_t)len + 1);
	if (!s)
		return NULL;
	va_start(ap, format);
	vsnprintf(s, (size_t)len + 1, format, ap);
	va_end(ap);
	return s;
}

bool vds_option_set(const struct vds_run *run, const char *name)
{
	return vds_options_get(run->session->options, name) != NULL;
}

uint64_t vds_option_uint(const struct vds_run *run, const char *name)
{
	const struct vds_option_value *value =
		vds_options_get(run->session->options, name);
	return value ? value->u : 0;
}

const char *vds_option_str(const struct vds_run *run, const char *name)
{
	const struct vds_option_value *value =
		vds_options_get(run->session->options, name);
	return value ? value->s : NULL;
}

const uint64_t *vds_option_uints(const struct vds_run *run, const char *name,
				 size_t *ret)
{
	const struct vds_option_value *value =
		vds_options_get(run->session->options, name);
	*ret = value ? value->count : 0;
	return value ? value->ints : NULL;
}

const char *const *vds_option_strs(const struct vds_run *run, const char *name,
				   size_t *ret)
{
	const struct vds_option_value *value =
		vds_options_get(run->session->options, name);
	*ret = value ? value->count : 0;
	return value ? (const char *const *)value->strs : NULL;
}

bool vds_match(const char *glob, const char *text)
{
	return vds_glob_match(glob, text);
}

bool vds_has_page_tables(const struct vds_run *run)
{
	return !vds_kernel_is_virtual(run->session->kernel);
}

const struct vds_process *vds_kernel_view(struct vds_run *run)
{
	struct vds_process *view = vds_arena_calloc(&run->task->arena, 1,
						    sizeof(*view));
	if (!view) {
		run->task->nomem = true;
		return NULL;
	}
	view->dtb = run->session->kernel->space.dtb;
	view->kind = VDS_PROCESS_SYSTEM;
	view->selected = true;
	view->vad_count_why = view->session_why = view->name_why =
		view->path_why = view->image_file_name_why =
			VDS_NOT_APPLICABLE;
	view->task = run->task;
	return view;
}

size_t vds_num_processes(const struct vds_run *run)
{
	return run->session->kernel->num_processes;
}

const struct vds_process *vds_process_at(struct vds_run *run, size_t index)
{
	const struct vds_session *session = run->session;
	const struct vds_kernel *kernel = session->kernel;
	struct vds_arena *arena = &run->task->arena;
	if (index >= kernel->num_processes)
		return NULL;
	/* The table is shared by all threads; the task isn't: hence copies. */
	struct vds_task *task = run->task;
	if (!task->processes)
		task->processes = vds_arena_calloc(
			arena, kernel->num_processes, sizeof(*task->processes));
	if (!task->processes) {
		task->nomem = true;
		return NULL;
	}
	if (!task->processes[index]) {
		struct vds_process *copy = vds_arena_alloc(arena,
							   sizeof(*copy));
		if (!copy) {
			task->nomem = true;
			return NULL;
		}
		*copy = kernel->processes[index];
		copy->task = task;
		copy->index = index;
		copy->selected = !session->selected ||
				 session->selected[index];
		task->processes[index] = copy;
	}
	return task->processes[index];
}

size_t vds_process_from_pid(const struct vds_run *run, uint32_t pid)
{
	const struct vds_kernel *kernel = run->session->kernel;
	size_t low = 0, high = kernel->num_processes;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (kernel->processes[mid].pid < pid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct vds_process *vds_process_find(struct vds_run *run,
					   uint64_t eprocess)
{
	const struct vds_process *p =
		vds_kernel_process(run->session->kernel, eprocess);
	return p ? vds_process_at(run, p->index) : NULL;
}

/* One vds_parallel() call. */
struct parallel {
	struct vds_run *parent;
	struct vds_error *(*work)(struct vds_run *run, size_t index, void *ctx);
	void *ctx;
	struct vds_run *runs;		/* ring of `window` */
	struct vds_notes *notes;	/* likewise */
	size_t window, count;
	struct vds_task *tasks;		/* one per worker */
	struct vds_turns turns;
	atomic_bool failed;		/* an error of vds_emit() in a piece */
};

static struct vds_error *parallel_run(void *ctx, size_t index,
				      unsigned int worker)
{
	struct parallel *all = ctx;
	struct vds_run *run = &all->runs[index % all->window];
	struct vds_str text = run->text;
	struct vds_rowbuf rows = run->rows;
	*run = (struct vds_run){
		.session = all->parent->session,
		.task = &all->tasks[worker],
		.parent = all->parent,
		.turns = &all->turns,
		.index = index,
		.text = text,
		.rows = rows,
	};
	/* What is kept for one index depends on no other, nor on who runs it. */
	run->task->long_text = 0;
	struct vds_error *err = all->work(run, index, all->ctx);
	/* Enough rows: those that were found still go out, in their turn. */
	if (err && vds_error_catch(err, VDS_ERROR_STOP))
		err = NULL;
	if (!err && run->task->nomem)
		err = &vds_enomem;
	if (!err && run->failed)
		err = vds_error_create(VDS_ERROR_PLUGIN,
				       "plugin %s: work threw away an error of "
				       "vds_emit(); return it",
				       run->session->plugin->name);
	if (run->failed)
		all->failed = true;
	all->notes[index % all->window] = run->task->notes;
	run->task->notes = (struct vds_notes){0};
	if (err)
		vds_run_fail(run);
	return err;
}

static struct vds_error *parallel_commit(void *ctx, size_t index)
{
	struct parallel *all = ctx;
	struct vds_notes *notes = &all->notes[index % all->window];
	vds_notes_merge(&all->parent->task->notes, notes);
	vds_notes_deinit(notes);
	/* Only of the outermost call: others run many at once. */
	const struct vds_session *session = all->parent->session;
	if (session->progress && !all->parent->parent &&
	    session->plugin->scope == VDS_ONCE)
		session->progress(session->progress_ctx, index + 1, all->count);
	return vds_run_finish(&all->runs[index % all->window]);
}

/* Workers' tasks that live until the parent's run() returns. */
static struct vds_error *add_helpers(struct vds_run *run, unsigned int threads,
				     struct vds_task **ret)
{
	if (run->num_helpers >= threads) {
		*ret = run->helpers;
		return NULL;
	}
	/* Tasks are pointed to by what they handed out: they never move. */
	if (run->helpers)
		return vds_error_create(VDS_ERROR_INTERNAL,
					"the number of threads grew");
	run->helpers = calloc(threads, sizeof(*run->helpers));
	if (!run->helpers)
		return &vds_enomem;
	for (unsigned int i = 0; i < threads; i++) {
		struct vds_error *err = vds_task_init(
			&run->helpers[i], run->session->kernel);
		if (err)
			return err;
		run->num_helpers = i + 1;
	}
	*ret = run->helpers;
	return NULL;
}

static void parallel_deinit(struct parallel *all)
{
	for (size_t i = 0; i < all->window; i++) {
		if (all->runs) {
			vds_str_deinit(&all->runs[i].text);
			vds_rowbuf_deinit(&all->runs[i].rows);
		}
		if (all->notes)
			vds_notes_deinit(&all->notes[i]);
	}
	free(all->runs);
	free(all->notes);
	vds_turns_deinit(&all->turns);
}

struct vds_error *
vds_parallel(struct vds_run *run, size_t count,
	     struct vds_error *(*work)(struct vds_run *run, size_t index,
				       void *ctx),
	     void *ctx)
{
	/* Runs per process are many at once already. */
	unsigned int threads = 1;
	if (!run->parent && run->session->plugin->scope == VDS_ONCE)
		threads = run->session->threads;
	struct parallel all = {
		.parent = run, .work = work, .ctx = ctx,
		.window = (size_t)threads * 4, .count = count,
	};
	vds_turns_init(&all.turns);
	struct vds_error *err = add_helpers(run, threads, &all.tasks);
	all.runs = calloc(all.window, sizeof(*all.runs));
	all.notes = calloc(all.window, sizeof(*all.notes));
	if (!err && (!all.runs || !all.notes))
		err = &vds_enomem;
	const struct vds_work pool = {
		.threads = threads, .tasks = count, .window = all.window,
		.ctx = &all, .run = parallel_run, .commit = parallel_commit,
	};
	if (!err)
		err = vds_work_run(&pool);
	/* Who throws this error away is told so, as with vds_emit()'s own. */
	if (all.failed)
		run->failed = true;
	parallel_deinit(&all);
	return err;
}
