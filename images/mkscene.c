/* SPDX-License-Identifier: Apache-2.0 */
/* mkscene: a recipe and a kernel's profile become a memory image. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include <string.h>

#include "profile/isf.h"
#include "profile/store.h"
#include "world.h"

static int usage(FILE *to)
{
	(void)fputs("usage: mkscene PROFILE [-r OUT.raw] [-l OUT.lime] "
		    "[-t TRUTH.json] [-b BUILD] RECIPE\n"
		    "PROFILE: -p FILE.yaml, -p ISF.json[.xz], "
		    "-p FOLDER -k GUIDAGE, or\n"
		    "         -p FILE.yaml -o FOLDER -k GUIDAGE "
		    "(who lends what FILE lacks)\n", to);
	return to == stdout ? 0 : 64;
}

struct request {
	const char *profile, *kernel, *other, *raw, *lime, *truth, *recipe;
	uint32_t build;		/* of a profile that doesn't say, or 0 */
};

static void model_destroyp(struct vds_model **model)
{
	vds_model_destroy(*model);
}

/* The kernel GUIDAGE ("35A0...C571") of a folder of profiles. */
static struct vds_error *find_profile(const char *folder, const char *kernel,
				      struct vds_profile **ret)
{
	struct vds_profile_identity want = { .pdb = "ntkrnlmp.pdb" };
	struct vds_store *store;
	char *end;

	if (strlen(kernel) < 33)
		return vds_error_create(VDS_ERROR_USAGE,
					"%s: not a GUID and an age", kernel);
	memcpy(want.guid, kernel, 32);
	want.age = (uint32_t)strtoul(kernel + 32, &end, 16);
	if (*end)
		return vds_error_create(VDS_ERROR_USAGE,
					"%s: not a GUID and an age", kernel);
	struct vds_error *err = vds_store_open(&folder, 1, &store);
	if (err)
		return err;
	err = vds_store_find(store, &want, ret);
	vds_store_close(store);
	return err;
}

/* A symbol table as it is serves too, when no profile was made of it yet. */
static struct vds_error *load_profile(const char *path,
				      struct vds_profile **ret)
{
	_cleanup_(model_destroyp) struct vds_model *model = NULL;

	if (!strstr(path, ".json"))
		return vds_profile_load(path, ret);
	struct vds_error *err = vds_model_create(&model);
	if (!err)
		err = vds_isf_load(path, model);
	if (!err)
		err = vds_model_finish(model, path, NULL, 0, ret);
	if (!err)
		model = NULL;
	return err;
}

static struct vds_error *write_all(struct world *w, const struct request *r)
{
	const char *files[2];
	size_t n = 0;
	struct vds_error *err = NULL;

	if (r->raw) {
		files[n++] = r->raw;
		err = world_write_raw(w, r->raw);
	}
	if (!err && r->lime) {
		files[n++] = r->lime;
		err = world_write_lime(w, r->lime);
	}
	if (!err && r->truth)
		err = world_write_truth(w, r->truth, files, n);
	return err;
}

static struct vds_error *run(const struct request *r)
{
	struct scene *scene = NULL;
	struct vds_profile *profile = NULL, *other = NULL;
	struct world world = { 0 };
	struct vds_error *err = scene_read(r->recipe, &scene);

	if (!err)
		err = r->kernel && !r->other
			? find_profile(r->profile, r->kernel, &profile)
			: load_profile(r->profile, &profile);
	if (!err && r->other)
		err = find_profile(r->other, r->kernel, &other);
	if (!err && !scene->build)
		scene->build = r->build;
	if (!err) {
		err = world_build(&world, scene, profile, other);
		if (err)
			err = vds_error_prefix(err, "%s", r->recipe);
	}
	if (!err)
		err = write_all(&world, r);
	world_deinit(&world);
	scene_destroy(scene);
	vds_profile_destroy(profile);
	vds_profile_destroy(other);
	return err;
}

int main(int argc, char **argv)
{
	struct request r = { 0 };
	int c;

	while ((c = getopt(argc, argv, "p:k:o:r:l:t:b:h")) != -1) {
		switch (c) {
		case 'p': r.profile = optarg; break;
		case 'k': r.kernel = optarg; break;
		case 'o': r.other = optarg; break;
		case 'r': r.raw = optarg; break;
		case 'l': r.lime = optarg; break;
		case 't': r.truth = optarg; break;
		case 'b': r.build = (uint32_t)strtoul(optarg, NULL, 10); break;
		case 'h': return usage(stdout);
		default: return usage(stderr);
		}
	}
	if (optind + 1 != argc || !r.profile || (r.other && !r.kernel))
		return usage(stderr);
	r.recipe = argv[optind];
	struct vds_error *err = run(&r);
	if (!err)
		return 0;
	(void)fprintf(stderr, "mkscene: %s\n", err->message);
	int status = vds_error_exit_status(err->code);
	vds_error_destroy(err);
	return status;
}
