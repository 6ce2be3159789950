/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a plugin's file, before anything of it is trusted. */
#include <stdint.h>

#include "plugin/loader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vds_abi_header header;
	const char *mend;
	vds_elf_header(data, size, "vds_plugin_p", &header, &mend);
	return 0;
}
