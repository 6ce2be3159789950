/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several kernels of one PDB name and build in one file, each definition of a
 * type once: definitions that the same kernels share make a layer. The bytes
 * depend on the profiles only, not on the order in which they are added.
 */
#ifndef VDS_PROFILE_PACK_H
#define VDS_PROFILE_PACK_H

#include "base/str.h"
#include "profile/profile.h"

#define VDS_PACK_MAX_KERNELS 256

struct vds_pack;

struct vds_error *vds_pack_create(struct vds_pack **ret);
void vds_pack_destroy(struct vds_pack *pack);

/*
 * Adds a kernel; @profile is only read here. VDS_ERROR_FORMAT if its
 * architecture isn't that of the others, if it is there already, or if there
 * are too many.
 */
struct vds_error *vds_pack_add(struct vds_pack *pack,
			       const struct vds_profile *profile);

/* Appends the file, and a line per kernel for the index, which calls it
 * @file. To be called once. */
struct vds_error *vds_pack_emit(struct vds_pack *pack, const char *file,
				struct vds_str *out, struct vds_str *index);

/* Appends one line of an index. */
void vds_index_line(struct vds_str *index,
		    const struct vds_profile_identity *id, size_t layout,
		    const char *file);

#endif
