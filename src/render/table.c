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

struct state {
	struct vds_rowbuf window;	/* until the widths are known */
	atomic_bool started;		/* the widths are set */
	size_t width[VDS_MAX_COLUMNS];
	bool shown[VDS_MAX_COLUMNS];
	bool grouped[VDS_MAX_COLUMNS];
	bool has_groups;
	size_t last;			/* last shown column that isn't a group */
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
	bool only_groups = true;
	for (size_t i = 0; i < schema->num_columns; i++)
		only_groups &= !is_shown(schema, i) ||
			       (schema->columns[i].flags & VDS_COLUMN_GROUP);
	for (size_t i = 0; i < schema->num_columns; i++) {
		uint32_t flags = schema->columns[i].flags;
		state->shown[i] = is_shown(schema, i);
		/* Without anything below them they are columns like others. */
		state->grouped[i] = state->shown[i] && !schema->vertical &&
				    !only_groups && (flags & VDS_COLUMN_GROUP);
		state->has_groups |= state->grouped[i];
		if (state->shown[i] && !state->grouped[i])
			state->last = i;
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
	bool first = true;
	style(render, out, "1");
	for (size_t i = 0; i < schema->num_columns; i++) {
		if (!state->shown[i] || state->grouped[i])
			continue;
		const char *title = title_of(&schema->columns[i]);
		vds_str_puts(out, first ? (state->has_groups ? "  " : "") :
					  "  ");
		put_padded(out, title, strlen(title), state->width[i],
			   is_right(schema->columns[i].kind),
			   i == state->last);
		first = false;
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
	for (size_t i = 0; i < render->info->schema->num_columns; i++) {
		if (state->grouped[i] && !is_same(&values[i], &last[i]))
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
	for (size_t i = 0; i < schema->num_columns; i++) {
		if (!state->grouped[i] || is_nothing(&values[i]))
			continue;
		vds_str_puts(line, line->len ? "  " : "");
		vds_str_puts(line, title_of(&schema->columns[i]));
		vds_str_putc(line, ' ');
		vds_text_cell(line, &values[i], VDS_TEXT_TABLE);
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
	size_t used = len ? vds_text_width(out->data + at, len) : 0;
	if (used >= width || (last && !right))
		return;
	vds_str_fill(out, ' ', width - used);
	if (!right || out->failed)
		return;
	memmove(out->data + at + width - used, out->data + at, len);
	memset(out->data + at, ' ', width - used);
}

/* Without groups, one line has nothing to do with another. */
static bool put_line(const struct vds_render *render,
		     const struct vds_value *values, struct vds_str *out)
{
	const struct vds_schema *schema = render->info->schema;
	const struct state *state = render->state;
	if (state->has_groups && !put_group(render, values, out))
		return false;
	const char *before = state->has_groups ? "  " : "";
	for (size_t i = 0; i < schema->num_columns; i++) {
		if (!state->shown[i] || state->grouped[i])
			continue;
		vds_str_puts(out, before);
		before = "  ";
		put_cell(out, &values[i], state->width[i],
			 is_right(schema->columns[i].kind) &&
				 values[i].kind != VDS_KIND_NONE,
			 i == state->last);
	}
	vds_str_putc(out, '\n');
	return true;
}

static bool ready(const struct vds_render *render)
{
	const struct state *state = render->state;
	return !state->has_groups && !render->info->schema->vertical &&
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
	for (size_t i = 0; i < schema->num_columns; i++) {
		if (state->shown[i])
			width = VDS_MAX(width, strlen(title_of(
						       &schema->columns[i])));
	}
	vds_str_puts(out, state->begun ? "\n" : "");
	state->begun = true;
	for (size_t i = 0; i < schema->num_columns; i++) {
		const char *label = title_of(&schema->columns[i]);
		if (!state->shown[i] || is_nothing(&values[i]))
			continue;
		state->cell.len = 0;
		if (values[i].kind != VDS_KIND_STRS) {
			vds_text_cell(&state->cell, &values[i],
				      VDS_TEXT_TABLE);
			put_item(render, label, width, &state->cell, out);
			continue;
		}
		vds_for_each_str(s, &values[i]) {
			state->cell.len = 0;
			vds_text_escape(&state->cell, s, strlen(s));
			put_item(render, label, width, &state->cell, out);
			label = "";
		}
	}
}

/* Takes the widths from the rows at hand and prints them. */
static bool start(const struct vds_render *render, struct vds_str *out)
{
	const struct vds_schema *schema = render->info->schema;
	struct state *state = render->state;
	for (size_t i = 0; i < schema->num_columns; i++) {
		const char *title = title_of(&schema->columns[i]);
		state->width[i] = vds_text_width(title, strlen(title));
		for (size_t r = 0; r < state->window.count; r++) {
			state->cell.len = 0;
			vds_text_cell(&state->cell, &state->window.rows[r][i],
				      VDS_TEXT_TABLE);
			size_t width = vds_text_width(state->cell.data,
						      state->cell.len);
			if (width <= MAX_WIDTH)
				state->width[i] = VDS_MAX(state->width[i],
							  width);
		}
	}
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
