/* SPDX-License-Identifier: Apache-2.0 */
#include "render/ecs.h"

#include <string.h>

#include "base/util.h"

/* Columns behind those of the plugin. */
enum { SCHEMA, KIND, IMAGE, PLUGIN, VERSION, UNREADABLE, INVALID,
       NOT_IN_PROFILE, NUM_EXTRA };

static const struct vds_column extra[NUM_EXTRA] = {
	[SCHEMA] = {.name = "vadose.schema", .kind = VDS_KIND_STR},
	[KIND] = {.name = "vadose.kind", .kind = VDS_KIND_STR},
	[IMAGE] = {.name = "vadose.image.id", .kind = VDS_KIND_STR},
	[PLUGIN] = {.name = "vadose.plugin.name", .kind = VDS_KIND_STR},
	[VERSION] = {.name = "vadose.plugin.version", .kind = VDS_KIND_STR},
	[UNREADABLE] = {.name = "vadose.unreadable", .kind = VDS_KIND_STRS},
	[INVALID] = {.name = "vadose.invalid", .kind = VDS_KIND_STRS},
	[NOT_IN_PROFILE] = {.name = "vadose.not_in_profile", .kind = VDS_KIND_STRS},
};

/* True if one of the names is the other, or an object that it lies in. */
static bool collide(const char *a, const char *b)
{
	size_t n = VDS_MIN(strlen(a), strlen(b));
	return !strncmp(a, b, n) && (!a[n] || a[n] == '.') &&
	       (!b[n] || b[n] == '.');
}

static bool begins_with(const char *name, const char *object)
{
	size_t n = strlen(object);
	return !strncmp(name, object, n) && (!name[n] || name[n] == '.');
}

/* The declared ECS path, if it can be used beside the columns before @i. */
static const char *ecs_path(const struct vds_column *columns, size_t i,
			    const char *path)
{
	if (!path || begins_with(path, "event") || begins_with(path, "ecs") ||
	    begins_with(path, "vadose"))
		return NULL;
	for (size_t k = 0; k < i; k++) {
		if (collide(columns[k].name, path))
			return NULL;
	}
	return path;
}

static struct vds_error *rename_columns(struct vds_ecs *ecs,
					struct vds_column *columns)
{
	const struct vds_schema *source = ecs->source;
	for (size_t i = 0; i < source->num_columns; i++) {
		columns[i] = source->columns[i];
		const char *path = ecs_path(columns, i, columns[i].ecs);
		if (!path)
			path = vds_arena_printf(&ecs->arena, "vadose.%s",
						columns[i].name);
		if (!path)
			return &vds_enomem;
		columns[i].name = path;
	}
	memcpy(columns + source->num_columns, extra, sizeof(extra));
	return NULL;
}

static struct vds_error *make_schema(struct vds_ecs *ecs)
{
	const struct vds_schema *source = ecs->source;
	size_t count = source->num_columns + NUM_EXTRA;
	struct vds_column *columns = vds_arena_calloc(&ecs->arena, count,
						      sizeof(*columns));
	struct vds_error *err = columns ? rename_columns(ecs, columns) :
					  &vds_enomem;
	if (err)
		return err;
	const struct vds_plugin kind = {
		.name = source->plugin,
		.record = source->record,
		.columns = columns,
		.num_columns = count,
	};
	err = vds_schema_init(&ecs->schema, &kind);
	if (err)
		return vds_error_prefix(err, "-r ecs");
	memcpy(ecs->schema.visible, source->visible,
	       source->num_columns * sizeof(bool));
	return NULL;
}

/*
 * event.category and event.type are pairs that ECS allows: process/info,
 * host/info, malware/info (ECS 8.11, "Categorization Fields"). The record's
 * envelope object, which vds_record_put() closes, is `event`.
 */
static struct vds_error *make_head(struct vds_ecs *ecs, const char *timestamp,
				   const char *image_id)
{
	const struct vds_schema *source = ecs->source;
	struct vds_record_head *head = &ecs->head;
	bool alert = !strcmp(source->record, "finding");
	const char *category = alert ? "malware" : "host";
	for (size_t i = 0; !alert && i < source->num_columns; i++) {
		if (begins_with(source->columns[i].name, "process"))
			category = "process";
	}
	vds_str_printf(&head->before_id,
		       "{\"@timestamp\":\"%s\",\"ecs\":{\"version\":\"%s\"},"
		       "\"event\":{\"kind\":\"%s\",\"category\":[\"%s\"],"
		       "\"type\":[\"info\"],\"module\":\"vadose\","
		       "\"dataset\":\"vadose.%s\",\"id\":\"", timestamp,
		       VDS_ECS_VERSION, alert ? "alert" : "state", category,
		       source->record);
	vds_str_puts(&head->after_id, "\"");
	vds_id_seed_init(&head->seed, image_id, source->record);
	return head->before_id.failed || head->after_id.failed ? &vds_enomem :
								 NULL;
}

struct vds_error *vds_ecs_init(struct vds_ecs *ecs,
			       const struct vds_schema *source,
			       const char *timestamp, const char *image_id,
			       const char *plugin, const char *version)
{
	*ecs = (struct vds_ecs){.source = source, .image_id = image_id};
	ecs->plugin = plugin;
	ecs->version = version;
	struct vds_error *err = make_schema(ecs);
	if (!err)
		err = make_head(ecs, timestamp, image_id);
	return err;
}

void vds_ecs_deinit(struct vds_ecs *ecs)
{
	vds_record_head_deinit(&ecs->head);
	vds_schema_deinit(&ecs->schema);
	vds_arena_deinit(&ecs->arena);
}

static enum vds_absence absence_of(const struct vds_value *value)
{
	if (value->kind == VDS_KIND_NONE)
		return vds_absence_of(value->why);
	return vds_value_overflows(value) ? VDS_ABSENCE_INVALID :
					    VDS_ABSENCE_NONE;
}

/* Takes the absent cells out of @copy and lists their names. */
static void list_absent(const struct vds_ecs *ecs, struct vds_value *copy,
			struct vds_str lists[4])
{
	const struct vds_schema *source = ecs->source;
	for (size_t i = 0; i < source->num_columns; i++) {
		enum vds_absence absence = absence_of(&copy[i]);
		if (!absence)
			continue;
		copy[i] = (struct vds_value){0};
		if (source->visible[i])
			vds_str_append(&lists[absence],
				       ecs->schema.columns[i].name,
				       strlen(ecs->schema.columns[i].name) + 1);
	}
}

static struct vds_value list_value(const struct vds_str *list)
{
	if (!list->len)
		return (struct vds_value){0};
	return (struct vds_value){.kind = VDS_KIND_STRS, .s = list->data,
				  .count = (uint32_t)list->len};
}

struct vds_error *vds_ecs_put(const struct vds_ecs *ecs,
			      const struct vds_value *values,
			      struct vds_str *out)
{
	struct vds_value copy[VDS_MAX_COLUMNS];
	size_t count = ecs->source->num_columns;
	struct vds_value *more = copy + count;
	struct vds_str lists[4] = {{0}};	/* by enum vds_absence */
	char id[VDS_ID_LEN];
	vds_row_id(&ecs->head.seed, ecs->source, values, id);
	memcpy(copy, values, count * sizeof(*copy));
	list_absent(ecs, copy, lists);
	more[SCHEMA] = vds_str(VDS_RECORD_SCHEMA);
	more[KIND] = vds_str(ecs->source->record);
	more[IMAGE] = vds_str(ecs->image_id);
	more[PLUGIN] = vds_str(ecs->plugin);
	more[VERSION] = vds_str(ecs->version);
	more[UNREADABLE] = list_value(&lists[VDS_ABSENCE_UNREADABLE]);
	more[INVALID] = list_value(&lists[VDS_ABSENCE_INVALID]);
	more[NOT_IN_PROFILE] = list_value(&lists[VDS_ABSENCE_NOT_IN_PROFILE]);
	struct vds_error *err = vds_record_put_id(&ecs->head, &ecs->schema,
						  copy, id, out);
	for (size_t i = 0; i < VDS_ARRAY_SIZE(lists); i++) {
		if (lists[i].failed && !err)
			err = &vds_enomem;
		vds_str_deinit(&lists[i]);
	}
	return err;
}
