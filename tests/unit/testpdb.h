/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of PDBs have in common. */
#ifndef VDS_TEST_PDB_H
#define VDS_TEST_PDB_H

#include <check.h>
#include <string.h>

#include "pdb/pdb.h"
#include "pdb/tpi.h"
#include "tests/support/pdb_build.h"
#include "vadose/error.h"

/* @err has @code and its message contains each of the NULL-ended texts. */
static inline void expect_error(struct vds_error *err, enum vds_error_code code,
			 const char *text)
{
	ck_assert_ptr_nonnull(err);
	ck_assert_int_eq(err->code, code);
	if (!strstr(err->message, text))
		ck_abort_msg("\"%s\" lacks \"%s\"", err->message, text);
	vds_error_destroy(err);
}

static inline void expect_no_error(struct vds_error *err)
{
	if (err)
		ck_abort_msg("%s", err->message);
}

/* LF_STRUCTURE; no @unique name if it is NULL. */
static inline void put_struct(struct pdb_out *o, unsigned int props, uint32_t fields,
		       const char *name, const char *unique)
{
	uint32_t r = pdb_record(o, LF_STRUCTURE);
	pdb_u16(o, 1);
	pdb_u16(o, props);
	pdb_u32(o, fields);
	pdb_u32(o, 0);
	pdb_u32(o, 0);
	pdb_u16(o, fields ? 16 : 0);
	pdb_str(o, name);
	if (unique)
		pdb_str(o, unique);
	pdb_end(o, r);
}

#endif
