/* SPDX-License-Identifier: Apache-2.0 */
#include "base/work.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "base/util.h"

enum state { PENDING, RUNNING, DONE };

struct slot {
	enum state state;
	struct vds_error *err;
};

struct pool {
	const struct vds_work *work;
	size_t window;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct slot *slots;	/* ring of `window`, indexed by task */
	size_t next;		/* first task not yet started */
	size_t committed;	/* first task not yet committed */
	size_t failed;		/* lowest failed task, or SIZE_MAX */
	struct vds_error *err;	/* of `failed` */
	bool committing;
};

struct worker {
	struct pool *pool;
	unsigned int index;
	pthread_t thread;
};

/* Remembers @err if no earlier task failed. */
static void fail(struct pool *pool, size_t task, struct vds_error *err)
{
	if (task < pool->failed) {
		vds_error_destroy(pool->err);
		pool->failed = task;
		pool->err = err;
	} else {
		vds_error_destroy(err);
	}
}

/* Commits whatever is ready, in order. Called and returns with the lock held. */
static void commit_ready(struct pool *pool)
{
	if (pool->committing)
		return;
	pool->committing = true;
	while (pool->committed < pool->next) {
		size_t task = pool->committed;
		struct slot *slot = &pool->slots[task % pool->window];
		if (slot->state != DONE || task >= pool->failed)
			break;
		struct vds_error *err = slot->err;
		if (!err && pool->work->commit) {
			pthread_mutex_unlock(&pool->lock);
			err = pool->work->commit(pool->work->ctx, task);
			pthread_mutex_lock(&pool->lock);
		}
		if (err) {
			fail(pool, task, err);
			break;
		}
		slot->state = PENDING;
		pool->committed++;
		pthread_cond_broadcast(&pool->changed);
	}
	pool->committing = false;
}

static bool finished(const struct pool *pool)
{
	return pool->next >= pool->work->tasks || pool->failed != SIZE_MAX;
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct pool *pool = worker->pool;
	pthread_mutex_lock(&pool->lock);
	while (!finished(pool)) {
		if (pool->next - pool->committed >= pool->window) {
			pthread_cond_wait(&pool->changed, &pool->lock);
			continue;
		}
		size_t task = pool->next++;
		struct slot *slot = &pool->slots[task % pool->window];
		*slot = (struct slot){.state = RUNNING};
		pthread_mutex_unlock(&pool->lock);
		struct vds_error *err = pool->work->run(pool->work->ctx, task,
							worker->index);
		pthread_mutex_lock(&pool->lock);
		slot->state = DONE;
		if (err)
			fail(pool, task, err);
		commit_ready(pool);
		pthread_cond_broadcast(&pool->changed);
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static struct vds_error *run_alone(const struct vds_work *work)
{
	for (size_t task = 0; task < work->tasks; task++) {
		struct vds_error *err = work->run(work->ctx, task, 0);
		if (!err && work->commit)
			err = work->commit(work->ctx, task);
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *run_threads(struct pool *pool, unsigned int threads)
{
	_cleanup_free_ struct worker *workers =
		calloc(threads, sizeof(*workers));
	if (!workers)
		return &vds_enomem;
	unsigned int started = 0;
	for (unsigned int i = 1; i < threads; i++) {
		workers[i] = (struct worker){.pool = pool, .index = i};
		if (pthread_create(&workers[i].thread, NULL, worker_main,
				   &workers[i]))
			break;
		started = i;
	}
	/* The caller's thread is worker 0, so no thread at all is enough. */
	workers[0] = (struct worker){.pool = pool};
	worker_main(&workers[0]);
	for (unsigned int i = 1; i <= started; i++)
		pthread_join(workers[i].thread, NULL);
	commit_ready(pool);
	return pool->err;
}

struct vds_error *vds_work_run(const struct vds_work *work)
{
	unsigned int threads = VDS_MAX(work->threads, 1u);
	if (threads > work->tasks)
		threads = (unsigned int)VDS_MAX(work->tasks, (size_t)1);
	if (threads == 1)
		return run_alone(work);
	struct pool pool = {
		.work = work,
		.window = work->window ? work->window : (size_t)threads * 4,
		.failed = SIZE_MAX,
	};
	pool.slots = calloc(pool.window, sizeof(*pool.slots));
	if (!pool.slots)
		return &vds_enomem;
	pthread_mutex_init(&pool.lock, NULL);
	pthread_cond_init(&pool.changed, NULL);
	struct vds_error *err = run_threads(&pool, threads);
	pthread_cond_destroy(&pool.changed);
	pthread_mutex_destroy(&pool.lock);
	free(pool.slots);
	return err;
}

unsigned int vds_work_default_threads(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof(set), &set))
		return 1;
	int n = CPU_COUNT(&set);
	return n > 0 ? (unsigned int)n : 1;
}
