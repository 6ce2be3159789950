/* SPDX-License-Identifier: Apache-2.0 */
/* Type indices below 0x1000: a simple type, or a pointer to one. */
#ifndef VDS_PDB_SIMPLE_H
#define VDS_PDB_SIMPLE_H

#include <stdint.h>

#include "profile/model.h"

/* Bytes; 0 if it has none or is not known. @pointer: of a pointer there. */
uint64_t vds_cv_simple_size(uint32_t index, unsigned int pointer);

/* The model's type for @index, which is below 0x1000. */
struct vds_error *vds_cv_simple_type(struct vds_model *model, uint32_t index,
				     unsigned int pointer,
				     struct vds_model_type **ret);

#endif
