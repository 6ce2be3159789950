/* SPDX-License-Identifier: Apache-2.0 */
/* Processes, and reading their memory. */
#ifndef VADOSE_PROCESS_H
#define VADOSE_PROCESS_H

#include <vadose/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vds_run;
struct vds_task;

/* Which source saw a process (bits of vds_process.sources). */
#define VDS_SOURCE_ACTIVE_LINKS 0x1	/* PsActiveProcessHead, Flink */
#define VDS_SOURCE_ACTIVE_BLINKS 0x2	/* PsActiveProcessHead, Blink */
#define VDS_SOURCE_KERNEL_LIST 0x4	/* KiProcessListHead */
#define VDS_SOURCE_MM_LIST 0x8		/* the memory manager's */
#define VDS_SOURCE_SESSION 0x10		/* session process lists */
#define VDS_SOURCE_CID_TABLE 0x20	/* PspCidTable */
#define VDS_SOURCE_HANDLE_TABLES 0x40	/* HandleTableListHead -> QuotaProcess */
#define VDS_SOURCE_THREADS 0x80		/* KTHREAD.Process */
#define VDS_SOURCE_VIEWS 0x100		/* VadsProcess of control-area view lists */
#define VDS_SOURCE_POOL 0x200		/* pool scan */
#define VDS_SOURCE_INITIAL 0x400	/* PsInitialSystemProcess */
#define VDS_SOURCE_CRASH 0x800		/* a crash dump's copy of the current one */
#define VDS_SOURCE_OPEN_HANDLES 0x1000	/* handles of other processes to it */

enum vds_process_kind {
	VDS_PROCESS_NORMAL = 0,
	VDS_PROCESS_SYSTEM = 1,		/* PID 4 */
	VDS_PROCESS_MINIMAL = 2,	/* Registry, MemCompression, vmmem, ... */
	VDS_PROCESS_PICO = 3,		/* WSL1 */
	VDS_PROCESS_IDLE = 4,		/* PID 0 */
};

/* Where `name` comes from, best first. */
enum vds_name_source {
	VDS_NAME_NONE = 0,
	VDS_NAME_IMAGE_FILE_POINTER = 1,	/* EPROCESS.ImageFilePointer */
	VDS_NAME_SECTION = 2,		/* SectionObject's control area's file */
	VDS_NAME_AUDIT = 3,		/* SeAuditProcessCreationInfo */
	VDS_NAME_IMAGE_FILE_NAME = 4,	/* EPROCESS.ImageFileName[15] */
	VDS_NAME_PEB = 5,		/* ProcessParameters, user-writable */
};

/*
 * One process. Handed out by the host as const, so it may grow at the end.
 * Each value that may be absent has a reason beside it.
 */
struct vds_process {
	uint32_t pid, ppid;
	uint64_t eprocess;	/* virtual address */
	uint64_t dtb;		/* physical, flag bits cleared; 0 if unreadable */
	uint64_t user_dtb;	/* KVA shadow table, 0 if none */
	uint64_t create_time;	/* FILETIME, 0 = none */
	uint64_t exit_time;	/* FILETIME, 0 = still running */
	uint64_t peb, peb32;	/* user addresses, 0 = none */
	uint64_t vad_root;	/* address of the root node, 0 = empty */
	uint64_t vad_count;	/* as EPROCESS states it */
	enum vds_why vad_count_why;
	uint64_t object_table;	/* HANDLE_TABLE, 0 = none */
	uint64_t section_object;
	uint64_t image_base;
	uint32_t session;	/* valid if session_why is PRESENT */
	enum vds_why session_why;
	uint32_t threads;	/* ActiveThreads */
	uint32_t sources;	/* VDS_SOURCE_* */
	enum vds_process_kind kind;
	bool wow64;
	bool exited;		/* ExitTime, or no threads and no VAD root */
	bool selected;		/* by --pid / --process, true without them */
	const char *name;	/* file name; NULL if absent: see name_why */
	enum vds_why name_why;
	enum vds_name_source name_source;
	const char *path;	/* full NT path; NULL if absent: see path_why */
	enum vds_why path_why;
	size_t index;		/* in table order */
	struct vds_task *task;	/* the host's own */
	/* EPROCESS.ImageFileName, whatever `name` was taken from; at most 15
	 * bytes of it are kept by Windows. NULL: see image_file_name_why. */
	const char *image_file_name;
	enum vds_why image_file_name_why;
	/* Of peb32: NOT_APPLICABLE if it runs no 32-bit code (wow64). */
	enum vds_why peb32_why;
};

/*
 * Reads user or kernel memory as this process sees it. PRESENT, or the reason
 * of the first absent byte (@buf is undefined then).
 */
VDS_EXPORT enum vds_why vds_process_read(const struct vds_process *process,
					 uint64_t va, void *buf, size_t len);

/*
 * The EPROCESS at @eprocess, whatever led there: PRESENT if it reads as one (the
 * type of a dispatcher object, page tables, a PID), BAD_DATA if it does not,
 * otherwise why it can't be read. *ret is borrowed until run() returns; sources,
 * selected and index are not set. @any is any process of the table.
 */
VDS_EXPORT enum vds_why vds_process_peek(const struct vds_process *any,
					 uint64_t eprocess,
					 struct vds_process *ret);

/*
 * vds_process.sources in words, separated by blanks: active_links,
 * active_blinks, kernel_list, mm_list, session, cid_table, handle_tables,
 * threads, views, pool, initial. In run's memory; "": none; NULL: out of memory.
 */
VDS_EXPORT const char *vds_process_sources_str(struct vds_run *run,
					       uint32_t sources);

#ifdef __cplusplus
}
#endif
#endif
