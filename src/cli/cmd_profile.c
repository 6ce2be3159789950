/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cmd_profile.h"

#include <string.h>

#include "base/util.h"
#include "cli/output.h"

static const struct verb {
	const char *name;
	int (*run)(struct vds_cli *cli, int argc, char **argv);
	const char *arguments, *help;
} verbs[] = {
#define VERB(name, function, arguments, help) \
	{name, function, arguments, help},
	VDS_PROFILE_VERBS(VERB)
#undef VERB
};

static int help(void)
{
	_cleanup_(vds_str_deinit) struct vds_str out = {0};
	vds_str_puts(&out, "usage: vadose profile VERB [arguments]\n\n");
	for (size_t i = 0; i < VDS_ARRAY_SIZE(verbs); i++)
		vds_str_printf(&out, "  %s %s\n      %s\n", verbs[i].name,
			       verbs[i].arguments, verbs[i].help);
	return out.failed ? vds_cli_fail(&vds_enomem) :
			    vds_cli_print(out.data, out.len);
}

int vds_cmd_profile(struct vds_cli *cli)
{
	int argc = cli->argc - cli->args.rest;
	char **argv = cli->argv + cli->args.rest;
	if (cli->args.help || (argc && (!strcmp(argv[0], "--help") ||
					!strcmp(argv[0], "-h"))))
		return help();
	for (size_t i = 0; argc && i < VDS_ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, argv[0]))
			return verbs[i].run(cli, argc - 1, argv + 1);
	return vds_cli_fail(vds_error_create(
		VDS_ERROR_USAGE, "profile: %s%s; 'vadose profile --help' "
		"lists the verbs", argc ? "no such verb: " : "no verb",
		argc ? argv[0] : ""));
}

bool vds_profile_option(const char *name, int argc, char **argv, int *i,
			const char **ret)
{
	const char *arg = argv[*i];
	size_t len = strlen(name);
	if (strncmp(arg, "--", 2) || strncmp(arg + 2, name, len) ||
	    (arg[2 + len] && arg[2 + len] != '='))
		return false;
	*ret = vds_args_value(argc, argv, i);
	return true;
}

static struct vds_error *write_piece(void *ctx, const char *data, size_t len)
{
	struct vds_output *output = ctx;
	return output->writer.write(&output->writer, data, len);
}

static struct vds_error *write_yaml(const struct vds_profile *profile,
				    const char *path)
{
	struct vds_output output;
	struct vds_error *err = vds_output_open(&output, path);
	if (err)
		return err;
	err = vds_profile_emit_to(profile, write_piece, &output);
	if (!err)
		err = vds_output_commit(&output);
	vds_output_deinit(&output);
	return err;
}

/* The model is consumed, whatever happens. */
static struct vds_error *finish(struct vds_model *model, bool all,
				const char *source, struct vds_profile **ret)
{
	struct vds_error *err = NULL;
	if (!all)
		err = vds_model_trim_default(model);
	if (!err)
		err = vds_model_finish(model, source, NULL, 0, ret);
	if (err)
		vds_model_destroy(model);
	return vds_error_prefix(err, "%s", source);
}

int vds_profile_write(struct vds_cli *cli, struct vds_model *model, bool all,
		      const char *source)
{
	struct vds_profile *profile;
	struct vds_error *err = finish(model, all, source, &profile);
	if (err)
		return vds_cli_fail(err);
	err = write_yaml(profile, cli->args.out);
	vds_profile_destroy(profile);
	return err ? vds_cli_fail(err) : 0;
}
