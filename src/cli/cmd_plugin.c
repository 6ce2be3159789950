/* SPDX-License-Identifier: Apache-2.0 */
/* `vadose plugin new NAME DIR`: a plugin that builds, loads and runs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "base/util.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/template.h"

static const char usage[] =
	"usage: vadose plugin new NAME DIR\n\n"
	"Writes NAME.c, meson.build and test.sh into DIR, which must not exist "
	"or be empty\nof these. Then: meson setup build && ninja -C build && "
	"meson test -C build\n";

static bool is_plugin_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_");
	return len && !name[len] && len < 64 && name[0] >= 'a';
}

/*
 * Names that Meson's targets have (its FORBIDDEN_TARGET_NAMES), and kinds of
 * records that every run has: the template would not build, or be refused.
 */
static bool is_reserved(const char *name)
{
	static const char *const names[] = {
		"all", "benchmark", "clean", "coverage", "dist", "distcheck",
		"install", "note", "phony", "reconfigure", "run_end",
		"run_start", "test", "uninstall",
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(names); i++) {
		if (!strcmp(names[i], name))
			return true;
	}
	return false;
}

/* A plugin of this name would never be run. */
static bool is_taken(const char *name)
{
	for (size_t i = 0; vds_builtin_plugins[i]; i++) {
		if (!strcmp(vds_builtin_plugins[i]->name, name))
			return true;
	}
	return !strcmp(name, "info") || vds_cli_is_command(name);
}

/* The text with @NAME@ replaced. */
static void fill_in(struct vds_str *out, const char *text, const char *name)
{
	static const char mark[] = "@NAME@";
	const char *at;
	while ((at = strstr(text, mark))) {
		vds_str_append(out, text, (size_t)(at - text));
		vds_str_puts(out, name);
		text = at + sizeof(mark) - 1;
	}
	vds_str_puts(out, text);
}

static struct vds_error *write_file(const char *path, const struct vds_str *text)
{
	struct vds_output output;
	struct vds_error *err = vds_output_open(&output, path);
	if (err)
		return err;
	err = output.writer.write(&output.writer, text->data, text->len);
	if (!err)
		err = vds_output_commit(&output);
	vds_output_deinit(&output);
	return err;
}

static const char *path_of(const struct vds_template *template,
			   const char *name, const char *dir,
			   struct vds_str *path)
{
	const char *file = template->file;
	vds_str_printf(path, "%s/", dir);
	if (!strcmp(file, "plugin.c"))
		vds_str_printf(path, "%s.c", name);
	else	/* meson.build.in isn't one of ours */
		vds_str_append(path, file, !strcmp(file, "test.sh") ?
			       strlen(file) : strlen(file) - 3);
	return vds_str_cstr(path);
}

/* Before the first one is written: all of them, or none. */
static struct vds_error *check_free(const char *name, const char *dir)
{
	struct stat st;
	for (size_t i = 0; i < vds_num_templates; i++) {
		_cleanup_(vds_str_deinit) struct vds_str path = {0};
		const char *file = path_of(&vds_templates[i], name, dir,
					   &path);
		if (!file)
			return &vds_enomem;
		if (!lstat(file, &st))
			return vds_error_create(VDS_ERROR_OUTPUT,
						"%s exists; it is not "
						"overwritten", file);
	}
	return NULL;
}

static struct vds_error *write_template(const struct vds_template *template,
					const char *name, const char *dir)
{
	_cleanup_(vds_str_deinit) struct vds_str path = {0}, text = {0};
	bool script = !strcmp(template->file, "test.sh");
	fill_in(&text, template->text, name);
	if (!path_of(template, name, dir, &path) || text.failed)
		return &vds_enomem;
	struct vds_error *err = write_file(path.data, &text);
	if (!err && script && chmod(path.data, 0755))
		err = vds_error_errno(VDS_ERROR_OUTPUT, errno, "%s",
				      path.data);
	return err;
}

static struct vds_error *plugin_new(const char *name, const char *dir)
{
	if (!is_plugin_name(name))
		return vds_error_create(VDS_ERROR_USAGE,
					"'%s': a plugin's name is a letter and "
					"then [a-z0-9_]", name);
	if (is_taken(name))
		return vds_error_create(VDS_ERROR_USAGE,
					"vadose has a plugin or a command "
					"called '%s'; choose another name",
					name);
	if (is_reserved(name))
		return vds_error_create(VDS_ERROR_USAGE,
					"'%s' means something to Meson or to "
					"vadose's records; choose another name",
					name);
	if (mkdir(dir, 0777) && errno != EEXIST)
		return vds_error_errno(VDS_ERROR_OUTPUT, errno, "%s", dir);
	struct vds_error *err = check_free(name, dir);
	for (size_t i = 0; !err && i < vds_num_templates; i++)
		err = write_template(&vds_templates[i], name, dir);
	return err;
}

int vds_cmd_plugin(struct vds_cli *cli)
{
	char **argv = cli->argv + cli->args.rest;
	int argc = cli->argc - cli->args.rest;
	if (argc != 3 || strcmp(argv[0], "new")) {
		bool help = argc == 1 && !strcmp(argv[0], "--help");
		if (help || cli->args.help)
			return vds_cli_print(usage, sizeof(usage) - 1);
		return vds_cli_fail(vds_error_create(
			VDS_ERROR_USAGE, "usage: vadose plugin new NAME DIR"));
	}
	struct vds_error *err = plugin_new(argv[1], argv[2]);
	if (err)
		return vds_cli_fail(err);
	vds_cli_say(cli, "%s: now run: meson setup build && ninja -C build && "
		    "meson test -C build", argv[2]);
	return 0;
}
