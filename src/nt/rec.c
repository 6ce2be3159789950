/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/rec.h"

#include "base/bytes.h"
#include "base/util.h"

enum vds_why vds_rec_read(struct vds_task *task, uint64_t va, void *buf,
			  size_t len, struct vds_rec *rec)
{
	enum vds_why why;

	*rec = (struct vds_rec){.va = va, .data = buf, .len = len};
	if (!len || len > VDS_REC_MAX) {
		rec->len = 0;
		return VDS_NO_FIELD;
	}
	why = vds_task_read(task, va, buf, len);
	rec->whole = why == VDS_PRESENT;
	/* One page only: what failed is all there is. */
	if (rec->whole || (va & VDS_PAGE_MASK) + len <= VDS_PAGE_SIZE ||
	    why == VDS_BAD_ADDRESS) {
		if (!rec->whole)
			rec->len = 0;
		return why;
	}
	vds_space_read_partial(&task->kernel->space, task->tlb, va, buf, len,
			       rec->page_why);
	return rec->page_why[0];
}

enum vds_why vds_rec_get(const struct vds_rec *rec,
			 const struct vds_field *field, uint64_t *ret)
{
	uint64_t value;
	enum vds_why why;

	*ret = 0;
	if (!field->present)
		return VDS_NO_FIELD;
	if (!vds_fits(field->offset, field->size, rec->len))
		return VDS_BAD_DATA;
	if (!rec->whole) {
		uint64_t start = (rec->va & VDS_PAGE_MASK) + field->offset;
		uint64_t end = start + (field->size ? field->size - 1u : 0);
		for (uint64_t p = start >> VDS_PAGE_SHIFT;
		     p <= end >> VDS_PAGE_SHIFT; p++) {
			if (p >= VDS_REC_PAGES)
				return VDS_BAD_DATA;
			if (rec->page_why[p])
				return rec->page_why[p];
		}
	}
	why = vds_field_get(field, rec->data, rec->len, &value);
	if (why == VDS_PRESENT)
		*ret = value;
	return why;
}

uint64_t vds_rec_u64(const struct vds_rec *rec, const struct vds_field *field)
{
	uint64_t value;

	vds_rec_get(rec, field, &value);
	return value;
}

enum vds_why vds_task_field(struct vds_task *task, uint64_t va,
			    const struct vds_field *field, uint64_t *ret)
{
	uint8_t buf[8];
	uint64_t at;
	enum vds_why why;

	*ret = 0;
	if (!field->present)
		return VDS_NO_FIELD;
	if (!field->size || field->size > sizeof(buf))
		return VDS_NO_FIELD;
	if (!vds_add_u64(va, field->offset, &at))
		return VDS_BAD_ADDRESS;
	why = vds_task_read(task, at, buf, field->size);
	if (why)
		return why;
	*ret = vds_le(buf, field->size);
	if (field->bit_len)
		*ret = vds_bits(*ret, field->bit_pos, field->bit_len);
	return VDS_PRESENT;
}
