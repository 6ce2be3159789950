/* SPDX-License-Identifier: Apache-2.0 */
/* Where a change lies says what it is; for code, also what is there now. */
#include <vadose/section.h>
#include <vadose/vad.h>

#include "code_change.h"
#include "image_change.h"

static const char *const kinds[] = {
	[KIND_CODE] = "code", [KIND_HOOK] = "hook", [KIND_RETURN] = "return",
	[KIND_EXPORT] = "export", [KIND_IMPORT] = "import",
	[KIND_HEADER] = "header", [KIND_CONSTANT] = "constant",
	[KIND_DATA] = "data", [KIND_RELOCATION] = "relocation",
};

const char *kind_str(enum kind kind)
{
	return kinds[kind];
}

static bool is_in(const struct vds_pe_directory *directory, uint64_t rva)
{
	return rva - directory->rva < directory->size;
}

/* The subsection's protection is the kernel's own word on the page. */
enum kind kind_of(struct image_view *s, const struct diff *d, uint32_t offset)
{
	const struct vds_subsection *sub = vds_section_subsection_of(
		s->section, d->shared.pte_address);
	uint64_t rva = d->d.page * PAGE + offset;
	const struct vds_pe *pe = image_pe(s);
	/* Older libraries keep both directories among their code. */
	if (page_diff_is_import(s, &d->d, offset))
		return KIND_IMPORT;
	if (pe && is_in(&pe->exports, rva))
		return KIND_EXPORT;
	if (sub && vds_protection_executable(sub->protection))
		return KIND_CODE;
	if (pe && rva < pe->header_size)
		return KIND_HEADER;
	if (sub && (vds_protection_writable(sub->protection) ||
		    vds_protection_copy_on_write(sub->protection)))
		return KIND_DATA;
	return sub ? KIND_CONSTANT : KIND_DATA;
}

enum kind kind_of_page(struct image_view *s, const struct diff *d)
{
	/* The loader alone copies every page with import addresses. */
	return page_diff_has_import(s, &d->d) ? KIND_IMPORT : kind_of(s, d, 0);
}

const char *memory_at(const struct image_view *s, uint64_t va,
		      enum vds_why *ret_why, bool *ret_image)
{
	struct vds_vad vad;
	*ret_image = false;
	*ret_why = vds_vad_find(s->process, va, &vad);
	if (*ret_why == VDS_NOT_MAPPED)
		*ret_why = VDS_NOT_APPLICABLE;
	if (*ret_why)
		return NULL;
	const struct vds_section *section =
		vad.is_private ? NULL : vds_vad_section(s->process, &vad);
	*ret_image = vad.type == VDS_VAD_IMAGE;
	if (section && !section->why && section->file_name)
		return section->file_name;
	return vds_vad_type_str(vad.type, vad.is_private);
}

/* The longest jump that code_jumps() knows, but for its first byte. */
#define MAX_BACK 13

/*
 * The change may be no more than the operand of a jump that was there before:
 * then only a target that exists is believed.
 */
bool find_jump(const struct image_view *s, const struct diff *d, uint32_t first,
	       uint64_t *ret_target)
{
	for (uint32_t back = 0; back <= MAX_BACK && back <= first; back++) {
		uint32_t at = first - back;
		enum vds_why why;
		bool image;
		size_t len;
		if (!code_jumps(s->process, d->d.new + at, PAGE - at,
				d->va + at, ret_target, &len) || len <= back)
			continue;
		if (!back || memory_at(s, *ret_target, &why, &image))
			return true;
	}
	return false;
}
