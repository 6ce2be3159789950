/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker pool whose results are taken in task order: the same bytes come out
 * at any thread count.
 */
#ifndef VDS_BASE_WORK_H
#define VDS_BASE_WORK_H

#include <stddef.h>

#include "vadose/error.h"

struct vds_work {
	/* Number of threads, at least 1; 1 runs everything on the caller's. */
	unsigned int threads;
	/* Tasks are numbered 0 .. tasks - 1. */
	size_t tasks;
	/*
	 * How many tasks may be finished or running ahead of the oldest
	 * uncommitted one (bounds memory); 0 = 4 per thread.
	 */
	size_t window;
	void *ctx;
	/* Runs on any thread, @worker in 0 .. threads - 1. */
	struct vds_error *(*run)(void *ctx, size_t task, unsigned int worker);
	/*
	 * Called for 0, 1, 2, ... in order, never two at once, on any thread,
	 * after run(task) succeeded. May be NULL.
	 */
	struct vds_error *(*commit)(void *ctx, size_t task);
};

/*
 * Runs all tasks. On failure no new task starts, and the error of the lowest
 * failed task number is returned (so that it doesn't depend on timing), after
 * commit() was called for all tasks below it.
 */
struct vds_error *vds_work_run(const struct vds_work *work);

/* Number of processors this process may run on, at least 1. */
unsigned int vds_work_default_threads(void);

#endif
