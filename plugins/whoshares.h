/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the parts of whoshares: whoshares_find.c finds places in physical
 * memory, whoshares_map.c the pages of processes that show their frames, and
 * whoshares.c says so.
 */
#ifndef PLUGINS_WHOSHARES_H
#define PLUGINS_WHOSHARES_H

#include <vadose/pfn.h>
#include <vadose/plugin.h>
#include <vadose/sharing.h>

enum match {
	MATCH_ADDRESS,
	MATCH_TEXT,
	MATCH_UTF16,
	MATCH_BYTES,
};

struct hit {
	uint64_t pa;
	enum match match;
};

struct hits {
	struct hit *list;	/* by address, each once */
	size_t count, cap;
};

/*
 * Looks for what the option `what` names: an address, or bytes in all of
 * physical memory, of which the first @max places are kept (and the rest
 * noted). Errors: VDS_ERROR_USAGE, out of memory.
 */
struct vds_error *find_hits(struct vds_run *run, size_t max,
			    struct hits *ret);

/* What the PFN database says of a frame that was hit. */
struct frame {
	uint64_t number;
	bool known;
	struct vds_pfn pfn;
	struct vds_page_owner owner;
};

struct frames {
	struct frame *list;	/* by number, each once */
	size_t count;
};

/* The frames of @hits. */
struct vds_error *list_frames(struct vds_run *run, const struct hits *hits,
			      struct frames *ret);
/* Index of the first frame at or after @number. */
size_t frame_at(const struct frames *frames, uint64_t number);

/* How a page was found to show a frame, the most telling first. */
enum how {
	HOW_PAGE_TABLE,
	HOW_TRANSITION,
	HOW_PROTOTYPE,
	HOW_UNTOUCHED,
};

/* One page of a process that shows a frame. */
struct mapping {
	uint64_t frame;
	uint64_t va;		/* of the page */
	size_t process;		/* their number: the kernel's half */
	enum how how;
	uint8_t rights;		/* bit 0 writable, 1 executable */
};

struct mappings {
	struct mapping *list;	/* by frame, process, address */
	size_t count, cap;
	bool cut, nomem;
};

/* Each page of each process, and of the kernel's half, that shows a frame. */
struct vds_error *find_mappings(struct vds_run *run,
				const struct frames *frames,
				struct mappings *ret);
/* Index of the first mapping of frame @number or a later one. */
size_t mapping_at(const struct mappings *mappings, uint64_t number);

#endif
