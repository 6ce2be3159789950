/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kernel without a kernel: some pages of kernel space, and fields bound by
 * hand to the offsets of Windows 10 2004 (19041), or to others per test.
 */
#ifndef VDS_TEST_TESTNT_H
#define VDS_TEST_TESTNT_H

#include <check.h>

#include "nt/kernel.h"
#include "nt/task.h"
#include "testmem.h"

/* Kernel space of the tests: NT_PAGES pages from NT_BASE on, PA NT_PA. */
#define NT_BASE UINT64_C(0xffffb40000000000)
#define NT_PA UINT64_C(0x100000)

struct testnt {
	struct testmem mem;
	struct vds_kernel kernel;
	struct vds_task task;
	uint64_t next_table;
};

static inline void testnt_init(struct testnt *nt, size_t pages)
{
	memset(nt, 0, sizeof(*nt));
	testmem_init(&nt->mem, NT_PA + pages * 4096);
	nt->next_table = 0x2000;
	for (size_t i = 0; i < pages; i++)
		testmem_map(&nt->mem, 0x1000, &nt->next_table,
			    NT_BASE + i * 4096, NT_PA + i * 4096, 0x63);
	nt->kernel.image = &nt->mem.image;
	nt->kernel.space = (struct vds_space){
		.image = &nt->mem.image, .dtb = 0x1000, .levels = 4, .id = 1};
	ck_assert_ptr_null(vds_task_init(&nt->task, &nt->kernel));
}

static inline void testnt_deinit(struct testnt *nt)
{
	vds_task_deinit(&nt->task);
	vds_notes_deinit(&nt->kernel.notes);
	vds_arena_deinit(&nt->kernel.arena);
	testmem_deinit(&nt->mem);
}

/* Takes the page at kernel address @va out of the page tables. */
static inline void testnt_unmap(struct testnt *nt, uint64_t va)
{
	uint64_t unused = 0;
	testmem_map(&nt->mem, 0x1000, &unused, va, 0, 0);
	vds_tlb_clear(nt->task.tlb);
}

static inline void testnt_field(struct testnt *nt, enum vds_field_id id,
				uint32_t offset, uint16_t size,
				unsigned int bit_pos, unsigned int bit_len)
{
	nt->kernel.binding.fields[id] = (struct vds_field){
		.offset = offset, .size = size, .bit_pos = (uint8_t)bit_pos,
		.bit_len = (uint8_t)bit_len, .present = true};
}

#define testnt_plain(nt, id, offset, size) \
	testnt_field(nt, VDS_F_##id, offset, size, 0, 0)
#define testnt_size(nt, id, bytes) \
	((nt)->kernel.binding.sizes[VDS_R_##id] = (bytes))
static inline void testnt_symbol(struct testnt *nt, enum vds_symbol_id id,
				 uint64_t va)
{
	nt->kernel.base = NT_BASE;
	nt->kernel.binding.has_symbol[id] = true;
	nt->kernel.binding.rvas[id] = (uint32_t)(va - NT_BASE);
}

static inline uint8_t *testnt_at(struct testnt *nt, uint64_t va)
{
	return nt->mem.bytes + NT_PA + (va - NT_BASE);
}

static inline void testnt_put64(struct testnt *nt, uint64_t va, uint64_t v)
{
	vds_put_le64(testnt_at(nt, va), v);
}

static inline void testnt_put32(struct testnt *nt, uint64_t va, uint32_t v)
{
	vds_put_le32(testnt_at(nt, va), v);
}

static inline void testnt_put16(struct testnt *nt, uint64_t va, uint16_t v)
{
	vds_put_le16(testnt_at(nt, va), v);
}

/* Puts @text as UTF-16LE at @text_va and a UNICODE_STRING of it at @va. */
static inline void testnt_unicode(struct testnt *nt, uint64_t va,
				  uint64_t text_va, const char *text)
{
	size_t n = strlen(text);
	for (size_t i = 0; i < n; i++)
		testnt_put16(nt, text_va + 2 * i, (uint8_t)text[i]);
	testnt_put16(nt, va, (uint16_t)(2 * n));
	testnt_put16(nt, va + 2, (uint16_t)(2 * n));
	testnt_put64(nt, va + 8, text_va);
}

static inline void testnt_bind_unicode(struct testnt *nt)
{
	testnt_size(nt, UNICODE_STRING, 16);
	testnt_plain(nt, UNICODE_LENGTH, 0, 2);
	testnt_plain(nt, UNICODE_MAX, 2, 2);
	testnt_plain(nt, UNICODE_BUFFER, 8, 8);
}

static inline bool testnt_noted(const struct vds_notes *notes, const char *kind,
				uint64_t object)
{
	for (size_t i = 0; i < notes->count; i++) {
		if (!strcmp(notes->list[i].kind, kind) &&
		    notes->list[i].object == object)
			return true;
	}
	return false;
}

#endif
