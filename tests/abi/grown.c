/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A host of a later minor, as far as loading goes: the loader and all that
 * reads declarations, compiled with longer structures.
 * grown 1.0-MODULE 1.1-MODULE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/loader.h"
#include "plugin/option.h"
#include "row/schema.h"

_Static_assert(VDS_ABI_MINOR > 0, "this host must be newer than ABI 1.0");
/* What never changes within major 1. */
_Static_assert(VDS_ABI_MAJOR == 1, "these are the facts of ABI 1");
_Static_assert(offsetof(struct vds_plugin, abi_major) == 0 &&
	       offsetof(struct vds_plugin, abi_minor) == 4 &&
	       offsetof(struct vds_plugin, size) == 8 &&
	       offsetof(struct vds_plugin, flags) == 12,
	       "the first 16 bytes of a descriptor");
_Static_assert(sizeof(struct vds_value) == 16,
	       "a row is an array of values that the plugin makes");

static int failures;

static void expect(bool condition, const char *what)
{
	if (condition)
		return;
	failures++;
	fprintf(stderr, "FAIL %s\n", what);
}

static const struct vds_plugin *load(struct vds_registry *registry,
				     const char *path)
{
	struct vds_plugin_entry *entry = calloc(1, sizeof(*entry));
	if (!entry || vds_loader_load(registry, path, entry))
		exit(1);
	if (!entry->plugin)
		fprintf(stderr, "%s: %s; %s\n", path, entry->refusal,
			entry->mend);
	const struct vds_plugin *plugin = entry->plugin;
	free(entry);
	return plugin;
}

static bool is_zero(const void *data, size_t len)
{
	const char *p = data;
	for (size_t i = 0; i < len; i++) {
		if (p[i])
			return false;
	}
	return true;
}

static void check_declarations(const struct vds_plugin *p)
{
	struct vds_options options;
	struct vds_schema schema;
	expect(p->num_columns == 7 && !strcmp(p->columns[0].name,
					      "process.pid") &&
	       !strcmp(p->columns[2].doc, "first byte") &&
	       !strcmp(p->columns[6].name, "section.file") &&
	       p->columns[6].kind == VDS_KIND_STR, "columns");
	expect(p->num_options == 2 && !strcmp(p->options[0].doc, "at least") &&
	       !strcmp(p->options[1].values, "all|mapped"), "options");
	expect(!vds_schema_init(&schema, p), "its schema");
	expect(!vds_options_init(&options, p), "defaults of its options");
	vds_options_deinit(&options);
	vds_schema_deinit(&schema);
}

int main(int argc, char **argv)
{
	struct vds_registry registry = {0};
	if (argc != 3)
		return 64;
	const struct vds_plugin *old = load(&registry, argv[1]);
	const struct vds_plugin *new = load(&registry, argv[2]);
	expect(old != NULL, "a plugin of ABI 1.0 is refused");
	expect(new != NULL, "a plugin of this minor is refused");
	if (!old || !new)
		return 1;
	check_declarations(old);
	check_declarations(new);
	/* What the older doesn't have is zero, whatever follows it in memory. */
	expect(!old->later && is_zero(old->much, sizeof(old->much)), "a tail");
	for (size_t i = 0; i < old->num_columns; i++)
		expect(!old->columns[i].later &&
		       is_zero(old->columns[i].much,
			       sizeof(old->columns[i].much)),
		       "a column's tail");
	for (size_t i = 0; i < old->num_options; i++)
		expect(!old->options[i].later, "an option's tail");
	expect(new->later && !strcmp(new->later, "the descriptor's tail") &&
	       !strcmp(new->columns[6].later, "a column's tail") &&
	       !strcmp(new->options[1].later, "an option's tail"),
	       "the tails of this minor");
	vds_arena_deinit(&registry.arena);
	puts(failures ? "grown: FAILED" : "grown: ok");
	return failures != 0;
}
