/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows leave in the order of processes, whatever thread found them. A run keeps
 * its rows until its turn; one that has gathered much waits for its turn and
 * goes on streaming, so memory is bounded by threads, not by rows.
 */
#include "plugin/session.h"

#include "base/util.h"

/* Bytes that a run may hold while others go first. */
#define HOLD ((size_t)2 << 20)

void vds_turns_init(struct vds_turns *turns)
{
	*turns = (struct vds_turns){.end = SIZE_MAX};
	pthread_mutex_init(&turns->lock, NULL);
	pthread_cond_init(&turns->changed, NULL);
}

void vds_turns_deinit(struct vds_turns *turns)
{
	pthread_cond_destroy(&turns->changed);
	pthread_mutex_destroy(&turns->lock);
}

void vds_turns_abort(struct vds_turns *turns, size_t index)
{
	pthread_mutex_lock(&turns->lock);
	turns->end = VDS_MIN(turns->end, index);
	pthread_cond_broadcast(&turns->changed);
	pthread_mutex_unlock(&turns->lock);
}

/* Waits until it is @index's turn; false if it will never be. */
static bool wait_turn(struct vds_turns *turns, size_t index)
{
	pthread_mutex_lock(&turns->lock);
	while (turns->next != index && turns->end >= index)
		pthread_cond_wait(&turns->changed, &turns->lock);
	bool ours = turns->next == index && turns->end >= index;
	pthread_mutex_unlock(&turns->lock);
	return ours;
}

static void pass_turn(struct vds_turns *turns, size_t index)
{
	pthread_mutex_lock(&turns->lock);
	turns->next = index + 1;
	pthread_cond_broadcast(&turns->changed);
	pthread_mutex_unlock(&turns->lock);
}

static void tally_add(struct vds_tally *to, const struct vds_tally *from)
{
	to->rows += from->rows;
	to->absences.unreadable += from->absences.unreadable;
	to->absences.invalid += from->absences.invalid;
	to->absences.severity = VDS_MAX(to->absences.severity,
					from->absences.severity);
}

static size_t held(const struct vds_run *run)
{
	size_t bytes = run->text.len;
	if (run->rows.count)
		bytes += vds_rowbuf_bytes(&run->rows);
	return bytes;
}

static struct vds_error *hand_over(struct vds_run *run);
static struct vds_error *to_sink(struct vds_run *run);

/* True if all rows before @run's are out: its own need not be kept. */
static bool may_stream(struct vds_run *run)
{
	if (run->parent || held(run))
		return false;
	pthread_mutex_lock(&run->turns->lock);
	bool ours = run->turns->next == run->index;
	pthread_mutex_unlock(&run->turns->lock);
	return ours;
}

/* The parent takes the rows of its child, whose turn it is. */
static struct vds_error *absorb(struct vds_run *parent, struct vds_run *run)
{
	size_t columns = parent->session->schema->num_columns;
	if (may_stream(parent))
		return to_sink(run);
	vds_str_append(&parent->text, run->text.data, run->text.len);
	for (size_t i = 0; i < run->rows.count; i++) {
		if (!vds_rowbuf_add(&parent->rows, run->rows.rows[i], columns))
			return &vds_enomem;
	}
	if (parent->text.failed)
		return &vds_enomem;
	tally_add(&parent->tally, &run->tally);
	return held(parent) > HOLD ? hand_over(parent) : NULL;
}

static struct vds_error *to_sink(struct vds_run *run)
{
	struct vds_session *session = run->session;
	struct vds_sink *sink = session->sink;
	if (run->text.len) {
		struct vds_error *err = sink->text(sink, run->text.data,
						   run->text.len);
		if (err)
			return err;
		tally_add(&session->tally, &run->tally);
	}
	for (size_t i = 0; i < run->rows.count; i++) {
		struct vds_error *err = sink->row(sink, run->rows.rows[i]);
		if (err)
			return err;
		/* Only what went out counts. */
		session->tally.rows++;
		vds_schema_absences(session->schema, run->rows.rows[i],
				    &session->tally.absences);
		if (session->tally.rows == session->limit)
			return &vds_stop;
	}
	return NULL;
}

/* Moves what the run holds one step on. It must be the run's turn. */
static struct vds_error *hand_over(struct vds_run *run)
{
	struct vds_error *err = NULL;
	if (run->parent)
		err = absorb(run->parent, run);
	else
		err = to_sink(run);
	run->text.len = 0;
	vds_rowbuf_clear(&run->rows);
	run->tally = (struct vds_tally){0};
	return err;
}

struct vds_error *vds_run_add(struct vds_run *run,
			      const struct vds_value *values)
{
	const struct vds_session *session = run->session;
	const struct vds_sink *sink = session->sink;
	/* With a limit, rows must be countable until they go out. */
	if (sink->format && !session->limit) {
		struct vds_error *err = sink->format(sink, values, &run->text);
		if (err)
			return err;
		if (run->text.failed)
			return &vds_enomem;
	} else if (!vds_rowbuf_add(&run->rows, values,
				   session->schema->num_columns)) {
		return &vds_enomem;
	}
	run->tally.rows++;
	run->emitted++;
	if (held(run) > HOLD) {
		if (!wait_turn(run->turns, run->index))
			return &vds_stop;
		struct vds_error *err = hand_over(run);
		if (err)
			return err;
	}
	/* No run needs to find more than all of them together may. */
	return session->limit && run->emitted >= session->limit ? &vds_stop :
								  NULL;
}

struct vds_error *vds_run_finish(struct vds_run *run)
{
	struct vds_error *err = hand_over(run);
	if (err)
		vds_turns_abort(run->turns, run->index);
	else
		pass_turn(run->turns, run->index);
	return err;
}
