/* SPDX-License-Identifier: Apache-2.0 */
#include "vad_choice.h"

#include <vadose/run.h>

bool vad_is_chosen(const struct vds_run *run, const struct vds_vad *vad)
{
	size_t count;
	const uint64_t *list = vds_option_uints(run, "vad", &count);

	for (size_t i = 0; i < count; i++) {
		if (list[i] == vad->node ||
		    (list[i] >= vad->start && list[i] <= vad->end))
			return true;
	}
	return !count;
}
