/* SPDX-License-Identifier: Apache-2.0 */
/* Between dt.c and dt_value.c. */
#ifndef PLUGINS_DT_H
#define PLUGINS_DT_H

#include <vadose/plugin.h>
#include <vadose/record.h>

/* Structures within structures; types of Windows nest about eight deep. */
#define DT_MAX_NESTING 24

/* One member or element on its way out. */
struct dt_field {
	const char *path;
	const struct vds_type *type;
	uint64_t offset;	/* from the start of the structure */
	uint64_t va;		/* of the member */
	uint8_t bit_pos, bit_len;
	uint64_t depth;		/* pointers that may still be followed */
	unsigned int nesting;
};

static inline bool dt_is_struct(enum vds_type_class kind)
{
	return kind == VDS_CLASS_STRUCT || kind == VDS_CLASS_UNION;
}

/* Elements that are text, or bytes: one value for the whole array. */
bool dt_is_text(const struct vds_type_info *element);

/* The name of @type as C spells it; NULL: out of memory. */
const char *dt_spell(struct vds_run *run, const struct vds_type *type);

/*
 * The integer at @field, its bit field taken out; in the space of @process,
 * NULL: the kernel's. NOT_APPLICABLE if @size bytes are no integer.
 */
enum vds_why dt_read_number(struct vds_run *run,
			    const struct vds_process *process,
			    const struct dt_field *field, uint64_t size,
			    uint64_t *ret);

/* The value of @field in *ret_text, and in *ret_number; those that one row can't
 * hold are not applicable. */
void dt_read_value(struct vds_run *run, const struct vds_process *process,
		   const struct dt_field *field,
		   const struct vds_type_info *info,
		   struct vds_value *ret_text, struct vds_value *ret_number);

#endif
