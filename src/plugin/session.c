/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/session.h"

#include <stdlib.h>

#include "base/util.h"
#include "base/work.h"

/* Runs that may be under way or waiting for their turn, per thread. */
#define WINDOW 4

/* A run that waits for its turn, and its notes. */
struct slot {
	struct vds_run run;
	struct vds_notes notes;
};

struct group {
	struct vds_session *session;
	size_t count;		/* tasks */
	const size_t *indexes;	/* process of each task; NULL: one run, no process */
	struct vds_task *tasks;	/* one per worker */
	struct slot *slots;	/* ring of `window` */
	size_t window;
	struct vds_turns turns;
};

struct vds_error *vds_session_error(const struct vds_session *session,
				    struct vds_error *err)
{
	switch (err->code) {
	case VDS_ERROR_NOMEM:
	case VDS_ERROR_STOP:
	case VDS_ERROR_USAGE:
	case VDS_ERROR_OUTPUT:
	case VDS_ERROR_PLUGIN:
	case VDS_ERROR_UNSUPPORTED:	/* by this image */
		return err;
	default:
		break;
	}
	struct vds_error *own = vds_error_create(VDS_ERROR_PLUGIN,
						 "plugin %s: %s",
						 session->plugin->name,
						 err->message);
	vds_error_destroy(err);
	return own;
}

static void run_deinit(struct vds_run *run)
{
	for (size_t i = 0; i < run->num_helpers; i++)
		vds_task_deinit(&run->helpers[i]);
	free(run->helpers);
	run->helpers = NULL;
	run->num_helpers = 0;
}

/* After run() returned @err: what the session shall make of it. */
static struct vds_error *judge(const struct vds_run *run, struct vds_error *err)
{
	const struct vds_session *session = run->session;
	if (!err && run->task->nomem)
		return &vds_enomem;
	if (!err && run->failed)
		return vds_error_create(VDS_ERROR_PLUGIN,
					"plugin %s: run() threw away an error "
					"of vds_emit(); return it",
					session->plugin->name);
	if (!err || vds_error_catch(err, VDS_ERROR_STOP))
		return NULL;
	return vds_session_error(session, err);
}

static struct vds_error *run_one(void *ctx, size_t number, unsigned int worker)
{
	struct group *group = ctx;
	struct slot *slot = &group->slots[number % group->window];
	struct vds_run *run = &slot->run;
	struct vds_str text = run->text;	/* memory of an earlier run */
	struct vds_rowbuf rows = run->rows;
	vds_task_reset(&group->tasks[worker]);
	*run = (struct vds_run){
		.session = group->session,
		.task = &group->tasks[worker],
		.turns = &group->turns,
		.index = number,
		.text = text,
		.rows = rows,
	};
	const struct vds_process *process = NULL;
	struct vds_error *err = NULL;
	if (group->indexes) {
		process = vds_process_at(run, group->indexes[number]);
		err = process ? NULL : &vds_enomem;
	}
	if (!err)
		err = judge(run, group->session->plugin->run(run, process));
	slot->notes = run->task->notes;
	run->task->notes = (struct vds_notes){0};
	run_deinit(run);
	if (err)
		vds_run_fail(run);
	return err;
}

static struct vds_error *commit_one(void *ctx, size_t number)
{
	struct group *group = ctx;
	struct slot *slot = &group->slots[number % group->window];
	vds_notes_merge(&group->session->notes, &slot->notes);
	vds_notes_deinit(&slot->notes);
	if (group->session->progress && group->count > 1)
		group->session->progress(group->session->progress_ctx,
					 number + 1, group->count);
	return vds_run_finish(&slot->run);
}

static void group_deinit(struct group *group, unsigned int threads)
{
	for (size_t i = 0; group->slots && i < group->window; i++) {
		vds_str_deinit(&group->slots[i].run.text);
		vds_rowbuf_deinit(&group->slots[i].run.rows);
		vds_notes_deinit(&group->slots[i].notes);
	}
	free(group->slots);
	for (unsigned int i = 0; group->tasks && i < threads; i++)
		vds_task_deinit(&group->tasks[i]);
	free(group->tasks);
	vds_turns_deinit(&group->turns);
}

static struct vds_error *run_group(struct vds_session *session,
				   const size_t *indexes, size_t count)
{
	unsigned int threads = (unsigned int)VDS_MIN(
		(size_t)session->threads, VDS_MAX(count, (size_t)1));
	struct group group = {
		.session = session,
		.count = count,
		.indexes = indexes,
		.window = (size_t)threads * WINDOW,
	};
	vds_turns_init(&group.turns);
	group.tasks = calloc(threads, sizeof(*group.tasks));
	group.slots = calloc(group.window, sizeof(*group.slots));
	struct vds_error *err = NULL;
	if (!group.tasks || !group.slots)
		err = &vds_enomem;
	for (unsigned int i = 0; !err && i < threads; i++)
		err = vds_task_init(&group.tasks[i], session->kernel);
	const struct vds_work work = {
		.threads = threads,
		.tasks = count,
		.window = group.window,
		.ctx = &group,
		.run = run_one,
		.commit = commit_one,
	};
	if (!err)
		err = vds_work_run(&work);
	group_deinit(&group, threads);
	return err;
}

/* Most plugins start from page tables, or from a list of processes. */
static struct vds_error *refuse_virtual(const struct vds_session *session)
{
	if (!vds_kernel_is_virtual(session->kernel) ||
	    session->plugin->flags & VDS_PLUGIN_WITHOUT_TABLES)
		return NULL;
	return vds_error_create(VDS_ERROR_UNSUPPORTED,
				"%s: a triage dump holds pieces of virtual memory without page tables, from which %s can't answer (info, dt, memread, modules, vadinfo --vad and ca --address can)",
				vds_image_path(session->kernel->image),
				session->plugin->name);
}

struct vds_error *vds_session_run(struct vds_session *session)
{
	struct vds_error *err = refuse_virtual(session);
	if (err)
		return err;
	if (session->plugin->scope == VDS_ONCE) {
		err = run_group(session, NULL, 1);
	} else {
		size_t total = session->kernel->num_processes, count = 0;
		_cleanup_free_ size_t *indexes =
			vds_malloc_array(total, sizeof(*indexes));
		if (!indexes)
			return &vds_enomem;
		for (size_t i = 0; i < total; i++) {
			if (!session->selected || session->selected[i])
				indexes[count++] = i;
		}
		err = run_group(session, indexes, count);
	}
	if (!err || vds_error_catch(err, VDS_ERROR_STOP))
		err = session->sink->flush ?
			      session->sink->flush(session->sink) : NULL;
	if (err && vds_error_catch(err, VDS_ERROR_STOP))
		err = NULL;
	return err;
}
