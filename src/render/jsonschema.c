/* SPDX-License-Identifier: Apache-2.0 */
#include "render/jsonschema.h"

#include <string.h>

#include "base/util.h"
#include "render/record.h"
#include "render/render.h"

#define INT_MAX_TEXT "9007199254740991"
#define ADDRESS "\"type\":\"string\",\"pattern\":\"^0x[0-9a-f]{16}$\""
#define TIME								\
	"\"type\":\"string\",\"pattern\":"				\
	"\"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"	\
	"\\\\.[0-9]{7}Z$\""
#define ID "\"type\":\"string\",\"pattern\":\"^[0-9a-f]{32}$\""
#define NATURAL								\
	"\"type\":\"integer\",\"minimum\":0,\"maximum\":" INT_MAX_TEXT

static const char *const kind_types[VDS_NUM_KINDS] = {
	[VDS_KIND_BOOL] = "\"type\":\"boolean\"",
	[VDS_KIND_INT] = "\"type\":\"integer\",\"minimum\":-" INT_MAX_TEXT
			 ",\"maximum\":" INT_MAX_TEXT,
	[VDS_KIND_HEX] = ADDRESS,
	[VDS_KIND_ADDR] = ADDRESS,
	[VDS_KIND_SIZE] = NATURAL,
	[VDS_KIND_TIME] = TIME,
	[VDS_KIND_STR] = "\"type\":\"string\"",
	[VDS_KIND_BYTES] = "\"type\":\"string\","
			   "\"pattern\":\"^([0-9a-f]{2})*$\"",
	[VDS_KIND_FLAGS] = "\"type\":\"array\","
			   "\"items\":{\"type\":\"string\"}",
	[VDS_KIND_INTS] = "\"type\":\"array\",\"items\":{" NATURAL "}",
	[VDS_KIND_STRS] = "\"type\":\"array\",\"items\":{\"type\":\"string\"}",
};

static void put_property(struct vds_str *out, const struct vds_column *column,
			 bool *comma)
{
	const char *dot = strrchr(column->name, '.');
	const char *name = dot ? dot + 1 : column->name;
	vds_str_printf(out, "%s\"%s\":{%s", *comma ? "," : "", name,
		       kind_types[column->kind]);
	*comma = true;
	if (column->doc) {
		_cleanup_(vds_str_deinit) struct vds_str text = {0};
		vds_str_puts(&text, column->doc);
		if (column->unit)
			vds_str_printf(&text, " (%s)", column->unit);
		vds_str_puts(out, ",\"description\":");
		vds_json_put_string(out, text.data ? text.data : "", text.len);
	}
	vds_str_putc(out, '}');
	if (column->kind >= VDS_KIND_STR)
		vds_str_printf(out, ",\"%s_truncated\":{\"type\":\"boolean\"}",
			       name);
}

/* The properties of @group and the objects in it; at most VDS_MAX_DEPTH deep. */
static void put_group(struct vds_str *out, const struct vds_schema *schema,
		      int group, bool comma)
{
	for (size_t i = 0; i < schema->num_columns; i++) {
		const struct vds_cell_plan *cell = &schema->plan[i];
		if (cell->group == group)
			put_property(out, &schema->columns[cell->column],
				     &comma);
	}
	for (size_t g = 0; g < schema->num_groups; g++) {
		/* "image" is the envelope's, which has written it. */
		if (schema->groups[g].parent != group || g == 0)
			continue;
		vds_str_printf(out, "%s\"%s\":{\"type\":\"object\","
			       "\"properties\":{", comma ? "," : "",
			       schema->groups[g].name);
		put_group(out, schema, (int)g, false);
		vds_str_puts(out, "}}");
		comma = true;
	}
}

static void put_envelope(struct vds_str *out, const char *record,
			 const char *plugin)
{
	vds_str_printf(out,
		       "{\"type\":\"object\",\"required\":[\"@timestamp\","
		       "\"schema\",\"kind\",\"id\",\"image\",\"plugin\"],"
		       "\"properties\":{\"@timestamp\":{%s},"
		       "\"schema\":{\"const\":\"%s\"},"
		       "\"kind\":{\"const\":\"%s\"},\"id\":{%s},"
		       "\"plugin\":{\"type\":\"object\","
		       "\"required\":[\"name\",\"version\"],\"properties\":{"
		       "\"name\":{", TIME, VDS_RECORD_SCHEMA, record, ID);
	if (plugin)
		vds_str_printf(out, "\"const\":\"%s\"", plugin);
	else
		vds_str_puts(out, "\"type\":\"string\"");
	vds_str_puts(out, "},\"version\":{\"type\":\"string\"}}},"
			  "\"image\":{\"type\":\"object\","
			  "\"required\":[\"id\"],\"properties\":{\"id\":{" ID
			  "}");
}

static void put_absences(struct vds_str *out, const struct vds_schema *schema)
{
	static const char *const lists[] = {"unreadable", "invalid",
					    "not_in_profile"};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(lists); i++) {
		vds_str_printf(out, ",\"%s\":{\"type\":\"array\","
			       "\"uniqueItems\":true,\"minItems\":1,"
			       "\"items\":{\"enum\":[", lists[i]);
		for (size_t c = 0; c < schema->num_columns; c++)
			vds_str_printf(out, "%s\"%s\"", c ? "," : "",
				       schema->columns[c].name);
		vds_str_puts(out, "]}}");
	}
}

void vds_jsonschema_put(struct vds_str *out, const struct vds_schema *schema,
			const char *plugin)
{
	put_envelope(out, schema->record, plugin);
	put_group(out, schema, 0, true);
	vds_str_puts(out, "}}");
	put_group(out, schema, -1, true);
	put_absences(out, schema);
	vds_str_puts(out, "}}");
}

struct vds_error *vds_jsonschema_put_note(struct vds_str *out)
{
	const struct vds_plugin kind = {
		.name = "",
		.record = "note",
		.columns = vds_note_columns,
		.num_columns = VDS_NUM_NOTE_COLUMNS,
	};
	struct vds_schema schema;
	struct vds_error *err = vds_schema_init(&schema, &kind);
	if (err)
		return err;
	vds_jsonschema_put(out, &schema, NULL);
	vds_schema_deinit(&schema);
	return NULL;
}

void vds_jsonschema_put_run_end(struct vds_str *out)
{
	static const char counts[] =
		"{\"type\":\"object\",\"additionalProperties\":{" NATURAL "}}";
	put_envelope(out, "run_end", NULL);
	vds_str_printf(
		out, "}},\"run\":{\"type\":\"object\",\"required\":[\"status\","
		"\"exit_code\",\"rows\"],\"properties\":{"
		"\"status\":{\"enum\":[\"ok\",\"partial\",\"failed\"]},"
		"\"exit_code\":{\"type\":\"integer\"},"
		"\"message\":{\"type\":\"string\"},"
		"\"message_truncated\":{\"type\":\"boolean\"},"
		"\"rows\":%s,\"notes\":%s,\"unreadable_cells\":{" NATURAL "},"
		"\"invalid_cells\":{" NATURAL "},\"note_count\":{" NATURAL "},"
		"\"notes_dropped\":{" NATURAL "}}}}}", counts, counts);
}
