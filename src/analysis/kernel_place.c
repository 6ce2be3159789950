/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages of its section a view of kernel space shows. */
#include "analysis/views.h"
#include "base/util.h"
#include "nt/kernel.h"
#include "nt/pte.h"
#include "nt/task.h"
#include "vadose/pfn.h"
#include "vadose/table.h"

/* 1 GB: views of kernel space whose size nothing states are smaller. */
#define MEASURE_PAGES ((uint64_t)1 << 18)

struct measure {
	const struct vds_process *process;
	const struct vds_section *section;
	uint64_t va;
	uint64_t first;		/* page of the section that va shows */
	uint64_t pages;		/* 0 until some entry tells */
};

/* The prototype PTE behind an entry of the page tables, or 0. */
static uint64_t prototype_of(const struct measure *m, uint64_t entry)
{
	const struct vds_kernel *kernel = m->process->task->kernel;
	struct vds_pte pte;
	struct vds_pfn pfn;
	vds_pte_decode(&kernel->pte, entry, &pte);
	if (pte.kind == VDS_PTE_PROTOTYPE)
		return pte.address;
	if (pte.kind != VDS_PTE_VALID && pte.kind != VDS_PTE_TRANSITION)
		return 0;
	if (vds_pfn_at(m->process, pte.pa >> VDS_PAGE_SHIFT, &pfn) ||
	    !pfn.prototype)
		return 0;
	return pfn.pte_address;
}

static bool visit(void *ctx, const struct vds_table_entry *entry)
{
	struct measure *m = ctx;
	uint64_t index = (entry->va - m->va) >> VDS_PAGE_SHIFT, page;
	if (entry->level != 1)
		return !m->pages;
	if (!vds_section_page_of(m->section, prototype_of(m, entry->entry),
				 &page))
		return !m->pages;
	if (!m->pages && page >= index)
		m->first = page - index;
	else if (!m->pages || page != m->first + index)
		return false;	/* another view begins */
	m->pages = index + 1;
	return true;
}

/* Pages of the section; 0 if its subsections are not all known. */
static uint64_t pages_of(const struct vds_section *section)
{
	if (!section->subsections_complete || !section->num_subsections)
		return 0;
	const struct vds_subsection *tail =
		&section->subsections[section->num_subsections - 1];
	return tail->first_page + tail->ptes;
}

static void set_pages(struct vds_view *view, const struct vds_section *section,
		      uint64_t first, uint64_t pages)
{
	uint64_t all = pages_of(section), pte;
	view->has_pages = true;
	view->first_page = first;
	view->last_page = first + VDS_MAX(pages, (uint64_t)1) - 1;
	if (all && view->last_page >= all && first < all)
		view->last_page = all - 1;
	if (!vds_section_pte_of(section, first, &pte))
		return;
	view->first_prototype_pte = pte;
	view->subsection = vds_section_subsection_of(section, pte);
	if (view->subsection)
		view->subsection_address = view->subsection->address;
}

void vds_view_place_kernel(struct vds_view *view,
			   const struct vds_section *section,
			   const struct vds_process *process, uint64_t size,
			   uint64_t offset, enum vds_why offset_why)
{
	struct measure m = {.process = process, .section = section,
			    .va = view->start};
	uint64_t limit = size ? size >> VDS_PAGE_SHIFT : MEASURE_PAGES;
	view->section = section;
	view->end_why = VDS_PRESENT;
	limit = VDS_MIN(limit, (UINT64_MAX - view->start) >> VDS_PAGE_SHIFT);
	if (process && section && !section->why && limit &&
	    (offset_why || !size))
		vds_tables_walk(process, view->start,
				view->start + (limit << VDS_PAGE_SHIFT) - 1,
				visit, &m);
	if (!offset_why) {
		m.first = offset >> VDS_PAGE_SHIFT;
	} else if (m.pages) {
		offset_why = VDS_PRESENT;
	}
	uint64_t pages = size ? size >> VDS_PAGE_SHIFT : m.pages;
	if (!size && !m.pages)
		view->end_why = VDS_NO_FIELD;
	if (section && !section->why && !offset_why)
		set_pages(view, section, m.first, pages);
	/* Of the last piece of a file only what there is shows. */
	if (view->has_pages && size)
		pages = view->last_page - view->first_page + 1;
	view->end = view->start +
		    (VDS_MAX(pages, (uint64_t)1) << VDS_PAGE_SHIFT) - 1;
}
