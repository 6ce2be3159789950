/* SPDX-License-Identifier: Apache-2.0 */
/* What -r dot and -r graphml draw: the same nodes and edges. */
#ifndef VDS_RENDER_GRAPH_H
#define VDS_RENDER_GRAPH_H

#include "render/render.h"

struct vds_tree;

enum vds_graph_kind {
	VDS_GRAPH_PROCESS,
	VDS_GRAPH_SECTION,
	VDS_GRAPH_FINDING,
};

struct vds_graph_node {
	enum vds_graph_kind kind;
	uint64_t address;	/* EPROCESS, CONTROL_AREA; 0 for findings */
	/*
	 * For people: a name, escaped for terminals; `detail` is the whole path,
	 * or what a finding says; NULL = nothing more to say.
	 */
	const char *label, *detail;
	int score;		/* of interest; higher ones are drawn first */
	uint32_t degree;	/* edges, drawn or not */
	uint32_t drawn;		/* of them */
	bool image;		/* a section of an executable image */
	bool chosen;
};

struct vds_graph_edge {
	uint32_t from, to;	/* indexes of nodes; to a section or process */
	const char *label;	/* protection, "" for findings */
	uint64_t start;		/* first byte of the view; 0 = none */
	const char *grade;	/* how well it is proven, or NULL */
	bool writable, executable;	/* by the initial protection */
	bool chosen;
};

struct vds_graph {
	const struct vds_graph_node *nodes;
	size_t num_nodes;
	const struct vds_graph_edge *edges;
	size_t num_edges;
	/* What isn't drawn: past the bounds; and by default. */
	uint64_t cut_nodes, cut_edges;
	uint64_t alone;		/* views that share with nobody */
	uint64_t known;		/* views of regions that every process has */
	uint64_t images;	/* of images, where there is something else */
};

/* The letter that an id begins with: "p", "s", "f". */
char vds_graph_letter(enum vds_graph_kind kind);
/* "process", "section", "finding". */
const char *vds_graph_kind_str(enum vds_graph_kind kind);

/* Collects rows; shared by the renderers. */
struct vds_error *vds_graph_begin(struct vds_render *render,
				  struct vds_str *out);
struct vds_error *vds_graph_row(const struct vds_render *render,
				const struct vds_value *values,
				struct vds_str *out);
/* The tree that the rows are nodes of, for DOT; NULL: they are none. */
struct vds_tree *vds_graph_tree(const struct vds_render *render);
/* Chooses what is drawn. */
const struct vds_graph *vds_graph_end(struct vds_render *render);
void vds_graph_deinit(struct vds_render *render);

/* The nodes that are drawn, in the renderer's words, then the edges. */
void vds_graph_write(const struct vds_graph *graph, struct vds_str *out,
		     void put_node(struct vds_str *out,
				   const struct vds_graph_node *node,
				   size_t index),
		     void put_edge(struct vds_str *out,
				   const struct vds_graph *graph,
				   const struct vds_graph_edge *edge));

#endif
