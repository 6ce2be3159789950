/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules about mapped images share. */
#ifndef FINDINGS_IMAGES_H
#define FINDINGS_IMAGES_H

#include "findings.h"
#include "image_change.h"

/* What a process did with its view of an image. */
struct use {
	struct image_view view;
	const struct vds_vad *vad;
	uint64_t first;		/* section page at the view's start */
	uint64_t code;		/* pages of code in the image */
	uint64_t ran;		/* of those, mapped here to be executed */
	uint64_t written;	/* pages of data with a copy here */
	uint64_t copies;	/* pages of code with a copy here */
	uint64_t lost;		/* of those, with nothing to compare with */
	uint64_t changed;	/* of those, with other bytes than all share */
	uint64_t page;		/* first changed page of the section */
	uint64_t va;		/* first changed byte */
	uint32_t length;	/* of that change */
	struct page_diff *diff;	/* scratch */
};

/* Processes that change one place in an image are told of in one row. */
#define MANY 3

/* Changed code: of one page, or of most of them. */
struct vds_error *find_patches(struct vds_run *run, const struct scene *scene,
			       struct use *use);

/* What the loaders of a process list: of 64 bits and, in WoW64, of 32. */
struct listed {
	uint64_t *bases;	/* sorted */
	size_t count;
	/* All three lists were read to their end: what they lack isn't there. */
	bool complete, complete32;
};

/* Images of one process that no list has. */
struct unlisted {
	struct use *list;
	size_t count, cap;
	size_t images;		/* all that were looked at */
};

struct vds_error *listed_read(struct vds_run *run,
			      const struct vds_process *process,
			      struct listed *ret);
/* Adds the image to @unlisted, if it ought to be listed and isn't. */
struct vds_error *listed_check(struct vds_run *run, const struct listed *listed,
			       const struct use *use,
			       struct unlisted *unlisted);
struct vds_error *find_unlisted(struct vds_run *run, const struct scene *scene,
				const struct vds_process *process,
				const struct unlisted *unlisted);

#endif
