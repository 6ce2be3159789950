/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pdb2yaml FILE...: each PDB or symbol table (.json, .json.xz) as a full YAML
 * profile on stdout, documents apart by a line "# FILE". For the tests that
 * compare readers. A refused file is a line "# FILE: error: message".
 *
 * pdb2yaml --ids FILE.pdb: the number of records in the id stream (IPI), all of
 * which are decoded.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "pdb/pdb.h"
#include "pdb/tpi.h"
#include "profile/isf.h"

static struct vds_error *to_model(const char *path, struct vds_model **ret)
{
	if (!strstr(path, ".json"))
		return vds_pdb_to_model(path, NULL, ret);
	struct vds_model *model;
	struct vds_error *err = vds_model_create(&model);
	if (err)
		return err;
	err = vds_isf_load(path, model);
	if (err)
		vds_model_destroy(model);
	else
		*ret = model;
	return err;
}

static struct vds_error *convert(const char *path)
{
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	struct vds_model *model;
	struct vds_profile *profile;
	struct vds_error *err = to_model(path, &model);
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

static struct vds_error *count_ids(const char *path)
{
	struct vds_msf *msf;
	struct vds_tpi ipi = {0};
	struct vds_error *err = vds_msf_open(path, &msf);
	if (err)
		return err;
	err = vds_tpi_load(msf, VDS_MSF_IPI, &ipi);
	for (uint32_t i = ipi.begin; !err && i < ipi.end; i++) {
		struct vds_tpi_type id;
		err = vds_tpi_type(&ipi, i, &id);
	}
	if (!err)
		printf("%u\n", ipi.end - ipi.begin);
	vds_tpi_deinit(&ipi);
	vds_msf_close(msf);
	return err;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--ids")) {
		struct vds_error *err = count_ids(argv[2]);
		if (err)
			printf("%s\n", err->message);
		int status = err ? 1 : 0;
		vds_error_destroy(err);
		return status;
	}
	for (int i = 1; i < argc; i++) {
		struct vds_error *err = convert(argv[i]);
		if (err)
			printf("# %s: error: %s\n", argv[i], err->message);
		vds_error_destroy(err);
	}
	return 0;
}
