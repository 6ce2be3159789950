/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the bytes of one MMVAD(_SHORT) to struct vds_vad. The hot path of the
 * whole engine: all positions are prepared once per tree, each field is one
 * load, shift and mask.
 */
#ifndef VDS_NT_VAD_DECODE_H
#define VDS_NT_VAD_DECODE_H

#include "base/bytes.h"
#include "nt/task.h"
#include "vadose/vad.h"

/* A node as read. */
struct vds_vad_node {
	uint64_t address;
	uint32_t level;
	enum vds_why tag_why;
	enum vds_why tail_why;	/* what follows the core */
	uint8_t bytes[VDS_VAD_BYTES + 8];
};

/* Of the task's kernel, prepared when it is first asked for. Lives as the task. */
const struct vds_vad_layout *vds_vad_layout(struct vds_task *task);

/*
 * Reads the node at @va: header, core and tail in one go if they are all
 * there. Fails only if the core is absent.
 */
enum vds_why vds_vad_node_read(struct vds_task *task,
			       const struct vds_vad_layout *layout, uint64_t va,
			       struct vds_vad_node *ret);

/* A field of a node read before; 0 if the layout lacks it. */
static inline uint64_t vds_vad_bits(const struct vds_vad_node *node,
				    const struct vds_bits *bits)
{
	return (vds_le64(node->bytes + bits->offset) >> bits->shift) &
	       bits->mask;
}

/* True if the pool tag is one that the kernel gives to VADs. */
bool vds_vad_node_tagged(const struct vds_vad_layout *layout,
			 const struct vds_vad_node *node);

void vds_vad_decode(const struct vds_kernel *kernel,
		    const struct vds_vad_layout *layout,
		    const struct vds_vad_node *node, struct vds_vad *ret);

#endif
