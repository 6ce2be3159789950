/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Processes by a scan of physical memory: EPROCESS objects in blocks that carry
 * the pool tag of processes, whatever list leads to them. Also what has exited,
 * and what a rootkit unlinked.
 */
#ifndef VADOSE_PROCESS_SCAN_H
#define VADOSE_PROCESS_SCAN_H

#include <vadose/process.h>
#include <vadose/run.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How far the type index in the object's header was checked. */
enum vds_type_check {
	VDS_TYPE_UNKNOWN = 0,	/* nothing is known to compare it with */
	/* Its address is unknown, with which it is mixed: low 4 bits fit. */
	VDS_TYPE_LIKELY = 1,
	VDS_TYPE_VERIFIED = 2,
};

/* One EPROCESS; each value that may be absent has its reason beside it. */
struct vds_scanned_process {
	uint64_t pa;		/* physical address of the EPROCESS */
	uint64_t block;		/* physical address of the POOL_HEADER */
	uint64_t eprocess;	/* virtual address that maps to pa */
	enum vds_why eprocess_why;	/* NOT_MAPPED: nothing tells it */
	enum vds_type_check type;
	bool protected_tag;	/* the tag has its top bit set (to 7) */
	uint32_t pid;
	uint32_t ppid;
	enum vds_why ppid_why;
	uint32_t threads;	/* ActiveThreads */
	enum vds_why threads_why;
	uint64_t dtb;		/* flag bits cleared */
	enum vds_why dtb_why;
	uint64_t create_time, exit_time;	/* FILETIME, 0 = none */
	enum vds_why create_why, exit_why;
	const char *image_file_name;	/* NULL: see the reason */
	enum vds_why image_file_name_why;
	/* Index in the process table, or SIZE_MAX: no list leads to it. */
	size_t index;
};

/*
 * Scans all that was acquired, on all threads; *ret_count of them by physical
 * address, each once; borrowed until run() returns.
 */
VDS_EXPORT struct vds_error *
vds_process_scan(struct vds_run *run, const struct vds_scanned_process **ret,
		 size_t *ret_count);

#ifdef __cplusplus
}
#endif
#endif
