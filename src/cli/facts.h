/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of image, kernel and run before the first row. */
#ifndef VDS_CLI_FACTS_H
#define VDS_CLI_FACTS_H

#include "cli/args.h"
#include "nt/kernel.h"
#include "plugin/option.h"
#include "plugin/registry.h"
#include "row/schema.h"
#include "row/units.h"

#define VDS_MAX_FACTS 48

/* The run_start record, and what other records take from it. */
struct vds_facts {
	struct vds_arena arena;
	char image_id[33];
	char timestamp[VDS_TIME_LEN + 1];
	struct vds_schema schema;	/* of run_start */
	struct vds_value values[VDS_MAX_FACTS];
};

/*
 * The fingerprint of what was found (kernel identity, tables, times), which is
 * the same for the same memory in any container. 32 hex digits and a NUL.
 */
void vds_image_fingerprint(const struct vds_kernel *kernel, char out[33]);

struct vds_error *vds_facts_init(struct vds_facts *facts,
				 const struct vds_args *args,
				 const struct vds_image *image,
				 const struct vds_kernel *kernel,
				 const struct vds_plugin_entry *plugin,
				 const struct vds_options *options);
void vds_facts_deinit(struct vds_facts *facts);

/* The columns of run_start, for `vadose schema`. */
extern const struct vds_column vds_run_start_columns[];
extern const size_t vds_num_run_start_columns;

#endif
