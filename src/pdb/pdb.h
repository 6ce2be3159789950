/* SPDX-License-Identifier: Apache-2.0 */
/* From a PDB file to a profile: what this room offers to the others. */
#ifndef VDS_PDB_PDB_H
#define VDS_PDB_PDB_H

#include "pdb/msf.h"
#include "profile/model.h"

/*
 * Reads the PDB at @path into a model that is ready to be trimmed or finished.
 * @name is the PDB's name in its identity ("ntkrnlmp.pdb"); NULL: the last
 * part of @path, for a PDB doesn't state its own name. The build is not in it
 * either and stays 0. Errors carry the path; see vds_msf_open(), and
 * VDS_ERROR_FORMAT, VDS_ERROR_UNSUPPORTED for what lies inside.
 *
 * Types: structures, unions and enums by name, nameless ones by type index.
 * A class's base is an unnamed member, its pointer to virtual functions a
 * member __VFN_table (the name that WinDbg's dt gives it). An array whose
 * element has no known size is an array of its bytes, and so is a pointer to
 * member that is wider than an address.
 *
 * Symbols: publics, global and static data. 32-bit x86 names lose the C
 * compiler's decoration (_name, _name@8, @name@8); those of C++ stay.
 */
struct vds_error *vds_pdb_to_model(const char *path, const char *name,
				   struct vds_model **ret);
/* The same from an open file; borrowed. */
struct vds_error *vds_pdb_msf_to_model(const struct vds_msf *msf,
				       const char *name,
				       struct vds_model **ret);

/*
 * Who the PDB is: GUID, age (the DBI's, which is that of the RSDS record and
 * of symbol stores), architecture ("x86", "x64", "arm64", or ""), @name as
 * above.
 */
struct vds_error *vds_pdb_identity(const struct vds_msf *msf, const char *name,
				   struct vds_profile_identity *ret);

#endif
