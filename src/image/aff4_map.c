/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

/* Parts of maps within maps that are worked off, as many as ranges at most. */
#define PARTS_MAX ((size_t)1 << 20)

/* A part of a map that an entry of another map points to. */
struct part {
	struct vds_aff4_map *map;
	uint64_t from, len;	/* in the map */
	uint64_t pa;		/* where `from` goes */
	size_t parent;		/* number of the part that led here */
	unsigned int depth;
};

struct mapper {
	struct vds_aff4 *a;
	struct vds_aff4_map *maps;	/* all that were read */
	struct part *parts;	/* worked off in order */
	size_t num_parts, cap_parts;
};

/* The map called @urn, read if it is new. */
static struct vds_error *get_map(struct mapper *mapper, const char *urn,
				 struct vds_aff4_map **ret)
{
	for (struct vds_aff4_map *map = mapper->maps; map; map = map->next) {
		if (!strcmp(map->urn, urn)) {
			*ret = map;
			return NULL;
		}
	}
	struct vds_aff4_map *map = vds_arena_calloc(&mapper->a->image->arena, 1,
					   sizeof(*map));
	if (!map)
		return &vds_enomem;
	map->urn = urn;
	map->next = mapper->maps;
	mapper->maps = map;
	*ret = map;
	return vds_aff4_map_read(mapper->a, map);
}

static struct vds_error *add_range(struct vds_aff4 *a, uint64_t pa,
				   uint64_t len, uint64_t source,
				   enum vds_range_kind kind)
{
	if (pa >= VDS_PA_LIMIT || len > VDS_PA_LIMIT - pa) {
		vds_note(&a->image->notes, "aff4_beyond", 0,
			 "map: 0x%llx + 0x%llx lies beyond 2^52 and is left out",
			 (unsigned long long)pa, (unsigned long long)len);
		if (pa >= VDS_PA_LIMIT)
			return NULL;
		len = VDS_PA_LIMIT - pa;
	}
	return vds_image_add_range(a->image, pa, len, source, kind);
}

/* The part of [from, from + len) of bevy @bevy that its index knows, and the rest. */
static struct vds_error *add_bevy_range(struct vds_aff4 *a, size_t number,
					const struct vds_aff4_bevy *bevy,
					uint64_t pa, uint64_t len,
					uint64_t from)
{
	const struct vds_aff4_stream *stream = a->targets[number].stream;
	uint64_t source = (uint64_t)number << VDS_AFF4_SOURCE_BITS;
	uint64_t start = bevy->number * (uint64_t)stream->chunk_size *
			 stream->chunks_per_bevy;
	uint64_t known = start + (uint64_t)stream->chunk_size *
					 vds_aff4_bevy_chunks(stream, bevy);
	uint64_t good = known > from ? VDS_MIN(known - from, len) : 0;
	struct vds_error *err = add_range(a, pa, good, source | from,
					  VDS_RANGE_DATA);
	/* RAM, but nobody can tell where in the bevy it is. */
	return err || good == len ? err :
		add_range(a, pa + good, len - good, source | (from + good),
			  VDS_RANGE_UNREADABLE);
}

/*
 * A stream may lack bevies in its middle, and entries in an index: only what is
 * there becomes a range, however much the metadata promises.
 */
static struct vds_error *add_stream_range(struct vds_aff4 *a, size_t number,
					  uint64_t pa, uint64_t len,
					  uint64_t offset)
{
	const struct vds_aff4_stream *stream = a->targets[number].stream;
	uint64_t bevy_size = (uint64_t)stream->chunk_size *
			     stream->chunks_per_bevy;
	struct vds_error *err = NULL;
	if (stream->complete)
		return add_range(a, pa, len,
				 (uint64_t)number << VDS_AFF4_SOURCE_BITS |
					 offset,
				 VDS_RANGE_DATA);
	for (size_t i = vds_aff4_next_bevy(stream, offset / bevy_size);
	     !err && i < stream->num_bevies; i++) {
		const struct vds_aff4_bevy *bevy = &stream->bevies[i];
		uint64_t start = bevy->number * bevy_size;
		if (start >= offset + len)
			break;
		if (!bevy->data)
			continue;
		uint64_t from = VDS_MAX(start, offset);
		uint64_t end = VDS_MIN(start + bevy_size, offset + len);
		err = add_bevy_range(a, number, bevy, pa + (from - offset),
				     end - from, from);
	}
	return err;
}

static struct vds_error *add_target_range(struct vds_aff4 *a, size_t number,
					  uint64_t pa, uint64_t len,
					  uint64_t offset)
{
	const struct vds_aff4_target *target = &a->targets[number];
	uint64_t source = (uint64_t)number << VDS_AFF4_SOURCE_BITS;
	switch (target->kind) {
	case VDS_AFF4_ZERO:
		return add_range(a, pa, len, source, VDS_RANGE_ZERO);
	case VDS_AFF4_BYTE:
		/* A source that moves with the address lets neighbours join. */
		return add_range(a, pa, len,
				 source | (pa & (VDS_PA_LIMIT - 1)),
				 VDS_RANGE_CONSTANT);
	case VDS_AFF4_UNKNOWN:
	case VDS_AFF4_UNREADABLE:
		return add_range(a, pa, len,
				 source | offset % VDS_AFF4_PATTERN_SIZE,
				 VDS_RANGE_UNREADABLE);
	case VDS_AFF4_STREAM:
	case VDS_AFF4_MEMBER:
		break;
	}
	if (!vds_fits(offset, len, target->size)) {
		vds_note(&a->image->notes, "aff4_map_target", number,
			 "map: 0x%llx: 0x%llx bytes at %llu of <%s> reach past "
			 "its size %llu: the rest is absent",
			 (unsigned long long)pa, (unsigned long long)len,
			 (unsigned long long)offset, target->urn,
			 (unsigned long long)target->size);
		if (offset >= target->size)
			return NULL;
		len = target->size - offset;
	}
	if (target->kind == VDS_AFF4_MEMBER)
		return add_range(a, pa, len, source | offset, VDS_RANGE_DATA);
	return add_stream_range(a, number, pa, len, offset);
}

static struct vds_error *push_part(struct mapper *mapper, struct part part)
{
	if (part.depth > VDS_AFF4_DEPTH_MAX || mapper->num_parts >= PARTS_MAX)
		return vds_error_create(VDS_ERROR_FORMAT,
			"<%s/map>: maps lie in maps deeper than %d levels or in "
			"more than %zu parts", part.map->urn,
			VDS_AFF4_DEPTH_MAX, PARTS_MAX);
	/* Depth is bounded, so the way up is short. */
	for (size_t i = part.parent; i != SIZE_MAX;
	     i = mapper->parts[i].parent) {
		if (mapper->parts[i].map == part.map)
			return vds_error_create(VDS_ERROR_FORMAT,
				"<%s/map>: the map refers to itself",
				part.map->urn);
	}
	if (mapper->num_parts == mapper->cap_parts) {
		size_t cap = mapper->cap_parts ? mapper->cap_parts * 2 : 16;
		struct part *more = realloc(mapper->parts,
					    cap * sizeof(*more));
		if (!more)
			return &vds_enomem;
		mapper->parts = more;
		mapper->cap_parts = cap;
	}
	mapper->parts[mapper->num_parts++] = part;
	return NULL;
}

static struct vds_error *check_entry(const struct vds_aff4_map *map, size_t i,
				     const struct vds_aff4_entry *e)
{
	uint64_t end;
	const char *field = NULL;
	uint64_t value = 0;
	if (!vds_add_u64(e->offset, e->len, &end)) {
		field = "offset";
		value = e->offset;
	} else if (!vds_add_u64(e->target_offset, e->len, &end)) {
		field = "target offset";
		value = e->target_offset;
	} else if (e->id >= map->num_lines || !*map->lines[e->id].urn) {
		return vds_error_create(VDS_ERROR_FORMAT,
			"<%s/map>: offset %zu: entry %zu: target id %u, but idx "
			"has %zu lines", map->urn, i * VDS_AFF4_ENTRY_SIZE, i, e->id,
			map->num_lines);
	}
	if (!field)
		return NULL;
	return vds_error_create(VDS_ERROR_FORMAT,
		"<%s/map>: offset %zu: entry %zu: %s 0x%llx + length 0x%llx "
		"wraps around", map->urn, i * VDS_AFF4_ENTRY_SIZE, i, field,
		(unsigned long long)value, (unsigned long long)e->len);
}

static struct vds_error *resolve_line(struct mapper *mapper, struct vds_aff4_line *line)
{
	const char *urn;
	if (line->known)
		return NULL;
	struct vds_error *err = vds_aff4_data_object(mapper->a, line->urn,
						     &urn);
	if (!err)
		err = vds_aff4_get_target(mapper->a, urn, &line->target);
	if (!err) {
		line->urn = urn;
		line->known = true;
	}
	return err;
}

/* What entry @e gives of part number @at. */
static struct vds_error *map_entry(struct mapper *mapper, size_t at,
				   const struct vds_aff4_entry *e)
{
	struct part part = mapper->parts[at];
	struct vds_aff4_line *line = &part.map->lines[e->id];
	uint64_t start = VDS_MAX(e->offset, part.from);
	uint64_t end = VDS_MIN(e->offset + e->len, part.from + part.len);
	if (end <= start)
		return NULL;
	struct vds_error *err = resolve_line(mapper, line);
	if (err)
		return err;
	uint64_t pa = part.pa + (start - part.from);
	uint64_t offset = e->target_offset + (start - e->offset);
	if (line->target != SIZE_MAX)
		return add_target_range(mapper->a, line->target, pa,
					end - start, offset);
	struct part next = {.from = offset, .len = end - start, .pa = pa,
			    .parent = at, .depth = part.depth + 1};
	err = get_map(mapper, line->urn, &next.map);
	return err ? err : push_part(mapper, next);
}

static struct vds_error *map_part(struct mapper *mapper, size_t at)
{
	struct vds_aff4_map *map = mapper->parts[at].map;
	for (size_t k = 0; k < map->num_entries; k++) {
		size_t i = map->places ? map->places[k].entry : k;
		struct vds_aff4_entry e = vds_aff4_map_entry(map, i);
		if (!e.len)
			continue;
		struct vds_error *err = check_entry(map, i, &e);
		if (!err && e.offset + e.len > map->size) {
			vds_note(&mapper->a->image->notes, "aff4_map_clip", 0,
				 "<%s/map>: entry %zu: 0x%llx + 0x%llx reaches "
				 "past the map's size %llu: cut", map->urn, i,
				 (unsigned long long)e.offset,
				 (unsigned long long)e.len,
				 (unsigned long long)map->size);
			e.len = e.offset < map->size ? map->size - e.offset : 0;
		}
		if (!err)
			err = map_entry(mapper, at, &e);
		if (err)
			return err;
	}
	return NULL;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct vds_range *x = a, *y = b;
	return (x->pa > y->pa) - (x->pa < y->pa);
}

/* Gives the gaps of the address space to target number @number. */
static struct vds_error *fill_gaps(struct vds_aff4 *a, size_t number,
				   uint64_t size)
{
	size_t n = a->image->num_ranges;
	uint64_t pos = 0;
	struct vds_error *err = NULL;
	struct vds_range *sorted = vds_malloc_array(n + 1, sizeof(*sorted));
	if (!sorted)
		return &vds_enomem;
	if (n)
		memcpy(sorted, a->image->ranges, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare_ranges);
	sorted[n] = (struct vds_range){.pa = size};
	for (size_t i = 0; i <= n && !err; i++) {
		if (sorted[i].pa > pos)
			err = add_target_range(a, number, pos,
					       sorted[i].pa - pos, pos);
		pos = VDS_MAX(pos, sorted[i].pa + sorted[i].len);
	}
	free(sorted);
	return err;
}

/*
 * A map may say what its gaps are. Zeros aren't mapped: for memory a gap is
 * address space without RAM, which the decoded stream shows as zeros anyway.
 */
static struct vds_error *map_gaps(struct mapper *mapper, const struct vds_aff4_map *map)
{
	struct vds_aff4 *a = mapper->a;
	const char *urn = vds_aff4_iri(a, map->urn, "mapGapDefaultStream");
	size_t number;
	if (!urn || map->size >= VDS_PA_LIMIT)
		return NULL;
	struct vds_error *err = vds_aff4_get_target(a, urn, &number);
	if (err || number == SIZE_MAX ||
	    a->targets[number].kind == VDS_AFF4_ZERO ||
	    a->targets[number].size != UINT64_MAX)
		return err;
	return fill_gaps(a, number, map->size);
}

static struct vds_error *map_map(struct mapper *mapper, const char *urn)
{
	struct part whole = {.parent = SIZE_MAX, .len = UINT64_MAX};
	struct vds_error *err = get_map(mapper, urn, &whole.map);
	if (!err)
		err = push_part(mapper, whole);
	for (size_t i = 0; !err && i < mapper->num_parts; i++)
		err = map_part(mapper, i);
	if (!err)
		err = map_gaps(mapper, whole.map);
	if (!err && whole.map->size != UINT64_MAX)
		mapper->a->image->stream_size = whole.map->size;
	return err;
}

/* `winpmem --format elf` stores a core file in place of the memory itself. */
static bool is_core(const struct vds_aff4_target *target)
{
	uint8_t head[4] = {0};
	if (target->kind != VDS_AFF4_MEMBER)
		return false;
	vds_aff4_member_read(target->member, 0, head, sizeof(head), false);
	return !memcmp(head, "\177ELF", 4);
}

struct vds_error *vds_aff4_map_object(struct vds_aff4 *a, const char *urn)
{
	struct mapper mapper = {.a = a};
	size_t number;
	struct vds_error *err = vds_aff4_get_target(a, urn, &number);
	if (!err && number == SIZE_MAX) {
		err = map_map(&mapper, urn);
	} else if (!err) {
		uint64_t size = a->targets[number].size;
		if (is_core(&a->targets[number])) {
			/* Its segments say where memory ends, not its size. */
			a->core = a->targets[number].member;
		} else if (size != UINT64_MAX) {
			err = add_target_range(a, number, 0, size, 0);
			a->image->stream_size = size;
		}
	}
	for (struct vds_aff4_map *map = mapper.maps; map; map = map->next) {
		free(map->raw);
		free(map->places);
	}
	free(mapper.parts);
	return err;
}
