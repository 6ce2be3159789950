/* SPDX-License-Identifier: Apache-2.0 */
#include "image_own.h"

#include <string.h>

#include <vadose/page.h>
#include <vadose/table.h>

struct look {
	struct image_view view;
	const struct vds_vad *vad;
	uint64_t first;		/* page of the section at the view's start */
	struct page_diff *diff;
	struct image_own *own;
};

/* Fills the diff with both versions and compares them; false: not to be had. */
static bool compare(struct look *l, uint64_t page, uint64_t pa)
{
	const struct image_view *v = &l->view;

	memset(l->diff, 0, sizeof(*l->diff));
	l->diff->page = page;
	if (vds_physical_read(v->run, pa, l->diff->new, PAGE) ||
	    vds_section_read_page(v->process, v->section, page,
				  l->diff->old) ||
	    !memcmp(l->diff->old, l->diff->new, PAGE))
		return false;
	page_diff(&l->view, l->diff);
	return l->diff->num_changes;
}

static void look_at_header(struct look *l)
{
	const struct vds_pe *pe = image_pe(&l->view);
	const struct page_diff *d = l->diff;
	uint32_t size = pe && pe->header_size < PAGE ? pe->header_size : PAGE;

	for (uint32_t i = 0; i < size; i++)
		l->own->header += d->old[i] != d->new[i] && !d->ignored[i];
}

/* Older libraries keep the addresses of their imports among their code. */
static bool is_code_changed(struct look *l)
{
	const struct page_diff *d = l->diff;

	for (uint32_t i = 0; i < d->num_changes && i < MAX_RUNS; i++) {
		if (!page_diff_is_import(&l->view, d, d->changes[i].first))
			return true;
	}
	return false;
}

static bool visit(void *ctx, const struct vds_table_entry *e)
{
	struct look *l = ctx;
	uint64_t page = l->first + (e->va - l->view.start) / PAGE, pte;
	const struct vds_subsection *s;
	struct vds_page own;
	bool code;

	if (e->why || e->level != 1 || !e->resident ||
	    !vds_section_pte_of(l->view.section, page, &pte))
		return true;
	s = vds_section_subsection_of(l->view.section, pte);
	code = s && vds_protection_executable(s->protection);
	if (page && !code)
		return true;
	vds_page_at(l->view.process, l->vad, e->va, &own);
	if (!own.is_private_copy || own.private_why)
		return true;
	l->own->copies += code;
	if (!compare(l, page, own.pa))
		return true;
	if (!page)
		look_at_header(l);
	else
		l->own->changed += is_code_changed(l);
	return true;
}

uint64_t image_pages_of_code(const struct vds_section *image)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < image->num_subsections; i++) {
		const struct vds_subsection *s = &image->subsections[i];
		if (vds_protection_executable(s->protection))
			pages += s->ptes;
	}
	return pages;
}

bool image_own(struct vds_run *run, const struct vds_process *process,
	       const struct vds_vad *vad, const struct vds_section *section,
	       struct page_diff *diff, struct image_own *ret)
{
	struct look l = {
		.view = {.run = run, .process = process, .section = section,
			 .start = vad->start, .end = vad->end},
		.vad = vad, .diff = diff, .own = ret,
	};

	*ret = (struct image_own){.code = image_pages_of_code(section)};
	if (!vds_section_page_of(section, vad->first_prototype_pte, &l.first))
		return false;
	vds_tables_walk(process, vad->start, vad->end, visit, &l);
	return true;
}
