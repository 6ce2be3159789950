/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page by page: where a shared page is, whose page tables lead to it, who has a
 * copy of its own, and whether the PFN database agrees.
 */
#ifndef VADOSE_EVIDENCE_H
#define VADOSE_EVIDENCE_H

#include <vadose/sharing.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * What is known of a run of pages of a group of views: of one page, or of many
 * in which no view has an entry of its own.
 */
struct vds_page_evidence {
	/*
	 * Inclusive; pages of the section, or without group->has_pages the
	 * kernel addresses of prototype PTEs / 8.
	 */
	uint64_t first, last;
	const struct vds_section_page *page;	/* of the first, by its prototype */
	/*
	 * Physical address of the shared page; 0: it is not in memory, or not
	 * known. From the prototype PTE; where that can't be read, what the PFN
	 * database says or else what two views have in common.
	 */
	uint64_t frame;
	size_t num_views;	/* that show these pages: all of the below */
	size_t num_mapped;	/* their own entry leads to the frame */
	size_t num_private;	/* it holds another page: copy-on-write */
	size_t num_private_out;	/* of these: the copy is in a page file */
	size_t num_untouched;	/* no entry, or one that asks the prototype */
	size_t num_blocked;	/* no page: guard, no access, decommitted */
	size_t num_unknown;	/* the page table isn't in the image */
	/* A bit per view of the group, in its order, 64 in each element. */
	const uint64_t *mapped, *copied;
	/* Whether the PFN database tells, and what. */
	enum vds_why pfn_why;
	bool pfn_agrees;	/* the frame belongs to this prototype PTE */
	uint64_t share_count;	/* PTEs that map it while it is active, else 0 */
	/* NONE if a single view shows these pages. */
	enum vds_grade grade;
};

/*
 * Calls @visit for all pages of @group in order, or until it returns an error,
 * which is handed on; VDS_ERROR_STOP ends the walk without one. Looks at no
 * more than @max_pages runs; *ret_end is the page after the last one visited
 * (group->last_page + 1 if all were).
 */
VDS_EXPORT struct vds_error *
vds_share_group_pages(struct vds_run *run, const struct vds_sharing *sharing,
		      const struct vds_share_group *group, uint64_t max_pages,
		      struct vds_error *(*visit)(
			      void *ctx,
			      const struct vds_page_evidence *evidence),
		      void *ctx, uint64_t *ret_end);

#ifdef __cplusplus
}
#endif
#endif
