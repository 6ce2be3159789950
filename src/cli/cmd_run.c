/* SPDX-License-Identifier: Apache-2.0 */
/* `vadose -f IMAGE PLUGIN`: image to kernel to rows to text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"
#include "base/work.h"
#include "cli/commands.h"
#include "cli/facts.h"
#include "cli/info.h"
#include "cli/meter.h"
#include "cli/output.h"
#include "config.h"
#include "image/image.h"
#include "image/progress.h"
#include "plugin/arrange.h"
#include "plugin/session.h"
#include "plugin/where.h"
#include "render/render.h"

#define EXIT_FINDINGS 2
#define EXIT_PARTIAL 3

/* Everything that a run owns, in the order of its making. */
struct job {
	struct vds_cli *cli;
	const struct vds_plugin_entry *entry;
	const char *via;	/* option that made another plugin answer */
	const struct vds_renderer *renderer;
	struct vds_options options;
	struct vds_schema schema;
	struct vds_where *where;
	struct vds_image *image;
	struct vds_kernel *kernel;
	bool *selected;
	struct vds_facts facts;
	struct vds_output output;
	struct vds_render render;
	struct vds_arrange arrange;	/* with --sort */
	struct vds_notes notes;		/* of image, kernel and runs, in order */
	struct vds_error *untold;	/* told after `info` said what it can */
	bool has_options, has_schema, has_facts;
};

static void job_deinit(struct job *job)
{
	vds_arrange_deinit(&job->arrange);
	vds_render_deinit(&job->render);
	vds_output_deinit(&job->output);
	if (job->has_facts)
		vds_facts_deinit(&job->facts);
	free(job->selected);
	if (job->kernel)
		vds_kernel_close(job->kernel);
	vds_image_close(job->image);
	vds_where_destroy(job->where);
	if (job->has_schema)
		vds_schema_deinit(&job->schema);
	if (job->has_options)
		vds_options_deinit(&job->options);
	vds_notes_deinit(&job->notes);
	vds_error_destroy(job->untold);
}

/* The plugin's option that @arg ("--name", "--name=value") means, or -1. */
static int own_option(const struct vds_options *options, const char *arg)
{
	char name[64];
	if (strncmp(arg, "--", 2))
		return -1;
	size_t len = strcspn(arg + 2, "=");
	if (!len || len >= sizeof(name))
		return -1;
	memcpy(name, arg + 2, len);
	name[len] = 0;
	return vds_options_find(options, name);
}

static struct vds_error *take_own(struct vds_options *options, int index,
				  int argc, char **argv, int *i)
{
	const char *arg = argv[*i];
	if (options->decls[index].kind == VDS_OPTION_FLAG) {
		if (strchr(arg, '='))
			return vds_error_create(VDS_ERROR_USAGE,
						"--%s takes no value",
						options->decls[index].name);
		(*i)++;
		return vds_options_give(options, index, NULL);
	}
	const char *value = vds_args_value(argc, argv, i);
	if (!value)
		return vds_error_create(
			VDS_ERROR_USAGE, "%s needs a value: %s", arg,
			vds_option_value_name(&options->decls[index]));
	return vds_options_give(options, index, value);
}

/* The first option given, but @but, that another plugin answers; or NULL. */
static const struct vds_option *find_answered_by(const struct job *job,
						 const struct vds_option *but)
{
	const struct vds_cli *cli = job->cli;
	for (int i = cli->args.rest; i < cli->argc; i++) {
		const char *arg = cli->argv[i];
		if (!strcmp(arg, "--"))
			break;
		int index = own_option(&job->options, arg);
		if (index < 0)
			continue;
		const struct vds_option *option = &job->options.decls[index];
		if (option->flags & VDS_OPTION_ANSWERED_BY && option != but)
			return option;
		if (option->kind != VDS_OPTION_FLAG && !strchr(arg, '='))
			i++;
	}
	return NULL;
}

static struct vds_error *init_options(struct job *job)
{
	struct vds_error *err = vds_options_init(&job->options,
						 job->entry->plugin);
	job->has_options = !err;
	return err;
}

/* Hands over to the plugin that an option names, if one is given. */
static struct vds_error *hand_over(struct job *job)
{
	const struct vds_option *option = find_answered_by(job, NULL);
	if (!option)
		return NULL;
	const struct vds_option *other = find_answered_by(job, option);
	if (other)
		return vds_error_create(VDS_ERROR_USAGE,
					"--%s and --%s are answered apart: give one of them",
					option->name, other->name);
	struct vds_error *err = vds_registry_find(
		&job->cli->registry, option->values, &job->entry);
	if (err)
		return err;
	job->via = option->name;
	vds_options_deinit(&job->options);
	return init_options(job);
}

/* The option that led to this plugin, which has none of that name. */
static bool is_spent(const struct job *job, const char *arg)
{
	return job->via && !strncmp(arg, "--", 2) && !strcmp(arg + 2, job->via);
}

static struct vds_error *take_arguments(struct job *job)
{
	struct vds_cli *cli = job->cli;
	struct vds_error *err = init_options(job);
	if (!err)
		err = hand_over(job);
	bool only_words = false;
	for (int i = cli->args.rest; !err && i < cli->argc;) {
		const char *arg = cli->argv[i];
		bool taken = false;
		int index = only_words ? -1 : own_option(&job->options, arg);
		if (!only_words && !strcmp(arg, "--")) {
			only_words = true;
			i++;
			continue;
		}
		if (index >= 0) {
			err = take_own(&job->options, index, cli->argc,
				       cli->argv, &i);
			continue;
		}
		if (!only_words && is_spent(job, arg)) {
			i++;
			continue;
		}
		if (!only_words)
			err = vds_args_take(&cli->args, cli->argc, cli->argv,
					    &i, &taken);
		if (err || taken)
			continue;
		index = only_words || arg[0] != '-' ?
			vds_options_next_positional(&job->options) : -1;
		if (index < 0)
			return vds_error_create(VDS_ERROR_USAGE,
						"plugin %s knows no '%s' "
						"('vadose %s --help')",
						job->entry->name, arg,
						job->entry->name);
		err = vds_options_give(&job->options, index, arg);
		i++;
	}
	return err;
}

/* A severity that no row can have would pass whatever is found. */
static struct vds_error *check_fail_on(const struct job *job)
{
	const char *how = job->cli->args.fail_on;
	if (!how || !strcmp(how, "rows") || job->schema.severity)
		return NULL;
	return vds_error_create(VDS_ERROR_USAGE,
				"--fail-on %s: rows of %s have no severity "
				"(--fail-on rows)", how,
				job->entry->name);
}

/* Each --where is read by itself, so that a fault is counted in its own text. */
static struct vds_error *read_where(struct job *job)
{
	const struct vds_list *list = &job->cli->args.where;
	_cleanup_(vds_str_deinit) struct vds_str all = {0};
	for (size_t i = 0; i < list->count; i++) {
		struct vds_error *err = vds_where_parse(
			list->items[i], &job->schema, &job->where);
		if (err || list->count == 1)
			return err;
		vds_where_destroy(job->where);
		job->where = NULL;
		vds_str_printf(&all, "%s(%s)", i ? " and " : "",
			       list->items[i]);
	}
	if (!list->count)
		return NULL;
	const char *text = vds_str_cstr(&all);
	return text ? vds_where_parse(text, &job->schema, &job->where) :
		      &vds_enomem;
}

static struct vds_error *prepare(struct job *job)
{
	const struct vds_args *args = &job->cli->args;
	const char *name = args->renderer ? args->renderer : "table";
	job->renderer = vds_renderer_find(name);
	if (!job->renderer)
		return vds_error_create(VDS_ERROR_USAGE,
					"no renderer is called '%s'", name);
	if (!args->image)
		return vds_error_create(VDS_ERROR_USAGE,
					"which image? (-f IMAGE)");
	struct vds_error *err = vds_options_finish(&job->options);
	if (!err)
		err = vds_schema_init(&job->schema, job->entry->plugin);
	if (err)
		return err;
	job->has_schema = true;
	err = check_fail_on(job);
	if (!err && args->fields)
		err = vds_schema_select(&job->schema, args->fields);
	if (!err)
		err = read_where(job);
	if (!err && args->sort)
		err = vds_arrange_init(&job->arrange, args->sort, &job->schema,
				       &job->render.sink);
	job->arrange.limit = args->limit;
	return err;
}

static unsigned int threads_of(const struct vds_args *args)
{
	return args->threads ? args->threads : vds_work_default_threads();
}

static struct vds_error *open_kernel(struct job *job)
{
	struct vds_args *args = &job->cli->args;
	struct vds_meter meter;
	vds_meter_init(&meter, args->progress, args->quiet, false);
	const struct vds_progress progress = {vds_meter_step, &meter};
	const struct vds_image_options how = {
		.format = args->format, .object = args->object,
		.progress = &progress};
	struct vds_error *err = vds_image_open(args->image, &how, &job->image);
	vds_meter_end(&meter);
	if (err)
		return err;
	const struct vds_kernel_options options = {
		.has_dtb = args->has_dtb,
		.has_base = args->has_base,
		.dtb = args->dtb,
		.base = args->base,
		.profile_path = args->profile,
		.profile_dirs = args->profile_dirs.items,
		.num_profile_dirs = args->profile_dirs.count,
		.exact_only = args->exact,
		.threads = threads_of(args),
	};
	err = vds_kernel_open(job->image, &options, &job->kernel);
	if (err && job->kernel && job->entry->plugin == &vds_plugin_info) {
		job->untold = err;
		err = NULL;
	}
	if (err) {
		/* What is wrong with the image may be why there is no kernel. */
		vds_notes_merge(&job->notes, vds_image_notes(job->image));
		return err;
	}
	const struct vds_kernel *kernel = job->kernel;
	if (kernel->profile && !kernel->profile_exact)
		vds_cli_say(job->cli,
			    "note: profile match: build: no profile is of exactly this kernel; the layouts of %s fit it, and %zu values that symbols would have given were inferred and checked ('vadose info' lists them)",
			    vds_profile_path(kernel->profile),
			    kernel->num_inferences);
	vds_notes_merge(&job->notes, &kernel->notes);
	return NULL;
}

static bool pid_is_wanted(const struct vds_list *pids, uint32_t pid, bool *bad)
{
	bool wanted = false;
	for (size_t i = 0; i < pids->count; i++) {
		_cleanup_free_ char *copy = strdup(pids->items[i]);
		char *save, *word = copy ? strtok_r(copy, ",", &save) : NULL;
		*bad |= !word;
		for (; word; word = strtok_r(NULL, ",", &save)) {
			uint64_t v;
			if (!vds_parse_u64(word, &v) || v > UINT32_MAX)
				*bad = true;
			else if (v == pid)
				wanted = true;
		}
	}
	return wanted;
}

static bool matches(const char *glob, const char *name)
{
	return name && vds_glob_match(glob, name);
}

/* By a name that any tool shows of it, with a '\\' by its path; by its EPROCESS. */
static bool is_called(const struct vds_process *process, const char *word)
{
	uint64_t eprocess;
	if (vds_parse_address(word, &eprocess) && eprocess >> 63)
		return process->eprocess == eprocess;
	if (strchr(word, '\\'))
		return matches(word, process->path);
	return matches(word, process->name) ||
	       matches(word, process->image_file_name);
}

static bool is_wanted(const struct vds_args *args,
		      const struct vds_process *process, bool *bad)
{
	if (args->pids.count && !pid_is_wanted(&args->pids, process->pid, bad))
		return false;
	for (size_t i = 0; i < args->processes.count; i++) {
		if (is_called(process, args->processes.items[i]))
			return true;
	}
	return !args->processes.count;
}

static struct vds_error *select_processes(struct job *job)
{
	const struct vds_args *args = &job->cli->args;
	const struct vds_kernel *kernel = job->kernel;
	bool bad = false;
	if (!args->pids.count && !args->processes.count)
		return NULL;
	job->selected = calloc(kernel->num_processes + 1, 1);
	if (!job->selected)
		return &vds_enomem;
	size_t count = 0;
	for (size_t i = 0; i < kernel->num_processes; i++) {
		job->selected[i] = is_wanted(args, &kernel->processes[i], &bad);
		count += job->selected[i];
	}
	if (bad)
		return vds_error_create(VDS_ERROR_USAGE,
					"--pid: not a list of numbers");
	if (!count)
		vds_cli_say(job->cli, "vadose: no process matches --pid and "
			    "--process");
	return NULL;
}

static void say_notes(const struct job *job)
{
	const struct vds_notes *notes = &job->notes;
	size_t most = job->cli->args.verbose ? notes->count : 10;
	for (size_t i = 0; i < notes->count && i < most; i++)
		vds_cli_say(job->cli, "note: %s", notes->list[i].message);
	if (notes->count > most)
		vds_cli_say(job->cli, "note: and %zu more (-v shows all)",
			    notes->count - most);
}

/* --fail-on: any row, or one of that severity or a higher one. */
static bool must_fail(const struct job *job, const struct vds_tally *tally)
{
	const char *how = job->cli->args.fail_on;
	if (!how || !strcmp(how, "rows"))
		return how && tally->rows;
	return tally->absences.severity >= vds_severity_rank(how, strlen(how));
}

/* The end record says why, if @err is set; the status is that of the program. */
static struct vds_error *finish(struct job *job, const struct vds_tally *tally,
				const struct vds_error *err, int *ret)
{
	bool partial = job->notes.count || job->notes.dropped ||
		       tally->absences.unreadable || tally->absences.invalid;
	int status = partial ? EXIT_PARTIAL : 0;
	if (must_fail(job, tally))
		status = EXIT_FINDINGS;
	if (err)
		status = vds_error_exit_status(err->code);
	const struct vds_render_end end = {
		.status = err ? "failed" : partial ? "partial" : "ok",
		.exit_code = status,
		.message = err ? err->message : NULL,
		.rows = tally->rows,
		.unreadable = tally->absences.unreadable,
		.invalid = tally->absences.invalid,
		.notes = &job->notes,
	};
	*ret = status;
	return vds_render_end(&job->render, &end);
}

static bool use_color(const struct vds_output *output)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	return vds_output_is_terminal(output) && !(no_color && *no_color) &&
	       !(term && !strcmp(term, "dumb"));
}

/* All rows; *ret_tally says what came out. */
static struct vds_error *run_session(struct job *job,
				     struct vds_tally *ret_tally)
{
	const struct vds_args *args = &job->cli->args;
	struct vds_meter meter;
	vds_meter_init(&meter, args->progress, args->quiet,
		       vds_output_is_terminal(&job->output));
	struct vds_session session = {
		.image_id = job->facts.image_id,
		.kernel = job->kernel,
		.plugin = job->entry->plugin,
		.schema = &job->schema,
		.options = &job->options,
		.where = job->where,
		.sink = args->sort ? &job->arrange.sink : &job->render.sink,
		.selected = job->selected,
		.limit = args->sort ? 0 : args->limit,
		.threads = threads_of(args),
		.progress = vds_meter_update,
		.progress_ctx = &meter,
	};
	struct vds_error *err = vds_session_run(&session);
	vds_meter_end(&meter);
	vds_notes_merge(&job->notes, &session.notes);
	vds_notes_deinit(&session.notes);
	vds_notes_merge(&job->notes, vds_image_notes(job->image));
	*ret_tally = args->sort ? job->arrange.tally : session.tally;
	return err;
}

/* From the first record to the last; a failed run's last one says so. */
static struct vds_error *render(struct job *job, int *ret)
{
	struct vds_render_info info = {
		.schema = &job->schema,
		.image_id = job->facts.image_id,
		.start = &job->facts.schema,
		.start_values = job->facts.values,
		.color = use_color(&job->output),
	};
	memcpy(info.timestamp, job->facts.timestamp, sizeof(info.timestamp));
	struct vds_error *err = vds_render_begin(&job->render, job->renderer,
						 &info, &job->output.writer);
	if (err)
		return err;
	struct vds_tally tally;
	err = run_session(job, &tally);
	struct vds_error *end_err = finish(job, &tally,
					   err ? err : job->untold, ret);
	if (!err)
		return end_err;
	vds_error_destroy(end_err);
	return err;
}

static struct vds_error *write_output(struct job *job, int *ret)
{
	struct vds_error *err = vds_output_open(&job->output,
						job->cli->args.out);
	if (!err)
		err = render(job, ret);
	/* A file is whole, or it doesn't appear. */
	if (!err)
		err = vds_output_commit(&job->output);
	return err ? err : vds_steal(job->untold);
}

static struct vds_error *run(struct job *job, int *ret)
{
	const struct vds_args *args = &job->cli->args;
	struct vds_error *err = prepare(job);
	if (!err)
		err = open_kernel(job);
	if (!err)
		err = select_processes(job);
	if (!err)
		err = vds_facts_init(&job->facts, args, job->image,
				     job->kernel, job->entry, &job->options);
	if (err)
		return err;
	job->has_facts = true;
	return write_output(job, ret);
}

int vds_cmd_run(struct vds_cli *cli, const struct vds_plugin_entry *entry)
{
	struct job job = {.cli = cli, .entry = entry};
	int status = 0;
	struct vds_error *err = take_arguments(&job);
	if (!err && cli->args.help) {
		status = vds_help_plugin(job.entry);
	} else {
		if (!err)
			err = run(&job, &status);
		say_notes(&job);
		if (err && job.output.broken_pipe) {
			status = vds_error_exit_status(err->code);
			vds_error_destroy(err);
		} else if (err) {
			status = vds_cli_fail(err);
		}
	}
	job_deinit(&job);
	return status;
}
