/* SPDX-License-Identifier: Apache-2.0 */
/* Processes, from every list that leads to them. */
#include "seen.h"

#include <vadose/columns.h>
#include <vadose/plugin.h>
#include <vadose/record.h>

enum {
	PID,
	PPID,
	NAME,
	PATH,
	EPROCESS,
	DTB,
	START,
	EXIT,
	SESSION,
	WOW64,
	THREADS,
	KIND,
	EXITED,
	SOURCES,
	NAME_SOURCE,
	IMAGE_FILE_NAME,
	USER_DTB,
	PEB,
	IMAGE_BASE,
	OBJECT_TABLE,
	VAD_ROOT,
	VAD_COUNT,
	SEEN,
	NUM_COLUMNS = SEEN + NUM_SEEN
};

static const struct vds_column columns[] = {
	[PID] = VDS_COL_PID(VDS_COLUMN_KEY),
	[PPID] = {"process.ppid", VDS_KIND_INT, 0, "PPID", NULL,
		  "ID of the process that created it, which may be gone",
		  "process.parent.pid"},
	[NAME] = {"process.name", VDS_KIND_STR, 0, "Name", NULL,
		  "file name, from the most trusted source (name_source)",
		  "process.name"},
	[PATH] = {"process.path", VDS_KIND_STR, VDS_COLUMN_WIDE, "Path", NULL,
		  "full NT path of the image file", "process.executable"},
	[EPROCESS] = VDS_COL_EPROCESS(VDS_COLUMN_KEY),
	[DTB] = {"process.dtb", VDS_KIND_ADDR, 0, "DTB", NULL,
		 "physical address of its page tables", NULL},
	[START] = {"process.start", VDS_KIND_TIME, VDS_COLUMN_KEY, "Started",
		   NULL, "when it was created", "process.start"},
	[EXIT] = {"process.exit", VDS_KIND_TIME, 0, "Exited", NULL,
		  "when it ended", "process.end"},
	[SESSION] = {"process.session", VDS_KIND_INT, 0, "Session", NULL,
		     "Windows session", NULL},
	[WOW64] = {"process.wow64", VDS_KIND_BOOL, 0, "WoW64", NULL,
		   "32-bit process on 64-bit Windows", NULL},
	[THREADS] = {"process.threads", VDS_KIND_INT, 0, "Threads", NULL,
		     "active threads", "process.thread.count"},
	[KIND] = {"process.kind", VDS_KIND_STR, VDS_COLUMN_WIDE, "Kind", NULL,
		  "normal, system, minimal, pico", NULL},
	[EXITED] = {"process.exited", VDS_KIND_BOOL, VDS_COLUMN_WIDE, "Gone",
		    NULL, "it has ended, only its object is left", NULL},
	[SOURCES] = {"process.sources", VDS_KIND_FLAGS, 0, "Sources", NULL,
		     "which structures lead to it; a process without "
		     "active_links and active_blinks is hidden from the list",
		     NULL},
	[NAME_SOURCE] = {"process.name_source", VDS_KIND_STR, VDS_COLUMN_WIDE,
			 "Name from", NULL, "where the name comes from", NULL},
	[IMAGE_FILE_NAME] = {"process.image_file_name", VDS_KIND_STR,
			     VDS_COLUMN_WIDE, "ImageFileName", NULL,
			     "the name in the EPROCESS, cut at 14 characters; "
			     "one that isn't the file's own is a finding",
			     NULL},
	[USER_DTB] = {"process.user_dtb", VDS_KIND_ADDR, VDS_COLUMN_WIDE,
		      "User DTB", NULL, "page tables of user mode (KVA shadow)",
		      NULL},
	[PEB] = {"process.peb", VDS_KIND_ADDR, VDS_COLUMN_WIDE, "PEB", NULL,
		 "process environment block", NULL},
	[IMAGE_BASE] = {"process.image_base", VDS_KIND_ADDR, VDS_COLUMN_WIDE,
			"Image", NULL, "where its image is mapped", NULL},
	[OBJECT_TABLE] = {"process.object_table", VDS_KIND_ADDR,
			  VDS_COLUMN_WIDE, "Handles", NULL,
			  "address of its HANDLE_TABLE", NULL},
	[VAD_ROOT] = {"process.vad_root", VDS_KIND_ADDR, VDS_COLUMN_WIDE,
		      "VAD root", NULL, "root of its VAD tree", NULL},
	[VAD_COUNT] = {"process.vad_count", VDS_KIND_INT, VDS_COLUMN_WIDE,
		       "VADs", NULL, "number of VADs, as EPROCESS states it",
		       NULL},
	SEEN_COLUMNS(SEEN),
};

static const struct vds_option options[] = {
	SEEN_OPTION,
};

static const char *kind_str(enum vds_process_kind kind)
{
	switch (kind) {
	case VDS_PROCESS_NORMAL:
		return "normal";
	case VDS_PROCESS_SYSTEM:
		return "system";
	case VDS_PROCESS_MINIMAL:
		return "minimal";
	case VDS_PROCESS_PICO:
		return "pico";
	case VDS_PROCESS_IDLE:
		return "idle";
	}
	return NULL;
}

static const char *name_source_str(enum vds_name_source source)
{
	switch (source) {
	case VDS_NAME_NONE:
		return NULL;
	case VDS_NAME_IMAGE_FILE_POINTER:
		return "image_file";
	case VDS_NAME_SECTION:
		return "section";
	case VDS_NAME_AUDIT:
		return "audit";
	case VDS_NAME_IMAGE_FILE_NAME:
		return "image_file_name";
	case VDS_NAME_PEB:
		return "peb";
	}
	return NULL;
}

/* Pointers of which 0 means that there is none. */
static struct vds_value pointer(uint64_t va)
{
	return va ? vds_addr(va) : vds_absent(VDS_NOT_APPLICABLE);
}

static void fill(const struct vds_process *p, struct vds_value *v)
{
	v[PID] = vds_int(p->pid);
	v[PPID] = vds_int(p->ppid);
	v[NAME] = vds_or(p->name_why, vds_str(p->name));
	v[PATH] = vds_or(p->path_why, vds_str(p->path));
	v[EPROCESS] = vds_addr(p->eprocess);
	v[DTB] = vds_addr(p->dtb);
	v[START] = vds_time(p->create_time);
	v[EXIT] = vds_time(p->exit_time);
	v[SESSION] = vds_or(p->session_why, vds_int(p->session));
	v[WOW64] = vds_bool(p->wow64);
	v[THREADS] = vds_int(p->threads);
	v[KIND] = vds_str(kind_str(p->kind));
	v[EXITED] = vds_bool(p->exited);
	v[NAME_SOURCE] = vds_str(name_source_str(p->name_source));
	v[IMAGE_FILE_NAME] = vds_or(p->image_file_name_why,
				    vds_str(p->image_file_name));
	v[USER_DTB] = pointer(p->user_dtb);
	v[PEB] = pointer(p->peb);
	v[IMAGE_BASE] = pointer(p->image_base);
	v[OBJECT_TABLE] = pointer(p->object_table);
	v[VAD_ROOT] = pointer(p->vad_root);
	v[VAD_COUNT] = vds_or(p->vad_count_why, vds_int((int64_t)p->vad_count));
}

/* A process that is not in the table, as far as the scan saw it. */
static void fill_scanned(const struct vds_scanned_process *s,
			 struct vds_value *v)
{
	v[PID] = vds_int(s->pid);
	v[PPID] = vds_or(s->ppid_why, vds_int(s->ppid));
	v[NAME] = vds_or(s->image_file_name_why, vds_str(s->image_file_name));
	v[IMAGE_FILE_NAME] = v[NAME];
	v[EPROCESS] = vds_or(s->eprocess_why, vds_addr(s->eprocess));
	v[DTB] = vds_or(s->dtb_why, vds_addr(s->dtb));
	v[START] = vds_or(s->create_why, vds_time(s->create_time));
	v[EXIT] = vds_or(s->exit_why, vds_time(s->exit_time));
	v[THREADS] = vds_or(s->threads_why, vds_int(s->threads));
	v[NAME_SOURCE] = vds_str(name_source_str(VDS_NAME_IMAGE_FILE_NAME));
}

/* One that only pointers lead to. */
static void fill_pointer(struct vds_run *run, uint64_t eprocess,
			 struct vds_value *v)
{
	uint64_t pid = 0;
	enum vds_why why = vds_kernel_member(run, eprocess,
					     vds_type_find(run, "_EPROCESS"),
					     "UniqueProcessId", &pid);

	v[PID] = vds_or(why, vds_int((int64_t)(pid & INT32_MAX)));
	v[EPROCESS] = vds_addr(eprocess);
}

static struct vds_error *run_crossview(struct vds_run *run, bool choose)
{
	struct vds_crossview view;
	struct vds_error *err = vds_process_crossview(run, &view);

	for (size_t i = 0; !err && i < view.count; i++) {
		const struct vds_seen_process *seen = &view.list[i];
		const struct vds_process *p = seen->index == SIZE_MAX ? NULL :
			vds_process_at(run, seen->index);
		struct vds_value v[NUM_COLUMNS] = {0};

		if (choose && !(p && p->selected))
			continue;
		if (p)
			fill(p, v);
		else if (seen->scanned)
			fill_scanned(seen->scanned, v);
		else
			fill_pointer(run, seen->eprocess, v);
		v[SOURCES] = vds_flags(
			vds_process_sources_str(run, seen->sources));
		seen_fill(&view, seen, v + SEEN);
		err = vds_emit(run, v);
	}
	return err;
}

static struct vds_error *run_list(struct vds_run *run)
{
	for (size_t i = 0; i < vds_num_processes(run); i++) {
		const struct vds_process *p = vds_process_at(run, i);
		struct vds_value v[NUM_COLUMNS] = {0};

		if (!p)
			return vds_error_create(VDS_ERROR_NOMEM,
						"out of memory");
		if (!p->selected)
			continue;
		fill(p, v);
		v[SOURCES] = vds_flags(
			vds_process_sources_str(run, p->sources));
		struct vds_error *err = vds_emit(run, v);
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *run(struct vds_run *run,
			     const struct vds_process *unused)
{
	bool choose = false;

	(void)unused;
	if (!vds_option_set(run, "crossview"))
		return run_list(run);
	for (size_t i = 0; i < vds_num_processes(run); i++) {
		const struct vds_process *p = vds_process_at(run, i);
		choose |= p && !p->selected;
	}
	return run_crossview(run, choose);
}

VDS_PLUGIN(pslist) = {
	VDS_PLUGIN_HEADER(pslist),
	.version = "1.2.0",
	.summary = "processes, from every kernel list that leads to them",
	.record = "process",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run,
};
