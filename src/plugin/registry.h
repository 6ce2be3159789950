/* SPDX-License-Identifier: Apache-2.0 */
/* All plugins that there are: built in, and found in folders. */
#ifndef VDS_PLUGIN_REGISTRY_H
#define VDS_PLUGIN_REGISTRY_H

#include "base/arena.h"
#include "base/sha256.h"
#include "vadose/plugin.h"

struct vds_plugin_entry {
	const char *name;
	const struct vds_plugin *plugin;	/* NULL if refused */
	const char *path;			/* NULL: built in */
	char sha256[VDS_SHA256_HEX_SIZE];	/* of the file; "" if built in */
	const char *refusal;			/* why not, or NULL */
	const char *mend;			/* what to do about it, or NULL */
	bool has_abi;				/* its header was found */
	uint32_t abi_major, abi_minor;
};

struct vds_registry {
	struct vds_arena arena;
	struct vds_plugin_entry *entries;
	size_t count, cap;
	const char **dirs;		/* searched for modules, in order */
	size_t num_dirs;
	/* Names that no plugin in a file, or option of one, may have; or NULL. */
	bool (*is_command)(const char *name);
	bool (*is_common_option)(const char *name);
};

/*
 * Knows the built-in plugins; modules are looked for in @dirs, then
 * $VADOSE_PLUGIN_PATH, then the folder of installed plugins. Never in the
 * working directory, unless that is named.
 */
struct vds_error *vds_registry_init(struct vds_registry *registry,
				    const char *const *dirs, size_t num_dirs);
/* Modules stay loaded: rows and notes may point into them. */
void vds_registry_deinit(struct vds_registry *registry);

/* Adds one of the host's own plugins (info). */
struct vds_error *vds_registry_add(struct vds_registry *registry,
				   const struct vds_plugin *plugin);

/*
 * The plugin called @name; loads NAME.so or NAME.lua if it isn't built in. Errors:
 * VDS_ERROR_USAGE (no such plugin), VDS_ERROR_PLUGIN (refused: why, and the
 * mend).
 */
struct vds_error *vds_registry_find(struct vds_registry *registry,
				    const char *name,
				    const struct vds_plugin_entry **ret);
/* Loads every module that can be found, so that all can be listed. */
struct vds_error *vds_registry_load_all(struct vds_registry *registry);

/* The plugins compiled in, NULL-terminated (generated from plugins/). */
extern const struct vds_plugin *const vds_builtin_plugins[];

#endif
