/* SPDX-License-Identifier: Apache-2.0 */
/* isf2yaml FILE.json.xz OUT.yaml: the profile that the truth tests load. */
#include <stdio.h>

#include "base/str.h"
#include "base/util.h"
#include "profile/isf.h"
#include "profile/model.h"
#include "profile/profile.h"

static struct vds_error *convert(const char *path, struct vds_str *out)
{
	struct vds_model *model;
	struct vds_profile *profile;
	struct vds_error *err = vds_model_create(&model);

	if (!err)
		err = vds_isf_load(path, model);
	if (!err)
		err = vds_model_trim_default(model);
	if (!err)
		err = vds_model_finish(model, path, NULL, 0, &profile);
	if (err)
		return err;
	err = vds_profile_emit(profile, out);
	vds_profile_destroy(profile);
	return err;
}

int main(int argc, char **argv)
{
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	struct vds_error *err;
	FILE *file;

	if (argc != 3)
		return 64;
	err = convert(argv[1], &out);
	if (err) {
		fprintf(stderr, "%s: %s\n", argv[1], err->message);
		vds_error_destroy(err);
		return 1;
	}
	file = fopen(argv[2], "w");
	if (!file || fwrite(out.data, 1, out.len, file) != out.len ||
	    fclose(file)) {
		perror(argv[2]);
		return 1;
	}
	return 0;
}
