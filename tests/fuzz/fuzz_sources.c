/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What knows sections and views besides VADs: the tree of prototype arrays, the
 * tables and trees of system views, the cache's arrays, a control area's list,
 * over memory that is nothing but the input. Its first byte chooses between the
 * layouts before 10240 (tables of MMVIEW) and after (trees).
 */
#include "fuzz_kernel.h"
#include "nt/section_source.h"
#include "vadose/section.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Globals, one after the other behind the byte that chooses. */
#define STATE 0x10u	/* MiState, MmSession */
#define ARRAYS 0x40u	/* CcVacbArrays, CcVacbArraysHighestUsedIndex */
#define EPROCESS 0x80u
#define AREA 0x100u	/* the control area whose list is walked */

static void bind_common(struct vds_kernel *k)
{
	SIZE(k, CONTROL_AREA, 0x30);
	SIZE(k, SEGMENT, 0x20);
	SIZE(k, SUBSECTION, 0x28);
	SIZE(k, EPROCESS, 0x40);
	BIND(k, KPROCESS_TYPE, 0, 1);
	BIND(k, KPROCESS_DTB, 8, 8);
	BIND(k, EPROCESS_PID, 0x10, 8);
	BIND(k, EPROCESS_SESSION, 0x18, 8);
	BIND(k, EPROCESS_IMAGE_FILE_NAME, 0x20, 15);
	BIND(k, SESSION_SPACE_ID, 0, 4);
	BIND(k, SESSION_SPACE_VIEWS, 8, 0x18);
	BIND(k, CA_SEGMENT, 0, 8);
	BIND(k, CA_VIEW_LIST, 8, 16);
	BIND(k, CA_IMAGE_STUB, 0x18, 8);
	BIND(k, CA_FLAGS, 0x20, 4);
	BIND(k, CA_FILE, 0x28, 8);
	BIND(k, SEGMENT_CA, 0, 8);
	BIND(k, SUB_CA, 0, 8);
	SIZE(k, POOL_HEADER, 0x10);
	BIND(k, POOL_TAG, 4, 4);
	SIZE(k, MMVAD_SHORT, 0x30);
	SIZE(k, MMVAD, 0x60);
	BIND(k, VAD_START, 0x18, 4);
	BIND(k, VAD_END, 0x1c, 4);
	BIND(k, VAD_SUBSECTION, 0x30, 8);
	BIND(k, VAD_VIEW_LINKS, 0x48, 16);
	BIND(k, VAD_PROCESS, 0x58, 8);
	BIND(k, MMVIEW_LINKS, 0x10, 16);
	BIND(k, MMVIEW_VA, 0x20, 8);
	SYMBOL_AT(k, CC_VACB_ARRAYS, ARRAYS);
	SYMBOL_AT(k, CC_VACB_ARRAYS_HIGHEST, ARRAYS + 8);
	SIZE(k, VACB, 0x20);
	SIZE(k, VACB_ARRAY_HEADER, 0x10);
	BIND(k, VACB_BASE, 0, 8);
	BIND(k, VACB_MAP, 8, 8);
	BIND(k, VACB_OFFSET, 0x10, 8);
	BIND(k, VACB_ARRAY, 0x18, 8);
	BIND(k, VACB_ARRAY_INDEX, 0, 4);
	BIND(k, VACB_ARRAY_HIGHEST, 8, 4);
	BIND(k, CACHE_MAP_FILE, 0, 8);
	SIZE(k, FILE_OBJECT, 0x38);
	BIND(k, FILE_TYPE, 0, 2);
	BIND(k, FILE_SOP, 0x10, 8);
	BIND(k, FILE_NAME, 0x28, 16);
	BIND(k, SOP_DATA, 0, 8);
	BIND(k, SOP_CACHE, 8, 8);
	SIZE(k, UNICODE_STRING, 16);
	BIND(k, UNICODE_LENGTH, 0, 2);
	BIND(k, UNICODE_MAX, 2, 2);
	BIND(k, UNICODE_BUFFER, 8, 8);
}

static void bind_tables(struct vds_kernel *k)
{
	bind_common(k);
	SYMBOL_AT(k, MM_SESSION, STATE);
	BIND(k, MMSESSION_TABLE, 0, 8);
	BIND(k, MMSESSION_SIZE, 8, 4);
	SIZE(k, MMVIEW, 0x30);
	BIND(k, MMVIEW_ENTRY, 0, 8);
	BIND(k, MMVIEW_CA, 8, 8);
}

static void bind_trees(struct vds_kernel *k)
{
	bind_common(k);
	SYMBOL_AT(k, MI_STATE, STATE);
	BIND(k, MMSESSION_ROOT, 0, 8);
	BIND(k, MI_PROTO_ROOT, 0, 8);
	BIND(k, MI_SYSTEM_VIEW_ROOT, 8, 8);
	SIZE(k, BALANCED_NODE, 0x18);
	BIND(k, BALANCED_LEFT, 0, 8);
	BIND(k, BALANCED_RIGHT, 8, 8);
	BIND_BITS(k, PROTO_NODE_KIND, 0x18, 8, 0, 3);
	BIND(k, MSUB_PROTO_NODE, 0x30, 0x20);
	BIND(k, SESSION_PROTO_NODE, 0x18, 0x20);
	BIND(k, SESSION_PROTO_SUBSECTION, 0x40, 8);
	SIZE(k, REVERSE_VIEW, 0x28);
	BIND(k, REVERSE_VIEW_LINKS, 0, 16);
	BIND(k, REVERSE_VIEW_OWNER, 0x10, 8);
	BIND_BITS(k, REVERSE_VIEW_TYPE, 0x10, 8, 0, 2);
	BIND(k, REVERSE_VIEW_SUBSECTION, 0x18, 8);
	BIND(k, REVERSE_VIEW_OFFSET, 0x20, 8);
}

/* What is said of views must hold, whatever the bytes. */
static void check_views(const struct vds_kernel_views *views)
{
	for (size_t i = 0; i < views->count; i++) {
		if (!(views->list[i].va >> 63) || !views->list[i].control_area)
			abort();
	}
}

static void walk(struct vds_kernel *kernel)
{
	struct vds_kernel_views views = {0};
	struct vds_process any = {.eprocess = BASE + EPROCESS}, peeked;
	struct vds_task task;
	enum vds_why why;
	size_t count;

	if (vds_task_init(&task, kernel))
		return;
	any.task = &task;
	kernel->processes = &any;
	kernel->num_processes = 1;
	vds_prototype_tree_list(&task, &count, &why);
	vds_cache_arrays_list(&task, &views);
	vds_system_views_list(&task, &views);
	check_views(&views);
	vds_section_listed_views(&any, BASE + AREA, &count, &why);
	if (!vds_process_peek(&any, BASE + EPROCESS, &peeked) && !peeked.dtb)
		abort();	/* promised by process.h */
	vds_task_deinit(&task);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size)
		fuzz_kernel(data, size, data[0] & 1 ? bind_trees : bind_tables,
			    walk);
	return 0;
}
