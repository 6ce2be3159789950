/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volatility 3's symbol tables ("ISF", JSON) of Windows kernels. They are made
 * from PDBs, so what comes out has the confidence of symbols.
 */
#ifndef VDS_PROFILE_ISF_H
#define VDS_PROFILE_ISF_H

#include "profile/model.h"

/*
 * Adds the content of a table of @len bytes (plain JSON, or .xz if liblzma is
 * there) to a fresh model and sets its identity; the table doesn't say the
 * build. Errors, prefixed by @name: VDS_ERROR_FORMAT (not a table, over a
 * limit), VDS_ERROR_UNSUPPORTED (.xz without liblzma; not a Windows table).
 */
struct vds_error *vds_isf_parse(const char *name, const void *data, size_t len,
				struct vds_model *model);
/* The same from a file; also VDS_ERROR_NO_INPUT. */
struct vds_error *vds_isf_load(const char *path, struct vds_model *model);

#endif
