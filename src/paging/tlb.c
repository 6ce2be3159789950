/* SPDX-License-Identifier: Apache-2.0 */
#include "paging/tlb.h"

#include <stdlib.h>
#include <string.h>

struct vds_tlb *vds_tlb_create(void)
{
	return calloc(1, sizeof(struct vds_tlb));
}

void vds_tlb_destroy(struct vds_tlb *tlb)
{
	free(tlb);
}

void vds_tlb_clear(struct vds_tlb *tlb)
{
	if (tlb)
		memset(tlb, 0, sizeof(*tlb));
}
