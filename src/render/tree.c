/* SPDX-License-Identifier: Apache-2.0 */
#include "render/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/util.h"
#include "render/text.h"

/* Nodes drawn per process; no real tree is larger, and no picture readable. */
#define MAX_NODES 20000

enum { EPROCESS, PID, PROCESS, NODE, LEFT, RIGHT, START, END, TYPE, PROTECTION,
       FILE_NAME, NUM_WANTED };

static const char *const wanted[NUM_WANTED] = {
	[EPROCESS] = "process.eprocess", [PID] = "process.pid",
	[PROCESS] = "process.name", [NODE] = "vad.node", [LEFT] = "vad.left",
	[RIGHT] = "vad.right", [START] = "vad.start", [END] = "vad.end",
	[TYPE] = "vad.type", [PROTECTION] = "vad.protection",
	[FILE_NAME] = "section.file",
};

struct child {
	uint64_t parent, node;
	bool right;
};

struct vds_tree {
	int columns[NUM_WANTED];	/* -1: the rows have none */
	/* Of the process whose rows are coming in. */
	uint64_t eprocess;
	bool open;
	struct vds_map nodes;	/* those that have a row */
	struct child *children;	/* malloc'ed */
	size_t num_children, cap, num_nodes, left_out;
	size_t clusters;
};

void vds_dot_put_quoted(struct vds_str *out, const char *s)
{
	vds_str_putc(out, '"');
	for (; s && *s; s++) {
		if (*s == '"' || *s == '\\')
			vds_str_putc(out, '\\');
		vds_str_putc(out, *s);
	}
	vds_str_putc(out, '"');
}

bool vds_tree_fits(const struct vds_schema *schema)
{
	return vds_schema_find(schema, wanted[NODE]) >= 0 &&
	       vds_schema_find(schema, wanted[LEFT]) >= 0 &&
	       vds_schema_find(schema, wanted[RIGHT]) >= 0 &&
	       vds_schema_find(schema, wanted[START]) >= 0;
}

struct vds_error *vds_tree_begin(const struct vds_schema *schema,
				 struct vds_str *out, struct vds_tree **ret)
{
	struct vds_tree *tree = calloc(1, sizeof(*tree));

	if (!tree)
		return &vds_enomem;
	for (size_t i = 0; i < NUM_WANTED; i++)
		tree->columns[i] = vds_schema_find(schema, wanted[i]);
	vds_str_puts(out, "digraph vadose {\n\tnode [shape=box, style=filled, "
			  "fillcolor=white, fontname=\"monospace\"];\n");
	*ret = tree;
	return NULL;
}

static const struct vds_value *cell(const struct vds_tree *tree,
				    const struct vds_value *values, size_t i)
{
	static const struct vds_value nothing;
	return tree->columns[i] < 0 ? &nothing : &values[tree->columns[i]];
}

/* Text from the image, safe on a terminal and within DOT's quotes. */
static void put_text(struct vds_str *out, const struct vds_value *value)
{
	struct vds_str text = {0};

	if (value->kind != VDS_KIND_STR || !value->count)
		return;
	vds_text_escape(&text, value->s, value->count);
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] == '"' || text.data[i] == '\\')
			vds_str_putc(out, '\\');
		vds_str_putc(out, text.data[i]);
	}
	out->failed |= text.failed;
	vds_str_deinit(&text);
}

/* Edges to nodes that have a row of their own, and the end of the cluster. */
static void close_cluster(struct vds_tree *tree, struct vds_str *out)
{
	if (!tree->open)
		return;
	for (size_t i = 0; i < tree->num_children; i++) {
		const struct child *c = &tree->children[i];

		if (vds_map_get(&tree->nodes, c->node))
			vds_str_printf(out, "\t\tv%zu_%llx -> v%zu_%llx "
					    "[label=\"%s\"];\n",
				       tree->clusters,
				       (unsigned long long)c->parent,
				       tree->clusters,
				       (unsigned long long)c->node,
				       c->right ? "R" : "L");
	}
	if (tree->left_out)
		vds_str_printf(out, "\t\tmore%zu [shape=note, label=\"%zu more "
				    "are left out: choose by --where\"];\n",
			       tree->clusters, tree->left_out);
	vds_str_puts(out, "\t}\n");
	vds_map_deinit(&tree->nodes);
	tree->nodes = (struct vds_map){0};
	tree->num_children = tree->num_nodes = tree->left_out = 0;
	tree->open = false;
	tree->clusters++;
}

static void open_cluster(struct vds_tree *tree, const struct vds_value *values,
			 struct vds_str *out)
{
	const struct vds_value *pid = cell(tree, values, PID);

	vds_str_printf(out, "\tsubgraph cluster_%zu {\n\t\tlabel=\"",
		       tree->clusters);
	put_text(out, cell(tree, values, PROCESS));
	if (pid->kind == VDS_KIND_INT)
		vds_str_printf(out, " %lld", (long long)pid->i);
	vds_str_puts(out, "\";\n");
	tree->eprocess = cell(tree, values, EPROCESS)->u;
	tree->open = true;
}

static bool add_child(struct vds_tree *tree, uint64_t parent,
		      const struct vds_value *node, bool right)
{
	if (node->kind != VDS_KIND_ADDR)
		return true;
	if (tree->num_children == tree->cap) {
		size_t cap = tree->cap ? tree->cap * 2 : 64;
		struct child *bigger = reallocarray(tree->children, cap,
						    sizeof(*bigger));
		if (!bigger)
			return false;
		tree->children = bigger;
		tree->cap = cap;
	}
	tree->children[tree->num_children++] =
		(struct child){parent, node->u, right};
	return true;
}

/* What a region is made of shows in its colour. */
static const char *color_of(const struct vds_value *type)
{
	static const char *const colors[][2] = {
		{"private", "white"}, {"image", "lightblue"},
		{"mapped", "lightyellow"},
	};

	for (size_t i = 0; i < VDS_ARRAY_SIZE(colors); i++) {
		if (type->kind == VDS_KIND_STR &&
		    type->count == strlen(colors[i][0]) &&
		    !memcmp(type->s, colors[i][0], type->count))
			return colors[i][1];
	}
	return "lightgrey";
}

static void put_node(struct vds_tree *tree, const struct vds_value *values,
		     struct vds_str *out)
{
	const struct vds_value *start = cell(tree, values, START);
	const struct vds_value *end = cell(tree, values, END);

	vds_str_printf(out, "\t\tv%zu_%llx [fillcolor=%s, label=\"",
		       tree->clusters,
		       (unsigned long long)cell(tree, values, NODE)->u,
		       color_of(cell(tree, values, TYPE)));
	if (start->kind == VDS_KIND_ADDR)
		vds_str_printf(out, "%llx", (unsigned long long)start->u);
	vds_str_puts(out, "-");
	if (end->kind == VDS_KIND_ADDR)
		vds_str_printf(out, "%llx", (unsigned long long)end->u);
	vds_str_puts(out, "\\n");
	put_text(out, cell(tree, values, TYPE));
	vds_str_putc(out, ' ');
	put_text(out, cell(tree, values, PROTECTION));
	if (cell(tree, values, FILE_NAME)->kind == VDS_KIND_STR)
		vds_str_puts(out, "\\n");
	put_text(out, cell(tree, values, FILE_NAME));
	vds_str_puts(out, "\"];\n");
}

struct vds_error *vds_tree_row(struct vds_tree *tree,
			       const struct vds_value *values,
			       struct vds_str *out)
{
	const struct vds_value *node = cell(tree, values, NODE);

	if (node->kind != VDS_KIND_ADDR)
		return NULL;
	if (tree->open && tree->eprocess != cell(tree, values, EPROCESS)->u)
		close_cluster(tree, out);
	if (!tree->open)
		open_cluster(tree, values, out);
	if (tree->num_nodes == MAX_NODES) {
		tree->left_out++;
		return NULL;
	}
	if (!vds_map_put(&tree->nodes, node->u, NULL) ||
	    !add_child(tree, node->u, cell(tree, values, LEFT), false) ||
	    !add_child(tree, node->u, cell(tree, values, RIGHT), true))
		return &vds_enomem;
	tree->num_nodes++;
	put_node(tree, values, out);
	return out->failed ? &vds_enomem : NULL;
}

struct vds_error *vds_tree_end(struct vds_tree *tree, struct vds_str *out)
{
	close_cluster(tree, out);
	vds_str_puts(out, "}\n");
	return out->failed ? &vds_enomem : NULL;
}

void vds_tree_destroy(struct vds_tree *tree)
{
	if (!tree)
		return;
	vds_map_deinit(&tree->nodes);
	free(tree->children);
	free(tree);
}
