/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows leave in the order of processes, whatever thread found them. A run keeps
 * its rows until its turn, and streams from then on; one that has gathered much
 * waits for its turn, so memory is bounded by threads, not by rows.
 */
#include "plugin/session.h"

#include "base/util.h"

/* Bytes that a run may hold while others go first. */
#define HOLD ((size_t)2 << 20)
/* Rows after which a run that holds some asks again whether its turn came. */
#define ASK_AGAIN 64

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

/* The run @index failed: no later one gets a turn. */
static void turns_abort(struct vds_turns *turns, size_t index)
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

static void absences_add(struct vds_absences *to,
			 const struct vds_absences *from)
{
	to->unreadable += from->unreadable;
	to->invalid += from->invalid;
	to->severity = VDS_MAX(to->severity, from->severity);
}

static void tally_add(struct vds_tally *to, const struct vds_tally *from)
{
	to->rows += from->rows;
	absences_add(&to->absences, &from->absences);
}

static size_t held(const struct vds_run *run)
{
	size_t bytes = run->text.len;
	if (run->rows.count)
		bytes += vds_rowbuf_bytes(&run->rows);
	return bytes;
}

/* True if all rows before @run's own are out. */
static bool is_turn(const struct vds_run *run)
{
	pthread_mutex_lock(&run->turns->lock);
	bool ours = run->turns->next == run->index;
	pthread_mutex_unlock(&run->turns->lock);
	return ours;
}

/* True if nothing is left to come before what @run finds next. */
static bool may_stream(struct vds_run *run)
{
	for (struct vds_run *r = run; r; r = r->parent) {
		/* Nobody but the run itself passes its turn on. */
		if (held(r) || (!r->has_turn && !is_turn(r)))
			return false;
		r->has_turn = true;
	}
	return true;
}

/* One row, whose turn it is. Only what went out counts. */
static struct vds_error *put_row(struct vds_session *session,
				 const struct vds_value *values,
				 const struct vds_absences *absences)
{
	struct vds_tally *tally = &session->tally;
	if (session->limit && tally->rows >= session->limit)
		return &vds_stop;
	struct vds_error *err = session->sink->row(session->sink, values);
	if (err)
		return err;
	tally->rows++;
	absences_add(&tally->absences, absences);
	return tally->rows == session->limit ? &vds_stop : NULL;
}

/*
 * A row is kept as those of its values that the sink looks at, few of many as a
 * rule, and one more for what it lacks.
 */
static size_t kept_columns(const struct vds_session *session)
{
	const struct vds_sink *sink = session->sink;
	return (sink->needs ? sink->num_needs :
			      session->schema->num_columns) + 1;
}

static bool keep_row(struct vds_run *run, const struct vds_value *values,
		     const struct vds_absences *absences)
{
	const struct vds_sink *sink = run->session->sink;
	size_t last = kept_columns(run->session) - 1;
	struct vds_value kept[VDS_MAX_COLUMNS + 1];
	if (!sink->needs)
		memcpy(kept, values, last * sizeof(*kept));
	for (size_t i = 0; sink->needs && i < last; i++)
		kept[i] = values[sink->needs[i]];
	kept[last] = (struct vds_value){
		.kind = VDS_KIND_INT, .flags = (uint16_t)absences->severity,
		.count = absences->invalid, .u = absences->unreadable,
	};
	return vds_rowbuf_add(&run->rows, kept, last + 1);
}

static struct vds_error *put_kept(struct vds_session *session,
				  const struct vds_value *kept,
				  struct vds_value *scratch)
{
	const struct vds_sink *sink = session->sink;
	const struct vds_value *lacks = &kept[kept_columns(session) - 1];
	const struct vds_absences absences = {
		.severity = lacks->flags, .invalid = lacks->count,
		.unreadable = (uint32_t)lacks->u,
	};
	for (size_t i = 0; sink->needs && i < sink->num_needs; i++)
		scratch[sink->needs[i]] = kept[i];
	return put_row(session, sink->needs ? scratch : kept, &absences);
}

static struct vds_error *to_sink(struct vds_run *run)
{
	struct vds_session *session = run->session;
	struct vds_sink *sink = session->sink;
	struct vds_value scratch[VDS_MAX_COLUMNS] = {0};
	if (run->text.len) {
		struct vds_error *err = sink->text(sink, run->text.data,
						   run->text.len);
		if (err)
			return err;
		tally_add(&session->tally, &run->tally);
	}
	for (size_t i = 0; i < run->rows.count; i++) {
		struct vds_error *err = put_kept(session, run->rows.rows[i],
						 scratch);
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *hand_over(struct vds_run *run);

/* Waits until all before the run's rows are out, and hands those over. */
static struct vds_error *settle(struct vds_run *run)
{
	return wait_turn(run->turns, run->index) ? hand_over(run) : &vds_stop;
}

/* The parent takes the rows of its child, whose turn it is. */
static struct vds_error *absorb(struct vds_run *parent, struct vds_run *run)
{
	size_t columns = kept_columns(parent->session);
	/* A run holds text or rows: their order isn't known otherwise. */
	if ((parent->text.len && run->rows.count) ||
	    (parent->rows.count && run->text.len)) {
		struct vds_error *err = settle(parent);
		if (err)
			return err;
	}
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
	return held(parent) > HOLD ? settle(parent) : NULL;
}

/* Moves what the run holds one step on. It must be the run's turn. */
static struct vds_error *hand_over(struct vds_run *run)
{
	struct vds_error *err = NULL;
	if (!held(run))
		return NULL;
	if (run->parent)
		err = absorb(run->parent, run);
	else
		err = to_sink(run);
	run->text.len = 0;
	vds_rowbuf_clear(&run->rows);
	run->tally = (struct vds_tally){0};
	return err;
}

/* Has the sink text made of rows here and now? */
static bool makes_text(const struct vds_run *run)
{
	const struct vds_session *session = run->session;
	const struct vds_sink *sink = session->sink;
	/* With a limit, rows must be countable until they go out. */
	return sink->format && !session->limit && !run->rows.count &&
	       (!sink->ready || sink->ready(sink));
}

/* Adds one row to those that the run holds. */
static struct vds_error *keep(struct vds_run *run,
			      const struct vds_value *values,
			      const struct vds_absences *absences, bool as_text)
{
	const struct vds_session *session = run->session;
	struct vds_sink *sink = session->sink;
	if (as_text) {
		struct vds_error *err = sink->format(sink, values, &run->text);
		if (err)
			return err;
		if (run->text.failed)
			return &vds_enomem;
		run->tally.rows++;
		absences_add(&run->tally.absences, absences);
	} else if (!keep_row(run, values, absences)) {
		return &vds_enomem;
	}
	return NULL;
}

/* Hands over if there is much, or if nobody waits before the run any more. */
static struct vds_error *relieve(struct vds_run *run)
{
	if (held(run) > HOLD)
		return settle(run);
	if (run->rows.count % ASK_AGAIN == ASK_AGAIN - 1 &&
	    (run->has_turn || is_turn(run)))
		return hand_over(run);
	return NULL;
}

struct vds_error *vds_run_add(struct vds_run *run,
			      const struct vds_value *values,
			      const struct vds_absences *absences)
{
	const struct vds_session *session = run->session;
	bool as_text = makes_text(run);
	struct vds_error *err;
	if (!as_text && !run->rows.count && may_stream(run)) {
		err = put_row(run->session, values, absences);
	} else {
		err = keep(run, values, absences, as_text);
		if (!err)
			err = relieve(run);
	}
	if (err)
		return err;
	run->emitted++;
	/* No run needs to find more than all of them together may. */
	return session->limit && run->emitted >= session->limit ? &vds_stop :
								  NULL;
}

struct vds_error *vds_run_finish(struct vds_run *run)
{
	struct vds_error *err = hand_over(run);
	if (err)
		turns_abort(run->turns, run->index);
	else
		pass_turn(run->turns, run->index);
	return err;
}

void vds_run_fail(struct vds_run *run)
{
	turns_abort(run->turns, run->index);
	struct vds_error *err = settle(run);
	/* The run's own error is the one to tell. */
	vds_error_destroy(err);
}
