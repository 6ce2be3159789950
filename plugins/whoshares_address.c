/* SPDX-License-Identifier: Apache-2.0 */
/* whoshares: where an address leads, or why nowhere. */
#include "whoshares.h"

#include <vadose/page.h>
#include <vadose/record.h>
#include <vadose/section.h>
#include <vadose/vad.h>

#define PAGE_MASK UINT64_C(0xfff)

/* Why a page has no bytes here. What never had any is not unreadable. */
static enum vds_why why_of(enum vds_page_state state)
{
	switch (state) {
	case VDS_PAGE_FILE_NOT_RESIDENT:
	case VDS_PAGE_PAGEFILE:
	case VDS_PAGE_COMPRESSED:
		return VDS_PAGED_OUT;
	case VDS_PAGE_UNREADABLE_TABLE:
	case VDS_PAGE_UNREADABLE_PROTO:
	case VDS_PAGE_OUT_OF_IMAGE:
		return VDS_NOT_IN_IMAGE;
	case VDS_PAGE_UNKNOWN_FORMAT:
		return VDS_BAD_DATA;
	default:
		return VDS_NOT_APPLICABLE;
	}
}

/* The section that has the page, though perhaps no process has it in memory. */
static void find_section(const struct vds_process *process,
			 const struct vds_vad *vad,
			 const struct vds_page *page, struct absent *a)
{
	const struct vds_section *section = vds_vad_section(process, vad);

	if (!section || section->why || page->is_private_copy ||
	    page->via == VDS_VIA_HARDWARE || page->via == VDS_VIA_PTE)
		return;
	a->control_area = section->control_area;
	if (page->proto)
		a->has_page = vds_section_page_of(section, page->proto,
						  &a->page);
	else if (vds_section_page_of(section, vad->first_prototype_pte,
				     &a->page)) {
		/* Of this part of the file there is no array now. */
		a->page += (a->va - vad->start) / (PAGE_MASK + 1);
		a->has_page = true;
	}
}

static struct vds_error *add_user(struct vds_run *run, struct hits *hits,
				  const struct vds_process *process,
				  uint64_t va, bool alone)
{
	struct absent a = {.va = va, .process = process->index};
	struct vds_translation t;
	struct vds_page page;
	struct vds_vad vad;
	enum vds_why why;

	vds_translate(run, process, va, &t);
	if (!t.why)
		return push_hit(run, hits, t.pa, MATCH_VIRTUAL) ? NULL :
								  &vds_enomem;
	why = vds_vad_find(process, va, &vad);
	/* Of all processes, most have nothing there. */
	if (why == VDS_NOT_MAPPED && !alone)
		return NULL;
	vds_page_at(process, why ? NULL : &vad, va, &page);
	a.state = vds_page_state_str(page.state);
	a.why = why_of(page.state);
	if (!why)
		find_section(process, &vad, &page, &a);
	else if (why == VDS_NOT_MAPPED && a.why == VDS_NOT_APPLICABLE)
		a.state = "no-vad";
	if (page.state == VDS_PAGE_OUT_OF_IMAGE)
		return push_hit(run, hits, page.pa | (va & PAGE_MASK),
				MATCH_VIRTUAL) ? NULL : &vds_enomem;
	return push_absent(run, hits, &a) ? NULL : &vds_enomem;
}

static struct vds_error *add_kernel(struct vds_run *run, struct hits *hits,
				    uint64_t va)
{
	struct absent a = {.va = va, .process = vds_num_processes(run)};
	struct vds_translation t;

	vds_translate(run, NULL, va, &t);
	if (!t.why)
		return push_hit(run, hits, t.pa, MATCH_VIRTUAL) ? NULL :
								  &vds_enomem;
	a.state = vds_why_str(t.why);
	a.why = t.why == VDS_NOT_MAPPED ? VDS_NOT_APPLICABLE : t.why;
	return push_absent(run, hits, &a) ? NULL : &vds_enomem;
}

/* An address of user space, in each process that was chosen. */
static struct vds_error *add_selected(struct vds_run *run, struct hits *hits,
				      uint64_t va, bool chosen)
{
	struct absent none = {.va = va, .process = vds_num_processes(run),
			      .state = "no-vad", .why = VDS_NOT_APPLICABLE};
	struct vds_error *err = NULL;

	for (size_t i = 0; !err && i < vds_num_processes(run); i++) {
		const struct vds_process *p = vds_process_at(run, i);
		if (!p)
			return &vds_enomem;
		if (p->selected)
			err = add_user(run, hits, p, va, chosen);
	}
	if (err || hits->count || hits->num_absent)
		return err;
	return push_absent(run, hits, &none) ? NULL : &vds_enomem;
}

/* Did --pid or --process choose some? */
static bool has_chosen(struct vds_run *run)
{
	for (size_t i = 0; i < vds_num_processes(run); i++) {
		const struct vds_process *p = vds_process_at(run, i);
		if (p && !p->selected)
			return true;
	}
	return false;
}

struct vds_error *find_address(struct vds_run *run, uint64_t at,
			       enum address_kind kind, struct hits *hits)
{
	bool chosen = has_chosen(run);

	if (kind == ADDRESS_ANY && vds_option_set(run, "va"))
		kind = ADDRESS_VIRTUAL;
	/* Whose it is needs to be told of virtual addresses only. */
	if (kind == ADDRESS_ANY)
		kind = at >> 63 || chosen || at >= vds_physical_end(run) ?
			       ADDRESS_VIRTUAL : ADDRESS_PHYSICAL;
	if (kind == ADDRESS_PHYSICAL)
		return push_hit(run, hits, at, MATCH_PHYSICAL) ? NULL :
								 &vds_enomem;
	return at >> 63 ? add_kernel(run, hits, at) :
			  add_selected(run, hits, at, chosen);
}
