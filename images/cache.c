/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file cache's maps of files: SHARED_CACHE_MAP and VACBs, each a view of 256
 * KB; four fit into the map, up to 128 into one array, more into a tree of two
 * levels (public symbols; "The Art of Memory Forensics", chapter 16).
 */
#include "section.h"

#include "base/bytes.h"

#define VIEW_PAGES 64u
#define VIEW_SIZE (UINT64_C(1) << 18)
#define IN_MAP 4u
#define PER_ARRAY 128u
#define CACHE UINT64_C(0xffffe60a00000000)

static void put_pointer(struct world *w, uint64_t va, uint64_t value)
{
	uint8_t bytes[8];

	vds_put_le64(bytes, value);
	space_write(w, &w->kernel, va, bytes, 8);
}

static void map_view(struct world *w, const struct section *s, uint32_t first,
		     uint64_t va)
{
	for (uint32_t i = 0; i < VIEW_PAGES && first + i < s->pages; i++) {
		if (s->states[first + i] != 'V')
			continue;
		space_map(w, &w->kernel, va + i * VDS_PAGE_SIZE,
			  pte_hardware(w, s->frames[first + i],
				       PROT_READWRITE, false, false));
		mem_frame(w, s->frames[first + i])->share++;
	}
}

static uint64_t put_vacb(struct world *w, const struct section *s, uint32_t i)
{
	static const char type[] = "_VACB";
	uint64_t va = pool_alloc(w, &w->nonpaged, size_of(w, type), "CcVa");
	uint64_t base = CACHE + ((uint64_t)s->index << 32) + i * VIEW_SIZE;

	put(w, &w->kernel, va, type, "BaseAddress", base);
	put(w, &w->kernel, va, type, "SharedCacheMap", s->cache_map);
	put(w, &w->kernel, va, type,
	    "Overlay.FileOffset.QuadPart|Overlay.FileOffset", i * VIEW_SIZE);
	map_view(w, s, i * VIEW_PAGES, base);
	return va;
}

/* Where the pointer to VACB @i goes, of @n. */
static uint64_t slot_of(struct world *w, uint64_t root, uint32_t n, uint32_t i)
{
	uint8_t bytes[8];

	if (n <= PER_ARRAY)
		return root + 8 * (uint64_t)i;
	uint64_t upper = root + 8 * (uint64_t)(i / PER_ARRAY);
	if (i % PER_ARRAY == 0)
		put_pointer(w, upper, pool_alloc(w, &w->nonpaged,
						 8 * PER_ARRAY, "CcVl"));
	space_read(w, &w->kernel, upper, bytes, 8);
	return vds_le64(bytes) + 8 * (uint64_t)(i % PER_ARRAY);
}

static void put_map(struct world *w, struct section *s)
{
	static const char type[] = "_SHARED_CACHE_MAP";
	uint64_t size = (uint64_t)s->pages * VDS_PAGE_SIZE;
	uint32_t views = (s->pages + VIEW_PAGES - 1) / VIEW_PAGES;
	uint64_t va = pool_alloc(w, &w->nonpaged, size_of(w, type), "CcSc");

	s->cache_map = va;
	put(w, &w->kernel, va, type, "FileSize.QuadPart|FileSize", size);
	put(w, &w->kernel, va, type, "ValidDataLength.QuadPart|ValidDataLength",
	    size);
	/* Grows by whole views. */
	put(w, &w->kernel, va, type, "SectionSize.QuadPart|SectionSize",
	    views * VIEW_SIZE);
	put(w, &w->kernel, va, type, "OpenCount", 1);
	(void)put_opt(w, &w->kernel, va, type,
		      "FileObjectFastRef.Value|FileObjectFastRef|FileObject",
		      s->file_object);
	uint64_t root = views <= IN_MAP && has_field(w, type, "InitialVacbs")
		? va + offset_of(w, type, "InitialVacbs")
		: pool_alloc(w, &w->nonpaged, 8 * PER_ARRAY, "CcVp");
	put(w, &w->kernel, va, type, "Vacbs", root);
	for (uint32_t i = 0; i < views && !w->err; i++) {
		/* Apart: both take memory, and images are the same from every
		 * compiler. */
		uint64_t vacb = put_vacb(w, s, i);

		put_pointer(w, slot_of(w, root, views, i), vacb);
	}
	put(w, &w->kernel, s->pointers, "_SECTION_OBJECT_POINTERS",
	    "SharedCacheMap", va);
}

void caches_build(struct world *w)
{
	for (struct section *s = w->scene->sections; s && !w->err;
	     s = s->next)
		if (s->cached)
			put_map(w, s);
}
