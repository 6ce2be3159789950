/* SPDX-License-Identifier: Apache-2.0 */
/* Rules as data: the YAML of vadose/rule.h. */
#ifndef VDS_ANALYSIS_RULES_H
#define VDS_ANALYSIS_RULES_H

#include "base/arena.h"
#include "vadose/rule.h"

/* plugins/findings.yaml, built into the program. */
extern const char vds_builtin_rules[];
extern const size_t vds_builtin_rules_len;

/* Empty rules in @arena; NULL = no memory. */
struct vds_rules *vds_rules_create(struct vds_arena *arena);

/*
 * Reads YAML into @rules. With @overlay, rules and parameters must exist
 * already and take the given values; otherwise they are made. Errors:
 * VDS_ERROR_USAGE, "name:line:column: what".
 */
struct vds_error *vds_rules_parse(struct vds_rules *rules, const char *name,
				  const void *data, size_t len, bool overlay);

#endif
