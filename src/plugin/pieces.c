/* SPDX-License-Identifier: Apache-2.0 */
/* Physical memory in pieces, for scans on all threads. */
#include <string.h>

#include "base/util.h"
#include "plugin/session.h"
#include "vadose/record.h"

struct pieces {
	uint64_t *starts;
	size_t count, cap;
};

static bool push(struct vds_run *run, struct pieces *p, uint64_t start)
{
	if (p->count == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 256;
		uint64_t *starts = vds_alloc(run, cap, sizeof(*starts));
		if (!starts)
			return false;
		if (p->count)
			memcpy(starts, p->starts, p->count * sizeof(*starts));
		p->starts = starts;
		p->cap = cap;
	}
	p->starts[p->count++] = start;
	return true;
}

struct vds_error *vds_physical_pieces(struct vds_run *run, uint64_t size,
				      const uint64_t **ret, size_t *ret_count)
{
	struct pieces pieces = {0};
	uint8_t page[VDS_PAGE_SIZE];
	uint64_t pa = 0;
	/* The next byte that there is tells the next piece: gaps are skipped. */
	while (vds_physical_scan(run, &pa, page, sizeof(page))) {
		uint64_t start = pa - pa % size;
		if (!push(run, &pieces, start))
			return &vds_enomem;
		if (start > UINT64_MAX - size)
			break;
		pa = start + size;
	}
	*ret = pieces.starts;
	*ret_count = pieces.count;
	return NULL;
}
