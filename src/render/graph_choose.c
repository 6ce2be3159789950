/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A graph that nobody can read helps nobody: the most telling sections (or the
 * gravest findings) are drawn, up to a few dozen, and what is left out is
 * counted and said.
 */
#include "render/graph_choose.h"

#include <stdlib.h>

#include "base/util.h"

/* What is drawn at most. */
#define MAX_SECTIONS 24
#define MAX_PROCESSES 40
#define MAX_FINDINGS 40
#define MAX_EDGES 80
/* Edges of one section, if there are others. */
#define MAX_OF_SECTION 12
struct draft {
	struct vds_graph *graph;	/* its counts */
	struct vds_graph_node *nodes;
	struct vds_graph_edge *edges;
};

static bool is_of_image(const struct draft *draft,
			const struct vds_graph_edge *edge)
{
	return draft->nodes[edge->from].kind == VDS_GRAPH_PROCESS &&
	       draft->nodes[edge->to].image;
}

/*
 * That everybody maps ntdll.dll says nothing: images are drawn if nothing else
 * was asked for.
 */
static void leave_out_images(struct draft *draft)
{
	size_t kept = 0, images = 0;
	for (size_t i = 0; i < draft->graph->num_edges; i++)
		images += is_of_image(draft, &draft->edges[i]);
	if (images == draft->graph->num_edges)
		return;
	for (size_t i = 0; i < draft->graph->num_edges; i++) {
		const struct vds_graph_edge e = draft->edges[i];
		if (!is_of_image(draft, &e)) {
			draft->edges[kept++] = e;
			continue;
		}
		draft->nodes[e.from].degree--;
		draft->nodes[e.to].degree--;
		draft->graph->images++;
	}
	draft->graph->num_edges = kept;
}

/* An edge, with what its place in the drawing depends on. */
struct ranked {
	int score;		/* of the section, or of the finding */
	uint32_t hub;		/* that node */
	uint32_t degree;	/* of the other one */
	uint32_t edge;
};

static int compare(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* Best first; a section's processes by how much they have to do with others. */
static int compare_ranked(const void *pa, const void *pb)
{
	const struct ranked *a = pa, *b = pb;
	if (a->score != b->score)
		return a->score > b->score ? -1 : 1;
	if (a->hub != b->hub)
		return compare(a->hub, b->hub);
	if (a->degree != b->degree)
		return a->degree > b->degree ? -1 : 1;
	return compare(a->edge, b->edge);
}

static struct ranked *rank(const struct draft *draft, size_t *ret_hubs)
{
	struct ranked *list = vds_malloc_array(draft->graph->num_edges + 1,
					       sizeof(*list));
	for (size_t i = 0; list && i < draft->graph->num_edges; i++) {
		const struct vds_graph_edge *e = &draft->edges[i];
		bool finding = draft->nodes[e->from].kind == VDS_GRAPH_FINDING;
		uint32_t hub = finding ? e->from : e->to;
		list[i] = (struct ranked){
			.score = draft->nodes[hub].score, .hub = hub,
			.degree = finding ? 0 : draft->nodes[e->from].degree,
			.edge = (uint32_t)i};
	}
	if (list)
		qsort(list, draft->graph->num_edges, sizeof(*list),
		      compare_ranked);
	*ret_hubs = 0;
	for (size_t i = 0; list && i < draft->graph->num_edges; i++)
		*ret_hubs += !i || list[i].hub != list[i - 1].hub;
	return list;
}

/* Room for nodes of each kind, and for edges. */
struct room {
	uint32_t left[3], edges, of_section;
};

static bool take_node(struct draft *draft, uint32_t index, struct room *room)
{
	struct vds_graph_node *node = &draft->nodes[index];
	if (!node->chosen && !room->left[node->kind])
		return false;
	if (!node->chosen)
		room->left[node->kind]--;
	return node->chosen = true;
}

static bool take_edge(struct draft *draft, struct vds_graph_edge *edge,
		      struct room *room)
{
	struct vds_graph_node *from = &draft->nodes[edge->from];
	struct vds_graph_node *to = &draft->nodes[edge->to];
	if (!room->edges || (to->kind == VDS_GRAPH_SECTION &&
			     to->drawn >= room->of_section))
		return false;
	/* Both or none: no node is drawn for an edge that isn't. */
	if ((!from->chosen && !room->left[from->kind]) ||
	    (!to->chosen && !room->left[to->kind]))
		return false;
	take_node(draft, edge->from, room);
	take_node(draft, edge->to, room);
	room->edges--;
	from->drawn++;
	to->drawn++;
	return edge->chosen = true;
}

/* Findings about nothing that is drawn (a hidden driver) stand alone. */
static void take_lone_findings(struct draft *draft, struct room *room)
{
	for (size_t i = 0; i < draft->graph->num_nodes; i++) {
		if (draft->nodes[i].kind == VDS_GRAPH_FINDING &&
		    !draft->nodes[i].degree)
			take_node(draft, (uint32_t)i, room);
	}
}

static void choose(struct draft *draft)
{
	size_t num_hubs;
	_cleanup_free_ struct ranked *list = rank(draft, &num_hubs);
	struct room room = {
		.left = {[VDS_GRAPH_PROCESS] = MAX_PROCESSES,
			 [VDS_GRAPH_SECTION] = MAX_SECTIONS,
			 [VDS_GRAPH_FINDING] = MAX_FINDINGS},
		.edges = MAX_EDGES,
	};
	room.of_section = (uint32_t)VDS_MAX(
		(size_t)MAX_OF_SECTION,
		num_hubs ? MAX_EDGES / num_hubs : (size_t)MAX_EDGES);
	take_lone_findings(draft, &room);
	for (size_t i = 0; list && i < draft->graph->num_edges; i++)
		draft->graph->cut_edges += !take_edge(
			draft, &draft->edges[list[i].edge], &room);
	for (size_t i = 0; i < draft->graph->num_nodes; i++) {
		const struct vds_graph_node *node = &draft->nodes[i];
		draft->graph->cut_nodes += !node->chosen &&
			(node->degree || node->kind == VDS_GRAPH_FINDING);
	}
}

void vds_graph_choose(struct vds_graph *graph, struct vds_graph_node *nodes,
		      struct vds_graph_edge *edges)
{
	struct draft draft = {graph, nodes, edges};
	leave_out_images(&draft);
	choose(&draft);
}
