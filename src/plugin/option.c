/* SPDX-License-Identifier: Apache-2.0 */
#include "plugin/option.h"

#include <string.h>

#include "base/str.h"
#include "base/util.h"
#include "row/units.h"

/* Elements of one list; more is a mistake on the command line. */
#define MAX_LIST 65536

int vds_options_find(const struct vds_options *options, const char *name)
{
	for (size_t i = 0; i < options->count; i++) {
		if (!strcmp(options->decls[i].name, name))
			return (int)i;
	}
	return -1;
}

static bool is_list(const struct vds_option *option)
{
	return option->kind == VDS_OPTION_UINTS ||
	       option->kind == VDS_OPTION_STRS;
}

int vds_options_next_positional(const struct vds_options *options)
{
	for (size_t i = 0; i < options->count; i++) {
		if ((options->decls[i].flags & VDS_OPTION_POSITIONAL) &&
		    (!options->values[i].given || is_list(&options->decls[i])))
			return (int)i;
	}
	return -1;
}

const char *vds_option_value_name(const struct vds_option *option)
{
	if (option->value_name)
		return option->value_name;
	switch (option->kind) {
	case VDS_OPTION_FLAG:
		return "";
	case VDS_OPTION_UINT:
		return "N";
	case VDS_OPTION_SIZE:
		return "SIZE";
	case VDS_OPTION_UINTS:
		return "N[,N...]";
	case VDS_OPTION_ENUM:
		return option->values ? option->values : "WORD";
	case VDS_OPTION_STR:
	case VDS_OPTION_STRS:
		break;
	}
	return "TEXT";
}

static struct vds_error *bad_value(const struct vds_option *option,
				   const char *text)
{
	return vds_error_create(VDS_ERROR_USAGE, "--%s: '%s' is not %s",
				option->name, text,
				vds_option_value_name(option));
}

/* Addresses are pasted from debuggers, numbers are typed. */
static bool parse_number(const struct vds_option *option, const char *text,
			 uint64_t *ret)
{
	return option->value_name && strstr(option->value_name, "ADDR") ?
		       vds_parse_address(text, ret) : vds_parse_u64(text, ret);
}

/* Doubles the list's memory when it is full; element size @size. */
static void *grow(struct vds_options *options, struct vds_option_value *value,
		  void *list, size_t size)
{
	if (value->count < value->cap)
		return list;
	if (value->count >= MAX_LIST)
		return NULL;
	size_t cap = value->cap ? value->cap * 2 : 8;
	void *bigger = vds_arena_calloc(&options->arena, cap, size);
	if (!bigger)
		return NULL;
	if (list)
		memcpy(bigger, list, value->count * size);
	value->cap = cap;
	return bigger;
}

static struct vds_error *give_uints(struct vds_options *options,
				    const struct vds_option *option,
				    struct vds_option_value *value,
				    const char *text)
{
	char *copy = vds_arena_strdup(&options->arena, text), *save;
	if (!copy)
		return &vds_enomem;
	char *word = strtok_r(copy, ",", &save);
	if (!word)
		return bad_value(option, text);
	for (; word; word = strtok_r(NULL, ",", &save)) {
		value->ints = grow(options, value, value->ints,
				   sizeof(*value->ints));
		if (!value->ints)
			return &vds_enomem;
		if (!parse_number(option, word,
				  &value->ints[value->count]))
			return bad_value(option, text);
		value->count++;
	}
	return NULL;
}

static bool is_word_of(const char *values, const char *text)
{
	size_t len = strlen(text);
	for (const char *v = values; v && len; v = strchr(v, '|')) {
		if (*v == '|')
			v++;
		if (!strncmp(v, text, len) && (!v[len] || v[len] == '|'))
			return true;
	}
	return false;
}

static struct vds_error *give(struct vds_options *options,
			      const struct vds_option *option,
			      struct vds_option_value *value, const char *text)
{
	switch (option->kind) {
	case VDS_OPTION_FLAG:
		value->u = 1;
		return NULL;
	case VDS_OPTION_UINT:
		return parse_number(option, text, &value->u) ?
			       NULL : bad_value(option, text);
	case VDS_OPTION_SIZE:
		return vds_parse_size(text, &value->u) ?
			       NULL : bad_value(option, text);
	case VDS_OPTION_UINTS:
		return give_uints(options, option, value, text);
	case VDS_OPTION_ENUM:
		if (!is_word_of(option->values, text))
			return bad_value(option, text);
		break;
	case VDS_OPTION_STR:
	case VDS_OPTION_STRS:
		break;
	}
	const char *copy = vds_arena_strdup(&options->arena, text);
	if (!copy)
		return &vds_enomem;
	value->s = copy;
	if (option->kind != VDS_OPTION_STRS)
		return NULL;
	value->strs = grow(options, value, (void *)value->strs,
			   sizeof(*value->strs));
	if (!value->strs)
		return &vds_enomem;
	value->strs[value->count++] = copy;
	return NULL;
}

struct vds_error *vds_options_give(struct vds_options *options, int index,
				   const char *text)
{
	struct vds_option_value *value = &options->values[index];
	if (!value->given)	/* what is given replaces the default */
		value->count = 0;
	value->set = value->given = true;
	return give(options, &options->decls[index], value, text);
}

struct vds_error *vds_options_init(struct vds_options *options,
				   const struct vds_plugin *plugin)
{
	*options = (struct vds_options){
		.decls = plugin->options,
		.count = plugin->num_options,
	};
	options->values = vds_arena_calloc(&options->arena,
					   options->count + 1,
					   sizeof(*options->values));
	if (!options->values)
		return &vds_enomem;
	for (size_t i = 0; i < options->count; i++) {
		const struct vds_option *option = &options->decls[i];
		if (!option->def)
			continue;
		struct vds_error *err = give(options, option,
					     &options->values[i], option->def);
		if (err) {
			vds_options_deinit(options);
			vds_error_destroy(err);
			return vds_error_create(VDS_ERROR_PLUGIN,
						"plugin %s: option --%s: the "
						"default '%s' is not a value",
						plugin->name, option->name,
						option->def);
		}
		options->values[i].set = true;
	}
	return NULL;
}

void vds_options_deinit(struct vds_options *options)
{
	vds_arena_deinit(&options->arena);
	options->values = NULL;
	options->count = 0;
}

struct vds_error *vds_options_finish(const struct vds_options *options)
{
	for (size_t i = 0; i < options->count; i++) {
		const struct vds_option *option = &options->decls[i];
		if (!(option->flags & VDS_OPTION_REQUIRED) ||
		    options->values[i].set)
			continue;
		return vds_error_create(
			VDS_ERROR_USAGE, "%s%s %s is missing",
			option->flags & VDS_OPTION_POSITIONAL ? "" : "--",
			option->name, vds_option_value_name(option));
	}
	return NULL;
}

const struct vds_option_value *
vds_options_get(const struct vds_options *options, const char *name)
{
	int index = vds_options_find(options, name);
	if (index < 0 || !options->values[index].set)
		return NULL;
	return &options->values[index];
}
