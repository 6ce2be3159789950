/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The input is the beginning of a PE image as it lies in memory; what it
 * doesn't hold is absent. Headers are rarely met by chance, so pages are given
 * whole: the image's size is rounded up with zeros.
 */
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "nt/pe_rsds.h"

#define BASE UINT64_C(0xfffff80000000000)
#define MAX_SIZE ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	uint8_t *bytes;
	size_t size;
};

static enum vds_why read_input(void *ctx, uint64_t va, void *buf, size_t len)
{
	const struct input *input = ctx;
	if (va < BASE || !vds_fits(va - BASE, len, input->size))
		return VDS_NOT_IN_IMAGE;
	memcpy(buf, input->bytes + (va - BASE), len);
	return VDS_PRESENT;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vds_pe_identity pe;
	struct vds_pdb_id pdb;
	if (size > MAX_SIZE)
		return 0;
	struct input input = {.size = (size + VDS_PAGE_MASK) & ~VDS_PAGE_MASK};
	input.bytes = calloc(1, input.size + 1);
	if (!input.bytes)
		abort();
	if (size)
		memcpy(input.bytes, data, size);
	if (!vds_pe_identify(read_input, &input, BASE, &pe)) {
		if (pe.has_pdb && (strlen(pe.pdb.guid) != 32 ||
				   !pe.pdb.name[0]))
			abort();
		if (pe.size > VDS_PE_SIZE_MAX)
			abort();
	}
	if (vds_pe_search_rsds(read_input, &input, BASE, (uint32_t)input.size,
			       &pdb) && !vds_pdb_is_kernel(pdb.name))
		abort();
	free(input.bytes);
	return 0;
}
