/* SPDX-License-Identifier: Apache-2.0 */
/* Stream 1: who this PDB is. */
#ifndef VDS_PDB_INFO_H
#define VDS_PDB_INFO_H

#include "pdb/msf.h"

struct vds_pdb_info {
	uint32_t version;	/* 20000404 and later */
	uint32_t signature;	/* time of making, or a hash */
	uint32_t age;		/* the PDB's; the RSDS record has the DBI's */
	char guid[33];		/* 32 upper-case hex digits, as in a store */
};

/* VDS_ERROR_UNSUPPORTED for PDBs so old that they have no GUID. */
struct vds_error *vds_pdb_info_read(const struct vds_msf *msf,
				    struct vds_pdb_info *ret);

/* 16 bytes of a GUID as 32 upper-case hex digits, first groups swapped. */
void vds_pdb_guid_str(const uint8_t guid[16], char ret[33]);

#endif
