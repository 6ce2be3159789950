/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regions that every Windows process shares, recognised by identity: what the
 * PEBs of many processes point to, never by size or name alone.
 */
#ifndef VDS_ANALYSIS_KNOWN_H
#define VDS_ANALYSIS_KNOWN_H

#include "base/arena.h"
#include "vadose/sharing.h"

/* User addresses that a PEB gives for shared regions; 0 = none or unreadable. */
struct vds_peb_slots {
	uint64_t api_set, csr_shared, gdi_table;
	uint64_t nls[3];	/* ANSI, OEM, case table */
};

void vds_peb_slots_read(const struct vds_process *process,
			struct vds_peb_slots *ret);

/*
 * Marks views and groups. @slots has one entry per process; @views are in
 * (process, start) order and placed. A control area is known if, within one
 * session, the same slot of at least two processes and of most that have it
 * leads there. A group is known if all its views are read-only, but for those
 * of the processes that own such regions (csrss.exe, smss.exe, System).
 */
struct vds_error *vds_known_mark(const struct vds_process *processes,
				 size_t num_processes,
				 const struct vds_peb_slots *slots,
				 struct vds_view *views, size_t num_views,
				 struct vds_share_group *groups,
				 size_t num_groups);

#endif
