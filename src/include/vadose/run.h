/* SPDX-License-Identifier: Apache-2.0 */
/* What a running plugin may ask of its host. */
#ifndef VADOSE_RUN_H
#define VADOSE_RUN_H

#include <vadose/error.h>
#include <vadose/value.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vds_run;
struct vds_process;

/*
 * Emits one row: one value per declared column, in order (a zeroed one is "not
 * applicable"). Kinds are checked against the declaration (VDS_ERROR_PLUGIN);
 * everything is copied. VDS_ERROR_STOP (return it) when no more rows are
 * wanted. Rows come out in the order of emission, processes in table order.
 */
VDS_EXPORT struct vds_error *vds_emit(struct vds_run *run,
				      const struct vds_value *values);

/*
 * Notes that evidence contradicts itself: once per @kind ([a-z0-9_]+, static)
 * and @object (address or 0). The run ends as "partial". Another kind is noted
 * as "unnamed".
 */
VDS_EXPORT void vds_run_note(struct vds_run *run, const char *kind,
			     uint64_t object, const char *format, ...)
	VDS_PRINTF(4, 5);

/* Scratch memory until run() returns: zeroed, 16-byte aligned; NULL = none. */
VDS_EXPORT void *vds_alloc(struct vds_run *run, size_t count, size_t size);
VDS_EXPORT char *vds_sprintf(struct vds_run *run, const char *format, ...)
	VDS_PRINTF(2, 3);

/* Options by declared name. An undeclared name yields false, 0 or NULL. */
VDS_EXPORT bool vds_option_set(const struct vds_run *run, const char *name);
VDS_EXPORT uint64_t vds_option_uint(const struct vds_run *run,
				    const char *name);
VDS_EXPORT const char *vds_option_str(const struct vds_run *run,
				      const char *name);
VDS_EXPORT const uint64_t *vds_option_uints(const struct vds_run *run,
					    const char *name, size_t *ret);
VDS_EXPORT const char *const *vds_option_strs(const struct vds_run *run,
					      const char *name, size_t *ret);

/*
 * False for a dump of pieces of virtual memory (a triage dump): nothing
 * translates, most lists break off, and hardly any process is known.
 */
VDS_EXPORT bool vds_has_page_tables(const struct vds_run *run);
/*
 * The kernel's own view of memory in the form of a process, for what asks for
 * one and needs no more of it: eprocess and pid are 0, it is in no table.
 */
VDS_EXPORT const struct vds_process *vds_kernel_view(struct vds_run *run);

/* Shell-style match, ASCII case-insensitive: '*' and '?'. */
VDS_EXPORT bool vds_match(const char *glob, const char *text);

/*
 * The processes of the image in table order (PID, create time, EPROCESS), for
 * VDS_ONCE plugins; `selected` tells which ones --pid and --process chose.
 */
VDS_EXPORT size_t vds_num_processes(const struct vds_run *run);
VDS_EXPORT const struct vds_process *vds_process_at(struct vds_run *run,
						    size_t index);
/* Index of the first process with @pid or a higher one: the table's first key. */
VDS_EXPORT size_t vds_process_from_pid(const struct vds_run *run,
				       uint32_t pid);
/* The process of that table whose EPROCESS is at @eprocess, or NULL. */
VDS_EXPORT const struct vds_process *vds_process_find(struct vds_run *run,
						      uint64_t eprocess);

/*
 * Calls @work for 0 .. count - 1 on all threads, each call with a run of its
 * own (its scratch memory lasts until vds_parallel()'s caller returns from
 * run(); rows emitted there come out in index order). Processes must be
 * fetched by vds_process_at() on the run given to @work.
 */
VDS_EXPORT struct vds_error *
vds_parallel(struct vds_run *run, size_t count,
	     struct vds_error *(*work)(struct vds_run *run, size_t index,
				       void *ctx),
	     void *ctx);

#ifdef __cplusplus
}
#endif
#endif
