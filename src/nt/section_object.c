/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/section_object.h"

#include "nt/rec.h"
#include "nt/walk.h"

/* 10 and later: SECTION. The low bits tell that it is a FILE_OBJECT. */
static void decode_section(struct vds_task *task, struct vds_section_object *o)
{
	const struct vds_kernel *kernel = task->kernel;
	uint64_t ca;

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

/* Up to 8.1: SECTION_OBJECT -> SEGMENT_OBJECT -> control area. */
static void decode_section_object(struct vds_task *task,
				  struct vds_section_object *o)
{
	const struct vds_kernel *kernel = task->kernel;
	uint64_t segment, ca;
	enum vds_why why;

	why = vds_task_field(task, o->object,
			     vds_kf(kernel, SECTION_OBJECT_SEGMENT), &segment);
	if (!why && !vds_is_kernel_pointer(kernel, segment, 8))
		why = VDS_BAD_DATA;
	o->control_area_why = o->size_why = why;
	if (why)
		return;
	o->size_why = vds_task_field(task, segment,
				     vds_kf(kernel, SEGMENT_OBJECT_SIZE),
				     &o->size);
	why = vds_task_field(task, segment, vds_kf(kernel, SEGMENT_OBJECT_CA),
			     &ca);
	if (!why && !vds_is_kernel_pointer(kernel, ca, 8))
		why = VDS_BAD_DATA;
	o->control_area_why = why;
	if (!why)
		o->control_area = ca;
}

void vds_section_object_read(struct vds_task *task, uint64_t body,
			     struct vds_section_object *ret)
{
	*ret = (struct vds_section_object){.object = body};
	if (vds_kf(task->kernel, SECTION_CA)->present)
		decode_section(task, ret);
	else
		decode_section_object(task, ret);
}
