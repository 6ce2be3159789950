/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stream 3 (DBI): the machine, the age that symbol servers key on, and which
 * streams hold what. Facts: microsoft-pdb (dbi.h, NewDBIHdr, DBGTYPE).
 */
#ifndef VDS_PDB_DBI_H
#define VDS_PDB_DBI_H

#include "pdb/msf.h"

/* Of the COFF header; 0 in PDBs of old linkers. */
enum {
	VDS_MACHINE_X86 = 0x014c,
	VDS_MACHINE_X64 = 0x8664,
	VDS_MACHINE_ARM64 = 0xaa64,
};

/* Stream numbers are VDS_MSF_NO_STREAM where there is none. */
struct vds_dbi {
	bool present;		/* false: the PDB has no such stream */
	uint32_t version;
	uint32_t age;		/* of the RSDS record and the symbol store */
	uint16_t machine;
	uint16_t flags;		/* bit 0 incremental, bit 1 stripped */
	uint16_t globals, publics, records;
	uint16_t omap_from_src;	/* as linked -> as the file is now */
	uint16_t sections;	/* headers of the file as it is now */
	uint16_t sections_src;	/* headers as linked, if they differ */
};

/* VDS_ERROR_FORMAT with position; UNSUPPORTED for PDBs before VC 5. */
struct vds_error *vds_dbi_read(const struct vds_msf *msf, struct vds_dbi *ret);

#endif
