/* SPDX-License-Identifier: Apache-2.0 */
/* A VAD that was not found by walking a tree. */
#include "nt/vad_decode.h"
#include "nt/walk.h"

enum vds_why vds_vad_at(const struct vds_process *process, uint64_t node,
			struct vds_vad *ret)
{
	const struct vds_kernel *kernel = process->task->kernel;
	struct vds_vad_node bytes = {0};
	struct vds_vad vad = {0};

	if (!vds_is_kernel_pointer(kernel, node, 8))
		return VDS_BAD_ADDRESS;
	const struct vds_vad_layout *layout = vds_vad_layout(process->task);
	enum vds_why why = vds_vad_node_read(process->task, layout, node,
					     &bytes);
	if (why)
		return why;
	if (!bytes.tag_why && !vds_vad_node_tagged(layout, &bytes))
		return VDS_BAD_DATA;
	vds_vad_decode(kernel, layout, &bytes, &vad);
	if (vad.start > vad.end || vad.end >> 12 > layout->last_vpn)
		return VDS_BAD_DATA;
	*ret = vad;
	return VDS_PRESENT;
}
