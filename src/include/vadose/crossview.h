/* SPDX-License-Identifier: Apache-2.0 */
/* Which source saw which process. */
#ifndef VADOSE_CROSSVIEW_H
#define VADOSE_CROSSVIEW_H

#include <vadose/process.h>
#include <vadose/process_scan.h>
#include <vadose/run.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vds_seen_process {
	uint64_t eprocess;	/* 0: its virtual address is not known */
	uint32_t sources;	/* VDS_SOURCE_* that saw it */
	size_t index;		/* in the process table, or SIZE_MAX */
	/* By the scan of physical memory; NULL: it did not see it. */
	const struct vds_scanned_process *scanned;
};

struct vds_crossview {
	/* Those of the table in its order, then others by address. */
	const struct vds_seen_process *list;
	size_t count;
	/* VDS_SOURCE_* that this kernel has and that could be asked. That one
	 * of them did not see a process says something. */
	uint32_t available;
};

/*
 * Asks all sources, on all threads: those of the process table, and those that
 * cost more (lists of sessions, owners of threads, open handles, owners of views
 * that control areas list, pool scan). *ret is borrowed until run() returns.
 */
VDS_EXPORT struct vds_error *vds_process_crossview(struct vds_run *run,
						   struct vds_crossview *ret);

#ifdef __cplusplus
}
#endif
#endif
