/* SPDX-License-Identifier: Apache-2.0 */
/* Handles: what a process holds open. */
#ifndef VADOSE_HANDLE_H
#define VADOSE_HANDLE_H

#include <vadose/process.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Attributes of a handle. */
#define VDS_HANDLE_PROTECT_CLOSE 0x1
#define VDS_HANDLE_INHERIT 0x2
#define VDS_HANDLE_AUDIT_CLOSE 0x4

/* One entry in use. Handed out as const; may grow at the end. */
struct vds_open_handle {
	uint64_t value;		/* what user code holds */
	uint64_t object;	/* the object's body */
	uint32_t access;	/* granted access mask */
	uint32_t attributes;	/* VDS_HANDLE_* */
	/* Name of the object's type ("File"); NULL: see type_why. */
	const char *type;
	enum vds_why type_why;
	/*
	 * A file's path with its device, a process's file name, a key's path in
	 * the registry, the SID of a token's user, otherwise the full path in
	 * the object name space. NULL: see name_why
	 * (NOT_APPLICABLE: the object has no name).
	 */
	const char *name;
	enum vds_why name_why;
	/* Of handles to a process or a thread: whose. */
	uint32_t pid, tid;
	enum vds_why pid_why, tid_why;
	uint64_t entry;		/* address of the HANDLE_TABLE_ENTRY */
	/* Of handles to a section: the file that backs it; NULL: see file_why. */
	const char *file;
	enum vds_why file_why;
};

/*
 * Calls @visit for each handle of @process in order of value, until it returns
 * false; what it is given is borrowed until run() returns, the structure itself
 * until @visit returns. Broken parts of the table are noted and skipped. A
 * process without a table has no handles.
 */
VDS_EXPORT void
vds_process_handles(const struct vds_process *process,
		    bool (*visit)(void *ctx,
				  const struct vds_open_handle *handle),
		    void *ctx);

#ifdef __cplusplus
}
#endif
#endif
