/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and names inside CodeView records; a short record sets b->failed. */
#ifndef VDS_PDB_LEAF_H
#define VDS_PDB_LEAF_H

#include "base/bytes.h"

/* A number leaf: its value if it is an integer, 0 for anything else. */
uint64_t vds_cv_number(struct vds_bytes *b);

/* A name, borrowed, not NUL-terminated; @st: with its length in front. */
void vds_cv_string(struct vds_bytes *b, bool st, const char **ret,
		   size_t *ret_len);

#endif
