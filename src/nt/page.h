/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of vds_page_at(): the prototype PTE of a page of a view. */
#ifndef VDS_NT_PAGE_H
#define VDS_NT_PAGE_H

#include "nt/resolve.h"
#include "vadose/page.h"

/* Where the prototype PTE of a page is to be found. */
struct vds_proto_place {
	enum vds_why why;	/* PRESENT: address is set */
	uint64_t address;
	/*
	 * NOT_MAPPED: the view is longer than its section (why no PTE exists);
	 * PAGED_OUT: the subsection has no array yet, all of it is in the file.
	 */
	uint64_t subsection;	/* of the page, where it was looked up */
};

/*
 * The prototype PTE of @va in the view @vad (not private, has_section): by
 * FirstPrototypePte as far as LastContiguousPte, further along the chain of
 * subsections.
 */
void vds_proto_locate(const struct vds_process *process,
		      const struct vds_vad *vad, uint64_t va,
		      struct vds_proto_place *ret);

/* The address space of a process; vds_process_read() goes through it. */
void vds_process_space(const struct vds_process *process,
		       struct vds_space *ret);

/*
 * The process's page tables alone: of what isn't present, only the tables above
 * the PTE are resolved (they may be in transition).
 */
void vds_process_tables(const struct vds_process *process,
			struct vds_space *ret);

#endif
