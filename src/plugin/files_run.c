/* SPDX-License-Identifier: Apache-2.0 */
/* vds_files_load(): the file objects that sections and VADs name. */
#include <stdlib.h>

#include "plugin/session.h"
#include "vadose/file.h"
#include "vadose/sharing.h"

static int compare_u64(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
	return a < b ? -1 : a > b;
}

struct vds_error *vds_files_load(struct vds_run *run, const uint64_t **ret,
				 size_t *ret_count)
{
	struct vds_sharing_options how = {.listed = true};
	const struct vds_sharing *sharing;
	size_t n = 0, kept = 0;
	*ret = NULL;
	*ret_count = 0;
	if (!vds_num_processes(run))
		return NULL;
	struct vds_error *err = vds_sharing_build(run, &how, &sharing);
	if (err)
		return err;
	/* A view names at most two: its section's and its own. */
	uint64_t *files = vds_alloc(run, sharing->num_views * 2 + 1,
				    sizeof(*files));
	if (!files)
		return &vds_enomem;
	for (size_t i = 0; i < sharing->num_views; i++) {
		const struct vds_view *view = sharing->views[i];
		if (view->section && view->section->file_object)
			files[n++] = view->section->file_object;
		if (view->file_object)
			files[n++] = view->file_object;
	}
	qsort(files, n, sizeof(*files), compare_u64);
	for (size_t i = 0; i < n; i++) {
		if (!kept || files[kept - 1] != files[i])
			files[kept++] = files[i];
	}
	*ret = files;
	*ret_count = kept;
	return NULL;
}
