/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tables for people. Widths are taken from the first rows; a later, wider cell
 * pushes its neighbours and nothing is ever cut. Columns marked GROUP are
 * printed once, above the rows that share them.
 */
#include "render/render.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "render/text.h"
#include "row/rowbuf.h"

/* Rows that are looked at before the first one is printed. */
#define WINDOW 256
/* A column is not made wider than this for the sake of one long cell. */
#define MAX_WIDTH 60

/* A column of the table, from left to right. */
struct place {
	size_t column;
	size_t width;
	bool right;		/* numbers are */
};

struct state {
	struct vds_rowbuf window;	/* until the widths are known */
	atomic_bool started;		/* the widths are set */
	struct place places[VDS_MAX_COLUMNS];
	size_t num_places;
	size_t groups[VDS_MAX_COLUMNS];	/* columns that are printed above */
	size_t num_groups;
	size_t needs[VDS_MAX_COLUMNS];	/* all of them */
	struct vds_rowbuf group;	/* the row that began the current group */
	struct vds_str line, cell;
	bool begun;			/* a group or a card was printed */
};

/* Not applicable: left out where there are no columns to keep. */
static bool is_nothing(const struct vds_value *value)
{
	return value->kind == VDS_KIND_NONE && value->why <= VDS_NOT_APPLICABLE;
}

static bool is_right(enum vds_kind kind)
{
	return kind == VDS_KIND_INT || kind == VDS_KIND_SIZE;
}

/* The declared title, or the last segment of the name. */
static const char *title_of(const struct vds_column *column)
{
	const char *dot = strrchr(column->name, '.');
	if (column->title)
		return column->title;
	return dot ? dot + 1 : column->name;
}

static bool is_shown(const struct vds_schema *schema, size_t i)
{
	return schema->visible[i] &&
	       (!(schema->columns[i].flags & VDS_COLUMN_WIDE) ||
		schema->asked[i]);
}

static struct vds_error *begin(struct vds_render *render, struct vds_str *out)
{
	const struct vds_schema *schema = render->info->schema;
	struct state *state = calloc(1, sizeof(*state));
	(void)out;
	if (!state)
		return &vds_enomem;
	render->state = state;
	render->sink.needs = state->needs;
	bool only_groups = true;
	for (size_t i = 0; i < schema->num_columns; i++)
		only_groups &= !is_shown(schema, i) ||
			       (schema->columns[i].flags & VDS_COLUMN_GROUP);
	for (size_t i = 0; i < schema->num_columns; i++) {
		const struct vds_column *column = &schema->columns[i];
		/* Without anything below them they are columns like others. */
		bool grouped = (column->flags & VDS_COLUMN_GROUP) &&
			       !schema->vertical && !only_groups;
		if (!is_shown(schema, i))
			continue;
		state->needs[render->sink.num_needs++] = i;
		if (grouped)
			state->groups[state->num_groups++] = i;
		else
			state->places[state->num_places++] = (struct place){
				.column = i, .right = is_right(column->kind),
			};
	}
	return NULL;
}

static void style(const struct vds_render *render, struct vds_str *out,
		  const char *code)
{
	if (render->info->color)
		vds_str_printf(out, "\033[%sm", code);
}

static void put_padded(struct vds_str *out, const char *s, size_t len,
		       size_t width, bool right, bool last)
{
	size_t used = vds_text_width(s, len);
	size_t pad = used < width ? width - used : 0;
	if (right)
		vds_str_fill(out, ' ', pad);
	vds_str_append(out, s, len);
	if (!right && !last)
		vds_str_fill(out, ' ', pad);
}

static void put_heading(const struct vds_render *render, struct vds_str *out)
{
	const struct vds_schema *schema = render->info->schema;
	const struct state *state = render->state;
	style(render, out, "1");
	for (size_t i = 0; i < state->num_places; i++) {
		const struct place *place = &state->places[i];
		const char *title = title_of(&schema->columns[place->column]);
		vds_str_puts(out, i || state->num_groups ? "  " : "");
		put_padded(out, title, strlen(title), place->width,
			   place->right, i + 1 == state->num_places);
	}
	style(render, out, "0");
	vds_str_putc(out, '\n');
}

static bool is_same(const struct vds_value *a, const struct vds_value *b)
{
	if (a->kind != b->kind || a->why != b->why || a->flags != b->flags ||
	    a->count != b->count)
		return false;
	switch (a->kind) {
	case VDS_KIND_NONE:
		return true;
	case VDS_KIND_STR:
	case VDS_KIND_FLAGS:
	case VDS_KIND_STRS:
	case VDS_KIND_BYTES:
		return !a->count || !memcmp(a->s, b->s, a->count);
	case VDS_KIND_INTS:
		return !a->count ||
		       !memcmp(a->list, b->list, a->count * sizeof(*a->list));
	default:
		return a->u == b->u;
	}
}

/* Does the row belong to the group that is under way? */
static bool continues_group(const struct vds_render *render,
			    const struct vds_value *values)
{
	const struct state *state = render->state;
	if (!state->group.count)
		return false;
	const struct vds_value *last = state->group.rows[0];
	for (size_t i = 0; i < state->num_groups; i++) {
		size_t column = state->groups[i];
		if (!is_same(&values[column], &last[column]))
			return false;
	}
	return true;
}

/* "pid 4321  name svchost.exe", printed when it differs from the last one. */
static bool put_group(const struct vds_render *render,
		      const struct vds_value *values, struct vds_str *out)
{
	const struct vds_schema *schema = render->info->schema;
	struct state *state = render->state;
	struct vds_str *line = &state->line;
	if (continues_group(render, values))
		return true;
	vds_rowbuf_clear(&state->group);
	if (!vds_rowbuf_add(&state->group, values, schema->num_columns))
		return false;
	line->len = 0;
	for (size_t i = 0; i < state->num_groups; i++) {
		const struct vds_value *value = &values[state->groups[i]];
		if (is_nothing(value))
			continue;
		vds_str_puts(line, line->len ? "  " : "");
		vds_str_puts(line, title_of(&schema->columns[state->groups[i]]));
		vds_str_putc(line, ' ');
		vds_text_cell(line, value, VDS_TEXT_TABLE);
	}
	vds_str_puts(out, state->begun ? "\n" : "");
	state->begun = true;
	style(render, out, "36");
	vds_str_append(out, line->data, line->len);
	style(render, out, "0");
	vds_str_putc(out, '\n');
	return true;
}

/* Writes the cell where it belongs, then makes room around it. */
static void put_cell(struct vds_str *out, const struct vds_value *value,
		     size_t width, bool right, bool last)
{
	size_t at = out->len;
	vds_text_cell(out, value, VDS_TEXT_TABLE);
	size_t len = out->len - at;
	/* Numbers and reasons are ASCII. */
	size_t used = len;
	if (len && value->kind >= VDS_KIND_STR)
		used = vds_text_width(out->data + at, len);
	if (used >= width || (last && !right) ||
	    !vds_str_reserve(out, width - used))
		return;
	char *cell = out->data + at;
	size_t pad = width - used;
	out->len += pad;
	if (right) {
		memmove(cell + pad, cell, len);
		memset(cell, ' ', pad);
	} else {
		memset(cell + len, ' ', pad);
	}
}

/* Without groups, one line has nothing to do with another. */
static bool put_line(const struct vds_render *render,
		     const struct vds_value *values, struct vds_str *out)
{
	const struct state *state = render->state;
	if (state->num_groups && !put_group(render, values, out))
		return false;
	for (size_t i = 0; i < state->num_places; i++) {
		const struct place *place = &state->places[i];
		const struct vds_value *value = &values[place->column];
		if (i || state->num_groups)
			vds_str_append(out, "  ", 2);
		put_cell(out, value, place->width,
			 place->right && value->kind != VDS_KIND_NONE,
			 i + 1 == state->num_places);
	}
	vds_str_putc(out, '\n');
	return true;
}

static bool ready(const struct vds_render *render)
{
	const struct state *state = render->state;
	return !state->num_groups && !render->info->schema->vertical &&
	       state->started;
}

static void put_item(const struct vds_render *render, const char *label,
		     size_t width, const struct vds_str *cell,
		     struct vds_str *out)
{
	style(render, out, "1");
	put_padded(out, label, strlen(label), width, false, false);
	style(render, out, "0");
	vds_str_puts(out, "  ");
	vds_str_append(out, cell->data, cell->len);
	vds_str_putc(out, '\n');
}

/* One value a line, each string of a list on a line of its own. */
static void put_card(const struct vds_render *render,
		     const struct vds_value *values, struct vds_str *out)
{
	const struct vds_schema *schema = render->info->schema;
	struct state *state = render->state;
	size_t width = 0;
	for (size_t i = 0; i < state->num_places; i++)
		width = VDS_MAX(width, strlen(title_of(&schema->columns[
					       state->places[i].column])));
	vds_str_puts(out, state->begun ? "\n" : "");
	state->begun = true;
	for (size_t i = 0; i < state->num_places; i++) {
		size_t column = state->places[i].column;
		const struct vds_value *value = &values[column];
		const char *label = title_of(&schema->columns[column]);
		if (is_nothing(value))
			continue;
		state->cell.len = 0;
		if (value->kind != VDS_KIND_STRS) {
			vds_text_cell(&state->cell, value, VDS_TEXT_TABLE);
			put_item(render, label, width, &state->cell, out);
			continue;
		}
		vds_for_each_str(s, value) {
			state->cell.len = 0;
			vds_text_escape(&state->cell, s, strlen(s));
			put_item(render, label, width, &state->cell, out);
			label = "";
		}
	}
}

/* Of the heading and the rows at hand. */
static size_t width_of(const struct vds_render *render, size_t column)
{
	const char *title = title_of(&render->info->schema->columns[column]);
	struct state *state = render->state;
	size_t width = vds_text_width(title, strlen(title));
	for (size_t r = 0; r < state->window.count; r++) {
		state->cell.len = 0;
		vds_text_cell(&state->cell, &state->window.rows[r][column],
			      VDS_TEXT_TABLE);
		size_t one = vds_text_width(state->cell.data, state->cell.len);
		if (one <= MAX_WIDTH)
			width = VDS_MAX(width, one);
	}
	return width;
}

/* Takes the widths from the rows at hand and prints them. */
static bool start(const struct vds_render *render, struct vds_str *out)
{
	struct state *state = render->state;
	for (size_t i = 0; i < state->num_places; i++)
		state->places[i].width = width_of(render,
						  state->places[i].column);
	if (state->window.count)
		put_heading(render, out);
	bool ok = true;
	for (size_t r = 0; ok && r < state->window.count; r++)
		ok = put_line(render, state->window.rows[r], out);
	vds_rowbuf_deinit(&state->window);
	/* Last: whoever sees it reads the widths. */
	state->started = true;
	return ok;
}

static struct vds_error *row(const struct vds_render *render,
			     const struct vds_value *values,
			     struct vds_str *out)
{
	struct state *state = render->state;
	if (render->info->schema->vertical) {
		put_card(render, values, out);
	} else if (state->started) {
		if (!put_line(render, values, out))
			return &vds_enomem;
	} else {
		if (!vds_rowbuf_add(&state->window, values,
				    render->info->schema->num_columns))
			return &vds_enomem;
		if (state->window.count == WINDOW && !start(render, out))
			return &vds_enomem;
	}
	return state->cell.failed || state->line.failed || out->failed ?
		       &vds_enomem : NULL;
}

static struct vds_error *end(struct vds_render *render,
			     const struct vds_render_end *how,
			     struct vds_str *out)
{
	struct state *state = render->state;
	(void)how;
	if (!state->started && !render->info->schema->vertical &&
	    !start(render, out))
		return &vds_enomem;
	return out->failed ? &vds_enomem : NULL;
}

static void deinit(struct vds_render *render)
{
	struct state *state = render->state;
	if (!state)
		return;
	vds_rowbuf_deinit(&state->window);
	vds_rowbuf_deinit(&state->group);
	vds_str_deinit(&state->line);
	vds_str_deinit(&state->cell);
	free(state);
}

const struct vds_renderer vds_render_table = {
	.name = "table",
	.summary = "columns for people (default)",
	.ordered = true,
	.ready = ready,
	.begin = begin,
	.row = row,
	.end = end,
	.deinit = deinit,
};
