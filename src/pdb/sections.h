/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Section and offset to RVA. A PDB states a symbol's place in the image as it
 * was linked; if the image was rearranged afterwards, OMAP says where each
 * range went.
 */
#ifndef VDS_PDB_SECTIONS_H
#define VDS_PDB_SECTIONS_H

#include "pdb/dbi.h"

/* Caller's storage. */
struct vds_pdb_sections {
	uint32_t *rva;		/* of section 1, 2, ... */
	size_t count;
	struct vds_omap *omap;	/* by `from`; NULL: not rearranged */
	size_t num_omap;
};

/* A PDB without section headers has no sections: no address is known. */
struct vds_error *vds_pdb_sections_load(const struct vds_msf *msf,
					const struct vds_dbi *dbi,
					struct vds_pdb_sections *ret);
/* Safe on a zeroed one. */
void vds_pdb_sections_deinit(struct vds_pdb_sections *sections);

/*
 * The RVA of @offset in section @number (from 1). False if there is no such
 * section (absolute symbols have none), if it wraps, or if that part of the
 * image was removed.
 */
bool vds_pdb_rva(const struct vds_pdb_sections *sections, uint16_t number,
		 uint32_t offset, uint32_t *ret);

#endif
