/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of `vadose profile` have in common. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"
#include "cli/cmd_profile.h"
#include "profile/store.h"

struct vds_error *vds_profile_take_words(struct vds_cli *cli, int argc,
					 char **argv, const char *usage,
					 bool with_making, size_t min,
					 size_t max,
					 struct vds_profile_words *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->items = vds_malloc_array((size_t)argc + 1, sizeof(*ret->items));
	if (!ret->items)
		return &vds_enomem;
	for (int i = 0; i < argc;) {
		bool taken = false;
		if (with_making && !strcmp(argv[i], "--all")) {
			ret->all = true;
			i++;
			continue;
		}
		if (with_making && vds_profile_option("build", argc, argv, &i,
						      &ret->build)) {
			if (ret->build)
				continue;
			return vds_error_create(VDS_ERROR_USAGE,
						"--build needs a value: N.N");
		}
		struct vds_error *err = vds_args_take(&cli->args, argc, argv,
						      &i, &taken);
		if (err)
			return err;
		if (taken)
			continue;
		if (argv[i][0] == '-' && argv[i][1])
			return vds_error_create(VDS_ERROR_USAGE,
				"profile: no such option here: %s", argv[i]);
		ret->items[ret->num++] = argv[i++];
	}
	if (ret->num < min || ret->num > max)
		return vds_error_create(VDS_ERROR_USAGE,
					"usage: vadose profile %s", usage);
	return NULL;
}

bool vds_profile_parse_build(const char *text, uint32_t *ret_build,
			     uint32_t *ret_revision)
{
	uint64_t parts[4] = {0};
	int n = 0;
	char word[24];
	for (const char *at = text; at; n++) {
		size_t len = strcspn(at, ".");
		if (n == 4 || !len || len >= sizeof(word))
			return false;
		memcpy(word, at, len);
		word[len] = '\0';
		if (strspn(word, "0123456789") != len ||
		    !vds_parse_u64(word, &parts[n]) || parts[n] > UINT32_MAX)
			return false;
		at = at[len] ? at + len + 1 : NULL;
	}
	if (n == 3)
		return false;
	*ret_build = (uint32_t)parts[n == 4 ? 2 : 0];
	*ret_revision = (uint32_t)parts[n == 4 ? 3 : 1];
	return true;
}

/* True if @id is what @kernel, no path, stands for. */
static bool is_meant(const struct vds_profile_identity *id, const char *kernel)
{
	uint32_t build, revision;
	char guid[64];
	snprintf(guid, sizeof(guid), "%s-%u", id->guid, id->age);
	if (vds_streq_nocase(guid, kernel) ||
	    (id->guid[0] && vds_streq_nocase(id->guid, kernel)))
		return true;
	return vds_profile_parse_build(kernel, &build, &revision) &&
	       id->build == build && (!revision || id->revision == revision);
}

static struct vds_error *find(struct vds_store *store, const char *kernel,
			      struct vds_profile **ret)
{
	_cleanup_free_ struct vds_store_entry *list = NULL;
	size_t n;
	struct vds_error *err = vds_store_list(store, &list, &n);
	if (err)
		return err;
	/* Of several revisions the newest: it is the last of a directory. */
	for (size_t i = n; i-- > 0; ) {
		if (is_meant(&list[i].identity, kernel))
			return vds_store_load(&list[i], ret);
	}
	return vds_error_create(VDS_ERROR_NO_PROFILE,
		"%s: no such profile file, and no profile of that GUID-AGE or "
		"build; `vadose profile list` shows what there is", kernel);
}

struct vds_error *vds_profile_resolve(struct vds_cli *cli, const char *kernel,
				      struct vds_profile **ret)
{
	struct vds_store *store;
	if (strchr(kernel, '/') || strstr(kernel, ".yaml"))
		return vds_profile_load(kernel, ret);
	struct vds_error *err = vds_store_open(cli->args.profile_dirs.items,
					       cli->args.profile_dirs.count,
					       &store);
	if (err)
		return err;
	err = find(store, kernel, ret);
	vds_store_close(store);
	return err;
}
