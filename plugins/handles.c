/* SPDX-License-Identifier: Apache-2.0 */
/* What each process holds open, with the type and name of each object. */
#include "handle_access.h"

#include <vadose/columns.h>
#include <vadose/handle.h>
#include <vadose/plugin.h>
#include <vadose/record.h>

enum {
	PID,
	NAME,
	EPROCESS,
	HANDLE,
	OBJECT,
	TYPE,
	ACCESS,
	ACCESS_WORDS,
	ATTRIBUTES,
	OBJECT_NAME,
	TARGET_PID,
	TARGET_TID,
	ENTRY,
	HANDLE_COUNT,
	POINTER_COUNT,
	SECTION_FILE,
	NUM_COLUMNS
};

static const struct vds_column columns[] = {
	[PID] = VDS_COL_PID(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
	[NAME] = VDS_COL_PROCESS(VDS_COLUMN_GROUP),
	[EPROCESS] = VDS_COL_EPROCESS(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
	[HANDLE] = {"handle.value", VDS_KIND_HEX, VDS_COLUMN_KEY, "Handle",
		    NULL, "the handle's value", NULL},
	[OBJECT] = {"handle.object", VDS_KIND_ADDR, 0, "Object", NULL,
		    "address of the object's body", NULL},
	[TYPE] = {"handle.type", VDS_KIND_STR, 0, "Type", NULL,
		  "name of the object's type", NULL},
	[ACCESS] = {"handle.access", VDS_KIND_HEX, 0, "Access", NULL,
		    "granted access mask", NULL},
	[ACCESS_WORDS] = {"handle.access_words", VDS_KIND_FLAGS,
			  VDS_COLUMN_WIDE, "Rights", NULL,
			  "the same in the SDK's words for this type; bits "
			  "without a name as a number", NULL},
	[ATTRIBUTES] = {"handle.attributes", VDS_KIND_FLAGS, VDS_COLUMN_WIDE,
			"Attributes", NULL,
			"protect_close, inherit, audit", NULL},
	[OBJECT_NAME] = {"handle.name", VDS_KIND_STR, 0, "Object name", NULL,
			 "path of a file or of a registry key, file name of a "
			 "process, SID of a token's user, or path in the object "
			 "name space", NULL},
	[TARGET_PID] = {"handle.target.pid", VDS_KIND_INT, 0, "To PID", NULL,
			"process that a process or thread handle leads to",
			NULL},
	[TARGET_TID] = {"handle.target.tid", VDS_KIND_INT, 0, "To TID", NULL,
			"thread that a thread handle leads to", NULL},
	[ENTRY] = {"handle.entry", VDS_KIND_ADDR, VDS_COLUMN_WIDE, "Entry",
		   NULL, "address of the HANDLE_TABLE_ENTRY", NULL},
	[HANDLE_COUNT] = {"handle.handle_count", VDS_KIND_INT, VDS_COLUMN_WIDE,
			  "Handles", NULL,
			  "how many handles lead to the object, as its header "
			  "counts", NULL},
	[POINTER_COUNT] = {"handle.pointer_count", VDS_KIND_INT,
			   VDS_COLUMN_WIDE, "Pointers", NULL,
			   "how many pointers do, as its header counts; since "
			   "8.1 with those that handles hold in reserve", NULL},
	[SECTION_FILE] = {"handle.file", VDS_KIND_STR, VDS_COLUMN_WIDE, "File",
			  NULL, "of sections: the file that backs it", NULL},
};

static const struct vds_option options[] = {
	{"type", VDS_OPTION_STRS, 0, "TYPE", NULL, NULL,
	 "only handles to objects of these types (Section, File, ...)"},
	{"name", VDS_OPTION_STR, 0, "GLOB", NULL, NULL,
	 "only handles whose object's name matches"},
};

struct context {
	struct vds_run *run;
	const struct vds_process *process;
	struct vds_error *err;
};

static bool wanted(const struct vds_run *run,
		   const struct vds_open_handle *handle)
{
	const char *glob = vds_option_str(run, "name");
	size_t count;
	const char *const *types = vds_option_strs(run, "type", &count);

	if (glob && !(handle->name && vds_match(glob, handle->name)))
		return false;
	for (size_t i = 0; i < count; i++) {
		if (handle->type && vds_match(types[i], handle->type))
			return true;
	}
	return !count;
}

static const char *attribute_words(uint32_t attributes)
{
	static const char *const words[8] = {
		NULL,
		"protect_close",
		"inherit",
		"protect_close inherit",
		"audit",
		"protect_close audit",
		"inherit audit",
		"protect_close inherit audit",
	};

	return words[attributes & 7];
}

/* The object header's own counts. */
static void fill_counts(struct vds_run *run, uint64_t object,
			struct vds_value *row)
{
	const struct vds_type *type = vds_type_find(run, "_OBJECT_HEADER");
	struct vds_member_info body;
	uint64_t count;
	enum vds_why why;

	row[HANDLE_COUNT] = row[POINTER_COUNT] = vds_absent(VDS_NO_FIELD);
	if (!vds_type_member_find(type, "Body", &body))
		return;
	object -= body.offset;
	why = vds_kernel_member(run, object, type, "HandleCount", &count);
	row[HANDLE_COUNT] = vds_or(why, vds_int((int64_t)count));
	why = vds_kernel_member(run, object, type, "PointerCount", &count);
	row[POINTER_COUNT] = vds_or(why, vds_int((int64_t)count));
}

static bool emit(void *ctx, const struct vds_open_handle *handle)
{
	struct context *c = ctx;
	const struct vds_process *process = c->process;

	if (!wanted(c->run, handle))
		return true;
	struct vds_value row[NUM_COLUMNS] = {
		[PID] = vds_int(process->pid),
		[NAME] = vds_or(process->name_why, vds_str(process->name)),
		[EPROCESS] = vds_addr(process->eprocess),
		[HANDLE] = vds_hex(handle->value),
		[OBJECT] = vds_addr(handle->object),
		[TYPE] = vds_or(handle->type_why, vds_str(handle->type)),
		[ACCESS] = vds_hex(handle->access),
		[ACCESS_WORDS] = vds_flags(handle_access_words(
			c->run, handle->type, handle->access)),
		[ATTRIBUTES] = vds_flags(attribute_words(handle->attributes)),
		[OBJECT_NAME] = vds_or(handle->name_why,
				       vds_str(handle->name)),
		[TARGET_PID] = vds_or(handle->pid_why, vds_int(handle->pid)),
		[TARGET_TID] = vds_or(handle->tid_why, vds_int(handle->tid)),
		[ENTRY] = vds_addr(handle->entry),
		[SECTION_FILE] = vds_or(handle->file_why,
					vds_str(handle->file)),
	};
	fill_counts(c->run, handle->object, row);
	c->err = vds_emit(c->run, row);
	return !c->err;
}

static struct vds_error *run(struct vds_run *run,
			     const struct vds_process *process)
{
	struct context c = {.run = run, .process = process};

	vds_process_handles(process, emit, &c);
	return c.err;
}

VDS_PLUGIN(handles) = {
	VDS_PLUGIN_HEADER(handles),
	.version = "1.1.0",
	.summary = "the handles of each process, decoded, typed and named",
	.record = "handle",
	.scope = VDS_PER_PROCESS,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run,
};
