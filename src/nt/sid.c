/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/sid.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/str.h"
#include "base/util.h"
#include "nt/rec.h"
#include "nt/walk.h"

/*
 * The binary form is public and the same everywhere ([MS-DTYP] 2.4.2.2): a
 * revision, a count, an authority of 48 bits in big-endian order, and that many
 * numbers of 32 bits.
 */
#define SID_REVISION 1
#define SID_MAX_PARTS 15
#define SID_HEAD 8

enum vds_why vds_sid_read(struct vds_task *task, uint64_t va,
			  const char **ret)
{
	uint8_t raw[SID_HEAD + 4 * SID_MAX_PARTS];
	uint64_t authority = 0;
	_cleanup_(vds_str_deinit) struct vds_str s = {0};
	enum vds_why why;

	if (!vds_is_kernel_pointer(task->kernel, va, 4))
		return VDS_BAD_DATA;
	why = vds_task_read(task, va, raw, SID_HEAD);
	if (why)
		return why;
	if (raw[0] != SID_REVISION || raw[1] > SID_MAX_PARTS)
		return VDS_BAD_DATA;
	why = vds_task_read(task, va + SID_HEAD, raw + SID_HEAD, 4u * raw[1]);
	if (why)
		return why;
	for (int i = 2; i < SID_HEAD; i++)
		authority = authority << 8 | raw[i];
	/* From 2^32 on it is written in hexadecimal. */
	vds_str_printf(&s, authority >> 32 ? "S-1-0x%012" PRIx64 :
					     "S-1-%" PRIu64, authority);
	for (size_t i = 0; i < raw[1]; i++)
		vds_str_printf(&s, "-%" PRIu32,
			       vds_le32(raw + SID_HEAD + 4 * i));
	return vds_task_keep(task, &s, ret);
}

enum vds_why vds_token_user(struct vds_task *task, uint64_t token,
			    const char **ret)
{
	const struct vds_kernel *kernel = task->kernel;
	uint64_t groups, sid;
	enum vds_why why;

	if (!vds_is_kernel_pointer(kernel, token, 8))
		return VDS_BAD_DATA;
	why = vds_task_field(task, token, vds_kf(kernel, TOKEN_GROUPS),
			     &groups);
	if (why)
		return why;
	if (!vds_is_kernel_pointer(kernel, groups, 8))
		return VDS_BAD_DATA;
	/* The first of them is the user. */
	why = vds_task_field(task, groups, vds_kf(kernel, SID_AND_ATTR_SID),
			     &sid);
	return why ? why : vds_sid_read(task, sid, ret);
}
