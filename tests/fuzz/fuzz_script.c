/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin in Lua: what it declares, or why it is refused. */
#include <stdint.h>

#include "plugin/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vds_arena arena;
	struct vds_plugin *plugin = NULL;
	const char *fault = NULL;

	vds_arena_init(&arena, (size_t)64 << 20);
	vds_error_destroy(vds_script_load(&arena, "fuzz", (const char *)data,
					  size, &plugin, &fault));
	if (plugin && !plugin->run)
		__builtin_trap();
	vds_arena_deinit(&arena);
	return 0;
}
