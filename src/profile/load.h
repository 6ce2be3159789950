/* SPDX-License-Identifier: Apache-2.0 */
/* Loading one kernel of a pack file, which holds many (docs/profiles.md). */
#ifndef VDS_PROFILE_LOAD_H
#define VDS_PROFILE_LOAD_H

#include "profile/profile.h"

/*
 * As vds_profile_load() and vds_profile_parse(). In a pack, @want says which
 * kernel (by pdb, guid, age, build, and revision unless 0); NULL takes the
 * only one, and fails if there are several. A file that is no pack is loaded
 * whatever @want says: compare its identity.
 */
struct vds_error *vds_profile_load_kernel(const char *path,
					  const struct vds_profile_identity *want,
					  struct vds_profile **ret);
struct vds_error *vds_profile_parse_kernel(const char *name, const void *data,
					   size_t len,
					   const struct vds_profile_identity *want,
					   struct vds_profile **ret);

/*
 * Only the identity of a profile that is no pack, from its first bytes; what
 * comes after it isn't looked at. (A pack's kernels are found by its index.)
 */
struct vds_error *vds_profile_parse_head(const char *name, const void *data,
					 size_t len,
					 struct vds_profile_identity *ret);

/*
 * The identities of all kernels in a profile or pack; *ret is malloc'ed.
 */
struct vds_error *vds_profile_parse_kernels(const char *name, const void *data,
					    size_t len,
					    struct vds_profile_identity **ret,
					    size_t *ret_num);

#endif
