/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of YAML that profiles and packs are written with. */
#ifndef VDS_PROFILE_EMIT_H
#define VDS_PROFILE_EMIT_H

#include "profile/model.h"

#define VDS_PROFILE_FORMAT "vadose-profile/1"

/* Appends a scalar, single-quoted where it wouldn't stay the same string. */
void vds_emit_scalar(struct vds_str *out, const char *s);

/*
 * Appends the entry of @type in a mapping of types, and after it those of the
 * anonymous types that are reached through its members.
 */
struct vds_error *vds_emit_type(struct vds_str *out, const struct vds_type *type,
				uint64_t pointer_size, int indent);
void vds_emit_symbols(struct vds_str *out, const struct vds_profile *profile,
		      int indent);
void vds_emit_identity(struct vds_str *out,
		       const struct vds_profile_identity *id, bool with_arch,
		       int indent);

uint64_t vds_pointer_size(const struct vds_profile_identity *id);

/* "unsigned", "signed", "bool", "char", "wchar", "float". */
const char *vds_encoding_name(enum vds_base_encoding encoding);
bool vds_encoding_parse(const char *name, enum vds_base_encoding *ret);

#endif
