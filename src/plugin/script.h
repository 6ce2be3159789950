/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugins written as one Lua script. To the host they are descriptors like any
 * other; the script's text stands behind them, and each run() executes it in a
 * state of its own.
 */
#ifndef VDS_PLUGIN_SCRIPT_H
#define VDS_PLUGIN_SCRIPT_H

#include "base/arena.h"
#include "vadose/plugin.h"

/* Bytes of a script; a larger one is no script. */
#define VDS_SCRIPT_MAX ((size_t)1 << 20)

/* Lives in the registry's arena; immutable once it is loaded. */
struct vds_script {
	struct vds_plugin plugin;	/* what the session points to */
	const char *name;		/* of the file, without ".lua" */
	const char *text;
	size_t len;
};

/*
 * Executes the script in @text (copied into @arena) to learn what it declares.
 * *ret is NULL if it is refused: then *ret_fault (in @arena) says where, why.
 * The error is only ever out of memory.
 */
struct vds_error *vds_script_load(struct vds_arena *arena, const char *name,
				  const char *text, size_t len,
				  struct vds_plugin **ret,
				  const char **ret_fault);

#endif
