/* SPDX-License-Identifier: Apache-2.0 */
/* Types as people who know WinDbg's dt expect them, and what differs between
 * two kernels. Text for the terminal; names are escaped. */
#ifndef VDS_PROFILE_SHOW_H
#define VDS_PROFILE_SHOW_H

#include "base/str.h"
#include "profile/profile.h"

/*
 * Appends what @pattern ("_TYPE", "_TYPE.member.path", or globs over the names
 * of types and symbols) stands for: layouts of what it names exactly, a line
 * per match of a glob. False if nothing matches.
 */
bool vds_profile_show(struct vds_str *out, const struct vds_profile *profile,
		      const char *pattern);
/* Appends identity and counts. */
void vds_profile_show_identity(struct vds_str *out,
			       const struct vds_profile *profile);
/* "10.0.19041.572", "19041", or "unknown". */
void vds_profile_show_build(struct vds_str *out,
			    const struct vds_profile_identity *id);

/*
 * Appends what moved from @a to @b: types, members, bits, enumerators,
 * symbols; one line each, '-' only in a, '+' only in b, '~' changed. Returns
 * the number of such lines (of members: one per member).
 */
size_t vds_profile_diff(struct vds_str *out, const struct vds_profile *a,
			const struct vds_profile *b);

#endif
