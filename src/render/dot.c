/* SPDX-License-Identifier: Apache-2.0 */
/* The graph in the DOT language (graphviz.org/doc/info/lang.html). */
#include "render/graph.h"
#include "render/tree.h"

/* Characters of a label; the rest is in the tooltip. */
#define MAX_LABEL 48

/* @s between double quotes; backslashes would begin an escape. */
static void put_quoted(struct vds_str *out, const char *s, size_t max)
{
	size_t len = 0;
	vds_str_putc(out, '"');
	for (; s && *s && len < max; s++, len++) {
		if (*s == '"' || *s == '\\')
			vds_str_putc(out, '\\');
		vds_str_putc(out, *s);
	}
	/* Not within a character of several bytes. */
	while (s && ((unsigned char)*s & 0xc0) == 0x80)
		vds_str_putc(out, *s++);
	if (s && *s)
		vds_str_puts(out, "...");
	vds_str_putc(out, '"');
}

static const char *shape(enum vds_graph_kind kind)
{
	return kind == VDS_GRAPH_PROCESS ? "box" :
	       kind == VDS_GRAPH_SECTION ? "ellipse" : "octagon";
}

static void put_node(struct vds_str *out, const struct vds_graph_node *node,
		     size_t index)
{
	vds_str_printf(out, "\t%c%zu [shape=%s, label=",
		       vds_graph_letter(node->kind), index, shape(node->kind));
	put_quoted(out, node->label, MAX_LABEL);
	vds_str_puts(out, ", tooltip=");
	put_quoted(out, node->detail ? node->detail : node->label, SIZE_MAX);
	if (node->drawn < node->degree)
		vds_str_printf(out, ", xlabel=\"%u more\"",
			       node->degree - node->drawn);
	vds_str_puts(out, "];\n");
}

static const char *color(const struct vds_graph_edge *edge)
{
	return edge->writable && edge->executable ? "red" :
	       edge->writable ? "blue" : edge->executable ? "orange" : "gray40";
}

static void put_edge(struct vds_str *out, const struct vds_graph *graph,
		     const struct vds_graph_edge *e)
{
	const struct vds_graph_node *from = &graph->nodes[e->from];
	const struct vds_graph_node *to = &graph->nodes[e->to];
	vds_str_printf(out, "\t%c%u -- %c%u [color=%s, label=",
		       vds_graph_letter(from->kind), e->from,
		       vds_graph_letter(to->kind), e->to, color(e));
	put_quoted(out, e->label, MAX_LABEL);
	if (e->start)
		vds_str_printf(out, ", tooltip=\"0x%016llx\"",
			       (unsigned long long)e->start);
	vds_str_puts(out, "];\n");
}

/* What isn't drawn, and what to do about it. */
static void put_note(struct vds_str *out, const struct vds_graph *graph)
{
	if (graph->cut_nodes || graph->cut_edges)
		vds_str_printf(out, "\tmore [shape=note, label=\"%llu nodes and "
				    "%llu edges are left out:\\nchoose by "
				    "--pid, --address, --name, --where\"];\n",
			       (unsigned long long)graph->cut_nodes,
			       (unsigned long long)graph->cut_edges);
	if (graph->alone || graph->known || graph->images)
		vds_str_printf(out, "\tquiet [shape=note, label=\"not drawn: %llu "
				    "views that share with nobody,\\n%llu of "
				    "regions that every process has, %llu of "
				    "images (--backing image)\"];\n",
			       (unsigned long long)graph->alone,
			       (unsigned long long)graph->known,
			       (unsigned long long)graph->images);
}

static struct vds_error *end(struct vds_render *render,
			     const struct vds_render_end *how,
			     struct vds_str *out)
{
	struct vds_tree *tree = vds_graph_tree(render);
	(void)how;
	if (tree)
		return vds_tree_end(tree, out);
	const struct vds_graph *graph = vds_graph_end(render);
	vds_str_puts(out, "graph vadose {\n\trankdir=LR;\n"
			  "\tnode [fontname=\"monospace\"];\n"
			  "\tedge [fontname=\"monospace\"];\n");
	vds_graph_write(graph, out, put_node, put_edge);
	put_note(out, graph);
	vds_str_puts(out, "}\n");
	return out->failed ? &vds_enomem : NULL;
}

const struct vds_renderer vds_render_dot = {
	.name = "dot",
	.summary = "processes and sections, findings, or VAD trees, as a Graphviz graph",
	.ordered = true,
	.begin = vds_graph_begin,
	.row = vds_graph_row,
	.end = end,
	.deinit = vds_graph_deinit,
};
