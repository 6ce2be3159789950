/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes and sections as a graph: a view is an edge; a finding is a node
 * beside what it is about. Rows that are nodes of a tree (vadtree) become that
 * tree instead (tree.c).
 */
#include "render/graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/util.h"
#include "render/graph_choose.h"
#include "render/text.h"
#include "render/tree.h"
#include "row/schema.h"

/* What is remembered to choose from. */
#define MAX_NODES ((size_t)1 << 17)
#define MAX_KEPT ((size_t)1 << 18)

enum { EPROCESS, PID, PROCESS, SECTION, FILE_NAME, NAME, BACKING, KNOWN, VIEWS,
       PROTECTION, PROTECTION_RAW, START, GRADE, WRITABLE, EXECUTABLE,
       CROSS_SESSION, RULE, SEVERITY, MESSAGE, SPACE, SESSION, NUM_WANTED };

static const char *const wanted[NUM_WANTED] = {
	[EPROCESS] = "process.eprocess",
	[PID] = "process.pid",
	[PROCESS] = "process.name",
	[SECTION] = "section.control_area",
	[FILE_NAME] = "section.file",
	[NAME] = "section.name",
	[BACKING] = "section.backing",
	[KNOWN] = "section.known_good",
	[VIEWS] = "sharing.view_count",
	[PROTECTION] = "vad.protection",
	[PROTECTION_RAW] = "vad.protection_raw",
	[START] = "vad.start",
	[GRADE] = "sharing.grade",
	[WRITABLE] = "sharing.writable",
	[EXECUTABLE] = "sharing.executable",
	[CROSS_SESSION] = "sharing.cross_session",
	[RULE] = "rule.id",
	[SEVERITY] = "severity",
	[MESSAGE] = "message",
	[SPACE] = "view.space",
	[SESSION] = "process.session",
};

struct state {
	struct vds_arena arena;
	int columns[NUM_WANTED];	/* -1: the rows have none */
	struct vds_map processes, sections;	/* address -> 1 + index */
	struct vds_graph_node *nodes;
	struct vds_graph_edge *edges;
	size_t max_nodes, max_edges;	/* room for */
	struct vds_graph graph;
	struct vds_tree *tree;	/* the rows are one; NULL: they aren't */
	bool nomem;
};

char vds_graph_letter(enum vds_graph_kind kind)
{
	return "psf"[kind];
}

const char *vds_graph_kind_str(enum vds_graph_kind kind)
{
	static const char *const words[] = {"process", "section", "finding"};
	return words[kind];
}

struct vds_error *vds_graph_begin(struct vds_render *render,
				  struct vds_str *out)
{
	const struct vds_schema *schema = render->info->schema;
	struct state *state = calloc(1, sizeof(*state));
	if (!state)
		return &vds_enomem;
	render->state = state;
	if (render->renderer == &vds_render_dot && vds_tree_fits(schema))
		return vds_tree_begin(schema, out, &state->tree);
	for (size_t i = 0; i < NUM_WANTED; i++)
		state->columns[i] = vds_schema_find(schema, wanted[i]);
	if (state->columns[EPROCESS] < 0 || state->columns[SECTION] < 0)
		return vds_error_create(
			VDS_ERROR_USAGE,
			"-r %s draws processes and sections; the rows of %s have no %s",
			render->renderer->name, schema->plugin,
			wanted[state->columns[EPROCESS] < 0 ? EPROCESS :
							      SECTION]);
	return NULL;
}

static const struct vds_value *cell(const struct state *state,
				    const struct vds_value *values, size_t i)
{
	static const struct vds_value nothing;
	return state->columns[i] < 0 ? &nothing : &values[state->columns[i]];
}

static bool has_text(const struct vds_value *value)
{
	return value->kind == VDS_KIND_STR && value->count;
}

static bool is_true(const struct vds_value *value)
{
	return value->kind == VDS_KIND_BOOL && value->u;
}

static const char *keep(struct state *state, struct vds_str *text)
{
	const char *copy = text->failed ? NULL :
		vds_arena_strndup(&state->arena, text->len ? text->data : "",
				  text->len);
	vds_str_deinit(text);
	state->nomem |= !copy;
	return copy;
}

/* The text of a cell, escaped; NULL if it has none. */
static const char *text_of(struct state *state, const struct vds_value *value)
{
	struct vds_str text = {0};
	if (!has_text(value))
		return NULL;
	vds_text_escape(&text, value->s, value->count);
	return keep(state, &text);
}

/* An array with room for one more; NULL if there is none. */
static void *grow(void *list, size_t count, size_t *max, size_t most,
		  size_t size)
{
	if (count < *max)
		return list;
	size_t more = *max ? *max * 2 : 256;
	void *bigger = more > most ? NULL : realloc(list, more * size);
	if (bigger)
		*max = more;
	return bigger;
}

/* A new node's index, or -1 past the bounds. */
static int64_t add_node(struct state *state, enum vds_graph_kind kind,
			uint64_t address)
{
	size_t count = state->graph.num_nodes;
	struct vds_graph_node *nodes = grow(state->nodes, count,
					    &state->max_nodes, MAX_NODES,
					    sizeof(*nodes));
	if (!nodes)
		return -1;
	state->nodes = nodes;
	nodes[count] = (struct vds_graph_node){.kind = kind,
					       .address = address};
	state->graph.num_nodes++;
	return (int64_t)count;
}

/* The node of @address, made if need be (*ret_new); -1 past the bounds. */
static int64_t node_of(struct state *state, struct vds_map *map,
		       enum vds_graph_kind kind, uint64_t address,
		       bool *ret_new)
{
	uint64_t *known = vds_map_get(map, address);
	*ret_new = !known;
	if (known)
		return (int64_t)*known - 1;
	int64_t node = add_node(state, kind, address);
	known = node < 0 ? NULL : vds_map_put(map, address, NULL);
	if (!known)
		return -1;
	*known = (uint64_t)node + 1;
	return node;
}

static const char *process_label(struct state *state,
				 const struct vds_value *values)
{
	const struct vds_value *pid = cell(state, values, PID);
	const struct vds_value *name = cell(state, values, PROCESS);
	struct vds_str text = {0};
	if (has_text(name))
		vds_text_escape(&text, name->s, name->count);
	else
		vds_str_puts(&text, "(name unavailable)");
	if (pid->kind == VDS_KIND_INT)
		vds_str_printf(&text, " %lld", (long long)pid->i);
	return keep(state, &text);
}

/* The last part of a path is what people know it by. */
static const char *last_part(const char *path)
{
	const char *slash = path ? strrchr(path, '\\') : NULL;
	return slash && slash[1] ? slash + 1 : path;
}

static const char *section_label(struct state *state,
				 const struct vds_value *values)
{
	const struct vds_value *backing = cell(state, values, BACKING);
	struct vds_str text = {0};
	vds_str_printf(&text, "%.*s 0x%llx",
		       has_text(backing) ? (int)backing->count : 7,
		       has_text(backing) ? backing->s : "section",
		       (unsigned long long)cell(state, values, SECTION)->u);
	return keep(state, &text);
}

static bool is_backing(const struct vds_value *value, const char *word)
{
	return has_text(value) && value->count == strlen(word) &&
	       !memcmp(value->s, word, value->count);
}

/*
 * What tells most of who works with whom: memory that no file backs before
 * files, and images last, which everybody has; code that is no image's, writable
 * memory, and what crosses sessions before the rest.
 */
static int interest(const struct state *state, const struct vds_value *values)
{
	const struct vds_value *backing = cell(state, values, BACKING);
	bool image = is_backing(backing, "image");
	bool writable = is_true(cell(state, values, WRITABLE));
	int score = image ? 0 : is_backing(backing, "data") ? 20 : 30;
	if (!image && is_true(cell(state, values, EXECUTABLE)))
		score += 60;
	if (writable)
		score += 20;
	if (writable && is_true(cell(state, values, CROSS_SESSION)))
		score += 20;
	return score;
}

static const char *space_label(struct state *state,
			       const struct vds_value *values)
{
	const struct vds_value *space = cell(state, values, SPACE);
	const struct vds_value *session = cell(state, values, SESSION);
	struct vds_str text = {0};
	vds_str_puts(&text, "kernel: ");
	vds_text_escape(&text, space->s, space->count);
	if (session->kind == VDS_KIND_INT)
		vds_str_printf(&text, " %lld", (long long)session->i);
	return keep(state, &text);
}

/* Views of kernel space are no process's: a box for each such space. */
static int64_t space_node(struct state *state, const struct vds_value *values)
{
	const struct vds_value *space = cell(state, values, SPACE);
	const struct vds_value *session = cell(state, values, SESSION);
	/* No EPROCESS has such an address. */
	uint64_t key = (uint64_t)space->count << 1 | 1;
	bool is_new;
	if (session->kind == VDS_KIND_INT)
		key |= (uint64_t)(session->i & INT32_MAX) << 8;
	int64_t node = node_of(state, &state->processes, VDS_GRAPH_PROCESS,
			       key, &is_new);
	if (node >= 0 && is_new) {
		state->nodes[node].address = 0;
		state->nodes[node].label = space_label(state, values);
	}
	return node;
}

static int64_t process_node(struct state *state, const struct vds_value *values)
{
	bool is_new;
	if (cell(state, values, EPROCESS)->kind != VDS_KIND_ADDR)
		return space_node(state, values);
	int64_t node = node_of(state, &state->processes, VDS_GRAPH_PROCESS,
			       cell(state, values, EPROCESS)->u, &is_new);
	if (node >= 0 && is_new)
		state->nodes[node].label = process_label(state, values);
	return node;
}

static int64_t section_node(struct state *state, const struct vds_value *values)
{
	bool is_new;
	int64_t node = node_of(state, &state->sections, VDS_GRAPH_SECTION,
			       cell(state, values, SECTION)->u, &is_new);
	if (node < 0 || !is_new)
		return node;
	const char *name = text_of(state, cell(state, values, NAME));
	const char *file = text_of(state, cell(state, values, FILE_NAME));
	struct vds_graph_node *n = &state->nodes[node];
	n->detail = name ? name : file;
	n->label = n->detail ? last_part(n->detail) :
			       section_label(state, values);
	n->score = interest(state, values);
	n->image = is_backing(cell(state, values, BACKING), "image");
	return node;
}

static struct vds_graph_edge *add_edge(struct state *state, int64_t from,
				       int64_t to)
{
	struct vds_graph_edge *edges = from < 0 || to < 0 ? NULL :
		grow(state->edges, state->graph.num_edges, &state->max_edges,
		     MAX_KEPT, sizeof(*edges));
	if (!edges) {
		state->graph.cut_edges++;
		return NULL;
	}
	state->edges = edges;
	edges += state->graph.num_edges++;
	*edges = (struct vds_graph_edge){.from = (uint32_t)from,
					 .to = (uint32_t)to, .label = ""};
	state->nodes[from].degree++;
	state->nodes[to].degree++;
	return edges;
}

/* "READWRITE" of "PAGE_READWRITE". */
static const char *short_protection(const char *text)
{
	return text && !strncmp(text, "PAGE_", 5) ? text + 5 : text;
}

static void add_view(struct state *state, const struct vds_value *values)
{
	const struct vds_value *views = cell(state, values, VIEWS);
	const struct vds_value *raw = cell(state, values, PROTECTION_RAW);
	const struct vds_value *start = cell(state, values, START);
	if (has_text(cell(state, values, KNOWN))) {
		state->graph.known++;
		return;
	}
	if (views->kind == VDS_KIND_INT && views->i < 2) {
		state->graph.alone++;
		return;
	}
	int64_t process = process_node(state, values);
	int64_t section = section_node(state, values);
	struct vds_graph_edge *edge = add_edge(state, process, section);
	if (!edge)
		return;
	const char *label = short_protection(
		text_of(state, cell(state, values, PROTECTION)));
	edge->label = label ? label : "";
	edge->start = start->kind == VDS_KIND_ADDR ? start->u : 0;
	edge->grade = text_of(state, cell(state, values, GRADE));
	uint32_t access = raw->kind == VDS_KIND_INT ? (uint32_t)raw->i & 7 : 0;
	edge->writable = access == 4 || access == 6;
	edge->executable = (access & 2) != 0;
}

static void add_finding(struct state *state, const struct vds_value *values)
{
	const struct vds_value *rule = cell(state, values, RULE);
	const struct vds_value *severity = cell(state, values, SEVERITY);
	struct vds_str text = {0};
	int64_t node = add_node(state, VDS_GRAPH_FINDING, 0);
	if (node < 0) {
		state->graph.cut_nodes++;
		return;
	}
	vds_text_escape(&text, rule->s, rule->count);
	if (has_text(severity)) {
		vds_str_puts(&text, " (");
		vds_text_escape(&text, severity->s, severity->count);
		vds_str_putc(&text, ')');
		state->nodes[node].score =
			(int)vds_severity_rank(severity->s, severity->count);
	}
	state->nodes[node].label = keep(state, &text);
	state->nodes[node].detail =
		text_of(state, cell(state, values, MESSAGE));
	if (cell(state, values, EPROCESS)->kind == VDS_KIND_ADDR)
		add_edge(state, node, process_node(state, values));
	if (cell(state, values, SECTION)->kind == VDS_KIND_ADDR)
		add_edge(state, node, section_node(state, values));
}

struct vds_error *vds_graph_row(const struct vds_render *render,
				const struct vds_value *values,
				struct vds_str *out)
{
	struct state *state = render->state;
	if (state->tree)
		return vds_tree_row(state->tree, values, out);
	if (has_text(cell(state, values, RULE)))
		add_finding(state, values);
	else if ((cell(state, values, EPROCESS)->kind == VDS_KIND_ADDR ||
		  has_text(cell(state, values, SPACE))) &&
		 cell(state, values, SECTION)->kind == VDS_KIND_ADDR)
		add_view(state, values);
	else
		state->graph.cut_edges++;
	return state->nomem ? &vds_enomem : NULL;
}

struct vds_tree *vds_graph_tree(const struct vds_render *render)
{
	const struct state *state = render->state;
	return state->tree;
}

const struct vds_graph *vds_graph_end(struct vds_render *render)
{
	struct state *state = render->state;
	vds_graph_choose(&state->graph, state->nodes, state->edges);
	state->graph.nodes = state->nodes;
	state->graph.edges = state->edges;
	return &state->graph;
}

void vds_graph_write(const struct vds_graph *graph, struct vds_str *out,
		     void put_node(struct vds_str *out,
				   const struct vds_graph_node *node,
				   size_t index),
		     void put_edge(struct vds_str *out,
				   const struct vds_graph *graph,
				   const struct vds_graph_edge *edge))
{
	for (size_t i = 0; i < graph->num_nodes; i++) {
		if (graph->nodes[i].chosen)
			put_node(out, &graph->nodes[i], i);
	}
	for (size_t i = 0; i < graph->num_edges; i++) {
		if (graph->edges[i].chosen)
			put_edge(out, graph, &graph->edges[i]);
	}
}

void vds_graph_deinit(struct vds_render *render)
{
	struct state *state = render->state;
	if (!state)
		return;
	vds_tree_destroy(state->tree);
	vds_arena_deinit(&state->arena);
	vds_map_deinit(&state->processes);
	vds_map_deinit(&state->sections);
	free(state->nodes);
	free(state->edges);
	free(state);
}
