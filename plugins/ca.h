/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of ca: control areas, and their views. */
#ifndef CA_H
#define CA_H

#include <vadose/plugin.h>
#include <vadose/sharing.h>

enum {
	COL_CA,
	COL_BACKING,
	COL_FILE,
	COL_SEGMENT,
	COL_FLAGS,
	COL_SECTION_REFS,
	COL_PFN_REFS,
	COL_MAPPED_VIEWS,
	COL_USER_REFS,
	COL_SIZE,
	COL_FILE_OBJECT,
	COL_KIND,
	COL_ADDRESS,
	COL_FIRST_PAGE,
	COL_PAGES,
	COL_BASE_PTE,
	COL_PROTECTION,
	COL_FILE_OFFSET,
	COL_FILE_BYTES,
	COL_PID,
	COL_PROCESS,
	COL_EPROCESS,
	COL_START,
	COL_END,
	COL_LISTED,
	COL_IN_TREE,
	COL_SOURCES,
	COL_FOUND_VIEWS,
	COL_UNACCOUNTED,
	COL_TOTAL_PAGES,
	COL_COMMITTED,
	COL_CREATOR,
	COL_SYSTEM_VIEWS,
	COL_WRITABLE_REFS,
	COL_MODIFIED_WRITES,
	COL_FLUSHES,
	COL_UNUSED,
	COL_SECTOR,
	COL_SECTORS,
	COL_PART_FLAGS,
	NUM_COLS,
};

struct ca_context {
	const struct vds_sharing *sharing;
	/* Views of known sections, by (control area, node). */
	const struct vds_view **views;
	size_t num_views;
	const uint64_t *areas;
	size_t num_areas;
	bool narrowed;		/* by --pid or --process */
};

/* Sorts the views of all known sections into c->views. */
struct vds_error *ca_index_views(struct vds_run *run, struct ca_context *c);

/* Views that the control area lists, and whether a tree knows them too. */
struct vds_error *ca_emit_listed(struct vds_run *run,
				 const struct ca_context *c,
				 const struct vds_process *any,
				 const struct vds_section *s,
				 const struct vds_listed_view *listed,
				 size_t count, const struct vds_value *common);

/* Views that the list does not name. */
struct vds_error *ca_emit_unlisted(struct vds_run *run,
				   const struct ca_context *c,
				   const struct vds_section *s,
				   const struct vds_listed_view *listed,
				   size_t count, bool complete,
				   const struct vds_value *common);

/* Does a process that --pid and --process leave in map it? */
bool ca_is_chosen(struct vds_run *run, const struct ca_context *c,
		  uint64_t area, const struct vds_listed_view *listed,
		  size_t count);

#endif
