/* SPDX-License-Identifier: Apache-2.0 */
/* Fields for hot paths: one load, shift and mask each. */
#ifndef VDS_NT_BITS_H
#define VDS_NT_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vds_field;

/*
 * A field made ready for the hot path: one load, shift and mask. The record's
 * buffer must have 8 readable bytes at any offset below its end.
 */
struct vds_bits {
	uint16_t offset;
	uint8_t shift;
	bool present;
	uint64_t mask;		/* 0 if absent: such a field reads as 0 */
};

/*
 * @base is added to the offset; a field that is absent, wider than 8 bytes or
 * ends past @limit bytes (offset included) is made absent.
 */
void vds_bits_init(struct vds_bits *bits, const struct vds_field *field,
		   size_t base, size_t limit);

#endif
