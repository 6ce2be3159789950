/* SPDX-License-Identifier: Apache-2.0 */
/* `vadose profile from-isf`. */
#include <stdlib.h>

#include "base/util.h"
#include "cli/cmd_profile.h"
#include "profile/isf.h"

static struct vds_error *make(const struct vds_profile_words *words,
			      struct vds_model **ret)
{
	struct vds_model *model;
	uint32_t build = 0, revision = 0;
	if (words->build &&
	    !vds_profile_parse_build(words->build, &build, &revision))
		return vds_error_create(VDS_ERROR_USAGE,
					"--build: not a build: %s",
					words->build);
	struct vds_error *err = vds_model_create(&model);
	if (err)
		return err;
	err = vds_isf_load(words->items[0], model);
	if (err) {
		vds_model_destroy(model);
		return err;
	}
	if (build)
		vds_model_set_build(model, build, revision);
	*ret = model;
	return NULL;
}

int vds_profile_from_isf(struct vds_cli *cli, int argc, char **argv)
{
	struct vds_profile_words words;
	struct vds_model *model = NULL;
	struct vds_error *err = vds_profile_take_words(cli, argc, argv,
		"from-isf FILE.json[.xz] [-o OUT.yaml] [--all] [--build N.N]",
		true, 1, 1, &words);
	if (!err)
		err = make(&words, &model);
	int status = err ? vds_cli_fail(err) :
		vds_profile_write(cli, model, words.all, words.items[0]);
	free(words.items);
	return status;
}
