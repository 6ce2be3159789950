/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"

#define LINES_MAX 524288	/* c-aff4 writes one per unreadable range */

struct vds_aff4_entry vds_aff4_map_entry(const struct vds_aff4_map *map,
					 size_t i)
{
	const uint8_t *p = map->raw + i * VDS_AFF4_ENTRY_SIZE;
	struct vds_aff4_entry e = {
		.offset = vds_le64(p),
		.len = vds_le64(p + (map->swapped ? 16 : 8)),
		.target_offset = vds_le64(p + (map->swapped ? 8 : 16)),
		.id = vds_le32(p + 24),
	};
	return e;
}

static struct vds_aff4_member *part_of(const struct vds_aff4 *a,
				       const char *urn, const char *name)
{
	char *full;
	if (asprintf(&full, "%s/%s", urn, name) < 0)
		return NULL;
	char *decoded = vds_aff4_decode(&a->image->arena, full, strlen(full));
	free(full);
	return decoded ? vds_aff4_find_member(a, decoded) : NULL;
}

/* Splits idx into lines; the number of a stream is the number of its line. */
static struct vds_error *read_lines(struct vds_aff4 *a, struct vds_aff4_map *map,
				    char *text)
{
	struct vds_arena *arena = &a->image->arena;
	size_t count = 1;
	for (const char *p = text; *p; p++)
		count += *p == '\n';
	if (count > LINES_MAX)
		return vds_error_create(VDS_ERROR_FORMAT,
			"<%s/idx>: %zu lines, more than the limit of %d",
			map->urn, count, LINES_MAX);
	map->lines = vds_arena_calloc(arena, count, sizeof(*map->lines));
	if (!map->lines)
		return &vds_enomem;
	for (char *p = text; *p;) {
		size_t len = strcspn(p, "\n"), end = len;
		while (end && (p[end - 1] == '\r' || p[end - 1] == ' '))
			end--;
		struct vds_aff4_line *line = &map->lines[map->num_lines++];
		/* Most of many lines repeat the one before. */
		if (map->num_lines > 1 && !strncmp(line[-1].urn, p, end) &&
		    !line[-1].urn[end])
			line->urn = line[-1].urn;
		else
			line->urn = vds_arena_strndup(arena, p, end);
		if (!line->urn)
			return &vds_enomem;
		p += len + (p[len] == '\n');
	}
	return NULL;
}

static struct vds_error *read_idx(struct vds_aff4 *a, struct vds_aff4_map *map)
{
	_cleanup_free_ uint8_t *text = NULL;
	size_t len;
	struct vds_aff4_member *m = part_of(a, map->urn, "idx");
	if (!m)
		return vds_aff4_missing(a, map->urn, "its idx segment");
	struct vds_error *err = vds_aff4_extract(m, VDS_AFF4_IDX_MAX, &text,
						 &len);
	return err ? err : read_lines(a, map, (char *)text);
}

static int compare_places(const void *a, const void *b)
{
	const struct vds_aff4_place *x = a, *y = b;
	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return (x->entry > y->entry) - (x->entry < y->entry);
}

/*
 * Where entries overlap, the standard is silent and readers differ: the one
 * that begins first is kept, so they are worked off in that order.
 */
static struct vds_error *sort_entries(struct vds_aff4_map *map)
{
	bool sorted = true;
	for (size_t i = 1; i < map->num_entries && sorted; i++)
		sorted = vds_aff4_map_entry(map, i - 1).offset <=
			 vds_aff4_map_entry(map, i).offset;
	if (sorted)
		return NULL;
	map->places = vds_malloc_array(map->num_entries, sizeof(*map->places));
	if (!map->places)
		return &vds_enomem;
	for (size_t i = 0; i < map->num_entries; i++)
		map->places[i] = (struct vds_aff4_place){vds_aff4_map_entry(map, i).offset, i};
	qsort(map->places, map->num_entries, sizeof(*map->places),
	      compare_places);
	return NULL;
}

struct vds_error *vds_aff4_map_read(struct vds_aff4 *a,
				    struct vds_aff4_map *map)
{
	size_t len;
	bool has_size;
	struct vds_aff4_member *m = part_of(a, map->urn, "map");
	if (!m)
		return vds_aff4_missing(a, map->urn, "its map segment");
	struct vds_error *err = vds_aff4_extract(m, VDS_AFF4_MAP_MAX,
						 &map->raw, &len);
	if (!err)
		err = vds_aff4_number(a, map->urn, "size", &map->size,
				      &has_size);
	if (err)
		return err;
	/* libaff4 wrote "size 0" at times; others give none at all. */
	if (!map->size)
		map->size = UINT64_MAX;
	map->num_entries = len / VDS_AFF4_ENTRY_SIZE;
	map->swapped = vds_aff4_dialect(a, map->urn) == VDS_AFF4_SCUDETTE;
	if (len % VDS_AFF4_ENTRY_SIZE)
		vds_note(&a->image->notes, "aff4_map_size", len,
			 "<%s/map>: %zu bytes are not a multiple of %d: the "
			 "last %zu are ignored", map->urn, len, VDS_AFF4_ENTRY_SIZE,
			 len % VDS_AFF4_ENTRY_SIZE);
	err = sort_entries(map);
	return err ? err : read_idx(a, map);
}
