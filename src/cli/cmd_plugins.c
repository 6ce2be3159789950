/* SPDX-License-Identifier: Apache-2.0 */
/* `vadose plugins`, and the help page of a plugin. */
#include "base/str.h"
#include "base/util.h"
#include "cli/commands.h"
#include "plugin/option.h"

static void put_entry(struct vds_str *out, const struct vds_plugin_entry *entry)
{
	vds_str_printf(out, "%-14s ", entry->name);
	if (!entry->plugin) {
		vds_str_printf(out, "REFUSED  %s: %s; %s\n", entry->path,
			       entry->refusal, entry->mend);
		return;
	}
	vds_str_printf(out, "%-7s abi %u.%u  %s  %s\n", entry->plugin->version,
		       entry->abi_major, entry->abi_minor,
		       entry->path ? entry->path : "built in",
		       entry->plugin->summary);
}

int vds_cmd_plugins(struct vds_cli *cli)
{
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	struct vds_registry *registry = &cli->registry;
	struct vds_error *err = vds_cli_take_rest(cli);
	if (!err)	/* -p may stand behind the command */
		err = vds_cli_open_registry(cli);
	if (!err)
		err = vds_registry_load_all(registry);
	if (err)
		return vds_cli_fail(err);
	for (size_t i = 0; i < registry->count; i++)
		put_entry(&out, &registry->entries[i]);
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
