/* SPDX-License-Identifier: Apache-2.0 */
/* Object headers, names and directories; handle tables of all levels. */
#include <check.h>

#include "nt/handle.h"
#include "nt/object.h"
#include "nt/section_names.h"
#include "testnt.h"

/* Where things are: types, directories, a section, handle tables. */
#define TYPE_TABLE (NT_BASE + 0x100)
#define COOKIE (NT_BASE + 0x80)
#define ROOT_POINTER (NT_BASE + 0x88)
#define TYPE(i) (NT_BASE + 0x200 + 0x80 * (uint64_t)(i))
#define ROOT (NT_BASE + 0x1100)
#define NAMED (NT_BASE + 0x1400)
#define SECTION (NT_BASE + 0x1700)
#define ENTRY(i) (NT_BASE + 0x1a00 + 0x20 * (uint64_t)(i))
#define CA (NT_BASE + 0x2000)
#define TABLE (NT_BASE + 0x2800)
#define PAGE(i) (NT_BASE + 0x4000 + 0x1000 * (uint64_t)(i))

enum { TYPE_DIRECTORY = 3, TYPE_SECTION = 42 };

static struct testnt nt;

static void bind(void)
{
	testnt_bind_unicode(&nt);
	testnt_plain(&nt, OBJECT_TYPE_INDEX, 0x18, 1);
	testnt_plain(&nt, OBJECT_INFO_MASK, 0x1a, 1);
	testnt_plain(&nt, OBJECT_BODY, 0x30, 8);
	testnt_size(&nt, OBJECT_HEADER_NAME_INFO, 0x20);
	testnt_size(&nt, OBJECT_HEADER_CREATOR_INFO, 0x20);
	testnt_plain(&nt, NAME_DIRECTORY, 0, 8);
	testnt_plain(&nt, NAME_NAME, 8, 16);
	testnt_plain(&nt, TYPE_NAME, 0x10, 16);
	testnt_plain(&nt, DIRECTORY_BUCKETS, 0, 37 * 8);
	testnt_plain(&nt, DIRECTORY_ENTRY_NEXT, 0, 8);
	testnt_plain(&nt, DIRECTORY_ENTRY_OBJECT, 8, 8);
	testnt_plain(&nt, SECTION_CA, 0x28, 8);
	testnt_plain(&nt, SECTION_SIZE, 0x30, 8);
	testnt_plain(&nt, HANDLE_TABLE_CODE, 8, 8);
	testnt_size(&nt, HANDLE_TABLE_ENTRY, 16);
	testnt_field(&nt, VDS_F_HANDLE_POINTER_BITS, 0, 8, 20, 44);
	testnt_field(&nt, VDS_F_HANDLE_ATTRIBUTES, 0, 8, 17, 3);
	testnt_field(&nt, VDS_F_HANDLE_ACCESS, 8, 4, 0, 25);
	testnt_symbol(&nt, VDS_S_OB_TYPE_INDEX_TABLE, TYPE_TABLE);
	testnt_symbol(&nt, VDS_S_OBP_ROOT_DIRECTORY_OBJECT, ROOT_POINTER);
	testnt_symbol(&nt, VDS_S_OB_HEADER_COOKIE, COOKIE);
}

static void put_type(unsigned int index, const char *name)
{
	uint64_t at = TYPE(index % 8);

	testnt_put64(&nt, TYPE_TABLE + 8 * index, at);
	testnt_unicode(&nt, at + 0x10, at + 0x40, name);
}

/* The header of @body: type encoded with the cookie and the address. */
static void put_header(uint64_t body, uint8_t type, uint8_t mask)
{
	uint64_t header = body - 0x30;

	*testnt_at(&nt, header + 0x18) =
		(uint8_t)(type ^ header >> 8 ^ *testnt_at(&nt, COOKIE));
	*testnt_at(&nt, header + 0x1a) = mask;
}

static void put_name(uint64_t body, uint64_t directory, const char *name)
{
	/* With creator information (bit 0) between name and header. */
	uint64_t info = body - 0x30 - 0x20 - 0x20;

	testnt_put64(&nt, info, directory);
	testnt_unicode(&nt, info + 8, body + 0x180, name);
}

/* \BaseNamedObjects\shm42 */
static void put_world(void)
{
	*testnt_at(&nt, COOKIE) = 0x99;
	/* Types are counted from 2; nothing is at 0 and 1, all before 42 are. */
	for (unsigned int i = 2; i <= TYPE_SECTION; i++)
		put_type(i, "x");
	testnt_put64(&nt, TYPE_TABLE + 8 * TYPE_DIRECTORY, TYPE(8));
	testnt_unicode(&nt, TYPE(8) + 0x10, TYPE(8) + 0x40, "Directory");
	testnt_put64(&nt, TYPE_TABLE + 8 * TYPE_SECTION, TYPE(9));
	testnt_unicode(&nt, TYPE(9) + 0x10, TYPE(9) + 0x40, "Section");
	testnt_put64(&nt, ROOT_POINTER, ROOT);
	put_header(ROOT, TYPE_DIRECTORY, 3);
	put_name(ROOT, 0, "\\");
	put_header(NAMED, TYPE_DIRECTORY, 3);
	put_name(NAMED, ROOT, "BaseNamedObjects");
	put_header(SECTION, TYPE_SECTION, 3);
	put_name(SECTION, NAMED, "shm42");
	testnt_put64(&nt, SECTION + 0x28, CA);
	testnt_put64(&nt, SECTION + 0x30, 0x10000);
	testnt_put64(&nt, ROOT + 8 * 5, ENTRY(0));
	testnt_put64(&nt, ENTRY(0) + 8, NAMED);
	testnt_put64(&nt, NAMED + 8 * 36, ENTRY(1));
	testnt_put64(&nt, ENTRY(1) + 8, SECTION);
}

static void setup(void)
{
	testnt_init(&nt, 32);
	bind();
	put_world();
}

static void teardown(void)
{
	testnt_deinit(&nt);
}

static void setup_again(void)
{
	teardown();
	setup();
}

static const struct vds_section_names *build(void)
{
	const struct vds_section_names *names;

	ck_assert_ptr_null(vds_section_names_build(&nt.task, &names));
	return names;
}

START_TEST(types_are_decoded_with_the_cookie)
{
	struct vds_object_types types;
	struct vds_object_header object;

	vds_object_types_init(&nt.task, &types);
	ck_assert_int_eq(types.why, VDS_PRESENT);
	ck_assert_uint_eq(types.directory, TYPE_DIRECTORY);
	ck_assert_uint_eq(types.section, TYPE_SECTION);
	ck_assert_int_eq(vds_object_header_read(&nt.task, SECTION, &object),
			 VDS_PRESENT);
	ck_assert_uint_ne(object.raw_type, TYPE_SECTION);
	ck_assert_uint_eq(vds_object_type_index(&types, &object),
			  TYPE_SECTION);
	/* Up to 8.1 there is no cookie. */
	nt.kernel.binding.has_symbol[VDS_S_OB_HEADER_COOKIE] = false;
	*testnt_at(&nt, SECTION - 0x18) = TYPE_SECTION;
	vds_object_types_init(&nt.task, &types);
	ck_assert_int_eq(vds_object_header_read(&nt.task, SECTION, &object),
			 VDS_PRESENT);
	ck_assert_uint_eq(vds_object_type_index(&types, &object),
			  TYPE_SECTION);
}
END_TEST

START_TEST(names_and_paths)
{
	struct vds_object_header object;
	const char *name;
	uint64_t directory;

	vds_object_header_read(&nt.task, SECTION, &object);
	ck_assert_int_eq(vds_object_name(&nt.task, &object, &name, &directory),
			 VDS_PRESENT);
	ck_assert_str_eq(name, "shm42");
	ck_assert_uint_eq(directory, NAMED);
	ck_assert_int_eq(vds_object_path(&nt.task, SECTION, &name),
			 VDS_PRESENT);
	ck_assert_str_eq(name, "\\BaseNamedObjects\\shm42");
	/* No name header: no name. */
	*testnt_at(&nt, SECTION - 0x16) = 1;
	ck_assert_int_eq(vds_object_path(&nt.task, SECTION, &name),
			 VDS_NOT_APPLICABLE);
	/* A directory that is its own parent doesn't go on for ever. */
	*testnt_at(&nt, SECTION - 0x16) = 3;
	testnt_put64(&nt, NAMED - 0x70, NAMED);
	ck_assert_int_eq(vds_object_path(&nt.task, SECTION, &name),
			 VDS_PRESENT);
}
END_TEST

START_TEST(a_named_section_is_found_in_its_directory)
{
	const struct vds_section_names *names = build();
	const struct vds_section_object *list;
	enum vds_why why;
	size_t count;

	ck_assert_str_eq(vds_section_name(names, CA, &why),
			 "\\BaseNamedObjects\\shm42");
	ck_assert_int_eq(why, VDS_PRESENT);
	ck_assert_ptr_null(vds_section_name(names, CA + 0x80, &why));
	ck_assert_int_eq(why, VDS_NOT_APPLICABLE);
	ck_assert_ptr_null(vds_section_name(names, 0, &why));
	list = vds_section_objects(names, &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(list[0].object, SECTION);
	ck_assert_uint_eq(list[0].size, 0x10000);
	ck_assert_uint_eq(list[0].found, VDS_OBJECT_DIRECTORY);
	ck_assert_uint_eq(nt.task.notes.count, 0);
}
END_TEST

START_TEST(loops_in_directories_end)
{
	/* A bucket that chains to itself, a directory inside itself. */
	testnt_put64(&nt, ENTRY(1), ENTRY(1));
	testnt_put64(&nt, NAMED, ENTRY(2));
	testnt_put64(&nt, ENTRY(2) + 8, NAMED);
	const struct vds_section_names *names = build();
	enum vds_why why;
	ck_assert_ptr_nonnull(vds_section_name(names, CA, &why));
	ck_assert(testnt_noted(&nt.task.notes, "object_directory_loop", NAMED));
}
END_TEST

START_TEST(wild_entries_cost_their_bucket_only)
{
	testnt_put64(&nt, ROOT, UINT64_C(0x4141414141414141));
	testnt_put64(&nt, ROOT + 8, ENTRY(3));
	testnt_put64(&nt, ENTRY(3) + 8, NT_BASE + 0x40000000);
	const struct vds_section_names *names = build();
	enum vds_why why;
	ck_assert_ptr_nonnull(vds_section_name(names, CA, &why));
	ck_assert(testnt_noted(&nt.task.notes, "object_directory_broken",
			       ROOT));
	ck_assert(testnt_noted(&nt.task.notes, "object_unreadable",
			       NT_BASE + 0x40000000));
}
END_TEST

/* Entry @i of the leaf at @page holds the object with header @header. */
static void put_entry(uint64_t page, unsigned int i, uint64_t header)
{
	testnt_put64(&nt, page + 16 * i, header >> 4 << 20 | 2 << 17 | 1);
	testnt_put64(&nt, page + 16 * i + 8, 0x2000000 | 0xf001f);
}

struct seen {
	struct vds_handle list[8];
	size_t count;
};

static bool collect(void *ctx, const struct vds_handle *handle)
{
	struct seen *seen = ctx;

	ck_assert_uint_lt(seen->count, VDS_ARRAY_SIZE(seen->list));
	seen->list[seen->count++] = *handle;
	return true;
}

static struct seen walk(void)
{
	struct seen seen = {.count = 0};

	vds_handles_walk(&nt.task, &nt.task.notes, TABLE, collect, &seen);
	return seen;
}

START_TEST(one_leaf)
{
	testnt_put64(&nt, TABLE + 8, PAGE(0));
	put_entry(PAGE(0), 0, SECTION - 0x30);	/* not a handle */
	put_entry(PAGE(0), 1, SECTION - 0x30);
	put_entry(PAGE(0), 255, NAMED - 0x30);
	struct seen seen = walk();
	ck_assert_uint_eq(seen.count, 2);
	ck_assert_uint_eq(seen.list[0].value, 4);
	ck_assert_uint_eq(seen.list[0].pointer, SECTION - 0x30);
	ck_assert_uint_eq(seen.list[0].access, 0xf001f);
	ck_assert_uint_eq(seen.list[0].attributes, 2);
	ck_assert_uint_eq(seen.list[1].value, 255 * 4);
}
END_TEST

START_TEST(two_and_three_levels)
{
	testnt_put64(&nt, TABLE + 8, PAGE(1) | 1);
	testnt_put64(&nt, PAGE(1) + 8 * 3, PAGE(0));
	put_entry(PAGE(0), 2, SECTION - 0x30);
	struct seen seen = walk();
	ck_assert_uint_eq(seen.count, 1);
	ck_assert_uint_eq(seen.list[0].value, (3 * 256 + 2) * 4);
	testnt_put64(&nt, TABLE + 8, PAGE(2) | 2);
	testnt_put64(&nt, PAGE(2) + 8, PAGE(1));
	seen = walk();
	ck_assert_uint_eq(seen.count, 1);
	ck_assert_uint_eq(seen.list[0].value,
			  ((512 + 3) * 256 + 2) * 4);
}
END_TEST

START_TEST(entries_of_other_builds)
{
	uint64_t header = SECTION - 0x30;
	struct seen seen;

	testnt_put64(&nt, TABLE + 8, PAGE(0));
	/* 7: the pointer itself, attributes in its low bits. */
	nt.kernel.binding.fields[VDS_F_HANDLE_POINTER_BITS].present = false;
	testnt_plain(&nt, HANDLE_OBJECT, 0, 8);
	testnt_plain(&nt, HANDLE_ACCESS, 8, 4);
	testnt_put64(&nt, PAGE(0) + 16, header | 3);
	testnt_put64(&nt, PAGE(0) + 24, 0x2000000 | 0x1f);
	seen = walk();
	ck_assert_uint_eq(seen.list[0].pointer, header);
	ck_assert_uint_eq(seen.list[0].attributes, 3);
	ck_assert_uint_eq(seen.list[0].access, 0x1f);
	/* LA57 kernels: 53 bits from bit 11 on. */
	testnt_field(&nt, VDS_F_HANDLE_POINTER_BITS, 0, 8, 11, 53);
	testnt_put64(&nt, PAGE(0) + 16,
		     (UINT64_C(0xff11223344556670) >> 4) << 11);
	seen = walk();
	ck_assert_uint_eq(seen.list[0].pointer, UINT64_C(0xff11223344556670));
	/* 8.0: 41 bits from bit 23 on. */
	testnt_field(&nt, VDS_F_HANDLE_POINTER_BITS, 0, 8, 23, 41);
	testnt_put64(&nt, PAGE(0) + 16,
		     (UINT64_C(0xfffff8a012345670) >> 4) << 23);
	seen = walk();
	ck_assert_uint_eq(seen.list[0].pointer, UINT64_C(0xfffff8a012345670));
}
END_TEST

START_TEST(broken_tables)
{
	/* No such level. */
	testnt_put64(&nt, TABLE + 8, PAGE(0) | 3);
	ck_assert_uint_eq(walk().count, 0);
	ck_assert(testnt_noted(&nt.task.notes, "handle_table_broken", TABLE));
	/* A table that is its own leaf, beside a good one. */
	vds_task_reset(&nt.task);
	testnt_put64(&nt, TABLE + 8, PAGE(1) | 1);
	testnt_put64(&nt, PAGE(1), PAGE(1));
	testnt_put64(&nt, PAGE(1) + 8, UINT64_C(0x4141414141414140));
	testnt_put64(&nt, PAGE(1) + 16, PAGE(0));
	put_entry(PAGE(0), 1, SECTION - 0x30);
	struct seen seen = walk();
	ck_assert_uint_eq(seen.count, 1);
	ck_assert_uint_eq(seen.list[0].value, (2 * 256 + 1) * 4);
	ck_assert(testnt_noted(&nt.task.notes, "handle_table_broken", PAGE(1)));
	ck_assert(testnt_noted(&nt.task.notes, "handle_table_broken",
			       UINT64_C(0x4141414141414140)));
	/* No table at all. */
	vds_task_reset(&nt.task);
	vds_handles_walk(&nt.task, &nt.task.notes, 0x1234, collect, &seen);
	ck_assert(testnt_noted(&nt.task.notes, "handle_table_broken", 0x1234));
}
END_TEST

START_TEST(an_unnamed_section_is_known_by_its_holder)
{
	struct vds_process processes[2] = {
		{.pid = 8, .object_table = TABLE},
		{.pid = 12, .object_table = TABLE + 0x100},
	};
	const struct vds_section_object *list;
	size_t count;

	put_header(SECTION, TYPE_SECTION, 0);
	testnt_put64(&nt, NAMED + 8 * 36, 0);
	testnt_put64(&nt, TABLE + 8, PAGE(0));
	testnt_put64(&nt, TABLE + 0x108, PAGE(1));
	put_entry(PAGE(0), 3, SECTION - 0x30);
	put_entry(PAGE(0), 4, NAMED - 0x30);	/* no section */
	put_entry(PAGE(1), 1, SECTION - 0x30);
	nt.kernel.processes = processes;
	nt.kernel.num_processes = 2;
	list = vds_section_objects(build(), &count);
	ck_assert_uint_eq(count, 1);
	ck_assert_uint_eq(list[0].found, VDS_OBJECT_HANDLE);
	ck_assert_uint_eq(list[0].pid, 8);
	ck_assert_uint_eq(list[0].handle, 12);
	ck_assert_ptr_null(list[0].name);
	ck_assert_int_eq(list[0].name_why, VDS_NOT_APPLICABLE);
}
END_TEST

START_TEST(running_out_of_memory_is_an_error)
{
	bool complete = false;

	for (size_t limit = 1; limit < 64 * 1024; limit += 509) {
		const struct vds_section_names *names = NULL;
		struct vds_error *err;
		enum vds_why why;

		vds_arena_deinit(&nt.task.arena);
		vds_arena_init(&nt.task.arena, limit);
		nt.task.nomem = false;
		err = vds_section_names_build(&nt.task, &names);
		complete = !err;
		if (err)
			vds_error_destroy(err);
		else
			ck_assert_str_eq(vds_section_name(names, CA, &why),
					 "\\BaseNamedObjects\\shm42");
	}
	ck_assert(complete);
}
END_TEST

START_TEST(any_page_may_be_missing)
{
	for (uint64_t page = 0; page < 16; page++) {
		const struct vds_section_names *names;
		enum vds_why why;

		setup_again();
		testnt_unmap(&nt, NT_BASE + 0x1000 * page);
		names = build();
		/* The pages of the tables, the types and the names. */
		if (page < 2)
			ck_assert_ptr_null(vds_section_name(names, CA, &why));
		else
			ck_assert_ptr_nonnull(
				vds_section_name(names, CA, &why));
		ck_assert(page >= 2 || nt.task.notes.count);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("object");
	TCase *tc = tcase_create("object");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, types_are_decoded_with_the_cookie);
	tcase_add_test(tc, names_and_paths);
	tcase_add_test(tc, a_named_section_is_found_in_its_directory);
	tcase_add_test(tc, loops_in_directories_end);
	tcase_add_test(tc, wild_entries_cost_their_bucket_only);
	tcase_add_test(tc, one_leaf);
	tcase_add_test(tc, two_and_three_levels);
	tcase_add_test(tc, entries_of_other_builds);
	tcase_add_test(tc, broken_tables);
	tcase_add_test(tc, an_unnamed_section_is_known_by_its_holder);
	tcase_add_test(tc, running_out_of_memory_is_an_error);
	tcase_add_test(tc, any_page_may_be_missing);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
