/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sharedmem: which processes share which memory, where, with which rights,
 * named how, and how well is that proven?
 *
 * One row per edge (section x process x VAD). The correlation itself is the
 * SDK's (vadose/sharing.h), so that other plugins can build on it.
 */
#include <string.h>

#include <vadose/columns.h>
#include <vadose/object.h>
#include <vadose/plugin.h>
#include <vadose/sharing.h>

#include "choice.h"
#include "relatives.h"
#include "sources.h"

enum {
	COL_SECTION_ID,
	COL_FILE,
	COL_NAME,
	COL_BACKING,
	COL_CONTROL_AREA,
	COL_SECTION_SIZE,
	COL_KNOWN_GOOD,
	COL_GRADE,
	COL_VIEW_COUNT,
	COL_PROCESS_COUNT,
	COL_PID,
	COL_PROCESS,
	COL_SESSION,
	COL_START,
	COL_END,
	COL_SIZE,
	COL_PROTECTION,
	COL_OFFSET,
	COL_FIRST_PROTO,
	COL_PROVEN,
	COL_TYPE,
	COL_FIRST_PAGE,
	COL_LAST_PAGE,
	COL_SUBSECTION,
	COL_LAST_CONTIGUOUS,
	COL_PROTECTION_RAW,
	COL_NODE,
	COL_EPROCESS,
	COL_PROCESS_START,
	COL_PROCESS_EXITED,
	COL_PATH,
	COL_FILE_OBJECT,
	COL_FILE_IDENTITY,
	COL_FILE_DELETED,
	COL_FILE_SOURCE,
	COL_MAPPED_VIEWS,
	COL_CREATOR,
	COL_RELATED,
	COL_GROUP,
	COL_PIDS,
	COL_WRITABLE,
	COL_EXECUTABLE,
	COL_CROSS_SESSION,
	COL_SOURCES,
	COL_SPACE,
	COL_SECTION_SOURCES,
	COL_FOUND_VIEWS,
	COL_UNACCOUNTED,
	COL_USER_REFS,
	COL_CACHE_VIEWS,
	COL_LISTED,
	COL_DTB,
	COL_HOLDER_PID,
	COL_HOLDER_HANDLE,
	NUM_COLS,
};

#define KEY VDS_COLUMN_KEY
#define GROUP VDS_COLUMN_GROUP
#define WIDE VDS_COLUMN_WIDE

static const struct vds_column columns[NUM_COLS] = {
	[COL_SECTION_ID] = VDS_COL_SECTION_ID(KEY | WIDE),
	[COL_FILE] = VDS_COL_SECTION_FILE(GROUP),
	[COL_NAME] = VDS_COL_SECTION_NAME(GROUP),
	[COL_BACKING] = VDS_COL_BACKING(GROUP),
	[COL_CONTROL_AREA] = VDS_COL_CONTROL_AREA(GROUP),
	[COL_SECTION_SIZE] = VDS_COL_SECTION_SIZE(GROUP),
	[COL_KNOWN_GOOD] = {"section.known_good", VDS_KIND_STR, GROUP, "Known", NULL, "a region that every process shares, recognised by identity", NULL},
	[COL_GRADE] = {"sharing.grade", VDS_KIND_STR, GROUP, "Evidence", NULL, "how well sharing is proven: hardware, pfn, structural, metadata", NULL},
	[COL_VIEW_COUNT] = {"sharing.view_count", VDS_KIND_INT, GROUP, "Views", "views", "views in the group, including this one", NULL},
	[COL_PROCESS_COUNT] = {"sharing.process_count", VDS_KIND_INT, GROUP, "Processes", "processes", "distinct processes in the group", NULL},
	[COL_PID] = VDS_COL_PID(0),
	[COL_PROCESS] = VDS_COL_PROCESS(0),
	[COL_SESSION] = {"process.session", VDS_KIND_INT, 0, "Ses", NULL, "session id", NULL},
	[COL_START] = VDS_COL_VAD_START(0),
	[COL_END] = VDS_COL_VAD_END(0),
	[COL_SIZE] = VDS_COL_VAD_SIZE(0),
	[COL_PROTECTION] = VDS_COL_VAD_PROTECTION(0),
	[COL_OFFSET] = {"section.offset", VDS_KIND_SIZE, 0, "Offset", "bytes", "offset of the view's first page in the section", NULL},
	[COL_FIRST_PROTO] = {"vad.first_prototype_pte", VDS_KIND_ADDR, 0, "First prototype PTE", NULL, "address of the view's first prototype PTE", NULL},
	[COL_PROVEN] = {"sharing.proven", VDS_KIND_BOOL, WIDE, "Proven", NULL, "page tables of this view lead to a frame that another view maps too", NULL},
	[COL_TYPE] = VDS_COL_VAD_TYPE(WIDE),
	[COL_FIRST_PAGE] = {"section.first_page", VDS_KIND_INT, WIDE, "First page", "pages", "index of the view's first prototype PTE in the section", NULL},
	[COL_LAST_PAGE] = {"section.last_page", VDS_KIND_INT, WIDE, "Last page", "pages", "index of the view's last prototype PTE, inclusive", NULL},
	[COL_SUBSECTION] = {"section.subsection", VDS_KIND_ADDR, WIDE, "Subsection", NULL, "SUBSECTION that the VAD points to", NULL},
	[COL_LAST_CONTIGUOUS] = {"vad.last_contiguous_pte", VDS_KIND_ADDR, WIDE, "Last contiguous PTE", NULL, "last prototype PTE of the contiguous run, inclusive", NULL},
	[COL_PROTECTION_RAW] = {"vad.protection_raw", VDS_KIND_INT, WIDE, "Prot", NULL, "5-bit protection code", NULL},
	[COL_NODE] = {"vad.node", VDS_KIND_ADDR, KEY | WIDE, "VAD", NULL, "address of the MMVAD; of a view of kernel space, of its VACB, MMVIEW or entry in the list", NULL},
	[COL_EPROCESS] = VDS_COL_EPROCESS(KEY | WIDE),
	[COL_PROCESS_START] = {"process.start", VDS_KIND_TIME, WIDE, "Started", NULL, "when the process was created", "process.start"},
	[COL_PROCESS_EXITED] = {"process.exited", VDS_KIND_BOOL, WIDE, "Exited", NULL, "the process had ended", NULL},
	[COL_PATH] = {"process.path", VDS_KIND_STR, WIDE, "Path", NULL, "path of the executable", "process.executable"},
	[COL_FILE_OBJECT] = {"section.file_object", VDS_KIND_ADDR, WIDE, "File object", NULL, "FILE_OBJECT of the control area, or of the view (file_source)", NULL},
	[COL_FILE_IDENTITY] = {"section.file_identity", VDS_KIND_ADDR, WIDE, "File identity", NULL, "SECTION_OBJECT_POINTERS, which joins data and image sections of a file", NULL},
	[COL_FILE_DELETED] = {"section.file_deleted", VDS_KIND_BOOL, WIDE, "Deleted", NULL, "the file is deleted or pending deletion", NULL},
	[COL_FILE_SOURCE] = {"section.file_source", VDS_KIND_STR, WIDE, "File from", NULL, "who names the file: control_area, or vad if the control area has no file (any more)", NULL},
	[COL_MAPPED_VIEWS] = {"section.mapped_views", VDS_KIND_INT, WIDE, "Mapped views", "views", "NumberOfMappedViews as the control area states it", NULL},
	[COL_CREATOR] = {"section.creator_pid", VDS_KIND_INT, WIDE, "Creator", NULL, "process that created a pagefile-backed section", NULL},
	[COL_RELATED] = {"section.related", VDS_KIND_STRS, WIDE, "Related", NULL, "other control areas of the same file: related, not shared", NULL},
	[COL_GROUP] = {"sharing.group", VDS_KIND_STR, WIDE, "Group", NULL, "identity of the group: section and first page", NULL},
	[COL_PIDS] = {"sharing.pids", VDS_KIND_INTS, WIDE, "PIDs", NULL, "process ids of the group, ascending", NULL},
	[COL_WRITABLE] = {"sharing.writable", VDS_KIND_BOOL, WIDE, "Writable", NULL, "some view of the group may write to the shared pages", NULL},
	[COL_EXECUTABLE] = {"sharing.executable", VDS_KIND_BOOL, WIDE, "Executable", NULL, "some view of the group may execute", NULL},
	[COL_CROSS_SESSION] = {"sharing.cross_session", VDS_KIND_BOOL, WIDE, "Cross-session", NULL, "views in different sessions", NULL},
	[COL_SOURCES] = {"sharing.sources", VDS_KIND_FLAGS, WIDE, "Sources", NULL, "who knows the view: vad_tree, view_list (the control area's own), cache (a VACB), system and session (their views)", NULL},
	[COL_SPACE] = {"view.space", VDS_KIND_STR, WIDE, "Space", NULL, "whose address space the view is in: process, session, system, cache; absent if the row is of a section without a view", NULL},
	[COL_SECTION_SOURCES] = {"section.sources", VDS_KIND_FLAGS, GROUP | WIDE, "Known by", NULL, "who knows the section: those of its views, proto_tree (all prototype arrays), handle, directory, process (an EPROCESS), pool", NULL},
	[COL_FOUND_VIEWS] = {"section.found_views", VDS_KIND_INT, GROUP | WIDE, "Found views", "views", "distinct views that any source knows", NULL},
	[COL_UNACCOUNTED] = {"section.unaccounted_views", VDS_KIND_INT, GROUP | WIDE, "Unaccounted", "views", "mapped_views that no source knows; absent if the sources broke off", NULL},
	[COL_USER_REFS] = {"section.user_references", VDS_KIND_INT, GROUP | WIDE, "User refs", NULL, "NumberOfUserReferences as the control area states it", NULL},
	[COL_CACHE_VIEWS] = {"section.cache_views", VDS_KIND_INT, GROUP | WIDE, "Cache views", "views", "NumberOfSystemCacheViews as the control area states it", NULL},
	[COL_LISTED] = {"process.listed", VDS_KIND_BOOL, WIDE, "Listed", NULL, "some list or table of processes has it; false: only the view names it", NULL},
	[COL_DTB] = {"process.dtb", VDS_KIND_ADDR, WIDE, "DTB", NULL, "physical address of its page tables", NULL},
	[COL_HOLDER_PID] = {"handle.pid", VDS_KIND_INT, GROUP | WIDE, "Holder", NULL, "first process with a handle to the section", NULL},
	[COL_HOLDER_HANDLE] = {"handle.value", VDS_KIND_HEX, GROUP | WIDE, "Handle", NULL, "that handle", NULL},
};

static const struct vds_option options[] = {
	CHOICE_OPTIONS("1"),
	{"verify", VDS_OPTION_ENUM, 0, NULL, "pte", "none|pte", "how to grade the evidence: not, or by page tables"},
	SOURCES_OPTION,
	{"pages", VDS_OPTION_FLAG, VDS_OPTION_ANSWERED_BY, NULL, NULL, "sharedpages", "page ranges instead of views: where they are, who maps them, who has copies (see: sharedpages --help)"},
	{"dump", VDS_OPTION_STR, VDS_OPTION_ANSWERED_BY, "DIR", NULL, "sectiondump", "write the content of each section into this folder, once; rows are its map (see: sectiondump --help)"},
};

struct context {
	const struct vds_sharing *sharing;
	const struct vds_section_names *names;
	struct relatives relatives;
	const size_t *shown;	/* indexes of groups to print */
	size_t num_shown;
	uint32_t wanted;	/* sources whose knowledge makes rows */
};

static const struct vds_view *first_view(const struct vds_sharing *sharing,
					 const struct vds_share_group *group)
{
	return sharing->views[group->first_view];
}

static const char *name_of(const struct context *c,
			   const struct vds_section *section,
			   enum vds_why *ret_why)
{
	*ret_why = VDS_NOT_APPLICABLE;
	if (!section || section->why)
		return NULL;
	return vds_section_name(c->names, section->control_area, ret_why);
}

/* The first handle to a section object of the control area. */
static void fill_holder(const struct context *c, uint64_t area,
			struct vds_value *v)
{
	size_t count, low = 0, high;
	const struct vds_section_object *objects =
		vds_section_objects(c->names, &count);
	for (high = count; low < high;) {
		size_t mid = low + (high - low) / 2;
		if (objects[mid].control_area < area)
			low = mid + 1;
		else
			high = mid;
	}
	for (; low < count && objects[low].control_area == area; low++) {
		if (!(objects[low].found & VDS_OBJECT_HANDLE))
			continue;
		if (v[COL_HOLDER_PID].kind &&
		    v[COL_HOLDER_PID].i <= (int64_t)objects[low].pid)
			continue;
		v[COL_HOLDER_PID] = vds_int(objects[low].pid);
		v[COL_HOLDER_HANDLE] = vds_hex(objects[low].handle);
	}
}

/* Who knows the section, and whether its views are all accounted for. */
static void fill_sources(struct vds_run *run, const struct context *c,
			 uint64_t area, struct vds_value *v)
{
	const struct vds_seen_section *seen =
		vds_sharing_section(c->sharing, area);
	v[COL_HOLDER_PID] = v[COL_HOLDER_HANDLE] =
		vds_absent(VDS_NOT_APPLICABLE);
	fill_holder(c, area, v);
	if (!seen)
		return;
	v[COL_SECTION_SOURCES] = vds_flags(vds_sources_str(run,
							   seen->sources));
	v[COL_FOUND_VIEWS] = vds_int(seen->num_views);
	v[COL_UNACCOUNTED] = vds_or(
		seen->views_why,
		vds_int((int64_t)vds_unaccounted_views(seen)));
}

/* Cells of the section, from its control area. */
static void fill_section(struct vds_run *run, const struct context *c,
			 const struct vds_section *section, uint64_t otherwise,
			 struct vds_value *v)
{
	enum vds_why why = section ? section->why : VDS_BAD_DATA;
	v[COL_BACKING] = vds_str(vds_backing_str(
		why ? VDS_BACKING_UNKNOWN : section->backing));
	v[COL_SECTION_ID] = vds_addr(why ? otherwise : section->control_area);
	if (why) {
		v[COL_CONTROL_AREA] = vds_absent(why);
		return;
	}
	enum vds_why name_why;
	const char *name = name_of(c, section, &name_why);
	v[COL_CONTROL_AREA] = vds_addr(section->control_area);
	v[COL_NAME] = name ? vds_str(name) : vds_absent(name_why);
	v[COL_FILE] = section->file_name ? vds_str(section->file_name) :
					   vds_absent(section->file_name_why);
	v[COL_SECTION_SIZE] = vds_or(section->size_why,
				     vds_size(section->size));
	if (section->file_object)
		v[COL_FILE_OBJECT] = vds_addr(section->file_object);
	v[COL_FILE_SOURCE] = vds_str(vds_section_file_source_str(section));
	if (section->file_identity)
		v[COL_FILE_IDENTITY] = vds_addr(section->file_identity);
	if (section->backing == VDS_BACKING_DATA ||
	    section->backing == VDS_BACKING_IMAGE)
		v[COL_FILE_DELETED] = vds_bool(section->file_deleted);
	v[COL_MAPPED_VIEWS] = vds_int((int64_t)section->mapped_views);
	v[COL_USER_REFS] = vds_int((int64_t)section->user_references);
	v[COL_CACHE_VIEWS] = vds_or(section->cache_views_why,
				    vds_int((int64_t)section->cache_views));
	fill_sources(run, c, section->control_area, v);
	v[COL_CREATOR] = vds_or(section->creator_why,
				vds_int(section->creator_pid));
	v[COL_RELATED] = relatives_of(run, &c->relatives, section);
}

/* At most this many process ids stand in a row (output.md: bounded lines). */
#define MAX_PIDS 64

static void fill_group(struct vds_run *run, const struct context *c,
		       const struct vds_share_group *group, struct vds_value *v)
{
	uint64_t *pids = vds_alloc(run, MAX_PIDS, sizeof(*pids));
	uint32_t n = 0;
	bool truncated = false;
	uint32_t last = UINT32_MAX;
	for (size_t i = 0; pids && i < group->num_views; i++) {
		const struct vds_view *view =
			c->sharing->views[group->first_view + i];
		if (i && view->process == last)
			continue;
		last = view->process;
		truncated = n == MAX_PIDS;
		if (truncated)
			break;
		const struct vds_process *process =
			vds_process_at(run, view->process);
		if (process)
			pids[n++] = process->pid;
	}
	v[COL_PIDS] = vds_ints(pids, n, truncated);
	v[COL_VIEW_COUNT] = vds_int((int64_t)group->num_views);
	v[COL_PROCESS_COUNT] = vds_int((int64_t)group->num_processes);
	v[COL_GRADE] = vds_str(vds_grade_str(group->grade));
	v[COL_KNOWN_GOOD] = vds_str(vds_known_good_str(group->known));
	v[COL_WRITABLE] = vds_bool(group->writable);
	v[COL_EXECUTABLE] = vds_bool(group->executable);
	v[COL_CROSS_SESSION] = vds_bool(group->cross_session);
	v[COL_GROUP] = vds_str(vds_sprintf(
		run, "%016llx:%llx", (unsigned long long)group->control_area,
		(unsigned long long)group->first_page));
}

static void fill_process(const struct vds_process *p, struct vds_value *v)
{
	v[COL_PID] = vds_int(p->pid);
	v[COL_PROCESS] = p->name ? vds_str(p->name) : vds_absent(p->name_why);
	v[COL_SESSION] = vds_or(p->session_why, vds_int(p->session));
	v[COL_EPROCESS] = vds_addr(p->eprocess);
	v[COL_PROCESS_START] = vds_time(p->create_time);
	v[COL_PROCESS_EXITED] = vds_bool(p->exited);
	v[COL_PATH] = p->path ? vds_str(p->path) : vds_absent(p->path_why);
	v[COL_DTB] = vds_addr(p->dtb);
	v[COL_LISTED] = vds_bool(true);
}

static void clear_process(struct vds_value *v)
{
	static const int columns_of_process[] = {
		COL_PID, COL_PROCESS, COL_SESSION, COL_EPROCESS, COL_DTB,
		COL_PROCESS_START, COL_PROCESS_EXITED, COL_PATH, COL_LISTED,
	};
	for (size_t i = 0; i < sizeof(columns_of_process) / sizeof(int); i++)
		v[columns_of_process[i]] = vds_absent(VDS_NOT_APPLICABLE);
}

/* Whose view it is; of a process that no list leads to, what it says itself. */
static void fill_owner(struct vds_run *run, const struct vds_view *view,
		       struct vds_value *v)
{
	const struct vds_process *process = vds_process_at(run, view->process);
	clear_process(v);
	if (process) {
		fill_process(process, v);
		return;
	}
	if (view->space != VDS_SPACE_PROCESS) {
		if (view->has_session)
			v[COL_SESSION] = vds_int(view->session);
		return;
	}
	if (view->unlisted) {
		fill_process(view->unlisted, v);
	} else {
		v[COL_PID] = v[COL_PROCESS] = v[COL_SESSION] =
			vds_absent(VDS_BAD_DATA);
		v[COL_EPROCESS] = vds_addr(view->eprocess);
	}
	v[COL_LISTED] = vds_bool(false);
}

/* What only VADs have. */
static void fill_vad(const struct vds_view *view, struct vds_value *v)
{
	if (view->space != VDS_SPACE_PROCESS) {
		v[COL_PROTECTION] = v[COL_PROTECTION_RAW] = v[COL_TYPE] =
			v[COL_LAST_CONTIGUOUS] =
				vds_absent(VDS_NOT_APPLICABLE);
		return;
	}
	v[COL_PROTECTION] = vds_str(vds_protection_str(view->protection));
	v[COL_PROTECTION_RAW] = vds_int(view->protection);
	v[COL_TYPE] = vds_str(vds_vad_type_str((enum vds_vad_type)view->type,
					       false));
	v[COL_LAST_CONTIGUOUS] = vds_addr(view->last_contiguous_pte);
}

static void fill_view(const struct vds_view *view, bool verified,
		      struct vds_value *v)
{
	enum vds_why end_why = (enum vds_why)view->end_why;
	v[COL_SPACE] = vds_str(vds_view_space_str(
		(enum vds_view_space)view->space));
	v[COL_START] = vds_addr(view->start);
	v[COL_END] = vds_or(end_why, vds_addr(view->end));
	v[COL_SIZE] = vds_or(end_why, vds_size(view->end - view->start + 1));
	fill_vad(view, v);
	v[COL_NODE] = vds_addr(view->node);
	v[COL_FIRST_PROTO] = v[COL_SUBSECTION] =
		vds_absent(VDS_NOT_APPLICABLE);
	if (view->space == VDS_SPACE_PROCESS || view->first_prototype_pte) {
		v[COL_FIRST_PROTO] = vds_addr(view->first_prototype_pte);
		v[COL_SUBSECTION] = vds_addr(view->subsection_address);
	}
	v[COL_PROVEN] = verified ? vds_bool(view->proven) :
				   vds_absent(VDS_NOT_APPLICABLE);
	struct vds_value absent = vds_absent(
		view->space == VDS_SPACE_PROCESS ? VDS_BAD_DATA : VDS_NO_FIELD);
	v[COL_FIRST_PAGE] = absent;
	v[COL_LAST_PAGE] = absent;
	v[COL_OFFSET] = absent;
	if (view->has_pages) {
		v[COL_FIRST_PAGE] = vds_int((int64_t)view->first_page);
		v[COL_LAST_PAGE] = vds_int((int64_t)view->last_page);
		v[COL_OFFSET] = vds_size(view->first_page * 4096);
	} else if (view->section && view->section->why) {
		v[COL_FIRST_PAGE] = v[COL_LAST_PAGE] = v[COL_OFFSET] =
			vds_absent(view->section->why);
	}
}

static struct vds_error *emit_group(struct vds_run *run, size_t index,
				    void *ctx)
{
	const struct context *c = ctx;
	const struct vds_share_group *group =
		&c->sharing->groups[c->shown[index]];
	struct vds_value v[NUM_COLS] = {0};
	fill_group(run, c, group, v);
	const struct vds_view *first = first_view(c->sharing, group);
	fill_section(run, c, first->section, first->first_prototype_pte, v);
	for (size_t i = 0; i < group->num_views; i++) {
		const struct vds_view *view =
			c->sharing->views[group->first_view + i];
		if (!(view->sources & c->wanted))
			continue;
		fill_owner(run, view, v);
		v[COL_SOURCES] = vds_flags(vds_sources_str(run,
							   view->sources));
		fill_view(view, group->grade != VDS_GRADE_NONE, v);
		/* Views without a usable section may differ in it. */
		if (!group->has_pages)
			fill_section(run, c, view->section,
				     view->first_prototype_pte, v);
		struct vds_error *err = vds_emit(run, v);
		if (err)
			return err;
	}
	return NULL;
}

/* A section that no view leads to, only what else knows it. */
static struct vds_error *emit_section(struct vds_run *run, size_t index,
				      void *ctx)
{
	const struct context *c = ctx;
	const struct vds_seen_section *seen = &c->sharing->sections[index];
	struct vds_value v[NUM_COLS] = {0};
	if (seen->in_groups || !(seen->sources & c->wanted) ||
	    !choice_has_section(run, c->names, seen->section))
		return NULL;
	fill_section(run, c, seen->section, seen->control_area, v);
	v[COL_VIEW_COUNT] = v[COL_PROCESS_COUNT] = vds_int(0);
	return vds_emit(run, v);
}

static struct vds_error *run_sharedmem(struct vds_run *run,
				       const struct vds_process *process)
{
	(void)process;
	struct context c = {0};
	struct vds_sharing_options how = {0};
	struct vds_error *err = choice_check(run, &how.physical);
	bool verify = strcmp(vds_option_str(run, "verify"), "none") != 0;
	if (!err)
		err = sources_choose(run, verify, &how, &c.wanted);
	if (!err)
		err = vds_section_names_load(run, &c.names);
	how.names = c.names;
	if (!err)
		err = vds_sharing_build(run, &how, &c.sharing);
	if (!err)
		err = relatives_list(run, c.sharing, &c.relatives);
	if (!err)
		err = choice_list(run, c.sharing, c.names, &c.shown,
				  &c.num_shown);
	if (!err)
		err = vds_parallel(run, c.num_shown, emit_group, &c);
	if (!err && !choice_of_views(run))
		err = vds_parallel(run, c.sharing->num_sections, emit_section,
				   &c);
	return err;
}

VDS_PLUGIN(sharedmem) = {
	VDS_PLUGIN_HEADER(sharedmem),
	.version = "1.0.0",
	.summary = "who shares which memory, by prototype PTEs",
	.record = "sharedmem_view",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_sharedmem,
};
