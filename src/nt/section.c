/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control areas: what a view is a view of. Each is decoded once per task.
 */
#include "vadose/section.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/name.h"
#include "nt/rec.h"
#include "nt/walk.h"

/* Subsections of one control area; an image has as many as PE sections. */
#define MAX_SUBSECTIONS ((size_t)1 << 16)
/* Unused room at the end of prototype arrays: far more than is ever seen. */
#define MAX_UNUSED_PTES 0x10000
/* StartingSector counts 512 bytes in images, 4 KB in data files. */
#define IMAGE_SECTOR_SHIFT 9
#define DATA_SECTOR_SHIFT 12
/* Bytes read at once: the control area and the subsections behind it. */
#define SPAN 0x280

struct reader {
	struct vds_task *task;
	const struct vds_kernel *kernel;
	struct vds_section *section;
	uint64_t va;		/* of the control area */
	size_t have;		/* bytes of span that are there */
	uint8_t span[SPAN];
};

static uint64_t flag(const struct vds_field *field, uint32_t flags)
{
	uint8_t bytes[4];
	uint64_t value;

	vds_put_le32(bytes, flags);
	return vds_field_get(field, bytes, sizeof(bytes), &value) ? 0 : value;
}

static void read_segment(struct reader *r)
{
	const struct vds_kernel *kernel = r->kernel;
	struct vds_section *s = r->section;
	uint8_t buf[0x80];
	struct vds_rec rec;
	uint32_t size = vds_ksize(kernel, SEGMENT);
	uint64_t back, value;

	s->size_why = vds_rec_read(r->task, s->segment, buf,
				   VDS_MIN(size, (uint32_t)sizeof(buf)), &rec);
	/* Segments live in paged pool: absence proves nothing. */
	if (s->size_why ||
	    vds_rec_get(&rec, vds_kf(kernel, SEGMENT_CA), &back))
		return;
	if (back != s->control_area) {
		s->why = s->size_why = VDS_BAD_DATA;
		vds_note(&r->task->notes, "section_bad_segment",
			 s->control_area,
			 "control area 0x%016" PRIx64 ": its segment 0x%016"
			 PRIx64 " belongs to 0x%016" PRIx64, s->control_area,
			 s->segment, back);
		return;
	}
	s->size_why = vds_rec_get(&rec, vds_kf(kernel, SEGMENT_SIZE), &s->size);
	s->total_ptes = vds_rec_u64(&rec, vds_kf(kernel, SEGMENT_PTES)) |
			vds_rec_u64(&rec, vds_kf(kernel, SEGMENT_PTES_HIGH))
				<< 32;
	if (s->backing != VDS_BACKING_PAGEFILE)
		return;
	s->creator_why = vds_rec_get(&rec, vds_kf(kernel, SEGMENT_CREATOR_PID),
				     &value);
	if (s->creator_why == VDS_NO_FIELD) {
		/* Up to 14393: a pointer to the EPROCESS. */
		s->creator_why = vds_rec_get(
			&rec, vds_kf(kernel, SEGMENT_CREATOR), &value);
		if (!s->creator_why && value) {
			s->creator_why =
				vds_is_kernel_pointer(kernel, value, 8) ?
					vds_task_field(r->task, value,
						       vds_kf(kernel,
							      EPROCESS_PID),
						       &value) :
					VDS_BAD_DATA;
		}
	}
	if (!s->creator_why && value > UINT32_MAX)
		s->creator_why = VDS_BAD_DATA;
	if (!s->creator_why && !value)
		s->creator_why = VDS_NOT_APPLICABLE;
	if (!s->creator_why)
		s->creator_pid = (uint32_t)value;
}

static void take_file(struct reader *r, uint64_t file_object)
{
	struct vds_section *s = r->section;
	struct vds_file_info file;

	s->file_object = file_object;
	vds_file_info_read(r->task, file_object, &file);
	s->file_name = file.name;
	s->file_name_why = file.name_why;
	s->file_identity = file.section_pointers;
	s->file_deleted |= file.delete_pending;
}

static void read_control_area(struct reader *r, const struct vds_rec *rec)
{
	const struct vds_kernel *kernel = r->kernel;
	struct vds_section *s = r->section;
	uint64_t file = VDS_FAST_REF(vds_rec_u64(rec, vds_kf(kernel, CA_FILE)));

	s->segment = vds_rec_u64(rec, vds_kf(kernel, CA_SEGMENT));
	s->flags = (uint32_t)vds_rec_u64(rec, vds_kf(kernel, CA_FLAGS));
	s->mapped_views = vds_rec_u64(rec, vds_kf(kernel, CA_VIEWS));
	s->section_references =
		vds_rec_u64(rec, vds_kf(kernel, CA_SECTION_REFS));
	s->user_references = vds_rec_u64(rec, vds_kf(kernel, CA_USER_REFS));
	s->pfn_references = vds_rec_u64(rec, vds_kf(kernel, CA_PFN_REFS));
	if (!vds_is_kernel_pointer(kernel, s->segment, 8)) {
		s->why = VDS_BAD_DATA;
		return;
	}
	if (flag(vds_kf(kernel, SECTION_FLAG_IMAGE), s->flags))
		s->backing = VDS_BACKING_IMAGE;
	else if (flag(vds_kf(kernel, SECTION_FLAG_PHYSICAL), s->flags))
		s->backing = VDS_BACKING_PHYSICAL;
	else if (file || flag(vds_kf(kernel, SECTION_FLAG_FILE), s->flags))
		s->backing = VDS_BACKING_DATA;
	else
		s->backing = VDS_BACKING_PAGEFILE;
	if (flag(vds_kf(kernel, SECTION_FLAG_FILE_NULL), s->flags))
		s->file_deleted = true;
	/* In images the same bytes are ImageRelocationStartBit. */
	if (s->backing != VDS_BACKING_IMAGE)
		s->cache_views_why = vds_rec_get(
			rec, vds_kf(kernel, CA_CACHE_VIEWS), &s->cache_views);
	read_segment(r);
	if (!s->why && file)
		take_file(r, file);
}

/* The bytes of the subsection at @va; from the span if they lie there. */
static enum vds_why read_subsection(struct reader *r, uint64_t va, uint8_t *buf,
				    size_t len, struct vds_rec *rec)
{
	if (va >= r->va && vds_fits(va - r->va, len, r->have)) {
		*rec = (struct vds_rec){.va = va,
					.data = r->span + (va - r->va),
					.len = len, .whole = true};
		return VDS_PRESENT;
	}
	enum vds_why why = vds_rec_read(r->task, va, buf, len, rec);
	return why ? why : rec->whole ? VDS_PRESENT : VDS_NOT_IN_IMAGE;
}

static void decode_subsection(struct reader *r, const struct vds_rec *rec,
			      struct vds_subsection *ret)
{
	const struct vds_kernel *kernel = r->kernel;
	bool image = r->section->backing == VDS_BACKING_IMAGE;
	unsigned int shift = image ? IMAGE_SECTOR_SHIFT : DATA_SECTOR_SHIFT;
	uint64_t sector = vds_rec_u64(rec, vds_kf(kernel, SUB_SECTOR)) |
			  vds_rec_u64(rec, vds_kf(kernel, SUB_SECTOR_HIGH))
				  << 32;

	ret->address = rec->va;
	ret->base = vds_rec_u64(rec, vds_kf(kernel, SUB_BASE));
	ret->ptes = (uint32_t)vds_rec_u64(rec, vds_kf(kernel, SUB_PTES));
	ret->protection =
		(uint32_t)vds_rec_u64(rec, vds_kf(kernel, SUB_PROTECTION));
	if (ret->base && !vds_is_kernel_pointer(kernel, ret->base, 8)) {
		vds_note(&r->task->notes, "subsection_bad_base", rec->va,
			 "subsection 0x%016" PRIx64 ": prototype array at "
			 "0x%016" PRIx64, rec->va, ret->base);
		ret->base = 0;
	}
	if (r->section->backing != VDS_BACKING_IMAGE &&
	    r->section->backing != VDS_BACKING_DATA)
		return;
	ret->file_offset = sector << shift;
	ret->file_bytes =
		(vds_rec_u64(rec, vds_kf(kernel, SUB_SECTORS)) << shift) +
		vds_rec_u64(rec, vds_kf(kernel, SUB_SECTOR_END));
	ret->file_bytes = VDS_MIN(ret->file_bytes,
				  (uint64_t)ret->ptes << VDS_PAGE_SHIFT);
}

static struct vds_subsection *grow(struct vds_arena *arena,
				   struct vds_subsection *list, size_t count)
{
	/* Powers of two from 8 on: full when count is one. */
	if (count && (count < 8 || (count & (count - 1))))
		return list;
	struct vds_subsection *bigger = vds_arena_calloc(
		arena, count < 8 ? 8 : count * 2, sizeof(*bigger));
	if (bigger && count)
		memcpy(bigger, list, count * sizeof(*list));
	return bigger;
}

static bool seen_before(const struct vds_subsection *list, size_t count,
			struct vds_visited *seen, struct vds_arena *arena,
			uint64_t va, bool *nomem)
{
	/* Few: compare. Many: a set, made when it becomes worth it. */
	if (count < 32) {
		for (size_t i = 0; i < count; i++) {
			if (list[i].address == va)
				return true;
		}
		return false;
	}
	if (count == 32) {
		if (!vds_visited_init(seen, arena, 256)) {
			*nomem = true;
			return true;
		}
		for (size_t i = 0; i < count; i++)
			vds_visited_add(seen, list[i].address);
	}
	switch (vds_visited_add(seen, va)) {
	case VDS_SEEN_NEW:
		return false;
	case VDS_SEEN_NOMEM:
		*nomem = true;
		return true;
	default:
		return true;
	}
}

static void note_chain(struct reader *r, const char *kind, uint64_t va,
		       const char *what)
{
	vds_note(&r->task->notes, kind, r->va,
		 "control area 0x%016" PRIx64 ": subsection 0x%016" PRIx64
		 ": %s; the chain ends there", r->va, va, what);
}

/*
 * The subsections begin right behind the control area (the first is embedded
 * in the same allocation) and are chained.
 */
static void read_subsections(struct reader *r)
{
	const struct vds_kernel *kernel = r->kernel;
	struct vds_task *task = r->task;
	struct vds_section *s = r->section;
	struct vds_subsection *list = NULL;
	struct vds_visited seen = {0};
	uint32_t size = vds_ksize(kernel, SUBSECTION);
	uint64_t va = r->va + vds_ksize(kernel, CONTROL_AREA);
	uint64_t page = 0;
	size_t n = 0;
	bool nomem = false;
	uint8_t buf[0x80];

	size = VDS_MIN(size, (uint32_t)sizeof(buf));
	while (va && n < MAX_SUBSECTIONS) {
		struct vds_rec rec;
		enum vds_why why;

		if (!vds_is_kernel_pointer(kernel, va, 8)) {
			note_chain(r, "subsection_bad_pointer", va,
				   "not a kernel address");
			break;
		}
		if (seen_before(list, n, &seen, &task->arena, va, &nomem)) {
			if (nomem)
				goto nomem;
			note_chain(r, "subsection_cycle", va, "met before");
			break;
		}
		why = read_subsection(r, va, buf, size, &rec);
		if (!why && vds_rec_u64(&rec, vds_kf(kernel, SUB_CA)) != r->va)
			why = VDS_BAD_DATA;
		if (why) {
			note_chain(r, "subsection_unusable", va,
				   why == VDS_BAD_DATA ?
					   "belongs to another control area" :
					   vds_why_str(why));
			break;
		}
		list = grow(&task->arena, list, n);
		if (!list)
			goto nomem;
		list[n] = (struct vds_subsection){.first_page = page};
		decode_subsection(r, &rec, &list[n]);
		page += list[n++].ptes;
		va = vds_rec_u64(&rec, vds_kf(kernel, SUB_NEXT));
	}
	s->subsections = list;
	s->num_subsections = n;
	s->subsections_complete = !va;
	/* A mapped file's last subsection may be larger than it need be. */
	if (s->total_ptes && page / 2 > s->total_ptes + MAX_UNUSED_PTES)
		vds_note(&task->notes, "subsection_too_large", r->va,
			 "control area 0x%016" PRIx64 ": its subsections "
			 "claim %" PRIu64 " prototype PTEs, its segment %"
			 PRIu64, r->va, page, s->total_ptes);
	return;
nomem:
	task->nomem = true;
}

static const struct vds_section *load(struct vds_task *task, uint64_t va)
{
	struct reader r = {.task = task, .kernel = task->kernel, .va = va};
	struct vds_section *s = vds_arena_calloc(&task->arena, 1, sizeof(*s));
	uint32_t size = VDS_MIN(vds_ksize(r.kernel, CONTROL_AREA),
				(uint32_t)SPAN);
	struct vds_rec rec;

	if (!s) {
		task->nomem = true;
		return NULL;
	}
	r.section = s;
	s->control_area = va;
	s->size_why = s->creator_why = s->file_name_why =
		s->cache_views_why = VDS_NOT_APPLICABLE;
	if (!vds_is_kernel_pointer(r.kernel, va, 8)) {
		s->why = VDS_BAD_ADDRESS;
	} else if (!vds_task_read(task, va, r.span, SPAN)) {
		r.have = SPAN;
		rec = (struct vds_rec){.va = va, .data = r.span, .len = size,
				       .whole = true};
	} else {
		s->why = vds_rec_read(task, va, r.span, size, &rec);
		if (!s->why && !rec.whole)
			s->why = VDS_NOT_IN_IMAGE;
	}
	if (!s->why)
		read_control_area(&r, &rec);
	if (!s->why)
		read_subsections(&r);
	if (s->why) {
		s->size_why = s->why;
		vds_note(&task->notes, "control_area_unusable", va,
			 "control area 0x%016" PRIx64 ": %s", va,
			 vds_why_str(s->why));
	}
	return s;
}

const struct vds_section *vds_section_at(const struct vds_process *process,
					 uint64_t control_area)
{
	struct vds_task *task = process->task;
	uint64_t *slot = vds_map_get(&task->sections, control_area);
	const struct vds_section *section;

	if (slot)
		return (const struct vds_section *)(uintptr_t)*slot;
	/*
	 * Who asks later on the same task gets it from here: what its names
	 * cost must not depend on who asked first.
	 */
	size_t kept = task->long_text;
	task->long_text = 0;
	section = load(task, control_area);
	task->long_text = kept;
	slot = section ? vds_map_put(&task->sections, control_area, NULL) :
			 NULL;
	if (!slot) {
		task->nomem = true;
		return NULL;
	}
	*slot = (uintptr_t)section;
	return section;
}

enum vds_why vds_vad_control_area(const struct vds_process *process,
				  const struct vds_vad *vad, uint64_t *ret)
{
	struct vds_task *task = process->task;
	uint64_t ca, *slot;
	enum vds_why why;

	if (!vad->has_section)
		return vad->section_why;
	slot = vds_map_get(&task->subsections, vad->subsection);
	if (slot) {
		*ret = *slot;
		return VDS_PRESENT;
	}
	why = vds_task_field(task, vad->subsection,
			     vds_kf(task->kernel, SUB_CA), &ca);
	if (why)
		return why;
	if (!vds_is_kernel_pointer(task->kernel, ca, 8))
		return VDS_BAD_DATA;
	slot = vds_map_put(&task->subsections, vad->subsection, NULL);
	if (slot)
		*slot = ca;
	else
		task->nomem = true;
	*ret = ca;
	return VDS_PRESENT;
}

/* A section that can't be told, with the reason. */
static const struct vds_section *no_section(struct vds_task *task,
					    enum vds_why why)
{
	struct vds_section *s = vds_arena_calloc(&task->arena, 1, sizeof(*s));

	if (!s) {
		task->nomem = true;
		return NULL;
	}
	s->why = s->size_why = s->file_name_why = s->creator_why =
		s->cache_views_why = why;
	return s;
}

/*
 * A view may outlive the control area's own file pointer. The cached section
 * stays as it is: what it says must not depend on who asked before.
 */
static const struct vds_section *
with_file_of_view(struct vds_task *task, const struct vds_section *section,
		  uint64_t file_object)
{
	struct vds_section *s = vds_arena_calloc(&task->arena, 1, sizeof(*s));
	struct reader r = {.task = task, .kernel = task->kernel, .section = s};

	if (!s) {
		task->nomem = true;
		return NULL;
	}
	*s = *section;
	take_file(&r, file_object);
	s->file_from_view = true;
	return s;
}

const struct vds_section *vds_vad_section(const struct vds_process *process,
					  const struct vds_vad *vad)
{
	struct vds_task *task = process->task;
	const struct vds_section *section;
	uint64_t ca;
	enum vds_why why;

	if (!vad->has_section)
		return vad->section_why == VDS_NOT_APPLICABLE ?
			       NULL :
			       no_section(task, vad->section_why);
	why = vds_vad_control_area(process, vad, &ca);
	if (why)
		return no_section(task, why);
	((struct vds_vad *)vad)->control_area = ca;
	section = vds_section_at(process, ca);
	if (section && !section->why && !section->file_object &&
	    vad->file_object)
		return with_file_of_view(task, section, vad->file_object);
	return section;
}

const struct vds_subsection *
vds_section_subsection_of(const struct vds_section *section, uint64_t pte)
{
	for (size_t i = 0; i < section->num_subsections; i++) {
		const struct vds_subsection *sub = &section->subsections[i];

		if (sub->base && pte >= sub->base &&
		    (pte - sub->base) / 8 < sub->ptes)
			return sub;
	}
	return NULL;
}

bool vds_section_page_of(const struct vds_section *section, uint64_t pte,
			 uint64_t *ret)
{
	const struct vds_subsection *sub =
		vds_section_subsection_of(section, pte);

	if (!sub || (pte - sub->base) % 8)
		return false;
	*ret = sub->first_page + (pte - sub->base) / 8;
	return true;
}

bool vds_section_pte_of(const struct vds_section *section, uint64_t page,
			uint64_t *ret)
{
	for (size_t i = 0; i < section->num_subsections; i++) {
		const struct vds_subsection *sub = &section->subsections[i];

		if (page < sub->first_page ||
		    page - sub->first_page >= sub->ptes)
			continue;
		if (!sub->base)
			return false;
		*ret = sub->base + 8 * (page - sub->first_page);
		return true;
	}
	return false;
}
