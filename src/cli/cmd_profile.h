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
	     "get the PDB from a symbol store, make its profile")	\
	VERB("from-isf", vds_profile_from_isf,				\
	     "FILE.json[.xz] [-o OUT.yaml] [--all] [--build N.N]",	\
	     "make a profile of a Volatility 3 symbol table")		\
	VERB("list", vds_profile_list, "",				\
	     "list the profiles that are found")			\
	VERB("show", vds_profile_show_verb,				\
	     "KERNEL [_TYPE[.member] | GLOB]...",			\
	     "show a kernel's types as dt does, and its symbols")	\
	VERB("check", vds_profile_check, "FILE.yaml...",		\
	     "read profiles strictly and say what is wrong")		\
	VERB("diff", vds_profile_diff_verb, "KERNEL KERNEL",		\
	     "what moved: types, members, bits, symbols")		\
	VERB("pack", vds_profile_pack,					\
	     "LIST TABLES -o DIR",					\
	     "make a folder of packs of symbol tables (docs/profiles.md)")

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

/* The words of a verb that are no options, and the options that it knows. */
struct vds_profile_words {
	const char **items;	/* in argv's order; malloc'ed */
	size_t num;
	bool all;		/* --all */
	const char *build;	/* --build */
};

/*
 * Takes global options, --all and --build (USAGE if not @with_making), and
 * collects from @min to @max words; @usage is what the verb needs.
 */
struct vds_error *vds_profile_take_words(struct vds_cli *cli, int argc,
					 char **argv, const char *usage,
					 bool with_making, size_t min,
					 size_t max,
					 struct vds_profile_words *ret);

/*
 * Loads the profile that @kernel stands for: a file ("./x.yaml"), GUID-AGE,
 * a build ("19041", "10.0.19041.572"), in the stores of the command line.
 */
struct vds_error *vds_profile_resolve(struct vds_cli *cli, const char *kernel,
				      struct vds_profile **ret);

/* "22000", "22000.194" or "10.0.22000.194" into build and revision. */
bool vds_profile_parse_build(const char *text, uint32_t *ret_build,
			     uint32_t *ret_revision);

#endif
