/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which frames have entries? The database is an array over all frames that
 * there could be, mapped only where there is memory: what the page tables leave
 * out is skipped by whole tables, so that a hole of terabytes costs nothing.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "plugin/session.h"
#include "vadose/pfn.h"
#include "vadose/record.h"

/* Bytes of the database in one range: what one page table maps. */
#define SPAN (UINT64_C(2) << 20)
/* 64 TB of memory; a forged run at the end of the address space has more. */
#define MAX_RANGES ((size_t)1 << 20)

struct ranges {
	struct vds_frame_range *list;
	size_t count, cap;
};

static bool push(struct vds_run *run, struct ranges *r, uint64_t first,
		 uint64_t end)
{
	if (r->count == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 64;
		struct vds_frame_range *list =
			vds_alloc(run, cap, sizeof(*list));
		if (!list)
			return false;
		if (r->count)
			memcpy(list, r->list, r->count * sizeof(*list));
		r->list = list;
		r->cap = cap;
	}
	r->list[r->count++] = (struct vds_frame_range){
		.first = first, .count = end - first,
	};
	return true;
}

/* Bytes from the start of what the walk's last table entry spans. */
static uint64_t span_of(const struct vds_translation *t)
{
	if (!t->why || !t->num_entries)
		return SPAN;
	unsigned int level = t->entries[t->num_entries - 1].level;
	return level < 2 ? SPAN : UINT64_C(1) << (12 + 9 * (level - 1));
}

struct vds_error *vds_pfn_ranges(struct vds_run *run,
				 const struct vds_frame_range **ret,
				 size_t *ret_count, enum vds_why *ret_why)
{
	const struct vds_process *any = vds_process_at(run, 0);
	struct ranges ranges = {0};
	uint64_t base, size, end, at;
	*ret = NULL;
	*ret_count = 0;
	*ret_why = any ? vds_pfn_database(any, &base, &size) : VDS_NO_FIELD;
	if (*ret_why)
		return NULL;
	uint64_t frames = vds_physical_end(run) >> VDS_PAGE_SHIFT;
	/* 52 bits of address less 12: the product can't overflow. */
	if (!vds_add_u64(base, VDS_MIN(frames, UINT64_C(1) << 40) * size,
			 &end))
		end = UINT64_MAX;
	for (at = base; at < end && ranges.count < MAX_RANGES;) {
		struct vds_translation t;
		uint64_t next;
		vds_translate(run, NULL, at, &t);
		uint64_t span = span_of(&t);
		if (!vds_add_u64(at & ~(span - 1), span, &next))
			next = end;
		next = VDS_MIN(next, end);
		/* An entry belongs to the range that its first byte is in. */
		if (span == SPAN &&
		    !push(run, &ranges, (at - base + size - 1) / size,
			  (next - base + size - 1) / size))
			return &vds_enomem;
		at = next;
	}
	*ret = ranges.list;
	*ret_count = ranges.count;
	return NULL;
}
