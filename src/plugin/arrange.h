/* SPDX-License-Identifier: Apache-2.0 */
/* --sort: a sink that holds all rows back and passes them on in order. */
#ifndef VDS_PLUGIN_ARRANGE_H
#define VDS_PLUGIN_ARRANGE_H

#include "plugin/session.h"

/* Bytes of rows that may be held; then VDS_ERROR_USAGE tells to narrow them. */
#define VDS_ARRANGE_MAX ((size_t)192 << 20)

struct vds_arrange {
	struct vds_sink sink;		/* first: what the session feeds */
	struct vds_sink *next;
	const struct vds_schema *schema;
	uint64_t limit;			/* rows passed on, 0 = all */
	size_t max_bytes;
	struct vds_rowbuf rows;
	struct vds_tally tally;		/* of the rows passed on */
	size_t num_keys;
	struct {
		size_t column;
		bool descending;
	} keys[16];
};

/* @keys: columns separated by commas, '-' before one = descending. */
struct vds_error *vds_arrange_init(struct vds_arrange *arrange,
				   const char *keys,
				   const struct vds_schema *schema,
				   struct vds_sink *next);
void vds_arrange_deinit(struct vds_arrange *arrange);

#endif
