/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/bits.h"

#include "base/bytes.h"
#include "base/util.h"
#include "nt/fields.h"

void vds_bits_init(struct vds_bits *bits, const struct vds_field *field,
		   size_t base, size_t limit)
{
	unsigned int len = field->bit_len ? field->bit_len : 8u * field->size;

	*bits = (struct vds_bits){0};
	if (!field->present || !field->size || field->size > 8 ||
	    field->bit_pos + len > 64u ||
	    !vds_fits(base + field->offset, field->size, limit) ||
	    base + field->offset > UINT16_MAX)
		return;
	bits->offset = (uint16_t)(base + field->offset);
	bits->shift = field->bit_pos;
	bits->present = true;
	bits->mask = len >= 64 ? UINT64_MAX : (UINT64_C(1) << len) - 1;
}
