/* SPDX-License-Identifier: Apache-2.0 */
/* `vadose profile VERB`. A new verb is a function and a line here. */
#ifndef VDS_CLI_CMD_PROFILE_H
#define VDS_CLI_CMD_PROFILE_H

#include "cli/commands.h"
#include "profile/model.h"

/*
 * VERB(name, function, arguments, help): the function gets its arguments from
 * argv[0] on (without the verb) and returns the exit status.
 */
#define VDS_PROFILE_VERBS(VERB)						\
	VERB("from-pdb", vds_profile_from_pdb,				\
	     "FILE.pdb [-o OUT.yaml] [--all] [--pdb NAME]",		\
	     "make a profile of a PDB")					\
	VERB("fetch", vds_profile_fetch,				\
	     "-f IMAGE | [NAME.pdb] GUIDAGE [-o OUT.yaml] [--all]",	\
	     "get the PDB from a symbol store, make its profile")

#define VDS_DECLARE_VERB(name, function, arguments, help)		\
	int function(struct vds_cli *cli, int argc, char **argv);
VDS_PROFILE_VERBS(VDS_DECLARE_VERB)
#undef VDS_DECLARE_VERB

/*
 * Finishes @model (consumed), trimmed unless @all, and writes it as YAML to -o
 * or stdout. Returns the exit status.
 */
int vds_profile_write(struct vds_cli *cli, struct vds_model *model, bool all,
		      const char *source);

/*
 * An option of a verb: its value in *ret, *i moved, true; false if argv[*i]
 * isn't --@name. *ret is NULL if its value is missing.
 */
bool vds_profile_option(const char *name, int argc, char **argv, int *i,
			const char **ret);

#endif
