/* SPDX-License-Identifier: Apache-2.0 */
/* Is what a plugin declares fit to be believed? Each fault is said in words. */
#include "plugin/declared.h"

#include <string.h>

#include "base/str.h"
#include "base/util.h"

#define MAX_OPTIONS 128

/* What the first ABI had: a smaller element was never built. */
#define FIRST_COLUMN_SIZE						\
	(offsetof(struct vds_column, ecs) + sizeof(const char *))
#define FIRST_OPTION_SIZE						\
	(offsetof(struct vds_option, doc) + sizeof(const char *))

/* A flag that is none of these means something that this host can't do. */
#define PLUGIN_FLAGS (VDS_PLUGIN_VERTICAL | VDS_PLUGIN_WITHOUT_TABLES)
#define COLUMN_FLAGS (VDS_COLUMN_KEY | VDS_COLUMN_GROUP | VDS_COLUMN_WIDE)
#define OPTION_FLAGS							\
	(VDS_OPTION_POSITIONAL | VDS_OPTION_REQUIRED | VDS_OPTION_ANSWERED_BY)

/* Kinds of records that every run has, of no plugin. */
static const char *const envelope_records[] = {"run_start", "run_end", "note"};

bool vds_is_plugin_name(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (!((name[i] >= 'a' && name[i] <= 'z') ||
		      (name[i] >= '0' && name[i] <= '9') || name[i] == '_'))
			return false;
	}
	return len > 0 && len < 64;
}

/* One line of UTF-8 that does nothing to a terminal; NULL is none at all. */
static bool is_line(const char *text)
{
	size_t len = text ? strlen(text) : 0, at = 0;
	while (at < len) {
		size_t before = at;
		int32_t c = vds_utf8_next(text, len, &at);
		/* A broken byte is one U+FFFD, which itself has three. */
		if (vds_is_unsafe_char(c) ||
		    (c == 0xfffd && at == before + 1))
			return false;
	}
	return true;
}

/* A path of the Elastic Common Schema, with room for what goes around it. */
static bool is_ecs_path(const char *path)
{
	size_t depth = 1;
	if (*path == '.' || !*path || path[strlen(path) - 1] == '.' ||
	    strstr(path, ".."))
		return false;
	for (; *path; path++) {
		if (*path == '.')
			depth++;
		else if (!vds_is_plugin_name(path, 1))
			return false;
	}
	return depth < VDS_MAX_DEPTH;
}

static bool is_record(const char *record)
{
	for (size_t i = 0; i < VDS_ARRAY_SIZE(envelope_records); i++) {
		if (record && !strcmp(record, envelope_records[i]))
			return false;
	}
	return record && vds_is_plugin_name(record, strlen(record));
}

/* An array of elements that tell their own size. */
static bool is_list(const void *elements, size_t size, size_t first_size,
		    size_t host_size)
{
	return elements && size >= first_size && size <= host_size &&
	       size % sizeof(void *) == 0;
}

const char *vds_descriptor_fault(const struct vds_plugin *plugin,
				 const char *name)
{
	if (!plugin->name || strcmp(plugin->name, name))
		return "the name in its descriptor isn't that of the file";
	if (!plugin->version || !*plugin->version || !plugin->summary ||
	    !*plugin->summary)
		return "its version or summary lacks";
	if (!is_line(plugin->version) || !is_line(plugin->summary))
		return "its version or summary isn't one line of text";
	if (!is_record(plugin->record))
		return "the kind of its records isn't [a-z0-9_]+, or is one "
		       "that every run has";
	if (plugin->flags & ~(uint32_t)PLUGIN_FLAGS)
		return "its descriptor has flags that this ABI doesn't know";
	if (plugin->scope != VDS_PER_PROCESS && plugin->scope != VDS_ONCE)
		return "its scope is unknown";
	if (!plugin->run)
		return "it has no run()";
	if (plugin->num_columns > VDS_MAX_COLUMNS ||
	    !is_list(plugin->columns, plugin->column_size, FIRST_COLUMN_SIZE,
		     sizeof(struct vds_column)))
		return "its columns are declared in an unknown form";
	if (plugin->num_options > MAX_OPTIONS ||
	    (plugin->num_options &&
	     !is_list(plugin->options, plugin->option_size,
		      FIRST_OPTION_SIZE, sizeof(struct vds_option))))
		return "its options are declared in an unknown form";
	return NULL;
}

static bool is_option_name(const char *name)
{
	size_t len = name ? strlen(name) : 0;
	return len > 0 && len < 64 && name[0] != '-' &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") == len;
}

static const char *option_fault(const struct vds_plugin *plugin, size_t index,
				bool (*is_common)(const char *name))
{
	const struct vds_option *option = &plugin->options[index];
	if (!is_option_name(option->name))
		return "its name isn't [a-z0-9_-]+";
	if (is_common && is_common(option->name))
		return "every plugin has one of that name";
	for (size_t i = 0; i < index; i++) {
		if (!strcmp(plugin->options[i].name, option->name))
			return "there are two of that name";
	}
	if (option->kind < VDS_OPTION_FLAG || option->kind > VDS_OPTION_ENUM)
		return "its kind is unknown";
	if (option->flags & ~(uint32_t)OPTION_FLAGS)
		return "it has flags that this ABI doesn't know";
	if (option->kind == VDS_OPTION_ENUM &&
	    (!option->values || !*option->values))
		return "its values lack";
	if (option->flags & VDS_OPTION_ANSWERED_BY &&
	    (!option->values || !vds_is_plugin_name(option->values,
						    strlen(option->values))))
		return "the plugin that answers it isn't named";
	if (!is_line(option->value_name) || !is_line(option->def) ||
	    !is_line(option->values) || !is_line(option->doc))
		return "what is said of it isn't one line of text";
	return NULL;
}

static struct vds_error *column_fault(const struct vds_plugin *plugin)
{
	for (size_t i = 0; i < plugin->num_columns; i++) {
		const struct vds_column *column = &plugin->columns[i];
		const char *fault = NULL;
		if (column->flags & ~(uint32_t)COLUMN_FLAGS)
			fault = "it has flags that this ABI doesn't know";
		else if (!is_line(column->title) || !is_line(column->unit) ||
			 !is_line(column->doc) || !is_line(column->ecs))
			fault = "what is said of it isn't one line of text";
		else if (column->ecs && !is_ecs_path(column->ecs))
			fault = "its ECS path isn't [a-z0-9_]+ separated by "
				"dots";
		if (fault)
			return vds_error_create(VDS_ERROR_PLUGIN,
						"column '%s': %s",
						column->name, fault);
	}
	return NULL;
}

struct vds_error *vds_declared_check(const struct vds_plugin *plugin,
				     bool (*is_common)(const char *name))
{
	struct vds_schema schema;
	struct vds_error *err = vds_schema_init(&schema, plugin);
	if (err)
		return err;
	vds_schema_deinit(&schema);
	err = column_fault(plugin);
	for (size_t i = 0; !err && i < plugin->num_options; i++) {
		const char *fault = option_fault(plugin, i, is_common);
		if (fault)
			err = vds_error_create(
				VDS_ERROR_PLUGIN, "option %zu ('--%s'): %s",
				i + 1, is_option_name(plugin->options[i].name) ?
				plugin->options[i].name : "", fault);
	}
	if (err)
		return err;
	/* A default that isn't of its option's kind. */
	struct vds_options options;
	err = vds_options_init(&options, plugin);
	if (!err)
		vds_options_deinit(&options);
	return err;
}
