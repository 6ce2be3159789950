/* SPDX-License-Identifier: Apache-2.0 */
/* The statements of a recipe: each reads the rest of its line. */
#ifndef MKSCENE_RECIPE_H
#define MKSCENE_RECIPE_H

#include "words.h"

#define KEY(type, name, kind, member) \
	{ name, kind, offsetof(struct type, member) }

struct vds_error *recipe_section(struct scene *scene, struct line *line);
struct vds_error *recipe_view(struct scene *scene, struct line *line);
struct vds_error *recipe_private(struct scene *scene, struct line *line);
struct vds_error *recipe_content(struct scene *scene, struct line *line);
struct vds_error *recipe_library(struct scene *scene, struct line *line);
struct vds_error *recipe_write(struct scene *scene, struct line *line);
struct vds_error *recipe_patch(struct scene *scene, struct line *line);
struct vds_error *recipe_handle(struct scene *scene, struct line *line);
struct vds_error *recipe_table(struct scene *scene, struct line *line);
struct vds_error *recipe_system_view(struct scene *scene, struct line *line);
struct vds_error *recipe_cache_view(struct scene *scene, struct line *line);

/* For scene_each(): puts the process into *@arg, the last one wins. */
struct vds_error *recipe_one_process(struct process *process, void *arg);

#endif
