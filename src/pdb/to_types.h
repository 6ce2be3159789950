/* SPDX-License-Identifier: Apache-2.0 */
/* The types of a PDB into a model. See pdb.h. */
#ifndef VDS_PDB_TO_TYPES_H
#define VDS_PDB_TO_TYPES_H

#include "pdb/tpi.h"
#include "profile/model.h"

/* @pointer: bytes of a pointer, where a record doesn't say. */
struct vds_error *vds_pdb_add_types(const struct vds_msf *msf,
				    unsigned int pointer,
				    struct vds_model *model);

#endif
