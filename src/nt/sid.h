/* SPDX-License-Identifier: Apache-2.0 */
/* Security identifiers: who a token belongs to. */
#ifndef VDS_NT_SID_H
#define VDS_NT_SID_H

#include "nt/task.h"

/* The SID at kernel address @va as "S-1-5-18", in @task's arena. */
enum vds_why vds_sid_read(struct vds_task *task, uint64_t va,
			  const char **ret);

/* The user of the TOKEN at @token (fast-reference bits cleared). */
enum vds_why vds_token_user(struct vds_task *task, uint64_t token,
			    const char **ret);

#endif
