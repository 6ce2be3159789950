/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/object.h"

#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/name.h"
#include "nt/rec.h"
#include "nt/walk.h"

/* InfoMask bits, in the order in which the headers grow downward. */
#define INFO_CREATOR 0x1
#define INFO_NAME 0x2
/* Directories of a path; Windows itself nests about six deep. */
#define MAX_DEPTH 32
/* ObTypeIndexTable: 0 and 1 are no types; TypeIndex has 8 bits. */
#define FIRST_TYPE 2
#define NUM_TYPES 256

enum vds_why vds_object_header_read(struct vds_task *task, uint64_t body,
				    struct vds_object_header *ret)
{
	const struct vds_kernel *kernel = task->kernel;
	uint8_t buf[0x80];
	struct vds_rec rec;
	uint32_t head = vds_kf(kernel, OBJECT_BODY)->offset;
	uint64_t type, mask;
	enum vds_why why;

	if (!vds_is_kernel_pointer(kernel, body, 8))
		return VDS_BAD_ADDRESS;
	if (!head || head > sizeof(buf))
		return VDS_NO_FIELD;
	why = vds_rec_read(task, body - head, buf, head, &rec);
	if (!why)
		why = vds_rec_get(&rec, vds_kf(kernel, OBJECT_TYPE_INDEX),
				  &type);
	if (!why)
		why = vds_rec_get(&rec, vds_kf(kernel, OBJECT_INFO_MASK),
				  &mask);
	if (why)
		return why;
	*ret = (struct vds_object_header){
		.header = body - head, .body = body,
		.raw_type = (uint8_t)type, .info_mask = (uint8_t)mask};
	return VDS_PRESENT;
}

uint8_t vds_object_type_index(const struct vds_object_types *types,
			      const struct vds_object_header *object)
{
	if (!types->has_cookie)
		return object->raw_type;
	return (uint8_t)(object->raw_type ^ object->header >> 8 ^
			 types->cookie);
}

/* Fills in the index of @name if the type at @index is called that. */
static void learn_type(struct vds_object_types *types, uint8_t index,
		       const char *name)
{
	if (!strcmp(name, "Directory"))
		types->directory = index;
	else if (!strcmp(name, "Section"))
		types->section = index;
	else if (!strcmp(name, "Process"))
		types->process = index;
	else if (!strcmp(name, "File"))
		types->file = index;
}

void vds_object_types_init(struct vds_task *task, struct vds_object_types *ret)
{
	const struct vds_kernel *kernel = task->kernel;
	const struct vds_field *name = vds_kf(kernel, TYPE_NAME);
	uint64_t va;

	*ret = (struct vds_object_types){0};
	if (vds_kernel_symbol(kernel, VDS_S_OB_HEADER_COOKIE, &va)) {
		ret->has_cookie = true;
		ret->why = vds_task_read(task, va, &ret->cookie, 1);
		if (ret->why)
			return;
	} else if (kernel->has_header_cookie) {
		ret->has_cookie = true;
		ret->cookie = kernel->header_cookie;
	}
	if (!name->present ||
	    !vds_kernel_symbol(kernel, VDS_S_OB_TYPE_INDEX_TABLE,
			       &ret->table)) {
		ret->why = VDS_NO_FIELD;
		return;
	}
	for (unsigned int i = FIRST_TYPE; i < NUM_TYPES; i++) {
		uint64_t type;
		const char *text;

		/* The table ends with a null pointer. */
		if (vds_task_u64(task, ret->table + 8 * i, &type) || !type)
			break;
		if (vds_is_kernel_pointer(kernel, type, 8) &&
		    !vds_task_unicode(task, type + name->offset, &text))
			learn_type(ret, (uint8_t)i, text);
	}
}

enum vds_why vds_object_name(struct vds_task *task,
			     const struct vds_object_header *object,
			     const char **ret, uint64_t *ret_directory)
{
	const struct vds_kernel *kernel = task->kernel;
	const struct vds_field *name = vds_kf(kernel, NAME_NAME);
	uint32_t back = vds_ksize(kernel, OBJECT_HEADER_NAME_INFO);
	uint64_t info;

	*ret_directory = 0;
	if (!(object->info_mask & INFO_NAME))
		return VDS_NOT_APPLICABLE;
	if (!back || !name->present)
		return VDS_NO_FIELD;
	if (object->info_mask & INFO_CREATOR) {
		uint32_t creator =
			vds_ksize(kernel, OBJECT_HEADER_CREATOR_INFO);
		if (!creator)
			return VDS_NO_FIELD;
		back += creator;
	}
	info = object->header - back;
	vds_task_field(task, info, vds_kf(kernel, NAME_DIRECTORY),
		       ret_directory);
	return vds_task_unicode(task, info + name->offset, ret);
}

enum vds_why vds_object_path(struct vds_task *task, uint64_t body,
			     const char **ret)
{
	struct vds_object_header object;
	uint64_t directory;
	const char *path, *name;
	enum vds_why why;

	why = vds_object_header_read(task, body, &object);
	if (!why)
		why = vds_object_name(task, &object, &path, &directory);
	if (why)
		return why;
	for (int i = 0; directory && i < MAX_DEPTH; i++) {
		const char *longer;

		if (vds_object_header_read(task, directory, &object) ||
		    vds_object_name(task, &object, &name, &directory))
			break;
		/* The root directory is called "\". */
		longer = vds_task_join(task, strcmp(name, "\\") ? name : "",
				       "\\", path);
		if (!longer)
			break;
		path = longer;
	}
	*ret = path;
	return VDS_PRESENT;
}
