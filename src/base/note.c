/* SPDX-License-Identifier: Apache-2.0 */
#include "base/note.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void vds_notes_deinit(struct vds_notes *notes)
{
	vds_arena_deinit(&notes->arena);
	vds_map_deinit(&notes->seen);
	free(notes->list);
	*notes = (struct vds_notes){0};
}

/* FNV-1a of the kind, mixed with the object: the identity of a note. */
static uint64_t identity(const char *kind, uint64_t object)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (; *kind; kind++)
		h = (h ^ (unsigned char)*kind) * UINT64_C(0x100000001b3);
	return h ^ (object * UINT64_C(0x9e3779b97f4a7c15));
}

static struct vds_note *push(struct vds_notes *notes)
{
	if (notes->count == notes->cap) {
		size_t cap = notes->cap ? notes->cap * 2 : 16;
		struct vds_note *list = realloc(notes->list,
						cap * sizeof(*list));
		if (!list)
			return NULL;
		notes->list = list;
		notes->cap = cap;
	}
	return &notes->list[notes->count];
}

/* False if the list has this note already, or has no room for another. */
static bool wants(struct vds_notes *notes, const char *kind, uint64_t object)
{
	if (vds_set_add(&notes->seen, identity(kind, object)) ==
	    VDS_SEEN_BEFORE)
		return false;
	if (notes->count >= VDS_NOTES_MAX) {
		notes->dropped++;
		return false;
	}
	return true;
}

static void add(struct vds_notes *notes, const char *kind, uint64_t object,
		const char *message)
{
	struct vds_note *note = push(notes);
	char *copy = note ? vds_arena_strdup(&notes->arena, message) : NULL;
	/* A script's kind doesn't outlive its run; the list does. */
	char *own_kind = copy ? vds_arena_strdup(&notes->arena, kind) : NULL;
	if (!own_kind) {
		notes->dropped++;
		return;
	}
	*note = (struct vds_note){own_kind, object, copy};
	notes->count++;
}

void vds_note(struct vds_notes *notes, const char *kind, uint64_t object,
	      const char *format, ...)
{
	/* Hostile structures repeat themselves: no text that nobody reads. */
	if (!notes || !wants(notes, kind, object))
		return;
	/* A note is one line for a person; longer ones are cut. */
	char message[512];
	va_list ap;
	va_start(ap, format);
	vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	for (char *c = message; *c; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	add(notes, kind, object, message);
}

void vds_notes_merge(struct vds_notes *to, const struct vds_notes *from)
{
	for (size_t i = 0; i < from->count; i++) {
		if (wants(to, from->list[i].kind, from->list[i].object))
			add(to, from->list[i].kind, from->list[i].object,
			    from->list[i].message);
	}
	to->dropped += from->dropped;
}
