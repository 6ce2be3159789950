/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of an AFF4 directory volume. Only files that a walk of the folder
 * finds are ever opened: no path is built from names in the metadata, and
 * links are not followed.
 */
#ifndef VDS_IMAGE_AFF4_FOLDER_H
#define VDS_IMAGE_AFF4_FOLDER_H

#include "base/arena.h"
#include "base/note.h"
#include "vadose/error.h"

struct vds_aff4_file {
	const char *name;	/* below the folder, '/' between components */
	const char *path;	/* to open it by */
	uint64_t size;		/* bytes */
};

struct vds_aff4_folder {
	struct vds_aff4_file *files;	/* sorted by name */
	size_t num_files;
};

/* Lists all regular files below @path, into @arena. */
struct vds_error *vds_aff4_folder_list(struct vds_arena *arena,
				       const char *path,
				       struct vds_notes *notes,
				       struct vds_aff4_folder *ret);

#endif
