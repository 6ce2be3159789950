/* SPDX-License-Identifier: Apache-2.0 */
/* Which groups of views to look at: options that plugins about sharing share. */
#ifndef CHOICE_H
#define CHOICE_H

#include <vadose/object.h>
#include <vadose/plugin.h>
#include <vadose/sharing.h>

/* Options that choose groups; MIN_VIEWS is the default of --min-views. */
#define CHOICE_OPTIONS(MIN_VIEWS)                                              \
	{"name", VDS_OPTION_STR, 0, "GLOB", NULL, NULL, "only sections whose file or object name matches"}, \
	{"address", VDS_OPTION_UINTS, 0, "ADDRESS", NULL, NULL, "only the sections of these control areas"}, \
	{"backing", VDS_OPTION_STRS, 0, "KIND", NULL, NULL, "only pagefile, data, image, physical or unknown; physical is shown only if named"}, \
	{"min-processes", VDS_OPTION_UINT, 0, "N", "1", NULL, "only groups with views in at least N processes"}, \
	{"min-views", VDS_OPTION_UINT, 0, "N", MIN_VIEWS, NULL, "only groups with at least N views (2: what is shared)"}, \
	{"writable", VDS_OPTION_FLAG, 0, NULL, NULL, NULL, "only groups that some view may write to"}, \
	{"executable", VDS_OPTION_FLAG, 0, NULL, NULL, NULL, "only groups that some view may execute"}, \
	{"cross-session", VDS_OPTION_FLAG, 0, NULL, NULL, NULL, "only groups with views in different sessions"}, \
	{"no-known-good", VDS_OPTION_FLAG, 0, NULL, NULL, NULL, "leave out regions that every process shares"}

/* VDS_ERROR_USAGE if --backing names no kind; *ret_physical: it names that. */
struct vds_error *choice_check(const struct vds_run *run, bool *ret_physical);

/* Do the options, and --pid and --process, choose this group? */
bool choice_has(struct vds_run *run, const struct vds_sharing *sharing,
		const struct vds_section_names *names,
		const struct vds_share_group *group);

/* Filters that ask for views leave no section that has none. */
bool choice_of_views(struct vds_run *run);

/* The same for a section that no view leads to. */
bool choice_has_section(const struct vds_run *run,
			const struct vds_section_names *names,
			const struct vds_section *section);

/*
 * The indexes of the chosen groups, in order; *ret is borrowed until run()
 * returns. Errors: out of memory.
 */
struct vds_error *choice_list(struct vds_run *run,
			      const struct vds_sharing *sharing,
			      const struct vds_section_names *names,
			      const size_t **ret, size_t *ret_count);

/* True if --pid or --process leaves some process out. */
bool choice_of_processes(struct vds_run *run);

/* The section of a view; NULL if it is unknown or can't be used. */
const struct vds_section *choice_section(const struct vds_view *view);

#endif
