/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VDS_PROFILE_UNXZ_H
#define VDS_PROFILE_UNXZ_H

#include "base/str.h"
#include "vadose/error.h"

/* True if @data begins like an .xz file. */
bool vds_is_xz(const void *data, size_t len);

/*
 * Appends the decompressed content; VDS_ERROR_FORMAT if damaged or larger than
 * @max bytes, VDS_ERROR_UNSUPPORTED if built without liblzma.
 */
struct vds_error *vds_unxz(const void *data, size_t len, size_t max,
			   struct vds_str *out);

#endif
