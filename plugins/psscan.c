/* SPDX-License-Identifier: Apache-2.0 */
/*
 * psscan: processes by their pool blocks, whatever list leads to them. What the
 * lists know too is told beside it, so a row without active_links that has not
 * exited is a process that somebody hid.
 */
#include "seen.h"

#include <stdlib.h>

#include <vadose/columns.h>
#include <vadose/plugin.h>
#include <vadose/process_scan.h>
#include <vadose/record.h>

enum {
	COL_PID,
	COL_PPID,
	COL_NAME,
	COL_EPROCESS,
	COL_PA,
	COL_DTB,
	COL_START,
	COL_EXIT,
	COL_THREADS,
	COL_HIDDEN,
	COL_SOURCES,
	COL_TYPE,
	COL_IMAGE_FILE_NAME,
	COL_BLOCK,
	COL_SEEN,
	NUM_COLS = COL_SEEN + NUM_SEEN
};

#define KEY VDS_COLUMN_KEY
#define WIDE VDS_COLUMN_WIDE

static const struct vds_column columns[NUM_COLS] = {
	[COL_PID] = VDS_COL_PID(0),
	[COL_PPID] = {"process.ppid", VDS_KIND_INT, 0, "PPID", NULL, "ID of the process that created it, which may be gone", "process.parent.pid"},
	[COL_NAME] = {"process.name", VDS_KIND_STR, 0, "Name", NULL, "file name; of processes that no list leads to, EPROCESS.ImageFileName", "process.name"},
	[COL_EPROCESS] = {"process.eprocess", VDS_KIND_ADDR, 0, "EPROCESS", NULL, "virtual address of the EPROCESS, where anything tells it", NULL},
	[COL_PA] = {"process.eprocess_pa", VDS_KIND_ADDR, KEY, "Physical", NULL, "physical address of the EPROCESS", NULL},
	[COL_DTB] = {"process.dtb", VDS_KIND_ADDR, WIDE, "DTB", NULL, "physical address of its page tables", NULL},
	[COL_START] = {"process.start", VDS_KIND_TIME, KEY, "Started", NULL, "when it was created", "process.start"},
	[COL_EXIT] = {"process.exit", VDS_KIND_TIME, 0, "Exited", NULL, "when it ended", "process.end"},
	[COL_THREADS] = {"process.threads", VDS_KIND_INT, WIDE, "Threads", NULL, "active threads", "process.thread.count"},
	[COL_HIDDEN] = {"process.hidden", VDS_KIND_BOOL, 0, "Hidden", NULL, "it has not exited, but the list of active processes, which is whole, doesn't hold it", NULL},
	[COL_SOURCES] = {"process.sources", VDS_KIND_FLAGS, 0, "Sources", NULL, "which structures lead to it, all of them with --crossview; here always pool", NULL},
	[COL_TYPE] = {"scan.type", VDS_KIND_STR, WIDE, "Type", NULL, "the object header's type index: verified, likely (its address is unknown), unknown", NULL},
	[COL_IMAGE_FILE_NAME] = {"process.image_file_name", VDS_KIND_STR, WIDE, "ImageFileName", NULL, "the name in the EPROCESS, cut at 14 characters", NULL},
	[COL_BLOCK] = {"scan.block", VDS_KIND_ADDR, WIDE, "Block", NULL, "physical address of the POOL_HEADER", NULL},
	SEEN_COLUMNS(COL_SEEN),
};

static const struct vds_option options[] = {
	SEEN_OPTION,
};

static const char *type_str(enum vds_type_check type)
{
	switch (type) {
	case VDS_TYPE_UNKNOWN:
		return "unknown";
	case VDS_TYPE_LIKELY:
		return "likely";
	case VDS_TYPE_VERIFIED:
		return "verified";
	}
	return NULL;
}

static void fill_scanned(const struct vds_scanned_process *s,
			 struct vds_value *v)
{
	v[COL_PID] = vds_int(s->pid);
	v[COL_PPID] = vds_or(s->ppid_why, vds_int(s->ppid));
	v[COL_EPROCESS] = vds_or(s->eprocess_why, vds_addr(s->eprocess));
	v[COL_PA] = vds_addr(s->pa);
	v[COL_DTB] = vds_or(s->dtb_why, vds_addr(s->dtb));
	v[COL_START] = vds_or(s->create_why, vds_time(s->create_time));
	v[COL_EXIT] = vds_or(s->exit_why, vds_time(s->exit_time));
	v[COL_THREADS] = vds_or(s->threads_why, vds_int(s->threads));
	v[COL_TYPE] = vds_str(type_str(s->type));
	v[COL_IMAGE_FILE_NAME] = vds_or(s->image_file_name_why,
					vds_str(s->image_file_name));
	v[COL_BLOCK] = vds_addr(s->block);
}

/*
 * PRESENT if the list of active processes, from one that is in it, comes back
 * to it. If it breaks off, who is behind the break is not hidden, but unknown.
 */
static enum vds_why list_state(struct vds_run *run)
{
	struct vds_member_info links;
	uint64_t entry;

	if (!vds_type_member_find(vds_type_find(run, "_EPROCESS"),
				  "ActiveProcessLinks", &links))
		return VDS_NO_FIELD;
	for (size_t i = 0; i < vds_num_processes(run); i++) {
		const struct vds_process *p = vds_process_at(run, i);

		if (!p || !(p->sources & VDS_SOURCE_ACTIVE_LINKS))
			continue;
		struct vds_list_iter *list = vds_list_iterate(
			run, NULL, p->eprocess + links.offset, 0);
		while (vds_list_next(list, &entry))
			;
		return vds_list_why(list);
	}
	return VDS_NOT_MAPPED;
}

/* What the kernel's own structures say about it: @known may be NULL. */
static void fill_known(struct vds_run *run,
		       const struct vds_scanned_process *s,
		       const struct vds_process *known, enum vds_why list,
		       struct vds_value *v)
{
	const uint32_t active = VDS_SOURCE_ACTIVE_LINKS |
				VDS_SOURCE_ACTIVE_BLINKS;
	uint32_t sources = known ? known->sources : 0;

	v[COL_NAME] = known && known->name ? vds_str(known->name) :
					     v[COL_IMAGE_FILE_NAME];
	/* Without an exit time it is not known whether it has ended. */
	v[COL_HIDDEN] = vds_or(s->exit_why, vds_bool(!s->exit_time &&
						     !(sources & active)));
	if (v[COL_HIDDEN].kind && v[COL_HIDDEN].u && list)
		v[COL_HIDDEN] = vds_absent(list);
	v[COL_SOURCES] = vds_flags(vds_process_sources_str(
		run, sources | VDS_SOURCE_POOL));
}

/* --pid and --process choose among the processes of the table. */
static bool any_selected_only(struct vds_run *run)
{
	for (size_t i = 0; i < vds_num_processes(run); i++) {
		const struct vds_process *p = vds_process_at(run, i);
		if (p && !p->selected)
			return true;
	}
	return false;
}

/* One run; @view only with --crossview. */
struct context {
	bool choose;		/* --pid or --process was given */
	enum vds_why list;	/* list_state() */
	const struct vds_crossview *view;
};

static struct vds_error *emit(struct vds_run *run, const struct context *c,
			      const struct vds_scanned_process *s,
			      const struct vds_seen_process *seen)
{
	const struct vds_process *known = s->index == SIZE_MAX ?
		NULL : vds_process_at(run, s->index);
	struct vds_value v[NUM_COLS] = {0};

	if (c->choose && !(known && known->selected))
		return NULL;
	fill_scanned(s, v);
	fill_known(run, s, known, c->list, v);
	if (seen) {
		v[COL_SOURCES] = vds_flags(
			vds_process_sources_str(run, seen->sources));
		seen_fill(c->view, seen, v + COL_SEEN);
	}
	return vds_emit(run, v);
}

static int compare(const void *pa, const void *pb)
{
	const struct vds_seen_process *a = *(const void *const *)pa;
	const struct vds_seen_process *b = *(const void *const *)pb;

	return a->scanned->pa < b->scanned->pa ? -1 :
						 a->scanned->pa > b->scanned->pa;
}

/* All sources, but only what the scan saw, and in its order. */
static struct vds_error *run_crossview(struct vds_run *run, struct context *c)
{
	struct vds_crossview view;
	struct vds_error *err = vds_process_crossview(run, &view);
	const struct vds_seen_process **list;
	size_t count = 0;

	if (err)
		return err;
	list = vds_alloc(run, view.count + 1, sizeof(*list));
	if (!list)
		return &vds_enomem;
	for (size_t i = 0; i < view.count; i++) {
		if (view.list[i].scanned)
			list[count++] = &view.list[i];
	}
	qsort(list, count, sizeof(*list), compare);
	c->view = &view;
	for (size_t i = 0; !err && i < count; i++)
		err = emit(run, c, list[i]->scanned, list[i]);
	return err;
}

static struct vds_error *run_psscan(struct vds_run *run,
				    const struct vds_process *unused)
{
	struct context c = {.choose = any_selected_only(run),
			    .list = list_state(run)};
	const struct vds_scanned_process *list;
	size_t count;
	struct vds_error *err;

	(void)unused;
	if (vds_option_set(run, "crossview"))
		return run_crossview(run, &c);
	err = vds_process_scan(run, &list, &count);
	for (size_t i = 0; !err && i < count; i++)
		err = emit(run, &c, &list[i], NULL);
	return err;
}

VDS_PLUGIN(psscan) = {
	VDS_PLUGIN_HEADER(psscan),
	.version = "1.1.0",
	.summary = "processes by a scan of physical memory for their pool blocks",
	.record = "process",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_psscan,
};
