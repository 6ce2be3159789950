/* SPDX-License-Identifier: Apache-2.0 */
#include "image/ranges.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

static uint64_t end_of(const struct vds_range *range)
{
	return range->pa + range->len;
}

static bool sorted_and_disjoint(const struct vds_range *ranges, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (ranges[i].pa < end_of(&ranges[i - 1]))
			return false;
	}
	return true;
}

/* A range and its place in the container, for a sort that keeps it. */
struct placed {
	struct vds_range range;
	size_t order;
};

static int by_address(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;
	if (x->range.pa != y->range.pa)
		return x->range.pa < y->range.pa ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/*
 * The sweep: `active` is a binary heap of the ranges that have begun, the
 * earliest in the container on top; the top owns the bytes up to its end or to
 * the begin of the next range, whichever comes first.
 */
struct sweep {
	const struct placed *placed;
	size_t count;
	size_t *active;
	size_t num_active;
	struct vds_range *out;
	size_t num_out;
	struct vds_notes *notes;	/* NULL: overlap needs none */
	const char *what;		/* "physical" */
};

static bool earlier(const struct sweep *s, size_t i, size_t k)
{
	return s->placed[s->active[i]].order < s->placed[s->active[k]].order;
}

static void swap(struct sweep *s, size_t i, size_t k)
{
	size_t t = s->active[i];
	s->active[i] = s->active[k];
	s->active[k] = t;
}

static void heap_push(struct sweep *s, size_t which)
{
	size_t i = s->num_active++;
	s->active[i] = which;
	for (; i && earlier(s, i, (i - 1) / 2); i = (i - 1) / 2)
		swap(s, i, (i - 1) / 2);
}

static void heap_pop(struct sweep *s)
{
	s->active[0] = s->active[--s->num_active];
	for (size_t i = 0;;) {
		size_t least = i, left = 2 * i + 1;
		if (left < s->num_active && earlier(s, left, least))
			least = left;
		if (left + 1 < s->num_active && earlier(s, left + 1, least))
			least = left + 1;
		if (least == i)
			return;
		swap(s, i, least);
		i = least;
	}
}

/* Appends a piece, or lengthens the last one if the piece continues it. */
static void emit(struct vds_range *out, size_t *count,
		 const struct vds_range *piece)
{
	if (*count) {
		struct vds_range *last = &out[*count - 1];
		if (vds_range_continues(last, piece)) {
			last->len += piece->len;
			return;
		}
	}
	out[(*count)++] = *piece;
}

/* The same bytes twice (QEMU's cores do that) contradict nothing. */
static bool same_bytes(const struct vds_range *a, const struct vds_range *b)
{
	return a->kind == b->kind &&
	       (a->kind == VDS_RANGE_ZERO ||
		a->source - a->pa == b->source - b->pa);
}

static void note_overlap(struct sweep *s, const struct placed *a,
			 const struct placed *b)
{
	if (!s->notes || same_bytes(&a->range, &b->range))
		return;
	uint64_t from = VDS_MAX(a->range.pa, b->range.pa);
	uint64_t to = VDS_MIN(end_of(&a->range), end_of(&b->range));
	const struct vds_range *loser =
		a->order < b->order ? &b->range : &a->range;
	vds_note(s->notes, "range_overlap", from,
		 "%s 0x%llx-0x%llx occurs twice; the first occurrence is used, the one at container position 0x%llx is not",
		 s->what, (unsigned long long)from, (unsigned long long)(to - 1),
		 (unsigned long long)(loser->source + (from - loser->pa)));
}

/* Gives [pos, stop) to the top of the heap as far as it reaches. */
static uint64_t give(struct sweep *s, uint64_t pos, uint64_t stop)
{
	const struct vds_range *top = &s->placed[s->active[0]].range;
	uint64_t end = VDS_MIN(end_of(top), stop);
	if (end <= pos)
		return pos;
	struct vds_range piece = *top;
	piece.pa = pos;
	piece.len = end - pos;
	piece.source += pos - top->pa;
	emit(s->out, &s->num_out, &piece);
	return end;
}

static void run_sweep(struct sweep *s)
{
	uint64_t pos = 0;
	size_t next = 0;
	while (next < s->count || s->num_active) {
		if (!s->num_active)
			pos = s->placed[next].range.pa;
		uint64_t stop = next < s->count ? s->placed[next].range.pa :
						  UINT64_MAX;
		while (s->num_active && pos < stop) {
			pos = give(s, pos, stop);
			while (s->num_active &&
			       end_of(&s->placed[s->active[0]].range) <= pos)
				heap_pop(s);
		}
		if (next == s->count)
			continue;
		pos = stop;
		if (s->num_active)
			note_overlap(s, &s->placed[s->active[0]],
				     &s->placed[next]);
		heap_push(s, next++);
	}
}

/* Each range begins and ends once: at most two pieces per range. */
static struct vds_error *resolve(struct vds_range **ranges, size_t *count,
				 const char *what, struct vds_notes *notes)
{
	size_t n = *count;
	_cleanup_free_ struct placed *placed =
		vds_malloc_array(n, sizeof(*placed));
	_cleanup_free_ size_t *active = vds_malloc_array(n, sizeof(*active));
	struct vds_range *out = vds_malloc_array(2 * n, sizeof(*out));
	if (!placed || !active || !out) {
		free(out);
		return &vds_enomem;
	}
	for (size_t i = 0; i < n; i++)
		placed[i] = (struct placed){(*ranges)[i], i};
	/* Millions of ranges: no more copies than needed. */
	free(*ranges);
	*ranges = NULL;
	qsort(placed, n, sizeof(*placed), by_address);
	struct sweep sweep = {.placed = placed, .count = n, .active = active,
			      .out = out, .notes = notes, .what = what};
	run_sweep(&sweep);
	*ranges = out;
	*count = sweep.num_out;
	return NULL;
}

static struct vds_error *ranges_finish(struct vds_range **ranges,
				       size_t *count, const char *what,
				       struct vds_notes *notes)
{
	if (!sorted_and_disjoint(*ranges, *count))
		return resolve(ranges, count, what, notes);
	size_t n = 0;
	for (size_t i = 0; i < *count; i++)
		emit(*ranges, &n, &(*ranges)[i]);
	*count = n;
	return NULL;
}

struct vds_error *vds_ranges_finish(struct vds_range **ranges, size_t *count,
				    struct vds_notes *notes)
{
	return ranges_finish(ranges, count, "physical", notes);
}

/* By way of ranges: the same sweep, with other addresses. */
struct vds_error *vds_blocks_finish(struct vds_virtual_block **blocks,
				    size_t *count, struct vds_notes *notes)
{
	size_t n = *count;
	if (!n)
		return NULL;
	struct vds_range *ranges = vds_malloc_array(n, sizeof(*ranges));
	if (!ranges)
		return &vds_enomem;
	for (size_t i = 0; i < n; i++) {
		const struct vds_virtual_block *b = &(*blocks)[i];
		ranges[i] = (struct vds_range){b->va, b->len, b->source,
					       VDS_RANGE_DATA};
	}
	struct vds_error *err = ranges_finish(&ranges, &n, "virtual", notes);
	struct vds_virtual_block *out = err ? NULL :
		vds_malloc_array(n, sizeof(*out));
	if (!err && !out)
		err = &vds_enomem;
	if (!err) {
		for (size_t i = 0; i < n; i++)
			out[i] = (struct vds_virtual_block){
				ranges[i].pa, ranges[i].len, ranges[i].source};
		free(*blocks);
		*blocks = out;
		*count = n;
	}
	free(ranges);
	return err;
}

struct vds_error *vds_range_index_init(struct vds_range_index *index,
				       const struct vds_range *ranges,
				       size_t count)
{
	*index = (struct vds_range_index){.shift = VDS_PAGE_SHIFT};
	if (!count)
		return NULL;
	index->end = end_of(&ranges[count - 1]);
	/* About two slices a range: few enough to stay in the cache. */
	uint64_t wanted = VDS_MAX((uint64_t)count * 2, 64);
	while ((index->end - 1) >> index->shift >= wanted)
		index->shift++;
	size_t slices = (size_t)((index->end - 1) >> index->shift) + 1;
	index->first = vds_malloc_array(slices + 1, sizeof(*index->first));
	if (!index->first)
		return &vds_enomem;
	size_t at = 0;
	for (size_t i = 0; i < slices; i++) {
		while (end_of(&ranges[at]) <= (uint64_t)i << index->shift)
			at++;
		index->first[i] = (uint32_t)at;
	}
	index->first[slices] = (uint32_t)(count - 1);
	return NULL;
}

void vds_range_index_deinit(struct vds_range_index *index)
{
	free(index->first);
	*index = (struct vds_range_index){0};
}
