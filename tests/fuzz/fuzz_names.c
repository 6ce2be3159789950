/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What names the object behind a handle: registry keys by their key control
 * blocks, tokens by their user's SID, files by name and device; and what a page
 * file's structure says of the compressed store.
 */
#include <stdlib.h>
#include <string.h>

#include "fuzz_kernel.h"
#include "nt/key.h"
#include "nt/name.h"
#include "nt/paging_file.h"
#include "nt/sid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void bind(struct vds_kernel *k)
{
	BIND(k, KEY_TYPE, 0, 4);
	BIND(k, KEY_KCB, 8, 8);
	BIND(k, KCB_PARENT, 0, 8);
	BIND(k, KCB_NAME, 8, 8);
	BIND_BITS(k, KEY_NAME_COMPRESSED, 0, 4, 0, 1);
	BIND(k, KEY_NAME_LENGTH, 4, 2);
	BIND(k, KEY_NAME_TEXT, 6, 2);
	BIND(k, TOKEN_GROUPS, 0, 8);
	BIND(k, SID_AND_ATTR_SID, 0, 8);
	SIZE(k, UNICODE_STRING, 16);
	BIND(k, UNICODE_LENGTH, 0, 2);
	BIND(k, UNICODE_MAX, 2, 2);
	BIND(k, UNICODE_BUFFER, 8, 8);
	SIZE(k, FILE_OBJECT, 0x38);
	BIND(k, FILE_TYPE, 0, 2);
	BIND(k, FILE_DEVICE, 8, 8);
	BIND(k, FILE_RELATED, 0x18, 8);
	BIND(k, FILE_NAME, 0x28, 16);
	BIND(k, PARTITION_PAGING_FILES, 0, 128);
	BIND_BITS(k, PAGING_FILE_NUMBER, 0, 2, 0, 4);
	BIND_BITS(k, PAGING_FILE_VIRTUAL, 0, 2, 6, 1);
	SYMBOL_AT(k, MI_SYSTEM_PARTITION, 0x100);
}

static void check_text(enum vds_why why, const char *text)
{
	if (!why && !text)
		abort();	/* PRESENT promises a text */
}

static void walk(struct vds_kernel *kernel)
{
	struct vds_task task;
	struct vds_file_info file;
	struct vds_tlb *tlb = vds_tlb_create();
	const char *text = NULL;

	if (tlb)
		vds_paging_files_find(kernel, tlb);
	vds_tlb_destroy(tlb);
	if (vds_task_init(&task, kernel))
		return;
	/* Sixteen bodies, a multiple of 16 apart. */
	for (uint64_t at = 0; at < 0x100; at += 0x10) {
		enum vds_why why;

		text = NULL;
		why = vds_key_path(&task, BASE + at, &text);
		check_text(why, text);
		text = NULL;
		why = vds_token_user(&task, BASE + at, &text);
		check_text(why, text);
		vds_file_info_read(&task, BASE + at, &file);
	}
	vds_task_deinit(&task);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_kernel(data, size, bind, walk);
	return 0;
}
