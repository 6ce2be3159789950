/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/paging_file.h"

#include "base/bytes.h"
#include "base/util.h"
#include "nt/walk.h"

/* PageFileLow has four bits. */
#define MAX_FILES 16u

static bool read_member(const struct vds_kernel *kernel, struct vds_tlb *tlb,
			uint64_t va, const struct vds_field *field,
			uint64_t *ret)
{
	uint8_t record[8];
	struct vds_field unit = *field;

	if (!field->present || field->size > sizeof(record) ||
	    vds_space_read(&kernel->space, tlb, va + field->offset, record,
			   field->size))
		return false;
	unit.offset = 0;
	return !vds_field_get(&unit, record, field->size, ret);
}

static void look_at(struct vds_kernel *kernel, struct vds_tlb *tlb,
		    uint64_t file)
{
	uint64_t number, is_virtual;

	if (vds_is_kernel_pointer(kernel, file, 8) &&
	    read_member(kernel, tlb, file,
			vds_kf(kernel, PAGING_FILE_NUMBER), &number) &&
	    read_member(kernel, tlb, file,
			vds_kf(kernel, PAGING_FILE_VIRTUAL), &is_virtual) &&
	    is_virtual && number < MAX_FILES)
		kernel->pte.virtual_stores |= (uint16_t)(1u << number);
}

void vds_paging_files_find(struct vds_kernel *kernel, struct vds_tlb *tlb)
{
	const struct vds_field *list = vds_kf(kernel, PARTITION_PAGING_FILES);
	uint64_t partition;

	if (!list->present || list->size % 8 ||
	    !vds_kernel_symbol(kernel, VDS_S_MI_SYSTEM_PARTITION, &partition))
		return;
	for (uint32_t i = 0; i < VDS_MIN(list->size / 8u, MAX_FILES); i++) {
		uint64_t file;

		if (!vds_space_read_u64(&kernel->space, tlb,
					partition + list->offset + 8 * i,
					&file) && file)
			look_at(kernel, tlb, file);
	}
}
