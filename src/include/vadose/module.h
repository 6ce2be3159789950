/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The modules that a process's own loader lists: three lists in user memory,
 * which the process may change as it likes. What the kernel mapped stands in
 * the image VADs (vad.h).
 */
#ifndef VADOSE_MODULE_H
#define VADOSE_MODULE_H

#include <vadose/process.h>
#include <vadose/run.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The lists of PEB_LDR_DATA, as bits of vds_module.lists. */
#define VDS_MODULE_IN_LOAD 0x1		/* InLoadOrderModuleList */
#define VDS_MODULE_IN_MEMORY 0x2	/* InMemoryOrderModuleList */
#define VDS_MODULE_IN_INIT 0x4		/* InInitializationOrderModuleList */
#define VDS_NUM_MODULE_LISTS 3

/* One LDR_DATA_TABLE_ENTRY; each value has its reason beside it. */
struct vds_module {
	uint64_t entry;		/* address of the entry, in user space */
	uint32_t lists;		/* VDS_MODULE_IN_* that lead to it */
	uint64_t base;		/* DllBase */
	enum vds_why base_why;
	uint64_t size;		/* SizeOfImage, bytes */
	enum vds_why size_why;
	uint64_t entry_point;	/* 0 = none */
	enum vds_why entry_point_why;
	uint64_t load_time;	/* FILETIME; NO_FIELD before Windows 7 */
	enum vds_why load_time_why;
	const char *name;	/* BaseDllName; NULL: see name_why */
	enum vds_why name_why;
	const char *path;	/* FullDllName; NULL: see path_why */
	enum vds_why path_why;
};

struct vds_modules {
	/* In order of load, then what only the other lists name. */
	const struct vds_module *list;
	size_t count;
	/*
	 * By list, in order of the bits: PRESENT if it came back to its head,
	 * NOT_APPLICABLE if the process has none (no PEB, or the loader had
	 * not run yet), otherwise why it could not be read to its end.
	 */
	enum vds_why why[VDS_NUM_MODULE_LISTS];
};

/* A kernel module that the image's container lists itself (triage dumps). */
struct vds_listed_module {
	uint64_t base;
	uint64_t size;		/* bytes */
	uint32_t timestamp;	/* TimeDateStamp of its PE header, 0 = not said */
	uint32_t checksum;	/* CheckSum of its PE header, 0 = not said */
	bool unloaded;
	const char *name;	/* last part of the path; NULL = not said */
	const char *path;	/* as stated; NULL = not said */
};

/* All of them, loaded ones first; borrowed until run() returns. NULL: no memory */
VDS_EXPORT const struct vds_listed_module *
vds_listed_modules(struct vds_run *run, size_t *ret_count);

/*
 * Reads the three 64-bit lists of @process; *ret is borrowed until run()
 * returns. Loops, wild and unreadable pointers are noted.
 */
VDS_EXPORT struct vds_error *
vds_process_modules(struct vds_run *run, const struct vds_process *process,
		    struct vds_modules *ret);

/*
 * The same of the lists that the 32-bit loader of a WoW64 process keeps, beside
 * the 64-bit ones: NOT_APPLICABLE for a process without 32-bit code. The program
 * itself is in both; ntdll.dll and wow64*.dll of 64 bits are only in those.
 */
VDS_EXPORT struct vds_error *
vds_process_modules32(struct vds_run *run, const struct vds_process *process,
		      struct vds_modules *ret);

/*
 * One or the other, but of each module its base and its lists alone: the rest is
 * NOT_APPLICABLE. Names are most of the work.
 */
VDS_EXPORT struct vds_error *
vds_process_module_bases(struct vds_run *run,
			 const struct vds_process *process, bool wow64,
			 struct vds_modules *ret);

#ifdef __cplusplus
}
#endif
#endif
