/* SPDX-License-Identifier: Apache-2.0 */
/* Where rows go. Made by renderers and filters, fed by the engine. */
#ifndef VDS_ROW_SINK_H
#define VDS_ROW_SINK_H

#include "base/str.h"
#include "vadose/error.h"
#include "vadose/value.h"

struct vds_sink {
	/*
	 * If set, a row's text depends on nothing but the row: it is made on
	 * the worker that found it, on many threads at once, and arrives in
	 * order through text(). Otherwise, or when that is too early, rows
	 * arrive in order through row().
	 */
	struct vds_error *(*format)(const struct vds_sink *sink,
				    const struct vds_value *values,
				    struct vds_str *out);
	/*
	 * NULL, or false as long as format() must not be called yet: rows go
	 * through row() until then. Asked on any thread, at any time; once true
	 * for a row, it is so for all that come after it.
	 */
	bool (*ready)(const struct vds_sink *sink);
	/*
	 * Columns that row() looks at, @num_needs of them; the values of others
	 * may be missing from the rows that it gets. NULL: all.
	 */
	const size_t *needs;
	size_t num_needs;
	/* Any number of whole rows. Never two calls at once. */
	struct vds_error *(*text)(struct vds_sink *sink, const char *text,
				  size_t len);
	/* VDS_ERROR_STOP when no more rows are wanted. Never two at once. */
	struct vds_error *(*row)(struct vds_sink *sink,
				 const struct vds_value *values);
	/* All rows are through; for sinks that hold some back. May be NULL. */
	struct vds_error *(*flush)(struct vds_sink *sink);
};

#endif
