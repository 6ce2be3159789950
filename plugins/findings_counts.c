/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about what a section counts, and what can be found of it. */
#include <vadose/pfn.h>

#include "findings.h"

/* Resident pages of a section that are asked for their share count. */
#define MAX_PAGES 64
#define MAX_LOOKED 4096
/* Views of the section that a finding rests on. */
#define MAX_VIEWS 4

/* The views of @area that are rows, up to MAX_VIEWS; their number. */
static size_t views_of(const struct scene *scene, uint64_t area,
		       const struct vds_view **ret)
{
	const struct vds_sharing *sharing = scene->sharing;
	size_t n = 0;
	for (size_t i = 0; i < sharing->num_views && n < MAX_VIEWS; i++) {
		const struct vds_view *view = sharing->views[i];
		if (view->section && !view->section->why &&
		    view->section->control_area == area)
			ret[n++] = view;
	}
	return n;
}

/* Do more page-table entries map some page than there are views of it? */
static bool is_shared_more(struct vds_run *run,
			   const struct vds_seen_section *seen)
{
	const struct vds_process *any = vds_process_at(run, 0);
	uint64_t page = 0, asked = 0, alike;
	for (size_t i = 0; any && i < MAX_LOOKED && asked < MAX_PAGES; i++) {
		struct vds_section_page at;
		struct vds_pfn pfn;
		vds_section_pages_at(any, seen->section, page, &at, 1, &alike);
		page += alike ? alike : 1;
		if (at.state == VDS_PAGE_RESERVED && !at.pte_address)
			break;
		if (at.state != VDS_PAGE_PRESENT)
			continue;
		asked++;
		if (!vds_pfn_at(any, at.pa / 4096, &pfn) && pfn.prototype &&
		    pfn.pte_address == at.pte_address &&
		    pfn.list == VDS_LIST_ACTIVE &&
		    pfn.share_count > seen->num_views)
			return true;
	}
	return false;
}

struct vds_error *find_in_section(struct vds_run *run,
				  const struct scene *scene, size_t index)
{
	const struct vds_seen_section *seen = &scene->sharing->sections[index];
	const struct vds_view *views[MAX_VIEWS];
	uint64_t missing = vds_unaccounted_views(seen);
	struct finding f;
	/* What the system loads for itself is an image that no view shows. */
	if (!missing || (seen->section->backing == VDS_BACKING_IMAGE &&
			 !seen->num_views) ||
	    seen->section->backing == VDS_BACKING_PHYSICAL ||
	    !finding_init(&f, scene, "views-missing"))
		return NULL;
	size_t n = views_of(scene, seen->control_area, views);
	for (size_t i = 0; i < n; i++)
		finding_view(&f, run, views[i]);
	f.section = seen->section;
	f.view = n ? views[0] : NULL;
	f.process = n ? vds_process_at(run, views[0]->process) : NULL;
	if (f.process && !f.process->selected)
		return NULL;
	if (is_shared_more(run, seen))
		finding_add(&f, "share_count",
			    "more page-table entries map its pages, too");
	f.message = vds_sprintf(
		run, "the section counts %llu views, %u can be found",
		(unsigned long long)seen->section->mapped_views,
		(unsigned int)seen->num_views);
	return finding_emit(&f, run, scene);
}
