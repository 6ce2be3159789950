/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>
#include <string.h>

#include "paging/space.h"
#include "testmem.h"

#define DTB UINT64_C(0x1000)
#define VA UINT64_C(0xffffab8012345678)

struct world {
	struct testmem mem;
	struct vds_space space;
	struct vds_tlb *tlb;
};

static void world_init(struct world *world)
{
	testmem_init(&world->mem, 0x40000);
	world->space = (struct vds_space){
		.image = &world->mem.image, .dtb = DTB, .levels = 4, .id = 7,
	};
	world->tlb = vds_tlb_create();
	ck_assert_ptr_nonnull(world->tlb);
}

static void world_deinit(struct world *world)
{
	vds_tlb_destroy(world->tlb);
	testmem_deinit(&world->mem);
}

static unsigned int slot_of(uint64_t va, unsigned int level)
{
	return (unsigned int)(va >> (12 + 9 * (level - 1))) & 0x1ff;
}

static void put_entry(struct world *world, uint64_t table, unsigned int level,
		      uint64_t va, uint64_t entry)
{
	testmem_put64(&world->mem, table + slot_of(va, level) * 8, entry);
}

/* Tables at 0x2000 (PDPT), 0x3000 (PD), 0x4000 (PT), page at 0x5000. */
static void map_small(struct world *world)
{
	put_entry(world, DTB, 4, VA, 0x2000 | 0x63);
	put_entry(world, 0x2000, 3, VA, 0x3000 | 0x63);
	put_entry(world, 0x3000, 2, VA, 0x4000 | 0x63);
	put_entry(world, 0x4000, 1, VA, 0x5000 | 0x63);
}

static enum vds_why translate(struct world *world, uint64_t va, uint64_t *pa)
{
	enum vds_why cold = vds_space_translate(&world->space, NULL, va, pa,
						NULL);
	uint64_t first = *pa, left = 0;
	enum vds_why why = vds_space_translate(&world->space, world->tlb, va,
					       pa, &left);
	ck_assert_int_eq(why, cold);
	ck_assert_uint_eq(*pa, first);
	/* The second answer comes from the cache and must be the same. */
	why = vds_space_translate(&world->space, world->tlb, va, pa, NULL);
	ck_assert_int_eq(why, cold);
	ck_assert_uint_eq(*pa, first);
	if (!why)
		ck_assert_uint_eq(left, 4096 - (va & 4095));
	return why;
}

START_TEST(four_levels_lead_to_a_small_page)
{
	struct world world;
	uint64_t pa = 0;
	world_init(&world);
	map_small(&world);
	ck_assert_int_eq(translate(&world, VA, &pa), VDS_PRESENT);
	ck_assert_uint_eq(pa, 0x5678);
	pa = 0;
	ck_assert_int_eq(translate(&world, VA + 0x1000, &pa), VDS_NOT_MAPPED);
	/* Flags of NT and the NX bit are no part of the frame. */
	put_entry(&world, 0x4000, 1, VA, UINT64_C(0xfff0000000006e67));
	vds_tlb_clear(world.tlb);
	ck_assert_int_eq(translate(&world, VA, &pa), VDS_PRESENT);
	ck_assert_uint_eq(pa, 0x6678);
	/* A 52-bit frame keeps bits 48 to 51. */
	put_entry(&world, 0x4000, 1, VA, UINT64_C(0x000f000000005063));
	vds_tlb_clear(world.tlb);
	ck_assert_int_eq(translate(&world, VA, &pa), VDS_PRESENT);
	ck_assert_uint_eq(pa, UINT64_C(0x000f000000005678));
	world_deinit(&world);
}
END_TEST

START_TEST(five_levels_translate_57_bits)
{
	struct world world;
	uint64_t va = UINT64_C(0xff12340012345678), pa = 0;
	world_init(&world);
	world.space.levels = 5;
	ck_assert(vds_space_is_canonical(&world.space, va));
	put_entry(&world, DTB, 5, va, 0x6000 | 0x63);
	put_entry(&world, 0x6000, 4, va, 0x2000 | 0x63);
	put_entry(&world, 0x2000, 3, va, 0x3000 | 0x63);
	put_entry(&world, 0x3000, 2, va, 0x4000 | 0x63);
	put_entry(&world, 0x4000, 1, va, 0x5000 | 0x63);
	ck_assert_int_eq(translate(&world, va, &pa), VDS_PRESENT);
	ck_assert_uint_eq(pa, 0x5678);
	struct vds_walk walk;
	vds_space_walk(&world.space, NULL, va, &walk);
	ck_assert_uint_eq(walk.num_steps, 5);
	ck_assert_uint_eq(walk.steps[0].level, 5);
	ck_assert_uint_eq(walk.steps[0].entry_pa, DTB + slot_of(va, 5) * 8);
	world.space.levels = 4;
	vds_tlb_clear(world.tlb);
	ck_assert(!vds_space_is_canonical(&world.space, va));
	ck_assert_int_eq(translate(&world, va, &pa), VDS_BAD_ADDRESS);
	world_deinit(&world);
}
END_TEST

START_TEST(canonical_addresses_end_where_the_levels_end)
{
	struct vds_space four = {.levels = 4}, five = {.levels = 5};
	ck_assert(vds_space_is_canonical(&four, UINT64_C(0x00007fffffffffff)));
	ck_assert(!vds_space_is_canonical(&four, UINT64_C(0x0000800000000000)));
	ck_assert(!vds_space_is_canonical(&four, UINT64_C(0xffff7fffffffffff)));
	ck_assert(vds_space_is_canonical(&four, UINT64_C(0xffff800000000000)));
	ck_assert(vds_space_is_canonical(&five, UINT64_C(0x00ffffffffffffff)));
	ck_assert(!vds_space_is_canonical(&five, UINT64_C(0x0100000000000000)));
	ck_assert(vds_space_is_canonical(&five, UINT64_C(0xff00000000000000)));
}
END_TEST

START_TEST(large_pages_ignore_the_pat_bit)
{
	struct world world;
	uint64_t pa = 0;
	world_init(&world);
	map_small(&world);
	/* 2 MiB: frame from bit 21, bit 12 (PAT) set. */
	put_entry(&world, 0x3000, 2, VA, 0x7a00000 | 0x1000 | 0xe3);
	ck_assert_int_eq(translate(&world, VA, &pa), VDS_PRESENT);
	ck_assert_uint_eq(pa, 0x7a00000 | (VA & 0x1fffff));
	struct vds_walk walk;
	vds_space_walk(&world.space, NULL, VA, &walk);
	ck_assert_uint_eq(walk.page_size, 0x200000);
	ck_assert_uint_eq(walk.pa, pa);
	ck_assert_uint_eq(walk.num_steps, 3);
	/* 1 GiB: frame from bit 30. */
	put_entry(&world, 0x2000, 3, VA, 0x2c0000000 | 0x1000 | 0xe3);
	vds_tlb_clear(world.tlb);
	ck_assert_int_eq(translate(&world, VA, &pa), VDS_PRESENT);
	ck_assert_uint_eq(pa, 0x2c0000000 | (VA & 0x3fffffff));
	vds_space_walk(&world.space, NULL, VA, &walk);
	ck_assert_uint_eq(walk.page_size, 0x40000000);
	ck_assert_uint_eq(walk.num_steps, 2);
	/* PS is reserved in a PML4E. */
	put_entry(&world, DTB, 4, VA, 0x2000 | 0xe3);
	vds_tlb_clear(world.tlb);
	ck_assert_int_eq(translate(&world, VA, &pa), VDS_BAD_DATA);
	world_deinit(&world);
}
END_TEST

/* _i: a bit per level above the last, of the right that it takes away. */
START_TEST(a_walk_for_the_last_step_says_the_same)
{
	static const uint64_t takes[] = {0x2, 0x4, VDS_PTE_NX};
	struct world world;
	world_init(&world);
	map_small(&world);
	for (unsigned int right = 0; right < 3; right++) {
		uint64_t flags[3];
		for (unsigned int i = 0; i < 3; i++)
			flags[i] = 0x7 ^ (_i >> i & 1 ? takes[right] : 0);
		put_entry(&world, DTB, 4, VA, 0x2000 | flags[0]);
		put_entry(&world, 0x2000, 3, VA, 0x3000 | flags[1]);
		put_entry(&world, 0x3000, 2, VA, 0x4000 | flags[2]);
		vds_tlb_clear(world.tlb);
		/* The second and later times by the cache; last: no page. */
		for (unsigned int i = 0; i < 4; i++) {
			struct vds_walk all, page;
			put_entry(&world, 0x4000, 1, VA,
				  i < 3 ? 0x5000u | (i ? 0x7u : 0x5u) : 0x880u);
			vds_space_walk(&world.space, NULL, VA, &all);
			vds_space_walk_page(&world.space, world.tlb, VA,
					    &page);
			ck_assert_uint_eq(page.num_steps, i ? 1 : 4);
			ck_assert_int_eq(page.why, all.why);
			ck_assert_uint_eq(page.pa, all.pa);
			ck_assert_uint_eq(page.page_size, all.page_size);
			ck_assert(page.hardware == all.hardware);
			ck_assert(page.writable == all.writable);
			ck_assert(page.user == all.user);
			ck_assert(page.executable == all.executable);
			ck_assert(page.upper_writable == all.upper_writable);
			const struct vds_walk_step *last =
				&page.steps[page.num_steps - 1];
			ck_assert_uint_eq(last->level, 1);
			ck_assert_uint_eq(last->entry_pa, all.steps[3].entry_pa);
			ck_assert_uint_eq(last->entry, all.steps[3].entry);
			ck_assert(last->present == all.steps[3].present);
		}
	}
	world_deinit(&world);
}
END_TEST

START_TEST(a_walk_reports_each_entry_and_the_rights)
{
	struct world world;
	struct vds_walk walk;
	world_init(&world);
	map_small(&world);
	put_entry(&world, DTB, 4, VA, 0x2000 | 0x7);
	put_entry(&world, 0x2000, 3, VA, 0x3000 | 0x5);	/* read-only */
	put_entry(&world, 0x3000, 2, VA, 0x4000 | 0x7);
	put_entry(&world, 0x4000, 1, VA, 0x5000 | 0x7);
	vds_space_walk(&world.space, world.tlb, VA, &walk);
	ck_assert_int_eq(walk.why, VDS_PRESENT);
	ck_assert(walk.hardware && walk.user && walk.executable);
	ck_assert(!walk.writable);
	ck_assert_uint_eq(walk.pa, 0x5678);
	ck_assert_uint_eq(walk.page_size, 4096);
	ck_assert_uint_eq(walk.num_steps, 4);
	static const uint64_t tables[] = {DTB, 0x2000, 0x3000, 0x4000};
	static const uint64_t entries[] = {0x2007, 0x3005, 0x4007, 0x5007};
	for (unsigned int i = 0; i < 4; i++) {
		ck_assert_uint_eq(walk.steps[i].level, 4 - i);
		ck_assert_uint_eq(walk.steps[i].entry_pa,
				  tables[i] + slot_of(VA, 4 - i) * 8);
		ck_assert_uint_eq(walk.steps[i].entry, entries[i]);
		ck_assert(walk.steps[i].present);
	}
	/* NX anywhere forbids execution; a hole ends the walk. */
	put_entry(&world, 0x3000, 2, VA, VDS_PTE_NX | 0x4000 | 0x7);
	vds_space_walk(&world.space, world.tlb, VA, &walk);
	ck_assert(!walk.executable);
	put_entry(&world, 0x3000, 2, VA, 0x880);
	vds_space_walk(&world.space, world.tlb, VA, &walk);
	ck_assert_int_eq(walk.why, VDS_NOT_MAPPED);
	ck_assert_uint_eq(walk.num_steps, 3);
	ck_assert(!walk.steps[2].present && !walk.hardware);
	ck_assert_uint_eq(walk.steps[2].entry, 0x880);
	ck_assert(!walk.executable && !walk.writable && !walk.user);
	world_deinit(&world);
}
END_TEST

START_TEST(a_table_outside_of_the_image_is_not_in_image)
{
	struct world world;
	struct vds_walk walk;
	uint64_t pa = 0;
	world_init(&world);
	map_small(&world);
	put_entry(&world, 0x3000, 2, VA, 0x80000000 | 0x63);
	ck_assert_int_eq(translate(&world, VA, &pa), VDS_NOT_IN_IMAGE);
	vds_space_walk(&world.space, NULL, VA, &walk);
	ck_assert_uint_eq(walk.num_steps, 4);
	ck_assert_int_eq(walk.steps[3].why, VDS_NOT_IN_IMAGE);
	ck_assert_int_eq(walk.why, VDS_NOT_IN_IMAGE);
	/* The frame itself may be outside: translating works, reading not. */
	map_small(&world);
	vds_tlb_clear(world.tlb);
	put_entry(&world, 0x4000, 1, VA, 0x80000000 | 0x63);
	ck_assert_int_eq(translate(&world, VA, &pa), VDS_PRESENT);
	ck_assert_uint_eq(pa, 0x80000678);
	uint32_t v;
	ck_assert_int_eq(vds_space_read_u32(&world.space, world.tlb, VA, &v),
			 VDS_NOT_IN_IMAGE);
	world_deinit(&world);
}
END_TEST

struct answer {
	unsigned int level;	/* answered; others are NOT_MAPPED */
	uint64_t pa;
	bool final;
	unsigned int asked;
	bool readable;
	uint64_t entry;
};

static enum vds_why answer(const struct vds_space *space, struct vds_tlb *tlb,
			   uint64_t va, unsigned int level, uint64_t entry,
			   bool readable, uint64_t *ret_pa, bool *ret_final)
{
	struct answer *a = space->ctx;
	(void)tlb;
	(void)va;
	a->asked++;
	a->entry = entry;
	a->readable = readable;
	if (level != a->level)
		return VDS_PAGED_OUT;
	*ret_pa = a->pa;
	*ret_final = a->final;
	return VDS_PRESENT;
}

START_TEST(the_system_is_asked_about_entries_that_are_not_present)
{
	struct world world;
	uint64_t pa = 0;
	struct answer a = {.level = 1, .pa = 0x9000};
	world_init(&world);
	world.space.resolve = answer;
	world.space.ctx = &a;
	map_small(&world);
	/* A page in transition: the cache keeps the answer. */
	put_entry(&world, 0x4000, 1, VA, 0x9880);
	ck_assert_int_eq(translate(&world, VA, &pa), VDS_PRESENT);
	ck_assert_uint_eq(pa, 0x9678);
	ck_assert_uint_eq(a.asked, 2);
	ck_assert_uint_eq(a.entry, 0x9880);
	struct vds_walk walk;
	vds_space_walk(&world.space, NULL, VA, &walk);
	ck_assert(!walk.hardware && walk.steps[3].resolved);
	ck_assert_uint_eq(walk.pa, 0x9678);
	ck_assert_uint_eq(walk.page_size, 0);
	/* A page table in transition. */
	map_small(&world);
	vds_tlb_clear(world.tlb);
	put_entry(&world, 0x3000, 2, VA, 0x4880);
	a = (struct answer){.level = 2, .pa = 0x4000};
	ck_assert_int_eq(translate(&world, VA, &pa), VDS_PRESENT);
	ck_assert_uint_eq(pa, 0x5678);
	/* A VA whose tables end higher up, resolved as a whole. */
	vds_tlb_clear(world.tlb);
	put_entry(&world, DTB, 4, VA, 0);
	a = (struct answer){.level = 4, .pa = 0xb000, .final = true};
	ck_assert_int_eq(translate(&world, VA, &pa), VDS_PRESENT);
	ck_assert_uint_eq(pa, 0xb678);
	/* An unreadable table is told apart from an empty entry. */
	vds_tlb_clear(world.tlb);
	put_entry(&world, DTB, 4, VA, 0x80000063);
	a = (struct answer){.level = 9};
	ck_assert_int_eq(translate(&world, VA, &pa), VDS_PAGED_OUT);
	ck_assert(!a.readable);
	world_deinit(&world);
}
END_TEST

START_TEST(spaces_do_not_see_each_others_translations)
{
	struct world world;
	uint64_t pa = 0;
	world_init(&world);
	map_small(&world);
	struct vds_space other = world.space;
	other.dtb = 0x20000;
	other.id = 8;
	ck_assert_int_eq(translate(&world, VA, &pa), VDS_PRESENT);
	ck_assert_int_eq(vds_space_translate(&other, world.tlb, VA, &pa, NULL),
			 VDS_NOT_MAPPED);
	/* No identity, no caching. */
	world.space.id = 0;
	put_entry(&world, 0x4000, 1, VA, 0);
	ck_assert_int_eq(translate(&world, VA, &pa), VDS_NOT_MAPPED);
	world_deinit(&world);
}
END_TEST

START_TEST(the_cache_answers_as_the_tables_do)
{
	struct world world;
	world_init(&world);
	uint64_t next = 0x2000;
	/* Far more pages than slots share an index; all must stay apart. */
	for (uint64_t i = 0; i < 24; i++)
		testmem_map(&world.mem, DTB, &next, i << 25, i << 12, 0x63);
	for (unsigned int round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < 24; i++) {
			uint64_t pa = 0;
			ck_assert_int_eq(translate(&world, (i << 25) + 5, &pa),
					 VDS_PRESENT);
			ck_assert_uint_eq(pa, (i << 12) + 5);
		}
	}
	world_deinit(&world);
}
END_TEST

START_TEST(reads_cross_pages_and_say_why_a_byte_is_absent)
{
	struct world world;
	uint8_t buf[0x3000];
	uint64_t next = 0x2000, va = 0x10000;
	world_init(&world);
	testmem_map(&world.mem, DTB, &next, va, 0x21000, 0x63);
	testmem_map(&world.mem, DTB, &next, va + 0x1000, 0x20000, 0x63);
	testmem_map(&world.mem, DTB, &next, va + 0x3000, 0x22000, 0x63);
	memset(world.mem.bytes + 0x21000, 0xaa, 0x1000);
	memset(world.mem.bytes + 0x20000, 0xbb, 0x1000);
	memset(world.mem.bytes + 0x22000, 0xcc, 0x1000);
	ck_assert_int_eq(vds_space_read(&world.space, world.tlb, va + 0xffc,
					buf, 8), VDS_PRESENT);
	ck_assert_mem_eq(buf, "\xaa\xaa\xaa\xaa\xbb\xbb\xbb\xbb", 8);
	uint64_t v = 0;
	ck_assert_int_eq(vds_space_read_u64(&world.space, world.tlb,
					    va + 0xffd, &v), VDS_PRESENT);
	ck_assert_uint_eq(v, UINT64_C(0xbbbbbbbbbbaaaaaa));
	ck_assert_int_eq(vds_space_read(&world.space, world.tlb, va + 0x1fff,
					buf, 2), VDS_NOT_MAPPED);
	ck_assert_int_eq(vds_space_read(&world.space, world.tlb,
					UINT64_MAX - 3, buf, 8),
			 VDS_BAD_ADDRESS);
	ck_assert_int_eq(vds_space_read(&world.space, world.tlb,
					UINT64_C(0x7ffffffffffc), buf, 8),
			 VDS_NOT_MAPPED);
	ck_assert_int_eq(vds_space_read(&world.space, world.tlb, 0, buf, 0),
			 VDS_PRESENT);
	enum vds_why why[4];
	ck_assert_uint_eq(vds_pages_spanned(va + 0x800, 0x3000), 4);
	memset(buf, 0xff, sizeof(buf));
	size_t n = vds_space_read_partial(&world.space, world.tlb, va + 0x800,
					  buf, 0x3000, why);
	ck_assert_uint_eq(n, 0x2000);
	ck_assert_int_eq(why[0], VDS_PRESENT);
	ck_assert_int_eq(why[1], VDS_PRESENT);
	ck_assert_int_eq(why[2], VDS_NOT_MAPPED);
	ck_assert_int_eq(why[3], VDS_PRESENT);
	ck_assert_uint_eq(buf[0x17ff], 0xbb);
	ck_assert_uint_eq(buf[0x1800], 0);
	ck_assert_uint_eq(buf[0x2800], 0xcc);
	world_deinit(&world);
}
END_TEST

START_TEST(a_partial_read_does_not_wrap)
{
	struct world world;
	uint8_t buf[0x2000];
	enum vds_why why[3];
	uint64_t next = 0x2000;
	world_init(&world);
	testmem_map(&world.mem, DTB, &next, 0, 0x21000, 0x63);
	testmem_map(&world.mem, DTB, &next, UINT64_C(0xfffffffffffff000),
		    0x22000, 0x63);
	ck_assert_uint_eq(vds_space_read_partial(&world.space, world.tlb,
						 UINT64_MAX - 0xfff, buf,
						 sizeof(buf), why), 0x1000);
	ck_assert_int_eq(why[0], VDS_PRESENT);
	ck_assert_int_eq(why[1], VDS_BAD_ADDRESS);
	ck_assert_uint_eq(vds_pages_spanned(5, 0), 0);
	ck_assert_uint_eq(vds_pages_spanned(0xfff, 2), 2);
	ck_assert_uint_eq(vds_pages_spanned(0x1000, 0x1000), 1);
	world_deinit(&world);
}
END_TEST

/* A dump without page tables: bytes by address, and no translation. */
START_TEST(blocks_of_virtual_memory_stand_in_for_tables)
{
	const uint64_t va = UINT64_C(0xffffa80000001000);
	const struct vds_virtual_block blocks[] = {
		{va, 0x20, 0x100}, {va + 0x20, 0x10, 0x800},
		{va + 0x40, 8, 0x200},
	};
	struct world world;
	uint64_t pa, v;
	uint8_t buf[0x40];
	struct vds_walk walk;
	world_init(&world);
	memset(world.mem.bytes + 0x100, 'a', 0x20);
	memset(world.mem.bytes + 0x800, 'b', 0x10);
	vds_put_le64(world.mem.bytes + 0x200, 0x1122334455667788);
	world.space.blocks = blocks;
	world.space.num_blocks = VDS_ARRAY_SIZE(blocks);
	ck_assert_int_eq(vds_space_read(&world.space, world.tlb, va + 8, buf,
					0x28), VDS_PRESENT);
	ck_assert_uint_eq(buf[0x17], 'a');
	ck_assert_uint_eq(buf[0x18], 'b');
	ck_assert_int_eq(vds_space_read(&world.space, world.tlb, va + 8, buf,
					0x29), VDS_NOT_IN_IMAGE);
	ck_assert_int_eq(vds_space_read(&world.space, world.tlb, va - 1, buf,
					2), VDS_NOT_IN_IMAGE);
	ck_assert_int_eq(vds_space_read_u64(&world.space, world.tlb, va + 0x40,
					    &v), VDS_PRESENT);
	ck_assert_uint_eq(v, 0x1122334455667788);
	ck_assert_int_eq(vds_space_read(&world.space, world.tlb,
					UINT64_C(0x8000000000000000), buf, 1),
			 VDS_BAD_ADDRESS);
	ck_assert_int_eq(vds_space_translate(&world.space, world.tlb, va, &pa,
					     NULL), VDS_NOT_IN_IMAGE);
	vds_space_walk(&world.space, world.tlb, va, &walk);
	ck_assert_int_eq(walk.why, VDS_NOT_IN_IMAGE);
	ck_assert(!walk.hardware && !walk.num_steps);
	world_deinit(&world);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("paging");
	TCase *tc = tcase_create("paging");
	tcase_add_test(tc, four_levels_lead_to_a_small_page);
	tcase_add_test(tc, five_levels_translate_57_bits);
	tcase_add_test(tc, canonical_addresses_end_where_the_levels_end);
	tcase_add_test(tc, large_pages_ignore_the_pat_bit);
	tcase_add_test(tc, a_walk_reports_each_entry_and_the_rights);
	tcase_add_loop_test(tc, a_walk_for_the_last_step_says_the_same, 0,
			     8);
	tcase_add_test(tc, a_table_outside_of_the_image_is_not_in_image);
	tcase_add_test(tc,
		       the_system_is_asked_about_entries_that_are_not_present);
	tcase_add_test(tc, spaces_do_not_see_each_others_translations);
	tcase_add_test(tc, the_cache_answers_as_the_tables_do);
	tcase_add_test(tc, reads_cross_pages_and_say_why_a_byte_is_absent);
	tcase_add_test(tc, a_partial_read_does_not_wrap);
	tcase_add_test(tc, blocks_of_virtual_memory_stand_in_for_tables);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
