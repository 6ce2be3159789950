/* SPDX-License-Identifier: Apache-2.0 */
/* `vadose profile fetch`. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "base/work.h"
#include "cli/cmd_profile.h"
#include "image/image.h"
#include "nt/kernel.h"
#include "pdb/fetch.h"
#include "pdb/pdb.h"

/* The name that most x64 kernels have in their RSDS record. */
#define USUAL_NAME "ntkrnlmp.pdb"

struct request {
	const char *words[2];		/* [NAME.pdb] GUIDAGE */
	size_t num_words;
	char name[64], guid[33];
	uint32_t age;
	bool all, pdb_only;
	struct vds_fetch_options options;
	bool shown;			/* a progress line is on the terminal */
};

static struct vds_error *parse_option(struct request *r, int argc, char **argv,
				      int *i, bool *ret)
{
	const char *name = argv[*i], *size = NULL;
	*ret = true;
	if (!strcmp(name, "--all") || !strcmp(name, "--pdb-only") ||
	    !strcmp(name, "--offline")) {
		bool *flag = !strcmp(name, "--all") ? &r->all :
			!strcmp(name, "--offline") ? &r->options.offline :
			&r->pdb_only;
		*flag = true;
		(*i)++;
		return NULL;
	}
	const struct {
		const char *name;
		const char **to;
	} known[] = {
		{"symbol-path", &r->options.symbol_path},
		{"cache", &r->options.cache},
		{"max-size", &size},
	};
	for (size_t k = 0; k < VDS_ARRAY_SIZE(known); k++) {
		if (!vds_profile_option(known[k].name, argc, argv, i,
					known[k].to))
			continue;
		if (!*known[k].to)
			return vds_error_create(VDS_ERROR_USAGE,
						"--%s needs a value",
						known[k].name);
		if (size && (!vds_parse_u64(size, &r->options.max_bytes) ||
			     !r->options.max_bytes))
			return vds_error_create(
				VDS_ERROR_USAGE,
				"--max-size: '%s' is no number of bytes",
				size);
		return NULL;
	}
	*ret = false;
	return NULL;
}

static struct vds_error *parse(struct vds_cli *cli, int argc, char **argv,
			       struct request *r)
{
	for (int i = 0; i < argc;) {
		bool taken;
		struct vds_error *err =
			parse_option(r, argc, argv, &i, &taken);
		if (!err && !taken)
			err = vds_args_take(&cli->args, argc, argv, &i,
					    &taken);
		if (err)
			return err;
		if (taken)
			continue;
		if (argv[i][0] == '-')
			return vds_error_create(
				VDS_ERROR_USAGE,
				"profile fetch: no such option: %s", argv[i]);
		if (r->num_words == VDS_ARRAY_SIZE(r->words))
			return vds_error_create(
				VDS_ERROR_USAGE,
				"profile fetch: too many arguments: %s",
				argv[i]);
		r->words[r->num_words++] = argv[i++];
	}
	return NULL;
}

static struct vds_error *key_from_words(struct request *r)
{
	const char *id = r->words[r->num_words - 1];
	if (!vds_fetch_parse_id(id, r->guid, &r->age))
		return vds_error_create(
			VDS_ERROR_USAGE,
			"profile fetch: '%s' is not GUIDAGE (32 hex digits "
			"and the age) or GUID-AGE", id);
	snprintf(r->name, sizeof(r->name), "%s",
		 r->num_words == 2 ? r->words[0] : USUAL_NAME);
	return NULL;
}

/* Which kernel the image has; whether there is a profile doesn't matter. */
static struct vds_error *key_from_image(struct vds_cli *cli, struct request *r)
{
	struct vds_image *image;
	struct vds_kernel *kernel = NULL;
	const struct vds_kernel_options options = {
		.has_dtb = cli->args.has_dtb, .dtb = cli->args.dtb,
		.has_base = cli->args.has_base, .base = cli->args.base,
		.threads = cli->args.threads ? cli->args.threads :
					       vds_work_default_threads(),
		.exact_only = true,
	};
	const struct vds_image_options how = {.format = cli->args.format,
					      .object = cli->args.object};
	struct vds_error *err =
		vds_image_open(cli->args.image, &how, &image);
	if (err)
		return err;
	err = vds_kernel_open(image, &options, &kernel);
	if (kernel && kernel->base) {
		vds_error_destroy(err);
		err = NULL;
		snprintf(r->name, sizeof(r->name), "%s", kernel->pdb.name);
		snprintf(r->guid, sizeof(r->guid), "%s", kernel->pdb.guid);
		r->age = kernel->pdb.age;
	}
	vds_kernel_close(kernel);
	vds_image_close(image);
	return err;
}

static void show_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct request *r = ctx;
	r->shown = true;
	if (total)
		fprintf(stderr, "\r%s: %llu of %llu KiB (%u %%)", r->name,
			(unsigned long long)done >> 10,
			(unsigned long long)total >> 10,
			(unsigned int)(done < total ? done * 100 / total :
						      100));
	else
		fprintf(stderr, "\r%s: %llu KiB", r->name,
			(unsigned long long)done >> 10);
}

static bool wants_progress(const struct vds_args *args)
{
	if (args->quiet || !strcmp(args->progress, "never"))
		return false;
	return !strcmp(args->progress, "always") || isatty(STDERR_FILENO);
}

static struct vds_error *find_pdb(struct vds_cli *cli, struct request *r,
				  char **ret_path)
{
	struct vds_error *err;
	if (!r->num_words && !cli->args.image)
		return vds_error_create(
			VDS_ERROR_USAGE,
			"profile fetch: of what? -f IMAGE, or GUIDAGE");
	err = r->num_words ? key_from_words(r) : key_from_image(cli, r);
	if (err)
		return err;
	const struct vds_fetch_key key = {r->name, r->guid, r->age};
	if (wants_progress(&cli->args)) {
		r->options.progress = show_progress;
		r->options.ctx = r;
	}
	err = vds_pdb_fetch(&key, &r->options, ret_path);
	if (r->shown)
		fputc('\n', stderr);
	return err;
}

int vds_profile_fetch(struct vds_cli *cli, int argc, char **argv)
{
	struct request r = {0};
	_cleanup_free_ char *path = NULL;
	struct vds_model *model;
	struct vds_error *err = parse(cli, argc, argv, &r);
	if (!err)
		err = find_pdb(cli, &r, &path);
	if (err)
		return vds_cli_fail(err);
	if (r.pdb_only) {
		_cleanup_(vds_str_deinit) struct vds_str line = {0};
		vds_str_printf(&line, "%s\n", path);
		return line.failed ? vds_cli_fail(&vds_enomem) :
				     vds_cli_print(line.data, line.len);
	}
	vds_cli_say(cli, "vadose: %s", path);
	err = vds_pdb_to_model(path, r.name, &model);
	if (err)
		return vds_cli_fail(err);
	return vds_profile_write(cli, model, r.all, path);
}
