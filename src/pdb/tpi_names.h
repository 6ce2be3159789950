/* SPDX-License-Identifier: Apache-2.0 */
/* Definitions of structures, unions and enums by name. See tpi.h. */
#ifndef VDS_PDB_TPI_NAMES_H
#define VDS_PDB_TPI_NAMES_H

struct vds_tpi_names;

/* NULL accepted. */
void vds_tpi_names_destroy(struct vds_tpi_names *names);

#endif
