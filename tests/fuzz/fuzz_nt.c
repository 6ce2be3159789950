/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Process lists, names, VAD trees, sections, the object directory and handle
 * tables over memory that is nothing but the input: its bytes are the first
 * pages of kernel space (zeros follow), in a small layout of its own.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis/grade.h"
#include "analysis/views.h"
#include "fuzz_kernel.h"
#include "nt/process.h"
#include "nt/section_names.h"
#include "nt/task.h"
#include "vadose/section.h"
#include "vadose/vad.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void bind_processes(struct vds_kernel *k)
{
	SIZE(k, EPROCESS, 0xc0);
	BIND(k, KPROCESS_TYPE, 0, 1);
	BIND(k, KPROCESS_DTB, 8, 8);
	BIND(k, EPROCESS_PID, 0x10, 8);
	BIND(k, EPROCESS_LINKS, 0x18, 16);
	BIND(k, KPROCESS_LIST_ENTRY, 0x28, 16);
	BIND(k, EPROCESS_VAD_ROOT, 0x38, 8);
	BIND(k, EPROCESS_VAD_ROOT_NODE, 0x38, 8);
	BIND(k, EPROCESS_VAD_COUNT, 0x40, 8);
	BIND(k, EPROCESS_OBJECT_TABLE, 0x48, 8);
	BIND(k, EPROCESS_SECTION_OBJECT, 0x50, 8);
	BIND(k, EPROCESS_IMAGE_FILE, 0x58, 8);
	BIND(k, EPROCESS_AUDIT_NAME, 0x60, 8);
	BIND(k, EPROCESS_IMAGE_FILE_NAME, 0x68, 15);
	BIND(k, EPROCESS_ACTIVE_THREADS, 0x78, 4);
	BIND(k, EPROCESS_EXIT_TIME, 0x80, 8);
	BIND(k, EPROCESS_SESSION, 0x88, 8);
	BIND(k, EPROCESS_TOKEN, 0x90, 8);
	BIND(k, EPROCESS_WOW64, 0x98, 8);
	BIND(k, EPROCESS_PEB, 0xa0, 8);
	BIND(k, TOKEN_SESSION_ID, 8, 4);
	BIND(k, SESSION_SPACE_ID, 8, 4);
	BIND(k, EWOW64_PEB, 0, 8);
	SYMBOL_AT(k, KI_PROCESS_LIST_HEAD, 0);
	SYMBOL_AT(k, HANDLE_TABLE_LIST_HEAD, 0x10);
	SYMBOL_AT(k, PSP_CID_TABLE, 0x30);
	k->process_head = BASE + 0x20;
	k->system_process = BASE + 0x100;
}

static void bind_vads(struct vds_kernel *k)
{
	SIZE(k, POOL_HEADER, 0x10);
	BIND(k, POOL_TAG, 4, 4);
	SIZE(k, MMVAD_SHORT, 0x30);
	SIZE(k, MMVAD, 0x48);
	BIND(k, VAD_LEFT, 0, 8);
	BIND(k, VAD_RIGHT, 8, 8);
	BIND(k, VAD_PARENT, 0x10, 8);
	BIND(k, VAD_START, 0x18, 4);
	BIND(k, VAD_END, 0x1c, 4);
	BIND(k, VAD_START_HIGH, 0x20, 1);
	BIND(k, VAD_END_HIGH, 0x21, 1);
	BIND_BITS(k, VAD_TYPE, 0x24, 4, 0, 3);
	BIND_BITS(k, VAD_PROTECTION, 0x24, 4, 3, 5);
	BIND_BITS(k, VAD_PRIVATE, 0x24, 4, 8, 1);
	BIND(k, VAD_COMMIT, 0x28, 4);
	BIND(k, VAD_SUBSECTION, 0x30, 8);
	BIND(k, VAD_FIRST_PTE, 0x38, 8);
	BIND(k, VAD_LAST_PTE, 0x40, 8);
}

static void bind_sections(struct vds_kernel *k)
{
	SIZE(k, CONTROL_AREA, 0x20);
	BIND(k, CA_SEGMENT, 0, 8);
	BIND(k, CA_VIEWS, 8, 8);
	BIND(k, CA_FLAGS, 0x10, 4);
	BIND(k, CA_FILE, 0x18, 8);
	BIND_BITS(k, SECTION_FLAG_IMAGE, 0, 4, 5, 1);
	BIND_BITS(k, SECTION_FLAG_FILE, 0, 4, 7, 1);
	SIZE(k, SEGMENT, 0x20);
	BIND(k, SEGMENT_CA, 0, 8);
	BIND(k, SEGMENT_PTES, 8, 4);
	BIND(k, SEGMENT_SIZE, 0x10, 8);
	BIND(k, SEGMENT_CREATOR, 0x18, 8);
	SIZE(k, SUBSECTION, 0x28);
	BIND(k, SUB_CA, 0, 8);
	BIND(k, SUB_BASE, 8, 8);
	BIND(k, SUB_NEXT, 0x10, 8);
	BIND(k, SUB_PTES, 0x18, 4);
	BIND(k, SUB_SECTOR, 0x1c, 4);
	BIND(k, SUB_SECTORS, 0x20, 4);
	SIZE(k, SECTION, 0x10);
	BIND(k, SECTION_CA, 0, 8);
	BIND(k, SECTION_SIZE, 8, 8);
	SIZE(k, FILE_OBJECT, 0x38);
	BIND(k, FILE_TYPE, 0, 2);
	BIND(k, FILE_DEVICE, 8, 8);
	BIND(k, FILE_SOP, 0x10, 8);
	BIND(k, FILE_RELATED, 0x18, 8);
	BIND(k, FILE_DELETE_PENDING, 0x20, 1);
	BIND(k, FILE_NAME, 0x28, 16);
}

static void bind_objects(struct vds_kernel *k)
{
	SIZE(k, UNICODE_STRING, 16);
	BIND(k, UNICODE_LENGTH, 0, 2);
	BIND(k, UNICODE_MAX, 2, 2);
	BIND(k, UNICODE_BUFFER, 8, 8);
	BIND(k, OBJECT_NAME_NAME, 0, 16);
	BIND(k, OBJECT_TYPE_INDEX, 8, 1);
	BIND(k, OBJECT_INFO_MASK, 9, 1);
	BIND(k, OBJECT_BODY, 0x10, 8);
	SIZE(k, OBJECT_HEADER_NAME_INFO, 0x18);
	SIZE(k, OBJECT_HEADER_CREATOR_INFO, 0x10);
	BIND(k, NAME_DIRECTORY, 0, 8);
	BIND(k, NAME_NAME, 8, 16);
	BIND(k, TYPE_NAME, 0, 16);
	BIND(k, DIRECTORY_BUCKETS, 0, 32);
	BIND(k, DIRECTORY_ENTRY_NEXT, 0, 8);
	BIND(k, DIRECTORY_ENTRY_OBJECT, 8, 8);
	BIND(k, HANDLE_TABLE_CODE, 0, 8);
	BIND(k, HANDLE_TABLE_PROCESS, 8, 8);
	BIND(k, HANDLE_TABLE_LIST, 0x10, 16);
	SIZE(k, HANDLE_TABLE_ENTRY, 16);
	BIND_BITS(k, HANDLE_POINTER_BITS, 0, 8, 20, 44);
	BIND(k, HANDLE_ACCESS, 8, 4);
	SYMBOL_AT(k, OBP_ROOT_DIRECTORY_OBJECT, 0x38);
	SYMBOL_AT(k, OB_TYPE_INDEX_TABLE, 0x80);
}

static void walk_process(const struct vds_process *process)
{
	struct vds_vad_iter *it = vds_vad_iterate(process);
	const struct vds_vad *vad;
	struct vds_vad found;

	while ((vad = vds_vad_next(it))) {
		const struct vds_section *section =
			vds_vad_section(process, vad);
		uint64_t page, pte;

		if (vad->end < vad->start)
			abort();	/* promised by vad.h */
		vds_vad_find(process, vad->start, &found);
		if (!section)
			continue;
		if (vds_section_page_of(section, vad->first_prototype_pte,
					&page) &&
		    !vds_section_pte_of(section, page, &pte))
			abort();	/* one is the inverse of the other */
	}
}

static const struct vds_process *same_process(void *ctx, size_t index)
{
	(void)index;
	return ctx;
}

/* What its views share, page by page. */
static void walk_views(const struct vds_process *process)
{
	struct vds_view_list list = {0};
	struct vds_view **views;
	struct vds_share_group *groups;
	size_t num_groups;
	struct vds_error *err = vds_views_collect(process, true, &list,
						  NULL, NULL);

	for (size_t i = 0; !err && i < list.count; i++) {
		struct vds_vad vad = {
			.has_section = true,
			.subsection = list.views[i].subsection_address,
		};
		vds_view_place(&list.views[i], vds_vad_section(process, &vad));
		list.views[i].process = 0;
	}
	if (!err && list.count &&
	    !vds_views_group(&process->task->arena, list.views, list.count,
			     process, &views, &groups, &num_groups)) {
		for (size_t i = 0; !err && i < num_groups; i++)
			err = vds_group_grade(&groups[i],
					      views + groups[i].first_view,
					      4096, same_process,
					      (void *)process);
	}
	vds_error_destroy(err);
	vds_view_list_deinit(&list);
}

static void walk(struct vds_kernel *kernel)
{
	struct vds_task task;
	const struct vds_section_names *names;

	if (vds_task_init(&task, kernel))
		return;
	if (!vds_process_table_build(&task, kernel)) {
		for (size_t i = 0; i < kernel->num_processes; i++) {
			struct vds_process process = kernel->processes[i];

			vds_task_reset(&task);
			process.task = &task;
			walk_process(&process);
			walk_views(&process);
		}
		vds_task_reset(&task);
		vds_error_destroy(vds_section_names_build(&task, &names));
	}
	vds_task_deinit(&task);
}

static void bind(struct vds_kernel *kernel)
{
	bind_processes(kernel);
	bind_vads(kernel);
	bind_sections(kernel);
	bind_objects(kernel);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_kernel(data, size, bind, walk);
	return 0;
}
