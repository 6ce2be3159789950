/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sections: section objects, and who looks through them. An object is found in
 * the object directory, in a handle table or in an EPROCESS; a control area that no object
 * leads to any more (its handles are closed, its views are not) is found
 * through the views.
 */
#include "choice.h"

#include <stdlib.h>
#include <string.h>

#include <vadose/columns.h>
#include <vadose/handle.h>
#include <vadose/object.h>
#include <vadose/plugin.h>
#include <vadose/record.h>
#include <vadose/sharing.h>

enum {
	ID,
	OBJECT,
	NAME,
	FOUND,
	CONTROL_AREA,
	BACKING,
	FILE_NAME,
	SIZE,
	PROTECTION,
	CREATOR,
	MAPPED_VIEWS,
	REFERENCES,
	VIEW_COUNT,
	PIDS,
	HOLDER_PID,
	HOLDER_HANDLE,
	HOLDERS,
	NUM_COLUMNS
};

static const struct vds_column columns[] = {
	[ID] = {"section.id", VDS_KIND_ADDR, VDS_COLUMN_KEY | VDS_COLUMN_WIDE,
		"ID", NULL, "the object, or the control area without one",
		NULL},
	[OBJECT] = {"section.object", VDS_KIND_ADDR, 0, "Object", NULL,
		    "address of the SECTION", NULL},
	[NAME] = {"section.name", VDS_KIND_STR, 0, "Name", NULL,
		  "path in the object name space", NULL},
	[FOUND] = {"section.found", VDS_KIND_FLAGS, 0, "Found", NULL,
		   "who leads to it: directory, handle, process (its own "
		   "image), view (a VAD), cache, system, session (views in "
		   "kernel space), proto_tree (the tree of all prototype PTE "
		   "arrays)", NULL},
	[CONTROL_AREA] = VDS_COL_CONTROL_AREA(0),
	[BACKING] = VDS_COL_BACKING(0),
	[FILE_NAME] = VDS_COL_SECTION_FILE(0),
	[SIZE] = {"section.size", VDS_KIND_SIZE, 0, "Size", "bytes",
		  "SizeOfSection, or SizeOfSegment without an object", NULL},
	[PROTECTION] = {"section.protection", VDS_KIND_STR, 0, "Protection",
			NULL, "InitialPageProtection", NULL},
	[CREATOR] = {"section.creator_pid", VDS_KIND_INT, 0, "Creator", NULL,
		     "process that made a pagefile-backed section", NULL},
	[MAPPED_VIEWS] = {"section.mapped_views", VDS_KIND_INT,
			  VDS_COLUMN_WIDE, "Mapped", NULL,
			  "NumberOfMappedViews, as the control area counts",
			  NULL},
	[REFERENCES] = {"section.section_references", VDS_KIND_INT,
			VDS_COLUMN_WIDE, "Section ref", NULL,
			"NumberOfSectionReferences", NULL},
	[VIEW_COUNT] = {"section.view_count", VDS_KIND_INT, 0, "Views", NULL,
			"views of the control area in VAD trees", NULL},
	[PIDS] = {"section.pids", VDS_KIND_INTS, 0, "PIDs", NULL,
		  "processes with such views", NULL},
	[HOLDER_PID] = {"handle.pid", VDS_KIND_INT, 0, "Holder", NULL,
			"first process with a handle to the object", NULL},
	[HOLDER_HANDLE] = {"handle.value", VDS_KIND_HEX, 0, "Handle", NULL,
			   "that handle", NULL},
	[HOLDERS] = {"handle.pids", VDS_KIND_INTS, VDS_COLUMN_WIDE, "Holders",
		     NULL, "all processes with a handle to the object", NULL},
};

static const struct vds_option options[] = {
	{"name", VDS_OPTION_STR, 0, "GLOB", NULL, NULL,
	 "only sections whose object or file name matches"},
	{"unmapped", VDS_OPTION_FLAG, 0, NULL, NULL, NULL,
	 "only sections without a view in any process"},
	{"all", VDS_OPTION_FLAG, 0, NULL, NULL, NULL,
	 "also control areas that no section object leads to, but a view, "
	 "the file cache, or the tree of prototype PTE arrays"},
};

/* A view, reduced to what is counted. */
struct user {
	uint64_t control_area;
	const struct vds_section *section;
	uint32_t pid;
	bool chosen;	/* by --pid and --process */
};

struct context {
	const struct vds_process *any;
	const struct vds_sharing *sharing;
	const struct vds_section_names *names;
	struct user *users;	/* by (control area, pid) */
	size_t num_users;
	/* With --pid or --process: what the chosen hold by handle, or run. */
	bool narrowed;
	uint64_t *held;
	size_t num_held, cap_held;
	bool nomem;
};

static int compare(const void *pa, const void *pb)
{
	const struct user *a = pa, *b = pb;

	if (a->control_area != b->control_area)
		return a->control_area < b->control_area ? -1 : 1;
	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

static struct vds_error *list_users(struct vds_run *run, struct context *c)
{
	const struct vds_sharing_options how = {
		.physical = true,
		.read = VDS_SOURCES_KERNEL_VIEWS | VDS_SECTION_IN_PROTOS};
	struct vds_error *err = vds_sharing_build(run, &how, &c->sharing);
	const struct vds_sharing *sharing = c->sharing;

	if (err)
		return err;
	c->users = vds_alloc(run, sharing->num_views + 1, sizeof(*c->users));
	if (!c->users)
		return &vds_enomem;
	for (size_t i = 0; i < sharing->num_views; i++) {
		const struct vds_view *view = sharing->views[i];
		const struct vds_process *process =
			vds_process_at(run, view->process);

		if (!process || !view->section || view->section->why)
			continue;
		c->users[c->num_users++] = (struct user){
			view->section->control_area, view->section,
			process->pid, process->selected};
	}
	qsort(c->users, c->num_users, sizeof(*c->users), compare);
	return NULL;
}

static int compare_addresses(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;

	return *a < *b ? -1 : *a > *b;
}

static bool hold(struct vds_run *run, struct context *c, uint64_t object)
{
	if (c->num_held == c->cap_held) {
		size_t cap = c->cap_held ? c->cap_held * 2 : 64;
		uint64_t *held = vds_alloc(run, cap, sizeof(*held));

		if (!held) {
			c->nomem = true;
			return false;
		}
		if (c->num_held)
			memcpy(held, c->held, c->num_held * sizeof(*held));
		c->held = held;
		c->cap_held = cap;
	}
	c->held[c->num_held++] = object;
	return true;
}

struct holder {
	struct vds_run *run;
	struct context *c;
};

static bool visit_handle(void *ctx, const struct vds_open_handle *handle)
{
	const struct holder *holder = ctx;

	return !handle->type || strcmp(handle->type, "Section") ||
	       hold(holder->run, holder->c, handle->object);
}

/* The objects that a chosen process has a handle to, or was made of. */
static struct vds_error *list_held(struct vds_run *run, struct context *c)
{
	struct holder holder = {run, c};

	for (size_t i = 0; c->narrowed && i < vds_num_processes(run); i++) {
		const struct vds_process *p = vds_process_at(run, i);

		if (!p)
			return &vds_enomem;
		if (!p->selected)
			continue;
		if (p->section_object)
			hold(run, c, p->section_object);
		vds_process_handles(p, visit_handle, &holder);
	}
	if (c->num_held)
		qsort(c->held, c->num_held, sizeof(*c->held),
		      compare_addresses);
	return c->nomem ? &vds_enomem : NULL;
}

/* Index of the first user of @area or a later one. */
static size_t first_user(const struct context *c, uint64_t area)
{
	size_t low = 0, high = c->num_users;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->users[mid].control_area < area)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* At most this many process ids stand in a row. */
#define MAX_PIDS 64

static void fill_users(struct vds_run *run, const struct context *c,
		       uint64_t area, struct vds_value *row)
{
	uint64_t *pids = vds_alloc(run, MAX_PIDS, sizeof(*pids));
	size_t views = 0;
	uint32_t count = 0;
	bool truncated = false;

	for (size_t i = first_user(c, area);
	     i < c->num_users && c->users[i].control_area == area; i++) {
		views++;
		if (!pids || (count && pids[count - 1] == c->users[i].pid))
			continue;
		truncated |= count == MAX_PIDS;
		if (count < MAX_PIDS)
			pids[count++] = c->users[i].pid;
	}
	row[VIEW_COUNT] = vds_int((int64_t)views);
	if (count)
		row[PIDS] = vds_ints(pids, count, truncated);
}

static void fill_section(const struct vds_section *section,
			 struct vds_value *row)
{
	row[CONTROL_AREA] = vds_addr(section->control_area);
	if (section->why) {
		row[BACKING] = vds_absent(section->why);
		return;
	}
	row[BACKING] = vds_str(vds_backing_str(section->backing));
	row[FILE_NAME] = vds_or(section->file_name_why,
				vds_str(section->file_name));
	row[SIZE] = vds_or(section->size_why, vds_size(section->size));
	row[CREATOR] = vds_or(section->creator_why,
			      vds_int(section->creator_pid));
	row[MAPPED_VIEWS] = vds_int((int64_t)section->mapped_views);
	row[REFERENCES] = vds_int((int64_t)section->section_references);
}

/* PAGE_* of the Windows API, as SECTION.InitialPageProtection holds it. */
static const char *page_protection_str(struct vds_run *run, uint64_t bits)
{
	static const char *const words[8] = {
		"PAGE_NOACCESS", "PAGE_READONLY", "PAGE_READWRITE",
		"PAGE_WRITECOPY", "PAGE_EXECUTE", "PAGE_EXECUTE_READ",
		"PAGE_EXECUTE_READWRITE", "PAGE_EXECUTE_WRITECOPY",
	};
	const char *extra = bits & 0x200 ? "|PAGE_NOCACHE" :
			    bits & 0x400 ? "|PAGE_WRITECOMBINE" :
			    bits & 0x100 ? "|PAGE_GUARD" : "";

	for (unsigned int i = 0; i < 8; i++) {
		if ((bits & 0xff) == 1u << i)
			return vds_sprintf(run, "%s%s", words[i], extra);
	}
	return NULL;
}

static struct vds_value protection(struct vds_run *run,
				   const struct vds_section_object *o)
{
	const char *words;

	if (o->protection_why)
		return vds_absent(o->protection_why);
	words = page_protection_str(run, o->protection);
	return words ? vds_str(words) : vds_absent(VDS_BAD_DATA);
}

/* Who leads to the object, or (@found 0) to a control area without one. */
static const char *found_words(struct vds_run *run, const struct context *c,
			       uint32_t found, uint64_t area, bool views)
{
	const struct vds_seen_section *seen =
		area ? vds_sharing_section(c->sharing, area) : NULL;
	uint32_t more = seen ? seen->sources & (VDS_SOURCES_KERNEL_VIEWS |
						VDS_SECTION_IN_PROTOS) : 0;
	const char *others = more ? vds_sources_str(run, more) : NULL;
	const char *words = vds_sprintf(
		run, "%s%s%s%s%s%s",
		found & VDS_OBJECT_DIRECTORY ? " directory" : "",
		found & VDS_OBJECT_HANDLE ? " handle" : "",
		found & VDS_OBJECT_PROCESS ? " process" : "",
		views ? " view" : "", others ? " " : "", others ? others : "");

	return words && *words ? words + 1 : NULL;
}

static void fill_holders(struct vds_run *run, const struct context *c,
			 uint64_t object, struct vds_value *row)
{
	size_t count;
	const uint32_t *pids = vds_section_holders(c->names, object, &count);
	uint32_t shown = count < MAX_PIDS ? (uint32_t)count : MAX_PIDS;
	uint64_t *list = vds_alloc(run, MAX_PIDS, sizeof(*list));

	for (uint32_t i = 0; list && i < shown; i++)
		list[i] = pids[i];
	if (list && shown)
		row[HOLDERS] = vds_ints(list, shown, count > shown);
}

static bool wanted(const struct vds_run *run, const struct vds_value *row)
{
	const char *glob = vds_option_str(run, "name");

	if (vds_option_set(run, "unmapped") && row[VIEW_COUNT].i)
		return false;
	return !glob ||
	       (row[NAME].kind && vds_match(glob, row[NAME].s)) ||
	       (row[FILE_NAME].kind && vds_match(glob, row[FILE_NAME].s));
}

/* Does a process that --pid and --process leave in map it, or hold @object? */
static bool is_chosen(const struct context *c, uint64_t area, uint64_t object)
{
	if (!c->narrowed || (object && c->num_held &&
			     bsearch(&object, c->held, c->num_held,
				     sizeof(object), compare_addresses)))
		return true;
	for (size_t i = first_user(c, area);
	     i < c->num_users && c->users[i].control_area == area; i++) {
		if (c->users[i].chosen)
			return true;
	}
	return false;
}

static struct vds_error *emit_object(struct vds_run *run,
				     const struct context *c,
				     const struct vds_section_object *o)
{
	struct vds_value row[NUM_COLUMNS] = {
		[CONTROL_AREA] = vds_absent(o->control_area_why),
	};

	if (!o->control_area_why) {
		fill_section(vds_section_at(c->any, o->control_area), row);
		fill_users(run, c, o->control_area, row);
	}
	row[ID] = row[OBJECT] = vds_addr(o->object);
	row[NAME] = vds_or(o->name_why, vds_str(o->name));
	row[SIZE] = vds_or(o->size_why, vds_size(o->size));
	row[PROTECTION] = protection(run, o);
	row[FOUND] = vds_flags(found_words(run, c, o->found, o->control_area,
					   row[VIEW_COUNT].i > 0));
	if (o->found & VDS_OBJECT_HANDLE) {
		row[HOLDER_PID] = vds_int(o->pid);
		row[HOLDER_HANDLE] = vds_hex(o->handle);
		fill_holders(run, c, o->object, row);
	}
	return wanted(run, row) && is_chosen(c, o->control_area, o->object) ?
		       vds_emit(run, row) : NULL;
}

/* A control area without an object. */
static struct vds_error *emit_area(struct vds_run *run,
				   const struct context *c,
				   const struct vds_seen_section *seen)
{
	struct vds_value row[NUM_COLUMNS] = {
		[ID] = vds_addr(seen->control_area),
	};

	row[CONTROL_AREA] = vds_addr(seen->control_area);
	fill_section(seen->section, row);
	fill_users(run, c, seen->control_area, row);
	row[FOUND] = vds_flags(found_words(run, c, 0, seen->control_area,
					   row[VIEW_COUNT].i > 0));
	return wanted(run, row) && is_chosen(c, seen->control_area, 0) ?
		       vds_emit(run, row) : NULL;
}

/* Objects, and between them the control areas without one, by control area. */
static struct vds_error *emit_all(struct vds_run *run, const struct context *c,
				  const struct vds_section_object *objects,
				  size_t count)
{
	const struct vds_seen_section *seen = c->sharing->sections;
	size_t num_seen = vds_option_set(run, "all") ?
				  c->sharing->num_sections : 0;
	struct vds_error *err = NULL;
	size_t s = 0, i = 0;

	while (!err && (i < count || s < num_seen)) {
		if (i < count && (s == num_seen ||
				  objects[i].control_area <=
					  seen[s].control_area)) {
			err = emit_object(run, c, &objects[i++]);
			continue;
		}
		if (!i || objects[i - 1].control_area != seen[s].control_area)
			err = emit_area(run, c, &seen[s]);
		s++;
	}
	return err;
}

static struct vds_error *run_sections(struct vds_run *run,
				      const struct vds_process *process)
{
	struct context c = {.any = vds_process_at(run, 0),
			    .narrowed = choice_of_processes(run)};
	const struct vds_section_object *objects;
	size_t count;
	struct vds_error *err;

	(void)process;
	if (!c.any)
		return NULL;
	err = list_users(run, &c);
	if (!err)
		err = list_held(run, &c);
	if (!err)
		err = vds_section_names_load(run, &c.names);
	if (err)
		return err;
	objects = vds_section_objects(c.names, &count);
	return emit_all(run, &c, objects, count);
}

VDS_PLUGIN(sections) = {
	VDS_PLUGIN_HEADER(sections),
	.version = "1.1.0",
	.summary = "section objects: their names, sizes, holders and views",
	.record = "section",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_sections,
};
