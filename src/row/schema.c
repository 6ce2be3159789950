/* SPDX-License-Identifier: Apache-2.0 */
#include "row/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"
#include "row/units.h"

/* First segments that the envelope of a record owns. */
static const char *const reserved[] = {
	"schema", "kind", "id", "plugin", "unreadable", "invalid",
	"not_in_profile",
};

static struct vds_error *bad_column(const struct vds_schema *schema,
				    const char *name, const char *what)
{
	return vds_error_create(VDS_ERROR_PLUGIN, "plugin %s: column '%s': %s",
				schema->plugin, name ? name : "", what);
}

/* Why @name can't be a column's, or NULL. */
static const char *name_fault(const char *name)
{
	size_t depth = 1, segment = 0;
	if (!name || !*name)
		return "has no name";
	for (const char *c = name; *c; c++) {
		if (*c == '.') {
			if (!segment)
				return "has an empty segment";
			segment = 0;
			depth++;
		} else if ((*c >= 'a' && *c <= 'z') ||
			   (*c >= '0' && *c <= '9') || *c == '_') {
			segment++;
		} else {
			return "names are [a-z0-9_]+ separated by dots";
		}
	}
	if (!segment)
		return "has an empty segment";
	if (depth > VDS_MAX_DEPTH)
		return "is nested too deeply";
	size_t first = strcspn(name, ".");
	for (size_t i = 0; i < VDS_ARRAY_SIZE(reserved); i++) {
		if (strlen(reserved[i]) == first &&
		    !strncmp(name, reserved[i], first))
			return "begins with a name of the record's envelope";
	}
	return !strcmp(name, "image") || !strcmp(name, "image.id") ?
		       "is part of the record's envelope" : NULL;
}

/* True if @a is @b, or the name of an object that @b lies in. */
static bool shadows(const char *a, const char *b)
{
	size_t len = strlen(a);
	return !strncmp(a, b, len) && (!b[len] || b[len] == '.');
}

/* True if @a is what says of column @b that it was cut. */
static bool is_cut_mark(const char *a, const char *b)
{
	size_t len = strlen(b);
	return !strncmp(a, b, len) && !strcmp(a + len, "_truncated");
}

static struct vds_error *check_columns(const struct vds_schema *schema)
{
	for (size_t i = 0; i < schema->num_columns; i++) {
		const struct vds_column *column = &schema->columns[i];
		const char *fault = name_fault(column->name);
		if (!fault && (column->kind == VDS_KIND_NONE ||
			       column->kind >= VDS_NUM_KINDS))
			fault = "has an unknown kind";
		for (size_t k = 0; !fault && k < schema->num_columns; k++) {
			if (k != i && shadows(column->name,
					      schema->columns[k].name))
				fault = "hides another column";
			else if (is_cut_mark(column->name,
					     schema->columns[k].name))
				fault = "has the name that says of another "
					"column that it was cut";
		}
		if (fault)
			return bad_column(schema, column->name, fault);
	}
	return NULL;
}

/* Index of the group @name (@len bytes) in @parent, added if new; -1: nomem. */
static int intern_group(struct vds_schema *schema, int parent, const char *name,
			size_t len)
{
	for (size_t i = 0; i < schema->num_groups; i++) {
		const struct vds_group *group = &schema->groups[i];
		if (group->parent == parent && strlen(group->name) == len &&
		    !strncmp(group->name, name, len))
			return (int)i;
	}
	struct vds_group *group = &schema->groups[schema->num_groups];
	group->name = vds_arena_strndup(&schema->arena, name, len);
	group->open = vds_arena_printf(&schema->arena, "\"%.*s\":{", (int)len,
				       name);
	if (!group->name || !group->open)
		return -1;
	group->open_len = (uint32_t)strlen(group->open);
	group->parent = parent;
	group->depth = parent < 0 ? 0 : schema->groups[parent].depth + 1;
	return (int)schema->num_groups++;
}

/* `,"NAME SUFFIX":`, allocated with the padding that put_key() reads. */
static const char *make_key(struct vds_schema *schema, const char *name,
			    const char *suffix, uint32_t *ret_len)
{
	size_t len = strlen(name) + strlen(suffix) + 4;
	char *key = vds_arena_calloc(&schema->arena, 1,
				     len + 1 + VDS_KEY_PAD + 1);
	if (!key)
		return NULL;
	*ret_len = (uint32_t)len;
	snprintf(key, len + 1, ",\"%s%s\":", name, suffix);
	return key;
}

static bool plan_cell(struct vds_schema *schema, struct vds_cell_plan *cell,
		      size_t column)
{
	const char *name = schema->columns[column].name, *dot;
	cell->column = column;
	cell->group = -1;
	cell->path = vds_arena_printf(&schema->arena, "\"%s\"", name);
	while ((dot = strchr(name, '.'))) {
		cell->group = intern_group(schema, cell->group, name,
					   (size_t)(dot - name));
		if (cell->group < 0)
			return false;
		name = dot + 1;
	}
	cell->key = make_key(schema, name, "", &cell->key_len);
	cell->cut_key = make_key(schema, name, "_truncated",
				 &cell->cut_key_len);
	if (!cell->key || !cell->cut_key || !cell->path)
		return false;
	cell->path_len = (uint32_t)strlen(cell->path);
	return true;
}

/* The ancestor of @group that lies directly in @parent, or -1. */
static int child_towards(const struct vds_schema *schema, int parent, int group)
{
	while (group >= 0 && schema->groups[group].parent != parent)
		group = schema->groups[group].parent;
	return group;
}

/*
 * Appends the cells of @parent to @out: each object stands where its first
 * column was declared. Recursion is bounded by VDS_MAX_DEPTH.
 */
static size_t order_cells(const struct vds_schema *schema,
			  const struct vds_cell_plan *cells, int parent,
			  struct vds_cell_plan *out, bool *done)
{
	size_t n = 0;
	for (size_t i = 0; i < schema->num_columns; i++) {
		if (cells[i].group == parent) {
			out[n++] = cells[i];
			continue;
		}
		int child = child_towards(schema, parent, cells[i].group);
		if (child < 0 || done[child])
			continue;
		done[child] = true;
		n += order_cells(schema, cells, child, out + n, done);
	}
	return n;
}

static struct vds_error *make_plan(struct vds_schema *schema)
{
	size_t n = schema->num_columns, max_groups = n * VDS_MAX_DEPTH + 1;
	_cleanup_free_ struct vds_cell_plan *cells = calloc(n + 1,
							    sizeof(*cells));
	_cleanup_free_ bool *done = calloc(max_groups, sizeof(*done));
	schema->groups = vds_arena_calloc(&schema->arena, max_groups,
					  sizeof(*schema->groups));
	schema->plan = vds_arena_calloc(&schema->arena, n + 1,
					sizeof(*schema->plan));
	if (!cells || !done || !schema->groups || !schema->plan)
		return &vds_enomem;
	/* The envelope opens "image" itself, so it is group 0 and goes first. */
	if (intern_group(schema, -1, "image", 5))
		return &vds_enomem;
	for (size_t i = 0; i < n; i++) {
		if (!plan_cell(schema, &cells[i], i))
			return &vds_enomem;
	}
	done[0] = true;
	size_t first = order_cells(schema, cells, 0, schema->plan, done);
	schema->num_image_cells = first;
	order_cells(schema, cells, -1, schema->plan + first, done);
	return NULL;
}

struct vds_error *vds_schema_init(struct vds_schema *schema,
				  const struct vds_plugin *plugin)
{
	*schema = (struct vds_schema){
		.plugin = plugin->name,
		.version = plugin->version,
		.record = plugin->record,
		.vertical = plugin->flags & VDS_PLUGIN_VERTICAL,
		.columns = plugin->columns,
		.num_columns = plugin->num_columns,
	};
	if (!schema->num_columns || schema->num_columns > VDS_MAX_COLUMNS)
		return vds_error_create(VDS_ERROR_PLUGIN,
					"plugin %s: %zu columns (1 to %d may be)",
					plugin->name, schema->num_columns,
					VDS_MAX_COLUMNS);
	struct vds_error *err = check_columns(schema);
	if (!err)
		err = make_plan(schema);
	if (err) {
		vds_schema_deinit(schema);
		return err;
	}
	for (size_t i = 0; i < schema->num_columns; i++) {
		schema->visible[i] = true;
		schema->kinds[i] = (uint8_t)schema->columns[i].kind;
		if (schema->columns[i].flags & VDS_COLUMN_KEY)
			schema->has_keys = true;
		if (schema->columns[i].kind == VDS_KIND_STR &&
		    !strcmp(schema->columns[i].name, "severity"))
			schema->severity = i + 1;
	}
	return NULL;
}

void vds_schema_deinit(struct vds_schema *schema)
{
	vds_arena_deinit(&schema->arena);
}

int vds_schema_find(const struct vds_schema *schema, const char *name)
{
	int found = -1;
	for (size_t i = 0; i < schema->num_columns; i++) {
		const char *full = schema->columns[i].name;
		const char *last = strrchr(full, '.');
		if (!strcmp(full, name))
			return (int)i;
		if (last && !strcmp(last + 1, name))
			found = found == -1 ? (int)i : -2;
	}
	return found;
}

static bool select_one(struct vds_schema *schema, const char *pattern)
{
	int index = vds_schema_find(schema, pattern);
	if (index >= 0) {
		schema->visible[index] = schema->asked[index] = true;
		return true;
	}
	bool any = false;
	for (size_t i = 0; i < schema->num_columns; i++) {
		if (vds_glob_match(pattern, schema->columns[i].name)) {
			schema->visible[i] = schema->asked[i] = true;
			any = true;
		}
	}
	return any;
}

struct vds_error *vds_schema_select(struct vds_schema *schema,
				    const char *fields)
{
	_cleanup_free_ char *copy = strdup(fields);
	if (!copy)
		return &vds_enomem;
	memset(schema->visible, 0, sizeof(schema->visible));
	char *save, *word = strtok_r(copy, ", ", &save);
	if (!word)
		return vds_error_create(VDS_ERROR_USAGE,
					"--fields names no column");
	for (; word; word = strtok_r(NULL, ", ", &save)) {
		if (vds_schema_find(schema, word) == -2)
			return vds_error_create(
				VDS_ERROR_USAGE,
				"--fields: '%s' is the end of several columns' "
				"names; give all of it, or '*.%s' for all of "
				"them", word, word);
		if (!select_one(schema, word))
			return vds_error_create(
				VDS_ERROR_USAGE,
				"--fields: plugin %s has no column '%s' "
				"('vadose schema %s' lists them)",
				schema->plugin, word, schema->plugin);
	}
	return NULL;
}

enum vds_absence vds_absence_of(enum vds_why why)
{
	switch (why) {
	case VDS_NOT_IN_IMAGE:
	case VDS_PAGED_OUT:
	case VDS_NOT_MAPPED:
		return VDS_ABSENCE_UNREADABLE;
	case VDS_BAD_ADDRESS:
	case VDS_BAD_DATA:
		return VDS_ABSENCE_INVALID;
	case VDS_NO_FIELD:
		return VDS_ABSENCE_NOT_IN_PROFILE;
	case VDS_PRESENT:
	case VDS_NOT_APPLICABLE:
		return VDS_ABSENCE_NONE;
	}
	/* No reason that we know of: then neither is the value sound. */
	return VDS_ABSENCE_INVALID;
}

/* FILETIME of 9999-12-31T23:59:59.9999999Z: RFC 3339 years have four digits. */
#define LAST_TIME UINT64_C(2650467743999999999)

bool vds_value_overflows(const struct vds_value *value)
{
	switch (value->kind) {
	case VDS_KIND_INT:
		return value->i > VDS_JSON_INT_MAX ||
		       value->i < -VDS_JSON_INT_MAX;
	case VDS_KIND_SIZE:
		return value->u > (uint64_t)VDS_JSON_INT_MAX;
	case VDS_KIND_TIME:
		return value->u > LAST_TIME;
	default:
		return false;
	}
}

uint32_t vds_severity_rank(const char *word, size_t len)
{
	static const char *const words[] = {"info", "low", "medium", "high",
					    "critical"};
	for (uint32_t i = 0; i < VDS_ARRAY_SIZE(words); i++) {
		if (strlen(words[i]) == len && !memcmp(words[i], word, len))
			return i + 1;
	}
	return 0;
}

static void count_severity(const struct vds_schema *schema,
			   const struct vds_value *values,
			   struct vds_absences *absences)
{
	if (!schema->severity)
		return;
	const struct vds_value *v = &values[schema->severity - 1];
	uint32_t rank = v->kind == VDS_KIND_STR ?
				vds_severity_rank(v->s, v->count) : 0;
	absences->severity = VDS_MAX(absences->severity, rank);
}

/* Most values are there, or not applicable: that is all this asks of them. */
static inline bool is_usual(const struct vds_value *value)
{
	return value->kind == VDS_KIND_NONE ?
		       value->why <= VDS_NOT_APPLICABLE :
		       value->kind >= VDS_KIND_STR ||
			       value->kind == VDS_KIND_ADDR ||
			       value->u <= (uint64_t)VDS_JSON_INT_MAX;
}

static void count_absence(const struct vds_value *value,
			  struct vds_absences *absences)
{
	enum vds_absence absence = VDS_ABSENCE_NONE;
	if (value->kind == VDS_KIND_NONE)
		absence = vds_absence_of(value->why);
	else if (vds_value_overflows(value))
		absence = VDS_ABSENCE_INVALID;
	absences->unreadable += absence == VDS_ABSENCE_UNREADABLE;
	absences->invalid += absence == VDS_ABSENCE_INVALID;
}

void vds_schema_absences(const struct vds_schema *schema,
			 const struct vds_value *values,
			 struct vds_absences *absences)
{
	count_severity(schema, values, absences);
	for (size_t i = 0; i < schema->num_columns; i++) {
		if (!is_usual(&values[i]) && schema->visible[i])
			count_absence(&values[i], absences);
	}
}

/* What is wrong with a value of a kind that points to something, or NULL. */
static const char *pointer_fault(const struct vds_value *value)
{
	if (value->count && !value->s)
		return "the value has a length, but no pointer";
	if (value->kind == VDS_KIND_STRS && value->count &&
	    value->s[value->count - 1])
		return "the last string of the list lacks its NUL";
	return NULL;
}

struct vds_error *vds_schema_check(const struct vds_schema *schema,
				   const struct vds_value *values,
				   struct vds_absences *absences)
{
	for (size_t i = 0; i < schema->num_columns; i++) {
		const struct vds_value *value = &values[i];
		const char *fault = NULL;
		if (!is_usual(value) && schema->visible[i])
			count_absence(value, absences);
		if (value->kind == VDS_KIND_NONE)
			continue;
		if (value->kind != schema->kinds[i])
			fault = "the value's kind is not the declared one";
		else if (value->kind >= VDS_KIND_STR)
			fault = pointer_fault(value);
		if (fault)
			return bad_column(schema, schema->columns[i].name,
					  fault);
	}
	count_severity(schema, values, absences);
	return NULL;
}
