/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract with the profile: every member of a kernel structure that the
 * engine touches is a line of fields.def, bound by name once when the kernel is
 * opened. Code says vds_kf(kernel, EPROCESS_VAD_ROOT), never an offset.
 */
#ifndef VDS_NT_FIELDS_H
#define VDS_NT_FIELDS_H

#include "profile/profile.h"

enum vds_field_id {
#define FIELD(id, type, paths, need) VDS_F_##id,
#include "nt/fields.def"
#undef FIELD
	VDS_NUM_FIELDS
};

/* Sizes of whole structures (records are read in one go). */
enum vds_record_id {
#define RECORD(id, type, need) VDS_R_##id,
#include "nt/records.def"
#undef RECORD
	VDS_NUM_RECORDS
};

/* Global variables of the kernel. */
enum vds_symbol_id {
#define SYMBOL(id, name) VDS_S_##id,
#include "nt/symbols.def"
#undef SYMBOL
	VDS_NUM_SYMBOLS
};

struct vds_binding {
	struct vds_field fields[VDS_NUM_FIELDS];
	uint32_t sizes[VDS_NUM_RECORDS];	/* 0 = no such type */
	uint32_t rvas[VDS_NUM_SYMBOLS];
	bool has_symbol[VDS_NUM_SYMBOLS];
};

/*
 * Binds all fields, records and symbols to @profile. VDS_ERROR_NO_PROFILE if a
 * REQUIRED one is missing, naming it: the profile can't carry the engine.
 */
struct vds_error *vds_binding_init(struct vds_binding *binding,
				   const struct vds_profile *profile);

/* The RVA of a bound symbol by its name; false if it isn't bound. */
bool vds_binding_symbol(const struct vds_binding *binding, const char *name,
			uint32_t *ret);

/* "TYPE.member" of a field, for messages. */
const char *vds_field_name(enum vds_field_id id);

#endif
