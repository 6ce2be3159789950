/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of vds_section_pages_at(): an array whose section isn't known. */
#ifndef VDS_NT_SECTION_PAGE_H
#define VDS_NT_SECTION_PAGE_H

#include "vadose/section.h"

struct vds_task;

/*
 * Decodes the prototype PTEs at kernel address @address, of which there may be
 * @left: up to @max of them, as many as lie in one page of kernel memory.
 * Returns how many; *ret_alike as in vds_section_pages_at().
 */
size_t vds_proto_pages_at(struct vds_task *task, uint64_t address,
			  struct vds_section_page *ret, size_t max,
			  uint64_t left, uint64_t *ret_alike);

#endif
