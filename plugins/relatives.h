/* SPDX-License-Identifier: Apache-2.0 */
/* Control areas of one file: as data, as an image, each for itself. */
#ifndef RELATIVES_H
#define RELATIVES_H

#include <vadose/plugin.h>
#include <vadose/sharing.h>

struct file_area;

/* All (file identity, control area) pairs; sorted, distinct. */
struct relatives {
	struct file_area *areas;
	size_t num_areas;
};

/* Those of all groups; they live as long as @run. */
struct vds_error *relatives_list(struct vds_run *run,
				 const struct vds_sharing *sharing,
				 struct relatives *ret);

/*
 * Other control areas of the section's file, as addresses; at most 8. @section
 * may be NULL.
 */
struct vds_value relatives_of(struct vds_run *run, const struct relatives *all,
			      const struct vds_section *section);

#endif
