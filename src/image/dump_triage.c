/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Triage dumps ("minidumps" of the kernel, type 4) hold no physical pages and
 * no page tables, but blocks of virtual memory: the stack, the debugger data
 * block, and whatever the crash handler found worth keeping; further the
 * current KPRCB, EPROCESS and ETHREAD, and lists of drivers (dump_drivers.c).
 * TRIAGE_DUMP64 and TRIAGE_DATA_BLOCK are laid out as in Microsoft's Dump.h
 * (Singularity RDK) and rizin's dmp64.h.
 *
 * Every offset is a file offset. What lies beyond both the file's end and
 * SizeOfDump was never there: an error. What lies between the two was cut off:
 * a note, and the rest is used.
 */
#include "image/dump.h"

#include <string.h>

#include "base/bytes.h"
#include "base/util.h"

#define BLOCK_ENTRY 16		/* TRIAGE_DATA_BLOCK */
/* A hundred times what the largest dumps have. */
#define MAX_BLOCKS (1u << 18)

struct vds_error *vds_triage_check(const struct vds_triage *t, uint64_t at,
				   const char *field, uint64_t offset,
				   uint64_t len)
{
	if (vds_fits(offset, len, t->limit))
		return NULL;
	return vds_error_create(VDS_ERROR_FORMAT,
				"triage dump: %s at offset 0x%llx leads to offset 0x%llx, length 0x%llx, beyond the end of the dump at 0x%llx",
				field, (unsigned long long)at,
				(unsigned long long)offset,
				(unsigned long long)len,
				(unsigned long long)t->limit);
}

uint64_t vds_triage_available(const struct vds_triage *t, uint64_t offset,
			      uint64_t len)
{
	uint64_t size = t->dump->size;
	return offset < size ? VDS_MIN(len, size - offset) : 0;
}

static uint64_t u64_of(const struct vds_triage *t, unsigned int field)
{
	return vds_le64(t->header + field);
}

/* @at and @field: where its place in the file is stated, for messages. */
static struct vds_error *add_block(struct vds_triage *t, uint64_t at,
				   const char *field, uint64_t va,
				   uint64_t len, uint64_t source)
{
	uint64_t end;
	if (!va || !source || !len)
		return NULL;
	struct vds_error *err = vds_triage_check(t, at, field, source, len);
	if (err)
		return err;
	if (!vds_add_u64(va, len, &end))
		return vds_error_create(VDS_ERROR_FORMAT,
					"triage dump: %s at offset 0x%llx: virtual address 0x%llx, length 0x%llx, wraps around",
					field, (unsigned long long)at,
					(unsigned long long)va,
					(unsigned long long)len);
	uint64_t there = vds_triage_available(t, source, len);
	t->lost += len - there;
	return vds_image_add_block(t->dump->image, va, there, source);
}

static struct vds_error *add_data_blocks(struct vds_triage *t)
{
	uint32_t table = vds_triage_u32(t, VDS_TRIAGE_BLOCKS);
	uint64_t count = vds_triage_u32(t, VDS_TRIAGE_NUM_BLOCKS);
	struct vds_image *image = t->dump->image;
	struct vds_error *err = vds_triage_check(
		t, t->at + VDS_TRIAGE_NUM_BLOCKS, "DataBlocksCount", table,
		count * BLOCK_ENTRY);
	if (err || !table)
		return err;
	if (count > MAX_BLOCKS)
		return vds_error_create(VDS_ERROR_FORMAT,
					"triage dump: DataBlocksCount at offset 0x%llx is 0x%llx, more than 0x%x",
					(unsigned long long)(t->at +
						VDS_TRIAGE_NUM_BLOCKS),
					(unsigned long long)count, MAX_BLOCKS);
	for (uint64_t i = 0; i < count && !err; i++) {
		uint8_t entry[BLOCK_ENTRY];
		uint64_t at = table + BLOCK_ENTRY * i;
		if (vds_file_read(image->file, at, entry, sizeof(entry)) <
		    sizeof(entry)) {
			t->lost += (count - i) * BLOCK_ENTRY;
			break;
		}
		err = add_block(t, at, "data block", vds_le64(entry),
				vds_le32(entry + 12), vds_le32(entry + 8));
	}
	/* Only between these is overlap strange; the stack is often among them. */
	if (!err)
		err = vds_blocks_finish(&image->blocks, &image->num_blocks,
					&image->notes);
	image->cap_blocks = VDS_MIN(image->num_blocks, image->cap_blocks);
	return err;
}

static struct vds_error *add_other_blocks(struct vds_triage *t)
{
	const struct vds_image_hints *hints = &t->dump->image->hints;
	struct vds_error *err = add_block(
		t, t->at + VDS_TRIAGE_STACK, "CallStackOffset",
		u64_of(t, VDS_TRIAGE_STACK_VA),
		vds_triage_u32(t, VDS_TRIAGE_STACK_SIZE),
		vds_triage_u32(t, VDS_TRIAGE_STACK));
	if (!err)
		err = add_block(t, t->at + VDS_TRIAGE_PAGE, "DataPageOffset",
				u64_of(t, VDS_TRIAGE_PAGE_VA),
				vds_triage_u32(t, VDS_TRIAGE_PAGE_SIZE),
				vds_triage_u32(t, VDS_TRIAGE_PAGE));
	if (!err && hints->has_kdbg)
		err = add_block(t, t->at + VDS_TRIAGE_DEBUGGER,
				"DebuggerDataOffset", hints->kdbg,
				vds_triage_u32(t, VDS_TRIAGE_DEBUGGER_SIZE),
				vds_triage_u32(t, VDS_TRIAGE_DEBUGGER));
	return err;
}

/* Where whatever lies behind @offset begins: nothing says how long a copy is. */
static uint64_t next_part(const struct vds_triage *t, uint64_t offset)
{
	static const uint8_t fields[] = {
		VDS_TRIAGE_MM, VDS_TRIAGE_UNLOADED, VDS_TRIAGE_PRCB,
		VDS_TRIAGE_PROCESS, VDS_TRIAGE_THREAD, VDS_TRIAGE_STACK,
		VDS_TRIAGE_DRIVERS, VDS_TRIAGE_STRINGS, VDS_TRIAGE_PAGE,
		VDS_TRIAGE_DEBUGGER, VDS_TRIAGE_BLOCKS, VDS_TRIAGE_VALID,
	};
	uint64_t next = t->limit;
	for (size_t i = 0; i < sizeof(fields); i++) {
		uint64_t other = vds_triage_u32(t, fields[i]);
		if (other > offset)
			next = VDS_MIN(next, other);
	}
	return next;
}

static struct vds_error *add_copies(struct vds_triage *t)
{
	static const struct {
		uint8_t field;
		const char *name;
	} parts[VDS_NUM_COPIES] = {
		[VDS_COPY_PRCB] = {VDS_TRIAGE_PRCB, "PrcbOffset"},
		[VDS_COPY_PROCESS] = {VDS_TRIAGE_PROCESS, "ProcessOffset"},
		[VDS_COPY_THREAD] = {VDS_TRIAGE_THREAD, "ThreadOffset"},
	};
	for (size_t i = 0; i < VDS_NUM_COPIES; i++) {
		uint64_t offset = vds_triage_u32(t, parts[i].field);
		if (!offset)
			continue;
		struct vds_error *err = vds_triage_check(
			t, t->at + parts[i].field, parts[i].name, offset, 1);
		if (err)
			return err;
		t->dump->image->copies[i] = (struct vds_image_copy){
			offset, vds_triage_available(
					t, offset,
					next_part(t, offset) - offset)};
	}
	return NULL;
}

/* The writer's last word, "TRGD", at the end of what it wrote. */
static struct vds_error *check_end(struct vds_triage *t)
{
	uint32_t valid = vds_triage_u32(t, VDS_TRIAGE_VALID);
	uint8_t mark[4];
	struct vds_error *err = vds_triage_check(
		t, t->at + VDS_TRIAGE_VALID, "ValidOffset", valid,
		sizeof(mark));
	if (err)
		return err;
	if (vds_triage_available(t, valid, sizeof(mark)) < sizeof(mark))
		return NULL;	/* counted among what was cut off */
	if (vds_file_read(t->dump->image->file, valid, mark, sizeof(mark)) <
		    sizeof(mark) || memcmp(mark, "TRGD", 4))
		vds_note(&t->dump->image->notes, "triage_unfinished", valid,
			 "triage dump: no TRGD at offset 0x%x, where ValidOffset says that it ends: it may not have been written to its end",
			 valid);
	return NULL;
}

#define MINI_DUMP_FIELDS 0x1038	/* of DUMP_HEADER64 */

/*
 * MiniDumpFields says which parts were turned on; older writers leave in the
 * others whatever was there. A part that isn't stated counts if it is sound.
 */
static void drop_unstated(struct vds_triage *t)
{
	static const struct {
		uint32_t bit;	/* TRIAGE_DUMP_DATAPAGE, ... */
		uint8_t offset, count, size;
	} parts[] = {
		{0x200, VDS_TRIAGE_PAGE, VDS_TRIAGE_PAGE_SIZE, 1},
		{0x400, VDS_TRIAGE_DEBUGGER, VDS_TRIAGE_DEBUGGER_SIZE, 1},
		{0x800, VDS_TRIAGE_BLOCKS, VDS_TRIAGE_NUM_BLOCKS, BLOCK_ENTRY},
	};
	uint32_t fields = vds_le32(t->dump->header + MINI_DUMP_FIELDS);
	if (!fields || fields == VDS_DUMP_UNSET32)
		return;
	for (size_t i = 0; i < VDS_ARRAY_SIZE(parts); i++) {
		uint64_t len = (uint64_t)vds_triage_u32(t, parts[i].count) *
			       parts[i].size;
		if (fields & parts[i].bit ||
		    vds_fits(vds_triage_u32(t, parts[i].offset), len, t->limit))
			continue;
		vds_put_le32(t->header + parts[i].offset, 0);
		vds_put_le32(t->header + parts[i].count, 0);
	}
}

/* One refusal names what it refuses: 32-bit forms can't be read by address. */
static struct vds_error *refuse_narrow(const struct vds_dump *dump)
{
	const struct vds_image_hints *hints = &dump->image->hints;
	return vds_error_create(VDS_ERROR_UNSUPPORTED,
				"32-bit triage dump (PAGEDUMP, DumpType 4; machine 0x%04x, build %u, bug check 0x%08x): it holds no physical memory, and only the 64-bit form is read by virtual address",
				hints->machine, hints->build, hints->bugcheck);
}

static struct vds_error *read_header(struct vds_triage *t)
{
	struct vds_dump *dump = t->dump;
	if (!dump->wide)
		return refuse_narrow(dump);
	if (vds_file_pread(dump->image->file, t->at, t->header,
			   VDS_TRIAGE_SIZE) < VDS_TRIAGE_SIZE)
		return vds_error_create(VDS_ERROR_FORMAT,
					"triage dump: the file ends inside the triage header at offset 0x%llx",
					(unsigned long long)t->at);
	uint32_t stated = vds_triage_u32(t, VDS_TRIAGE_DUMP_SIZE);
	t->limit = VDS_MAX(stated, dump->size);
	drop_unstated(t);
	return check_end(t);
}

struct vds_error *vds_dump_open_triage(struct vds_dump *dump)
{
	struct vds_triage t = {.dump = dump, .at = dump->header_size};
	struct vds_image *image = dump->image;
	struct vds_error *err = read_header(&t);
	if (!err)
		err = add_data_blocks(&t);
	if (!err)
		err = add_other_blocks(&t);
	if (!err)
		err = add_copies(&t);
	if (!err)
		err = vds_triage_add_modules(&t);
	if (err)
		return err;
	if (t.limit > dump->size)
		vds_note(&image->notes, "dump_truncated", dump->size,
			 "triage dump: SizeOfDump at offset 0x%llx is 0x%llx, but the file ends at 0x%llx; at least 0x%llx bytes are lost",
			 (unsigned long long)(t.at + VDS_TRIAGE_DUMP_SIZE),
			 (unsigned long long)t.limit,
			 (unsigned long long)dump->size,
			 (unsigned long long)t.lost);
	if (!image->num_blocks)
		return vds_error_create(VDS_ERROR_FORMAT,
					"triage dump: no block of memory in it: DataBlocksCount at offset 0x%llx is %u",
					(unsigned long long)(t.at +
						VDS_TRIAGE_NUM_BLOCKS),
					vds_triage_u32(&t, VDS_TRIAGE_NUM_BLOCKS));
	return NULL;
}
