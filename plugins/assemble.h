/* SPDX-License-Identifier: Apache-2.0 */
/* A section's content, put together: where each of its pages comes from. */
#ifndef ASSEMBLE_H
#define ASSEMBLE_H

#include <vadose/plugin.h>
#include <vadose/sharing.h>

/* Where the bytes of a piece come from. */
enum source {
	SOURCE_MISSING,		/* the image has no such page */
	SOURCE_ZERO,		/* never written: zeros */
	SOURCE_PROTOTYPE,	/* the frame that the prototype PTE gives */
	SOURCE_PFN,		/* a mapped frame that the PFN database gives to it */
	SOURCE_VIEWS,		/* a frame that two views or more map */
	SOURCE_VIEW,		/* a frame that one view maps: perhaps a copy */
	SOURCE_COPY,		/* a view's own copy (--copies) */
};
const char *source_str(enum source source);

/* A run of pages that come from one place. */
struct piece {
	uint64_t first, last;	/* pages of the section, inclusive */
	enum source source;
	const char *state;	/* where the page is, by its prototype PTE */
	/*
	 * Physical address of the first page; those behind it follow. 0 if
	 * missing and not known to be anywhere.
	 */
	uint64_t frame;
	uint64_t pte_address;	/* of the first page's prototype PTE, 0 = none */
	/* Missing, in a page file: its number, and the first page's offset. */
	bool in_pagefile;
	uint32_t pagefile;
	uint64_t pagefile_offset;	/* in pages */
	const struct vds_view *view;	/* VIEWS, VIEW, PFN, COPY: whose */
	size_t num_views;		/* that map the frame */
};

struct plan {
	struct vds_run *run;
	const struct vds_process *any;	/* lends its task */
	const struct vds_section *section;
	const struct vds_view *const *views;	/* of the section, in order */
	size_t num_views;
	bool copies;		/* a view's own copy is better than nothing */
	uint64_t max_pages;	/* that are looked at */
	uint64_t max_bytes;	/* that are taken */
	/* Result; plan_deinit() frees it. */
	struct piece *pieces;
	size_t num_pieces, max_pieces;
	uint64_t length;	/* bytes; a file ends where its data do */
	uint64_t present, zero, missing;	/* bytes of that */
	uint64_t pages, lookups, taken;
};

/* Fills plan->pieces, without a gap. Errors: out of memory. */
struct vds_error *plan_make(struct plan *plan);
void plan_deinit(struct plan *plan);

/* The piece's bytes, as far as the section goes; perhaps none. */
uint64_t piece_bytes(const struct plan *plan, const struct piece *piece);

#endif
