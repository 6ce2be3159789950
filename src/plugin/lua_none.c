/* SPDX-License-Identifier: Apache-2.0 */
/* A vadose without Lua: scripts are found, and refused with the reason. */
#include "plugin/script.h"

struct vds_error *vds_script_load(struct vds_arena *arena, const char *name,
				  const char *text, size_t len,
				  struct vds_plugin **ret,
				  const char **ret_fault)
{
	(void)arena;
	(void)name;
	(void)text;
	(void)len;
	*ret = NULL;
	*ret_fault = "this vadose was built without Lua";
	return NULL;
}
