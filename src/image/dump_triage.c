/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Triage dumps ("minidumps" of the kernel, type 4) hold no physical pages and
 * no page tables, but blocks of virtual memory: the stack, the debugger data
 * block, and whatever the crash handler found worth keeping. TRIAGE_DUMP64,
 * TRIAGE_DATA_BLOCK and the driver entries are laid out as in rizin's
 * dmp64.h and kdmp-parser's structs.
 */
#include "image/dump.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/str.h"
#include "base/util.h"

#define TRIAGE_SIZE 0x80
#define DRIVER_ENTRY 0x90	/* DUMP_DRIVER_ENTRY64 */
#define MAX_NAME 260		/* UTF-16 units of a driver's name */

/* What lies where; offsets are file offsets. */
struct triage {
	uint32_t size;			/* SizeOfDump */
	uint32_t stack, stack_size;
	uint64_t stack_va;
	uint32_t page, page_size;	/* DataPage* */
	uint64_t page_va;
	uint32_t debugger, debugger_size;
	uint32_t drivers, num_drivers;
	uint32_t blocks, num_blocks;
};

/* A block that the file doesn't hold to its end is cut, with a note. */
static struct vds_error *add_block(struct vds_dump *dump, const char *what,
				   uint64_t va, uint64_t len, uint64_t source)
{
	if (!va || !source || !len)
		return NULL;
	if (!vds_fits(source, len, dump->size)) {
		vds_note(&dump->image->notes, "triage_block", source,
			 "triage dump: %s at offset 0x%llx, length 0x%llx, goes beyond the end of the file",
			 what, (unsigned long long)source,
			 (unsigned long long)len);
		if (source >= dump->size)
			return NULL;
		len = dump->size - source;
	}
	uint64_t last;
	if (!vds_add_u64(va, len - 1, &last)) {
		vds_note(&dump->image->notes, "triage_block", source,
			 "triage dump: %s at virtual 0x%llx, length 0x%llx, wraps around",
			 what, (unsigned long long)va,
			 (unsigned long long)len);
		return NULL;
	}
	return vds_image_add_block(dump->image, va, len, source);
}

static struct vds_error *add_data_blocks(struct vds_dump *dump,
					 const struct triage *t)
{
	uint64_t left = t->blocks < dump->size ? dump->size - t->blocks : 0;
	uint64_t count = VDS_MIN(t->num_blocks, left / 16);
	struct vds_error *err = NULL;
	if (count < t->num_blocks)
		vds_note(&dump->image->notes, "triage_blocks", t->blocks,
			 "triage dump: the file ends after %llu of %u data blocks",
			 (unsigned long long)count, t->num_blocks);
	for (uint64_t i = 0; i < count && !err; i++) {
		uint8_t entry[16];
		if (vds_file_read(dump->image->file, t->blocks + 16 * i, entry,
				  16) < 16)
			break;
		err = add_block(dump, "data block", vds_le64(entry),
				vds_le32(entry + 12), vds_le32(entry + 8));
	}
	return err;
}

/* DUMP_STRING: u32 length in UTF-16 units, then the units. */
static struct vds_error *driver_name(const struct vds_dump *dump, uint64_t at,
				     char **ret)
{
	uint8_t raw[4 + 2 * MAX_NAME];
	struct vds_str name = {0};
	size_t n = vds_file_read(dump->image->file, at, raw, sizeof(raw));
	size_t len = n >= 4 ? VDS_MIN(vds_le32(raw), (n - 4) / 2) : 0;
	vds_str_put_utf16(&name, raw + 4, len);
	const char *text = vds_str_cstr(&name);
	*ret = text ? strdup(text) : NULL;
	vds_str_deinit(&name);
	return *ret ? NULL : &vds_enomem;
}

/*
 * The kernel is the first driver; its time stamp and size are what symbol
 * servers file it under. The entry is a _KLDR_DATA_TABLE_ENTRY behind the
 * name's offset.
 */
static struct vds_error *add_kernel(struct vds_dump *dump,
				    const struct triage *t)
{
	struct vds_image_hints *hints = &dump->image->hints;
	_cleanup_free_ char *name = NULL;
	uint8_t entry[DRIVER_ENTRY];
	char text[32];
	if (!t->num_drivers ||
	    vds_file_read(dump->image->file, t->drivers, entry,
			  sizeof(entry)) < sizeof(entry))
		return NULL;
	hints->has_kernel_base = true;
	hints->kernel_base = vds_le64(entry + 0x38);
	struct vds_error *err = driver_name(dump, vds_le32(entry), &name);
	if (!err && *name)
		err = vds_image_add_meta(dump->image, "kernel_file", name);
	snprintf(text, sizeof(text), "%08X%x", vds_le32(entry + 0x88),
		 vds_le32(entry + 0x48));
	if (!err)
		err = vds_image_add_meta(dump->image, "kernel_symbol_key",
					 text);
	snprintf(text, sizeof(text), "%u", t->num_drivers);
	if (!err)
		err = vds_image_add_meta(dump->image, "drivers", text);
	return err;
}

static struct vds_error *read_triage(const struct vds_dump *dump,
				     struct triage *t)
{
	uint8_t h[TRIAGE_SIZE];
	if (!dump->wide)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"32-bit triage dump: it holds no physical memory, and only the 64-bit form can be read by virtual address");
	if (vds_file_pread(dump->image->file, dump->header_size, h,
			   TRIAGE_SIZE) < TRIAGE_SIZE)
		return vds_error_create(VDS_ERROR_FORMAT,
					"triage dump: the file ends inside the triage header at offset 0x%llx",
					(unsigned long long)dump->header_size);
	*t = (struct triage){
		.size = vds_le32(h + 0x04),
		.stack = vds_le32(h + 0x28), .stack_size = vds_le32(h + 0x2c),
		.drivers = vds_le32(h + 0x30),
		.num_drivers = vds_le32(h + 0x34),
		.stack_va = vds_le64(h + 0x48),
		.page_va = vds_le64(h + 0x60),
		.page = vds_le32(h + 0x68), .page_size = vds_le32(h + 0x6c),
		.debugger = vds_le32(h + 0x70),
		.debugger_size = vds_le32(h + 0x74),
		.blocks = vds_le32(h + 0x78),
		.num_blocks = vds_le32(h + 0x7c),
	};
	if (t->size > dump->size)
		vds_note(&dump->image->notes, "dump_truncated", dump->size,
			 "triage dump: SizeOfDump is 0x%x, but the file ends at 0x%llx",
			 t->size, (unsigned long long)dump->size);
	return NULL;
}

struct vds_error *vds_dump_open_triage(struct vds_dump *dump)
{
	struct triage t = {0};
	struct vds_error *err = read_triage(dump, &t);
	if (!err)
		err = add_data_blocks(dump, &t);
	if (!err)
		err = add_block(dump, "stack", t.stack_va, t.stack_size,
				t.stack);
	if (!err)
		err = add_block(dump, "data page", t.page_va, t.page_size,
				t.page);
	if (!err && dump->image->hints.has_kdbg)
		err = add_block(dump, "debugger data",
				dump->image->hints.kdbg, t.debugger_size,
				t.debugger);
	if (!err)
		err = add_kernel(dump, &t);
	if (!err && !dump->image->num_blocks)
		return vds_error_create(VDS_ERROR_FORMAT,
					"triage dump: none of %u data blocks can be read",
					t.num_blocks);
	return err;
}
