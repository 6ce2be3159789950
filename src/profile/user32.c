/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/user32.h"

struct vds_error *vds_profile_user32(const struct vds_profile *kernel,
				     struct vds_profile **ret)
{
	const struct vds_type *entry =
		vds_profile_type(kernel, "_LDR_DATA_TABLE_ENTRY");
	struct vds_field node;

	/* The loader of Windows 8 was written anew, around DdagNode. */
	if (!entry || !entry->num_members ||
	    vds_type_member(entry, "DdagNode", &node))
		return vds_profile_parse("wow64-9200.yaml", vds_wow64_9200,
					 vds_wow64_9200_len, ret);
	return vds_profile_parse("wow64-7601.yaml", vds_wow64_7601,
				 vds_wow64_7601_len, ret);
}
