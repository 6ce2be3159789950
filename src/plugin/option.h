/* SPDX-License-Identifier: Apache-2.0 */
/* The values of a plugin's declared options. */
#ifndef VDS_PLUGIN_OPTION_H
#define VDS_PLUGIN_OPTION_H

#include "base/arena.h"
#include "vadose/error.h"
#include "vadose/plugin.h"

struct vds_option_value {
	bool set;		/* given, or has a default */
	bool given;
	uint64_t u;
	const char *s;
	uint64_t *ints;
	const char **strs;
	size_t count, cap;	/* of ints or strs */
};

/* Zero-initialised is valid: a plugin without options. */
struct vds_options {
	struct vds_arena arena;
	const struct vds_option *decls;
	size_t count;
	struct vds_option_value *values;
};

/* Applies the defaults; VDS_ERROR_PLUGIN if one doesn't parse. */
struct vds_error *vds_options_init(struct vds_options *options,
				   const struct vds_plugin *plugin);
void vds_options_deinit(struct vds_options *options);

/* Index of the option, or -1. */
int vds_options_find(const struct vds_options *options, const char *name);
/* Index of the first positional option not yet given (lists take all), or -1. */
int vds_options_next_positional(const struct vds_options *options);

/* Takes @text (NULL for a flag); VDS_ERROR_USAGE if it doesn't parse. */
struct vds_error *vds_options_give(struct vds_options *options, int index,
				   const char *text);
/* VDS_ERROR_USAGE if a required option lacks. */
struct vds_error *vds_options_finish(const struct vds_options *options);

/* The option's value if it is declared and set, else NULL. */
const struct vds_option_value *
vds_options_get(const struct vds_options *options, const char *name);

/* "N", "TEXT", "none|pte": what stands after the option in --help. */
const char *vds_option_value_name(const struct vds_option *option);

#endif
