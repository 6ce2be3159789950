/* SPDX-License-Identifier: Apache-2.0 */
/* Which nodes and edges of a graph are drawn. */
#ifndef VDS_RENDER_GRAPH_CHOOSE_H
#define VDS_RENDER_GRAPH_CHOOSE_H

#include "render/graph.h"

/*
 * Sets `chosen` and `drawn` of @nodes and @edges, of which @graph has the
 * numbers, and counts in @graph what isn't drawn. Edges of images go, where
 * there are others: @graph has fewer edges then. The lists are the caller's.
 */
void vds_graph_choose(struct vds_graph *graph, struct vds_graph_node *nodes,
		      struct vds_graph_edge *edges);

#endif
