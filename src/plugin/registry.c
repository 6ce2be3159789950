/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/registry.h"

#include <string.h>

#include "plugin/loader.h"

static struct vds_plugin_entry *add_entry(struct vds_registry *registry)
{
	if (registry->count == registry->cap) {
		size_t cap = registry->cap ? registry->cap * 2 : 32;
		struct vds_plugin_entry *entries = vds_arena_calloc(
			&registry->arena, cap, sizeof(*entries));
		if (!entries)
			return NULL;
		if (registry->count)
			memcpy(entries, registry->entries,
			       registry->count * sizeof(*entries));
		registry->entries = entries;
		registry->cap = cap;
	}
	return &registry->entries[registry->count++];
}

struct vds_error *vds_registry_add(struct vds_registry *registry,
				   const struct vds_plugin *plugin)
{
	struct vds_plugin_entry *entry = add_entry(registry);
	if (!entry)
		return &vds_enomem;
	entry->name = plugin->name;
	entry->plugin = plugin;
	entry->has_abi = true;
	entry->abi_major = plugin->abi_major;
	entry->abi_minor = plugin->abi_minor;
	return NULL;
}

struct vds_error *vds_registry_init(struct vds_registry *registry,
				    const char *const *dirs, size_t num_dirs)
{
	*registry = (struct vds_registry){0};
	struct vds_error *err = vds_loader_dirs(registry, dirs, num_dirs);
	for (size_t i = 0; !err && vds_builtin_plugins[i]; i++)
		err = vds_registry_add(registry, vds_builtin_plugins[i]);
	if (err)
		vds_registry_deinit(registry);
	return err;
}

void vds_registry_deinit(struct vds_registry *registry)
{
	vds_arena_deinit(&registry->arena);
	*registry = (struct vds_registry){0};
}

static const struct vds_plugin_entry *
known(const struct vds_registry *registry, const char *name)
{
	for (size_t i = 0; i < registry->count; i++) {
		if (!strcmp(registry->entries[i].name, name))
			return &registry->entries[i];
	}
	return NULL;
}

/* *ret stays NULL if no folder has such a module. */
static struct vds_error *load_named(struct vds_registry *registry,
				    const char *name,
				    const struct vds_plugin_entry **ret)
{
	const char *path;
	struct vds_error *err = vds_loader_path(registry, name, &path);
	if (err || !path)
		return err;
	struct vds_plugin_entry *entry = add_entry(registry);
	if (!entry)
		return &vds_enomem;
	*ret = entry;
	return vds_loader_load(registry, path, entry);
}

struct vds_error *vds_registry_find(struct vds_registry *registry,
				    const char *name,
				    const struct vds_plugin_entry **ret)
{
	const struct vds_plugin_entry *entry = known(registry, name);
	if (!entry) {
		struct vds_error *err = load_named(registry, name, &entry);
		if (err)
			return err;
	}
	if (!entry)
		return vds_error_create(VDS_ERROR_USAGE,
					"no plugin or command is called '%s' "
					"('vadose plugins' lists them)", name);
	if (!entry->plugin)
		return vds_error_create(VDS_ERROR_PLUGIN,
					"plugin %s (%s) is refused: %s; %s",
					name, entry->path, entry->refusal,
					entry->mend);
	*ret = entry;
	return NULL;
}

struct vds_error *vds_registry_load_all(struct vds_registry *registry)
{
	struct vds_names names;
	struct vds_error *err = vds_loader_list(registry, &names);
	for (size_t i = 0; !err && i < names.count; i++) {
		struct vds_plugin_entry *entry = add_entry(registry);
		if (!entry)
			return &vds_enomem;
		err = vds_loader_load(registry, names.paths[i], entry);
	}
	return err;
}
