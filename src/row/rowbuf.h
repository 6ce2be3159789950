/* SPDX-License-Identifier: Apache-2.0 */
/* Rows kept for later: copies of values, with all that they point to. */
#ifndef VDS_ROW_ROWBUF_H
#define VDS_ROW_ROWBUF_H

#include "base/arena.h"
#include "vadose/value.h"

/* Caller's storage; zero-initialised is valid and empty. */
struct vds_rowbuf {
	struct vds_arena arena;
	const struct vds_value **rows;
	size_t count, cap;
	size_t num_columns;	/* of every row */
};

void vds_rowbuf_deinit(struct vds_rowbuf *buf);
/* Forgets the rows, keeps memory for reuse. */
void vds_rowbuf_clear(struct vds_rowbuf *buf);
/* Copies one row of @num_columns values; false when out of memory. */
bool vds_rowbuf_add(struct vds_rowbuf *buf, const struct vds_value *values,
		    size_t num_columns);
/* Bytes held. */
size_t vds_rowbuf_bytes(const struct vds_rowbuf *buf);

#endif
