/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugins in files: modules (NAME.so) and Lua scripts (NAME.lua). A module's
 * header is read from the file, before any of its code runs; whatever doesn't
 * fit is refused with the reason and the mend.
 */
#ifndef VDS_PLUGIN_LOADER_H
#define VDS_PLUGIN_LOADER_H

#include "plugin/registry.h"

/*
 * The folders to search: @dirs, $VADOSE_PLUGIN_PATH, the installed one. Errors:
 * one of @dirs is not there; out of memory.
 */
struct vds_error *vds_loader_dirs(struct vds_registry *registry,
				  const char *const *dirs, size_t num_dirs);

/*
 * Path of the module or script called @name (in the registry's arena), or NULL.
 * Its folder comes from the registry's list alone; within one, modules go first.
 */
struct vds_error *vds_loader_path(struct vds_registry *registry,
				  const char *name, const char **ret);

/*
 * Fills @entry for the module or script at @path: loaded, or refused. The error is only
 * ever out of memory.
 */
struct vds_error *vds_loader_load(struct vds_registry *registry,
				  const char *path,
				  struct vds_plugin_entry *entry);

/* Names of all modules and scripts in the folders, in folder order, then by name. */
struct vds_names {
	const char **paths;
	size_t count, cap;
};
struct vds_error *vds_loader_list(struct vds_registry *registry,
				  struct vds_names *ret);

/* plugin/elf.c: the first 16 bytes of a descriptor, out of a file's bytes. */
struct vds_abi_header {
	uint32_t major, minor, size, flags;
};
/*
 * Finds the data symbol @symbol of the shared object in @data. NULL, or why
 * not and what to do: static strings. Nothing of the file is believed.
 */
const char *vds_elf_header(const void *data, size_t len, const char *symbol,
			   struct vds_abi_header *ret, const char **ret_mend);

#endif
