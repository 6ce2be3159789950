/* SPDX-License-Identifier: Apache-2.0 */
/* `vadose plugins`, and the help page of a plugin. */
#include <string.h>

#include "base/str.h"
#include "base/util.h"
#include "cli/commands.h"
#include "plugin/option.h"
#include "render/text.h"

/* Names of files are anybody's: nothing in them commands the terminal. */
static void put_text(struct vds_str *out, const char *text)
{
	vds_text_escape(out, text, strlen(text));
}

/* As the first words of a line, padded. */
static void put_word(struct vds_str *out, const char *text, size_t width)
{
	size_t end = out->len + width;
	put_text(out, text);
	while (out->len < end && !out->failed)
		vds_str_putc(out, ' ');
	vds_str_putc(out, ' ');
}

static void put_entry(struct vds_str *out, const struct vds_plugin_entry *entry)
{
	put_word(out, entry->name, 14);
	put_word(out, entry->plugin ? entry->plugin->version : "REFUSED", 7);
	/* A file that is no plugin at all has none. */
	if (entry->has_abi)
		vds_str_printf(out, "abi %u.%u  ", entry->abi_major,
			       entry->abi_minor);
	else
		vds_str_puts(out, "abi -    ");
	if (!entry->plugin) {
		put_text(out, entry->path);
		vds_str_puts(out, ": ");
		put_text(out, entry->refusal);
		vds_str_printf(out, "; %s\n", entry->mend);
		return;
	}
	vds_str_puts(out, "ok  ");
	put_text(out, entry->path ? entry->path : "built in");
	vds_str_printf(out, "  %s", entry->plugin->summary);
	if (entry->path)
		vds_str_printf(out, "  sha256 %s", entry->sha256);
	vds_str_putc(out, '\n');
}

static const char *const kind_names[VDS_NUM_KINDS] = {
	[VDS_KIND_BOOL] = "yes/no", [VDS_KIND_INT] = "integer",
	[VDS_KIND_HEX] = "hex", [VDS_KIND_ADDR] = "address",
	[VDS_KIND_SIZE] = "size", [VDS_KIND_TIME] = "time",
	[VDS_KIND_STR] = "text", [VDS_KIND_BYTES] = "bytes",
	[VDS_KIND_FLAGS] = "flags", [VDS_KIND_INTS] = "integers",
	[VDS_KIND_STRS] = "texts",
};

/* Text of a Markdown table's cell: '|' would end it. */
static void put_cell(struct vds_str *out, const char *text)
{
	for (; text && *text; text++) {
		if (*text == '|')
			vds_str_putc(out, '\\');
		vds_str_putc(out, *text);
	}
}

static void put_markdown_options(struct vds_str *out,
				 const struct vds_plugin *plugin)
{
	if (plugin->num_options)
		vds_str_puts(out, "\n| option | default | |\n|---|---|---|\n");
	for (size_t i = 0; i < plugin->num_options; i++) {
		const struct vds_option *option = &plugin->options[i];
		const char *value = vds_option_value_name(option);
		vds_str_printf(out, "| `%s%s%s",
			       option->flags & VDS_OPTION_POSITIONAL ? "" :
								       "--",
			       option->name, *value ? " " : "");
		put_cell(out, value);
		vds_str_printf(out, "` | %s | ", option->def ? option->def : "");
		put_cell(out, option->doc);
		vds_str_puts(out, " |\n");
	}
}

static void put_markdown(struct vds_str *out, const struct vds_plugin *plugin)
{
	vds_str_printf(out, "\n## %s %s\n\n%s. Records of kind `%s`.\n",
		       plugin->name, plugin->version, plugin->summary,
		       plugin->record);
	put_markdown_options(out, plugin);
	vds_str_puts(out, "\n| column | kind | |\n|---|---|---|\n");
	for (size_t i = 0; i < plugin->num_columns; i++) {
		const struct vds_column *column = &plugin->columns[i];
		vds_str_printf(out, "| `%s` | %s | ", column->name,
			       kind_names[column->kind]);
		put_cell(out, column->doc);
		if (column->unit)
			vds_str_printf(out, " (%s)", column->unit);
		vds_str_puts(out, " |\n");
	}
}

/* Takes --markdown out of the arguments; it is this command's own. */
static bool take_markdown(struct vds_cli *cli)
{
	int at = cli->args.rest;
	if (at >= cli->argc || strcmp(cli->argv[at], "--markdown"))
		return false;
	cli->args.rest++;
	return true;
}

static const char usage[] =
	"vadose plugins: all plugins that can be found\n\n"
	"usage: vadose plugins [-p DIR]... [--markdown]\n\n"
	"A line each: name, version or REFUSED, ABI, path, what it answers or why "
	"it is\nrefused and what to do about it, SHA-256 of its file. --markdown "
	"prints their\npages: options and columns.\n\n"
	"They are looked for in the folders of -p and VADOSE_PLUGIN_PATH, and "
	"in the one\nof installed plugins; never in the working directory.\n";

int vds_cmd_plugins(struct vds_cli *cli)
{
	bool markdown = take_markdown(cli);
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	struct vds_registry *registry = &cli->registry;
	struct vds_error *err = vds_cli_take_rest(cli);
	if (!err && cli->args.help)
		return vds_cli_print(usage, sizeof(usage) - 1);
	if (!err)	/* -p may stand behind the command */
		err = vds_cli_open_registry(cli);
	/* The page is about this program, unless folders are named. */
	if (!err && (!markdown || cli->args.plugin_dirs.count))
		err = vds_registry_load_all(registry);
	if (err)
		return vds_cli_fail(err);
	if (markdown)
		vds_str_puts(&out, "# Plugins\n\nMade from their declarations "
			     "by `vadose plugins --markdown`.\n");
	for (size_t i = 0; i < registry->count; i++) {
		if (!markdown)
			put_entry(&out, &registry->entries[i]);
		else if (registry->entries[i].plugin)
			put_markdown(&out, registry->entries[i].plugin);
	}
	return out.failed ? vds_cli_fail(&vds_enomem) :
			    vds_cli_print(out.data, out.len);
}

static void put_options(struct vds_str *out, const struct vds_plugin *plugin)
{
	if (plugin->num_options)
		vds_str_puts(out, "\noptions:\n");
	for (size_t i = 0; i < plugin->num_options; i++) {
		const struct vds_option *option = &plugin->options[i];
		bool word = option->flags & VDS_OPTION_POSITIONAL;
		size_t start = out->len;
		vds_str_printf(out, "  %s%s %s", word ? "" : "--",
			       option->name, vds_option_value_name(option));
		while (out->len - start < 30 && !out->failed)
			vds_str_putc(out, ' ');
		vds_str_printf(out, " %s", option->doc ? option->doc : "");
		if (option->def)
			vds_str_printf(out, " (default: %s)", option->def);
		vds_str_putc(out, '\n');
	}
}

int vds_help_plugin(const struct vds_plugin_entry *entry)
{
	const struct vds_plugin *plugin = entry->plugin;
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	vds_str_printf(&out, "%s %s: %s\n\nusage: vadose -f IMAGE [options] "
		       "%s [options]\n", plugin->name, plugin->version,
		       plugin->summary, plugin->name);
	put_options(&out, plugin);
	vds_str_printf(&out, "\ncolumns (records of kind %s):\n",
		       plugin->record);
	for (size_t i = 0; i < plugin->num_columns; i++) {
		const struct vds_column *column = &plugin->columns[i];
		vds_str_printf(&out, "  %-30s %s%s%s%s\n", column->name,
			       column->doc ? column->doc : "",
			       column->unit ? " (" : "",
			       column->unit ? column->unit : "",
			       column->unit ? ")" : "");
	}
	return out.failed ? vds_cli_fail(&vds_enomem) :
			    vds_cli_print(out.data, out.len);
}
