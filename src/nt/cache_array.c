/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file cache's views: CcVacbArrays is an array of pointers to arrays of
 * VACBs, from 7 on; the last one in use is CcVacbArraysHighestUsedIndex. An
 * array is a header that knows its own place (VacbArrayIndex) and the highest
 * VACB that was ever mapped, and the VACBs behind it, each of which points back
 * at it (ArrayHead). A VACB in use belongs to a SHARED_CACHE_MAP, whose file
 * leads to the data control area and back to the map.
 */
#include <inttypes.h>

#include "base/map.h"
#include "base/util.h"
#include "nt/name.h"
#include "nt/rec.h"
#include "nt/section_source.h"
#include "nt/walk.h"
#include "vadose/file.h"
#include "vadose/sharing.h"

/* CcInitializeVacbs makes room for 0x500 arrays; twice that is no cache. */
#define ARRAYS_MAX 0xa00u
/* VACBs of one array: 64 GB of files. */
#define VACBS_MAX 0x40000u
#define VACB_BYTES_MAX 0x60u
/* The low 16 bits of the file offset are ActiveCount. */
#define ACTIVE_MASK UINT64_C(0xffff)

struct reader {
	struct vds_task *task;
	struct vds_kernel_views *views;
	struct vds_map areas;	/* SHARED_CACHE_MAP -> control area, 0 = none */
	enum vds_why why;
};

static void failed(struct reader *r, enum vds_why why)
{
	if (!r->why)
		r->why = why;
}

/* The data control area of the cache map's file, if that names the map too. */
static uint64_t read_area(struct reader *r, uint64_t map)
{
	const struct vds_kernel *kernel = r->task->kernel;
	struct vds_file_info file;
	uint64_t object, back, area;
	if (!vds_is_kernel_pointer(kernel, map, 8) ||
	    vds_task_field(r->task, map, vds_kf(kernel, CACHE_MAP_FILE),
			   &object))
		return 0;
	vds_file_info_read(r->task, VDS_FAST_REF(object), &file);
	if (file.why ||
	    !vds_is_kernel_pointer(kernel, file.section_pointers, 8) ||
	    vds_task_field(r->task, file.section_pointers,
			   vds_kf(kernel, SOP_CACHE), &back) || back != map ||
	    vds_task_field(r->task, file.section_pointers,
			   vds_kf(kernel, SOP_DATA), &area) ||
	    vds_control_area_check(r->task, area))
		return 0;
	return area;
}

static bool find_area(struct reader *r, uint64_t map, uint64_t *ret)
{
	uint64_t *slot = vds_map_get(&r->areas, map);
	if (slot) {
		*ret = *slot;
		return true;
	}
	*ret = read_area(r, map);
	slot = vds_map_put(&r->areas, map, NULL);
	if (!slot) {
		r->task->nomem = true;
		return false;
	}
	*slot = *ret;
	return true;
}

static void note_vacb(struct reader *r, uint64_t va, const char *what)
{
	failed(r, VDS_BAD_DATA);
	vds_note(&r->task->notes, "vacb_bad", va, "VACB 0x%016" PRIx64 ": %s",
		 va, what);
}

static void read_vacb(struct reader *r, const struct vds_rec *rec,
		      uint64_t array)
{
	const struct vds_kernel *kernel = r->task->kernel;
	struct vds_kernel_view view = {
		.address = rec->va,
		.va = vds_rec_u64(rec, vds_kf(kernel, VACB_BASE)),
		.size = VDS_CACHE_VIEW_SIZE,
		.offset = vds_rec_u64(rec, vds_kf(kernel, VACB_OFFSET)) &
			  ~ACTIVE_MASK,
		.source = VDS_VIEW_IN_CACHE,
	};
	uint64_t map = vds_rec_u64(rec, vds_kf(kernel, VACB_MAP));
	/* Free VACBs keep their base address, but have no cache map. */
	if (!map)
		return;
	if (vds_rec_u64(rec, vds_kf(kernel, VACB_ARRAY)) != array ||
	    !vds_is_kernel_pointer(kernel, view.va, VDS_PAGE_SIZE)) {
		note_vacb(r, rec->va, "not one of its array");
		return;
	}
	if (!find_area(r, map, &view.control_area))
		return;
	if (!view.control_area)
		note_vacb(r, rec->va,
			  "its cache map's file doesn't lead back to it");
	else
		vds_kernel_views_add(r->task, r->views, &view);
}

static void read_array(struct reader *r, uint64_t va, uint64_t index)
{
	const struct vds_kernel *kernel = r->task->kernel;
	uint64_t own, highest, each = vds_ksize(kernel, VACB);
	uint8_t buf[VACB_BYTES_MAX];
	enum vds_why why = vds_is_kernel_pointer(kernel, va, 8) ?
		vds_task_field(r->task, va, vds_kf(kernel, VACB_ARRAY_INDEX),
			       &own) : VDS_BAD_ADDRESS;
	if (!why)
		why = vds_task_field(r->task, va,
				     vds_kf(kernel, VACB_ARRAY_HIGHEST),
				     &highest);
	if (!why && (own != index || highest > VACBS_MAX))
		why = VDS_BAD_DATA;
	if (why) {
		failed(r, why);
		vds_note(&r->task->notes, "vacb_array_bad", va,
			 "CcVacbArrays[%" PRIu64 "] is 0x%016" PRIx64
			 ": no array of VACBs (%s)", index, va,
			 vds_why_str(why));
		return;
	}
	va += vds_ksize(kernel, VACB_ARRAY_HEADER);
	for (uint64_t i = 0; i <= highest && !r->task->nomem; i++) {
		struct vds_rec rec;
		why = vds_rec_read(r->task, va + i * each, buf, each, &rec);
		/* The rest of an array that breaks off is no more there. */
		if (why || !rec.whole) {
			failed(r, why ? why : VDS_NOT_IN_IMAGE);
			break;
		}
		read_vacb(r, &rec, va - vds_ksize(kernel, VACB_ARRAY_HEADER));
	}
}

static bool is_known(const struct vds_kernel *kernel)
{
	static const enum vds_field_id ids[] = {
		VDS_F_VACB_BASE, VDS_F_VACB_MAP, VDS_F_VACB_OFFSET,
		VDS_F_VACB_ARRAY, VDS_F_VACB_ARRAY_INDEX,
		VDS_F_VACB_ARRAY_HIGHEST, VDS_F_CACHE_MAP_FILE,
	};
	uint32_t each = vds_ksize(kernel, VACB);
	for (size_t i = 0; i < VDS_ARRAY_SIZE(ids); i++) {
		if (!kernel->binding.fields[ids[i]].present)
			return false;
	}
	return each && each <= VACB_BYTES_MAX;
}

enum vds_why vds_cache_arrays_list(struct vds_task *task,
				   struct vds_kernel_views *views)
{
	const struct vds_kernel *kernel = task->kernel;
	struct reader r = {.task = task, .views = views};
	uint64_t va, arrays;
	uint32_t highest;
	if (!is_known(kernel) ||
	    !vds_kernel_symbol(kernel, VDS_S_CC_VACB_ARRAYS, &va))
		return VDS_NO_FIELD;
	enum vds_why why = vds_task_u64(task, va, &arrays);
	if (why || !arrays)
		return why ? why : VDS_NOT_APPLICABLE;
	if (!vds_kernel_symbol(kernel, VDS_S_CC_VACB_ARRAYS_HIGHEST, &va))
		return VDS_NO_FIELD;
	why = vds_task_u32(task, va, &highest);
	if (!why && (!vds_is_kernel_pointer(kernel, arrays, 8) ||
		     highest >= ARRAYS_MAX))
		why = VDS_BAD_DATA;
	if (why) {
		vds_note(&task->notes, "vacb_arrays_bad", arrays,
			 "CcVacbArrays is 0x%016" PRIx64 ": %s", arrays,
			 vds_why_str(why));
		return why;
	}
	for (uint64_t i = 0; i <= highest && !task->nomem; i++) {
		uint64_t array;
		why = vds_task_u64(task, arrays + i * 8, &array);
		if (why)
			failed(&r, why);
		else if (array)
			read_array(&r, array, i);
	}
	vds_map_deinit(&r.areas);
	return r.why;
}
