/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ca: control areas as WinDbg's !ca shows them: segment, counts, flags in
 * words, file; then a row per subsection and a row per view on its list.
 */
#include "choice.h"

#include <stdlib.h>
#include <string.h>

#include <vadose/columns.h>
#include <vadose/plugin.h>
#include <vadose/record.h>
#include <vadose/sharing.h>
#include <vadose/vad.h>

enum {
	COL_CA,
	COL_BACKING,
	COL_FILE,
	COL_SEGMENT,
	COL_FLAGS,
	COL_SECTION_REFS,
	COL_PFN_REFS,
	COL_MAPPED_VIEWS,
	COL_USER_REFS,
	COL_SIZE,
	COL_FILE_OBJECT,
	COL_KIND,
	COL_ADDRESS,
	COL_FIRST_PAGE,
	COL_PAGES,
	COL_BASE_PTE,
	COL_PROTECTION,
	COL_FILE_OFFSET,
	COL_FILE_BYTES,
	COL_PID,
	COL_PROCESS,
	COL_EPROCESS,
	COL_START,
	COL_END,
	COL_LISTED,
	COL_IN_TREE,
	COL_SOURCES,
	COL_FOUND_VIEWS,
	COL_UNACCOUNTED,
	COL_TOTAL_PAGES,
	COL_COMMITTED,
	COL_CREATOR,
	COL_SYSTEM_VIEWS,
	COL_WRITABLE_REFS,
	COL_MODIFIED_WRITES,
	COL_FLUSHES,
	COL_UNUSED,
	COL_SECTOR,
	COL_SECTORS,
	COL_PART_FLAGS,
	NUM_COLS,
};

#define KEY VDS_COLUMN_KEY
#define GROUP VDS_COLUMN_GROUP

static const struct vds_column columns[NUM_COLS] = {
	[COL_CA] = VDS_COL_CONTROL_AREA(KEY | GROUP),
	[COL_BACKING] = VDS_COL_BACKING(GROUP),
	[COL_FILE] = VDS_COL_SECTION_FILE(GROUP),
	[COL_SEGMENT] = {"section.segment", VDS_KIND_ADDR, GROUP, "Segment", NULL, "address of the SEGMENT", NULL},
	[COL_FLAGS] = {"section.flags", VDS_KIND_FLAGS, GROUP, "Flags", NULL, "u.Flags in words", NULL},
	[COL_SECTION_REFS] = {"section.section_references", VDS_KIND_INT, GROUP, "Section ref", NULL, "NumberOfSectionReferences", NULL},
	[COL_PFN_REFS] = {"section.pfn_references", VDS_KIND_INT, GROUP, "Pfn ref", NULL, "NumberOfPfnReferences", NULL},
	[COL_MAPPED_VIEWS] = {"section.mapped_views", VDS_KIND_INT, GROUP, "Mapped views", NULL, "NumberOfMappedViews", NULL},
	[COL_USER_REFS] = {"section.user_references", VDS_KIND_INT, GROUP, "User ref", NULL, "NumberOfUserReferences", NULL},
	[COL_SIZE] = {"section.size", VDS_KIND_SIZE, GROUP, "Size", "bytes", "Segment.SizeOfSegment", NULL},
	[COL_FILE_OBJECT] = {"section.file_object", VDS_KIND_ADDR, GROUP, "File object", NULL, "FILE_OBJECT", NULL},
	[COL_KIND] = {"part.kind", VDS_KIND_STR, KEY, "Part", NULL, "subsection, or view: process, session, system; with --all also cache (a VACB that the list does not name)", NULL},
	[COL_ADDRESS] = {"part.address", VDS_KIND_ADDR, KEY, "Address", NULL, "of the SUBSECTION, the MMVAD or the view's list entry", NULL},
	[COL_FIRST_PAGE] = {"part.first_page", VDS_KIND_INT, 0, "Page", "pages", "index of its first page in the section", NULL},
	[COL_PAGES] = {"part.pages", VDS_KIND_INT, 0, "Pages", "pages", "PtesInSubsection, or pages of the view", NULL},
	[COL_BASE_PTE] = {"part.base_pte", VDS_KIND_ADDR, 0, "Base PTE", NULL, "first prototype PTE", NULL},
	[COL_PROTECTION] = {"part.protection", VDS_KIND_STR, 0, "Protection", NULL, "of the subsection or the view", NULL},
	[COL_FILE_OFFSET] = {"part.file_offset", VDS_KIND_SIZE, 0, "File offset", "bytes", "where it begins in the file, or the view in the section", NULL},
	[COL_FILE_BYTES] = {"part.file_bytes", VDS_KIND_SIZE, VDS_COLUMN_WIDE, "File bytes", "bytes", "bytes that come from the file; the rest is zero fill", NULL},
	[COL_PID] = VDS_COL_PID(0),
	[COL_PROCESS] = VDS_COL_PROCESS(0),
	[COL_EPROCESS] = VDS_COL_EPROCESS(VDS_COLUMN_WIDE),
	[COL_START] = VDS_COL_VAD_START(0),
	[COL_END] = VDS_COL_VAD_END(0),
	[COL_LISTED] = {"part.listed", VDS_KIND_BOOL, 0, "Listed", NULL, "the control area's own list names the view", NULL},
	[COL_IN_TREE] = {"part.in_tree", VDS_KIND_BOOL, 0, "In tree", NULL, "a process's VAD tree leads to the view", NULL},
	[COL_SOURCES] = {"section.sources", VDS_KIND_FLAGS, GROUP | VDS_COLUMN_WIDE, "Known by", NULL, "with --all: who knows the section, as in sharedmem", NULL},
	[COL_FOUND_VIEWS] = {"section.found_views", VDS_KIND_INT, GROUP | VDS_COLUMN_WIDE, "Found views", "views", "with --all: distinct views that any source knows", NULL},
	[COL_UNACCOUNTED] = {"section.unaccounted_views", VDS_KIND_INT, GROUP | VDS_COLUMN_WIDE, "Unaccounted", "views", "with --all: mapped_views that no source knows", NULL},
	[COL_TOTAL_PAGES] = {"section.total_pages", VDS_KIND_INT, GROUP | VDS_COLUMN_WIDE, "Total PTEs", "pages", "Segment.TotalNumberOfPtes", NULL},
	[COL_COMMITTED] = {"section.committed_pages", VDS_KIND_INT, GROUP | VDS_COLUMN_WIDE, "Committed", "pages", "Segment.NumberOfCommittedPages", NULL},
	[COL_CREATOR] = {"section.creator_pid", VDS_KIND_INT, GROUP | VDS_COLUMN_WIDE, "Creator", NULL, "process that made a pagefile-backed section", NULL},
	[COL_SYSTEM_VIEWS] = {"section.system_views", VDS_KIND_INT, GROUP | VDS_COLUMN_WIDE, "System views", "views", "of files: NumberOfSystemCacheViews, a part of mapped_views", NULL},
	[COL_WRITABLE_REFS] = {"section.writable_references", VDS_KIND_INT, GROUP | VDS_COLUMN_WIDE, "Writable ref", NULL, "but of images: WritableUserReferences", NULL},
	[COL_MODIFIED_WRITES] = {"section.modified_writes", VDS_KIND_INT, GROUP | VDS_COLUMN_WIDE, "Mod writes", NULL, "ModifiedWriteCount", NULL},
	[COL_FLUSHES] = {"section.flushes", VDS_KIND_INT, GROUP | VDS_COLUMN_WIDE, "Flushes", NULL, "of files: FlushInProgressCount", NULL},
	[COL_UNUSED] = {"part.unused_pages", VDS_KIND_INT, VDS_COLUMN_WIDE, "Unused", "pages", "of subsections but those of images: UnusedPtes, room to grow", NULL},
	[COL_SECTOR] = {"part.starting_sector", VDS_KIND_HEX, VDS_COLUMN_WIDE, "Sector", "sectors", "of subsections: StartingSector; one has 512 bytes in images, else 4096", NULL},
	[COL_SECTORS] = {"part.sectors", VDS_KIND_HEX, VDS_COLUMN_WIDE, "Sectors", "sectors", "of subsections: NumberOfFullSectors", NULL},
	[COL_PART_FLAGS] = {"part.flags", VDS_KIND_FLAGS, VDS_COLUMN_WIDE, "Part flags", NULL, "of subsections: SubsectionFlags in words", NULL},
};

static const struct vds_option options[] = {
	{"address", VDS_OPTION_UINTS, VDS_OPTION_POSITIONAL, "ADDR", NULL, NULL, "only these control areas"},
	{"name", VDS_OPTION_STR, 0, "GLOB", NULL, NULL, "only control areas whose file name matches"},
	{"all", VDS_OPTION_FLAG, 0, NULL, NULL, NULL, "also control areas that no VAD leads to, and views that only the file cache, system space or sessions know"},
};

struct context {
	const struct vds_sharing *sharing;
	/* Views of known sections, by (control area, node). */
	const struct vds_view **views;
	size_t num_views;
	const uint64_t *areas;
	size_t num_areas;
	bool narrowed;		/* by --pid or --process */
};

/* A member of a structure that is known to be readable, or why not. */
static struct vds_value count_of(struct vds_run *run, uint64_t va,
				 const char *type, const char *paths)
{
	uint64_t count = 0;
	enum vds_why why = vds_kernel_member(run, va, vds_type_find(run, type),
					     paths, &count);
	return vds_or(why, vds_int((int64_t)count));
}

/* What !ca prints besides. Images use some of the fields for other things. */
static void fill_counts(struct vds_run *run, const struct vds_section *s,
			struct vds_value *v)
{
	static const char area[] = "_CONTROL_AREA";
	const bool image = s->backing == VDS_BACKING_IMAGE;

	v[COL_TOTAL_PAGES] = vds_int((int64_t)s->total_ptes);
	v[COL_COMMITTED] = count_of(run, s->segment, "_SEGMENT",
				    "NumberOfCommittedPages");
	v[COL_CREATOR] = vds_or(s->creator_why, vds_int(s->creator_pid));
	v[COL_MODIFIED_WRITES] = count_of(run, s->control_area, area,
					  "ModifiedWriteCount");
	if (!image)
		v[COL_WRITABLE_REFS] = count_of(run, s->control_area, area,
						"u2.e2.WritableUserReferences");
	if (s->backing != VDS_BACKING_DATA)
		return;
	v[COL_SYSTEM_VIEWS] = vds_or(s->cache_views_why,
				     vds_int((int64_t)s->cache_views));
	v[COL_FLUSHES] = count_of(
		run, s->control_area, area,
		"u2.e2.FlushInProgressCount|FlushInProgressCount");
}

static void fill_subsection(struct vds_run *run, const struct vds_section *s,
			    uint64_t address, struct vds_value *v)
{
	static const char name[] = "_SUBSECTION";
	const struct vds_type *type = vds_type_find(run, name);
	uint64_t value;
	enum vds_why why;

	if (s->backing != VDS_BACKING_IMAGE)
		v[COL_UNUSED] = count_of(run, address, name, "UnusedPtes");
	if (s->backing != VDS_BACKING_PAGEFILE) {
		why = vds_kernel_member(run, address, type, "StartingSector",
					&value);
		v[COL_SECTOR] = vds_or(why, vds_hex(value));
		why = vds_kernel_member(run, address, type,
					"NumberOfFullSectors", &value);
		v[COL_SECTORS] = vds_or(why, vds_hex(value));
	}
	why = vds_kernel_member(run, address, type, "u.LongFlags", &value);
	v[COL_PART_FLAGS] = why ? vds_absent(why) :
		vds_flags(vds_bit_field_words(
			run, vds_type_find(run, "_MMSUBSECTION_FLAGS"), value));
}

static void fill_section(struct vds_run *run, const struct vds_section *s,
			 struct vds_value *v)
{
	const struct vds_type *flags = vds_type_find(run, "_MMSECTION_FLAGS");
	v[COL_CA] = vds_addr(s->control_area);
	if (s->why) {
		v[COL_BACKING] = vds_absent(s->why);
		return;
	}
	v[COL_BACKING] = vds_str(vds_backing_str(s->backing));
	v[COL_FILE] = s->file_name ? vds_str(s->file_name) :
				     vds_absent(s->file_name_why);
	v[COL_SEGMENT] = vds_addr(s->segment);
	v[COL_FLAGS] = vds_flags(vds_bit_field_words(run, flags, s->flags));
	v[COL_SECTION_REFS] = vds_int((int64_t)s->section_references);
	v[COL_PFN_REFS] = vds_int((int64_t)s->pfn_references);
	v[COL_MAPPED_VIEWS] = vds_int((int64_t)s->mapped_views);
	v[COL_USER_REFS] = vds_int((int64_t)s->user_references);
	v[COL_SIZE] = vds_or(s->size_why, vds_size(s->size));
	if (s->file_object)
		v[COL_FILE_OBJECT] = vds_addr(s->file_object);
	fill_counts(run, s, v);
}

static struct vds_error *emit_subsections(struct vds_run *run,
					  const struct vds_section *s,
					  const struct vds_value *common)
{
	for (size_t i = 0; i < s->num_subsections; i++) {
		const struct vds_subsection *sub = &s->subsections[i];
		struct vds_value v[NUM_COLS];
		memcpy(v, common, sizeof(v));
		v[COL_KIND] = vds_str("subsection");
		v[COL_ADDRESS] = vds_addr(sub->address);
		v[COL_FIRST_PAGE] = vds_int((int64_t)sub->first_page);
		v[COL_PAGES] = vds_int(sub->ptes);
		if (sub->base)
			v[COL_BASE_PTE] = vds_addr(sub->base);
		v[COL_PROTECTION] = vds_str(vds_protection_str(sub->protection));
		if (s->backing != VDS_BACKING_PAGEFILE) {
			v[COL_FILE_OFFSET] = vds_size(sub->file_offset);
			v[COL_FILE_BYTES] = vds_size(sub->file_bytes);
		}
		fill_subsection(run, s, sub->address, v);
		struct vds_error *err = vds_emit(run, v);
		if (err)
			return err;
	}
	return NULL;
}

static int compare_at(const struct vds_view *view, uint64_t area, uint64_t node)
{
	uint64_t own = view->section->control_area;
	if (own != area)
		return own < area ? -1 : 1;
	return view->node < node ? -1 : view->node > node;
}

static int compare_views(const void *pa, const void *pb)
{
	const struct vds_view *a = *(const struct vds_view *const *)pa;
	const struct vds_view *b = *(const struct vds_view *const *)pb;
	return compare_at(a, b->section->control_area, b->node);
}

static struct vds_error *index_views(struct vds_run *run, struct context *c)
{
	const struct vds_sharing *sharing = c->sharing;
	c->views = vds_alloc(run, sharing->num_views + 1, sizeof(*c->views));
	if (!c->views)
		return &vds_enomem;
	for (size_t i = 0; i < sharing->num_views; i++) {
		const struct vds_view *view = sharing->views[i];
		if (view->section && !view->section->why)
			c->views[c->num_views++] = view;
	}
	qsort(c->views, c->num_views, sizeof(*c->views), compare_views);
	return NULL;
}

/* First view at or after (area, node). */
static size_t lower_bound(const struct context *c, uint64_t area, uint64_t node)
{
	size_t low = 0, high = c->num_views;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (compare_at(c->views[mid], area, node) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* The view of the VAD trees whose node is @node, or NULL. */
static const struct vds_view *view_of(const struct context *c, uint64_t area,
				      uint64_t node)
{
	size_t i = lower_bound(c, area, node);
	if (i < c->num_views && !compare_at(c->views[i], area, node))
		return c->views[i];
	return NULL;
}

static void fill_process(struct vds_run *run, uint64_t eprocess,
			 struct vds_value *v)
{
	const struct vds_type *type = vds_type_find(run, "_EPROCESS");
	uint64_t pid;
	v[COL_EPROCESS] = vds_addr(eprocess);
	/* In a table or not: as long as it is there, it has a number. */
	if (!vds_kernel_member(run, eprocess, type, "UniqueProcessId", &pid) &&
	    pid <= UINT32_MAX)
		v[COL_PID] = vds_int((int64_t)pid);
	const struct vds_process *p = vds_process_find(run, eprocess);
	if (!p)
		return;
	v[COL_PID] = vds_int(p->pid);
	v[COL_PROCESS] = p->name ? vds_str(p->name) : vds_absent(p->name_why);
}

static void fill_view(const struct vds_view *view, struct vds_value *v)
{
	v[COL_START] = vds_addr(view->start);
	v[COL_END] = vds_addr(view->end);
	v[COL_BASE_PTE] = vds_addr(view->first_prototype_pte);
	v[COL_PROTECTION] = vds_str(vds_protection_str(view->protection));
	v[COL_PAGES] = vds_int((int64_t)((view->end - view->start) / 4096 + 1));
	if (view->has_pages) {
		v[COL_FIRST_PAGE] = vds_int((int64_t)view->first_page);
		v[COL_FILE_OFFSET] = vds_size(view->first_page * 4096);
	}
}

/* A view that no tree led to: what its own VAD says. */
static void fill_vad(const struct vds_process *any,
		     const struct vds_section *s, uint64_t node,
		     struct vds_value *v)
{
	struct vds_vad vad;
	uint64_t page;
	enum vds_why why = vds_vad_at(any, node, &vad);
	if (!why && !vad.has_section)
		why = VDS_BAD_DATA;
	v[COL_START] = vds_or(why, vds_addr(vad.start));
	v[COL_END] = v[COL_BASE_PTE] = v[COL_PROTECTION] = v[COL_PAGES] =
		vds_absent(why);
	if (why)
		return;
	v[COL_END] = vds_addr(vad.end);
	v[COL_BASE_PTE] = vds_addr(vad.first_prototype_pte);
	v[COL_PROTECTION] = vds_str(vds_protection_str(vad.protection));
	v[COL_PAGES] = vds_int((int64_t)((vad.end - vad.start) / 4096 + 1));
	if (vds_section_page_of(s, vad.first_prototype_pte, &page)) {
		v[COL_FIRST_PAGE] = vds_int((int64_t)page);
		v[COL_FILE_OFFSET] = vds_size(page * 4096);
	}
}

/* The view of kernel space that begins at @va, or NULL. */
static const struct vds_view *kernel_view_of(const struct context *c,
					     uint64_t area, uint64_t va)
{
	for (size_t i = lower_bound(c, area, 0); i < c->num_views; i++) {
		if (c->views[i]->section->control_area != area)
			break;
		if (c->views[i]->space != VDS_SPACE_PROCESS &&
		    c->views[i]->start == va)
			return c->views[i];
	}
	return NULL;
}

/* What a VACB, an MMVIEW or the page tables say of it. */
static void fill_kernel_view(const struct vds_view *view, struct vds_value *v)
{
	enum vds_why why = (enum vds_why)view->end_why;
	v[COL_START] = vds_addr(view->start);
	v[COL_END] = vds_or(why, vds_addr(view->end));
	v[COL_PAGES] = vds_or(why, vds_int((int64_t)((view->end - view->start) /
						     4096 + 1)));
	if (!view->has_pages)
		return;
	v[COL_BASE_PTE] = vds_addr(view->first_prototype_pte);
	v[COL_FIRST_PAGE] = vds_int((int64_t)view->first_page);
	v[COL_FILE_OFFSET] = vds_size(view->first_page * 4096);
}

static const char *const kinds[] = {
	[VDS_VIEW_PROCESS] = "process", [VDS_VIEW_SESSION] = "session",
	[VDS_VIEW_SYSTEM] = "system",
};

/* Views that the control area lists, and whether a tree knows them too. */
static struct vds_error *emit_listed(struct vds_run *run,
				     const struct context *c,
				     const struct vds_process *any,
				     const struct vds_section *s,
				     const struct vds_listed_view *listed,
				     size_t count,
				     const struct vds_value *common)
{
	for (size_t i = 0; i < count; i++) {
		const struct vds_listed_view *l = &listed[i];
		struct vds_value v[NUM_COLS];
		memcpy(v, common, sizeof(v));
		v[COL_KIND] = vds_str(kinds[l->owner]);
		v[COL_ADDRESS] = vds_addr(l->vad ? l->vad : l->links);
		v[COL_LISTED] = vds_bool(true);
		if (l->owner == VDS_VIEW_PROCESS) {
			const struct vds_view *view =
				view_of(c, s->control_area, l->vad);
			v[COL_IN_TREE] = vds_has_page_tables(run) ?
				vds_bool(view && (view->sources &
						  VDS_VIEW_IN_TREE)) :
				vds_absent(VDS_NOT_IN_IMAGE);
			fill_process(run, l->eprocess, v);
			if (view)
				fill_view(view, v);
			else
				fill_vad(any, s, l->vad, v);
		} else {
			v[COL_START] = vds_addr(l->va);
			v[COL_FILE_OFFSET] = vds_or(l->offset_why,
						    vds_size(l->offset));
			const struct vds_view *view = kernel_view_of(
				c, s->control_area, l->va);
			if (view)
				fill_kernel_view(view, v);
		}
		struct vds_error *err = vds_emit(run, v);
		if (err)
			return err;
	}
	return NULL;
}

static int compare_nodes(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;
	return *a < *b ? -1 : *a > *b;
}

/* The VADs that a list of views names, sorted; NULL: out of memory. */
static uint64_t *sort_listed(struct vds_run *run,
			     const struct vds_listed_view *listed,
			     size_t count)
{
	uint64_t *nodes = vds_alloc(run, count + 1, sizeof(*nodes));
	for (size_t i = 0; nodes && i < count; i++)
		nodes[i] = listed[i].vad;
	if (nodes)
		qsort(nodes, count, sizeof(*nodes), compare_nodes);
	return nodes;
}

/* Views that the list does not name. */
static struct vds_error *emit_unlisted(struct vds_run *run,
				       const struct context *c,
				       const struct vds_section *s,
				       const struct vds_listed_view *listed,
				       size_t count, bool complete,
				       const struct vds_value *common)
{
	const uint64_t *nodes = sort_listed(run, listed, count);
	if (!nodes)
		return &vds_enomem;
	for (size_t i = lower_bound(c, s->control_area, 0); i < c->num_views;
	     i++) {
		const struct vds_view *view = c->views[i];
		if (view->section->control_area != s->control_area)
			break;
		if (view->sources & VDS_VIEW_IN_LIST ||
		    bsearch(&view->node, nodes, count, sizeof(*nodes),
			    compare_nodes))
			continue;
		struct vds_value v[NUM_COLS];
		memcpy(v, common, sizeof(v));
		v[COL_KIND] = vds_str(vds_view_space_str(
			(enum vds_view_space)view->space));
		v[COL_ADDRESS] = vds_addr(view->node);
		v[COL_LISTED] = complete ? vds_bool(false) :
					   vds_absent(VDS_BAD_DATA);
		const struct vds_process *p = vds_process_at(run, view->process);
		if (view->space == VDS_SPACE_PROCESS && !p)
			return &vds_enomem;
		if (p) {
			v[COL_IN_TREE] = vds_bool(true);
			fill_process(run, p->eprocess, v);
			fill_view(view, v);
		} else {
			fill_kernel_view(view, v);
		}
		struct vds_error *err = vds_emit(run, v);
		if (err)
			return err;
	}
	return NULL;
}

/* Who knows it, and whether its views are all accounted for. */
static void fill_sources(struct vds_run *run, const struct context *c,
			 uint64_t area, struct vds_value *v)
{
	const struct vds_seen_section *seen =
		c->sharing ? vds_sharing_section(c->sharing, area) : NULL;
	if (!seen)
		return;
	v[COL_SOURCES] = vds_flags(vds_sources_str(run, seen->sources));
	v[COL_FOUND_VIEWS] = vds_int(seen->num_views);
	v[COL_UNACCOUNTED] = vds_or(
		seen->views_why, vds_int((int64_t)vds_unaccounted_views(seen)));
}

/* Does a process that --pid and --process leave in map it? */
static bool is_chosen(struct vds_run *run, const struct context *c,
		      uint64_t area, const struct vds_listed_view *listed,
		      size_t count)
{
	if (!c->narrowed)
		return true;
	for (size_t i = 0; i < count; i++) {
		const struct vds_process *p =
			listed[i].owner == VDS_VIEW_PROCESS ?
				vds_process_find(run, listed[i].eprocess) :
				NULL;
		if (p && p->selected)
			return true;
	}
	for (size_t i = lower_bound(c, area, 0);
	     i < c->num_views && c->views[i]->section->control_area == area;
	     i++) {
		const struct vds_process *p =
			vds_process_at(run, c->views[i]->process);
		if (c->views[i]->space == VDS_SPACE_PROCESS && p &&
		    p->selected)
			return true;
	}
	return false;
}

static struct vds_error *emit_area(struct vds_run *run, size_t index, void *ctx)
{
	const struct context *c = ctx;
	const struct vds_process *any = vds_kernel_view(run);
	const struct vds_section *s =
		any ? vds_section_at(any, c->areas[index]) : NULL;
	const char *glob = vds_option_str(run, "name");
	struct vds_value common[NUM_COLS] = {0};
	enum vds_why why;
	size_t count;
	if (!s)
		return &vds_enomem;
	if (glob && !(s->file_name && vds_match(glob, s->file_name)))
		return NULL;
	fill_section(run, s, common);
	if (s->why && c->narrowed)
		return NULL;
	if (s->why) {
		vds_run_note(run, "no_control_area", s->control_area,
			     "no control area can be read at 0x%016llx: %s",
			     (unsigned long long)c->areas[index],
			     vds_why_str(s->why));
		return vds_emit(run, common);
	}
	fill_sources(run, c, s->control_area, common);
	const struct vds_listed_view *listed = vds_section_listed_views(
		any, s->control_area, &count, &why);
	if (!is_chosen(run, c, s->control_area, listed, count))
		return NULL;
	struct vds_error *err = emit_subsections(run, s, common);
	if (!err)
		err = emit_listed(run, c, any, s, listed, count,
				  common);
	if (!err)
		err = emit_unlisted(run, c, s, listed, count, !why, common);
	return err;
}

/* Without --address: each control area that some view, or source, leads to. */
static struct vds_error *list_areas(struct vds_run *run, struct context *c)
{
	size_t max = c->num_views + c->sharing->num_sections + 1;
	uint64_t *areas = vds_alloc(run, max, sizeof(*areas));
	if (!areas)
		return &vds_enomem;
	/* All that views lead to is among the sections. */
	for (size_t i = 0; i < c->sharing->num_sections; i++)
		areas[c->num_areas++] = c->sharing->sections[i].control_area;
	for (size_t i = 0; !c->sharing->num_sections && i < c->num_views;
	     i++) {
		uint64_t area = c->views[i]->section->control_area;
		if (!c->num_areas || areas[c->num_areas - 1] != area)
			areas[c->num_areas++] = area;
	}
	c->areas = areas;
	return NULL;
}

static struct vds_error *run_ca(struct vds_run *run,
				const struct vds_process *process)
{
	struct context c = {.narrowed = choice_of_processes(run)};
	struct vds_sharing_options how = {.physical = true};
	struct vds_error *err = NULL;
	(void)process;
	c.areas = vds_option_uints(run, "address", &c.num_areas);
	if (!vds_has_page_tables(run) && !c.num_areas)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"ca: a triage dump has no list of control areas; --address names one");
	if (vds_option_set(run, "all") && vds_has_page_tables(run)) {
		how.read = VDS_SOURCES_CHEAP;
		how.kernel_views = VDS_SOURCES_KERNEL_VIEWS | VDS_VIEW_IN_LIST;
		err = vds_section_names_load(run, &how.names);
	}
	if (!err && vds_has_page_tables(run)) {
		err = vds_sharing_build(run, &how, &c.sharing);
		if (!err)
			err = index_views(run, &c);
	}
	if (err)
		return err;
	if (!c.num_areas)
		err = list_areas(run, &c);
	if (!err)
		err = vds_parallel(run, c.num_areas, emit_area, &c);
	return err;
}

VDS_PLUGIN(ca) = {
	VDS_PLUGIN_HEADER(ca),
	.flags = VDS_PLUGIN_WITHOUT_TABLES,
	.version = "1.1.0",
	.summary = "control areas: segment, subsections, flags, views",
	.record = "control_area",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_ca,
};
