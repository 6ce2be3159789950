/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps of vds_sharing_read_sources() hand to each other. */
#ifndef VDS_PLUGIN_SHARING_SOURCES_H
#define VDS_PLUGIN_SHARING_SOURCES_H

#include "base/map.h"
#include "nt/section_source.h"
#include "plugin/sharing_int.h"
#include "vadose/file.h"

/* What is read of one control area, in parallel. */
struct vds_sharing_listing {
	const struct vds_listed_view *views;
	size_t count;
	enum vds_why why;
	/* By its file's own cache map, where the arrays can't be had. */
	struct vds_cache_map map;
};

/* What is brought together; the caller frees the maps and `extra`. */
struct vds_sharing_sources {
	struct vds_run *run;
	struct vds_sharing_work *work;
	const struct vds_process *any;
	struct vds_map areas;	/* control area -> index in work->seen + 1 */
	struct vds_sharing_listing *listings;	/* one per seen section */
	struct vds_kernel_views kernel;
	/* The entry in a list, or the address, of each -> its index + 1. */
	struct vds_map by_links, by_va;
	enum vds_why cache_why;	/* of the arrays of VACBs */
	/* EPROCESS -> struct vds_process, or 0 */
	struct vds_map unlisted;
	struct vds_view_list extra;	/* views that no VAD tree knows */
};

static inline bool vds_sharing_wants(const struct vds_sharing_sources *s,
				     uint32_t source)
{
	return s->work->read & source;
}

static inline struct vds_seen_section *
vds_sharing_seen_at(struct vds_sharing_sources *s, uint64_t area)
{
	const uint64_t *index = vds_map_get(&s->areas, area);
	return index ? &s->work->seen[*index - 1] : NULL;
}

/* Fills work->seen (all sections that any source leads to), areas and kernel. */
struct vds_error *vds_sharing_gather(struct vds_sharing_sources *s);

/*
 * Holds the sections' own lists against the views that are known: marks those
 * that they name, and adds those that only they name to kernel and extra.
 */
struct vds_error *vds_sharing_reconcile(struct vds_sharing_sources *s);

#endif
