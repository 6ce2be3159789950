/* SPDX-License-Identifier: Apache-2.0 */
/* Which sources saw something, in words. */
#include <string.h>

#include "base/util.h"
#include "vadose/process.h"
#include "vadose/run.h"
#include "vadose/sharing.h"

/* A word and the blank, or the final NUL, behind it. */
#define WORD_SIZE 16u

/* The words of the set bits, blanks between; "": none; NULL: out of memory. */
static const char *words_of(struct vds_run *run, uint32_t bits,
			    const char words[][WORD_SIZE], size_t count)
{
	/* Rows by the hundred thousand have a single source. */
	if (bits && !(bits & (bits - 1)) && bits >> count == 0)
		return words[__builtin_ctz(bits)];
	char *text = vds_alloc(run, count, WORD_SIZE), *p = text;
	for (size_t i = 0; text && i < count; i++) {
		if (!(bits >> i & 1))
			continue;
		if (p != text)
			*p++ = ' ';
		p = stpcpy(p, words[i]);
	}
	return text;
}

const char *vds_sources_str(struct vds_run *run, uint32_t sources)
{
	static const char words[][WORD_SIZE] = {
		"vad_tree", "view_list", "cache", "system", "session",
		"proto_tree", "handle", "directory", "process", "pool",
	};
	const char *text = words_of(run, sources, words,
				    VDS_ARRAY_SIZE(words));
	return text && *text ? text : NULL;
}

const char *vds_process_sources_str(struct vds_run *run, uint32_t sources)
{
	static const char words[][WORD_SIZE] = {
		"active_links", "active_blinks", "kernel_list", "mm_list",
		"session", "cid_table", "handle_tables", "threads", "views",
		"pool", "initial", "crash_dump", "open_handles",
	};
	return words_of(run, sources, words, VDS_ARRAY_SIZE(words));
}
