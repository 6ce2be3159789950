/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps of vds_sharing_build() hand to each other. */
#ifndef VDS_PLUGIN_SHARING_INT_H
#define VDS_PLUGIN_SHARING_INT_H

#include "analysis/known.h"
#include "analysis/views.h"
#include "vadose/run.h"
#include "vadose/sharing.h"

struct vds_sharing_work {
	const struct vds_sharing_options *options;
	vds_see_vad_fn *see;	/* or NULL */
	void *see_ctx;
	uint32_t read;		/* VDS_VIEW_IN_*, VDS_SECTION_IN_* */
	size_t num_processes;
	struct vds_view_list *lists;	/* one per process, malloc'ed */
	struct vds_peb_slots *slots;	/* one per process */
	struct vds_view *views;
	size_t num_views;
	uint64_t *subsections;		/* distinct addresses, sorted */
	uint64_t *files;	/* of each subsection: some view's FileObject */
	const struct vds_section **sections;	/* of each subsection */
	size_t num_subsections;
	struct vds_seen_section *seen;	/* by control area */
	size_t num_seen;
	struct vds_view **order;
	struct vds_share_group *groups;
	size_t num_groups;
};

/* Subsections and control areas are resolved in batches, to keep the cost of a
 * task small. */
#define VDS_SHARING_BATCH 64

/*
 * Reads the sources in work->read besides the VAD trees, whose views are there
 * and placed: marks them with who else knows them, puts those among them that
 * only other sources know, and fills work->seen.
 */
struct vds_error *vds_sharing_read_sources(struct vds_run *run,
					   struct vds_sharing_work *work);

/*
 * The control areas that blocks of pool lead to, by a scan of physical memory:
 * malloc'ed, in no order, some more than once.
 */
struct vds_error *vds_pool_sections(struct vds_run *run, uint64_t **ret,
				    size_t *ret_count);

#endif
