/* SPDX-License-Identifier: Apache-2.0 */
/* vds_process_handles(): handles with the type and name of their object. */
#include "vadose/handle.h"

#include <string.h>

#include "nt/handle.h"
#include "nt/kernel.h"
#include "nt/key.h"
#include "nt/name.h"
#include "nt/object.h"
#include "nt/process.h"
#include "nt/rec.h"
#include "nt/section_object.h"
#include "nt/sid.h"
#include "nt/walk.h"
#include "vadose/section.h"

#define NUM_TYPES 256

struct listing {
	struct vds_task *task;
	const struct vds_process *process;	/* whose handles these are */
	struct vds_object_types types;
	/* Names of the types met so far, by index. */
	struct {
		bool known;
		const char *name;
		enum vds_why why;
	} names[NUM_TYPES];
	bool (*visit)(void *ctx, const struct vds_open_handle *handle);
	void *ctx;
};

static enum vds_why read_type_name(struct listing *l, uint8_t index,
				   const char **ret)
{
	const struct vds_kernel *kernel = l->task->kernel;
	const struct vds_field *name = vds_kf(kernel, TYPE_NAME);
	uint64_t type;
	enum vds_why why;

	if (l->types.why)
		return l->types.why;
	why = vds_task_u64(l->task, l->types.table + 8u * index, &type);
	if (why)
		return why;
	if (!vds_is_kernel_pointer(kernel, type, 8))
		return VDS_BAD_DATA;
	return vds_task_unicode(l->task, type + name->offset, ret);
}

static void name_type(struct listing *l, const struct vds_object_header *header,
		      struct vds_open_handle *handle)
{
	uint8_t index = vds_object_type_index(&l->types, header);

	if (!l->names[index].known) {
		l->names[index].why = read_type_name(l, index,
						     &l->names[index].name);
		l->names[index].known = true;
	}
	handle->type_why = l->names[index].why;
	handle->type = handle->type_why ? NULL : l->names[index].name;
}

/* EPROCESS.ImageFileName, of a process that no list or table led to. */
static void fill_short_name(struct listing *l, struct vds_open_handle *handle)
{
	const struct vds_field *name =
		vds_kf(l->task->kernel, EPROCESS_IMAGE_FILE_NAME);
	char text[32] = "";
	size_t len = 0;

	handle->name_why = !name->present || name->size >= sizeof(text) ?
		VDS_NO_FIELD :
		vds_task_read(l->task, handle->object + name->offset, text,
			      name->size);
	while (!handle->name_why && text[len] >= ' ' && text[len] <= '~')
		len++;
	if (!handle->name_why && (!len || text[len]))
		handle->name_why = VDS_BAD_DATA;
	if (handle->name_why)
		return;
	handle->name = vds_arena_printf(&l->task->arena, "%s", text);
	if (!handle->name)
		l->task->nomem = true;
}

static void fill_process(struct listing *l, struct vds_open_handle *handle)
{
	const struct vds_kernel *kernel = l->task->kernel;
	const struct vds_process *process =
		vds_kernel_process(kernel, handle->object);
	uint64_t pid;

	if (process) {
		handle->pid = process->pid;
		handle->pid_why = VDS_PRESENT;
		handle->name = process->name;
		handle->name_why = process->name_why;
		return;
	}
	fill_short_name(l, handle);
	handle->pid_why = vds_task_field(l->task, handle->object,
					 vds_kf(kernel, EPROCESS_PID), &pid);
	if (!handle->pid_why)
		handle->pid = (uint32_t)pid;
}

static void fill_thread(struct listing *l, struct vds_open_handle *handle)
{
	const struct vds_kernel *kernel = l->task->kernel;
	uint64_t pid, tid;

	handle->name_why = VDS_NOT_APPLICABLE;
	handle->pid_why = vds_task_field(l->task, handle->object,
					 vds_kf(kernel, ETHREAD_PID), &pid);
	handle->tid_why = vds_task_field(l->task, handle->object,
					 vds_kf(kernel, ETHREAD_TID), &tid);
	if (!handle->pid_why)
		handle->pid = (uint32_t)pid;
	if (!handle->tid_why)
		handle->tid = (uint32_t)tid;
}

static void fill_file(struct listing *l, struct vds_open_handle *handle)
{
	struct vds_file_info file;

	vds_file_info_read(l->task, handle->object, &file);
	handle->name = file.why ? NULL : file.name;
	handle->name_why = file.why ? file.why : file.name_why;
}

/* A section without a name is told by its file. */
static void fill_section(struct listing *l, struct vds_open_handle *handle)
{
	struct vds_section_object object = {0};
	const struct vds_section *section;

	handle->name_why = vds_object_path(l->task, handle->object,
					   &handle->name);
	vds_section_object_read(l->task, handle->object, &object);
	handle->file_why = object.control_area_why;
	if (handle->file_why)
		return;
	section = vds_section_at(l->process, object.control_area);
	handle->file_why = !section ? VDS_BAD_DATA :
			   section->why ? section->why :
					  section->file_name_why;
	handle->file = handle->file_why ? NULL : section->file_name;
}

static void fill_name(struct listing *l, struct vds_open_handle *handle)
{
	const char *type = handle->type ? handle->type : "";

	if (!strcmp(type, "Process")) {
		fill_process(l, handle);
	} else if (!strcmp(type, "Thread")) {
		fill_thread(l, handle);
	} else if (!strcmp(type, "File")) {
		fill_file(l, handle);
	} else if (!strcmp(type, "Key")) {
		handle->name_why = vds_key_path(l->task, handle->object,
						&handle->name);
	} else if (!strcmp(type, "Token")) {
		handle->name_why = vds_token_user(l->task, handle->object,
						  &handle->name);
	} else if (!strcmp(type, "Section")) {
		fill_section(l, handle);
	} else {
		handle->name_why = vds_object_path(l->task, handle->object,
						   &handle->name);
	}
}

static bool visit_entry(void *ctx, const struct vds_handle *entry)
{
	struct listing *l = ctx;
	struct vds_object_header header;
	enum vds_why why;
	struct vds_open_handle handle = {
		.value = entry->value,
		.object = entry->pointer +
			  vds_kf(l->task->kernel, OBJECT_BODY)->offset,
		.access = entry->access,
		.attributes = entry->attributes,
		.entry = entry->entry,
		.pid_why = VDS_NOT_APPLICABLE,
		.tid_why = VDS_NOT_APPLICABLE,
		.file_why = VDS_NOT_APPLICABLE,
	};

	why = vds_object_header_read(l->task, handle.object, &header);
	if (why) {
		handle.type_why = handle.name_why = why;
	} else {
		name_type(l, &header, &handle);
		fill_name(l, &handle);
	}
	return l->visit(l->ctx, &handle) && !l->task->nomem;
}

void vds_process_handles(const struct vds_process *process,
			 bool (*visit)(void *ctx,
				       const struct vds_open_handle *handle),
			 void *ctx)
{
	struct listing l = {.task = process->task, .process = process,
			    .visit = visit, .ctx = ctx};

	if (!process->object_table)
		return;
	vds_object_types_init(l.task, &l.types);
	vds_handles_walk(l.task, &l.task->notes, process->object_table,
			 visit_entry, &l);
}
