/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notes: evidence contradicts itself (a loop, an impossible size, a truncated
 * range). Recorded once per kind and object, capped, and printed beside the
 * rows that could be had; a note never stops anything.
 */
#ifndef VDS_BASE_NOTE_H
#define VDS_BASE_NOTE_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/map.h"
#include "vadose/types.h"

/* Kinds are short stable identifiers, [a-z0-9_]+ ("vad_cycle"). */
struct vds_note {
	const char *kind;	/* owned by the note list's arena */
	uint64_t object;	/* address or file offset it is about, or 0 */
	const char *message;	/* one line; likewise */
};

/* Caller's storage; zero-initialised is valid and empty. Not thread-safe. */
struct vds_notes {
	struct vds_arena arena;
	struct vds_map seen;
	struct vds_note *list;
	size_t count, cap;
	uint64_t dropped;	/* past VDS_NOTES_MAX */
};

#define VDS_NOTES_MAX 1000

void vds_notes_deinit(struct vds_notes *notes);

/*
 * Records a note unless the same kind and object was recorded before. @notes
 * may be NULL (nothing happens). Never fails: out of memory counts as dropped.
 */
void vds_note(struct vds_notes *notes, const char *kind, uint64_t object,
	      const char *format, ...) VDS_PRINTF(4, 5);

/* Appends all of @from to @to in order, under the same rules. */
void vds_notes_merge(struct vds_notes *to, const struct vds_notes *from);

#endif
