/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --where 'protection ~ EXECUTE and size > 64K': one small language over
 * declared columns.
 *
 *   expr       = term { "or" term }
 *   term       = factor { "and" factor }
 *   factor     = "not" factor | "(" expr ")" | comparison
 *   comparison = column operator literal
 *              | column "is" ["not"] state
 *              | column                      (true of a yes/no column)
 *   operator   = "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"
 *   state      = "present" | "absent" | "unreadable" | "invalid"
 *
 * Literals are read by the column's kind: 64K, 0x1000, -5, 2020-10-08T17:21,
 * yes, words, 'text in quotes'. Text is compared without case; "~" means
 * "contains", or matches the whole text if the literal has '*' or '?'. A list
 * satisfies a comparison if one of its elements does ("!=" and "!~": if none
 * does). A value that is absent satisfies no comparison at all, "!=" included.
 */
#ifndef VDS_PLUGIN_WHERE_H
#define VDS_PLUGIN_WHERE_H

#include "row/schema.h"

struct vds_where;

/* VDS_ERROR_USAGE names the place and what was expected there. */
struct vds_error *vds_where_parse(const char *text,
				  const struct vds_schema *schema,
				  struct vds_where **ret);
void vds_where_destroy(struct vds_where *where);

/* True if the row passes. Thread-safe. */
bool vds_where_match(const struct vds_where *where,
		     const struct vds_value *values);

#endif
