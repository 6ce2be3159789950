/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process's name, from the source that is hardest to forge: the file object
 * of its image, then the section's, then the audit record, then the 15 bytes in
 * EPROCESS, and last what user code itself can write.
 */
#include "nt/process_name.h"

#include <string.h>

#include "base/bytes.h"
#include "base/str.h"
#include "base/util.h"
#include "nt/name.h"
#include "nt/section_object.h"
#include "nt/walk.h"

struct namer {
	struct vds_task *task;
	const struct vds_kernel *kernel;
	struct vds_arena *arena;
	const struct vds_rec *rec;
	struct vds_process *process;
};

static const char *keep(struct namer *n, const char *text)
{
	char *copy = vds_arena_strdup(n->arena, text);

	if (!copy)
		n->task->nomem = true;
	return copy;
}

/* A source was there but gave nothing: the first such reason is reported. */
static void blame(struct namer *n, enum vds_why why)
{
	if (n->process->path_why == VDS_NOT_APPLICABLE)
		n->process->path_why = why;
}

static bool take_path(struct namer *n, enum vds_why why, const char *path,
		      enum vds_name_source source)
{
	if (why) {
		blame(n, why);
		return false;
	}
	n->process->path = keep(n, path);
	n->process->path_why = VDS_PRESENT;
	n->process->name = keep(n, vds_base_name(path));
	n->process->name_why = VDS_PRESENT;
	n->process->name_source = source;
	return true;
}

static bool from_file(struct namer *n, uint64_t file_object,
		      enum vds_name_source source)
{
	struct vds_file_info file;

	if (!file_object)
		return false;
	vds_file_info_read(n->task, file_object, &file);
	return take_path(n, file.name_why, file.name, source);
}

static bool from_image_file(struct namer *n)
{
	uint64_t file;

	if (vds_rec_get(n->rec, vds_kf(n->kernel, EPROCESS_IMAGE_FILE), &file))
		return false;
	return from_file(n, VDS_FAST_REF(file), VDS_NAME_IMAGE_FILE_POINTER);
}

static bool from_section(struct namer *n)
{
	struct vds_section_object object;
	uint64_t file;
	enum vds_why why;

	if (!n->process->section_object)
		return false;
	vds_section_object_read(n->task, n->process->section_object, &object);
	why = object.control_area_why;
	if (!why)
		why = vds_task_field(n->task, object.control_area,
				     vds_kf(n->kernel, CA_FILE), &file);
	if (why) {
		blame(n, why);
		return false;
	}
	return from_file(n, VDS_FAST_REF(file), VDS_NAME_SECTION);
}

static bool from_audit(struct namer *n)
{
	const struct vds_field *name = vds_kf(n->kernel, OBJECT_NAME_NAME);
	const char *path = NULL;
	uint64_t info;
	enum vds_why why;

	if (!name->present ||
	    vds_rec_get(n->rec, vds_kf(n->kernel, EPROCESS_AUDIT_NAME),
			&info) || !info)
		return false;
	why = vds_is_kernel_pointer(n->kernel, info, 8) ?
		      vds_task_unicode(n->task, info + name->offset, &path) :
		      VDS_BAD_DATA;
	if (why == VDS_NOT_APPLICABLE)
		return false;
	return take_path(n, why, path, VDS_NAME_AUDIT);
}

/* ImageFileName as UTF-8; NULL if it is empty or absent. */
static const char *short_name(struct namer *n, enum vds_why *ret_why)
{
	const struct vds_field *field =
		vds_kf(n->kernel, EPROCESS_IMAGE_FILE_NAME);
	struct vds_str s = {0};
	uint8_t raw[64];
	size_t len = VDS_MIN((size_t)field->size, sizeof(raw));
	const char *text, *copy = NULL;

	*ret_why = field->present ?
			   vds_task_read(n->task,
					 n->process->eprocess + field->offset,
					 raw, len) :
			   VDS_NO_FIELD;
	if (*ret_why)
		return NULL;
	len = strnlen((char *)raw, len);
	if (!len) {
		*ret_why = VDS_NOT_APPLICABLE;
		return NULL;
	}
	vds_str_put_utf8(&s, raw, len);
	text = vds_str_cstr(&s);
	if (text)
		copy = keep(n, text);
	else
		n->task->nomem = true;
	vds_str_deinit(&s);
	return copy;
}

/* ImagePathName of the process parameters, as user memory has it. */
static bool from_peb(struct namer *n)
{
	const struct vds_kernel *kernel = n->kernel;
	const struct vds_field *params = vds_kf(kernel, PEB_PARAMETERS);
	const struct vds_field *image = vds_kf(kernel, PARAMETERS_IMAGE_PATH);
	struct vds_process *process = n->process;
	uint8_t raw[16], text[1024];
	const char *path;
	struct vds_rec rec;

	if (!process->peb || !params->present || !image->present ||
	    vds_ksize(kernel, UNICODE_STRING) > sizeof(raw) ||
	    vds_process_read(process, process->peb + params->offset, raw, 8) ||
	    vds_process_read(process, vds_le64(raw) + image->offset, raw,
			     sizeof(raw)))
		return false;
	rec = (struct vds_rec){.data = raw, .len = sizeof(raw), .whole = true};
	uint64_t len = vds_rec_u64(&rec, vds_kf(kernel, UNICODE_LENGTH));
	uint64_t buffer = vds_rec_u64(&rec, vds_kf(kernel, UNICODE_BUFFER));
	if (!len || len % 2 || len > sizeof(text) ||
	    vds_process_read(process, buffer, text, (size_t)len) ||
	    vds_task_utf16(n->task, text, (size_t)len / 2, &path))
		return false;
	process->name = keep(n, vds_base_name(path));
	process->name_why = VDS_PRESENT;
	process->name_source = VDS_NAME_PEB;
	return true;
}

void vds_process_find_name(struct vds_task *task, struct vds_arena *arena,
			   const struct vds_rec *rec,
			   struct vds_process *process)
{
	struct namer n = {.task = task, .kernel = task->kernel, .arena = arena,
			  .rec = rec, .process = process};
	enum vds_why why;
	const char *image_name = short_name(&n, &why);

	process->path_why = VDS_NOT_APPLICABLE;
	process->image_file_name = image_name;
	process->image_file_name_why = why;
	if (!from_image_file(&n) && !from_section(&n) && !from_audit(&n)) {
		process->name = image_name;
		process->name_why = why;
		if (image_name)
			process->name_source = VDS_NAME_IMAGE_FILE_NAME;
		else
			from_peb(&n);
	}
}
