/* SPDX-License-Identifier: Apache-2.0 */
#include "vadose/main.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/commands.h"
#include "cli/info.h"
#include "cli/output.h"
#include "render/text.h"

static const struct command {
	const char *name;
	int (*run)(struct vds_cli *cli);
	const char *help;
} commands[] = {
#define COMMAND(name, function, help) {name, function, help},
	VDS_COMMANDS(COMMAND)
#undef COMMAND
};

/* Messages quote names from the image: as safe on a terminal as rows are. */
static void print_line(const char *prefix, const char *text)
{
	struct vds_str out = {0};
	vds_text_escape(&out, text, strlen(text));
	const char *safe = vds_str_cstr(&out);
	fprintf(stderr, "%s%s\n", prefix, safe ? safe : "out of memory");
	vds_str_deinit(&out);
}

int vds_cli_fail(struct vds_error *err)
{
	int status = vds_error_exit_status(err->code);
	print_line("vadose: ", err->message);
	if (err->code == VDS_ERROR_USAGE)
		fprintf(stderr, "vadose: 'vadose --help' lists all options\n");
	vds_error_destroy(err);
	return status;
}

void vds_cli_say(const struct vds_cli *cli, const char *format, ...)
{
	va_list ap;
	char *text = NULL;
	if (cli->args.quiet)
		return;
	va_start(ap, format);
	int len = vasprintf(&text, format, ap);
	va_end(ap);
	print_line("", len < 0 ? "out of memory" : text);
	if (len >= 0)
		free(text);
}

int vds_cli_print(const char *text, size_t len)
{
	struct vds_output output;
	struct vds_error *err = vds_output_open(&output, NULL);
	if (!err)
		err = output.writer.write(&output.writer, text, len);
	if (!err)
		return 0;
	if (!output.broken_pipe)
		return vds_cli_fail(err);
	vds_error_destroy(err);
	return vds_error_exit_status(VDS_ERROR_OUTPUT);
}

struct vds_error *vds_cli_take_rest(struct vds_cli *cli)
{
	for (int i = cli->args.rest; i < cli->argc;) {
		bool taken;
		struct vds_error *err = vds_args_take(&cli->args, cli->argc,
						      cli->argv, &i, &taken);
		if (err)
			return err;
		if (!taken)
			return vds_error_create(VDS_ERROR_USAGE,
						"%s: what is '%s'?",
						cli->args.command,
						cli->argv[i]);
	}
	return NULL;
}

static int print_version(void)
{
	static const char text[] = "vadose " VDS_VERSION "\n";
	return vds_cli_print(text, sizeof(text) - 1);
}

int vds_help(const struct vds_cli *cli)
{
	struct vds_str out = {0};
	vds_str_puts(&out,
		     "vadose: who shares memory with whom, in an image of "
		     "Windows memory\n\n"
		     "usage: vadose -f IMAGE [options] PLUGIN [options of the "
		     "plugin]\n"
		     "       vadose COMMAND [arguments]\n\nplugins:\n");
	for (size_t i = 0; i < cli->registry.count; i++) {
		const struct vds_plugin_entry *entry =
			&cli->registry.entries[i];
		vds_str_printf(&out, "  %-16s %s\n", entry->name,
			       entry->plugin->summary);
	}
	vds_str_puts(&out, "\ncommands:\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		vds_str_printf(&out, "  %-16s %s\n", commands[i].name,
			       commands[i].help);
	vds_str_puts(&out, "\nrenderers (-r):\n");
	for (size_t i = 0; vds_renderers()[i]; i++)
		vds_str_printf(&out, "  %-16s %s\n", vds_renderers()[i]->name,
			       vds_renderers()[i]->summary);
	vds_str_puts(&out, "\noptions:\n");
	vds_args_help(&out);
	vds_str_puts(&out,
		     "\nexit status: 0 complete, 1 internal error, 2 rows with "
		     "--fail-on,\n3 partial (see the notes), 4 not an image or "
		     "no kernel in it, 5 plugin failed,\n64 usage, 66 no such "
		     "input, 69 no profile for this kernel, 73 can't write\n");
	int status = out.failed ? vds_cli_fail(&vds_enomem) :
				  vds_cli_print(out.data, out.len);
	vds_str_deinit(&out);
	return status;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

bool vds_cli_is_command(const char *name)
{
	return find_command(name) != NULL;
}

static int dispatch(struct vds_cli *cli)
{
	const char *name = cli->args.command;
	if (cli->args.version)
		return print_version();
	if (!name) {
		int status = vds_help(cli);
		return cli->args.help ?
			       status : vds_error_exit_status(VDS_ERROR_USAGE);
	}
	const struct command *command = find_command(name);
	if (command)
		return command->run(cli);
	const struct vds_plugin_entry *entry;
	struct vds_error *err = vds_registry_find(&cli->registry, name, &entry);
	return err ? vds_cli_fail(err) : vds_cmd_run(cli, entry);
}

struct vds_error *vds_cli_open_registry(struct vds_cli *cli)
{
	const struct vds_list *dirs = &cli->args.plugin_dirs;
	vds_registry_deinit(&cli->registry);
	struct vds_error *err = vds_registry_init(&cli->registry, dirs->items,
						  dirs->count);
	cli->registry.is_command = vds_cli_is_command;
	cli->registry.is_common_option = vds_args_has;
	return err ? err : vds_registry_add(&cli->registry, &vds_plugin_info);
}

int vds_main(int argc, char **argv)
{
	struct vds_cli cli = {.argc = argc, .argv = argv};
	/* A reader that goes away, a file that may not grow: errors of write(). */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	struct vds_error *err = vds_args_parse(&cli.args, argc, argv);
	if (!err)
		err = vds_cli_open_registry(&cli);
	int status = err ? vds_cli_fail(err) : dispatch(&cli);
	vds_registry_deinit(&cli.registry);
	vds_args_deinit(&cli.args);
	return status;
}
