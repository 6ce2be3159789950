/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows that are nodes of a binary tree (vad.node with vad.left and vad.right), as
 * a Graphviz picture: one cluster per process. Used by -r dot.
 */
#ifndef VDS_RENDER_TREE_H
#define VDS_RENDER_TREE_H

#include "render/render.h"

struct vds_tree;

/* True if rows of @schema are such nodes. */
bool vds_tree_fits(const struct vds_schema *schema);

/* Writes the head of the picture. */
struct vds_error *vds_tree_begin(const struct vds_schema *schema,
				 struct vds_str *out, struct vds_tree **ret);
struct vds_error *vds_tree_row(struct vds_tree *tree,
			       const struct vds_value *values,
			       struct vds_str *out);
struct vds_error *vds_tree_end(struct vds_tree *tree, struct vds_str *out);
void vds_tree_destroy(struct vds_tree *tree);

/* @s between double quotes, for DOT; NULL is empty. */
void vds_dot_put_quoted(struct vds_str *out, const char *s);

#endif
