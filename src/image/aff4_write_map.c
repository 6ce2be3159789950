/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_write_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"

#define MAP_ENTRY 28
#define ZERO_URN AFF4_NS "Zero"
#define UNREADABLE_URN AFF4_NS "UnreadableData"

/* Number of the idx line @urn, added if it is new. */
static uint32_t line_of(struct vds_aff4_writer *w, const char *urn)
{
	for (size_t i = 0; i < w->num_lines; i++) {
		const char *line = vds_str_cstr(&w->idx_lines[i]);
		if (line && !strcmp(line, urn))
			return (uint32_t)i;
	}
	vds_str_puts(&w->idx_lines[w->num_lines], urn);
	return (uint32_t)w->num_lines++;
}

static void put_entry(struct vds_str *map, uint64_t pa, uint64_t len,
		      uint64_t offset, uint32_t line)
{
	uint8_t e[MAP_ENTRY];
	vds_put_le64(e, pa);
	vds_put_le64(e + 8, len);
	vds_put_le64(e + 16, offset);
	vds_put_le32(e + 24, line);
	vds_str_append(map, e, sizeof(e));
}

/* A DATA range, less what turned out to be damaged in it. */
static void map_data(struct vds_aff4_writer *w, struct vds_str *map, size_t i,
		     size_t *next_damaged)
{
	const struct vds_range *r = &w->ranges[i];
	uint64_t pa = r->pa, end = r->pa + r->len;
	while (*next_damaged < w->damaged.count &&
	       w->damaged.list[*next_damaged].pa < end) {
		const struct vds_aff4_gap *bad = &w->damaged.list[*next_damaged];
		uint64_t from = VDS_MAX(bad->pa, pa);
		uint64_t to = VDS_MIN(bad->pa + bad->len, end);
		if (from > pa)
			put_entry(map, pa, from - pa,
				  w->starts[i] + (pa - r->pa), 0);
		put_entry(map, from, to - from, 0, line_of(w, UNREADABLE_URN));
		pa = to;
		if (bad->pa + bad->len > end)
			break;	/* it goes on in the next range */
		++*next_damaged;
	}
	if (pa < end)
		put_entry(map, pa, end - pa, w->starts[i] + (pa - r->pa), 0);
}

/* The standard's stream of the byte that fills range @r. */
static uint32_t constant_line(struct vds_aff4_writer *w,
			      const struct vds_range *r)
{
	char urn[64];
	uint8_t byte = 0;
	w->image->read(w->image, r->source, &byte, 1, true);
	snprintf(urn, sizeof(urn), AFF4_NS "SymbolicStream%02X", byte);
	return line_of(w, urn);
}

void vds_aff4_build_map(struct vds_aff4_writer *w, struct vds_str *map)
{
	size_t next_damaged = 0;
	line_of(w, "data");	/* its URN isn't known yet; it is line 0 */
	for (size_t i = 0; i < w->num_ranges; i++) {
		const struct vds_range *r = &w->ranges[i];
		const char *urn = UNREADABLE_URN;
		uint64_t offset = 0;
		switch (r->kind) {
		case VDS_RANGE_DATA:
			map_data(w, map, i, &next_damaged);
			break;
		case VDS_RANGE_ZERO:
			put_entry(map, r->pa, r->len, 0,
				  line_of(w, ZERO_URN));
			break;
		case VDS_RANGE_CONSTANT:
			put_entry(map, r->pa, r->len, 0, constant_line(w, r));
			break;
		case VDS_RANGE_UNREADABLE:
			vds_aff4_symbolic(w->image, r->source, &urn, &offset);
			put_entry(map, r->pa, r->len, offset, line_of(w, urn));
			break;
		}
	}
}
