/* SPDX-License-Identifier: Apache-2.0 */
#include <check.h>

#include "nt/pte.h"
#include "nt/pte_mask.h"
#include "testpte.h"

static const struct testprofile_type types[] = {TESTPTE_TYPES, {NULL, 0}};
static const struct testprofile_member era_o[] = {TESTPTE_ERA_O, {0}};
static const struct testprofile_member era_n[] = {TESTPTE_ERA_N, {0}};

static struct vds_pte_format format_of(const struct testprofile_member *era)
{
	struct vds_pte_format format;
	struct vds_profile *profile = testprofile_create(0, types, era, NULL);
	ck_assert_int_eq(vds_pte_format_init(&format, profile), VDS_PRESENT);
	/* Field types point into the profile; decoding doesn't need them. */
	vds_profile_destroy(profile);
	return format;
}

static struct vds_pte_format era_n_with_mask(uint64_t mask)
{
	struct vds_pte_format format = format_of(era_n);
	ck_assert(format.has_swizzle);
	format.invalid_mask = mask;
	format.mask_why = VDS_PRESENT;
	return format;
}

static struct vds_pte decode(const struct vds_pte_format *format, uint64_t raw)
{
	struct vds_pte pte;
	vds_pte_decode(format, raw, &pte);
	ck_assert_uint_eq(pte.raw, raw);
	return pte;
}

static struct vds_pte decode_proto(const struct vds_pte_format *format,
				   uint64_t raw)
{
	struct vds_pte pte;
	vds_pte_decode_proto(format, raw, &pte);
	ck_assert_uint_eq(pte.raw, raw);
	return pte;
}

static void expect_plain(const struct vds_pte_format *format, uint64_t raw,
			 enum vds_pte_kind kind, uint32_t protection)
{
	struct vds_pte pte = decode(format, raw);
	ck_assert_int_eq(pte.kind, kind);
	ck_assert(pte.has_protection);
	ck_assert_uint_eq(pte.protection, protection);
}

START_TEST(the_published_vectors_decode)
{
	struct vds_pte_format f = era_n_with_mask(TESTPTE_MASK_45);
	struct vds_pte pte = decode(&f, UINT64_C(0xd80ce21e4d700490));
	ck_assert_int_eq(pte.kind, VDS_PTE_PROTOTYPE);
	ck_assert_uint_eq(pte.address, UINT64_C(0xffffd80ce21e4d70));
	ck_assert_uint_eq(pte.protection, 4);
	/* A naive reader gets ffffd80cfc802050. */
	pte = decode(&f, UINT64_C(0xd80cfc8020500480));
	ck_assert_int_eq(pte.kind, VDS_PTE_PROTOTYPE);
	ck_assert_uint_eq(pte.address, UINT64_C(0xffffd80cdc802050));
	ck_assert_uint_eq(pte.protection, 4);
	/* A naive reader gets frame 200020bcb. */
	pte = decode(&f, UINT64_C(0x0000200020bcb880));
	ck_assert_int_eq(pte.kind, VDS_PTE_TRANSITION);
	ck_assert_uint_eq(pte.pa, UINT64_C(0x20bcb000));
	ck_assert_uint_eq(pte.protection, 4);
	expect_plain(&f, UINT64_C(0x0000200000000080), VDS_PTE_DEMAND_ZERO, 4);
	expect_plain(&f, UINT64_C(0x0000200000000200), VDS_PTE_DECOMMITTED,
		     0x10);
	expect_plain(&f, UINT64_C(0x0000200000000280), VDS_PTE_GUARD, 0x14);
	expect_plain(&f, UINT64_C(0x0000200000000300), VDS_PTE_NOACCESS, 0x18);
	/* The marker is told by the raw value, with the swizzle bit or not. */
	expect_plain(&f, UINT64_C(0xffffffff00000420), VDS_PTE_VAD_LOOKUP, 1);
	expect_plain(&f, UINT64_C(0xffffffff00000430), VDS_PTE_VAD_LOOKUP, 1);
}
END_TEST

START_TEST(unswizzling_clears_it_never_flips)
{
	struct vds_pte_format f = era_n_with_mask(TESTPTE_MASK_45);
	/* Mask bit clear and no swizzle bit: stays clear. XOR would set it. */
	ck_assert_uint_eq(vds_pte_unswizzle(&f, 0x80), 0x80);
	ck_assert_uint_eq(vds_pte_unswizzle(&f, UINT64_C(0x0000200000000080)),
			  0x80);
	/* Swizzle bit set: only that is removed. */
	ck_assert_uint_eq(vds_pte_unswizzle(&f, UINT64_C(0x0000200000000090)),
			  UINT64_C(0x0000200000000080));
	/* Zero and hardware entries are left alone. */
	ck_assert_uint_eq(vds_pte_unswizzle(&f, 0), 0);
	ck_assert_uint_eq(vds_pte_unswizzle(&f, UINT64_C(0x0000200000000091)),
			  UINT64_C(0x0000200000000091));
	/* No mask on processors without the flaw. */
	f.invalid_mask = 0;
	ck_assert_uint_eq(vds_pte_unswizzle(&f, UINT64_C(0x0000200000000080)),
			  UINT64_C(0x0000200000000080));
	/* Before the fix there is nothing to undo. */
	f = format_of(era_o);
	f.invalid_mask = TESTPTE_MASK_45;
	f.mask_why = VDS_PRESENT;
	ck_assert_uint_eq(vds_pte_unswizzle(&f, UINT64_C(0x0000200000000080)),
			  UINT64_C(0x0000200000000080));
}
END_TEST

START_TEST(valid_and_empty_entries)
{
	struct vds_pte_format f = era_n_with_mask(TESTPTE_MASK_45);
	struct vds_pte pte = decode(&f, UINT64_C(0x8a00000020bcb867));
	ck_assert_int_eq(pte.kind, VDS_PTE_VALID);
	ck_assert_uint_eq(pte.pa, UINT64_C(0x20bcb000));
	ck_assert(!pte.has_protection);
	/* 40 bits of frame since 20348, 36 before. */
	pte = decode(&f, UINT64_C(0x000f000020bcb867));
	ck_assert_uint_eq(pte.pa, UINT64_C(0x000f000020bcb000));
	f = format_of(era_o);
	pte = decode(&f, UINT64_C(0x000f000020bcb867));
	ck_assert_uint_eq(pte.pa, UINT64_C(0x20bcb000));
	ck_assert_int_eq(decode(&f, 0).kind, VDS_PTE_ZERO);
	ck_assert_int_eq(decode_proto(&f, 0).kind, VDS_PTE_ZERO);
	ck_assert_int_eq(decode_proto(&f, 0x1063).kind, VDS_PTE_VALID);
}
END_TEST

START_TEST(prototype_is_told_before_transition)
{
	/* Bit 11 is Combined in a prototype PTE, ColdPage in a subsection's. */
	struct vds_pte_format f = era_n_with_mask(0);
	struct vds_pte pte = decode(&f, UINT64_C(0xd80cdc8020500c80));
	ck_assert_int_eq(pte.kind, VDS_PTE_PROTOTYPE);
	ck_assert_uint_eq(pte.address, UINT64_C(0xffffd80cdc802050));
	pte = decode_proto(&f, UINT64_C(0xd80cdc8020500c20));
	ck_assert_int_eq(pte.kind, VDS_PTE_SUBSECTION);
	ck_assert_uint_eq(pte.address, UINT64_C(0xffffd80cdc802050));
	ck_assert_uint_eq(pte.protection, 1);
}
END_TEST

START_TEST(page_file_numbers_lie_where_the_era_puts_them)
{
	struct vds_pte_format f = era_n_with_mask(TESTPTE_MASK_45);
	/* Number 2 at bit 12, offset 1234 pages; mask bit 45 is offset bit 13. */
	struct vds_pte pte = decode(&f, UINT64_C(0x0000323400002080));
	ck_assert_int_eq(pte.kind, VDS_PTE_PAGEFILE);
	ck_assert_uint_eq(pte.pagefile, 2);
	ck_assert_uint_eq(pte.pagefile_offset, 0x1234);
	/* The offset has that bit itself: the swizzle bit says so. */
	pte = decode(&f, UINT64_C(0x0000323400002090));
	ck_assert_uint_eq(pte.pagefile_offset, 0x3234);
	f = format_of(era_o);
	pte = decode(&f, UINT64_C(0x0000123400000084));
	ck_assert_int_eq(pte.kind, VDS_PTE_PAGEFILE);
	ck_assert_uint_eq(pte.pagefile, 2);
	ck_assert_uint_eq(pte.pagefile_offset, 0x1234);
	ck_assert_uint_eq(pte.protection, 4);
}
END_TEST

START_TEST(the_older_era_keeps_protection_elsewhere)
{
	struct vds_pte_format f = format_of(era_o);
	ck_assert(!f.has_swizzle);
	struct vds_pte pte = decode(&f, UINT64_C(0xf8a0012345602400));
	ck_assert_int_eq(pte.kind, VDS_PTE_PROTOTYPE);
	ck_assert_uint_eq(pte.address, UINT64_C(0xfffff8a001234560));
	ck_assert_uint_eq(pte.protection, 4);
	pte = decode(&f, UINT64_C(0x0000000020bcb8c0));
	ck_assert_int_eq(pte.kind, VDS_PTE_TRANSITION);
	ck_assert_uint_eq(pte.pa, UINT64_C(0x20bcb000));
	ck_assert_uint_eq(pte.protection, 6);
	/* The marker has the software form, also here. */
	expect_plain(&f, UINT64_C(0xffffffff00000480), VDS_PTE_VAD_LOOKUP, 4);
	expect_plain(&f, 0x80, VDS_PTE_DEMAND_ZERO, 4);
	pte = decode_proto(&f, UINT64_C(0xfa80012345600420));
	ck_assert_int_eq(pte.kind, VDS_PTE_SUBSECTION);
	ck_assert_uint_eq(pte.address, UINT64_C(0xfffffa8001234560));
}
END_TEST

START_TEST(addresses_are_sign_extended)
{
	struct vds_pte_format f = era_n_with_mask(0);
	struct vds_pte pte = decode(&f, UINT64_C(0x7fff123456700480));
	ck_assert_uint_eq(pte.address, UINT64_C(0x00007fff12345670));
	pte = decode(&f, UINT64_C(0x8000123456700480));
	ck_assert_uint_eq(pte.address, UINT64_C(0xffff800012345670));
}
END_TEST

START_TEST(newer_arrays_hold_plain_pointers)
{
	struct vds_pte_format f = era_n_with_mask(TESTPTE_MASK_45);
	/* Bit 10 clear, bit 11 set: not a transition PTE, not unswizzled. */
	struct vds_pte pte = decode_proto(&f, UINT64_C(0xffffb10f12345850));
	ck_assert_int_eq(pte.kind, VDS_PTE_POINTER);
	ck_assert_uint_eq(pte.address, UINT64_C(0xffffb10f12345850));
	pte = decode_proto(&f, UINT64_C(0x0000200020bcb880));
	ck_assert_int_eq(pte.kind, VDS_PTE_TRANSITION);
	ck_assert_uint_eq(pte.pa, UINT64_C(0x20bcb000));
	expect_plain(&f, UINT64_C(0x0000200000000080), VDS_PTE_DEMAND_ZERO, 4);
}
END_TEST

START_TEST(without_a_mask_nothing_is_guessed)
{
	struct vds_pte_format f = format_of(era_n);
	f.mask_why = VDS_NO_FIELD;
	ck_assert_int_eq(decode(&f, UINT64_C(0xd80cfc8020500480)).kind,
			 VDS_PTE_UNKNOWN);
	ck_assert_int_eq(decode(&f, UINT64_C(0x0000200020bcb880)).kind,
			 VDS_PTE_UNKNOWN);
	ck_assert_int_eq(decode_proto(&f, UINT64_C(0xd80cfc8020500480)).kind,
			 VDS_PTE_UNKNOWN);
	/* The swizzle bit says that the payload is as it was. */
	ck_assert_uint_eq(decode(&f, UINT64_C(0xd80ce21e4d700490)).address,
			  UINT64_C(0xffffd80ce21e4d70));
	/* An upper half of zeros says that the mask is zero. */
	ck_assert_int_eq(decode(&f, 0x80).kind, VDS_PTE_DEMAND_ZERO);
	/* Neither hardware entries nor the marker are masked. */
	ck_assert_int_eq(decode(&f, 0x1063).kind, VDS_PTE_VALID);
	ck_assert_int_eq(decode(&f, UINT64_C(0xffffffff00000420)).kind,
			 VDS_PTE_VAD_LOOKUP);
}
END_TEST

START_TEST(the_mask_is_what_swizzled_entries_have_in_common)
{
	struct vds_pte_format f = era_n_with_mask(0);
	struct vds_mask_vote vote = {0};
	uint64_t mask = 1;
	for (uint64_t i = 0; i < 40; i++)
		vds_mask_vote_add(&vote, &f, (i << 37) | TESTPTE_MASK_45 | 0x80);
	/* What is valid, empty, a marker or marked as natural has no say. */
	vds_mask_vote_add(&vote, &f, 0);
	vds_mask_vote_add(&vote, &f, 0x1063);
	vds_mask_vote_add(&vote, &f, UINT64_C(0xffffffff00000420));
	vds_mask_vote_add(&vote, &f, UINT64_C(0xd80cc21e4d700490));
	ck_assert_uint_eq(vote.samples, 40);
	ck_assert(vds_mask_vote_result(&vote, &mask));
	ck_assert_uint_eq(mask, TESTPTE_MASK_45);
	/* One smeared entry in forty doesn't matter, ten do. */
	vds_mask_vote_add(&vote, &f, 0x80);
	ck_assert(vds_mask_vote_result(&vote, &mask));
	ck_assert_uint_eq(mask, TESTPTE_MASK_45);
	vds_mask_vote_add(&vote, &f, 0x80);
	vds_mask_vote_add(&vote, &f, 0x80);
	ck_assert(!vds_mask_vote_result(&vote, &mask));
	/* Processors without the flaw need none. */
	vote = (struct vds_mask_vote){0};
	for (uint64_t i = 0; i < 15; i++)
		vds_mask_vote_add(&vote, &f, (i << 12) | 0x80);
	ck_assert(!vds_mask_vote_result(&vote, &mask));
	vds_mask_vote_add(&vote, &f, 0x80);
	ck_assert(vds_mask_vote_result(&vote, &mask));
	ck_assert_uint_eq(mask, 0);
}
END_TEST

START_TEST(a_profile_without_pte_types_is_refused)
{
	struct vds_pte_format f;
	static const struct testprofile_type some[] = {
		{"_MMPTE_HARDWARE", 8}, {NULL, 0}};
	static const struct testprofile_member members[] = {
		TESTPTE_BITS("_MMPTE_HARDWARE", "PageFrameNumber", 12, 36),
		{0}};
	struct vds_profile *profile = testprofile_create(0, some, members,
							 NULL);
	ck_assert_int_eq(vds_pte_format_init(&f, profile), VDS_NO_FIELD);
	vds_profile_destroy(profile);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pte");
	TCase *tc = tcase_create("pte");
	tcase_add_test(tc, the_published_vectors_decode);
	tcase_add_test(tc, unswizzling_clears_it_never_flips);
	tcase_add_test(tc, valid_and_empty_entries);
	tcase_add_test(tc, prototype_is_told_before_transition);
	tcase_add_test(tc, page_file_numbers_lie_where_the_era_puts_them);
	tcase_add_test(tc, the_older_era_keeps_protection_elsewhere);
	tcase_add_test(tc, addresses_are_sign_extended);
	tcase_add_test(tc, newer_arrays_hold_plain_pointers);
	tcase_add_test(tc, without_a_mask_nothing_is_guessed);
	tcase_add_test(tc, the_mask_is_what_swizzled_entries_have_in_common);
	tcase_add_test(tc, a_profile_without_pte_types_is_refused);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
