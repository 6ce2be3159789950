/* SPDX-License-Identifier: Apache-2.0 */
/* Where the fields of MMVAD and MMVAD_SHORT lie, ready for vad_decode.c. */
#ifndef VDS_NT_VAD_LAYOUT_H
#define VDS_NT_VAD_LAYOUT_H

#include "nt/bits.h"

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

#endif
