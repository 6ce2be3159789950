/* SPDX-License-Identifier: Apache-2.0 */
/* What a change to an image's page is. */
#ifndef IMAGE_CHANGE_H
#define IMAGE_CHANGE_H

#include <vadose/page.h>

#include "page_diff.h"

/* What a change is, by where it lies and by what is there now. */
enum kind {
	KIND_CODE,
	KIND_HOOK,
	KIND_RETURN,
	KIND_EXPORT,
	KIND_IMPORT,
	KIND_HEADER,
	KIND_CONSTANT,
	KIND_DATA,
	KIND_RELOCATION,
};

const char *kind_str(enum kind kind);

/* One page: both versions, and how they differ. */
struct diff {
	struct page_diff d;
	uint64_t va;
	uint64_t node;			/* the view's MMVAD */
	struct vds_page own;
	struct vds_section_page shared;
	enum vds_why why;	/* whether both could be read */
};

/* What lies at offset @offset of the page; CODE for all kinds of code. */
enum kind kind_of(struct image_view *view, const struct diff *diff,
		  uint32_t offset);
/* A page of which nothing is known but that it is a copy. */
enum kind kind_of_page(struct image_view *view, const struct diff *diff);

/*
 * What lies at @va: a file's name, "private", "mapped"; NULL: nothing, or why
 * that isn't known. *ret_image: some image does.
 */
const char *memory_at(const struct image_view *view, uint64_t va,
		      enum vds_why *ret_why, bool *ret_image);

/* Does the code that changed at offset @first jump away, and where to? */
bool find_jump(const struct image_view *view, const struct diff *diff,
	       uint32_t first, uint64_t *ret_target);

#endif
