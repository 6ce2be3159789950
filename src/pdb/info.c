/* SPDX-License-Identifier: Apache-2.0 */
#include "pdb/info.h"

#include <stdio.h>

#include "base/bytes.h"
#include "base/util.h"

/* The first version of the stream that has a GUID (microsoft-pdb, impvVC70). */
#define IMPV_VC70_DEPRECATED 19990604u
#define INFO_LEN 28

void vds_pdb_guid_str(const uint8_t guid[16], char ret[33])
{
	snprintf(ret, 33, "%08X%04X%04X", vds_le32(guid), vds_le16(guid + 4),
		 vds_le16(guid + 6));
	for (int i = 8; i < 16; i++)
		snprintf(ret + i * 2, 3, "%02X", guid[i]);
}

struct vds_error *vds_pdb_info_read(const struct vds_msf *msf,
				    struct vds_pdb_info *ret)
{
	uint8_t raw[INFO_LEN];
	size_t len = VDS_MIN(vds_msf_size(msf, VDS_MSF_INFO), sizeof(raw));
	struct vds_error *err =
		vds_msf_read(msf, VDS_MSF_INFO, 0, raw, VDS_MAX(len, 4));
	if (err)
		return err;
	if (vds_le32(raw) < IMPV_VC70_DEPRECATED)
		return vds_error_create(
			VDS_ERROR_UNSUPPORTED,
			"%s: a PDB of version %u, which has no GUID",
			vds_msf_path(msf), vds_le32(raw));
	err = vds_msf_read(msf, VDS_MSF_INFO, 0, raw, sizeof(raw));
	if (err)
		return err;
	ret->version = vds_le32(raw);
	ret->signature = vds_le32(raw + 4);
	ret->age = vds_le32(raw + 8);
	vds_pdb_guid_str(raw + 12, ret->guid);
	return NULL;
}
