/* SPDX-License-Identifier: Apache-2.0 */
/* Processes, from every list that leads to them. */
#include <vadose/plugin.h>

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
	NUM_COLUMNS
};

static const struct vds_column columns[] = {
	[PID] = {"process.pid", VDS_KIND_INT, VDS_COLUMN_KEY, "PID", NULL,
		 "process ID", "process.pid"},
	[PPID] = {"process.ppid", VDS_KIND_INT, 0, "PPID", NULL,
		  "ID of the process that created it, which may be gone",
		  "process.parent.pid"},
	[NAME] = {"process.name", VDS_KIND_STR, 0, "Name", NULL,
		  "file name, from the most trusted source (name_source)",
		  "process.name"},
	[PATH] = {"process.path", VDS_KIND_STR, VDS_COLUMN_WIDE, "Path", NULL,
		  "full NT path of the image file", "process.executable"},
	[EPROCESS] = {"process.eprocess", VDS_KIND_ADDR, VDS_COLUMN_KEY,
		      "EPROCESS", NULL, "address of the EPROCESS", NULL},
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

static const char *sources_str(struct vds_run *run, uint32_t sources)
{
	static const char *const words[] = {
		"active_links", "active_blinks", "kernel_list", "mm_list",
		"session", "cid_table", "handle_tables", "threads", "views",
		"pool", "initial",
	};
	const char *list = "";

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!(sources & 1u << i))
			continue;
		list = *list ? vds_sprintf(run, "%s %s", list, words[i]) :
			       words[i];
		if (!list)
			return NULL;
	}
	return list;
}

/* Pointers of which 0 means that there is none. */
static struct vds_value pointer(uint64_t va)
{
	return va ? vds_addr(va) : vds_absent(VDS_NOT_APPLICABLE);
}

static struct vds_error *run(struct vds_run *run,
			     const struct vds_process *p)
{
	return vds_emit(run, (struct vds_value[NUM_COLUMNS]){
		[PID] = vds_int(p->pid),
		[PPID] = vds_int(p->ppid),
		[NAME] = vds_or(p->name_why, vds_str(p->name)),
		[PATH] = vds_or(p->path_why, vds_str(p->path)),
		[EPROCESS] = vds_addr(p->eprocess),
		[DTB] = vds_addr(p->dtb),
		[START] = vds_time(p->create_time),
		[EXIT] = vds_time(p->exit_time),
		[SESSION] = vds_or(p->session_why, vds_int(p->session)),
		[WOW64] = vds_bool(p->wow64),
		[THREADS] = vds_int(p->threads),
		[KIND] = vds_str(kind_str(p->kind)),
		[EXITED] = vds_bool(p->exited),
		[SOURCES] = vds_flags(sources_str(run, p->sources)),
		[NAME_SOURCE] = vds_str(name_source_str(p->name_source)),
		[IMAGE_FILE_NAME] = vds_or(p->image_file_name_why,
					   vds_str(p->image_file_name)),
		[USER_DTB] = pointer(p->user_dtb),
		[PEB] = pointer(p->peb),
		[IMAGE_BASE] = pointer(p->image_base),
		[OBJECT_TABLE] = pointer(p->object_table),
		[VAD_ROOT] = pointer(p->vad_root),
		[VAD_COUNT] = vds_or(p->vad_count_why,
				     vds_int((int64_t)p->vad_count)),
	});
}

VDS_PLUGIN(pslist) = {
	VDS_PLUGIN_HEADER(pslist),
	.version = "1.0.0",
	.summary = "processes, from every kernel list that leads to them",
	.record = "process",
	.scope = VDS_PER_PROCESS,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.run = run,
};
