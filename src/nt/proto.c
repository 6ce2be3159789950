/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FirstPrototypePte + 8 * index is right up to LastContiguousPte only: a data
 * file that grew has an array per subsection.
 */
#include "base/util.h"
#include "nt/page.h"
#include "nt/task.h"
#include "nt/walk.h"
#include "vadose/section.h"

static size_t index_of(const struct vds_section *section,
		       const struct vds_vad *vad)
{
	const struct vds_subsection *sub = vds_section_subsection_of(
		section, vad->first_prototype_pte);
	if (sub)
		return (size_t)(sub - section->subsections);
	for (size_t i = 0; i < section->num_subsections; i++) {
		if (section->subsections[i].address == vad->subsection)
			return i;
	}
	return section->num_subsections;
}

/* From the subsection that holds the view's first PTE, @index PTEs on. */
static void follow_chain(const struct vds_section *section,
			 const struct vds_vad *vad, uint64_t index,
			 struct vds_proto_place *ret)
{
	size_t i = index_of(section, vad);
	if (i == section->num_subsections) {
		ret->why = VDS_BAD_DATA;
		return;
	}
	uint64_t n = index;
	if (section->subsections[i].base)
		n += (vad->first_prototype_pte -
		      section->subsections[i].base) / 8;
	for (; i < section->num_subsections; i++) {
		const struct vds_subsection *sub = &section->subsections[i];
		if (n >= sub->ptes) {
			n -= sub->ptes;
			continue;
		}
		ret->subsection = sub->address;
		ret->why = sub->base ? VDS_PRESENT : VDS_PAGED_OUT;
		ret->address = sub->base ? sub->base + 8 * n : 0;
		return;
	}
	ret->why = section->subsections_complete ? VDS_NOT_MAPPED :
						   VDS_BAD_DATA;
}

/* An image's PTEs are one block; its view may be longer than that. */
static bool is_past_image(const struct vds_section *section, uint64_t address)
{
	if (!section || section->why || !section->num_subsections ||
	    !section->subsections[0].base || section->size_why)
		return false;
	uint64_t base = section->subsections[0].base;
	return address < base || (address - base) / 8 >= section->total_ptes;
}

void vds_proto_locate(const struct vds_process *process,
		      const struct vds_vad *vad, uint64_t va,
		      struct vds_proto_place *ret)
{
	uint64_t index = (va - vad->start) >> VDS_PAGE_SHIFT, address;
	uint64_t first = vad->first_prototype_pte;
	*ret = (struct vds_proto_place){.why = VDS_BAD_ADDRESS};
	/* index < 2^52, so that the product doesn't wrap. */
	if (!vds_is_kernel_pointer(process->task->kernel, first, 8) ||
	    !vds_add_u64(first, index * 8, &address))
		return;
	bool image = vad->type == VDS_VAD_IMAGE;
	if (image || address > vad->last_contiguous_pte) {
		const struct vds_section *section =
			vds_vad_section(process, vad);
		if (image && is_past_image(section, address)) {
			ret->why = VDS_NOT_MAPPED;
			return;
		}
		if (!image && (!section || section->why)) {
			ret->why = section ? section->why : VDS_BAD_DATA;
			return;
		}
		if (!image) {
			follow_chain(section, vad, index, ret);
			return;
		}
	}
	ret->why = VDS_PRESENT;
	ret->address = address;
}
