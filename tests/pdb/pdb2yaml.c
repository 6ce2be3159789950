/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pdb2yaml FILE.pdb...: each as a full YAML profile on stdout, documents
 * apart by a line "# FILE". For the tests that compare with other readers.
 * A refused file is a line "# FILE: error: message".
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/util.h"
#include "pdb/pdb.h"

static struct vds_error *convert(const char *path)
{
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	struct vds_model *model;
	struct vds_profile *profile;
	struct vds_error *err = vds_pdb_to_model(path, NULL, &model);
	if (err)
		return err;
	err = vds_model_finish(model, path, NULL, 0, &profile);
	if (err) {
		vds_model_destroy(model);
		return err;
	}
	err = vds_profile_emit(profile, &out);
	vds_profile_destroy(profile);
	if (err)
		return err;
	printf("# %s\n", path);
	fwrite(out.data, 1, out.len, stdout);
	return NULL;
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct vds_error *err = convert(argv[i]);
		if (err)
			printf("# %s: error: %s\n", argv[i], err->message);
		vds_error_destroy(err);
	}
	return 0;
}
