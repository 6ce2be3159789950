/* SPDX-License-Identifier: Apache-2.0 */
/* Grouping of views: sharing is overlap of pages, not equality of first PTEs. */
#include <check.h>
#include <string.h>

#include "analysis/known.h"
#include "analysis/views.h"

#define CA UINT64_C(0xffffe00000001000)
#define PROTO UINT64_C(0xffffd80ce21e4d70)

static struct vds_subsection subsections[2] = {
	{.address = CA + 0x80, .base = PROTO, .ptes = 16, .first_page = 0},
	{.address = CA + 0xc0, .base = PROTO + 0x10000, .ptes = 8,
	 .first_page = 16},
};
static struct vds_section section = {
	.control_area = CA,
	.total_ptes = 24,
	.backing = VDS_BACKING_DATA,
	.subsections = subsections,
	.num_subsections = 2,
	.subsections_complete = true,
};

static struct vds_process processes[] = {
	{.pid = 4, .index = 0, .session_why = VDS_NOT_APPLICABLE,
	 .kind = VDS_PROCESS_SYSTEM},
	{.pid = 100, .index = 1, .session = 0},
	{.pid = 200, .index = 2, .session = 1},
	{.pid = 300, .index = 3, .session = 1},
};

/* A view of @pages pages from prototype PTE @proto on. */
static struct vds_view view_of(uint32_t process, uint64_t start, uint64_t proto,
			       uint64_t pages, uint32_t protection)
{
	return (struct vds_view){
		.process = process,
		.node = start ^ UINT64_C(0xffffe00000000000),
		.start = start,
		.end = start + pages * 4096 - 1,
		.first_prototype_pte = proto,
		.last_contiguous_pte = proto + (pages - 1) * 8,
		.protection = protection,
	};
}

struct result {
	struct vds_arena arena;
	struct vds_view **views;
	struct vds_share_group *groups;
	size_t num_groups;
};

static struct result group(struct vds_view *views, size_t n,
			   const struct vds_section *of)
{
	struct result r = {0};
	for (size_t i = 0; i < n; i++)
		vds_view_place(&views[i], of);
	ck_assert_ptr_null(vds_views_group(&r.arena, views, n, processes,
					   &r.views, &r.groups,
					   &r.num_groups));
	return r;
}

START_TEST(offset_views_share_though_their_first_ptes_differ)
{
	struct vds_view views[] = {
		view_of(1, 0x10000, PROTO, 8, 4),
		view_of(2, 0x20000, PROTO + 4 * 8, 8, 1),
	};
	struct result r = group(views, 2, &section);
	ck_assert_uint_eq(r.num_groups, 1);
	ck_assert_uint_eq(r.groups[0].num_views, 2);
	ck_assert_uint_eq(r.groups[0].num_processes, 2);
	ck_assert_uint_eq(r.groups[0].first_page, 0);
	ck_assert_uint_eq(r.groups[0].last_page, 11);
	ck_assert(r.groups[0].writable);
	ck_assert(!r.groups[0].executable);
	ck_assert(r.groups[0].cross_session);
	vds_arena_deinit(&r.arena);
}
END_TEST

START_TEST(disjoint_views_of_one_section_do_not_share)
{
	struct vds_view views[] = {
		view_of(1, 0x10000, PROTO, 4, 4),
		view_of(2, 0x20000, PROTO + 4 * 8, 4, 4),
	};
	struct result r = group(views, 2, &section);
	ck_assert_uint_eq(r.num_groups, 2);
	ck_assert_uint_eq(r.groups[0].last_page, 3);
	ck_assert_uint_eq(r.groups[1].first_page, 4);
	vds_arena_deinit(&r.arena);
}
END_TEST

START_TEST(one_process_twice_counts_as_sharing)
{
	struct vds_view views[] = {
		view_of(2, 0x6300000, PROTO, 16, 4),
		view_of(2, 0x63b0000, PROTO, 16, 4),
	};
	struct result r = group(views, 2, &section);
	ck_assert_uint_eq(r.num_groups, 1);
	ck_assert_uint_eq(r.groups[0].num_views, 2);
	ck_assert_uint_eq(r.groups[0].num_processes, 1);
	ck_assert(!r.groups[0].cross_session);
	vds_arena_deinit(&r.arena);
}
END_TEST

START_TEST(a_view_that_begins_in_a_later_subsection_overlaps_one_over_both)
{
	struct vds_view views[] = {
		view_of(1, 0x10000, PROTO, 24, 1),
		view_of(2, 0x40000, PROTO + 0x10000 + 8, 3, 1),
	};
	struct result r = group(views, 2, &section);
	ck_assert_uint_eq(views[1].first_page, 17);
	ck_assert_uint_eq(views[1].last_page, 19);
	ck_assert_ptr_eq(views[1].subsection, &subsections[1]);
	ck_assert_uint_eq(r.num_groups, 1);
	vds_arena_deinit(&r.arena);
}
END_TEST

START_TEST(a_view_past_the_last_page_claims_no_more_than_there_is)
{
	struct vds_view views[] = {view_of(1, 0x10000, PROTO, 40, 1)};
	struct result r = group(views, 1, &section);
	ck_assert_uint_eq(views[0].last_page, 23);
	vds_arena_deinit(&r.arena);
}
END_TEST

START_TEST(without_a_section_the_prototype_addresses_decide)
{
	struct vds_section broken = {.control_area = CA,
				     .why = VDS_NOT_IN_IMAGE};
	struct vds_view views[] = {
		view_of(1, 0x10000, PROTO, 4, 4),
		view_of(2, 0x20000, PROTO + 8, 4, 4),
		view_of(3, 0x30000, PROTO + 64, 4, 4),
		/* Sixteen pages, but only two PTEs are contiguous. */
		view_of(3, 0x50000, PROTO + 32, 16, 4),
	};
	views[3].last_contiguous_pte = PROTO + 40;
	struct result r = group(views, 4, &broken);
	ck_assert_uint_eq(r.num_groups, 2);
	ck_assert_uint_eq(r.groups[0].num_views, 3);
	ck_assert_uint_eq(r.groups[0].control_area, 0);
	ck_assert(!r.groups[0].has_pages);
	ck_assert_uint_eq(r.groups[1].num_views, 1);
	vds_arena_deinit(&r.arena);
}
END_TEST

START_TEST(copy_on_write_is_not_writable_sharing)
{
	struct vds_view views[] = {
		view_of(1, 0x10000, PROTO, 8, 7),	/* EXECUTE_WRITECOPY */
		view_of(2, 0x20000, PROTO, 8, 7),
	};
	struct result r = group(views, 2, &section);
	ck_assert(!r.groups[0].writable);
	ck_assert(r.groups[0].executable);
	vds_arena_deinit(&r.arena);
}
END_TEST

static void mark(struct vds_view *views, size_t n, struct result *r,
		 const struct vds_peb_slots *slots)
{
	ck_assert_ptr_null(vds_known_mark(processes, 4, slots, views, n,
					  r->groups, r->num_groups));
}

START_TEST(what_most_pebs_point_to_is_known_good)
{
	struct vds_view views[] = {
		view_of(1, 0x10000, PROTO, 8, 1),
		view_of(2, 0x20000, PROTO, 8, 1),
		view_of(3, 0x30000, PROTO, 8, 1),
	};
	struct result r = group(views, 3, &section);
	struct vds_peb_slots slots[4] = {
		[2] = {.api_set = 0x20000}, [3] = {.api_set = 0x30123}};
	mark(views, 3, &r, slots);
	ck_assert_int_eq(r.groups[0].known, VDS_KNOWN_API_SET);
	vds_arena_deinit(&r.arena);
}
END_TEST

START_TEST(one_peb_is_no_proof)
{
	struct vds_view views[] = {
		view_of(1, 0x10000, PROTO, 8, 1),
		view_of(2, 0x20000, PROTO, 8, 1),
	};
	struct result r = group(views, 2, &section);
	struct vds_peb_slots slots[4] = {[2] = {.api_set = 0x20000}};
	mark(views, 2, &r, slots);
	ck_assert_int_eq(r.groups[0].known, VDS_KNOWN_NOT);
	vds_arena_deinit(&r.arena);
}
END_TEST

START_TEST(a_writable_view_takes_the_mark_away)
{
	struct vds_view views[] = {
		view_of(1, 0x10000, PROTO, 8, 4),	/* READWRITE */
		view_of(2, 0x20000, PROTO, 8, 1),
		view_of(3, 0x30000, PROTO, 8, 1),
	};
	struct result r = group(views, 3, &section);
	struct vds_peb_slots slots[4] = {
		[2] = {.api_set = 0x20000}, [3] = {.api_set = 0x30000}};
	mark(views, 3, &r, slots);
	ck_assert_int_eq(r.groups[0].known, VDS_KNOWN_NOT);
	ck_assert_int_eq(views[1].known, VDS_KNOWN_API_SET);
	vds_arena_deinit(&r.arena);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sharing");
	TCase *tc = tcase_create("sharing");
	tcase_add_test(tc, offset_views_share_though_their_first_ptes_differ);
	tcase_add_test(tc, disjoint_views_of_one_section_do_not_share);
	tcase_add_test(tc, one_process_twice_counts_as_sharing);
	tcase_add_test(
		tc, a_view_that_begins_in_a_later_subsection_overlaps_one_over_both);
	tcase_add_test(tc, a_view_past_the_last_page_claims_no_more_than_there_is);
	tcase_add_test(tc, without_a_section_the_prototype_addresses_decide);
	tcase_add_test(tc, copy_on_write_is_not_writable_sharing);
	tcase_add_test(tc, what_most_pebs_point_to_is_known_good);
	tcase_add_test(tc, one_peb_is_no_proof);
	tcase_add_test(tc, a_writable_view_takes_the_mark_away);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
