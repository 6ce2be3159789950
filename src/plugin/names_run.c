/* SPDX-License-Identifier: Apache-2.0 */
/* vds_section_names_load(): the section objects of nt/, for plugins. */
#include "nt/section_names.h"
#include "plugin/session.h"
#include "vadose/object.h"

struct vds_error *vds_section_names_load(struct vds_run *run,
					 const struct vds_section_names **ret)
{
	struct vds_error *err = NULL;
	if (!run->names)
		err = vds_section_names_build(run->task, &run->names);
	*ret = run->names;
	return err;
}
