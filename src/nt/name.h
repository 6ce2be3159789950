/* SPDX-License-Identifier: Apache-2.0 */
/* Names that lie in the image: UNICODE_STRINGs and FILE_OBJECTs. */
#ifndef VDS_NT_NAME_H
#define VDS_NT_NAME_H

#include "nt/task.h"

/*
 * The text of the UNICODE_STRING at kernel address @va as UTF-8 in @task's
 * arena. NOT_APPLICABLE if it is empty; BAD_DATA if its lengths, its buffer
 * pointer or its text (a NUL inside) are implausible.
 */
enum vds_why vds_task_unicode(struct vds_task *task, uint64_t va,
			      const char **ret);

/* @n UTF-16LE code units as UTF-8 in @task's arena. */
enum vds_why vds_task_utf16(struct vds_task *task, const void *utf16, size_t n,
			    const char **ret);

/* What a FILE_OBJECT says. */
struct vds_file_info {
	enum vds_why why;	/* PRESENT = it is a readable FILE_OBJECT */
	/* "\Device\HarddiskVolume3\Windows\x.dll" (without the device if that
	 * can't be resolved), in the task's arena; NULL: see name_why. */
	const char *name;
	enum vds_why name_why;
	bool delete_pending;
	uint64_t section_pointers;	/* SECTION_OBJECT_POINTERS, 0 = none */
};

/* @va must have its EX_FAST_REF bits cleared. */
void vds_file_info_read(struct vds_task *task, uint64_t va,
			struct vds_file_info *ret);

/* The part after the last backslash; @path itself if there is none. */
const char *vds_base_name(const char *path);

#endif
