/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Between the parts of whoshares: whoshares_find.c finds places in physical
 * memory, whoshares_address.c where an address leads, whoshares_map.c the pages of processes that show their frames, and
 * whoshares.c says so.
 */
#ifndef PLUGINS_WHOSHARES_H
#define PLUGINS_WHOSHARES_H

#include <vadose/pfn.h>
#include <vadose/plugin.h>
#include <vadose/sharing.h>

/* What an address was said to be. */
enum address_kind {
	ADDRESS_ANY,
	ADDRESS_PHYSICAL,
	ADDRESS_VIRTUAL,
};

enum match {
	MATCH_PHYSICAL,		/* a physical address */
	MATCH_VIRTUAL,		/* a virtual one */
	MATCH_TEXT,
	MATCH_UTF16,
	MATCH_BYTES,
};

struct hit {
	uint64_t pa;
	enum match match;
	bool spans;		/* it goes on in the next page */
};

/* What was asked for and has no bytes in the image. */
struct absent {
	uint64_t va;
	size_t process;		/* or the number of processes: none, the kernel */
	const char *state;	/* why */
	enum vds_why why;
	/* The section that it is a page of, if not 0; and which of its pages. */
	uint64_t control_area, page;
	bool has_page;
};

struct hits {
	struct hit *list;	/* by address, each once */
	size_t count, cap;
	struct absent *absent;	/* each page of a section once */
	size_t num_absent, cap_absent;
};

/* Adds a place, or what has none. False: out of memory. */
bool push_hit(struct vds_run *run, struct hits *hits, uint64_t pa,
	      enum match match);
bool push_absent(struct vds_run *run, struct hits *hits,
		 const struct absent *absent);

/*
 * Looks for what the option `what` names: an address, or bytes in all of
 * physical memory, of which the first @max places are kept (and the rest
 * noted). Errors: VDS_ERROR_USAGE, out of memory.
 */
struct vds_error *find_hits(struct vds_run *run, size_t max,
			    struct hits *ret);
/* An address, as an option may say it: where it leads. */
struct vds_error *find_address(struct vds_run *run, uint64_t at,
			       enum address_kind kind, struct hits *hits);

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
	HOW_VIEW,		/* of a page that isn't in memory */
};

/* One page of a process that shows a frame. */
struct mapping {
	uint64_t frame;
	uint64_t va;		/* of the page */
	size_t process;		/* their number: the kernel's half */
	enum how how;
	uint8_t rights;		/* bit 0 writable, 1 executable */
	uint8_t state;		/* enum vds_page_state, of HOW_VIEW */
};

/* Number of the frame that stands for page @index that isn't in memory. */
#define ABSENT_FRAME(index) ((UINT64_C(1) << 60) + (index))


struct mappings {
	struct mapping *list;	/* by frame, process, address */
	size_t count, cap;
	bool cut, nomem;
};

/*
 * Each page of each process, and of the kernel's half, that shows a frame, and
 * each view of what has none.
 */
struct vds_error *find_mappings(struct vds_run *run, const struct hits *hits,
				const struct frames *frames,
				struct mappings *ret);
/* Index of the first mapping of frame @number or a later one. */
size_t mapping_at(const struct mappings *mappings, uint64_t number);

#endif
