/* SPDX-License-Identifier: Apache-2.0 */
/* What a section object (the thing that handles name) leads to. */
#ifndef VDS_NT_SECTION_OBJECT_H
#define VDS_NT_SECTION_OBJECT_H

#include "nt/task.h"
#include "vadose/object.h"

/* Fills object, control_area, size and protection, with reasons, of *ret. */
void vds_section_object_read(struct vds_task *task, uint64_t body,
			     struct vds_section_object *ret);

#endif
