/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NDJSON for machines (one record a line, from run_start to run_end), the same
 * records as one JSON array for people and scripts, and NDJSON in the Elastic
 * Common Schema.
 */
#include "render/render.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "render/ecs.h"
#include "render/record.h"

struct state {
	bool array;
	bool is_ecs;
	struct vds_record_head head;
	struct vds_ecs ecs;		/* instead, if is_ecs */
};

static struct vds_error *put_own_ecs(struct vds_render *render,
				     const struct vds_schema *schema,
				     const struct vds_value *values,
				     struct vds_str *out)
{
	const struct vds_render_info *info = render->info;
	struct vds_ecs ecs;
	struct vds_error *err = vds_ecs_init(
		&ecs, schema, info->timestamp, info->image_id,
		info->schema->plugin, info->schema->version);
	if (!err)
		err = vds_ecs_put(&ecs, values, out);
	vds_ecs_deinit(&ecs);
	vds_str_putc(out, '\n');
	return err;
}

/* A record of the host's own, with a head of its own. */
static struct vds_error *put_own(struct vds_render *render,
				 const struct vds_schema *schema,
				 const struct vds_value *values,
				 struct vds_str *out)
{
	const struct vds_render_info *info = render->info;
	const struct state *state = render->state;
	struct vds_record_head head;
	if (state->is_ecs)
		return put_own_ecs(render, schema, values, out);
	struct vds_error *err = vds_record_head_init(
		&head, info->timestamp, info->image_id, schema->record,
		info->schema->plugin, info->schema->version);
	if (err)
		return err;
	err = vds_record_put(&head, schema, values, out);
	vds_record_head_deinit(&head);
	vds_str_puts(out, state->array ? "" : "\n");
	return err;
}

static struct vds_error *begin_any(struct vds_render *render, bool array,
				   struct vds_str *out)
{
	const struct vds_render_info *info = render->info;
	struct state *state = calloc(1, sizeof(*state));
	if (!state)
		return &vds_enomem;
	render->state = state;
	state->array = array;
	struct vds_error *err = vds_record_head_init(
		&state->head, info->timestamp, info->image_id,
		info->schema->record, info->schema->plugin,
		info->schema->version);
	if (err)
		return err;
	vds_str_puts(out, array ? "[\n" : "");
	return put_own(render, info->start, info->start_values, out);
}

static struct vds_error *begin_ndjson(struct vds_render *render,
				      struct vds_str *out)
{
	return begin_any(render, false, out);
}

static struct vds_error *begin_json(struct vds_render *render,
				    struct vds_str *out)
{
	return begin_any(render, true, out);
}

static struct vds_error *row_ndjson(const struct vds_render *render,
				    const struct vds_value *values,
				    struct vds_str *out)
{
	const struct state *state = render->state;
	struct vds_error *err = vds_record_put(
		&state->head, render->info->schema, values, out);
	vds_str_putc(out, '\n');
	return err;
}

static struct vds_error *begin_ecs(struct vds_render *render,
				   struct vds_str *out)
{
	const struct vds_render_info *info = render->info;
	struct state *state = calloc(1, sizeof(*state));
	if (!state)
		return &vds_enomem;
	render->state = state;
	state->is_ecs = true;
	struct vds_error *err = vds_ecs_init(
		&state->ecs, info->schema, info->timestamp, info->image_id,
		info->schema->plugin, info->schema->version);
	return err ? err : put_own(render, info->start, info->start_values, out);
}

static struct vds_error *row_ecs(const struct vds_render *render,
				 const struct vds_value *values,
				 struct vds_str *out)
{
	const struct state *state = render->state;
	struct vds_error *err = vds_ecs_put(&state->ecs, values, out);
	vds_str_putc(out, '\n');
	return err;
}

/* run_start precedes every row, so a comma always belongs here. */
static struct vds_error *row_json(const struct vds_render *render,
				  const struct vds_value *values,
				  struct vds_str *out)
{
	const struct state *state = render->state;
	vds_str_puts(out, ",\n");
	return vds_record_put(&state->head, render->info->schema, values, out);
}

/* One record per note; a note is about one object. */
const struct vds_column vds_note_columns[VDS_NUM_NOTE_COLUMNS] = {
	{"note.kind", VDS_KIND_STR, VDS_COLUMN_KEY, NULL, NULL,
	 "what contradicts itself", NULL},
	{"note.object", VDS_KIND_ADDR, VDS_COLUMN_KEY, NULL, NULL,
	 "address or file offset that it is about", NULL},
	{"note.message", VDS_KIND_STR, VDS_COLUMN_KEY, NULL, NULL,
	 "one line for a person", NULL},
};

static struct vds_error *put_notes(struct vds_render *render,
				   const struct vds_notes *notes,
				   struct vds_str *out)
{
	const struct vds_plugin kind = {
		.name = render->info->schema->plugin,
		.record = "note",
		.columns = vds_note_columns,
		.num_columns = VDS_ARRAY_SIZE(vds_note_columns),
	};
	const struct state *state = render->state;
	struct vds_schema schema;
	struct vds_error *err = vds_schema_init(&schema, &kind);
	for (size_t i = 0; !err && notes && i < notes->count; i++) {
		const struct vds_note *note = &notes->list[i];
		const struct vds_value values[] = {
			vds_str(note->kind),
			note->object ? vds_addr(note->object) :
				       vds_absent(VDS_NOT_APPLICABLE),
			vds_str(note->message),
		};
		vds_str_puts(out, state->array ? ",\n" : "");
		err = put_own(render, &schema, values, out);
	}
	vds_schema_deinit(&schema);
	return err;
}

/* The run_end record's columns: fixed ones, then a count per kind of note. */
#define FIXED_COLUMNS 8
#define MAX_NOTE_KINDS 100

struct end_record {
	struct vds_arena arena;
	struct vds_column columns[FIXED_COLUMNS + MAX_NOTE_KINDS];
	struct vds_value values[FIXED_COLUMNS + MAX_NOTE_KINDS];
	const char *kinds[MAX_NOTE_KINDS];
	size_t count;
};

static void end_add(struct end_record *record, const char *name,
		    struct vds_value value, enum vds_kind kind)
{
	record->columns[record->count] = (struct vds_column){
		.name = name, .kind = kind, .flags = VDS_COLUMN_KEY};
	record->values[record->count++] = value;
}

static bool end_add_note(struct end_record *record, const char *kind)
{
	size_t kinds = record->count - FIXED_COLUMNS;
	for (size_t i = 0; i < kinds; i++) {
		if (!strcmp(record->kinds[i], kind)) {
			record->values[FIXED_COLUMNS + i].i++;
			return true;
		}
	}
	if (kinds >= MAX_NOTE_KINDS)
		return true;
	const char *name = vds_arena_printf(&record->arena, "run.notes.%s",
					    kind);
	if (!name)
		return false;
	record->kinds[kinds] = kind;
	end_add(record, name, vds_int(1), VDS_KIND_INT);
	return true;
}

static bool end_fill(struct end_record *record, const struct vds_render *render,
		     const struct vds_render_end *how)
{
	const struct vds_notes *notes = how->notes;
	const char *rows = vds_arena_printf(&record->arena, "run.rows.%s",
					    render->info->schema->record);
	if (!rows)
		return false;
	end_add(record, "run.status", vds_str(how->status), VDS_KIND_STR);
	end_add(record, "run.exit_code", vds_int(how->exit_code), VDS_KIND_INT);
	end_add(record, "run.message", vds_str(how->message), VDS_KIND_STR);
	end_add(record, rows, vds_int((int64_t)how->rows), VDS_KIND_INT);
	end_add(record, "run.unreadable_cells",
		vds_int((int64_t)how->unreadable), VDS_KIND_INT);
	end_add(record, "run.invalid_cells", vds_int((int64_t)how->invalid),
		VDS_KIND_INT);
	end_add(record, "run.note_count",
		vds_int(notes ? (int64_t)notes->count : 0), VDS_KIND_INT);
	end_add(record, "run.notes_dropped",
		vds_int(notes ? (int64_t)notes->dropped : 0), VDS_KIND_INT);
	for (size_t i = 0; notes && i < notes->count; i++) {
		if (!end_add_note(record, notes->list[i].kind))
			return false;
	}
	return true;
}

static struct vds_error *put_run_end(struct vds_render *render,
				     const struct vds_render_end *how,
				     struct vds_str *out)
{
	_cleanup_free_ struct end_record *record = calloc(1, sizeof(*record));
	if (!record)
		return &vds_enomem;
	struct vds_error *err = &vds_enomem;
	struct vds_schema schema = {0};
	if (end_fill(record, render, how)) {
		const struct vds_plugin kind = {
			.name = render->info->schema->plugin,
			.record = "run_end",
			.columns = record->columns,
			.num_columns = record->count,
		};
		err = vds_schema_init(&schema, &kind);
	}
	if (!err)
		err = put_own(render, &schema, record->values, out);
	vds_schema_deinit(&schema);
	vds_arena_deinit(&record->arena);
	return err;
}

static struct vds_error *end_any(struct vds_render *render,
				 const struct vds_render_end *how,
				 struct vds_str *out)
{
	const struct state *state = render->state;
	struct vds_error *err = put_notes(render, how->notes, out);
	vds_str_puts(out, state->array ? ",\n" : "");
	if (!err)
		err = put_run_end(render, how, out);
	vds_str_puts(out, state->array ? "\n]\n" : "");
	return err;
}

static void deinit(struct vds_render *render)
{
	struct state *state = render->state;
	if (!state)
		return;
	vds_record_head_deinit(&state->head);
	vds_ecs_deinit(&state->ecs);
	free(state);
}

const struct vds_renderer vds_render_ecs = {
	.name = "ecs",
	.summary = "NDJSON in the Elastic Common Schema",
	.begin = begin_ecs,
	.row = row_ecs,
	.end = end_any,
	.deinit = deinit,
};

const struct vds_renderer vds_render_ndjson = {
	.name = "ndjson",
	.summary = "one JSON record a line, for SIEMs (schema vadose/1)",
	.begin = begin_ndjson,
	.row = row_ndjson,
	.end = end_any,
	.deinit = deinit,
};

const struct vds_renderer vds_render_json = {
	.name = "json",
	.summary = "the same records as one JSON array",
	.begin = begin_json,
	.row = row_json,
	.end = end_any,
	.deinit = deinit,
};
