/* SPDX-License-Identifier: Apache-2.0 */
/* The graph as GraphML (graphml.graphdrawing.org). */
#include <string.h>

#include "base/str.h"
#include "render/graph.h"

static const char head[] =
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	"<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n"
	" <key id=\"kind\" for=\"node\" attr.name=\"kind\" attr.type=\"string\"/>\n"
	" <key id=\"address\" for=\"node\" attr.name=\"address\" attr.type=\"string\"/>\n"
	" <key id=\"label\" for=\"all\" attr.name=\"label\" attr.type=\"string\"/>\n"
	" <key id=\"detail\" for=\"node\" attr.name=\"detail\" attr.type=\"string\"/>\n"
	" <key id=\"edges_left_out\" for=\"node\" attr.name=\"edges_left_out\" attr.type=\"int\"/>\n"
	" <key id=\"start\" for=\"edge\" attr.name=\"start\" attr.type=\"string\"/>\n"
	" <key id=\"grade\" for=\"edge\" attr.name=\"grade\" attr.type=\"string\"/>\n"
	" <key id=\"left_out\" for=\"graph\" attr.name=\"left_out\" attr.type=\"long\"/>\n"
	" <key id=\"nodes_left_out\" for=\"graph\" attr.name=\"nodes_left_out\" attr.type=\"long\"/>\n"
	" <key id=\"alone\" for=\"graph\" attr.name=\"alone\" attr.type=\"long\"/>\n"
	" <key id=\"known\" for=\"graph\" attr.name=\"known\" attr.type=\"long\"/>\n"
	" <key id=\"images\" for=\"graph\" attr.name=\"images\" attr.type=\"long\"/>\n"
	" <graph id=\"vadose\" edgedefault=\"undirected\">\n";

/*
 * Controls were escaped before; U+FFFE and U+FFFF, which XML has no room for
 * (XML 1.0, 2.2), become U+FFFD.
 */
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
		case '\xef':
			if (!strncmp(s, "\xef\xbf\xbe", 3) ||
			    !strncmp(s, "\xef\xbf\xbf", 3)) {
				vds_str_puts(out, "\xef\xbf\xbd");
				s += 2;
				break;
			}
			vds_str_putc(out, *s);
			break;
		default:
			vds_str_putc(out, *s);
		}
	}
}

static void put_data(struct vds_str *out, const char *key, const char *text)
{
	if (!text || !*text)
		return;
	vds_str_printf(out, "<data key=\"%s\">", key);
	put_xml(out, text);
	vds_str_puts(out, "</data>");
}

static void put_address(struct vds_str *out, const char *key, uint64_t address)
{
	if (address)
		vds_str_printf(out, "<data key=\"%s\">0x%016llx</data>", key,
			       (unsigned long long)address);
}

static void put_node(struct vds_str *out, const struct vds_graph_node *node,
		     size_t index)
{
	vds_str_printf(out, "  <node id=\"%c%zu\">",
		       vds_graph_letter(node->kind), index);
	put_data(out, "kind", vds_graph_kind_str(node->kind));
	put_address(out, "address", node->address);
	put_data(out, "label", node->label);
	put_data(out, "detail", node->detail);
	if (node->drawn < node->degree)
		vds_str_printf(out, "<data key=\"edges_left_out\">%u</data>",
			       node->degree - node->drawn);
	vds_str_puts(out, "</node>\n");
}

static void put_edge(struct vds_str *out, const struct vds_graph *graph,
		     const struct vds_graph_edge *e)
{
	vds_str_printf(out, "  <edge source=\"%c%u\" target=\"%c%u\">",
		       vds_graph_letter(graph->nodes[e->from].kind), e->from,
		       vds_graph_letter(graph->nodes[e->to].kind), e->to);
	put_data(out, "label", e->label);
	put_address(out, "start", e->start);
	put_data(out, "grade", e->grade);
	vds_str_puts(out, "</edge>\n");
}

static struct vds_error *end(struct vds_render *render,
			     const struct vds_render_end *how,
			     struct vds_str *out)
{
	const struct vds_graph *graph = vds_graph_end(render);
	(void)how;
	vds_str_puts(out, head);
	vds_str_printf(out,
		       "  <data key=\"left_out\">%llu</data>"
		       "<data key=\"nodes_left_out\">%llu</data>"
		       "<data key=\"alone\">%llu</data>"
		       "<data key=\"known\">%llu</data>"
		       "<data key=\"images\">%llu</data>\n",
		       (unsigned long long)graph->cut_edges,
		       (unsigned long long)graph->cut_nodes,
		       (unsigned long long)graph->alone,
		       (unsigned long long)graph->known,
		       (unsigned long long)graph->images);
	vds_graph_write(graph, out, put_node, put_edge);
	vds_str_puts(out, " </graph>\n</graphml>\n");
	return out->failed ? &vds_enomem : NULL;
}

const struct vds_renderer vds_render_graphml = {
	.name = "graphml",
	.summary = "the same graph as GraphML",
	.ordered = true,
	.begin = vds_graph_begin,
	.row = vds_graph_row,
	.end = end,
	.deinit = vds_graph_deinit,
};
