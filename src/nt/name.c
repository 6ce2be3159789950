/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/name.h"

#include <string.h>

#include "base/bytes.h"
#include "base/str.h"
#include "base/util.h"
#include "nt/object.h"
#include "nt/rec.h"
#include "nt/walk.h"

/* FILE_OBJECT.Type (IO_TYPE_FILE in wdm.h). */
#define IO_TYPE_FILE 5
/* How many RelatedFileObjects are followed. */
#define MAX_RELATED 8

/* UTF-16LE with no NUL in it, as file and object names are. */
static bool has_nul(const uint8_t *utf16, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!utf16[2 * i] && !utf16[2 * i + 1])
			return true;
	}
	return false;
}

enum vds_why vds_task_unicode(struct vds_task *task, uint64_t va,
			      const char **ret)
{
	const struct vds_kernel *kernel = task->kernel;
	_cleanup_free_ uint8_t *big = NULL;
	uint8_t rec_buf[32], small[520];
	uint8_t *text = small;
	struct vds_rec rec;
	uint32_t size = vds_ksize(kernel, UNICODE_STRING);
	enum vds_why why;

	if (!size || size > sizeof(rec_buf))
		return VDS_NO_FIELD;
	why = vds_rec_read(task, va, rec_buf, size, &rec);
	if (why)
		return why;
	if (!rec.whole)
		return VDS_NOT_IN_IMAGE;
	uint64_t len = vds_rec_u64(&rec, vds_kf(kernel, UNICODE_LENGTH));
	uint64_t max = vds_rec_u64(&rec, vds_kf(kernel, UNICODE_MAX));
	uint64_t buffer = vds_rec_u64(&rec, vds_kf(kernel, UNICODE_BUFFER));
	if (!len && (!buffer || vds_is_kernel_pointer(kernel, buffer, 1)))
		return VDS_NOT_APPLICABLE;
	if (!len || len % 2 || len > max || len > UINT16_MAX ||
	    !vds_is_kernel_pointer(kernel, buffer, 1))
		return VDS_BAD_DATA;
	if (!vds_task_may_keep(task, (size_t)len))
		return VDS_BAD_DATA;
	if (len > sizeof(small)) {
		text = big = malloc((size_t)len);
		if (!text) {
			task->nomem = true;
			return VDS_NOT_APPLICABLE;
		}
	}
	why = vds_task_read(task, buffer, text, (size_t)len);
	if (why)
		return why;
	if (has_nul(text, (size_t)len / 2))
		return VDS_BAD_DATA;
	return vds_task_utf16(task, text, (size_t)len / 2, ret);
}

enum vds_why vds_task_utf16(struct vds_task *task, const void *utf16, size_t n,
			    const char **ret)
{
	struct vds_str s = {0};
	char *copy = NULL;

	vds_str_put_utf16(&s, utf16, n);
	if (!s.failed)
		copy = vds_arena_strndup(&task->arena, s.data, s.len);
	vds_str_deinit(&s);
	if (!copy) {
		task->nomem = true;
		return VDS_NOT_APPLICABLE;
	}
	*ret = copy;
	return VDS_PRESENT;
}

/* FileName, with those of the RelatedFileObjects before it. */
static enum vds_why relative_name(struct vds_task *task, uint64_t va,
				  const struct vds_rec *file, const char **ret)
{
	const struct vds_kernel *kernel = task->kernel;
	const struct vds_field *name = vds_kf(kernel, FILE_NAME);
	const struct vds_field *related = vds_kf(kernel, FILE_RELATED);
	uint64_t at = vds_rec_u64(file, related);
	const char *path;
	enum vds_why why;

	why = vds_task_unicode(task, va + name->offset, &path);
	if (why)
		return why;
	for (int i = 0; path[0] != '\\' && at && i < MAX_RELATED; i++) {
		const char *prefix, *whole;

		if (!vds_is_kernel_pointer(kernel, at, 8) ||
		    vds_task_unicode(task, at + name->offset, &prefix))
			break;
		whole = vds_task_join(task, prefix, "\\", path);
		if (!whole)
			break;
		path = whole;
		if (vds_task_field(task, at, related, &at))
			break;
	}
	*ret = path;
	return VDS_PRESENT;
}

void vds_file_info_read(struct vds_task *task, uint64_t va,
			struct vds_file_info *ret)
{
	const struct vds_kernel *kernel = task->kernel;
	uint8_t buf[0x140];
	struct vds_rec rec;
	uint32_t size = vds_ksize(kernel, FILE_OBJECT);
	const char *device, *whole;
	uint64_t type, device_object;

	*ret = (struct vds_file_info){.why = VDS_BAD_DATA,
				      .name_why = VDS_BAD_DATA};
	if (!vds_is_kernel_pointer(kernel, va, 8))
		return;
	ret->why = vds_rec_read(task, va, buf,
				VDS_MIN(size, (uint32_t)sizeof(buf)), &rec);
	ret->name_why = ret->why;
	if (ret->why)
		return;
	if (!vds_rec_get(&rec, vds_kf(kernel, FILE_TYPE), &type) &&
	    type != IO_TYPE_FILE) {
		ret->why = ret->name_why = VDS_BAD_DATA;
		return;
	}
	ret->delete_pending =
		vds_rec_u64(&rec, vds_kf(kernel, FILE_DELETE_PENDING));
	ret->section_pointers = vds_rec_u64(&rec, vds_kf(kernel, FILE_SOP));
	ret->name_why = relative_name(task, va, &rec, &ret->name);
	if (ret->name_why && ret->name_why != VDS_NOT_APPLICABLE)
		return;
	device_object = vds_rec_u64(&rec, vds_kf(kernel, FILE_DEVICE));
	if (vds_object_path(task, device_object, &device))
		return;
	if (ret->name_why) {
		/* The device itself was opened: \Device\Afd, a volume. */
		ret->name = device;
		ret->name_why = VDS_PRESENT;
		return;
	}
	whole = vds_task_join(task, device,
			      ret->name[0] == '\\' ? "" : "\\", ret->name);
	if (whole)
		ret->name = whole;
}

const char *vds_base_name(const char *path)
{
	const char *slash = strrchr(path, '\\');

	return slash ? slash + 1 : path;
}
