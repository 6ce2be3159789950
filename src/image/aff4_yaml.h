/* SPDX-License-Identifier: Apache-2.0 */
/* information.yaml, which WinPmem puts beside the memory: facts of the system. */
#ifndef VDS_IMAGE_AFF4_YAML_H
#define VDS_IMAGE_AFF4_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 0 = not said, except where a flag tells. Strings may be empty. */
struct vds_winpmem_info {
	char imager[64];
	char system[64];
	uint64_t cr3;
	uint64_t build;
	uint64_t kernel_base;
};

/* Reads what it can; malformed text gives what came before the fault. */
void vds_winpmem_info_parse(const void *text, size_t len,
			    struct vds_winpmem_info *ret);

#endif
