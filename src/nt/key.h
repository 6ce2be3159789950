/* SPDX-License-Identifier: Apache-2.0 */
/* Registry keys, as far as handles name them. */
#ifndef VDS_NT_KEY_H
#define VDS_NT_KEY_H

#include "nt/task.h"

/*
 * The path of the key whose object's body (CM_KEY_BODY) is at @body, in @task's
 * arena: "\REGISTRY\MACHINE\SOFTWARE". The name is put together of the key
 * control blocks above it; one that can't be read makes it "...\SOFTWARE".
 */
enum vds_why vds_key_path(struct vds_task *task, uint64_t body,
			  const char **ret);

#endif
