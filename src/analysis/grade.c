/* SPDX-License-Identifier: Apache-2.0 */
#include "analysis/grade.h"

#include "base/bytes.h"
#include "base/util.h"
#include "nt/kernel.h"
#include "nt/pte.h"
#include "nt/task.h"
#include "vadose/page.h"
#include "vadose/pfn.h"

/* Prototype PTEs read at a time, and at most, in search of resident pages. */
#define PROTO_CHUNK 512
#define PROTO_LIMIT 8192

struct sample {
	uint64_t pages[VDS_GRADE_PAGES];	/* on the group's axis */
	/* Of each, if the array is readable: frame, address of its PTE. */
	uint64_t frames[VDS_GRADE_PAGES], ptes[VDS_GRADE_PAGES];
	size_t count;
	bool array_readable;
};

/* The view's address of @page, if it shows it. */
static bool va_of(const struct vds_share_group *group,
		  const struct vds_view *view, uint64_t page, uint64_t *ret)
{
	uint64_t first = group->has_pages ? view->first_page :
					    view->first_prototype_pte / 8;
	if (page < first || page - first > (view->end - view->start) /
					   VDS_PAGE_SIZE)
		return false;
	*ret = view->start + (page - first) * VDS_PAGE_SIZE;
	return true;
}

static uint64_t pte_address(const struct vds_share_group *group,
			    const struct vds_section *section, uint64_t page)
{
	uint64_t pte;
	if (!group->has_pages)
		return page * 8;
	return vds_section_pte_of(section, page, &pte) ? pte : 0;
}

static bool is_resident(const struct vds_task *task, uint64_t raw,
			uint64_t *ret_pa)
{
	struct vds_pte pte;
	vds_pte_decode_proto(&task->kernel->pte, raw, &pte);
	*ret_pa = pte.pa;
	return pte.kind == VDS_PTE_VALID || pte.kind == VDS_PTE_TRANSITION;
}

/*
 * How many prototype PTEs from @page on lie in one piece of memory: to the end
 * of the subsection, of the page of kernel memory, and of the group.
 */
static uint64_t run_length(const struct vds_share_group *group,
			   const struct vds_section *section, uint64_t page,
			   uint64_t address)
{
	uint64_t n = group->last_page - page + 1;
	const struct vds_subsection *s =
		group->has_pages ?
			vds_section_subsection_of(section, address) : NULL;
	if (s)
		n = VDS_MIN(n, s->first_page + s->ptes - page);
	n = VDS_MIN(n, (VDS_PAGE_SIZE - (address & VDS_PAGE_MASK)) / 8);
	return VDS_MIN(n, PROTO_CHUNK);
}

/* Collects resident pages of the group's prototype array. */
static void sample_array(const struct vds_share_group *group,
			 const struct vds_section *section,
			 struct vds_task *task, struct sample *sample)
{
	uint8_t raw[PROTO_CHUNK * 8];
	uint64_t page = group->first_page;
	for (uint64_t looked = 0; looked < PROTO_LIMIT;) {
		uint64_t address = pte_address(group, section, page);
		uint64_t n = address ? run_length(group, section, page,
						  address) : 1;
		n = VDS_MAX(n, 1);
		if (address && !(address & 7) &&
		    !vds_task_read(task, address, raw, n * 8)) {
			sample->array_readable = true;
			for (uint64_t i = 0; i < n; i++) {
				uint64_t pa;
				if (!is_resident(task, vds_le64(raw + i * 8),
						 &pa))
					continue;
				sample->frames[sample->count] =
					pa / VDS_PAGE_SIZE;
				sample->ptes[sample->count] = address + i * 8;
				sample->pages[sample->count++] = page + i;
				if (sample->count == VDS_GRADE_PAGES)
					return;
			}
		}
		looked += n;
		if (group->last_page - page < n)
			return;
		page += n;
	}
}

/* The frame that the view's own page tables give for @va; 0 = none. */
static uint64_t own_frame(const struct vds_process *process,
			  const struct vds_view *view, uint64_t va)
{
	if (!process)
		return 0;
	struct vds_vad vad = {
		.node = view->node, .start = view->start, .end = view->end,
		.type = view->type, .protection = view->protection,
		.has_section = true, .subsection = view->subsection_address,
		.first_prototype_pte = view->first_prototype_pte,
		.last_contiguous_pte = view->last_contiguous_pte,
	};
	struct vds_page page;
	vds_page_at(process, &vad, va, &page);
	if (page.via != VDS_VIA_HARDWARE && page.via != VDS_VIA_PTE)
		return 0;
	if (page.state != VDS_PAGE_PRESENT &&
	    page.state != VDS_PAGE_TRANSITION &&
	    page.state != VDS_PAGE_OUT_OF_IMAGE)
		return 0;
	return page.pa;
}

/*
 * Looks at one page of the section in all views: any frame that two of them
 * map proves those two. Copy-on-write copies have frames of their own and so
 * prove nothing.
 */
static bool prove(const struct vds_share_group *group,
		  struct vds_view *const *views, uint64_t page,
		  vds_process_fn *process, void *ctx, uint64_t *frames)
{
	bool proven = false;
	for (size_t i = 0; i < group->num_views; i++) {
		uint64_t va;
		frames[i] = 0;
		if (va_of(group, views[i], page, &va))
			frames[i] = own_frame(process(ctx, views[i]->process),
					      views[i], va);
	}
	/*
	 * The frame shared by most is the section's; two passes suffice as
	 * private copies are all different (majority vote).
	 */
	for (size_t i = 0; i < group->num_views; i++) {
		for (size_t k = i + 1; frames[i] && k < group->num_views; k++) {
			if (frames[k] != frames[i])
				continue;
			views[i]->proven = views[k]->proven = true;
			frames[k] = 0;
			proven = true;
		}
	}
	return proven;
}

static bool all_proven(const struct vds_share_group *group,
		       struct vds_view *const *views)
{
	for (size_t i = 0; i < group->num_views; i++) {
		if (!views[i]->proven)
			return false;
	}
	return true;
}

/* Does the PFN database say that a sampled frame belongs to its prototype PTE? */
static bool pfn_agrees(const struct sample *sample,
		       const struct vds_process *any)
{
	for (size_t i = 0; sample->array_readable && i < sample->count; i++) {
		struct vds_pfn pfn;
		if (!vds_pfn_at(any, sample->frames[i], &pfn) &&
		    pfn.prototype && pfn.pte_address == sample->ptes[i])
			return true;
	}
	return false;
}

void vds_group_grade(struct vds_share_group *group,
		     struct vds_view *const *views, vds_process_fn *process,
		     void *ctx)
{
	struct sample sample = {0};
	/* Any process of the table lends its task; the first view's may be none. */
	const struct vds_process *first = process(ctx, 0);
	if (!first)
		return;
	_cleanup_free_ uint64_t *frames =
		calloc(group->num_views, sizeof(*frames));
	if (!frames) {
		first->task->nomem = true;
		return;
	}
	sample_array(group, views[0]->section, first->task, &sample);
	group->grade = sample.array_readable ? VDS_GRADE_STRUCTURAL :
					       VDS_GRADE_METADATA;
	/* Nothing known of the array: the first pages may be mapped all the same. */
	for (uint64_t i = 0; !sample.array_readable && i < VDS_GRADE_PAGES &&
			     i <= group->last_page - group->first_page; i++)
		sample.pages[sample.count++] = group->first_page + i;
	for (size_t i = 0; i < sample.count; i++) {
		if (prove(group, views, sample.pages[i], process, ctx, frames))
			group->grade = VDS_GRADE_HARDWARE;
		if (all_proven(group, views))
			return;
	}
	if (group->grade == VDS_GRADE_STRUCTURAL && pfn_agrees(&sample, first))
		group->grade = VDS_GRADE_PFN;
}
