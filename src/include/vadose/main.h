/* SPDX-License-Identifier: Apache-2.0 */
/* The command line, as a function: the program is nothing but a call of it. */
#ifndef VADOSE_MAIN_H
#define VADOSE_MAIN_H

#include <vadose/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Runs the vadose command; returns its exit status (docs: exit codes). */
VDS_EXPORT int vds_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif
#endif
