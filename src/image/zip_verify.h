/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VDS_IMAGE_ZIP_VERIFY_H
#define VDS_IMAGE_ZIP_VERIFY_H

#include "image/digest.h"
#include "image/zip.h"

/*
 * The CRC-32 of the member as it is, inflated piece by piece. An error names
 * what keeps it from being read whole; vds_stop if @progress says so.
 */
struct vds_error *vds_zip_crc(const struct vds_zip *zip,
			      struct vds_zip_member *member,
			      const struct vds_progress *progress,
			      uint32_t *ret);

#endif
