/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include <vadose/run.h>

#include "sources.h"

/* The words of --sources. */
static const struct {
	const char *word;
	uint32_t sources;
} source_words[] = {
	{"vad", VDS_VIEW_IN_TREE},
	{"views", VDS_VIEW_IN_LIST},
	{"system", VDS_VIEW_IN_SYSTEM | VDS_VIEW_IN_SESSION},
	{"cache", VDS_VIEW_IN_CACHE},
	{"tree", VDS_SECTION_IN_PROTOS},
	{"handles", VDS_SOURCES_OBJECTS},
	{"pool", VDS_SECTION_IN_POOL},
	{"all", VDS_SOURCES_CHEAP | VDS_SECTION_IN_POOL},
};
#define NUM_SOURCE_WORDS (sizeof(source_words) / sizeof(source_words[0]))

/* The source that the first @len bytes of @word name, or 0. */
static uint32_t source_of(const char *word, size_t len)
{
	for (size_t k = 0; k < NUM_SOURCE_WORDS; k++) {
		if (strlen(source_words[k].word) == len &&
		    !strncmp(word, source_words[k].word, len))
			return source_words[k].sources;
	}
	return 0;
}

/*
 * The sources that --sources names, with commas or in several options; *ret is
 * untouched without it.
 */
static struct vds_error *read_sources(const struct vds_run *run, uint32_t *ret)
{
	size_t n;
	const char *const *words = vds_option_strs(run, "sources", &n);
	if (n)
		*ret = 0;
	for (size_t i = 0; i < n; i++) {
		const char *word = words[i];
		for (;; word++) {
			size_t len = strcspn(word, ",");
			uint32_t source = source_of(word, len);
			if (!source)
				return vds_error_create(VDS_ERROR_USAGE,
							"--sources: '%.*s' is not vad, views, system, cache, tree, handles, pool or all",
							(int)len, word);
			*ret |= source;
			word += len;
			if (!*word)
				break;
		}
	}
	return NULL;
}

struct vds_error *sources_choose(const struct vds_run *run, bool verify,
				 struct vds_sharing_options *how,
				 uint32_t *ret_wanted)
{
	uint32_t wanted = VDS_VIEW_IN_TREE;
	how->verify = verify ? VDS_VERIFY_PTE : VDS_VERIFY_NONE;
	if (verify)
		wanted |= VDS_VIEW_IN_LIST | VDS_VIEW_IN_SYSTEM |
			  VDS_VIEW_IN_SESSION;
	struct vds_error *err = read_sources(run, &wanted);
	/* What makes no rows of its own still says what it knows of others. */
	how->read = wanted & ~(uint32_t)VDS_VIEW_IN_TREE;
	if (verify)
		how->read |= VDS_SOURCES_CHEAP;
	how->kernel_views = wanted & (VDS_SOURCES_KERNEL_VIEWS |
				      VDS_VIEW_IN_LIST);
	*ret_wanted = wanted;
	return err;
}

bool sources_know(const struct vds_sharing *sharing,
		  const struct vds_share_group *group, uint32_t wanted)
{
	for (size_t i = 0; i < group->num_views; i++) {
		if (sharing->views[group->first_view + i]->sources & wanted)
			return true;
	}
	return false;
}
