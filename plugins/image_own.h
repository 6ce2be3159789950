/* SPDX-License-Identifier: Apache-2.0 */
/* How much of an image a process has made its own. */
#ifndef IMAGE_OWN_H
#define IMAGE_OWN_H

#include "page_diff.h"

struct image_own {
	uint32_t header;	/* changed bytes of the PE's headers */
	uint64_t code;		/* pages of code in the image */
	uint64_t copies;	/* of those, with a copy of the process's own */
	uint64_t changed;	/* of those, with other bytes than all share */
};

/* Pages of the image's subsections that may be executed. */
uint64_t image_pages_of_code(const struct vds_section *image);

/*
 * Looks at the process's own copies of the image's headers and code. What the
 * loader writes is no change, and neither is what can't be compared. @diff is
 * scratch, zeroed. False if the view can't be placed in its section.
 */
bool image_own(struct vds_run *run, const struct vds_process *process,
	       const struct vds_vad *vad, const struct vds_section *section,
	       struct page_diff *diff, struct image_own *ret);

#endif
