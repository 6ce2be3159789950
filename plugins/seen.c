/* SPDX-License-Identifier: Apache-2.0 */
#include "seen.h"

static const uint32_t seen_bits[NUM_SEEN] = {
	VDS_SOURCE_ACTIVE_LINKS, VDS_SOURCE_ACTIVE_BLINKS,
	VDS_SOURCE_KERNEL_LIST, VDS_SOURCE_MM_LIST, VDS_SOURCE_SESSION,
	VDS_SOURCE_CID_TABLE, VDS_SOURCE_HANDLE_TABLES, VDS_SOURCE_THREADS,
	VDS_SOURCE_VIEWS, VDS_SOURCE_POOL, VDS_SOURCE_INITIAL,
	VDS_SOURCE_OPEN_HANDLES,
};

void seen_fill(const struct vds_crossview *view,
	       const struct vds_seen_process *seen, struct vds_value *row)
{
	/* A source that isn't there is not one that missed it. */
	for (unsigned int i = 0; i < NUM_SEEN; i++) {
		if ((view->available | seen->sources) & seen_bits[i])
			row[i] = vds_bool(seen->sources & seen_bits[i]);
	}
}

struct vds_error *seen_index(struct vds_run *run,
			     const struct vds_crossview *view,
			     const struct vds_seen_process *const **ret)
{
	size_t count = vds_num_processes(run);
	const struct vds_seen_process **list =
		vds_alloc(run, count + 1, sizeof(*list));

	if (!list)
		return &vds_enomem;
	for (size_t i = 0; i < view->count; i++) {
		if (view->list[i].index < count)
			list[view->list[i].index] = &view->list[i];
	}
	*ret = list;
	return NULL;
}
