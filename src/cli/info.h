/* SPDX-License-Identifier: Apache-2.0 */
/* `vadose -f IMAGE info`: what was opened, and how its kernel was found. */
#ifndef VDS_CLI_INFO_H
#define VDS_CLI_INFO_H

#include "vadose/plugin.h"

/*
 * A plugin like any other to those who read its rows; but it reads the host's
 * own structures and also runs where there is no profile for the kernel.
 */
extern const struct vds_plugin vds_plugin_info;

#endif
