/* SPDX-License-Identifier: Apache-2.0 */
/* --crossview of pslist, pstree and psscan: which source saw which process. */
#ifndef PLUGINS_SEEN_H
#define PLUGINS_SEEN_H

#include <vadose/crossview.h>
#include <vadose/plugin.h>

#define SEEN_OPTION                                                            \
	{"crossview", VDS_OPTION_FLAG, 0, NULL, NULL, NULL,                    \
	 "ask all sources, also those that cost more, and tell which one saw which process"}

#define SEEN_COLUMN(index, word, heading, text)                                \
	[index] = {"seen." word, VDS_KIND_BOOL, VDS_COLUMN_WIDE, heading,      \
		   NULL, "--crossview: " text, NULL}

/* One column per source, in the order of seen_bits[]. */
#define NUM_SEEN 12
#define SEEN_COLUMNS(first)                                                    \
	SEEN_COLUMN((first), "active_links", "PsLinks",                        \
		    "PsActiveProcessHead"),                                    \
	SEEN_COLUMN((first) + 1, "active_blinks", "PsBlinks",                  \
		    "PsActiveProcessHead, backwards"),                         \
	SEEN_COLUMN((first) + 2, "kernel_list", "KiList",                      \
		    "KiProcessListHead"),                                      \
	SEEN_COLUMN((first) + 3, "mm_list", "MmList", "MmProcessList, since 10 MiState.Processes"),        \
	SEEN_COLUMN((first) + 4, "session", "SesList",                         \
		    "the list of its session"),                                \
	SEEN_COLUMN((first) + 5, "cid_table", "Cid", "PspCidTable"),           \
	SEEN_COLUMN((first) + 6, "handle_tables", "Handles",                   \
		    "HandleTableListHead, owners of handle tables"),           \
	SEEN_COLUMN((first) + 7, "threads", "Threads",                         \
		    "owners of the threads in PspCidTable"),                   \
	SEEN_COLUMN((first) + 8, "views", "Views",                             \
		    "owners of the views that control areas list"),            \
	SEEN_COLUMN((first) + 9, "pool", "Pool", "scan of physical memory"),   \
	SEEN_COLUMN((first) + 10, "initial", "Initial",                        \
		    "PsInitialSystemProcess"),                                 \
	SEEN_COLUMN((first) + 11, "open_handles", "OpenHandles",               \
		    "handles to it in the tables of other processes, above all "   \
		    "csrss.exe's")

/* NUM_SEEN values from @row on. */
void seen_fill(const struct vds_crossview *view,
	       const struct vds_seen_process *seen, struct vds_value *row);

/*
 * Makes *ret an index of @view by place in the process table: NULL where the
 * view has no such process. In run's memory.
 */
struct vds_error *seen_index(struct vds_run *run,
			     const struct vds_crossview *view,
			     const struct vds_seen_process *const **ret);

#endif
