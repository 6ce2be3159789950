/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One directory of a store, and its `index`. The index is text: a line per
 * kernel, nine words separated by blanks, '#' begins a comment:
 *
 *   PDB GUID AGE ARCH BUILD REVISION CONFIDENCE LAYOUT FILE
 *
 * "-" stands for a GUID that isn't known. Kernels of one FILE with the same
 * LAYOUT have the same types. FILE is relative to the directory.
 */
#ifndef VDS_PROFILE_STORE_INDEX_H
#define VDS_PROFILE_STORE_INDEX_H

#include "base/arena.h"
#include "profile/store.h"

struct vds_store_item {
	struct vds_store_entry entry;
	const char *layout;	/* "" if not known */
};

/* Zero-initialised but for its path. */
struct vds_store_dir {
	const char *path;
	struct vds_store_item *items;	/* malloc'ed */
	size_t num_items;
	bool read;
};

/*
 * Reads the directory's index, or the heads of its profiles, once. Files that
 * are no profiles are left out. VDS_ERROR_FORMAT for a malformed index, with
 * file and line.
 */
struct vds_error *vds_store_dir_read(struct vds_store_dir *dir,
				     struct vds_arena *arena);
void vds_store_dir_deinit(struct vds_store_dir *dir);

#endif
