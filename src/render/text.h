/* SPDX-License-Identifier: Apache-2.0 */
/* Cells as text for people (tables, CSV): escaping, sizes, absences. */
#ifndef VDS_RENDER_TEXT_H
#define VDS_RENDER_TEXT_H

#include "base/str.h"
#include "row/schema.h"

/* What a cell is written for. */
enum vds_text_style {
	VDS_TEXT_TABLE,	/* 64K, '-', "?paged out" */
	VDS_TEXT_CSV,	/* 65536, nothing for an absent value */
};

/*
 * Appends valid UTF-8; whatever could command a terminal (controls, escape,
 * bidirectional marks: vds_is_unsafe_char()) becomes "\u{1b}".
 */
void vds_text_escape(struct vds_str *out, const char *s, size_t len);

/* Appends the cell; lists are separated by one space. */
void vds_text_cell(struct vds_str *out, const struct vds_value *value,
		   enum vds_text_style style);

/* Columns that UTF-8 text takes on a terminal (code points; wide ones = 2). */
size_t vds_text_width(const char *s, size_t len);

/* Calls @each for every string of a VDS_KIND_STRS value. */
#define vds_for_each_str(s, value)					\
	for (const char *s = (value)->count ? (value)->s : NULL;	\
	     s && s < (value)->s + (value)->count; s += strlen(s) + 1)

#endif
