/* SPDX-License-Identifier: Apache-2.0 */
/* Whose page is it? What vds_pfn_owner() is answered from. */
#include <stdlib.h>

#include "base/map.h"
#include "base/util.h"
#include "nt/kernel.h"
#include "nt/pte.h"
#include "nt/rec.h"
#include "nt/walk.h"
#include "plugin/session.h"
#include "vadose/object.h"
#include "vadose/pfn.h"
#include "vadose/sharing.h"

/* A prototype array of a section. */
struct array {
	uint64_t base;		/* first prototype PTE */
	uint64_t ptes;
	uint64_t control_area, subsection;
	uint64_t first_page;
};

/* Which process has a frame as its top table. */
struct top {
	uint64_t frame;
	size_t process;
};

struct vds_pfn_index {
	struct array *arrays;	/* by base */
	size_t num_arrays;
	struct top *tops;	/* by frame, then process */
	size_t num_tops;
};

static int compare_tops(const void *pa, const void *pb)
{
	const struct top *a = pa, *b = pb;
	if (a->frame != b->frame)
		return a->frame < b->frame ? -1 : 1;
	return a->process < b->process ? -1 : a->process > b->process;
}

static int compare_arrays(const void *pa, const void *pb)
{
	const struct array *a = pa, *b = pb;
	if (a->base != b->base)
		return a->base < b->base ? -1 : 1;
	return a->subsection < b->subsection ? -1 :
	       a->subsection > b->subsection;
}

static int compare_u64(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
	return a < b ? -1 : a > b;
}

/* Exited processes come last: their frame may be another's by now. */
static struct vds_error *load_tops(struct vds_run *run,
				   struct vds_pfn_index *index)
{
	size_t count = vds_num_processes(run);
	index->tops = vds_alloc(run, count + 1, sizeof(*index->tops));
	if (!index->tops)
		return &vds_enomem;
	for (size_t i = 0; i < count; i++) {
		const struct vds_process *p = vds_process_at(run, i);
		if (!p)
			return &vds_enomem;
		if (!p->dtb || p->exited)
			continue;
		index->tops[index->num_tops++] = (struct top){
			.frame = p->dtb >> VDS_PAGE_SHIFT, .process = i,
		};
	}
	qsort(index->tops, index->num_tops, sizeof(*index->tops),
	      compare_tops);
	return NULL;
}

/* The control areas that views and section objects lead to, each once. */
static struct vds_error *list_areas(struct vds_run *run, uint64_t **ret,
				    size_t *ret_count)
{
	struct vds_sharing_options how = {.listed = true};
	const struct vds_sharing *sharing = run->listed;
	const struct vds_section_names *names;
	const struct vds_section_object *objects;
	size_t num_objects, n = 0, kept = 0;
	struct vds_error *err = NULL;
	if (!sharing)
		err = vds_sharing_build(run, &how, &sharing);
	if (!err)
		err = vds_section_names_load(run, &names);
	if (err)
		return err;
	objects = vds_section_objects(names, &num_objects);
	uint64_t *areas = vds_alloc(run, sharing->num_groups + num_objects + 1,
				    sizeof(*areas));
	if (!areas)
		return &vds_enomem;
	for (size_t i = 0; i < sharing->num_groups; i++) {
		if (sharing->groups[i].control_area)
			areas[n++] = sharing->groups[i].control_area;
	}
	for (size_t i = 0; i < num_objects; i++) {
		if (!objects[i].control_area_why && objects[i].control_area)
			areas[n++] = objects[i].control_area;
	}
	qsort(areas, n, sizeof(*areas), compare_u64);
	for (size_t i = 0; i < n; i++) {
		if (!kept || areas[kept - 1] != areas[i])
			areas[kept++] = areas[i];
	}
	*ret = areas;
	*ret_count = kept;
	return NULL;
}

static bool push_arrays(struct vds_run *run, struct vds_pfn_index *index,
			size_t *cap, const struct vds_section *s)
{
	for (size_t i = 0; i < s->num_subsections; i++) {
		const struct vds_subsection *sub = &s->subsections[i];
		if (!sub->base || !sub->ptes)
			continue;
		if (index->num_arrays == *cap) {
			size_t more = *cap ? *cap * 2 : 256;
			struct array *arrays =
				vds_alloc(run, more, sizeof(*arrays));
			if (!arrays)
				return false;
			for (size_t k = 0; k < index->num_arrays; k++)
				arrays[k] = index->arrays[k];
			index->arrays = arrays;
			*cap = more;
		}
		index->arrays[index->num_arrays++] = (struct array){
			.base = sub->base, .ptes = sub->ptes,
			.control_area = s->control_area,
			.subsection = sub->address,
			.first_page = sub->first_page,
		};
	}
	return true;
}

static struct vds_error *load_arrays(struct vds_run *run,
				     struct vds_pfn_index *index)
{
	const struct vds_process *any = vds_process_at(run, 0);
	uint64_t *areas;
	size_t count, cap = 0;
	struct vds_error *err = list_areas(run, &areas, &count);
	if (err)
		return err;
	for (size_t i = 0; i < count; i++) {
		const struct vds_section *s =
			any ? vds_section_at(any, areas[i]) : NULL;
		if (!s)
			return &vds_enomem;
		if (!s->why && !push_arrays(run, index, &cap, s))
			return &vds_enomem;
	}
	if (index->num_arrays)
		qsort(index->arrays, index->num_arrays,
		      sizeof(*index->arrays), compare_arrays);
	return NULL;
}

void vds_run_note_pfn_database(struct vds_run *run, const char *effect)
{
	const struct vds_process *any = vds_process_at(run, 0);
	uint64_t base, size;
	enum vds_why why = any ? vds_pfn_database(any, &base, &size)
			       : VDS_PRESENT;
	if (why && why != VDS_NO_FIELD)
		vds_run_note(run, "no_pfn_database", 0,
			     "the PFN database: %s%s", vds_why_str(why), effect);
}

struct vds_error *vds_pfn_index_load(struct vds_run *run,
				     const struct vds_pfn_index **ret)
{
	struct vds_pfn_index *index = vds_alloc(run, 1, sizeof(*index));
	if (!index)
		return &vds_enomem;
	vds_run_note_pfn_database(run, "");
	struct vds_error *err = load_tops(run, index);
	if (!err && vds_num_processes(run))
		err = load_arrays(run, index);
	if (err)
		return err;
	*ret = index;
	return NULL;
}

/* The array that holds the prototype PTE at @pte: the last that begins there
 * or before; arrays don't overlap unless something is forged. */
static const struct array *array_of(const struct vds_pfn_index *index,
				    uint64_t pte)
{
	size_t low = 0, high = index->num_arrays;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (index->arrays[mid].base <= pte)
			low = mid + 1;
		else
			high = mid;
	}
	if (!low)
		return NULL;
	const struct array *a = &index->arrays[low - 1];
	return (pte - a->base) / 8 < a->ptes ? a : NULL;
}

static void own_section(struct vds_run *run, const struct vds_pfn_index *index,
			const struct vds_pfn *pfn, struct vds_page_owner *ret)
{
	const struct vds_kernel *kernel = run->session->kernel;
	const struct array *a = array_of(index, pfn->pte_address);
	struct vds_pte pte;
	uint64_t ca;
	ret->kind = VDS_OWNER_SECTION;
	if (a) {
		ret->control_area = a->control_area;
		ret->subsection = a->subsection;
		ret->page = a->first_page + (pfn->pte_address - a->base) / 8;
		ret->has_page = true;
		return;
	}
	/* A file's page remembers its subsection, also with no view left. */
	vds_pte_decode_proto(&kernel->pte, pfn->original_pte, &pte);
	if (pte.kind != VDS_PTE_SUBSECTION ||
	    !vds_is_kernel_pointer(kernel, pte.address, 8))
		return;
	ret->subsection = pte.address;
	if (vds_task_field(run->task, pte.address, vds_kf(kernel, SUB_CA),
			   &ca) || !vds_is_kernel_pointer(kernel, ca, 8))
		return;
	const struct vds_process *any = vds_process_at(run, 0);
	const struct vds_section *s = any ? vds_section_at(any, ca) : NULL;
	if (!s || s->why)
		return;
	ret->control_area = ca;
	ret->has_page = vds_section_page_of(s, pfn->pte_address, &ret->page);
}

/*
 * From the page that holds the PTE up to the top table, which holds its own
 * entry: at most one step per level.
 */
static bool find_top(struct vds_run *run, const struct vds_pfn *pfn,
		     uint64_t *ret)
{
	const struct vds_process *any = vds_process_at(run, 0);
	uint64_t frame = pfn->pte_frame;
	for (int level = 0; any && level < 6; level++) {
		struct vds_pfn next;
		if (vds_pfn_at(any, frame, &next))
			return false;
		if (next.pte_frame == frame) {
			*ret = frame;
			return true;
		}
		frame = next.pte_frame;
	}
	return false;
}

static void own_process(struct vds_run *run, const struct vds_pfn_index *index,
			const struct vds_pfn *pfn, struct vds_page_owner *ret)
{
	uint64_t frame;
	if (!find_top(run, pfn, &frame))
		return;
	for (size_t low = 0, high = index->num_tops; low < high;) {
		size_t mid = low + (high - low) / 2;
		if (index->tops[mid].frame == frame) {
			ret->process = index->tops[mid].process;
			ret->has_process = true;
			return;
		}
		if (index->tops[mid].frame < frame)
			low = mid + 1;
		else
			high = mid;
	}
}

/* Where the entries of the page tables themselves are mapped. */
static bool is_table(const struct vds_process *any, uint64_t va)
{
	uint64_t mapped;
	return !vds_pte_address_va(any, va, &mapped);
}

void vds_pfn_owner(struct vds_run *run, const struct vds_pfn_index *index,
		   const struct vds_pfn *pfn, struct vds_page_owner *ret)
{
	const struct vds_process *any = vds_process_at(run, 0);
	*ret = (struct vds_page_owner){0};
	if (pfn->list == VDS_LIST_ZEROED || pfn->list == VDS_LIST_FREE ||
	    pfn->list == VDS_LIST_BAD) {
		ret->kind = VDS_OWNER_NONE;
		return;
	}
	if (pfn->prototype) {
		own_section(run, index, pfn, ret);
		return;
	}
	if (!any || vds_pte_address_va(any, pfn->pte_address, &ret->va))
		return;
	if (is_table(any, ret->va))
		ret->kind = VDS_OWNER_PAGE_TABLE;
	else
		ret->kind = ret->va >> 63 ? VDS_OWNER_SYSTEM :
					    VDS_OWNER_PROCESS;
	if (ret->kind != VDS_OWNER_SYSTEM)
		own_process(run, index, pfn, ret);
}
