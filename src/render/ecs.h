/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records in the Elastic Common Schema: columns that declare an ECS path go
 * there, all others under vadose.*; ECS has no fields for memory regions.
 */
#ifndef VDS_RENDER_ECS_H
#define VDS_RENDER_ECS_H

#include "render/record.h"

#define VDS_ECS_VERSION "8.11.0"

/* How the records of one kind are written. */
struct vds_ecs {
	struct vds_arena arena;
	const struct vds_schema *source;
	struct vds_schema schema;	/* the same columns under ECS's names */
	struct vds_record_head head;
	const char *image_id, *plugin, *version;
};

/* @source and the strings are borrowed. */
struct vds_error *vds_ecs_init(struct vds_ecs *ecs,
			       const struct vds_schema *source,
			       const char *timestamp, const char *image_id,
			       const char *plugin, const char *version);
/* Safe on a zeroed one. */
void vds_ecs_deinit(struct vds_ecs *ecs);
/* As vds_record_put(), with the same id. */
struct vds_error *vds_ecs_put(const struct vds_ecs *ecs,
			      const struct vds_value *values,
			      struct vds_str *out);

#endif
