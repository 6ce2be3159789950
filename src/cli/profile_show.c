/* SPDX-License-Identifier: Apache-2.0 */
/* `vadose profile list`, `show`, `check` and `diff`. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "base/util.h"
#include "cli/cmd_profile.h"
#include "profile/load.h"
#include "profile/show.h"
#include "profile/store.h"

#define MAX_WORDS 4096

/* Prints @out unless @err; either way releases it. Returns the status. */
static int finish(struct vds_error *err, struct vds_str *out)
{
	if (!err && out->failed)
		err = &vds_enomem;
	int status = err ? vds_cli_fail(err) :
		vds_cli_print(out->data ? out->data : "", out->len);
	vds_str_deinit(out);
	return status;
}

static void put_entry(struct vds_str *out, const struct vds_store_entry *entry)
{
	const struct vds_profile_identity *id = &entry->identity;
	size_t at = out->len;
	vds_str_printf(out, "%-13s ", id->pdb);
	vds_profile_show_build(out, id);
	while (out->len - at < 32 && !out->failed)
		vds_str_putc(out, ' ');
	if (id->guid[0])
		vds_str_printf(out, " %s-%-3u", id->guid, id->age);
	else
		vds_str_printf(out, " %-36s", "-");
	vds_str_printf(out, " %-5s %-9s %s\n", id->arch,
		       id->confidence == VDS_PROFILE_SYMBOLS ? "symbols" :
		       "published", entry->path);
}

static struct vds_error *list(struct vds_cli *cli, struct vds_str *out)
{
	_cleanup_free_ struct vds_store_entry *entries = NULL;
	struct vds_store *store;
	size_t n = 0;
	struct vds_error *err = vds_store_open(cli->args.profile_dirs.items,
					       cli->args.profile_dirs.count,
					       &store);
	if (err)
		return err;
	err = vds_store_list(store, &entries, &n);
	for (size_t i = 0; i < n; i++)
		put_entry(out, &entries[i]);
	for (size_t i = 0; !err && !n && i < vds_store_num_dirs(store); i++)
		vds_cli_say(cli, "no profiles in %s", vds_store_dir(store, i));
	vds_store_close(store);
	return err;
}

int vds_profile_list(struct vds_cli *cli, int argc, char **argv)
{
	struct vds_profile_words words;
	struct vds_str out = {0};
	struct vds_error *err = vds_profile_take_words(cli, argc, argv, "list",
						       false, 0, 0, &words);
	if (!err)
		err = list(cli, &out);
	free(words.items);
	return finish(err, &out);
}

static struct vds_error *show(const struct vds_profile *profile,
			      const struct vds_profile_words *words,
			      struct vds_str *out)
{
	if (words->num == 1)
		vds_profile_show_identity(out, profile);
	for (size_t i = 1; i < words->num; i++) {
		const char *what = words->items[i];
		/* As people write it: dt nt!_EPROCESS. */
		if (!strncmp(what, "nt!", 3))
			what += 3;
		struct vds_str one = {0};
		bool found = vds_profile_show(&one, profile, what);
		vds_str_append(out, one.data, one.len);
		out->failed |= one.failed;
		vds_str_deinit(&one);
		if (!found)
			return vds_error_create(VDS_ERROR_USAGE,
				"%s: no such type, member or symbol in %s",
				what, vds_profile_path(profile));
	}
	return NULL;
}

int vds_profile_show_verb(struct vds_cli *cli, int argc, char **argv)
{
	struct vds_profile_words words;
	struct vds_str out = {0};
	struct vds_profile *profile = NULL;
	struct vds_error *err = vds_profile_take_words(cli, argc, argv,
		"show KERNEL [_TYPE[.member] | GLOB]...", false, 1, MAX_WORDS,
		&words);
	if (!err)
		err = vds_profile_resolve(cli, words.items[0], &profile);
	if (!err)
		err = show(profile, &words, &out);
	vds_profile_destroy(profile);
	free(words.items);
	return finish(err, &out);
}

/* Every kernel of one file. */
static struct vds_error *check_file(const char *path, struct vds_str *out)
{
	_cleanup_free_ struct vds_profile_identity *ids = NULL;
	_cleanup_free_ char *data = NULL;
	size_t len, n;
	struct vds_error *err = vds_file_slurp(path, (size_t)64 << 20, &data,
					       &len);
	if (!err)
		err = vds_profile_parse_kernels(path, data, len, &ids, &n);
	for (size_t i = 0; !err && i < n; i++) {
		struct vds_profile *p;
		err = vds_profile_parse_kernel(path, data, len, &ids[i], &p);
		if (err)
			break;
		const struct vds_profile_identity *id = vds_profile_identity(p);
		vds_str_printf(out, "%s: ok: %s %s-%u, %zu types, %zu symbols\n",
			       path, id->pdb, id->guid[0] ? id->guid : "-",
			       id->age, vds_profile_num_types(p),
			       vds_profile_num_symbols(p));
		vds_profile_destroy(p);
	}
	return err;
}

int vds_profile_check(struct vds_cli *cli, int argc, char **argv)
{
	struct vds_profile_words words;
	struct vds_str out = {0};
	int status = 0;
	struct vds_error *err = vds_profile_take_words(cli, argc, argv,
		"check FILE.yaml...", false, 1, MAX_WORDS, &words);
	/* All files are checked, also after a bad one. */
	for (size_t i = 0; !err && i < words.num; i++) {
		struct vds_error *bad = check_file(words.items[i], &out);
		if (bad)
			status = vds_cli_fail(bad);
	}
	free(words.items);
	int printed = finish(err, &out);
	return printed ? printed : status;
}

static void put_heading(struct vds_str *out, const char *mark,
			const struct vds_profile *profile)
{
	const struct vds_profile_identity *id = vds_profile_identity(profile);
	vds_str_printf(out, "%s %s %s-%u, build ", mark, id->pdb,
		       id->guid[0] ? id->guid : "-", id->age);
	vds_profile_show_build(out, id);
	vds_str_putc(out, '\n');
}

int vds_profile_diff_verb(struct vds_cli *cli, int argc, char **argv)
{
	struct vds_profile_words words;
	struct vds_str out = {0};
	struct vds_profile *a = NULL, *b = NULL;
	struct vds_error *err = vds_profile_take_words(cli, argc, argv,
		"diff KERNEL KERNEL", false, 2, 2, &words);
	if (!err)
		err = vds_profile_resolve(cli, words.items[0], &a);
	if (!err)
		err = vds_profile_resolve(cli, words.items[1], &b);
	if (!err) {
		put_heading(&out, "---", a);
		put_heading(&out, "+++", b);
		size_t n = vds_profile_diff(&out, a, b);
		vds_str_printf(&out, "%zu differences\n", n);
	}
	vds_profile_destroy(a);
	vds_profile_destroy(b);
	free(words.items);
	return finish(err, &out);
}
