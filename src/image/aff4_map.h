/* SPDX-License-Identifier: Apache-2.0 */
/* The segments of a map: entries, and the streams that they refer to. */
#ifndef VDS_IMAGE_AFF4_MAP_H
#define VDS_IMAGE_AFF4_MAP_H

#include "image/aff4_internal.h"

#define VDS_AFF4_ENTRY_SIZE 28

/* One line of idx: a stream that entries refer to by number. */
struct vds_aff4_line {
	const char *urn;
	size_t target;	/* number, or SIZE_MAX for a map */
	bool known;	/* `target` is set: on first use */
};

struct vds_aff4_map {
	const char *urn;
	uint8_t *raw;		/* the map segment */
	struct vds_aff4_place *places;	/* of its entries by offset; NULL: in order */
	size_t num_entries;
	bool swapped;		/* field order of the scudette dialect */
	struct vds_aff4_line *lines;
	size_t num_lines;
	uint64_t size;		/* as declared, UINT64_MAX if not */
	struct vds_aff4_map *next;
};

/* Entries may come in any order. */
struct vds_aff4_place {
	uint64_t offset;
	size_t entry;
};

struct vds_aff4_entry {
	uint64_t offset, len, target_offset;
	uint32_t id;
};

/* Entry number @i, in the order of the segment; unchecked. */
struct vds_aff4_entry vds_aff4_map_entry(const struct vds_aff4_map *map,
					 size_t i);
/* Reads map and idx of map->urn; free map->raw and map->places in any case. */
struct vds_error *vds_aff4_map_read(struct vds_aff4 *a,
				    struct vds_aff4_map *map);

#endif
