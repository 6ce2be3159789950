/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ca: control areas as WinDbg's !ca shows them: segment, counts, flags in
 * words, file; then a row per subsection and a row per view on its list.
 */
#include "ca.h"

#include <string.h>

#include "choice.h"

#include <vadose/columns.h>
#include <vadose/plugin.h>
#include <vadose/record.h>
#include <vadose/sharing.h>
#include <vadose/vad.h>

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

/* Who knows it, and whether its views are all accounted for. */
static void fill_sources(struct vds_run *run, const struct ca_context *c,
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

static struct vds_error *emit_area(struct vds_run *run, size_t index, void *ctx)
{
	const struct ca_context *c = ctx;
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
	if (!ca_is_chosen(run, c, s->control_area, listed, count))
		return NULL;
	struct vds_error *err = emit_subsections(run, s, common);
	if (!err)
		err = ca_emit_listed(run, c, any, s, listed, count,
				  common);
	if (!err)
		err = ca_emit_unlisted(run, c, s, listed, count, !why, common);
	return err;
}

/* Without --address: each control area that some view, or source, leads to. */
static struct vds_error *list_areas(struct vds_run *run, struct ca_context *c)
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
	struct ca_context c = {.narrowed = choice_of_processes(run)};
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
			err = ca_index_views(run, &c);
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
