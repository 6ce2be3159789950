/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of Axel Souchet's SiC (github.com/0vercl0k/sic, sic-user.cc and
 * sic-drv.c), so that a live run and an image can be compared with diff: shared
 * regions by first prototype PTE, those with two views or more; owners newest
 * first, views of one process from high to low; names in lower case; the end of
 * a view printed as the start of its last page.
 */
#include "render/render.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "render/text.h"

enum { KEY, NAME, PID, EPROCESS, START, END, CREATED, NUM_NEEDED };

static const struct {
	const char *name;
	enum vds_kind kind;
} needed[NUM_NEEDED] = {
	[KEY] = {"vad.first_prototype_pte", VDS_KIND_ADDR},
	[NAME] = {"process.name", VDS_KIND_STR},
	[PID] = {"process.pid", VDS_KIND_INT},
	[EPROCESS] = {"process.eprocess", VDS_KIND_ADDR},
	[START] = {"vad.start", VDS_KIND_ADDR},
	[END] = {"vad.end", VDS_KIND_ADDR},
	[CREATED] = {"process.start", VDS_KIND_TIME},
};

struct view {
	uint64_t key, eprocess, start, end, created;
	int64_t pid;
	const char *name;	/* escaped; NULL if it can't be had */
};

struct state {
	struct vds_arena arena;
	int columns[NUM_NEEDED];
	struct view *views;
	size_t count, cap;
	struct vds_str name;
};

static struct vds_error *begin(struct vds_render *render, struct vds_str *out)
{
	const struct vds_schema *schema = render->info->schema;
	struct state *state = calloc(1, sizeof(*state));
	(void)out;
	if (!state)
		return &vds_enomem;
	render->state = state;
	for (size_t i = 0; i < NUM_NEEDED; i++) {
		int column = vds_schema_find(schema, needed[i].name);
		if (column < 0 || schema->columns[column].kind !=
					  needed[i].kind)
			return vds_error_create(
				VDS_ERROR_USAGE,
				"-r sic prints the views of sharedmem; the "
				"rows of %s have no %s", schema->plugin,
				needed[i].name);
		state->columns[i] = column;
	}
	return NULL;
}

/* The name as SiC prints it, kept; NULL when out of memory. */
static const char *keep_name(struct state *state, const struct vds_value *value)
{
	if (value->kind == VDS_KIND_NONE)
		return "(name unavailable)";
	state->name.len = 0;
	vds_text_escape(&state->name, value->s, value->count);
	for (size_t i = 0; i < state->name.len; i++) {
		char *c = &state->name.data[i];
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c + 32);
	}
	/* The rows of one process mostly follow each other. */
	const struct view *last = state->count ?
					  &state->views[state->count - 1] :
					  NULL;
	if (last && strlen(last->name) == state->name.len &&
	    !memcmp(last->name, state->name.data, state->name.len))
		return last->name;
	return vds_arena_strndup(&state->arena,
				 state->name.len ? state->name.data : "",
				 state->name.len);
}

static bool make_room(struct state *state)
{
	if (state->count < state->cap)
		return true;
	size_t cap = state->cap ? state->cap * 2 : 256;
	struct view *views = realloc(state->views, cap * sizeof(*views));
	if (!views)
		return false;
	state->views = views;
	state->cap = cap;
	return true;
}

static struct vds_error *row(const struct vds_render *render,
			     const struct vds_value *values,
			     struct vds_str *out)
{
	struct state *state = render->state;
	const int *at = state->columns;
	(void)out;
	/* SiC skips views without a prototype PTE. */
	if (values[at[KEY]].kind == VDS_KIND_NONE || !values[at[KEY]].u)
		return NULL;
	if (!make_room(state))
		return &vds_enomem;
	const char *name = keep_name(state, &values[at[NAME]]);
	if (!name || state->name.failed)
		return &vds_enomem;
	state->views[state->count++] = (struct view){
		.key = values[at[KEY]].u,
		.eprocess = values[at[EPROCESS]].u,
		.start = values[at[START]].u,
		.end = values[at[END]].u,
		.created = values[at[CREATED]].u,
		.pid = values[at[PID]].i,
		.name = name,
	};
	return NULL;
}

static int order(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int compare(const void *left, const void *right)
{
	const struct view *a = left, *b = right;
	int d = order(a->key, b->key);
	if (!d)
		d = order(b->created, a->created);
	if (!d)
		d = order((uint64_t)b->pid, (uint64_t)a->pid);
	if (!d)
		d = order(b->eprocess, a->eprocess);
	return d ? d : order(b->start, a->start);
}

static struct vds_error *end(struct vds_render *render,
			     const struct vds_render_end *how,
			     struct vds_str *out)
{
	struct state *state = render->state;
	size_t next;
	(void)how;
	if (state->count)
		qsort(state->views, state->count, sizeof(*state->views),
		      compare);
	for (size_t i = 0; i < state->count; i = next) {
		next = i + 1;
		while (next < state->count &&
		       state->views[next].key == state->views[i].key)
			next++;
		if (next - i < 2)
			continue;
		vds_str_printf(out, "ProtoPTE: %016llx\n",
			       (unsigned long long)state->views[i].key);
		for (size_t k = i; k < next; k++) {
			const struct view *v = &state->views[k];
			vds_str_printf(
				out, "  Name: %s (PID: %lld, EPROCESS: "
				"%016llx) at %016llx-%016llx\n", v->name,
				(long long)v->pid,
				(unsigned long long)v->eprocess,
				(unsigned long long)v->start,
				(unsigned long long)(v->end & ~VDS_PAGE_MASK));
		}
	}
	return out->failed ? &vds_enomem : NULL;
}

static void deinit(struct vds_render *render)
{
	struct state *state = render->state;
	if (!state)
		return;
	vds_arena_deinit(&state->arena);
	vds_str_deinit(&state->name);
	free(state->views);
	free(state);
}

const struct vds_renderer vds_render_sic = {
	.name = "sic",
	.summary = "what the SiC tool prints (sharedmem only)",
	.ordered = true,
	.begin = begin,
	.row = row,
	.end = end,
	.deinit = deinit,
};
