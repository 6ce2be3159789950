/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/views.h"

#include <stdlib.h>

#include "base/util.h"

void vds_view_list_deinit(struct vds_view_list *list)
{
	free(list->views);
	*list = (struct vds_view_list){0};
}

static struct vds_view *push(struct vds_view_list *list)
{
	if (list->count == list->cap) {
		size_t cap = list->cap ? list->cap * 2 : 64;
		struct vds_view *views =
			realloc(list->views, cap * sizeof(*views));
		if (!views)
			return NULL;
		list->views = views;
		list->cap = cap;
	}
	return &list->views[list->count++];
}

struct vds_error *vds_view_list_add(struct vds_view_list *list,
				    const struct vds_view *view)
{
	struct vds_view *slot = push(list);
	if (!slot)
		return &vds_enomem;
	*slot = *view;
	return NULL;
}

/* Does the VAD show section pages? (SiC's test, and no device memory.) */
static bool is_view(const struct vds_vad *vad, bool physical)
{
	if (vad->is_private || !vad->has_section || !vad->first_prototype_pte)
		return false;
	return physical || vad->type != VDS_VAD_DEVICE_PHYSICAL;
}

void vds_view_init(struct vds_view *view, const struct vds_vad *vad)
{
	*view = (struct vds_view){
		.node = vad->node,
		.start = vad->start,
		.end = vad->end,
		.first_prototype_pte = vad->first_prototype_pte,
		.last_contiguous_pte = vad->last_contiguous_pte,
		.subsection_address = vad->subsection,
		.file_object = vad->file_object,
		.protection = vad->protection,
		.type = (uint8_t)vad->type,
	};
}

struct vds_error *vds_views_collect(const struct vds_process *process,
				    bool physical, struct vds_view_list *list,
				    vds_vad_fn *see, void *see_ctx)
{
	struct vds_vad_iter *iter = vds_vad_iterate(process);
	struct vds_error *err = NULL;
	const struct vds_vad *vad;
	while ((vad = vds_vad_next(iter))) {
		if (see)
			err = see(see_ctx, process, vad);
		if (err)
			return err;
		if (!is_view(vad, physical))
			continue;
		struct vds_view *view = push(list);
		if (!view)
			return &vds_enomem;
		vds_view_init(view, vad);
		view->process = (uint32_t)process->index;
		view->sources = VDS_VIEW_IN_TREE;
	}
	return see ? see(see_ctx, process, NULL) : NULL;
}

void vds_view_extent(const struct vds_view *view, uint64_t *ret_first,
		     uint64_t *ret_last)
{
	if (view->has_pages) {
		*ret_first = view->first_page;
		*ret_last = view->last_page;
		return;
	}
	/* Of kernel space, and nothing tells which pages: a group by itself. */
	if (view->space != VDS_SPACE_PROCESS) {
		*ret_first = *ret_last = view->start / 8;
		return;
	}
	uint64_t pages = (view->end - view->start) / VDS_PAGE_SIZE;
	uint64_t contiguous = view->last_contiguous_pte / 8;
	*ret_first = view->first_prototype_pte / 8;
	*ret_last = *ret_first + pages;
	/* All ones for images. */
	if (contiguous >= *ret_first && contiguous < *ret_last)
		*ret_last = contiguous;
}

void vds_view_place(struct vds_view *view, const struct vds_section *section)
{
	view->section = section;
	view->has_pages = false;
	if (!section || section->why)
		return;
	uint64_t first;
	if (!vds_section_page_of(section, view->first_prototype_pte,
				 &first))
		return;
	view->subsection = vds_section_subsection_of(
		section, view->first_prototype_pte);
	uint64_t pages = (view->end - view->start) / VDS_PAGE_SIZE + 1;
	uint64_t last = first + pages - 1;
	/*
	 * An image VAD may reach past the section's last page (build 26100
	 * appends SCP and CFG pages): what lies beyond has no prototype.
	 */
	if (section->subsections_complete && section->num_subsections) {
		const struct vds_subsection *tail =
			&section->subsections[section->num_subsections - 1];
		uint64_t end = tail->first_page + tail->ptes;
		if (end && last >= end && first < end)
			last = end - 1;
	}
	view->first_page = first;
	view->last_page = last;
	view->has_pages = true;
}
