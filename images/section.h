/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MKSCENE_SECTION_H
#define MKSCENE_SECTION_H

#include "world.h"

/* The part that holds page @page, *index = page within it; NULL past the end */
struct part *section_part(const struct section *s, uint32_t page,
			  uint32_t *index);
/* VA of the prototype PTE of @page, 0 past the end. */
uint64_t section_proto(const struct section *s, uint32_t page);
/* Head of the list of views: in Windows 7 another member than later. */
uint64_t section_view_list(struct world *w, const struct section *s);

#endif
