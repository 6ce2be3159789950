/* SPDX-License-Identifier: Apache-2.0 */
/* The files that `vadose plugin new` writes, generated from plugins/sdk/. */
#ifndef VDS_CLI_TEMPLATE_H
#define VDS_CLI_TEMPLATE_H

#include <stddef.h>

struct vds_template {
	const char *file;	/* "plugin.c", "meson.build.in", "test.sh" */
	const char *text;	/* @NAME@ stands for the plugin's name */
};

extern const struct vds_template vds_templates[];
extern const size_t vds_num_templates;

#endif
