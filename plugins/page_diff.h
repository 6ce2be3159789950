/* SPDX-License-Identifier: Apache-2.0 */
/* How a process's own copy of an image's page differs from the section's. */
#ifndef PAGE_DIFF_H
#define PAGE_DIFF_H

#include <vadose/pe.h>
#include <vadose/record.h>
#include <vadose/section.h>

#define PAGE 4096
/* Variables of control flow guard and the like. */
#define MAX_GUARDS 8
/* Changed runs of a page that are told apart. */
#define MAX_RUNS 16

/* One view of an image, and the image's headers once they are needed. */
struct image_view {
	struct vds_run *run;
	const struct vds_process *process;
	const struct vds_section *section;
	uint64_t start, end;	/* first and last byte of the view */
	struct vds_pe *pe;
	enum vds_why pe_why;
	bool has_pe;		/* pe_why is known */
	bool has_guards;	/* the next are known */
	uint32_t guards[MAX_GUARDS];	/* RVAs that the loader writes to */
	size_t num_guards;
};

/* The image's headers, or NULL: see pe_why. */
const struct vds_pe *image_pe(struct image_view *view);
/*
 * Reads the image as its section has it, else as the process does: a
 * vds_pe_read_fn, @ctx is the struct image_view.
 */
enum vds_why image_read(void *ctx, uint32_t rva, void *buf, size_t len);

struct page_change {
	uint32_t first, last;	/* offsets in the page, inclusive */
};

/* Both versions of one page, and how they differ. */
struct page_diff {
	uint64_t page;		/* index in the section */
	uint8_t old[PAGE], new[PAGE];	/* the section's, the process's */
	bool ignored[PAGE];	/* explained by relocations */
	uint32_t bytes, relocated, num_changes;
	struct page_change changes[MAX_RUNS];	/* the first of them */
};

/*
 * Compares the page @diff->page, of which `old` and `new` are filled in and
 * the rest is zero.
 */
void page_diff(struct image_view *view, struct page_diff *diff);

/* Does the loader write pointers of its own to some place in the page? */
bool page_diff_has_import(struct image_view *view,
			  const struct page_diff *diff);
/* Is it an import address, or another pointer that the loader writes? */
bool page_diff_is_import(struct image_view *view, const struct page_diff *diff,
			 uint32_t offset);

/* A little-endian integer of @len bytes. */
static inline uint64_t page_get(const uint8_t *p, size_t len)
{
	uint64_t v = 0;
	for (size_t i = len; i--;)
		v = v << 8 | p[i];
	return v;
}

#endif
