/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>

#include "nt/discover.h"
#include "testkernel.h"

#define SIZE 0x800000u
#define DTB UINT64_C(0x587000)
#define KUSER UINT64_C(0x30000)
#define PE UINT64_C(0x200000)

struct world {
	struct testmem mem;
	struct vds_tlb *tlb;
	struct vds_kernel_options options;
	struct vds_discovery found;
	uint64_t next;		/* page for the next table */
};

/* A machine without a low stub: the kernel lies in a 2 MiB page. */
static void world_init(struct world *world)
{
	memset(world, 0, sizeof(*world));
	testmem_init(&world->mem, SIZE);
	world->tlb = vds_tlb_create();
	world->options.threads = 2;
	world->next = 0x600000;
	testkernel_put_pe(&world->mem, PE, "ntkrnlmp.pdb", "ntoskrnl.exe");
	testkernel_put_kuser(&world->mem, KUSER, SIZE / 4096);
	testkernel_put_top(&world->mem, DTB, 0x152, 0x7ff000);
	testmem_map(&world->mem, DTB, &world->next, VDS_KUSER_VA, KUSER, 0x63);
}

static void map_kernel(struct world *world)
{
	testkernel_map_2m(&world->mem, DTB, &world->next, TESTKERNEL_BASE, PE);
}

static void world_deinit(struct world *world)
{
	vds_discovery_deinit(&world->found);
	vds_tlb_destroy(world->tlb);
	testmem_deinit(&world->mem);
}

static void discover(struct world *world, bool thorough)
{
	ck_assert_ptr_null(vds_discover(&world->mem.image, &world->options,
					thorough, world->tlb, &world->found));
}

static void expect_kernel(const struct world *world, size_t i, uint64_t base,
			  enum vds_dtb_method method)
{
	const struct vds_find *find = &world->found.finds[i];
	const struct vds_dtb_candidate *c =
		&world->found.candidates[find->candidate];
	ck_assert_uint_lt(i, world->found.num_finds);
	ck_assert_uint_eq(find->space.dtb, DTB);
	ck_assert_uint_eq(find->base, base);
	ck_assert_uint_eq(find->pe.size, TESTKERNEL_PE_SIZE);
	ck_assert_str_eq(find->pe.pdb.name, "ntkrnlmp.pdb");
	ck_assert_str_eq(find->pe.pdb.guid, TESTKERNEL_GUID);
	ck_assert_uint_eq(find->pe.pdb.age, 1);
	ck_assert_int_eq(find->kuser.why, VDS_PRESENT);
	ck_assert_uint_eq(find->kuser.build, 19041);
	ck_assert_str_eq(find->kuser.system_root, "C:\\Windows");
	ck_assert_uint_eq(find->kuser.system_time,
			  UINT64_C(133444736000000000));
	ck_assert_int_eq(c->method, method);
	ck_assert_uint_eq(c->score, 2);
	ck_assert_uint_eq(c->base, base);
}

START_TEST(the_low_stub_leads_to_the_kernel)
{
	struct world world;
	world_init(&world);
	map_kernel(&world);
	testkernel_put_stub(&world.mem, 0x14000, DTB, 0x6f8);
	discover(&world, false);
	ck_assert_uint_eq(world.found.num_finds, 1);
	ck_assert_uint_eq(world.found.num_candidates, 1);
	expect_kernel(&world, 0, TESTKERNEL_BASE, VDS_DTB_LOW_STUB);
	world_deinit(&world);
}
END_TEST

START_TEST(a_table_anywhere_is_found_by_its_self_reference)
{
	struct world world;
	world_init(&world);
	map_kernel(&world);
	discover(&world, false);
	ck_assert_uint_eq(world.found.num_finds, 1);
	expect_kernel(&world, 0, TESTKERNEL_BASE, VDS_DTB_SELF_REF);
	world_deinit(&world);
}
END_TEST

START_TEST(flags_in_cr3_are_masked)
{
	struct world world;
	world_init(&world);
	map_kernel(&world);
	world.mem.image.hints.has_dtb = true;
	world.mem.image.hints.dtb = DTB | 0x2 | UINT64_C(0x8000000000000000);
	discover(&world, false);
	expect_kernel(&world, 0, TESTKERNEL_BASE, VDS_DTB_HINT);
	vds_discovery_deinit(&world.found);
	world.options.has_dtb = true;
	world.options.dtb = DTB | 0x9;
	discover(&world, false);
	expect_kernel(&world, 0, TESTKERNEL_BASE, VDS_DTB_OPTION);
	world_deinit(&world);
}
END_TEST

START_TEST(a_shadow_table_is_no_kernel_table)
{
	struct world world;
	const uint64_t shadow = 0x590000;
	world_init(&world);
	map_kernel(&world);
	/* As KVA shadowing leaves it: KUSER, but hardly any of the kernel. */
	testkernel_put_top(&world.mem, shadow, 0x152, 0x7ff000);
	testmem_map(&world.mem, shadow, &world.next, VDS_KUSER_VA, KUSER,
		    0x63);
	testmem_map(&world.mem, shadow, &world.next, TESTKERNEL_BASE + 0x5000,
		    PE + 0x5000, 0x63);
	testkernel_put_stub(&world.mem, 0x14000, shadow, 0x6f8);
	discover(&world, false);
	ck_assert_uint_eq(world.found.num_finds, 1);
	expect_kernel(&world, 0, TESTKERNEL_BASE, VDS_DTB_SELF_REF);
	ck_assert_uint_eq(world.found.candidates[0].dtb, shadow);
	ck_assert_uint_eq(world.found.candidates[0].score, 1);
	ck_assert_str_eq(world.found.candidates[0].verdict,
			 "no kernel image mapped: KVA shadow table or stale");
	world_deinit(&world);
}
END_TEST

START_TEST(a_kernel_in_small_pages_is_found)
{
	struct world world;
	const uint64_t base = UINT64_C(0xfffff80002c4b000);
	world_init(&world);
	map_kernel(&world);
	/* No longer a PE at the 2 MiB step. */
	memset(world.mem.bytes + PE, 0, 0x1000);
	testkernel_put_pe(&world.mem, 0x404000, "ntkrnlmp.pdb",
			  "ntoskrnl.exe");
	for (uint64_t i = 0; i < TESTKERNEL_PE_SIZE; i += 0x1000)
		testmem_map(&world.mem, DTB, &world.next, base + i,
			    0x404000 + i, 0x63);
	discover(&world, false);
	ck_assert_uint_eq(world.found.num_finds, 1);
	expect_kernel(&world, 0, base, VDS_DTB_SELF_REF);
	world_deinit(&world);
}
END_TEST

START_TEST(a_kernel_within_a_large_page_is_found)
{
	struct world world;
	world_init(&world);
	map_kernel(&world);
	memset(world.mem.bytes + PE, 0, 0x10000);
	testkernel_put_pe(&world.mem, PE + 0x4b000, "ntkrnlmp.pdb",
			  "ntoskrnl.exe");
	discover(&world, false);
	expect_kernel(&world, 0, TESTKERNEL_BASE + 0x4b000, VDS_DTB_SELF_REF);
	world_deinit(&world);
}
END_TEST

START_TEST(other_images_are_not_taken_for_the_kernel)
{
	struct world world;
	world_init(&world);
	map_kernel(&world);
	testkernel_put_pe(&world.mem, 0x400000, "securekernel.pdb",
			  "securekernel.exe");
	testkernel_map_2m(&world.mem, DTB, &world.next,
			  TESTKERNEL_BASE - 0x200000, 0x400000);
	discover(&world, true);
	ck_assert_uint_eq(world.found.num_finds, 1);
	expect_kernel(&world, 0, TESTKERNEL_BASE, VDS_DTB_SELF_REF);
	/* Told where to look, we still look. */
	vds_discovery_deinit(&world.found);
	world.options.has_base = true;
	world.options.base = TESTKERNEL_BASE - 0x200000;
	discover(&world, false);
	ck_assert_uint_eq(world.found.num_finds, 0);
	world_deinit(&world);
}
END_TEST

START_TEST(the_pdb_is_found_without_a_debug_directory)
{
	struct world world;
	world_init(&world);
	map_kernel(&world);
	testmem_put64(&world.mem, PE + 0x98 + 112 + 6 * 8, 0);
	discover(&world, false);
	expect_kernel(&world, 0, TESTKERNEL_BASE, VDS_DTB_SELF_REF);
	/* Nor with one that leads out of the image. */
	vds_discovery_deinit(&world.found);
	testmem_put32(&world.mem, PE + 0x98 + 112 + 6 * 8, 0xfffffff0);
	testmem_put32(&world.mem, PE + 0x98 + 116 + 6 * 8, 0xffffffff);
	discover(&world, false);
	expect_kernel(&world, 0, TESTKERNEL_BASE, VDS_DTB_SELF_REF);
	world_deinit(&world);
}
END_TEST

START_TEST(five_levels_are_found_by_scan_and_by_stub)
{
	struct world world;
	const uint64_t pml5 = 0x588000;
	world_init(&world);
	map_kernel(&world);
	/* The old top becomes the table below the last entry of a new one. */
	testmem_put64(&world.mem, DTB + 0x152 * 8, 0);
	testmem_put64(&world.mem, pml5 + 0x1ff * 8, DTB | 0x63);
	testmem_put64(&world.mem, pml5 + 0x180 * 8, pml5 | 0x63);
	discover(&world, false);
	ck_assert_uint_eq(world.found.num_finds, 1);
	ck_assert_uint_eq(world.found.finds[0].space.levels, 5);
	ck_assert_uint_eq(world.found.finds[0].space.dtb, pml5);
	ck_assert_uint_eq(world.found.finds[0].base, TESTKERNEL_BASE);
	vds_discovery_deinit(&world.found);
	testkernel_put_stub(&world.mem, 0x3000, pml5, 0x16f8);
	discover(&world, false);
	ck_assert_uint_eq(world.found.num_finds, 1);
	ck_assert_int_eq(world.found.candidates[0].method, VDS_DTB_LOW_STUB);
	ck_assert_uint_eq(world.found.finds[0].space.levels, 5);
	world_deinit(&world);
}
END_TEST

START_TEST(of_two_systems_the_one_of_this_size_comes_first)
{
	struct world world;
	const uint64_t guest = 0x500000;
	world_init(&world);
	map_kernel(&world);
	/* A guest below it in memory, with a kernel of its own. */
	testkernel_put_kuser(&world.mem, 0x31000, 100);
	testkernel_put_pe(&world.mem, 0x400000, "ntkrnlmp.pdb",
			  "ntoskrnl.exe");
	testkernel_put_top(&world.mem, guest, 0x1ed, 0x7ff000);
	testmem_map(&world.mem, guest, &world.next, VDS_KUSER_VA, 0x31000,
		    0x63);
	testkernel_map_2m(&world.mem, guest, &world.next,
			  TESTKERNEL_BASE + 0x400000, 0x400000);
	discover(&world, false);
	ck_assert_uint_eq(world.found.num_finds, 2);
	expect_kernel(&world, 0, TESTKERNEL_BASE, VDS_DTB_SELF_REF);
	ck_assert_uint_eq(world.found.finds[1].space.dtb, guest);
	world_deinit(&world);
}
END_TEST

START_TEST(nothing_is_found_in_nothing)
{
	struct world world;
	world_init(&world);
	discover(&world, true);
	ck_assert_uint_eq(world.found.num_finds, 0);
	/* Every page of garbage is turned down, none is believed. */
	for (size_t i = 0; i < SIZE; i += 8)
		testmem_put64(&world.mem, i, (i * UINT64_C(0x9e3779b97f4a7c15))
			      | 0x63);
	vds_discovery_deinit(&world.found);
	discover(&world, true);
	ck_assert_uint_eq(world.found.num_finds, 0);
	world_deinit(&world);
}
END_TEST

START_TEST(a_top_table_has_one_self_reference_of_the_right_kind)
{
	struct world world;
	struct vds_dtb_hit hit;
	world_init(&world);
	map_kernel(&world);
	uint8_t *page = world.mem.bytes + DTB;
	ck_assert(vds_dtb_check_page(page, DTB, &hit));
	ck_assert_uint_eq(hit.pa, DTB);
	ck_assert_uint_eq(hit.levels, 4);
	ck_assert(!vds_dtb_check_page(page, DTB + 0x1000, &hit));
	testmem_put64(&world.mem, DTB + 0x152 * 8, DTB | 0x61);	/* not RW */
	ck_assert(!vds_dtb_check_page(page, DTB, &hit));
	testmem_put64(&world.mem, DTB + 0x152 * 8, DTB | 0x67);	/* user */
	ck_assert(!vds_dtb_check_page(page, DTB, &hit));
	testmem_put64(&world.mem, DTB + 0x152 * 8, DTB | 0xe3);	/* large */
	ck_assert(!vds_dtb_check_page(page, DTB, &hit));
	testmem_put64(&world.mem, DTB + 0x152 * 8, DTB | 0x63);
	ck_assert(vds_dtb_check_page(page, DTB, &hit));
	testmem_put64(&world.mem, DTB + 0x153 * 8, DTB | 0x63);	/* second */
	ck_assert(!vds_dtb_check_page(page, DTB, &hit));
	world_deinit(&world);
}
END_TEST

START_TEST(the_stub_is_told_by_all_its_marks)
{
	struct testmem mem;
	uint64_t cr3;
	bool la57;
	testmem_init(&mem, 0x1000);
	testkernel_put_stub(&mem, 0, 0x1ad000, 0x16f8);
	ck_assert(vds_low_stub_check(mem.bytes, &cr3, &la57));
	ck_assert_uint_eq(cr3, 0x1ad000);
	ck_assert(la57);
	testkernel_put_stub(&mem, 0, 0x1ad123, 0x6f8);
	ck_assert(!vds_low_stub_check(mem.bytes, &cr3, &la57));
	testkernel_put_stub(&mem, 0, 0x1ad000, 0x6f8);
	ck_assert(vds_low_stub_check(mem.bytes, &cr3, &la57) && !la57);
	testmem_put64(&mem, 0x70, 0x1234);
	ck_assert(!vds_low_stub_check(mem.bytes, &cr3, &la57));
	testmem_deinit(&mem);
}
END_TEST

START_TEST(kuser_is_believed_only_if_plausible)
{
	struct world world;
	struct vds_kuser kuser;
	struct vds_space space = {.dtb = DTB, .levels = 4};
	world_init(&world);
	space.image = &world.mem.image;
	vds_kuser_read(&space, NULL, &kuser);
	ck_assert_int_eq(kuser.why, VDS_PRESENT);
	ck_assert_uint_eq(kuser.physical_pages, SIZE / 4096);
	testmem_put32(&world.mem, KUSER + 0x26c, 7);
	vds_kuser_read(&space, NULL, &kuser);
	ck_assert_int_eq(kuser.why, VDS_BAD_DATA);
	ck_assert_uint_eq(kuser.build, 0);
	testmem_put32(&world.mem, KUSER + 0x26c, 6);
	testmem_put32(&world.mem, KUSER + 0x270, 1);
	vds_kuser_read(&space, NULL, &kuser);
	ck_assert_int_eq(kuser.why, VDS_PRESENT);
	ck_assert_uint_eq(kuser.build, 0);	/* reserved before Windows 10 */
	testmem_put64(&world.mem, KUSER + 0x14, 0);
	vds_kuser_read(&space, NULL, &kuser);
	ck_assert_int_eq(kuser.why, VDS_BAD_DATA);
	space.dtb = 0x1000;
	vds_kuser_read(&space, NULL, &kuser);
	ck_assert_int_eq(kuser.why, VDS_NOT_MAPPED);
	world_deinit(&world);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("discover");
	TCase *tc = tcase_create("discover");
	tcase_add_test(tc, the_low_stub_leads_to_the_kernel);
	tcase_add_test(tc, a_table_anywhere_is_found_by_its_self_reference);
	tcase_add_test(tc, flags_in_cr3_are_masked);
	tcase_add_test(tc, a_shadow_table_is_no_kernel_table);
	tcase_add_test(tc, a_kernel_in_small_pages_is_found);
	tcase_add_test(tc, a_kernel_within_a_large_page_is_found);
	tcase_add_test(tc, other_images_are_not_taken_for_the_kernel);
	tcase_add_test(tc, the_pdb_is_found_without_a_debug_directory);
	tcase_add_test(tc, five_levels_are_found_by_scan_and_by_stub);
	tcase_add_test(tc, of_two_systems_the_one_of_this_size_comes_first);
	tcase_add_test(tc, nothing_is_found_in_nothing);
	tcase_add_test(tc,
		       a_top_table_has_one_self_reference_of_the_right_kind);
	tcase_add_test(tc, the_stub_is_told_by_all_its_marks);
	tcase_add_test(tc, kuser_is_believed_only_if_plausible);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
