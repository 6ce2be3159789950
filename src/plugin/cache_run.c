/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file cache: SHARED_CACHE_MAP and the VACBs that it points at. Vacbs is an
 * array of pointers, one per 256 KB of the section; files of more than 32 MB
 * have a tree of them, 128 to a level, whose depth follows from the size (public
 * symbols; the shape is described in "The Art of Memory Forensics" and used by
 * Volatility's dumpfiles).
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/walk.h"
#include "plugin/session.h"
#include "vadose/file.h"
#include "vadose/record.h"

#define VIEW_SHIFT 18		/* 256 KB */
#define LEVEL_SHIFT 7		/* 128 pointers to a level */
#define LEVEL_ENTRIES (1u << LEVEL_SHIFT)
/* Sections end at 2^63 bytes: (63 - 18) / 7, rounded up. */
#define MAX_LEVELS 7
/* 256 GB of one file in the cache; no system cache holds more. */
#define MAX_VIEWS ((size_t)1 << 20)
#define MAX_TABLES ((size_t)1 << 16)

struct types {
	const struct vds_type *map, *vacb;
};

/* A table of pointers that has yet to be read. */
struct table {
	uint64_t va, offset;	/* of its first entry in the file */
	unsigned int level;	/* 0: its entries are VACBs */
};

struct reader {
	struct vds_run *run;
	const struct vds_kernel *kernel;
	struct types types;
	struct vds_cache_map *map;
	struct vds_cache_view *views;
	size_t num_views, cap_views;
	/* Depth first: at most a table's entries per level wait. */
	struct table stack[MAX_LEVELS * LEVEL_ENTRIES];
	size_t depth, num_tables;
	bool nomem;
};

static void note(struct reader *r, const char *kind, uint64_t at,
		 const char *what)
{
	r->map->complete = false;
	vds_run_note(r->run, kind, r->map->address,
		     "cache map 0x%016" PRIx64 ": 0x%016" PRIx64 ": %s",
		     r->map->address, at, what);
}

static bool push_view(struct reader *r, const struct vds_cache_view *view)
{
	if (r->num_views == r->cap_views) {
		size_t cap = r->cap_views ? r->cap_views * 2 : 16;
		struct vds_cache_view *views =
			vds_alloc(r->run, cap, sizeof(*views));
		if (!views) {
			r->nomem = true;
			return false;
		}
		if (r->num_views)
			memcpy(views, r->views,
			       r->num_views * sizeof(*views));
		r->views = views;
		r->cap_views = cap;
	}
	r->views[r->num_views++] = *view;
	return true;
}

/* The low 16 bits of FileOffset are ActiveCount: a view begins at 256 KB. */
static void read_vacb(struct reader *r, uint64_t va, uint64_t offset)
{
	struct vds_cache_view view = {.vacb = va, .offset = offset};
	const struct vds_type *type = r->types.vacb;
	uint64_t map = 0, where = 0;
	enum vds_why why = vds_kernel_member(r->run, va, type,
					     "SharedCacheMap", &map);
	if (!why)
		why = vds_kernel_member(r->run, va, type, "BaseAddress",
					&view.address);
	if (!why)
		why = vds_kernel_member(r->run, va, type,
					"Overlay.FileOffset.QuadPart|Overlay.FileOffset",
					&where);
	if (why) {
		note(r, "vacb_unreadable", va, vds_why_str(why));
		return;
	}
	view.active = where & 0xffff;
	where &= ~UINT64_C(0xffff);
	if (map != r->map->address ||
	    !vds_is_kernel_pointer(r->kernel, view.address, 4096) ||
	    where != offset) {
		note(r, "vacb_not_of_this_file", va,
		     "a VACB that belongs elsewhere");
		return;
	}
	if (r->num_views >= MAX_VIEWS)
		note(r, "cache_too_large", va, "too many views");
	else
		push_view(r, &view);
}

/* Levels of tables above the one that holds VACBs. */
static unsigned int depth_of(uint64_t section_size)
{
	unsigned int level = 0;
	while (level + 1 < MAX_LEVELS &&
	       VIEW_SHIFT + LEVEL_SHIFT * (level + 1) < 63 &&
	       section_size >> (VIEW_SHIFT + LEVEL_SHIFT * (level + 1)) &&
	       section_size != UINT64_C(1) << (VIEW_SHIFT +
					       LEVEL_SHIFT * (level + 1)))
		level++;
	return level;
}

/* How many of a table's entries lie within the section. */
static unsigned int entries_of(const struct reader *r, const struct table *t)
{
	unsigned int shift = VIEW_SHIFT + LEVEL_SHIFT * t->level;
	uint64_t left = r->map->section_size - t->offset;
	uint64_t n = (left >> shift) + !!(left & ((UINT64_C(1) << shift) - 1));
	return n < LEVEL_ENTRIES ? (unsigned int)n : LEVEL_ENTRIES;
}

static void read_table(struct reader *r, const struct table *t)
{
	unsigned int n = entries_of(r, t);
	unsigned int shift = VIEW_SHIFT + LEVEL_SHIFT * t->level;
	uint8_t raw[LEVEL_ENTRIES * 8];
	enum vds_why why = vds_kernel_read(r->run, t->va, raw, n * 8u);
	if (why) {
		note(r, "vacb_table_unreadable", t->va, vds_why_str(why));
		return;
	}
	/* Backward, so that the stack hands them out in order of the file. */
	for (unsigned int i = t->level ? n : 0; i-- > 0;) {
		uint64_t next = vds_le64(raw + i * 8);
		if (!next)
			continue;
		if (!vds_is_kernel_pointer(r->kernel, next, 8)) {
			note(r, "vacb_bad_pointer", next,
			     "not a kernel address");
			continue;
		}
		if (r->depth == VDS_ARRAY_SIZE(r->stack))
			return;
		r->stack[r->depth++] = (struct table){
			.va = next, .level = t->level - 1,
			.offset = t->offset + ((uint64_t)i << shift),
		};
	}
	for (unsigned int i = 0; !t->level && i < n && !r->nomem; i++) {
		uint64_t vacb = vds_le64(raw + i * 8);
		if (!vacb)
			continue;
		if (!vds_is_kernel_pointer(r->kernel, vacb, 8))
			note(r, "vacb_bad_pointer", vacb,
			     "not a kernel address");
		else
			read_vacb(r, vacb,
				  t->offset + ((uint64_t)i << shift));
	}
}

static void read_views(struct reader *r)
{
	uint64_t vacbs = 0;
	if (!r->map->section_size)
		return;
	enum vds_why why = vds_kernel_member(r->run, r->map->address,
					     r->types.map, "Vacbs", &vacbs);
	if (why) {
		note(r, "vacbs_unreadable", r->map->address, vds_why_str(why));
		return;
	}
	if (!vacbs)
		return;
	if (!vds_is_kernel_pointer(r->kernel, vacbs, 8)) {
		note(r, "vacb_bad_pointer", vacbs, "not a kernel address");
		return;
	}
	r->stack[r->depth++] = (struct table){
		.va = vacbs, .level = depth_of(r->map->section_size),
	};
	while (r->depth && !r->nomem) {
		struct table t = r->stack[--r->depth];
		if (r->num_tables++ >= MAX_TABLES) {
			note(r, "cache_too_large", t.va, "too many tables");
			break;
		}
		read_table(r, &t);
	}
}

static void read_map(struct reader *r)
{
	struct vds_cache_map *map = r->map;
	const struct vds_type *type = r->types.map;
	uint64_t value = 0;
	map->why = vds_kernel_member(r->run, map->address, type,
				     "SectionSize.QuadPart|SectionSize",
				     &map->section_size);
	if (map->why)
		return;
	/* Negative sizes are no sizes. */
	if (map->section_size >> 63) {
		map->why = VDS_BAD_DATA;
		return;
	}
	vds_kernel_member(r->run, map->address, type,
			  "FileSize.QuadPart|FileSize", &map->file_size);
	vds_kernel_member(r->run, map->address, type,
			  "ValidDataLength.QuadPart|ValidDataLength",
			  &map->valid_data);
	if (!vds_kernel_member(r->run, map->address, type, "OpenCount",
			       &value))
		map->open_count = (uint32_t)value;
	if (!vds_kernel_member(r->run, map->address, type, "DirtyPages",
			       &value))
		map->dirty_pages = (uint32_t)value;
	if (!vds_kernel_member(r->run, map->address, type,
			       "FileObjectFastRef.Value|FileObjectFastRef",
			       &value))
		map->file_object = VDS_FAST_REF(value);
}

void vds_cache_map_at(struct vds_run *run, uint64_t address,
		      struct vds_cache_map *ret)
{
	*ret = (struct vds_cache_map){.address = address, .complete = true};
	struct reader *r = vds_alloc(run, 1, sizeof(*r));
	if (!r) {
		ret->why = VDS_BAD_DATA;
		return;
	}
	r->run = run;
	r->kernel = run->session->kernel;
	r->map = ret;
	r->types = (struct types){
		.map = vds_type_find(run, "_SHARED_CACHE_MAP"),
		.vacb = vds_type_find(run, "_VACB"),
	};
	if (!r->types.map || !r->types.vacb)
		ret->why = VDS_NO_FIELD;
	else if (!vds_is_kernel_pointer(r->kernel, address, 8))
		ret->why = VDS_BAD_ADDRESS;
	else
		read_map(r);
	if (!ret->why)
		read_views(r);
	ret->views = r->views;
	ret->num_views = r->num_views;
}
