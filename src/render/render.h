/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How does a row look? A renderer is one file with a struct vds_renderer and
 * one line in render.c's table.
 */
#ifndef VDS_RENDER_RENDER_H
#define VDS_RENDER_RENDER_H

#include "base/note.h"
#include "row/id.h"
#include "row/schema.h"
#include "row/sink.h"
#include "row/units.h"

/* Everything about the run that rows don't say. Borrowed for its duration. */
struct vds_render_info {
	const struct vds_schema *schema;
	const char *image_id;		/* 32 hex digits */
	char timestamp[VDS_TIME_LEN + 1];	/* of the image, not of today */
	/* The run_start record. */
	const struct vds_schema *start;
	const struct vds_value *start_values;
	bool color;			/* the output is a terminal */
};

/* How it ended: the run_end record. */
struct vds_render_end {
	const char *status;		/* "ok", "partial", "failed" */
	int exit_code;
	const char *message;		/* of the error, or NULL */
	uint64_t rows;
	uint64_t unreadable, invalid;	/* cells */
	const struct vds_notes *notes;
};

struct vds_render;

struct vds_renderer {
	const char *name;
	const char *summary;
	/*
	 * A row's text depends on earlier rows (widths, groups): rows are given
	 * one by one, in order. Otherwise row() must not modify the render: it
	 * is called on many threads at once.
	 */
	bool ordered;
	/*
	 * Of ordered ones: true from where on a row's text depends on nothing
	 * earlier any more (see struct vds_sink). NULL: never.
	 */
	bool (*ready)(const struct vds_render *render);
	/* NULL or an error if this plugin's rows can't be shown so. */
	struct vds_error *(*begin)(struct vds_render *render,
				   struct vds_str *out);
	struct vds_error *(*row)(const struct vds_render *render,
				 const struct vds_value *values,
				 struct vds_str *out);
	struct vds_error *(*end)(struct vds_render *render,
				 const struct vds_render_end *end,
				 struct vds_str *out);
	/* Frees render->state. May be NULL. */
	void (*deinit)(struct vds_render *render);
};

/* Takes finished text. */
struct vds_writer {
	struct vds_error *(*write)(struct vds_writer *writer, const char *data,
				   size_t len);
};

/* One rendering under way. `sink` comes first: it is what the engine feeds. */
struct vds_render {
	struct vds_sink sink;
	const struct vds_renderer *renderer;
	const struct vds_render_info *info;
	struct vds_writer *writer;
	struct vds_str out;		/* of ordered renderers, not yet written */
	struct vds_id_seed seed;
	void *state;			/* the renderer's own */
};

const struct vds_renderer *vds_renderer_find(const char *name);
/* The table, NULL-terminated, in the order of --help. */
const struct vds_renderer *const *vds_renderers(void);

/* Starts; @info and @writer are borrowed until vds_render_deinit(). */
struct vds_error *vds_render_begin(struct vds_render *render,
				   const struct vds_renderer *renderer,
				   const struct vds_render_info *info,
				   struct vds_writer *writer);
struct vds_error *vds_render_end(struct vds_render *render,
				 const struct vds_render_end *end);
/* Safe on a zeroed one. */
void vds_render_deinit(struct vds_render *render);

/* Columns of a `note` record. */
#define VDS_NUM_NOTE_COLUMNS 3
extern const struct vds_column vds_note_columns[VDS_NUM_NOTE_COLUMNS];

extern const struct vds_renderer vds_render_table;
extern const struct vds_renderer vds_render_csv;
extern const struct vds_renderer vds_render_json;
extern const struct vds_renderer vds_render_ndjson;
extern const struct vds_renderer vds_render_ecs;
extern const struct vds_renderer vds_render_sic;
extern const struct vds_renderer vds_render_dot;
extern const struct vds_renderer vds_render_graphml;

#endif
