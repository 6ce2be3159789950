/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/args.h"

#include <string.h>

#include "base/str.h"
#include "base/util.h"

enum id {
	IMAGE, RENDERER, OUT, PLUGIN_DIR, PROFILE_DIR, QUIET, VERBOSE, HELP,
	VERSION, THREADS, DTB, KERNEL_BASE, PROFILE, PROFILE_MATCH, FORMAT,
	OBJECT, ACQUIRED_AT, PROGRESS, PID, PROCESS, LIMIT, FIELDS, SORT, WHERE,
	FAIL_ON, HASH,
};

struct option {
	enum id id;
	char letter;		/* 0 = none */
	const char *name;
	const char *value;	/* NULL: a flag */
	const char *doc;
};

static const struct option options[] = {
	{IMAGE, 'f', "file", "IMAGE", "the memory image (read only, always)"},
	{RENDERER, 'r', "renderer", "NAME", "how rows look (see below)"},
	{OUT, 'o', "output", "FILE", "write there, whole or not at all"},
	{PROFILE_DIR, 's', "profile-dir", "DIR", "look for profiles there first"},
	{PLUGIN_DIR, 'p', "plugin-dir", "DIR", "look for plugins there first"},
	{THREADS, 'j', "threads", "N", "number of threads (default: all processors)"},
	{QUIET, 'q', "quiet", NULL, "only errors on stderr"},
	{VERBOSE, 'v', "verbose", NULL, "more on stderr"},
	{PROGRESS, 0, "progress", "WHEN", "auto, always or never"},
	{HELP, 'h', "help", NULL, "this page, or that of the plugin"},
	{VERSION, 0, "version", NULL, "the version"},
	{HASH, 0, "hash", NULL, "put the image's SHA-256 into run_start"},
	{DTB, 0, "dtb", "ADDR", "physical address of the top page table"},
	{KERNEL_BASE, 0, "kernel-base", "ADDR", "virtual address of the kernel"},
	{PROFILE, 0, "profile", "FILE", "use this profile"},
	{PROFILE_MATCH, 0, "profile-match", "HOW", "exact: no other layout of the build"},
	{FORMAT, 0, "format", "NAME", "the image's container format"},
	{OBJECT, 0, "object", "URN", "which of several memories of an AFF4 volume"},
	{ACQUIRED_AT, 0, "acquired-at", "TIME", "if the image doesn't say: 2020-10-08T17:21:44Z"},
	{PID, 0, "pid", "N[,N...]", "only these processes"},
	{PROCESS, 0, "process", "GLOB", "only processes of such a name or path, or with this EPROCESS"},
	{WHERE, 0, "where", "EXPR", "only such rows: 'size > 64K and name ~ temp'"},
	{FIELDS, 0, "fields", "A,B", "only these columns"},
	{SORT, 0, "sort", "A,-B", "order of rows; '-' = descending"},
	{LIMIT, 0, "limit", "N", "stop after that many rows"},
	{FAIL_ON, 0, "fail-on", "HOW", "exit 2 if there is any row (rows), or one of that severity"},
};

static struct vds_error *push(struct vds_args *args, struct vds_list *list,
			      const char *item)
{
	if (list->count == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 8;
		const char **items = vds_arena_calloc(&args->arena, cap,
						      sizeof(*items));
		if (!items)
			return &vds_enomem;
		if (list->count)
			memcpy(items, list->items,
			       list->count * sizeof(*items));
		list->items = items;
		list->cap = cap;
	}
	list->items[list->count++] = item;
	return NULL;
}

static bool set_word(const char **to, const char *value, const char *words)
{
	size_t len = strlen(value);
	for (const char *w = words; w && len; w = strchr(w, '|')) {
		w += *w == '|';
		if (!strncmp(w, value, len) && (!w[len] || w[len] == '|')) {
			*to = value;
			return true;
		}
	}
	return false;
}

static bool set_address(bool *has, uint64_t *to, const char *value)
{
	*has = vds_parse_address(value, to);
	return *has;
}

static bool set_threads(struct vds_args *args, const char *value)
{
	uint64_t n;
	if (!vds_parse_u64(value, &n) || n < 1 || n > 256)
		return false;
	args->threads = (unsigned int)n;
	return true;
}

static bool set_flag(struct vds_args *args, enum id id)
{
	if (id == QUIET)
		args->quiet++;
	else if (id == VERBOSE)
		args->verbose++;
	else if (id == HELP)
		args->help = true;
	else if (id == VERSION)
		args->version = true;
	else if (id == HASH)
		args->hash = true;
	return true;
}

/* False if the value doesn't fit the option. */
static bool set(struct vds_args *args, enum id id, const char *value)
{
	const char *word;
	switch (id) {
	case IMAGE:
		args->image = value;
		return true;
	case RENDERER:
		args->renderer = value;
		return true;
	case OUT:
		args->out = value;
		return true;
	case PROFILE:
		args->profile = value;
		return true;
	case FORMAT:
		args->format = value;
		return true;
	case OBJECT:
		args->object = value;
		return true;
	case ACQUIRED_AT:
		args->acquired_at = value;
		return true;
	case FIELDS:
		args->fields = value;
		return true;
	case SORT:
		args->sort = value;
		return true;
	case THREADS:
		return set_threads(args, value);
	case DTB:
		return set_address(&args->has_dtb, &args->dtb, value);
	case KERNEL_BASE:
		return set_address(&args->has_base, &args->base, value);
	case LIMIT:
		return vds_parse_u64(value, &args->limit) && args->limit;
	case PROFILE_MATCH:
		args->exact = !strcmp(value, "exact");
		return set_word(&word, value, "exact|build");
	case PROGRESS:
		return set_word(&args->progress, value, "auto|always|never");
	case FAIL_ON:
		return set_word(&args->fail_on, value,
				"rows|info|low|medium|high|critical");
	default:
		return set_flag(args, id);
	}
}

static struct vds_error *apply(struct vds_args *args,
			       const struct option *option, const char *value)
{
	switch (option->id) {
	case PLUGIN_DIR:
		return push(args, &args->plugin_dirs, value);
	case PROFILE_DIR:
		return push(args, &args->profile_dirs, value);
	case PID:
		return push(args, &args->pids, value);
	case PROCESS:
		return push(args, &args->processes, value);
	case WHERE:
		return push(args, &args->where, value);
	default:
		break;
	}
	if (set(args, option->id, value))
		return NULL;
	return vds_error_create(VDS_ERROR_USAGE, "--%s: '%s' is not %s",
				option->name, value, option->value);
}

/* The option that @arg names, or NULL. */
static const struct option *find(const char *arg)
{
	if (arg[0] != '-' || !arg[1])
		return NULL;
	for (size_t i = 0; i < VDS_ARRAY_SIZE(options); i++) {
		const struct option *option = &options[i];
		size_t len = strlen(option->name);
		if (arg[1] == '-' ? !strncmp(arg + 2, option->name, len) &&
				    (!arg[2 + len] || arg[2 + len] == '=') :
				    option->letter && arg[1] == option->letter)
			return option;
	}
	return NULL;
}

bool vds_args_has(const char *name)
{
	for (size_t i = 0; i < VDS_ARRAY_SIZE(options); i++) {
		if (!strcmp(options[i].name, name))
			return true;
	}
	return false;
}

const char *vds_args_value(int argc, char **argv, int *i)
{
	const char *arg = argv[(*i)++], *equals;
	if (arg[0] == '-' && arg[1] && arg[1] != '-' && arg[2])
		return arg + 2;
	if (arg[0] == '-' && arg[1] == '-' && (equals = strchr(arg, '=')))
		return equals + 1;
	return *i < argc ? argv[(*i)++] : NULL;
}

struct vds_error *vds_args_take(struct vds_args *args, int argc, char **argv,
				int *i, bool *ret)
{
	const struct option *option = find(argv[*i]);
	*ret = option != NULL;
	if (!option)
		return NULL;
	const char *arg = argv[*i], *value = NULL;
	if (option->value) {
		value = vds_args_value(argc, argv, i);
		if (!value)
			return vds_error_create(VDS_ERROR_USAGE,
						"%s needs a value: %s", arg,
						option->value);
		return apply(args, option, value);
	}
	(*i)++;
	if (arg[1] != '-') {
		/* -qv: flags may share a dash. */
		for (const char *c = arg + 1; *c; c++) {
			const char one[3] = {'-', *c, 0};
			option = find(one);
			if (!option || option->value)
				return vds_error_create(VDS_ERROR_USAGE,
							"no such option: %s",
							arg);
			set_flag(args, option->id);
		}
		return NULL;
	}
	if (strchr(arg, '='))
		return vds_error_create(VDS_ERROR_USAGE, "--%s takes no value",
					option->name);
	return apply(args, option, NULL);
}

struct vds_error *vds_args_parse(struct vds_args *args, int argc, char **argv)
{
	int i = 1;
	*args = (struct vds_args){.progress = "auto"};
	while (i < argc) {
		bool taken;
		if (argv[i][0] != '-' || !argv[i][1]) {
			args->command = argv[i];
			args->rest = i + 1;
			return NULL;
		}
		struct vds_error *err = vds_args_take(args, argc, argv, &i,
						      &taken);
		if (err)
			return err;
		if (!taken)
			return vds_error_create(VDS_ERROR_USAGE,
						"no such option: %s "
						"(options of a plugin go "
						"behind its name)", argv[i]);
	}
	args->rest = argc;
	return NULL;
}

void vds_args_deinit(struct vds_args *args)
{
	vds_arena_deinit(&args->arena);
}

void vds_args_help(struct vds_str *out)
{
	for (size_t i = 0; i < VDS_ARRAY_SIZE(options); i++) {
		const struct option *option = &options[i];
		size_t start = out->len;
		if (option->letter)
			vds_str_printf(out, "  -%c, ", option->letter);
		else
			vds_str_puts(out, "      ");
		vds_str_printf(out, "--%s%s%s", option->name,
			       option->value ? " " : "",
			       option->value ? option->value : "");
		while (out->len - start < 30 && !out->failed)
			vds_str_putc(out, ' ');
		vds_str_printf(out, " %s\n", option->doc);
	}
}
