/* SPDX-License-Identifier: Apache-2.0 */
/* profiles/types.txt and symbols.txt, built in (profiles/embed-lists.py). */
#ifndef VDS_PROFILE_TRIM_LISTS_H
#define VDS_PROFILE_TRIM_LISTS_H

#include <stddef.h>

extern const char *const vds_trim_types[];
extern const size_t vds_num_trim_types;
extern const char *const vds_trim_symbols[];
extern const size_t vds_num_trim_symbols;

#endif
