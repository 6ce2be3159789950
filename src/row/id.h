/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record ids: the first 32 hex digits of SHA-256 over image identity, record
 * kind and natural key, so that the same fact has the same id in every run.
 */
#ifndef VDS_ROW_ID_H
#define VDS_ROW_ID_H

#include "base/sha256.h"
#include "row/schema.h"

#define VDS_ID_LEN 32

/* The part of the hash that all records of a kind share. May be copied. */
struct vds_id_seed {
	struct vds_sha256 hash;
};

void vds_id_seed_init(struct vds_id_seed *seed, const char *image_id,
		      const char *record);

/* Writes VDS_ID_LEN hex digits, no NUL. Key columns, or all if none is one. */
void vds_row_id(const struct vds_id_seed *seed, const struct vds_schema *schema,
		const struct vds_value *values, char out[VDS_ID_LEN]);

#endif
