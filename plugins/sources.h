/* SPDX-License-Identifier: Apache-2.0 */
/* --sources: whose knowledge of views and sections plugins about sharing use. */
#ifndef SOURCES_H
#define SOURCES_H

#include <vadose/plugin.h>
#include <vadose/sharing.h>

#define SOURCES_OPTION                                                         \
	{"sources", VDS_OPTION_STRS, 0, "LIST", NULL, NULL, "rows of what these know: vad, views (the control areas' lists), system (space and sessions), cache, tree (of prototype PTEs), handles, pool (scans), all; without it vad,views,system, with --verify=none vad"}

/*
 * Fills verify, read and kernel_views of @how. *ret_wanted: the sources whose
 * knowledge makes rows. Without @verify only VAD trees, unless --sources says
 * more. Errors: VDS_ERROR_USAGE.
 */
struct vds_error *sources_choose(const struct vds_run *run, bool verify,
				 struct vds_sharing_options *how,
				 uint32_t *ret_wanted);

/* Does one of the sources @wanted know some view of the group? */
bool sources_know(const struct vds_sharing *sharing,
		  const struct vds_share_group *group, uint32_t wanted);

#endif
