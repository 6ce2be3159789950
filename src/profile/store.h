/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which profile is this kernel's? A store is a list of directories, searched in
 * order: those given (-s), those of $VADOSE_PROFILE_PATH (absolute ones), the
 * installed one. Never the working directory.
 *
 * A directory may have an `index`, one line per kernel; then finding one among
 * hundreds reads that and one file. A directory without one is looked through
 * for *.yaml, in itself and one level down, of which only the head is read.
 */
#ifndef VDS_PROFILE_STORE_H
#define VDS_PROFILE_STORE_H

#include "profile/profile.h"

/* From this build on, structures mean other things (docs/profiles.md). */
#define VDS_FIRST_UNSUPPORTED_BUILD 28000

struct vds_store;

/* One kernel of a store; strings live as long as the store. */
struct vds_store_entry {
	struct vds_profile_identity identity;
	const char *path;	/* of the file that holds it */
};

/* @dirs are copied. A directory that can't be read holds nothing. */
struct vds_error *vds_store_open(const char *const *dirs, size_t num_dirs,
				 struct vds_store **ret);
void vds_store_close(struct vds_store *store);

/* The directories, in search order. */
size_t vds_store_num_dirs(const struct vds_store *store);
const char *vds_store_dir(const struct vds_store *store, size_t index);

/*
 * Loads the profile of exactly this kernel: same GUID and age, and same PDB
 * name (ASCII case-insensitive). @build may be 0 if it isn't known. Errors:
 * VDS_ERROR_UNSUPPORTED (@build is 28000 or later), VDS_ERROR_NO_PROFILE with
 * the commands that make one, and those of vds_profile_load().
 */
struct vds_error *vds_store_find(struct vds_store *store,
				 const struct vds_profile_identity *want,
				 struct vds_profile **ret);

/*
 * The profiles that a kernel without one of its own may share its layouts
 * with: same PDB name, architecture and build, nearest revision first (as
 * @want->revision is often unknown: then the newest first), one for each
 * distinct layout in each file, then those of confidence `published`.
 * *ret is malloc'ed; its entries live as long as the store. VDS_ERROR_UNSUPPORTED
 * as above; VDS_ERROR_NO_PROFILE if there are none.
 */
struct vds_error *vds_store_nearest(struct vds_store *store,
				    const struct vds_profile_identity *want,
				    struct vds_store_entry **ret,
				    size_t *ret_num);

/* As vds_store_nearest(), but every kernel, also those of the same layout. */
struct vds_error *vds_store_of_build(struct vds_store *store,
				     const struct vds_profile_identity *want,
				     struct vds_store_entry **ret,
				     size_t *ret_num);

/*
 * The build whose files @build has: enablement packages change a number and
 * nothing else (19045 is 19041).
 */
uint32_t vds_build_family(uint32_t build);

/* Loads an entry that the store has handed out. */
struct vds_error *vds_store_load(const struct vds_store_entry *entry,
				 struct vds_profile **ret);

/*
 * All kernels of all directories: by directory, then PDB, build, revision,
 * GUID and age. *ret is malloc'ed.
 */
struct vds_error *vds_store_list(struct vds_store *store,
				 struct vds_store_entry **ret, size_t *ret_num);

/* The VDS_ERROR_NO_PROFILE error for this kernel. */
struct vds_error *vds_store_no_profile(const struct vds_profile_identity *want);

#endif
