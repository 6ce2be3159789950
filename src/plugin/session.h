/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One plugin over one kernel: its runs, their rows, and the order in which they
 * come out. Everything here but the counters is immutable while it runs.
 */
#ifndef VDS_PLUGIN_SESSION_H
#define VDS_PLUGIN_SESSION_H

#include <pthread.h>

#include "base/note.h"
#include "nt/kernel.h"
#include "nt/task.h"
#include "plugin/option.h"
#include "row/rowbuf.h"
#include "row/schema.h"
#include "row/sink.h"

struct vds_where;

/* What came out. */
struct vds_tally {
	uint64_t rows;
	struct vds_absences absences;
};

struct vds_session {
	/* Set by the caller; all borrowed. */
	const struct vds_kernel *kernel;
	const struct vds_plugin *plugin;
	const struct vds_schema *schema;
	const struct vds_options *options;
	const struct vds_where *where;	/* NULL: all rows */
	struct vds_sink *sink;
	const char *image_id;		/* 32 hex digits, for record ids */
	const bool *selected;		/* by process index; NULL: all */
	uint64_t limit;			/* rows wanted, 0 = all */
	unsigned int threads;		/* at least 1 */
	/* Told after each task, never two calls at once; may be NULL. */
	void (*progress)(void *ctx, size_t done, size_t total);
	void *progress_ctx;
	/* Results. */
	struct vds_tally tally;
	struct vds_notes notes;		/* of the runs, in order */
};

/*
 * Runs the plugin over all selected processes, or once. The errors of a plugin
 * are VDS_ERROR_PLUGIN; rows that came before stay in the sink. The caller
 * frees session->notes.
 */
struct vds_error *vds_session_run(struct vds_session *session);

/* Turns: runs of one group deliver their rows in order of their index. */
struct vds_turns {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	size_t next;		/* index whose turn it is */
	size_t end;		/* lowest index that failed, or SIZE_MAX */
};

/* One call of a plugin's run(), or of a piece of work within it. */
struct vds_run {
	struct vds_session *session;
	struct vds_task *task;
	struct vds_run *parent;		/* of vds_parallel(), or NULL */
	struct vds_turns *turns;
	size_t index;			/* its turn */
	/* Rows not yet delivered: text, or copies of values. */
	struct vds_str text;
	struct vds_rowbuf rows;
	struct vds_tally tally;		/* of those */
	uint64_t emitted;		/* in all */
	bool has_turn;			/* all before it is out */
	bool failed;			/* vds_emit() returned an error */
	bool stopped;			/* no more rows are wanted */
	/* What several parts of a plugin ask for, once it was made; or NULL. */
	const struct vds_sharing *listed;	/* with the lists of views */
	const struct vds_section_names *names;
	struct vds_task *helpers;	/* of vds_parallel() calls */
	size_t num_helpers;
};

/* plugin/deliver.c: rows out of a run, towards the sink. */
void vds_turns_init(struct vds_turns *turns);
void vds_turns_deinit(struct vds_turns *turns);
/*
 * Takes one row, which vds_schema_check() found well-formed and to lack
 * @absences; VDS_ERROR_STOP when no more are wanted.
 */
struct vds_error *vds_run_add(struct vds_run *run,
			      const struct vds_value *values,
			      const struct vds_absences *absences);
/* Its turn has come (commit): hands over all rows, lets the next one on. */
struct vds_error *vds_run_finish(struct vds_run *run);
/*
 * It ended with an error: what it found before goes out in its turn, for which
 * this waits, and no later run gets one.
 */
void vds_run_fail(struct vds_run *run);

/*
 * Notes that the PFN database can't be read, and what that means (@effect, ""
 * for nothing more). Kernels of which it isn't known where it lies are no news.
 */
void vds_run_note_pfn_database(struct vds_run *run, const char *effect);

/* A plugin's error as the caller shall see it. */
struct vds_error *vds_session_error(const struct vds_session *session,
				    struct vds_error *err);

#endif
