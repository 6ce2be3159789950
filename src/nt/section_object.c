/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/section_object.h"

#include "base/bytes.h"
#include "base/util.h"
#include "nt/rec.h"
#include "nt/walk.h"

/* 10 and later: SECTION. The low bits tell that it is a FILE_OBJECT. */
static void decode_section(struct vds_task *task, struct vds_section_object *o)
{
	const struct vds_kernel *kernel = task->kernel;
	uint64_t ca, protection;

	o->protection_why = vds_task_field(
		task, o->object, vds_kf(kernel, SECTION_PROTECTION),
		&protection);
	if (!o->protection_why)
		o->protection = (uint32_t)protection;
	o->size_why = vds_task_field(task, o->object,
				     vds_kf(kernel, SECTION_SIZE), &o->size);
	o->control_area_why = vds_task_field(
		task, o->object, vds_kf(kernel, SECTION_CA), &ca);
	if (o->control_area_why)
		return;
	if (ca & 3)
		o->control_area_why = VDS_NOT_APPLICABLE;
	else if (!vds_is_kernel_pointer(kernel, ca, 8))
		o->control_area_why = VDS_BAD_DATA;
	else
		o->control_area = ca;
}

/*
 * The control area that @segment's member @ca_field names; with @verify only if
 * that one names @segment as its own.
 */
static enum vds_why segment_control_area(struct vds_task *task,
					 uint64_t segment,
					 const struct vds_field *ca_field,
					 bool verify, uint64_t *ret)
{
	const struct vds_kernel *kernel = task->kernel;
	uint64_t ca, back;
	enum vds_why why = vds_task_field(task, segment, ca_field, &ca);

	if (why)
		return why;
	if (!vds_is_kernel_pointer(kernel, ca, 8))
		return VDS_BAD_DATA;
	if (verify) {
		why = vds_task_field(task, ca, vds_kf(kernel, CA_SEGMENT),
				     &back);
		if (why)
			return why;
		if (back != segment)
			return VDS_BAD_DATA;
	}
	*ret = ca;
	return VDS_PRESENT;
}

/* One of the eight page protections, and at most what may go with it. */
static bool is_page_protection(uint64_t value)
{
	uint64_t kind = value & 0xff;

	return kind && !(kind & (kind - 1)) && !(value & ~UINT64_C(0x7ff));
}

/*
 * Up to 8.1 the symbols have no type for the whole section object. Behind what
 * they call SECTION_OBJECT follow SizeOfSection, the control area's flags and
 * InitialPageProtection (Windows Research Kernel, mi.h: SECTION; the symbols of
 * 10240 have the same order). Only if size and flags agree with the segment is
 * it taken for that.
 */
static void read_tail(struct vds_task *task, struct vds_section_object *o)
{
	const struct vds_kernel *kernel = task->kernel;
	uint32_t flags_size = vds_ksize(kernel, SECTION_FLAGS);
	uint64_t at = o->object + vds_ksize(kernel, SECTION_OBJECT);
	uint64_t ca_flags, size, protection;
	uint8_t raw[8 + 4 + 4];

	o->protection_why = VDS_NO_FIELD;
	if (flags_size != 4 || o->control_area_why || o->size_why ||
	    vds_task_field(task, o->control_area, vds_kf(kernel, CA_FLAGS),
			   &ca_flags) ||
	    vds_task_read(task, at, raw, sizeof(raw)))
		return;
	size = vds_le64(raw);
	protection = vds_le32(raw + 12);
	if (!size || size > o->size || !is_page_protection(protection) ||
	    vds_le32(raw + 8) != (uint32_t)ca_flags)
		return;
	o->size = size;
	o->protection = (uint32_t)protection;
	o->protection_why = VDS_PRESENT;
}

/*
 * Up to 8.1: the public SECTION_OBJECT says that Segment is a SEGMENT_OBJECT,
 * a type of NT 4; what is there is the SEGMENT itself (Windows Research Kernel,
 * mi.h: SECTION). The back pointer of the control area decides.
 */
static void decode_section_object(struct vds_task *task,
				  struct vds_section_object *o)
{
	const struct vds_kernel *kernel = task->kernel;
	uint64_t segment;
	enum vds_why why;

	why = vds_task_field(task, o->object,
			     vds_kf(kernel, SECTION_OBJECT_SEGMENT), &segment);
	if (!why && !vds_is_kernel_pointer(kernel, segment, 8))
		why = VDS_BAD_DATA;
	o->control_area_why = o->size_why = why;
	if (why)
		return;
	o->control_area_why = segment_control_area(
		task, segment, vds_kf(kernel, SEGMENT_CA), true,
		&o->control_area);
	if (!o->control_area_why) {
		o->size_why = vds_task_field(task, segment,
					     vds_kf(kernel, SEGMENT_SIZE),
					     &o->size);
		return;
	}
	if (o->control_area_why != VDS_BAD_DATA)
		return;
	o->control_area_why = segment_control_area(
		task, segment, vds_kf(kernel, SEGMENT_OBJECT_CA), false,
		&o->control_area);
	o->size_why = vds_task_field(task, segment,
				     vds_kf(kernel, SEGMENT_OBJECT_SIZE),
				     &o->size);
}

void vds_section_object_read(struct vds_task *task, uint64_t body,
			     struct vds_section_object *ret)
{
	*ret = (struct vds_section_object){.object = body};
	if (vds_kf(task->kernel, SECTION_CA)->present) {
		decode_section(task, ret);
		return;
	}
	decode_section_object(task, ret);
	read_tail(task, ret);
}
