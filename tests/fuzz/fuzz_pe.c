/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input is the beginning of a PE image as it lies in memory; what it
 * doesn't hold is absent.
 */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "vadose/pe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *bytes;
	size_t size;
};

static enum vds_why read_input(void *ctx, uint32_t rva, void *buf, size_t len)
{
	const struct input *input = ctx;
	if (!vds_fits(rva, len, input->size))
		return VDS_NOT_IN_IMAGE;
	memcpy(buf, input->bytes + rva, len);
	return VDS_PRESENT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct vds_pe pe;
	if (vds_pe_parse(read_input, &input, &pe))
		return 0;
	if (pe.num_sections > VDS_PE_MAX_SECTIONS)
		abort();
	uint32_t guards[4];
	size_t num_guards = 0;
	if (!vds_pe_guard_pointers(read_input, &input, &pe, guards, 4,
				   &num_guards) &&
	    (!num_guards || num_guards > 4 || guards[0] >= pe.image_size))
		abort();
	for (uint32_t rva = 0; rva < 0x10000; rva += 0x800) {
		char name[VDS_PE_NAME_SIZE];
		uint32_t distance;
		uint16_t offsets[64];
		size_t count = 0;
		if (!vds_pe_export_at(read_input, &input, &pe, rva, name,
				      &distance) &&
		    (distance > rva || strlen(name) >= sizeof(name)))
			abort();
		vds_pe_relocations_of(read_input, &input, &pe, rva & ~0xfffu,
				      offsets, 64, &count);
		if (count > 64)
			abort();
		for (size_t i = 0; i < count; i++) {
			if (offsets[i] > 0xfff)
				abort();
		}
	}
	return 0;
}
