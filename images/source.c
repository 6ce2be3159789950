/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What knows sections and their views besides the VADs: the tree of prototype
 * PTE arrays, views of system space and of sessions, the file cache's VACBs.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "section.h"

/* Slots of a table of MMVIEW, and VACBs of an array. */
#define TABLE_SLOTS 31u
#define VACBS 16u
/* CcInitializeVacbs() makes room for so many arrays. */
#define MAX_ARRAYS 0x500u
#define CACHE_PAGES 64u
/* Parts of a section, and sections, that a tree takes. */
#define MAX_NODES 4096u

static void put_raw(struct world *w, uint64_t va, uint64_t value)
{
	uint8_t bytes[8];

	vds_put_le64(bytes, value);
	space_write(w, &w->kernel, va, bytes, 8);
}

struct node {
	uint64_t va, key;	/* address of the RTL_BALANCED_NODE; what it sorts by */
};

static int compare_nodes(const void *pa, const void *pb)
{
	const struct node *a = pa, *b = pb;

	return a->key < b->key ? -1 : a->key > b->key;
}

/* Links nodes[first, end) into a balanced tree; address of its root. */
static uint64_t link_nodes(struct world *w, const struct node *nodes,
			   size_t first, size_t end, uint64_t parent)
{
	static const char type[] = "_RTL_BALANCED_NODE";
	size_t mid = first + (end - first) / 2;

	if (first == end)
		return 0;
	uint64_t va = nodes[mid].va;
	put(w, &w->kernel, va, type, "Left",
	    link_nodes(w, nodes, first, mid, va));
	put(w, &w->kernel, va, type, "Right",
	    link_nodes(w, nodes, mid + 1, end, va));
	put(w, &w->kernel, va, type, "ParentValue", parent);
	return va;
}

static uint64_t build_tree(struct world *w, struct node *nodes, size_t n)
{
	qsort(nodes, n, sizeof(*nodes), compare_nodes);
	return link_nodes(w, nodes, 0, n, 0);
}

/* 8.1 to 14393: a tree of what the page file backs alone; 0 or its root. */
static uint64_t pagefile_root(struct world *w)
{
	static const char path[] = "Sections.PageFileSectionHead.Root";

	if (!w->scene->section_tree)
		return 0;
	if (global(w, "MiPageFileSectionHead"))
		return global(w, "MiPageFileSectionHead");
	return global(w, "MiState") &&
		       has_field(w, "_MI_SYSTEM_INFORMATION", path)
		? global(w, "MiState") +
			  offset_of(w, "_MI_SYSTEM_INFORMATION", path)
		: 0;
}

static bool has_tree(struct world *w)
{
	return w->scene->section_tree && global(w, "MiState") &&
	       has_type(w, "_MI_PROTOTYPE_PTES_NODE") &&
	       has_field(w, "_MI_SYSTEM_INFORMATION",
			 "Sections.PrototypePtesTree.Root");
}

uint64_t subsection_room(struct world *w, const struct section *s)
{
	uint64_t each = size_of(w, "_SUBSECTION");

	if (pagefile_root(w) && s->kind == SECTION_PAGEFILE)
		return each + size_of(w, "_RTL_BALANCED_NODE");
	if (!has_tree(w) || s->kind == SECTION_IMAGE)
		return each;
	return s->kind == SECTION_DATA
		? size_of(w, "_MSUBSECTION")
		: each + size_of(w, "_MI_PROTOTYPE_PTES_NODE");
}

/*
 * An image's node begins its _MI_IMAGE_SECURITY_REFERENCE, which is part of a
 * block without a public type: its control area comes 0x38 bytes before
 * (MiObtainProtoBaseFromNode, 17763 to 26100).
 */
static uint64_t image_node(struct world *w, const struct section *s)
{
	uint64_t size = 0x38 + size_of(w, "_MI_IMAGE_SECURITY_REFERENCE");
	uint64_t va = pool_alloc(w, &w->paged, size, "MmSi");
	uint8_t bytes[8];

	vds_put_le64(bytes, s->control_area);
	space_write(w, &w->kernel, va, bytes, 8);
	put(w, &w->kernel, s->control_area, "_CONTROL_AREA",
	    "u2.e2.SeImageStub", va + 0x38);
	return va + 0x38;
}

static void add_node(struct world *w, struct node *nodes, size_t *n,
		     uint64_t va, uint64_t key, unsigned int kind)
{
	static const char type[] = "_MI_PROTOTYPE_PTES_NODE";

	if (*n == MAX_NODES)
		return;
	nodes[(*n)++] = (struct node){ va, key };
	if (!has_tree(w))
		return;
	put(w, &w->kernel, va, type, "u1.e1.AllocationType", kind);
	put(w, &w->kernel, va, type, "u1.e1.Inserted", 1);
}

void section_tree_build(struct world *w)
{
	struct node *nodes = world_alloc(w, MAX_NODES * sizeof(*nodes));
	size_t n = 0;

	bool all = has_tree(w);
	uint64_t root = pagefile_root(w);

	if (!nodes || (!all && !root))
		return;
	for (struct section *s = w->scene->sections; s && !w->err;
	     s = s->next) {
		size_t first = n;
		for (unsigned int i = 0; all &&
			     s->kind == SECTION_DATA && i < s->num_parts; i++)
			add_node(w, nodes, &n, s->parts[i].va +
				 offset_of(w, "_MSUBSECTION", "ProtosNode"),
				 s->parts[i].proto, 0);
		if (s->kind == SECTION_PAGEFILE)
			add_node(w, nodes, &n, s->parts[s->num_parts - 1].va +
				 size_of(w, "_SUBSECTION"), s->parts[0].proto,
				 1);
		if (all && s->kind == SECTION_IMAGE)
			add_node(w, nodes, &n, image_node(w, s),
				 s->parts[0].proto, 2);
		s->proto_node = n > first ? nodes[first].va : 0;
	}
	uint64_t top = build_tree(w, nodes, n);
	if (all)
		put(w, &w->kernel, global(w, "MiState"),
		    "_MI_SYSTEM_INFORMATION",
		    "Sections.PrototypePtesTree.Root", top);
	else
		put_raw(w, root, top);
}

/* All pages, through the prototype PTEs or already there. */
static void map_pages(struct world *w, struct system_view *v)
{
	struct section *s = v->section;

	if (v->va == SCENE_AUTO)
		v->va = (v->type == 3 ? UINT64_C(0xffffe50a00000000)
				      : UINT64_C(0xffffb80000000000)) +
			((uint64_t)s->index << 24) +
			/* 64 pages, and in all cases 64 KB */
			(uint64_t)v->offset / CACHE_PAGES * CACHE_PAGES *
				VDS_PAGE_SIZE;
	for (uint32_t i = 0; i < v->pages; i++) {
		uint32_t page = v->offset + i;
		uint64_t pfn = s->frames[page];
		uint64_t pte = pte_proto(w, section_proto(s, page),
					 PROT_READWRITE);
		if (pfn && s->states[page] == 'V') {
			pte = pte_hardware(w, pfn, PROT_READWRITE, false,
					   false);
			mem_frame(w, pfn)->share++;
		}
		space_map(w, &w->kernel, v->va + i * VDS_PAGE_SIZE, pte);
	}
}

/* The view's entry in the control area's list, with its owner: 8.1 and later. */
static void put_links(struct world *w, const struct system_view *v, uint64_t va)
{
	static const char type[] = "_MI_REVERSE_VIEW_MAP";

	/* The low two bits tell the kind of owner. */
	put_raw(w, va + offset_of(w, type, "SystemCacheVa|VadsProcess|Type"),
		v->va | v->type);
	if (v->unlisted)
		list_init(w, va + offset_of(w, type, "ViewLinks"));
	else
		list_add(w, section_view_list(w, v->section),
			 va + offset_of(w, type, "ViewLinks"));
}

/* A view of the cache, as its section's list has it; not before 8.1. */
static void put_listed(struct world *w, const struct system_view *v)
{
	static const char type[] = "_MI_REVERSE_VIEW_MAP";
	uint32_t index;
	const struct part *part = section_part(v->section, v->offset, &index);

	if (v->unlisted || !has_type(w, type))
		return;
	uint64_t va = pool_alloc(w, &w->nonpaged, size_of(w, type), "MmVm");
	put_links(w, v, va);
	(void)put_opt(w, &w->kernel, va, type, "Subsection",
		      part ? part->va : 0);
	(void)put_opt(w, &w->kernel, va, type, "SectionOffset",
		      (uint64_t)v->offset * VDS_PAGE_SIZE);
}

/* Where system space's views hang, or a session's; 0: nowhere that is known. */
static uint64_t view_state(struct world *w, uint32_t session, const char **type,
			   const char **root)
{
	uint64_t state = global(w, "MiState"), *space;

	*type = "_MMSESSION";
	*root = "ViewRoot.Root";
	if (session == UINT32_MAX) {
		if (global(w, "MmSession"))
			return global(w, "MmSession");
		*type = "_MI_SYSTEM_INFORMATION";
		*root = "Sessions.SystemSession.ViewRoot.Root";
		return has_field(w, *type, *root) ? state : 0;
	}
	space = vds_map_get(&w->sessions, session);
	return space && has_field(w, "_MM_SESSION_SPACE", "Session")
		? *space + offset_of(w, "_MM_SESSION_SPACE", "Session") : 0;
}

/* Windows 7 to 8.1: the slot of a table that its first view makes. */
static uint64_t table_slot(struct world *w, uint64_t state)
{
	static const char type[] = "_MMSESSION";
	uint64_t each = size_of(w, "_MMVIEW"), table, entry;
	uint8_t bytes[8];

	space_read(w, &w->kernel,
		   state + offset_of(w, type, "SystemSpaceViewTable"), bytes,
		   8);
	table = vds_le64(bytes);
	if (!table) {
		table = pool_alloc(w, &w->nonpaged, TABLE_SLOTS * each,
				   "MmVw");
		put(w, &w->kernel, state, type, "SystemSpaceViewTable", table);
		put(w, &w->kernel, state, type, "SystemSpaceHashSize",
		    TABLE_SLOTS);
		put(w, &w->kernel, state, type, "SystemSpaceHashKey",
		    TABLE_SLOTS - 1);
	}
	for (uint32_t i = 0; i < TABLE_SLOTS; i++) {
		space_read(w, &w->kernel, table + i * each +
			   offset_of(w, "_MMVIEW", "Entry"), bytes, 8);
		entry = vds_le64(bytes);
		if (!entry)
			return table + i * each;
	}
	return 0;
}

static void put_mmview(struct world *w, struct system_view *v, uint64_t state)
{
	static const char type[] = "_MMVIEW";
	uint64_t units = (v->pages + 15) / 16;
	bool old = !has_type(w, "_MI_REVERSE_VIEW_MAP");

	v->node = table_slot(w, state);
	if (!v->node)
		return;
	put(w, &w->kernel, v->node, type, "Entry", v->va | units);
	put(w, &w->kernel, v->node, type, "u1.ControlArea|ControlArea",
	    v->section->control_area | 1);
	put(w, &w->kernel, v->node, type, "SessionId", v->session);
	if (!old) {
		put_links(w, v, v->node + offset_of(w, type, "ViewLinks"));
		return;
	}
	put(w, &w->kernel, v->node, type, "SessionViewVa", v->va);
	if (v->unlisted)
		list_init(w, v->node + offset_of(w, type, "ViewLinks"));
	else
		list_add(w, section_view_list(w, v->section),
			 v->node + offset_of(w, type, "ViewLinks"));
}

/*
 * 10240 and later: a node whose type is not public. Its first members are a
 * RTL_BALANCED_NODE, and the view's entry in the list stands at 0x40 of it
 * (MiRemoveFromSystemSpace of 14393), at 0x48 since 19041.
 */
static void put_tree_view(struct world *w, struct system_view *v)
{
	uint64_t links = w->build >= 19041 ? 0x48 : 0x40;

	v->node = pool_alloc(w, &w->nonpaged, 0x68, "MmVw");
	put_raw(w, v->node + 0x18, v->offset);
	put_raw(w, v->node + 0x20, (uint64_t)v->pages * VDS_PAGE_SIZE);
	put_raw(w, v->node + 0x30, v->section->control_area);
	put_raw(w, v->node + links - 8, v->section->file_object);
	put_links(w, v, v->node + links);
	/* Not a subsection, but the session: none. */
	put_raw(w, v->node + links + 0x18,
		v->session == UINT32_MAX ? 0x7ffff : v->session);
}

static void put_space_view(struct world *w, struct system_view *v)
{
	const char *type, *root;
	uint64_t state = view_state(w, v->session, &type, &root);

	if (!state)
		world_fail(w, place_error(v->place,
			"this kernel has no place for it that is known"));
	else if (has_type(w, "_MMVIEW"))
		put_mmview(w, v, state);
	else
		put_tree_view(w, v);
}

/* The trees of system space and of each session. */
static void link_space_views(struct world *w, uint32_t session)
{
	struct node *nodes = world_alloc(w, MAX_NODES * sizeof(*nodes));
	const char *type, *root;
	uint64_t state = view_state(w, session, &type, &root);
	size_t n = 0;

	for (struct system_view *v = w->scene->system_views; v && nodes;
	     v = v->next)
		if (v->type == 2 && v->session == session && n < MAX_NODES)
			nodes[n++] = (struct node){ v->node, v->va };
	if (n && state && !w->err)
		put(w, &w->kernel, state, type, root, build_tree(w, nodes, n));
}

static uint64_t cache_map(struct world *w, struct section *s)
{
	static const char type[] = "_SHARED_CACHE_MAP";
	static const char pointers[] = "_SECTION_OBJECT_POINTERS";
	uint64_t size = ((uint64_t)s->pages * VDS_PAGE_SIZE + 0x3ffff) &
			~UINT64_C(0x3ffff);
	uint64_t at = s->pointers + offset_of(w, pointers, "SharedCacheMap");
	uint8_t bytes[8];

	space_read(w, &w->kernel, at, bytes, 8);
	if (vds_le64(bytes))
		return vds_le64(bytes);
	uint64_t map = pool_alloc(w, &w->nonpaged, size_of(w, type), "CcSc");
	put(w, &w->kernel, map, type, "NodeTypeCode", 0x2ff);
	put(w, &w->kernel, map, type, "FileSize.QuadPart|FileSize",
	    (uint64_t)s->pages * VDS_PAGE_SIZE);
	put(w, &w->kernel, map, type, "SectionSize.QuadPart|SectionSize",
	    size);
	put(w, &w->kernel, map, type, "FileObjectFastRef.Value|FileObjectFastRef",
	    s->file_object | 0xb);
	put(w, &w->kernel, map, type, "Vacbs",
	    pool_alloc(w, &w->nonpaged, 8 * (size >> 18), "CcVl"));
	put(w, &w->kernel, s->pointers, pointers, "SharedCacheMap", map);
	return map;
}

/* The next free VACB of the one array, which the first of them makes. */
static uint64_t vacb_slot(struct world *w, uint64_t *array)
{
	static const char type[] = "_VACB_ARRAY_HEADER";
	uint64_t head = size_of(w, type), each = size_of(w, "_VACB"), arrays;
	uint64_t global_va = global(w, "CcVacbArrays");
	uint8_t bytes[8];

	space_read(w, &w->kernel, global_va, bytes, 8);
	arrays = vds_le64(bytes);
	if (!arrays) {
		arrays = pool_alloc(w, &w->nonpaged, MAX_ARRAYS * 8, "CcVa");
		/* Its pages are there, also where nothing is written. */
		for (uint64_t at = 0; at < MAX_ARRAYS * 8; at += VDS_PAGE_SIZE)
			(void)space_pfn(w, &w->kernel, arrays + at);
		(void)put_global(w, "CcVacbArrays", arrays);
		put_raw(w, arrays, pool_alloc(w, &w->nonpaged,
					      head + VACBS * each, "CcVa"));
	}
	space_read(w, &w->kernel, arrays, bytes, 8);
	*array = vds_le64(bytes);
	space_read(w, &w->kernel, *array + offset_of(w, type, "MappingCount"),
		   bytes, 4);
	uint32_t used = vds_le32(bytes);
	if (used >= VACBS)
		return 0;
	put(w, &w->kernel, *array, type, "MappingCount", used + 1);
	put(w, &w->kernel, *array, type, "HighestMappedIndex", used);
	return *array + head + used * each;
}

static void put_vacb(struct world *w, struct system_view *v)
{
	static const char type[] = "_VACB";
	struct section *s = v->section;
	uint64_t array, vacbs;
	uint8_t bytes[8];

	if (!s->file_object || !global(w, "CcVacbArrays")) {
		world_fail(w, place_error(v->place,
			"the section has no file, or the kernel no such symbol"));
		return;
	}
	uint64_t map = cache_map(w, s);
	v->node = vacb_slot(w, &array);
	if (!v->node)
		return;
	put(w, &w->kernel, v->node, type, "BaseAddress", v->va);
	put(w, &w->kernel, v->node, type, "SharedCacheMap", map);
	put(w, &w->kernel, v->node, type,
	    "Overlay.FileOffset.QuadPart|Overlay.FileOffset",
	    (uint64_t)v->offset * VDS_PAGE_SIZE);
	put(w, &w->kernel, v->node, type, "ArrayHead", array);
	space_read(w, &w->kernel, map + offset_of(w, "_SHARED_CACHE_MAP",
						  "Vacbs"), bytes, 8);
	vacbs = vds_le64(bytes);
	put_raw(w, vacbs + 8 * (v->offset / CACHE_PAGES), v->node);
}

void system_views_build(struct world *w)
{
	for (struct system_view *v = w->scene->system_views; v && !w->err;
	     v = v->next) {
		if ((uint64_t)v->offset + v->pages > v->section->pages) {
			world_fail(w, place_error(v->place,
				"the section is not that long"));
			return;
		}
		map_pages(w, v);
		if (v->type == 2)
			put_space_view(w, v);
		else
			put_listed(w, v);
		if (v->vacb)
			put_vacb(w, v);
		v->section->views++;
		v->section->cache_views += v->type == 3;
	}
	if (w->err || has_type(w, "_MMVIEW"))
		return;
	link_space_views(w, UINT32_MAX);
	for (uint32_t session = 0; session < 16; session++)
		link_space_views(w, session);
}
