/* SPDX-License-Identifier: Apache-2.0 */
/* Which VADs of a walk to look at: the option --vad. */
#ifndef VAD_CHOICE_H
#define VAD_CHOICE_H

#include <stdbool.h>

#include <vadose/plugin.h>
#include <vadose/vad.h>

#define VAD_CHOICE_OPTION                                                      \
	{"vad", VDS_OPTION_UINTS, 0, "ADDRESS", NULL, NULL,                    \
	 "only VADs with this start, node, or address within"}

/* True if --vad names this VAD, or none. */
bool vad_is_chosen(const struct vds_run *run, const struct vds_vad *vad);

#endif
