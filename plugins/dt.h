/* SPDX-License-Identifier: Apache-2.0 */
/* Between dt.c and dt_address.c. */
#ifndef PLUGINS_DT_H
#define PLUGINS_DT_H

#include <vadose/plugin.h>

/*
 * The address that @text names: a number, sixteen hexadecimal digits as WinDbg
 * prints them (ffffc50b`90003040), or a kernel symbol with something added to it
 * (nt!MiState+0x40). VDS_ERROR_USAGE if it is none of these.
 */
struct vds_error *dt_parse_address(struct vds_run *run, const char *text,
				   uint64_t *ret);

#endif
