/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memusage: physical memory by owner (section, process, page tables, system)
 * and by the list that its pages are on: a sweep of the PFN database. The same
 * pages may be added up by file, by process or by list; the sum is always that
 * of physical memory.
 */
#include "choice.h"

#include <stdlib.h>
#include <string.h>

#include <vadose/columns.h>
#include <vadose/pfn.h>
#include <vadose/plugin.h>
#include <vadose/record.h>
#include <vadose/section.h>

#define PAGE 4096
#define NUM_LISTS 8

enum {
	COL_OWNER,
	COL_CA,
	COL_BACKING,
	COL_FILE,
	COL_PID,
	COL_PROCESS,
	COL_EPROCESS,
	COL_SIZE,
	COL_ACTIVE,
	COL_SHARED,
	COL_STANDBY,
	COL_MODIFIED,
	COL_NO_WRITE,
	COL_TRANSITION,
	COL_FREE,
	COL_ZEROED,
	COL_BAD,
	COL_LIST,
	NUM_COLS,
};

static const struct vds_column columns[NUM_COLS] = {
	[COL_OWNER] = {"owner.kind", VDS_KIND_STR, VDS_COLUMN_KEY, "Owner", NULL, "section, process, page-table, system, none or unknown; no-entry: pages of the image whose entry in the PFN database can't be had. All sizes add up to physical memory", NULL},
	[COL_CA] = {"section.control_area", VDS_KIND_ADDR, VDS_COLUMN_KEY, "Control area", NULL, "section that owns the pages", NULL},
	[COL_BACKING] = VDS_COL_BACKING(0),
	[COL_FILE] = VDS_COL_SECTION_FILE(VDS_COLUMN_KEY),
	[COL_PID] = {"process.pid", VDS_KIND_INT, 0, "PID", NULL, "process that owns the pages", "process.pid"},
	[COL_PROCESS] = VDS_COL_PROCESS(0),
	[COL_EPROCESS] = VDS_COL_EPROCESS(VDS_COLUMN_KEY | VDS_COLUMN_WIDE),
	[COL_SIZE] = {"memory.size", VDS_KIND_SIZE, 0, "Size", "bytes", "of all its pages in physical memory", NULL},
	[COL_ACTIVE] = {"memory.active", VDS_KIND_SIZE, 0, "Active", "bytes", "in a working set, or locked", NULL},
	[COL_SHARED] = {"memory.shared", VDS_KIND_SIZE, 0, "Shared", "bytes", "active and mapped by more than one PTE", NULL},
	[COL_STANDBY] = {"memory.standby", VDS_KIND_SIZE, 0, "Standby", "bytes", "unchanged and reusable, still with its content", NULL},
	[COL_MODIFIED] = {"memory.modified", VDS_KIND_SIZE, 0, "Modified", "bytes", "waiting to be written", NULL},
	[COL_NO_WRITE] = {"memory.modified_no_write", VDS_KIND_SIZE, VDS_COLUMN_WIDE, "No write", "bytes", "modified, and held back", NULL},
	[COL_TRANSITION] = {"memory.transition", VDS_KIND_SIZE, 0, "Transition", "bytes", "between lists, with input or output under way", NULL},
	[COL_FREE] = {"memory.free", VDS_KIND_SIZE, VDS_COLUMN_WIDE, "Free", "bytes", "free, with old content", NULL},
	[COL_ZEROED] = {"memory.zeroed", VDS_KIND_SIZE, VDS_COLUMN_WIDE, "Zeroed", "bytes", "free and zeroed", NULL},
	[COL_BAD] = {"memory.bad", VDS_KIND_SIZE, VDS_COLUMN_WIDE, "Bad", "bytes", "not to be used", NULL},
	[COL_LIST] = {"memory.list", VDS_KIND_STR, VDS_COLUMN_KEY, "List", NULL, "with --by list: active, or the list that the pages are on", NULL},
};

static const struct vds_option options[] = {
	{"owner", VDS_OPTION_ENUM, 0, "KIND", NULL, "section|process|page-table|system|none|unknown|no-entry", "only this kind of owner"},
	{"by", VDS_OPTION_ENUM, 0, "WHAT", "section", "section|file|process|list", "a row per section and process; per file, whatever its sections; per process, with its page tables; or per list"},
};

/* Pages of one owner. */
struct tally {
	uint64_t kind, id;	/* id: control area, or process index + 1 */
	uint64_t lists[NUM_LISTS];
	uint64_t shared;
	uint64_t in_image;	/* of them, those that the image has */
	const char *file;	/* --by file: instead of a control area */
};

struct tallies {
	struct tally *list;
	size_t count, cap;
};

struct context {
	const struct vds_pfn_index *index;
	const struct vds_frame_range *ranges;
	struct tallies *found;	/* one per range, each in its run's memory */
};

static int compare(const void *pa, const void *pb)
{
	const struct tally *a = pa, *b = pb;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->file || b->file)
		return !a->file ? -1 : !b->file ? 1 : strcmp(a->file, b->file);
	return a->id < b->id ? -1 : a->id > b->id;
}

/* Sorts, and adds up those of one owner. */
static void merge(struct tallies *t)
{
	size_t kept = 0;
	if (t->count)
		qsort(t->list, t->count, sizeof(*t->list), compare);
	for (size_t i = 0; i < t->count; i++) {
		struct tally *last = kept ? &t->list[kept - 1] : NULL;
		if (!last || compare(last, &t->list[i])) {
			t->list[kept++] = t->list[i];
			continue;
		}
		for (size_t k = 0; k < NUM_LISTS; k++)
			last->lists[k] += t->list[i].lists[k];
		last->shared += t->list[i].shared;
		last->in_image += t->list[i].in_image;
	}
	t->count = kept;
}

static struct tally *find(struct tallies *t, uint64_t kind, uint64_t id)
{
	struct tally *last = t->count ? &t->list[t->count - 1] : NULL;
	if (last && last->kind == kind && last->id == id)
		return last;
	if (t->count == t->cap) {
		/* Adding up first keeps the list as short as there are owners. */
		merge(t);
		if (t->count > t->cap / 2) {
			size_t cap = t->cap * 2;
			struct tally *list =
				realloc(t->list, cap * sizeof(*list));
			if (!list)
				return NULL;
			t->list = list;
			t->cap = cap;
		}
	}
	t->list[t->count] = (struct tally){.kind = kind, .id = id};
	return &t->list[t->count++];
}

static bool count_frame(struct vds_run *run, const struct context *c,
			struct tallies *t, uint64_t frame)
{
	const struct vds_process *any = vds_process_at(run, 0);
	struct vds_page_owner owner;
	struct vds_pfn pfn;
	uint64_t id = 0;
	if (!any)
		return false;
	if (vds_pfn_at(any, frame, &pfn))
		return true;
	vds_pfn_owner(run, c->index, &pfn, &owner);
	if (owner.kind == VDS_OWNER_SECTION)
		id = owner.control_area;
	else if (owner.has_process)
		id = owner.process + 1;
	struct tally *tally = find(t, owner.kind, id);
	if (!tally)
		return false;
	tally->lists[pfn.list]++;
	tally->in_image += vds_physical_has(run, frame * PAGE);
	tally->shared += pfn.list == VDS_LIST_ACTIVE && pfn.share_count > 1;
	return true;
}

static struct vds_error *sweep(struct vds_run *run, size_t index, void *ctx)
{
	struct context *c = ctx;
	const struct vds_frame_range *range = &c->ranges[index];
	struct tallies t = {.cap = 1024};
	bool ok;
	t.list = malloc(t.cap * sizeof(*t.list));
	ok = t.list != NULL;
	for (uint64_t i = 0; ok && i < range->count; i++)
		ok = count_frame(run, c, &t, range->first + i);
	if (ok) {
		merge(&t);
		struct tallies *kept = &c->found[index];
		kept->list = vds_alloc(run, t.count + 1, sizeof(*t.list));
		ok = kept->list != NULL;
		if (ok)
			memcpy(kept->list, t.list, t.count * sizeof(*t.list));
		kept->count = t.count;
	}
	free(t.list);
	return ok ? NULL : &vds_enomem;
}

static struct vds_value pages(uint64_t count)
{
	return vds_size(count * PAGE);
}

static void fill_section(const struct vds_process *any, uint64_t area,
			 struct vds_value *v)
{
	const struct vds_section *s = vds_section_at(any, area);
	v[COL_CA] = vds_addr(area);
	if (!s || s->why)
		return;
	v[COL_BACKING] = vds_str(vds_backing_str(s->backing));
	v[COL_FILE] = s->file_name ? vds_str(s->file_name) :
				     vds_absent(s->file_name_why);
}

/* Counts as wanted: by owner, whose sections may be one, by file, or none. */
static void regroup(const struct vds_process *any, const char *by,
		    struct tallies *all)
{
	bool file = !strcmp(by, "file"), process = !strcmp(by, "process");
	for (size_t i = 0; i < all->count; i++) {
		struct tally *t = &all->list[i];
		const struct vds_section *s =
			file && t->kind == VDS_OWNER_SECTION && t->id ?
				vds_section_at(any, t->id) : NULL;
		if (s && !s->why)
			t->file = s->file_name;
		/* Of what has no file, all sections or processes are one. */
		if ((file && !t->file) ||
		    (process && t->kind == VDS_OWNER_SECTION))
			t->id = 0;
		if (process && t->kind == VDS_OWNER_PAGE_TABLE && t->id)
			t->kind = VDS_OWNER_PROCESS;
	}
	merge(all);
}

static bool is_wanted(const struct vds_run *run, const struct tally *t)
{
	const char *wanted = vds_option_str(run, "owner");
	return !wanted || !strcmp(wanted, vds_owner_kind_str(
					(enum vds_owner_kind)t->kind));
}

static struct vds_error *emit_lists(struct vds_run *run,
				    const struct tallies *all)
{
	struct vds_error *err = NULL;
	for (size_t k = 0; !err && k < NUM_LISTS; k++) {
		uint64_t total = 0;
		for (size_t i = 0; i < all->count; i++)
			total += is_wanted(run, &all->list[i]) ?
					 all->list[i].lists[k] : 0;
		err = vds_emit(run, (struct vds_value[NUM_COLS]){
			[COL_SIZE] = pages(total),
			[COL_LIST] = vds_str(vds_page_list_str(
				(enum vds_page_list)k)),
		});
	}
	return err;
}

static struct vds_error *emit(struct vds_run *run, const struct tally *t)
{
	static const int lists[NUM_LISTS] = {
		[VDS_LIST_ZEROED] = COL_ZEROED, [VDS_LIST_FREE] = COL_FREE,
		[VDS_LIST_STANDBY] = COL_STANDBY,
		[VDS_LIST_MODIFIED] = COL_MODIFIED,
		[VDS_LIST_MODIFIED_NO_WRITE] = COL_NO_WRITE,
		[VDS_LIST_BAD] = COL_BAD, [VDS_LIST_ACTIVE] = COL_ACTIVE,
		[VDS_LIST_TRANSITION] = COL_TRANSITION,
	};
	struct vds_value v[NUM_COLS] = {0};
	uint64_t total = 0;
	if (!is_wanted(run, t))
		return NULL;
	v[COL_OWNER] = vds_str(vds_owner_kind_str(
		(enum vds_owner_kind)t->kind));
	const struct vds_process *any = vds_process_at(run, 0);
	if (t->file)
		v[COL_FILE] = vds_str(t->file);
	else if (any && t->kind == VDS_OWNER_SECTION && t->id)
		fill_section(any, t->id, v);
	if (t->kind != VDS_OWNER_SECTION && t->id) {
		const struct vds_process *p =
			vds_process_at(run, (size_t)t->id - 1);
		if (!p)
			return &vds_enomem;
		v[COL_PID] = vds_int(p->pid);
		v[COL_PROCESS] = p->name ? vds_str(p->name) :
					   vds_absent(p->name_why);
		v[COL_EPROCESS] = vds_addr(p->eprocess);
	}
	for (size_t i = 0; i < NUM_LISTS; i++) {
		v[lists[i]] = pages(t->lists[i]);
		total += t->lists[i];
	}
	v[COL_SHARED] = pages(t->shared);
	v[COL_SIZE] = pages(total);
	return vds_emit(run, v);
}

/* Pages of the image that the PFN database says nothing of: the rest. */
static struct vds_error *emit_rest(struct vds_run *run,
				   const struct tallies *all)
{
	const char *wanted = vds_option_str(run, "owner");
	uint64_t total = vds_physical_size(run) / PAGE;
	for (size_t i = 0; i < all->count; i++)
		total -= all->list[i].in_image < total ?
				 all->list[i].in_image : total;
	if (!total || (wanted && strcmp(wanted, "no-entry")) ||
	    choice_of_processes(run))
		return NULL;
	return vds_emit(run, (struct vds_value[NUM_COLS]){
		[COL_OWNER] = vds_str("no-entry"),
		[COL_SIZE] = pages(total),
	});
}

/* Leaves what belongs to the processes that --pid and --process chose. */
static void leave_chosen(struct vds_run *run, struct tallies *all)
{
	size_t kept = 0;
	for (size_t i = 0; i < all->count; i++) {
		const struct tally *t = &all->list[i];
		const struct vds_process *p =
			t->kind != VDS_OWNER_SECTION && t->id ?
				vds_process_at(run, (size_t)t->id - 1) : NULL;
		if (p && p->selected)
			all->list[kept++] = *t;
	}
	all->count = kept;
}

static struct vds_error *report(struct vds_run *run, const struct context *c,
				size_t count)
{
	const char *by = vds_option_str(run, "by");
	struct tallies all = {0};
	for (size_t i = 0; i < count; i++)
		all.cap += c->found[i].count;
	all.list = vds_alloc(run, all.cap + 1, sizeof(*all.list));
	if (!all.list)
		return &vds_enomem;
	for (size_t i = 0; i < count; i++) {
		memcpy(all.list + all.count, c->found[i].list,
		       c->found[i].count * sizeof(*all.list));
		all.count += c->found[i].count;
	}
	merge(&all);
	if (choice_of_processes(run))
		leave_chosen(run, &all);
	if (!strcmp(by, "list")) {
		struct vds_error *err = emit_lists(run, &all);
		return err ? err : emit_rest(run, &all);
	}
	regroup(vds_process_at(run, 0), by, &all);
	for (size_t i = 0; i < all.count; i++) {
		struct vds_error *err = emit(run, &all.list[i]);
		if (err)
			return err;
	}
	return emit_rest(run, &all);
}

static struct vds_error *run_memusage(struct vds_run *run,
				      const struct vds_process *process)
{
	struct context c = {0};
	enum vds_why why;
	size_t count;
	(void)process;
	struct vds_error *err = vds_pfn_ranges(run, &c.ranges, &count, &why);
	if (err)
		return err;
	if (why) {
		vds_run_note(run, "no_pfn_database", 0,
			     "the PFN database: %s", vds_why_str(why));
		return NULL;
	}
	c.found = vds_alloc(run, count + 1, sizeof(*c.found));
	if (!c.found)
		return &vds_enomem;
	err = vds_pfn_index_load(run, &c.index);
	if (!err)
		err = vds_parallel(run, count, sweep, &c);
	if (!err)
		err = report(run, &c, count);
	return err;
}

VDS_PLUGIN(memusage) = {
	VDS_PLUGIN_HEADER(memusage),
	.version = "1.0.0",
	.summary = "physical memory by owner and list, by the PFN database",
	.record = "memory_usage",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_memusage,
};
