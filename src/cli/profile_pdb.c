/* SPDX-License-Identifier: Apache-2.0 */
/* `vadose profile from-pdb`. */
#include <string.h>

#include "base/util.h"
#include "cli/cmd_profile.h"
#include "pdb/pdb.h"

struct request {
	const char *path;
	const char *name;	/* --pdb; NULL: that of the file */
	bool all;
};

static struct vds_error *parse(struct vds_cli *cli, int argc, char **argv,
			       struct request *ret)
{
	for (int i = 0; i < argc;) {
		const char *arg = argv[i];
		bool taken = false;
		if (!strcmp(arg, "--all")) {
			ret->all = true;
			i++;
			continue;
		}
		if (vds_profile_option("pdb", argc, argv, &i, &ret->name)) {
			if (ret->name)
				continue;
			return vds_error_create(VDS_ERROR_USAGE,
						"--pdb needs a value: NAME");
		}
		struct vds_error *err =
			vds_args_take(&cli->args, argc, argv, &i, &taken);
		if (err)
			return err;
		if (taken)
			continue;
		if (arg[0] == '-' || ret->path)
			return vds_error_create(
				VDS_ERROR_USAGE, "profile from-pdb: %s: %s",
				arg[0] == '-' ? "no such option" :
				"one PDB at a time", arg);
		ret->path = arg;
		i++;
	}
	if (!ret->path)
		return vds_error_create(VDS_ERROR_USAGE,
					"profile from-pdb: no FILE.pdb given");
	return NULL;
}

int vds_profile_from_pdb(struct vds_cli *cli, int argc, char **argv)
{
	struct request request = {0};
	struct vds_model *model;
	struct vds_error *err = parse(cli, argc, argv, &request);
	if (!err)
		err = vds_pdb_to_model(request.path, request.name, &model);
	if (err)
		return vds_cli_fail(err);
	return vds_profile_write(cli, model, request.all, request.path);
}
