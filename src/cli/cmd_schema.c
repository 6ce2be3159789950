/* SPDX-License-Identifier: Apache-2.0 */
/* `vadose schema [PLUGIN]`: JSON Schema of what -r ndjson prints. */
#include <stdio.h>

#include "base/str.h"
#include "base/util.h"
#include "cli/commands.h"
#include "cli/facts.h"
#include "render/jsonschema.h"

static struct vds_error *put_def(struct vds_str *out, const char *name,
				 const struct vds_plugin *plugin, bool own)
{
	struct vds_schema schema;
	struct vds_error *err = vds_schema_init(&schema, plugin);
	if (err)
		return err;
	vds_str_printf(out, "\"%s\":", name);
	vds_jsonschema_put(out, &schema, own ? NULL : plugin->name);
	vds_schema_deinit(&schema);
	return NULL;
}

static struct vds_error *put_own(struct vds_str *out)
{
	const struct vds_plugin start = {
		.name = "",
		.record = "run_start",
		.columns = vds_run_start_columns,
		.num_columns = vds_num_run_start_columns,
	};
	struct vds_error *err = put_def(out, "run_start", &start, true);
	if (err)
		return err;
	vds_str_puts(out, ",\n\"note\":");
	err = vds_jsonschema_put_note(out);
	vds_str_puts(out, ",\n\"run_end\":");
	vds_jsonschema_put_run_end(out);
	return err;
}

static struct vds_error *put_all(struct vds_str *out,
				 const struct vds_registry *registry,
				 const struct vds_plugin_entry *only)
{
	vds_str_puts(out, "{\"$schema\":"
			  "\"https://json-schema.org/draft/2020-12/schema\",\n"
			  "\"title\":\"records of vadose, schema vadose/1\",\n"
			  "\"oneOf\":[");
	for (size_t i = 0; i < registry->count; i++) {
		const struct vds_plugin_entry *entry = &registry->entries[i];
		if (entry->plugin && (!only || entry == only))
			vds_str_printf(out, "{\"$ref\":\"#/$defs/plugin.%s\"},",
				       entry->name);
	}
	vds_str_puts(out, "{\"$ref\":\"#/$defs/run_start\"},"
			  "{\"$ref\":\"#/$defs/note\"},"
			  "{\"$ref\":\"#/$defs/run_end\"}],\n\"$defs\":{\n");
	struct vds_error *err = put_own(out);
	for (size_t i = 0; !err && i < registry->count; i++) {
		const struct vds_plugin_entry *entry = &registry->entries[i];
		char name[80];
		if (!entry->plugin || (only && entry != only))
			continue;
		snprintf(name, sizeof(name), "plugin.%s", entry->name);
		vds_str_puts(out, ",\n");
		err = put_def(out, name, entry->plugin, false);
	}
	vds_str_puts(out, "\n}}\n");
	return err;
}

static const char usage[] =
	"vadose schema: the JSON Schema of records\n\n"
	"usage: vadose schema [PLUGIN] [-p DIR]...\n\n"
	"Of those of PLUGIN, or of all plugins that can be found.\n";

int vds_cmd_schema(struct vds_cli *cli)
{
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	const struct vds_plugin_entry *only = NULL;
	struct vds_error *err = NULL;
	const char *name = NULL;
	int i = cli->args.rest;
	if (i < cli->argc && cli->argv[i][0] != '-') {
		name = cli->argv[i];
		cli->args.rest = i + 1;
	}
	err = vds_cli_take_rest(cli);
	if (!err && cli->args.help)
		return vds_cli_print(usage, sizeof(usage) - 1);
	if (!err)
		err = vds_cli_open_registry(cli);
	if (!err && name)
		err = vds_registry_find(&cli->registry, name, &only);
	else if (!err)
		err = vds_registry_load_all(&cli->registry);
	if (!err)
		err = put_all(&out, &cli->registry, only);
	if (err)
		return vds_cli_fail(err);
	return out.failed ? vds_cli_fail(&vds_enomem) :
			    vds_cli_print(out.data, out.len);
}
