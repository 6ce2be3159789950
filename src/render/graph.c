/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes and sections as a graph: DOT (Graphviz) and GraphML. A view, or a
 * finding about a section, is an edge. Bounded: a graph that nobody can read
 * helps nobody, so what goes past the caps is counted and said; views that
 * nobody shares and regions that every process has are left out. Rows that are
 * nodes of a tree (vadtree) become that tree instead (tree.c).
 */
#include "render/render.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/util.h"
#include "render/text.h"
#include "render/tree.h"

#define MAX_PROCESSES 100
#define MAX_SECTIONS 100
#define MAX_EDGES 400

enum { EPROCESS, PID, PROCESS, SECTION, FILE_NAME, NAME, BACKING, KNOWN, VIEWS,
       PROTECTION, START, RULE, NUM_WANTED };

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
	[START] = "vad.start",
	[RULE] = "rule.id",
};

struct node {
	uint64_t address;
	const char *label;	/* escaped for terminals, in the arena */
};

struct edge {
	size_t process, section;
	const char *label;
};

struct state {
	struct vds_arena arena;
	int columns[NUM_WANTED];	/* -1: the rows have none */
	struct vds_map processes, sections;	/* address -> 1 + index */
	struct node process[MAX_PROCESSES], section[MAX_SECTIONS];
	size_t num_processes, num_sections, num_edges;
	struct edge edges[MAX_EDGES];
	uint64_t left_out;
	struct vds_tree *tree;	/* the rows are one; NULL: they aren't */
};

static struct vds_error *begin(struct vds_render *render, struct vds_str *out)
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

/* The text of a string cell, NULL if there is none. */
static bool has_text(const struct vds_value *value)
{
	return value->kind == VDS_KIND_STR && value->count;
}

static const char *keep(struct state *state, struct vds_str *text)
{
	const char *copy = text->failed ? NULL :
		vds_arena_strndup(&state->arena, text->len ? text->data : "",
				  text->len);
	vds_str_deinit(text);
	return copy;
}

/* Index of the node of @address, made if need be; SIZE_MAX past the cap. */
static size_t node_of(struct vds_map *map, struct node *nodes, size_t *count,
		      size_t max, uint64_t address, bool *ret_new)
{
	uint64_t *known = vds_map_get(map, address);
	*ret_new = false;
	if (known)
		return (size_t)*known - 1;
	if (*count == max)
		return SIZE_MAX;
	known = vds_map_put(map, address, NULL);
	if (!known)
		return SIZE_MAX;
	nodes[*count].address = address;
	*known = ++*count;
	*ret_new = true;
	return *count - 1;
}

static const char *label_process(struct state *state,
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

static const char *label_section(struct state *state,
				 const struct vds_value *values)
{
	const struct vds_value *file = cell(state, values, FILE_NAME);
	const struct vds_value *name = cell(state, values, NAME);
	const struct vds_value *backing = cell(state, values, BACKING);
	struct vds_str text = {0};
	if (has_text(name))
		vds_text_escape(&text, name->s, name->count);
	else if (has_text(file))
		vds_text_escape(&text, file->s, file->count);
	else
		vds_str_printf(&text, "%.*s 0x%llx",
			       has_text(backing) ? (int)backing->count : 7,
			       has_text(backing) ? backing->s : "section",
			       (unsigned long long)
				       cell(state, values, SECTION)->u);
	return keep(state, &text);
}

static const char *label_edge(struct state *state,
			      const struct vds_value *values)
{
	const struct vds_value *rule = cell(state, values, RULE);
	const struct vds_value *protection = cell(state, values, PROTECTION);
	const struct vds_value *start = cell(state, values, START);
	struct vds_str text = {0};
	if (has_text(rule))
		vds_text_escape(&text, rule->s, rule->count);
	else if (has_text(protection))
		vds_text_escape(&text, protection->s, protection->count);
	if (start->kind == VDS_KIND_ADDR)
		vds_str_printf(&text, " 0x%llx", (unsigned long long)start->u);
	return keep(state, &text);
}

static bool is_of_interest(const struct state *state,
			   const struct vds_value *values)
{
	const struct vds_value *views = cell(state, values, VIEWS);
	return cell(state, values, EPROCESS)->kind == VDS_KIND_ADDR &&
	       cell(state, values, SECTION)->kind == VDS_KIND_ADDR &&
	       !has_text(cell(state, values, KNOWN)) &&
	       (views->kind != VDS_KIND_INT || views->i > 1);
}

static struct vds_error *row(const struct vds_render *render,
			     const struct vds_value *values,
			     struct vds_str *out)
{
	struct state *state = render->state;
	bool is_new;
	if (state->tree)
		return vds_tree_row(state->tree, values, out);
	if (!is_of_interest(state, values))
		return NULL;
	if (state->num_edges == MAX_EDGES) {
		state->left_out++;
		return NULL;
	}
	struct edge edge;
	edge.section = node_of(&state->sections, state->section,
			       &state->num_sections, MAX_SECTIONS,
			       cell(state, values, SECTION)->u, &is_new);
	if (is_new)
		state->section[edge.section].label =
			label_section(state, values);
	edge.process = node_of(&state->processes, state->process,
			       &state->num_processes, MAX_PROCESSES,
			       cell(state, values, EPROCESS)->u, &is_new);
	if (is_new)
		state->process[edge.process].label =
			label_process(state, values);
	edge.label = label_edge(state, values);
	if (edge.section == SIZE_MAX || edge.process == SIZE_MAX)
		state->left_out++;
	else
		state->edges[state->num_edges++] = edge;
	return edge.label ? NULL : &vds_enomem;
}

static struct vds_error *end_dot(struct vds_render *render,
				 const struct vds_render_end *how,
				 struct vds_str *out)
{
	const struct state *state = render->state;
	(void)how;
	if (state->tree)
		return vds_tree_end(state->tree, out);
	vds_str_puts(out, "graph vadose {\n\trankdir=LR;\n"
			  "\tnode [fontname=\"monospace\"];\n");
	for (size_t i = 0; i < state->num_processes; i++) {
		vds_str_printf(out, "\tp%zu [shape=box, label=", i);
		vds_dot_put_quoted(out, state->process[i].label);
		vds_str_puts(out, "];\n");
	}
	for (size_t i = 0; i < state->num_sections; i++) {
		vds_str_printf(out, "\ts%zu [shape=ellipse, label=", i);
		vds_dot_put_quoted(out, state->section[i].label);
		vds_str_puts(out, "];\n");
	}
	for (size_t i = 0; i < state->num_edges; i++) {
		const struct edge *e = &state->edges[i];
		vds_str_printf(out, "\tp%zu -- s%zu [label=", e->process,
			       e->section);
		vds_dot_put_quoted(out, e->label);
		vds_str_puts(out, "];\n");
	}
	if (state->left_out)
		vds_str_printf(out, "\tmore [shape=note, label=\"%llu more are "
				    "left out: choose by --pid, --name, "
				    "--where\"];\n",
			       (unsigned long long)state->left_out);
	vds_str_puts(out, "}\n");
	return out->failed ? &vds_enomem : NULL;
}

static void put_xml(struct vds_str *out, const char *s)
{
	for (; s && *s; s++) {
		switch (*s) {
		case '&':
			vds_str_puts(out, "&amp;");
			break;
		case '<':
			vds_str_puts(out, "&lt;");
			break;
		case '>':
			vds_str_puts(out, "&gt;");
			break;
		case '"':
			vds_str_puts(out, "&quot;");
			break;
		default:
			vds_str_putc(out, *s);
		}
	}
}

static void put_xml_node(struct vds_str *out, char prefix, size_t index,
			 const char *kind, const struct node *node)
{
	vds_str_printf(out, "  <node id=\"%c%zu\"><data key=\"kind\">%s</data>"
			    "<data key=\"address\">0x%016llx</data>"
			    "<data key=\"label\">",
		       prefix, index, kind, (unsigned long long)node->address);
	put_xml(out, node->label);
	vds_str_puts(out, "</data></node>\n");
}

static struct vds_error *end_graphml(struct vds_render *render,
				     const struct vds_render_end *how,
				     struct vds_str *out)
{
	const struct state *state = render->state;
	(void)how;
	vds_str_puts(out,
		     "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		     "<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n"
		     " <key id=\"kind\" for=\"node\" attr.name=\"kind\" attr.type=\"string\"/>\n"
		     " <key id=\"address\" for=\"node\" attr.name=\"address\" attr.type=\"string\"/>\n"
		     " <key id=\"label\" for=\"all\" attr.name=\"label\" attr.type=\"string\"/>\n"
		     " <key id=\"left_out\" for=\"graph\" attr.name=\"left_out\" attr.type=\"long\"/>\n"
		     " <graph id=\"vadose\" edgedefault=\"undirected\">\n");
	vds_str_printf(out, "  <data key=\"left_out\">%llu</data>\n",
		       (unsigned long long)state->left_out);
	for (size_t i = 0; i < state->num_processes; i++)
		put_xml_node(out, 'p', i, "process", &state->process[i]);
	for (size_t i = 0; i < state->num_sections; i++)
		put_xml_node(out, 's', i, "section", &state->section[i]);
	for (size_t i = 0; i < state->num_edges; i++) {
		const struct edge *e = &state->edges[i];
		vds_str_printf(out, "  <edge source=\"p%zu\" target=\"s%zu\">"
				    "<data key=\"label\">",
			       e->process, e->section);
		put_xml(out, e->label);
		vds_str_puts(out, "</data></edge>\n");
	}
	vds_str_puts(out, " </graph>\n</graphml>\n");
	return out->failed ? &vds_enomem : NULL;
}

static void deinit(struct vds_render *render)
{
	struct state *state = render->state;
	if (!state)
		return;
	vds_tree_destroy(state->tree);
	vds_arena_deinit(&state->arena);
	vds_map_deinit(&state->processes);
	vds_map_deinit(&state->sections);
	free(state);
}

const struct vds_renderer vds_render_dot = {
	.name = "dot",
	.summary = "processes and sections, or VAD trees, as a Graphviz graph",
	.ordered = true,
	.begin = begin,
	.row = row,
	.end = end_dot,
	.deinit = deinit,
};

const struct vds_renderer vds_render_graphml = {
	.name = "graphml",
	.summary = "the same graph as GraphML",
	.ordered = true,
	.begin = begin,
	.row = row,
	.end = end_graphml,
	.deinit = deinit,
};
