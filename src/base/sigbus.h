/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a mapped file past its present end raises SIGBUS. For guarded
 * ranges the handler puts a page of zeros there and notes the hit; any other
 * SIGBUS goes to whoever handled it before.
 */
#ifndef VDS_BASE_SIGBUS_H
#define VDS_BASE_SIGBUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vds_sigbus_range {
	_Atomic uintptr_t start;	/* 0 = unused */
	size_t len;
	atomic_bool hit;
	int slot;
};

/* Guards [start, start + len); false if no slot is free. @range must stay. */
bool vds_sigbus_guard(struct vds_sigbus_range *range, const void *start,
		      size_t len);
void vds_sigbus_unguard(struct vds_sigbus_range *range);

static inline bool vds_sigbus_hit(const struct vds_sigbus_range *range)
{
	return atomic_load_explicit(&range->hit, memory_order_relaxed);
}

#endif
