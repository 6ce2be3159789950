/* SPDX-License-Identifier: Apache-2.0 */
/* File objects in full: name.h reads what most callers need. */
#include "vadose/file.h"

#include "base/util.h"
#include "nt/name.h"
#include "nt/rec.h"
#include "nt/walk.h"

static void read_pointers(struct vds_task *task, struct vds_file *file)
{
	const struct vds_kernel *kernel = task->kernel;
	const struct {
		enum vds_field_id id;
		uint64_t *ret;
	} members[] = {
		{VDS_F_SOP_DATA, &file->data_control_area},
		{VDS_F_SOP_CACHE, &file->shared_cache_map},
		{VDS_F_SOP_IMAGE, &file->image_control_area},
	};
	if (!file->section_pointers) {
		file->pointers_why = VDS_NOT_APPLICABLE;
		return;
	}
	if (!vds_is_kernel_pointer(kernel, file->section_pointers, 8)) {
		file->pointers_why = VDS_BAD_DATA;
		return;
	}
	for (size_t i = 0; i < VDS_ARRAY_SIZE(members); i++) {
		const struct vds_field *field =
			&kernel->binding.fields[members[i].id];
		enum vds_why why = vds_task_field(
			task, file->section_pointers, field, members[i].ret);
		if (!why && *members[i].ret &&
		    !vds_is_kernel_pointer(kernel, *members[i].ret, 8)) {
			*members[i].ret = 0;
			why = VDS_BAD_DATA;
		}
		if (why)
			file->pointers_why = why;
	}
}

void vds_file_at(const struct vds_process *process, uint64_t object,
		 struct vds_file *ret)
{
	struct vds_task *task = process->task;
	const struct vds_kernel *kernel = task->kernel;
	struct vds_file_info info;
	struct vds_rec rec;
	uint8_t buf[0x140];
	uint32_t size = vds_ksize(kernel, FILE_OBJECT);

	vds_file_info_read(task, object, &info);
	*ret = (struct vds_file){
		.object = object, .why = info.why, .name = info.name,
		.name_why = info.name_why,
		.delete_pending = info.delete_pending,
		.section_pointers = info.section_pointers,
	};
	if (!ret->why)
		ret->why = vds_rec_read(task, object, buf,
					VDS_MIN(size, (uint32_t)sizeof(buf)),
					&rec);
	if (ret->why)
		return;
	ret->device = vds_rec_u64(&rec, vds_kf(kernel, FILE_DEVICE));
	ret->fs_context = vds_rec_u64(&rec, vds_kf(kernel, FILE_FS_CONTEXT));
	ret->private_cache_map =
		vds_rec_u64(&rec, vds_kf(kernel, FILE_PRIVATE_CACHE));
	ret->flags = (uint32_t)vds_rec_u64(&rec, vds_kf(kernel, FILE_FLAGS));
	ret->read_access = vds_rec_u64(&rec, vds_kf(kernel, FILE_READ));
	ret->write_access = vds_rec_u64(&rec, vds_kf(kernel, FILE_WRITE));
	ret->delete_access = vds_rec_u64(&rec, vds_kf(kernel, FILE_DELETE));
	ret->shared_read = vds_rec_u64(&rec, vds_kf(kernel, FILE_SHARE_READ));
	ret->shared_write =
		vds_rec_u64(&rec, vds_kf(kernel, FILE_SHARE_WRITE));
	ret->shared_delete =
		vds_rec_u64(&rec, vds_kf(kernel, FILE_SHARE_DELETE));
	read_pointers(task, ret);
}
