/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema (2020-12) of records, made from the columns' declarations. */
#ifndef VDS_RENDER_JSONSCHEMA_H
#define VDS_RENDER_JSONSCHEMA_H

#include "base/str.h"
#include "row/schema.h"

/*
 * Appends the schema of one kind of record as a JSON object. @plugin is the
 * only plugin that makes such records, or NULL: any does (run_start, ...).
 */
void vds_jsonschema_put(struct vds_str *out, const struct vds_schema *schema,
			const char *plugin);
/* Those of the host's own: note and run_end. */
struct vds_error *vds_jsonschema_put_note(struct vds_str *out);
void vds_jsonschema_put_run_end(struct vds_str *out);

#endif
