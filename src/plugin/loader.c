/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/loader.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "config.h"
#include "plugin/declared.h"
#include "plugin/script.h"

#if VDS_MODULES
#include <dlfcn.h>
#endif

/* A plugin is a few dozen KB; this keeps junk from being read. */
#define MAX_MODULE ((size_t)64 << 20)

/* How the file of a plugin ends: a module, or a Lua script. */
#define MODULE_SUFFIX ".so"
#define SCRIPT_SUFFIX ".lua"

/* Length of the name in front of @suffix; 0 if @file doesn't end in it. */
static size_t stem(const char *file, const char *suffix)
{
	size_t len = strlen(file), end = strlen(suffix);
	return len > end && !strcmp(file + len - end, suffix) ? len - end : 0;
}

/* Whatever the two paths look like: a folder is searched once. */
static bool is_same_dir(const char *a, const char *b)
{
	struct stat sa, sb;
	return !strcmp(a, b) ||
	       (!stat(a, &sa) && !stat(b, &sb) && sa.st_dev == sb.st_dev &&
		sa.st_ino == sb.st_ino);
}

static struct vds_error *add_dir(struct vds_registry *registry, const char *dir)
{
	for (size_t i = 0; i < registry->num_dirs; i++) {
		if (is_same_dir(registry->dirs[i], dir))
			return NULL;
	}
	const char **dirs = vds_arena_calloc(&registry->arena,
					     registry->num_dirs + 1,
					     sizeof(*dirs));
	const char *copy = vds_arena_strdup(&registry->arena, dir);
	if (!dirs || !copy)
		return &vds_enomem;
	if (registry->num_dirs)
		memcpy(dirs, registry->dirs,
		       registry->num_dirs * sizeof(*dirs));
	dirs[registry->num_dirs++] = copy;
	registry->dirs = dirs;
	return NULL;
}

struct vds_error *vds_loader_dirs(struct vds_registry *registry,
				  const char *const *dirs, size_t num_dirs)
{
	struct vds_error *err = NULL;
	struct stat st;
	for (size_t i = 0; !err && i < num_dirs; i++) {
		/* One that was named is there; the others may be. */
		if (stat(dirs[i], &st) || !S_ISDIR(st.st_mode))
			return vds_error_create(VDS_ERROR_NO_INPUT,
						"-p %s: no such folder",
						dirs[i]);
		if (access(dirs[i], R_OK | X_OK))
			return vds_error_errno(VDS_ERROR_NO_INPUT, errno,
					       "-p %s", dirs[i]);
		err = add_dir(registry, dirs[i]);
	}
	const char *env = getenv("VADOSE_PLUGIN_PATH");
	_cleanup_free_ char *copy = strdup(env ? env : "");
	if (!copy)
		return &vds_enomem;
	char *save, *dir = strtok_r(copy, ":", &save);
	for (; !err && dir; dir = strtok_r(NULL, ":", &save)) {
		/* A relative one would depend on the working directory. */
		if (*dir == '/')
			err = add_dir(registry, dir);
	}
	return err ? err : add_dir(registry, VDS_PLUGIN_DIR);
}

static struct vds_error *path_with(struct vds_registry *registry,
				   const char *dir, const char *name,
				   const char *suffix, const char **ret)
{
	struct stat st;
	char *path = vds_arena_printf(&registry->arena, "%s/%s%s", dir, name,
				      suffix);
	if (!path)
		return &vds_enomem;
	/* Whatever it is: what can't be loaded is refused, and said. */
	if (!lstat(path, &st))
		*ret = path;
	return NULL;
}

struct vds_error *vds_loader_path(struct vds_registry *registry,
				  const char *name, const char **ret)
{
	struct vds_error *err = NULL;
	*ret = NULL;
	if (!vds_is_plugin_name(name, strlen(name)))
		return NULL;
	for (size_t i = 0; !err && !*ret && i < registry->num_dirs; i++) {
		const char *dir = registry->dirs[i];
		err = path_with(registry, dir, name, MODULE_SUFFIX, ret);
		if (!err && !*ret)
			err = path_with(registry, dir, name, SCRIPT_SUFFIX,
					ret);
	}
	return err;
}

/* By name; of one name the module goes first, as vds_loader_path() has it. */
static int compare_names(const void *a, const void *b)
{
	const char *left = *(const char *const *)a;
	const char *right = *(const char *const *)b;
	size_t left_len = stem(left, MODULE_SUFFIX);
	size_t right_len = stem(right, MODULE_SUFFIX);
	bool left_module = left_len, right_module = right_len;
	if (!left_module)
		left_len = stem(left, SCRIPT_SUFFIX);
	if (!right_module)
		right_len = stem(right, SCRIPT_SUFFIX);
	int order = memcmp(left, right, VDS_MIN(left_len, right_len));
	if (order)
		return order;
	if (left_len != right_len)
		return left_len < right_len ? -1 : 1;
	return right_module - left_module;
}

static struct vds_error *list_dir(struct vds_registry *registry,
				  const char *dir, struct vds_names *names)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	size_t first = names->count;
	while (d && (entry = readdir(d))) {
		if (!stem(entry->d_name, MODULE_SUFFIX) &&
		    !stem(entry->d_name, SCRIPT_SUFFIX))
			continue;
		if (names->count == names->cap) {
			size_t cap = names->cap ? names->cap * 2 : 16;
			const char **paths = vds_arena_calloc(
				&registry->arena, cap, sizeof(*paths));
			if (paths && names->count)
				memcpy(paths, names->paths,
				       names->count * sizeof(*paths));
			if (!paths)
				break;
			names->paths = paths;
			names->cap = cap;
		}
		char *path = vds_arena_printf(&registry->arena, "%s/%s", dir,
					      entry->d_name);
		if (!path)
			break;
		names->paths[names->count++] = path;
	}
	if (d)
		closedir(d);
	if (names->count > first)
		qsort(names->paths + first, names->count - first,
		      sizeof(*names->paths), compare_names);
	return NULL;
}

struct vds_error *vds_loader_list(struct vds_registry *registry,
				  struct vds_names *ret)
{
	struct vds_error *err = NULL;
	*ret = (struct vds_names){0};
	for (size_t i = 0; !err && i < registry->num_dirs; i++)
		err = list_dir(registry, registry->dirs[i], ret);
	return err;
}

/* Marks the entry as refused. Both strings are copied. */
static struct vds_error *refuse(struct vds_registry *registry,
				struct vds_plugin_entry *entry,
				const char *reason, const char *mend)
{
	entry->refusal = vds_arena_strdup(&registry->arena, reason);
	entry->mend = vds_arena_strdup(&registry->arena, mend);
	return entry->refusal && entry->mend ? NULL : &vds_enomem;
}

#if VDS_MODULES
/* Why the ABI in the header can't be served, or NULL; *ret_mend what to do. */
static const char *abi_fault(struct vds_registry *registry,
			     const struct vds_abi_header *abi,
			     const char **ret_mend)
{
	/* What the first version of the ABI had: a smaller one is broken. */
	const size_t smallest = offsetof(struct vds_plugin, run) +
				sizeof(((struct vds_plugin *)0)->run);
	bool newer = abi->major > VDS_ABI_MAJOR ||
		     (abi->major == VDS_ABI_MAJOR &&
		      abi->minor > VDS_ABI_MINOR);
	*ret_mend = newer ? "update vadose, or rebuild the plugin against its "
			    "headers" :
			    "rebuild it against the headers of this vadose";
	if (newer || abi->major != VDS_ABI_MAJOR) {
		const char *text = vds_arena_printf(
			&registry->arena, "it was built for plugin ABI %u.%u, "
			"this vadose has %u.%u", abi->major, abi->minor,
			VDS_ABI_MAJOR, VDS_ABI_MINOR);
		return text ? text : "out of memory";
	}
	if (abi->size < smallest || (abi->minor == VDS_ABI_MINOR &&
				     abi->size > sizeof(struct vds_plugin)))
		return "the size in its descriptor is impossible";
	return NULL;
}

#endif

/* Takes the descriptor, in this host's form, unless it is faulty. */
static struct vds_error *accept(struct vds_registry *registry,
				struct vds_plugin_entry *entry,
				const struct vds_plugin *plugin,
				const char *mend)
{
	struct vds_error *err = vds_declared_check(plugin,
						   registry->is_common_option);
	if (err) {
		struct vds_error *nomem = refuse(registry, entry, err->message,
						 mend);
		vds_error_destroy(err);
		return nomem;
	}
	entry->plugin = plugin;
	return NULL;
}

#if VDS_MODULES
/* Elements of @from_size bytes, copied into elements of @to_size, zero-padded. */
static void *widen(struct vds_arena *arena, const void *from, size_t count,
		   size_t from_size, size_t to_size)
{
	char *to = vds_arena_calloc(arena, count + 1, to_size);
	size_t n = VDS_MIN(from_size, to_size);
	for (size_t i = 0; to && i < count; i++)
		memcpy(to + i * to_size, (const char *)from + i * from_size, n);
	return to;
}

/* The module's descriptor in this host's form, zero where it is older. */
static struct vds_plugin *adopt(struct vds_arena *arena,
				const struct vds_plugin *theirs, size_t size)
{
	struct vds_plugin *plugin = vds_arena_calloc(arena, 1,
						     sizeof(*plugin));
	if (plugin)
		memcpy(plugin, theirs, VDS_MIN(size, sizeof(*plugin)));
	return plugin;
}

static bool adopt_lists(struct vds_arena *arena, struct vds_plugin *plugin)
{
	plugin->columns = widen(arena, plugin->columns, plugin->num_columns,
				plugin->column_size,
				sizeof(struct vds_column));
	plugin->options = widen(arena, plugin->options, plugin->num_options,
				plugin->option_size,
				sizeof(struct vds_option));
	return plugin->columns && plugin->options;
}

/* The code of the module may run from here on. */
static struct vds_error *open_module(struct vds_registry *registry,
				     const char *symbol,
				     const struct vds_abi_header *abi,
				     struct vds_plugin_entry *entry)
{
	void *module = dlopen(entry->path, RTLD_NOW | RTLD_LOCAL);
	const struct vds_plugin *theirs = module ? dlsym(module, symbol) : NULL;
	if (!theirs)
		return refuse(registry, entry, dlerror(),
			      "rebuild it against the headers of this vadose");
	/* A constructor may have written there; the file was what was judged. */
	if (theirs->abi_major != abi->major || theirs->abi_minor != abi->minor ||
	    theirs->size != abi->size || theirs->flags != abi->flags)
		return refuse(registry, entry,
			      "its descriptor isn't the one in its file",
			      "make the descriptor const, with one symbol");
	struct vds_plugin *plugin = adopt(&registry->arena, theirs, abi->size);
	if (!plugin)
		return &vds_enomem;
	const char *fault = vds_descriptor_fault(plugin, entry->name);
	if (fault)
		return refuse(registry, entry, fault,
			      "correct its descriptor (man vadose-plugin)");
	if (!adopt_lists(&registry->arena, plugin))
		return &vds_enomem;
	return accept(registry, entry, plugin,
		      "correct its columns and options (man vadose-plugin)");
}
#endif

static void hash(const void *data, size_t len, char out[VDS_SHA256_HEX_SIZE])
{
	struct vds_sha256 stream;
	uint8_t digest[VDS_SHA256_SIZE];
	vds_sha256_init(&stream);
	vds_sha256_update(&stream, data, len);
	vds_sha256_final(&stream, digest);
	vds_sha256_hex(digest, out);
}

/* Who has the name already, or NULL: no run would ever reach this entry. */
static const char *taken_by(struct vds_registry *registry,
			    const struct vds_plugin_entry *entry)
{
	if (registry->is_command && registry->is_command(entry->name))
		return "a command of vadose has this name";
	for (size_t i = 0; i < registry->count; i++) {
		const struct vds_plugin_entry *other = &registry->entries[i];
		if (other == entry || !other->name ||
		    strcmp(other->name, entry->name))
			continue;
		const char *text = vds_arena_printf(
			&registry->arena, "another plugin has this name (%s)",
			other->path ? other->path : "built in");
		return text ? text : "another plugin has this name";
	}
	return NULL;
}

#if VDS_MODULES
static struct vds_error *load_module(struct vds_registry *registry,
				     struct vds_plugin_entry *entry,
				     const char *data, size_t len)
{
	struct vds_abi_header abi;
	char symbol[80];
	snprintf(symbol, sizeof(symbol), "vds_plugin_%s", entry->name);
	const char *mend;
	const char *fault = vds_elf_header(data, len, symbol, &abi, &mend);
	if (fault)
		return refuse(registry, entry, fault, mend);
	entry->has_abi = true;
	entry->abi_major = abi.major;
	entry->abi_minor = abi.minor;
	fault = abi_fault(registry, &abi, &mend);
	if (fault)
		return refuse(registry, entry, fault, mend);
	return open_module(registry, symbol, &abi, entry);
}
#else
static struct vds_error *load_module(struct vds_registry *registry,
				     struct vds_plugin_entry *entry,
				     const char *data, size_t len)
{
	(void)data;
	(void)len;
	return refuse(registry, entry, "this vadose was built without modules",
		      "build the plugin in (plugins/meson.build)");
}
#endif

static struct vds_error *load_script(struct vds_registry *registry,
				     struct vds_plugin_entry *entry,
				     const char *data, size_t len)
{
	static const char mend[] = "correct the script, or use a vadose with "
				   "Lua (man vadose-plugin)";
	struct vds_plugin *plugin;
	const char *fault;
	struct vds_error *err = vds_script_load(&registry->arena, entry->name,
						data, len, &plugin, &fault);
	if (err)
		return err;
	if (!fault)
		fault = vds_descriptor_fault(plugin, entry->name);
	if (fault)
		return refuse(registry, entry, fault, mend);
	entry->has_abi = true;
	entry->abi_major = plugin->abi_major;
	entry->abi_minor = plugin->abi_minor;
	return accept(registry, entry, plugin, mend);
}

struct vds_error *vds_loader_load(struct vds_registry *registry,
				  const char *path,
				  struct vds_plugin_entry *entry)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	_cleanup_free_ char *data = NULL;
	size_t script_len = stem(base, SCRIPT_SUFFIX), len;
	size_t name_len = script_len ? script_len : stem(base, MODULE_SUFFIX);
	*entry = (struct vds_plugin_entry){.path = path};
	entry->name = vds_arena_strndup(&registry->arena, base, name_len);
	if (!entry->name)
		return &vds_enomem;
	if (!vds_is_plugin_name(base, name_len))
		return refuse(registry, entry, script_len ?
			      "its name isn't [a-z0-9_]+.lua" :
			      "its name isn't [a-z0-9_]+.so",
			      "rename the file and the plugin");
	const char *taken = taken_by(registry, entry);
	if (taken)
		return refuse(registry, entry, taken,
			      "rename the file and the plugin");
	struct vds_error *err = vds_file_slurp(
		path, script_len ? VDS_SCRIPT_MAX : MAX_MODULE, &data, &len);
	if (err) {
		/* The path stands before it wherever it is said. */
		size_t skip = strncmp(err->message, path, strlen(path)) ?
				      0 : strlen(path) + strspn(
				      err->message + strlen(path), ": ");
		struct vds_error *nomem = refuse(registry, entry,
						 err->message + skip,
						 "make it a file that can be read, or take it out of the folder");
		vds_error_destroy(err);
		return nomem;
	}
	hash(data, len, entry->sha256);
	return script_len ? load_script(registry, entry, data, len) :
			    load_module(registry, entry, data, len);
}
