/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filters choose groups, not views: whoever shares with a chosen process is
 * part of the answer.
 */
#include "choice.h"

const struct vds_section *choice_section(const struct vds_view *view)
{
	return view->section && !view->section->why ? view->section : NULL;
}

static bool name_matches(const struct vds_run *run,
			 const struct vds_section_names *names,
			 const struct vds_section *section)
{
	const char *glob = vds_option_str(run, "name");
	enum vds_why why;
	if (!glob)
		return true;
	if (!section)
		return false;
	const char *name = section->why ? NULL :
		vds_section_name(names, section->control_area, &why);
	return (name && vds_match(glob, name)) ||
	       (section->file_name && vds_match(glob, section->file_name));
}

static bool address_matches(const struct vds_run *run, uint64_t control_area)
{
	size_t n;
	const uint64_t *list = vds_option_uints(run, "address", &n);
	for (size_t i = 0; i < n; i++) {
		if (list[i] == control_area)
			return true;
	}
	return !n;
}

static bool backing_matches(const struct vds_run *run, enum vds_backing backing)
{
	size_t n;
	const char *const *wanted = vds_option_strs(run, "backing", &n);
	if (!n)
		return backing != VDS_BACKING_PHYSICAL;
	for (size_t i = 0; i < n; i++) {
		if (vds_match(wanted[i], vds_backing_str(backing)))
			return true;
	}
	return false;
}

/* A kind that is none would choose nothing, and look like an empty image. */
static bool is_backing(const char *glob)
{
	static const enum vds_backing all[] = {
		VDS_BACKING_UNKNOWN, VDS_BACKING_PAGEFILE, VDS_BACKING_DATA,
		VDS_BACKING_IMAGE, VDS_BACKING_PHYSICAL,
	};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (vds_match(glob, vds_backing_str(all[i])))
			return true;
	}
	return false;
}

struct vds_error *choice_check(const struct vds_run *run, bool *ret_physical)
{
	size_t n;
	const char *const *backings = vds_option_strs(run, "backing", &n);
	*ret_physical = false;
	for (size_t i = 0; i < n; i++) {
		if (!is_backing(backings[i]))
			return vds_error_create(VDS_ERROR_USAGE,
						"--backing: '%s' is not pagefile, data, image, physical or unknown",
						backings[i]);
		*ret_physical |= vds_match(backings[i], "physical");
	}
	return NULL;
}

bool choice_of_processes(struct vds_run *run)
{
	for (size_t i = 0; i < vds_num_processes(run); i++) {
		const struct vds_process *process = vds_process_at(run, i);
		if (process && !process->selected)
			return true;
	}
	return false;
}

static bool has_selected(struct vds_run *run, const struct vds_sharing *sharing,
			 const struct vds_share_group *group)
{
	for (size_t i = 0; i < group->num_views; i++) {
		const struct vds_view *view =
			sharing->views[group->first_view + i];
		if (view->space != VDS_SPACE_PROCESS)
			continue;
		const struct vds_process *process =
			vds_process_at(run, view->process);
		if (!process || process->selected)
			return true;
	}
	/* Views of kernel space belong to no process that could be chosen. */
	return !group->num_processes && !choice_of_processes(run);
}

bool choice_has(struct vds_run *run, const struct vds_sharing *sharing,
		const struct vds_section_names *names,
		const struct vds_share_group *group)
{
	const struct vds_view *view = sharing->views[group->first_view];
	const struct vds_section *section = choice_section(view);
	/* Views of kernel space alone are no process's. */
	uint64_t processes = group->num_processes ? group->num_processes : 1;
	return processes >= vds_option_uint(run, "min-processes") &&
	       group->num_views >= vds_option_uint(run, "min-views") &&
	       (group->writable || !vds_option_set(run, "writable")) &&
	       (group->executable || !vds_option_set(run, "executable")) &&
	       (group->cross_session || !vds_option_set(run, "cross-session")) &&
	       (!group->known || !vds_option_set(run, "no-known-good")) &&
	       backing_matches(run, section ? section->backing :
					      VDS_BACKING_UNKNOWN) &&
	       address_matches(run, group->control_area) &&
	       name_matches(run, names, view->section) &&
	       has_selected(run, sharing, group);
}

bool choice_of_views(struct vds_run *run)
{
	return vds_option_uint(run, "min-views") > 1 ||
	       vds_option_uint(run, "min-processes") > 1 ||
	       vds_option_set(run, "writable") ||
	       vds_option_set(run, "executable") ||
	       vds_option_set(run, "cross-session") ||
	       choice_of_processes(run);
}

bool choice_has_section(const struct vds_run *run,
			const struct vds_section_names *names,
			const struct vds_section *section)
{
	return !section->why && address_matches(run, section->control_area) &&
	       backing_matches(run, section->backing) &&
	       name_matches(run, names, section);
}

struct vds_error *choice_list(struct vds_run *run,
			      const struct vds_sharing *sharing,
			      const struct vds_section_names *names,
			      const size_t **ret, size_t *ret_count)
{
	size_t n = 0;
	size_t *list = vds_alloc(run, sharing->num_groups + 1, sizeof(*list));
	if (!list)
		return &vds_enomem;
	for (size_t g = 0; g < sharing->num_groups; g++) {
		if (choice_has(run, sharing, names, &sharing->groups[g]))
			list[n++] = g;
	}
	*ret = list;
	*ret_count = n;
	return NULL;
}
