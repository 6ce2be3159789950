/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A record's columns as the host works with them: checked once, with the order
 * in which nested JSON writes them, so that rows cost no thought.
 */
#ifndef VDS_ROW_SCHEMA_H
#define VDS_ROW_SCHEMA_H

#include "base/arena.h"
#include "vadose/error.h"
#include "vadose/plugin.h"

#define VDS_MAX_COLUMNS 128
/* Keys up to this length are copied at a fixed length, which is faster. */
#define VDS_KEY_PAD 32
/* Segments of a column's name. */
#define VDS_MAX_DEPTH 6

/* A JSON object that columns lie in: "process" in "process.pid". */
struct vds_group {
	const char *name;
	const char *open;	/* `"process":{` */
	uint32_t open_len;
	int parent;		/* index, -1 = the record itself */
	unsigned int depth;	/* 0 = directly in the record */
};

/* One column, in the order of nested output. */
struct vds_cell_plan {
	size_t column;		/* index into columns[] and a row's values */
	const char *key;	/* `,"pid":`, readable for VDS_KEY_PAD + 1 bytes */
	uint32_t key_len;
	const char *path;	/* `"process.pid"`, for the lists of absences */
	uint32_t path_len;
	const char *cut_key;	/* `,"pid_truncated":`, likewise */
	uint32_t cut_key_len;
	int group;		/* innermost, -1 = the record itself */
};

struct vds_schema {
	struct vds_arena arena;
	const char *plugin, *version, *record;
	bool vertical;		/* VDS_PLUGIN_VERTICAL */
	const struct vds_column *columns;
	size_t num_columns;
	uint8_t kinds[VDS_MAX_COLUMNS];	/* of columns[], side by side */
	bool visible[VDS_MAX_COLUMNS];	/* shown at all (--fields) */
	bool asked[VDS_MAX_COLUMNS];	/* named by --fields */
	bool has_keys;		/* some column is VDS_COLUMN_KEY */
	size_t severity;	/* 1 + index of a STR column "severity", or 0 */
	struct vds_group *groups;
	size_t num_groups;
	/* Those in the group "image" come first: groups[0] if there is one. */
	struct vds_cell_plan *plan;
	size_t num_image_cells;
};

/*
 * Takes the columns of @plugin (borrowed: it must outlive the schema). Errors:
 * VDS_ERROR_PLUGIN names the column and what is wrong with it.
 */
struct vds_error *vds_schema_init(struct vds_schema *schema,
				  const struct vds_plugin *plugin);
void vds_schema_deinit(struct vds_schema *schema);

/* Index of the column called @name, or of its last segment if only one has
 * it; -1 if there is none, -2 if several have it. */
int vds_schema_find(const struct vds_schema *schema, const char *name);

/*
 * Shows only the columns that match @fields: names or globs separated by
 * commas. VDS_ERROR_USAGE if one matches nothing.
 */
struct vds_error *vds_schema_select(struct vds_schema *schema,
				    const char *fields);

/* What a row lacks, counted over visible columns. */
struct vds_absences {
	uint32_t unreadable;	/* not in image, paged out, not mapped */
	uint32_t invalid;	/* bad address, bad data */
	/* Of findings: 1 + the highest vds_severity among the rows, or 0. */
	uint32_t severity;
};

/* 1 + the place of @word in info, low, medium, high, critical; 0 if none. */
uint32_t vds_severity_rank(const char *word, size_t len);

/* Adds the row's absent and invalid cells, of visible columns, to *absences. */
void vds_schema_absences(const struct vds_schema *schema,
			 const struct vds_value *values,
			 struct vds_absences *absences);
/*
 * Checks each value against its column. VDS_ERROR_PLUGIN: wrong kind or a
 * pointer that is missing. Adds to *absences on the way.
 */
struct vds_error *vds_schema_check(const struct vds_schema *schema,
				   const struct vds_value *values,
				   struct vds_absences *absences);

/* True if JSON can't hold it: past 2^53 - 1, or a time past the year 9999. */
bool vds_value_overflows(const struct vds_value *value);

/* How an absent value counts. */
enum vds_absence {
	VDS_ABSENCE_NONE,	/* not applicable: simply not there */
	VDS_ABSENCE_UNREADABLE,
	VDS_ABSENCE_INVALID,
	VDS_ABSENCE_NOT_IN_PROFILE,
};
enum vds_absence vds_absence_of(enum vds_why why);

#endif
