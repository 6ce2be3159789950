/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the command line. A new one is a function and a line here. */
#ifndef VDS_CLI_COMMANDS_H
#define VDS_CLI_COMMANDS_H

#include "cli/args.h"
#include "plugin/registry.h"

struct vds_cli {
	struct vds_args args;
	struct vds_registry registry;
	int argc;
	char **argv;		/* all; own arguments from args.rest on */
};

/*
 * COMMAND(name, function, help): the function gets its arguments from
 * cli->argv[cli->args.rest] on and returns the exit status.
 */
#define VDS_COMMANDS(COMMAND)						\
	COMMAND("convert", vds_cmd_convert,				\
		"write the image as another container")			\
	COMMAND("hash", vds_cmd_hash,					\
		"SHA-256 of the image and of the memory in it")		\
	COMMAND("plugins", vds_cmd_plugins, "list all plugins")		\
	COMMAND("plugin", vds_cmd_plugin, "write a plugin of one's own")	\
	COMMAND("schema", vds_cmd_schema,				\
		"print the JSON Schema of a plugin's records, or of all") \
	COMMAND("profile", vds_cmd_profile, "make and look into profiles")

#define VDS_DECLARE_COMMAND(name, function, help)			\
	int function(struct vds_cli *cli);
VDS_COMMANDS(VDS_DECLARE_COMMAND)
#undef VDS_DECLARE_COMMAND

/* True if vadose @name is one of them, and never a plugin. */
bool vds_cli_is_command(const char *name);

/* Takes all remaining arguments as common options; VDS_ERROR_USAGE if others. */
struct vds_error *vds_cli_take_rest(struct vds_cli *cli);
/* Makes the registry anew, with the folders that args.plugin_dirs now names. */
struct vds_error *vds_cli_open_registry(struct vds_cli *cli);

/* `vadose -f IMAGE PLUGIN [options]`. */
int vds_cmd_run(struct vds_cli *cli, const struct vds_plugin_entry *entry);

/* Prints "vadose: message" to stderr, destroys @err, returns its exit status. */
int vds_cli_fail(struct vds_error *err);
/* A line for people on stderr, unless -q. */
void vds_cli_say(const struct vds_cli *cli, const char *format, ...)
	VDS_PRINTF(2, 3);
/* Writes @text to stdout; 0, or 73 if that fails. */
int vds_cli_print(const char *text, size_t len);

/* The page of `vadose --help`, and of `vadose PLUGIN --help`. */
int vds_help(const struct vds_cli *cli);
int vds_help_plugin(const struct vds_plugin_entry *entry);

#endif
