/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sections by what is left of them in pool: section objects (Sect), control
 * areas (MmCa, MmCi), segments (MmSm) and blocks of prototype PTEs (MmSt). Only
 * what points back at itself counts (vds_pool_check_block()).
 */
#include <pthread.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/kernel.h"
#include "nt/pte.h"
#include "nt/rec.h"
#include "nt/section_object.h"
#include "nt/section_source.h"
#include "nt/walk.h"
#include "plugin/sharing_int.h"
#include "vadose/pfn.h"
#include "vadose/pool.h"

/* Prototype PTEs that are looked at before giving up on a block. */
#define PROTOTYPES_MAX 512u

struct scan {
	const struct vds_pool_check *check;
	pthread_mutex_t lock;
	uint64_t *areas;	/* malloc'ed, in no order */
	size_t count, cap;
};

static bool is_wanted(const void *ctx, uint32_t tag)
{
	(void)ctx;
	switch (vds_pool_content_of(tag)) {
	case VDS_POOL_CONTROL_AREA:
	case VDS_POOL_SEGMENT:
	case VDS_POOL_PROTOTYPES:
	case VDS_POOL_SECTION:
		return true;
	default:
		return false;
	}
}

/* The first two letters of each wanted tag. */
static void list_begins(struct vds_pool_scan *how)
{
	const char *tag;
	for (size_t i = 0; (tag = vds_pool_known_tag(i)); i++) {
		if (is_wanted(NULL, vds_le32((const uint8_t *)tag)))
			vds_pool_scan_begin(how, tag);
	}
}

/*
 * The control area that a prototype PTE of a file leads to: by its own form if
 * the page isn't resident, otherwise by what it will be again (OriginalPte).
 * Those of pagefile-backed sections lead nowhere.
 */
static uint64_t area_of_pte(const struct vds_process *any, uint64_t raw)
{
	const struct vds_kernel *kernel = any->task->kernel;
	struct vds_pte pte;
	struct vds_pfn pfn;
	uint64_t area;
	vds_pte_decode_proto(&kernel->pte, raw, &pte);
	if ((pte.kind == VDS_PTE_VALID || pte.kind == VDS_PTE_TRANSITION) &&
	    !vds_pfn_at(any, pte.pa >> VDS_PAGE_SHIFT, &pfn))
		vds_pte_decode_proto(&kernel->pte, pfn.original_pte, &pte);
	if (pte.kind != VDS_PTE_SUBSECTION ||
	    !vds_is_kernel_pointer(kernel, pte.address, 8) ||
	    vds_task_field(any->task, pte.address, vds_kf(kernel, SUB_CA),
			   &area))
		return 0;
	return area;
}

static uint64_t area_of_prototypes(const struct vds_process *any,
				   const struct vds_pool_block *block)
{
	uint64_t end = block->address + block->size;
	uint64_t area = 0;
	for (uint64_t i = 0; !area && i < PROTOTYPES_MAX; i++) {
		uint64_t va = block->data + i * 8, raw;
		if (va + 8 > end || vds_task_u64(any->task, va, &raw))
			break;
		area = area_of_pte(any, raw);
	}
	return area;
}

static uint64_t area_of(const struct vds_process *any,
			const struct vds_pool_block *block, uint64_t object)
{
	struct vds_section_object section;
	uint64_t area = 0;
	switch (vds_pool_content_of(block->tag)) {
	case VDS_POOL_CONTROL_AREA:
		return object;
	case VDS_POOL_SEGMENT:
		vds_task_field(any->task, object,
			       vds_kf(any->task->kernel, SEGMENT_CA), &area);
		return area;
	case VDS_POOL_SECTION:
		vds_section_object_read(any->task, object, &section);
		return section.control_area_why ? 0 : section.control_area;
	default:
		return area_of_prototypes(any, block);
	}
}

static bool add(struct scan *scan, uint64_t area)
{
	bool ok = true;
	pthread_mutex_lock(&scan->lock);
	if (scan->count == scan->cap) {
		size_t cap = scan->cap ? scan->cap * 2 : 256;
		uint64_t *areas = reallocarray(scan->areas, cap,
					       sizeof(*areas));
		ok = areas != NULL;
		if (ok) {
			scan->areas = areas;
			scan->cap = cap;
		}
	}
	if (ok)
		scan->areas[scan->count++] = area;
	pthread_mutex_unlock(&scan->lock);
	return ok;
}

static struct vds_error *visit(struct vds_run *run, void *ctx,
			       const struct vds_pool_block *block,
			       const uint64_t *pa)
{
	struct scan *scan = ctx;
	const struct vds_process *any = vds_process_at(run, 0);
	uint64_t object;
	(void)pa;
	if (!any)
		return &vds_enomem;
	if (!block->address ||
	    vds_pool_check_block(run, scan->check, block, &object))
		return NULL;
	uint64_t area = area_of(any, block, object);
	if (!area || vds_control_area_check(any->task, area))
		return NULL;
	return add(scan, area) ? NULL : &vds_enomem;
}

struct vds_error *vds_pool_sections(struct vds_run *run, uint64_t **ret,
				    size_t *ret_count)
{
	struct scan scan = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct vds_pool_scan how = {.want = is_wanted, .visit = visit,
				    .ctx = &scan};
	list_begins(&how);
	struct vds_error *err = vds_pool_check_load(run, &scan.check);
	if (!err)
		err = vds_pool_scan(run, &how);
	pthread_mutex_destroy(&scan.lock);
	if (err) {
		free(scan.areas);
		return err;
	}
	*ret = scan.areas;
	*ret_count = scan.count;
	return NULL;
}
