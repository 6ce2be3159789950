/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the bytes of one MMVAD(_SHORT) to struct vds_vad. The hot path of the
 * whole engine: all positions are prepared once per tree, each field is one
 * load, shift and mask.
 */
#ifndef VDS_NT_VAD_DECODE_H
#define VDS_NT_VAD_DECODE_H

#include "base/bytes.h"
#include "nt/rec.h"
#include "vadose/vad.h"

/* Bytes kept of a node, its pool header in front; any layout up to 28000. */
#define VDS_VAD_BYTES 0xc0

struct vds_vad_layout {
	unsigned int header;	/* bytes of pool header in front; 0 = none */
	unsigned int core;	/* bytes of _MMVAD_SHORT */
	unsigned int whole;	/* bytes of _MMVAD that are of interest */
	unsigned int commit_high_shift;
	bool higher;		/* LA57: the Higher bits count */
	uint64_t last_vpn;	/* of user space */
	struct vds_bits tag, left, right, parent, start, end, start_high,
		end_high, start_higher, end_higher, commit, commit_high,
		mem_commit, type, protection, is_private, subsection, first_pte,
		last_pte, file_offset, process, file_object;
};

/* A node as read. */
struct vds_vad_node {
	uint64_t address;
	uint32_t level;
	enum vds_why tag_why;
	enum vds_why tail_why;	/* what follows the core */
	uint8_t bytes[VDS_VAD_BYTES + 8];
};

void vds_vad_layout_init(struct vds_vad_layout *layout,
			 const struct vds_kernel *kernel);

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
