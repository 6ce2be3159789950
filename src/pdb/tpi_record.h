/* SPDX-License-Identifier: Apache-2.0 */
/* Raw records, for the files that decode them. See tpi.h. */
#ifndef VDS_PDB_TPI_RECORD_H
#define VDS_PDB_TPI_RECORD_H

#include "pdb/tpi.h"

/*
 * A cursor over the record of @index, from behind its length, and its leaf,
 * which has been read. VDS_ERROR_FORMAT if there is no such record.
 */
struct vds_error *vds_tpi_record(const struct vds_tpi *tpi, uint32_t index,
				 struct vds_bytes *b, uint16_t *ret_leaf);

/* The error for a record that ends too early; @pos of that cursor. */
struct vds_error *vds_tpi_damaged(const struct vds_tpi *tpi, uint32_t index,
				  size_t pos);

#endif
