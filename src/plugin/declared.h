/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of what a plugin from a file declares. */
#ifndef VDS_PLUGIN_DECLARED_H
#define VDS_PLUGIN_DECLARED_H

#include "plugin/option.h"
#include "row/schema.h"

/* [a-z0-9_]+, shorter than 64. */
bool vds_is_plugin_name(const char *name, size_t len);

/*
 * Why the descriptor (in this host's form, its lists still in theirs) can't be
 * that of plugin @name, or NULL.
 */
const char *vds_descriptor_fault(const struct vds_plugin *plugin,
				 const char *name);

/*
 * Columns and options, in this host's form. @is_common: whether no plugin may
 * have an option of that name; or NULL. VDS_ERROR_PLUGIN says what is wrong.
 */
struct vds_error *vds_declared_check(const struct vds_plugin *plugin,
				     bool (*is_common)(const char *name));

#endif
