/* SPDX-License-Identifier: Apache-2.0 */
/* Lists, the process table and names; layouts of 19041. */
#include <check.h>

#include "nt/process.h"
#include "nt/walk.h"
#include "testnt.h"
#include "testprofile.h"
#include "vadose/process.h"

#define ACTIVE_HEAD (NT_BASE + 0x100)
#define KI_HEAD (NT_BASE + 0x120)
#define PROCESS(i) (NT_BASE + 0x1000 + 0x1000 * (uint64_t)(i))
#define LINKS UINT64_C(0x448)
#define KI_LINKS UINT64_C(0x350)
#define COUNT 5

static struct testnt nt;

static void bind(void)
{
	testnt_bind_unicode(&nt);
	testnt_size(&nt, EPROCESS, 0xa40);
	testnt_plain(&nt, KPROCESS_TYPE, 0, 1);
	testnt_plain(&nt, KPROCESS_DTB, 0x28, 8);
	testnt_plain(&nt, KPROCESS_USER_DTB, 0x388, 8);
	testnt_plain(&nt, KPROCESS_LIST_ENTRY, KI_LINKS, 16);
	testnt_plain(&nt, EPROCESS_PID, 0x440, 8);
	testnt_plain(&nt, EPROCESS_LINKS, LINKS, 16);
	testnt_plain(&nt, EPROCESS_CREATE_TIME, 0x468, 8);
	testnt_plain(&nt, EPROCESS_TOKEN, 0x4b8, 8);
	testnt_plain(&nt, EPROCESS_PPID, 0x540, 8);
	testnt_plain(&nt, EPROCESS_PEB, 0x550, 8);
	testnt_plain(&nt, EPROCESS_SESSION, 0x558, 8);
	testnt_plain(&nt, EPROCESS_WOW64, 0x580, 8);
	testnt_plain(&nt, EPROCESS_IMAGE_FILE, 0x5a0, 8);
	testnt_plain(&nt, EPROCESS_IMAGE_FILE_NAME, 0x5a8, 15);
	testnt_plain(&nt, EPROCESS_AUDIT_NAME, 0x5c0, 8);
	testnt_plain(&nt, EPROCESS_ACTIVE_THREADS, 0x5f0, 4);
	testnt_plain(&nt, EPROCESS_VAD_ROOT, 0x7d8, 8);
	testnt_plain(&nt, EPROCESS_VAD_ROOT_NODE, 0x7d8, 8);
	testnt_plain(&nt, EPROCESS_VAD_COUNT, 0x7e8, 8);
	testnt_plain(&nt, EPROCESS_EXIT_TIME, 0x840, 8);
	testnt_field(&nt, VDS_F_EPROCESS_MINIMAL, 0x87c, 4, 0, 1);
	testnt_plain(&nt, EPROCESS_PICO, 0x8c0, 8);
	testnt_plain(&nt, EWOW64_PEB, 0, 8);
	testnt_plain(&nt, TOKEN_SESSION_ID, 0x78, 4);
	testnt_plain(&nt, SESSION_SPACE_ID, 8, 4);
	testnt_size(&nt, FILE_OBJECT, 0xd8);
	testnt_plain(&nt, FILE_TYPE, 0, 2);
	testnt_plain(&nt, FILE_NAME, 0x58, 16);
	testnt_plain(&nt, OBJECT_NAME_NAME, 0, 16);
	testnt_plain(&nt, OBJECT_BODY, 0x30, 8);
	testnt_symbol(&nt, VDS_S_KI_PROCESS_LIST_HEAD, KI_HEAD);
	nt.kernel.process_head = ACTIVE_HEAD;
	nt.kernel.system_process = PROCESS(0);
}

static void link_list(uint64_t head, uint64_t offset)
{
	uint64_t prev = head;

	for (uint64_t i = 0; i <= COUNT; i++) {
		uint64_t link = i < COUNT ? PROCESS(i) + offset : head;
		testnt_put64(&nt, prev, link);
		testnt_put64(&nt, link + 8, prev);
		prev = link;
	}
}

static void put_processes(void)
{
	for (uint64_t i = 0; i < COUNT; i++) {
		uint64_t p = PROCESS(i);
		*testnt_at(&nt, p) = 3;
		testnt_put64(&nt, p + 0x28, 0x5000 + 0x1000 * i + 2);
		/* Its page tables: something of the kernel. */
		testmem_put64(&nt.mem, 0x5000 + 0x1000 * i + 0xf80, 0x2063);
		/* PIDs descend: the table must sort them. */
		testnt_put64(&nt, p + 0x440, i ? 4 * (COUNT + 1 - i) : 4);
		testnt_put64(&nt, p + 0x468, UINT64_C(133444700000000000) + i);
		memcpy(testnt_at(&nt, p + 0x5a8), i ? "svchost.exe" : "System",
		       i ? 11 : 6);
		testnt_put32(&nt, p + 0x5f0, 2);
	}
	link_list(ACTIVE_HEAD, LINKS);
}

static void setup(void)
{
	testnt_init(&nt, 16);
	bind();
	put_processes();
}

static void teardown(void)
{
	testnt_deinit(&nt);
}

static void build(void)
{
	ck_assert_ptr_null(vds_process_table_build(&nt.task, &nt.kernel));
}

static const struct vds_process *find(uint64_t eprocess)
{
	for (size_t i = 0; i < nt.kernel.num_processes; i++) {
		if (nt.kernel.processes[i].eprocess == eprocess)
			return &nt.kernel.processes[i];
	}
	return NULL;
}

/* A row must not be silent about what saw its process. */
START_TEST(each_source_has_a_word_of_its_own)
{
	static const struct {
		uint32_t source;
		const char *word;
	} all[] = {
		{VDS_SOURCE_ACTIVE_LINKS, "active_links"},
		{VDS_SOURCE_ACTIVE_BLINKS, "active_blinks"},
		{VDS_SOURCE_KERNEL_LIST, "kernel_list"},
		{VDS_SOURCE_MM_LIST, "mm_list"},
		{VDS_SOURCE_SESSION, "session"},
		{VDS_SOURCE_CID_TABLE, "cid_table"},
		{VDS_SOURCE_HANDLE_TABLES, "handle_tables"},
		{VDS_SOURCE_THREADS, "threads"},
		{VDS_SOURCE_VIEWS, "views"},
		{VDS_SOURCE_POOL, "pool"},
		{VDS_SOURCE_INITIAL, "initial"},
		{VDS_SOURCE_CRASH, "crash_dump"},
		{VDS_SOURCE_OPEN_HANDLES, "open_handles"},
	};
	/* A single source takes no memory of the run. */
	ck_assert_str_eq(vds_process_sources_str(NULL, all[_i].source),
			 all[_i].word);
}
END_TEST

START_TEST(the_table_is_sorted)
{
	build();
	ck_assert_uint_eq(nt.kernel.num_processes, COUNT);
	for (size_t i = 1; i < COUNT; i++)
		ck_assert_uint_lt(nt.kernel.processes[i - 1].pid,
				  nt.kernel.processes[i].pid);
	const struct vds_process *system = &nt.kernel.processes[0];
	ck_assert_uint_eq(system->pid, 4);
	ck_assert_int_eq(system->kind, VDS_PROCESS_SYSTEM);
	ck_assert_str_eq(system->name, "System");
	ck_assert_uint_eq(system->dtb, 0x5000);
	ck_assert_uint_eq(system->sources, VDS_SOURCE_ACTIVE_LINKS |
						   VDS_SOURCE_ACTIVE_BLINKS |
						   VDS_SOURCE_INITIAL);
	ck_assert_uint_eq(nt.kernel.notes.count, 0);
}
END_TEST

START_TEST(a_loop_forward_is_mended_from_behind)
{
	testnt_put64(&nt, PROCESS(2) + LINKS, PROCESS(1) + LINKS);
	build();
	ck_assert_uint_eq(nt.kernel.num_processes, COUNT);
	ck_assert(testnt_noted(&nt.kernel.notes, "list_loop",
			       PROCESS(2) + LINKS));
	ck_assert(!(find(PROCESS(4))->sources & VDS_SOURCE_ACTIVE_LINKS));
	ck_assert(find(PROCESS(4))->sources & VDS_SOURCE_ACTIVE_BLINKS);
}
END_TEST

START_TEST(a_middle_that_neither_side_reaches)
{
	/* Cut before and behind process 2, which the kernel's other list has. */
	link_list(KI_HEAD, KI_LINKS);
	testnt_put64(&nt, PROCESS(0) + LINKS, UINT64_C(0x4141414141414141));
	testnt_put64(&nt, PROCESS(4) + LINKS + 8, 0x1000);
	build();
	ck_assert_uint_eq(nt.kernel.num_processes, COUNT);
	ck_assert(testnt_noted(&nt.kernel.notes, "list_wild_pointer",
			       PROCESS(0) + LINKS));
	ck_assert_uint_eq(find(PROCESS(2))->sources, VDS_SOURCE_KERNEL_LIST);
}
END_TEST

START_TEST(a_lost_head_costs_nothing)
{
	nt.kernel.process_head = 0;
	build();
	ck_assert_uint_eq(nt.kernel.num_processes, COUNT);
	/* Nor does one on a page that is not in the image. */
	nt.kernel.process_head = ACTIVE_HEAD;
	testnt_unmap(&nt, NT_BASE);
	vds_notes_deinit(&nt.kernel.notes);
	build();
	ck_assert_uint_eq(nt.kernel.num_processes, COUNT);
	ck_assert(testnt_noted(&nt.kernel.notes, "process_list_unreadable",
			       ACTIVE_HEAD));
}
END_TEST

START_TEST(an_unlinked_process_is_found_elsewhere)
{
	link_list(KI_HEAD, KI_LINKS);
	testnt_put64(&nt, PROCESS(1) + LINKS, PROCESS(3) + LINKS);
	testnt_put64(&nt, PROCESS(3) + LINKS + 8, PROCESS(1) + LINKS);
	build();
	ck_assert_uint_eq(nt.kernel.num_processes, COUNT);
	ck_assert_uint_eq(find(PROCESS(2))->sources, VDS_SOURCE_KERNEL_LIST);
	ck_assert_uint_eq(nt.kernel.notes.count, 0);
}
END_TEST

START_TEST(a_back_pointer_that_lies_is_noted)
{
	testnt_put64(&nt, PROCESS(2) + LINKS + 8, ACTIVE_HEAD);
	build();
	ck_assert_uint_eq(nt.kernel.num_processes, COUNT);
	ck_assert(testnt_noted(&nt.kernel.notes, "list_back_pointer",
			       PROCESS(2) + LINKS));
}
END_TEST

START_TEST(what_is_no_process_is_no_row)
{
	testnt_put64(&nt, PROCESS(2) + 0x440, 0x12345);	/* not a multiple of 4 */
	testnt_put64(&nt, PROCESS(3) + 0x440, 0);	/* the idle process */
	build();
	ck_assert_uint_eq(nt.kernel.num_processes, COUNT - 2);
	ck_assert(testnt_noted(&nt.kernel.notes, "process_implausible",
			       PROCESS(2)));
}
END_TEST

START_TEST(kinds_and_ends)
{
	testnt_put32(&nt, PROCESS(1) + 0x87c, 1);
	testnt_put64(&nt, PROCESS(2) + 0x8c0, NT_BASE);
	testnt_put64(&nt, PROCESS(3) + 0x840, UINT64_C(133444700000000009));
	testnt_put64(&nt, PROCESS(4) + 0x580, NT_BASE + 0x200);
	testnt_put64(&nt, NT_BASE + 0x200, 0x7ffd5000);
	testnt_put64(&nt, PROCESS(4) + 0x388, 0x77001);
	build();
	ck_assert_int_eq(find(PROCESS(1))->kind, VDS_PROCESS_MINIMAL);
	ck_assert_int_eq(find(PROCESS(2))->kind, VDS_PROCESS_PICO);
	ck_assert(find(PROCESS(3))->exited);
	ck_assert(!find(PROCESS(4))->exited);
	ck_assert(find(PROCESS(4))->wow64);
	ck_assert_uint_eq(find(PROCESS(4))->peb32, 0x7ffd5000);
	ck_assert_uint_eq(find(PROCESS(4))->user_dtb, 0x77000);
	ck_assert(!find(PROCESS(1))->wow64);
}
END_TEST

START_TEST(page_tables_that_cannot_be)
{
	const uint64_t peb = 0x550;

	testnt_put64(&nt, PROCESS(1) + 0x28, UINT64_C(0x7ffffffff000));
	testmem_put64(&nt.mem, 0x7000 + 0xf80, 0);
	testnt_put64(&nt, PROCESS(3) + peb, 0x2e1000);
	testnt_put64(&nt, PROCESS(4) + peb, 0x2e1000);
	testmem_put64(&nt.mem, 0x9000, 0x3067);
	build();
	ck_assert_uint_eq(nt.kernel.num_processes, COUNT);
	ck_assert(testnt_noted(&nt.kernel.notes, "page_tables_unreadable",
			       PROCESS(1)));
	ck_assert(testnt_noted(&nt.kernel.notes, "page_tables_implausible",
			       PROCESS(2)));
	ck_assert(testnt_noted(&nt.kernel.notes, "page_tables_implausible",
			       PROCESS(3)));
	ck_assert_uint_eq(nt.kernel.notes.count, 3);
	/* Who has ended has none to lose. */
	for (uint64_t i = 1; i < 4; i++)
		testnt_put64(&nt, PROCESS(i) + 0x840, 1);
	vds_notes_deinit(&nt.kernel.notes);
	build();
	ck_assert_uint_eq(nt.kernel.notes.count, 0);
}
END_TEST

START_TEST(sessions)
{
	uint64_t token = NT_BASE + 0x300, space = NT_BASE + 0x400;

	testnt_put32(&nt, token + 0x78, 7);
	testnt_put32(&nt, space + 8, 2);
	/* Neither: none. */
	/* Both: the token. Only a session: its number. */
	testnt_put64(&nt, PROCESS(2) + 0x4b8, token | 5);
	testnt_put64(&nt, PROCESS(2) + 0x558, space);
	testnt_put64(&nt, PROCESS(3) + 0x558, space);
	/* Gone, and out of its session: only the token remembers. */
	testnt_put64(&nt, PROCESS(4) + 0x4b8, token | 5);
	testnt_put64(&nt, PROCESS(4) + 0x840, UINT64_C(133444700000000009));
	build();
	ck_assert_int_eq(find(PROCESS(1))->session_why, VDS_NOT_APPLICABLE);
	ck_assert_uint_eq(find(PROCESS(2))->session, 7);
	ck_assert_uint_eq(find(PROCESS(3))->session, 2);
	ck_assert_uint_eq(find(PROCESS(4))->session, 7);
}
END_TEST

START_TEST(names_by_trust)
{
	uint64_t file = NT_BASE + 0x400, audit = NT_BASE + 0x700;

	testnt_put16(&nt, file, 5);
	testnt_unicode(&nt, file + 0x58, file + 0x100, "\\Temp\\ghost.tmp");
	testnt_unicode(&nt, audit, audit + 0x40, "\\Device\\V3\\long name.exe");
	testnt_put64(&nt, PROCESS(1) + 0x5a0, file);
	testnt_put64(&nt, PROCESS(1) + 0x5c0, audit);
	testnt_put64(&nt, PROCESS(2) + 0x5c0, audit);
	/* A file object that can't be read: the next source, and the reason. */
	testnt_put64(&nt, PROCESS(3) + 0x5a0, NT_BASE + 0x40000000);
	memset(testnt_at(&nt, PROCESS(4) + 0x5a8), 0xff, 15);
	build();
	const struct vds_process *p = find(PROCESS(1));
	ck_assert_str_eq(p->name, "ghost.tmp");
	ck_assert_str_eq(p->path, "\\Temp\\ghost.tmp");
	ck_assert_str_eq(p->image_file_name, "svchost.exe");
	ck_assert_int_eq(p->name_source, VDS_NAME_IMAGE_FILE_POINTER);
	p = find(PROCESS(2));
	ck_assert_str_eq(p->name, "long name.exe");
	ck_assert_int_eq(p->name_source, VDS_NAME_AUDIT);
	p = find(PROCESS(3));
	ck_assert_str_eq(p->name, "svchost.exe");
	ck_assert_int_eq(p->name_source, VDS_NAME_IMAGE_FILE_NAME);
	ck_assert_ptr_null(p->path);
	ck_assert_int_eq(p->path_why, VDS_NOT_MAPPED);
	/* Fifteen bytes that are no UTF-8 and have no end. */
	ck_assert_uint_eq(strlen(find(PROCESS(4))->name), 45);
}
END_TEST

START_TEST(no_name_is_a_reason_not_a_guess)
{
	memset(testnt_at(&nt, PROCESS(1) + 0x5a8), 0, 15);
	build();
	const struct vds_process *p = find(PROCESS(1));
	ck_assert_ptr_null(p->name);
	ck_assert_int_eq(p->name_why, VDS_NOT_APPLICABLE);
	ck_assert_int_eq(p->name_source, VDS_NAME_NONE);
}
END_TEST

/* Binds @id to @profile as fields.def spells its paths. */
static void bind_by_name(enum vds_field_id id, const struct vds_profile *profile)
{
	static const struct {
		const char *type, *paths;
	} fields[] = {
#define FIELD(name, type_name, alternatives, need) {type_name, alternatives},
#include "nt/fields.def"
#undef FIELD
	};
	const struct vds_type *type =
		vds_profile_type(profile, fields[id].type);
	struct vds_field *field = &nt.kernel.binding.fields[id];
	const char *path = fields[id].paths;

	ck_assert_ptr_nonnull(type);
	*field = (struct vds_field){0};
	while (*path && !field->present) {
		size_t len = strcspn(path, "|");
		char *one = strndup(path, len);
		ck_assert_ptr_nonnull(one);
		if (!vds_type_member(type, one, field))
			field->present = false;
		free(one);
		path += len + (path[len] == '|');
	}
}

static const struct testprofile_type root_types[] = {
	{"_MM_AVL_NODE", 0x18}, {"_MMADDRESS_NODE", 0x28},
	{"_RTL_BALANCED_NODE", 0x18}, {"_RTL_AVL_TREE", 8},
	{"_MM_AVL_TABLE", 0x40}, {"_EPROCESS", 0x900}, {NULL, 0}};

/* The tables of 7 and 8.0, the tree of 8.1 and later. */
static const struct testprofile_member root_7[] = {
	{"_MMADDRESS_NODE", "LeftChild", 8, 0, 0, "unsigned long long"},
	{"_MMADDRESS_NODE", "RightChild", 0x10, 0, 0, "unsigned long long"},
	{"_MM_AVL_TABLE", "BalancedRoot", 0, 0, 0, "_MMADDRESS_NODE"},
	{"_MM_AVL_TABLE", "NumberGenericTableElements", 0x28, 8, 56,
	 "unsigned long long"},
	{"_EPROCESS", "VadRoot", 0x448, 0, 0, "_MM_AVL_TABLE"},
	{0}};
static const struct testprofile_member root_8[] = {
	{"_MM_AVL_NODE", "LeftChild", 8, 0, 0, "unsigned long long"},
	{"_MM_AVL_NODE", "RightChild", 0x10, 0, 0, "unsigned long long"},
	{"_MM_AVL_TABLE", "BalancedRoot", 0, 0, 0, "_MM_AVL_NODE"},
	{"_MM_AVL_TABLE", "NumberGenericTableElements", 0x18, 8, 56,
	 "unsigned long long"},
	{"_EPROCESS", "VadRoot", 0x590, 0, 0, "_MM_AVL_TABLE"},
	{0}};
static const struct testprofile_member root_10[] = {
	{"_RTL_AVL_TREE", "Root", 0, 0, 0, "unsigned long long"},
	{"_EPROCESS", "VadRoot", 0x7d8, 0, 0, "_RTL_AVL_TREE"},
	{"_EPROCESS", "VadCount", 0x7e8, 0, 0, "unsigned long long"},
	{0}};

/* Root pointer and count as they lie in the EPROCESS of PROCESS(1). */
static void expect_root(const struct testprofile_member *members,
			uint32_t root, uint32_t count, unsigned int shift)
{
	struct vds_profile *profile =
		testprofile_create(0, root_types, members, NULL);

	bind_by_name(VDS_F_EPROCESS_VAD_ROOT, profile);
	bind_by_name(VDS_F_EPROCESS_VAD_ROOT_NODE, profile);
	bind_by_name(VDS_F_EPROCESS_VAD_COUNT, profile);
	testnt_put64(&nt, PROCESS(1) + root, NT_BASE + 0x5550);
	testnt_put64(&nt, PROCESS(1) + count, UINT64_C(37) << shift | 5);
	build();
	ck_assert_uint_eq(find(PROCESS(1))->vad_root, NT_BASE + 0x5550);
	ck_assert_int_eq(find(PROCESS(1))->vad_count_why, VDS_PRESENT);
	ck_assert_uint_eq(find(PROCESS(1))->vad_count,
			  shift ? 37 : 37 | 5);
	vds_profile_destroy(profile);
}

START_TEST(vad_roots_of_all_shapes)
{
	expect_root(root_7, 0x448 + 0x10, 0x448 + 0x28, 8);
	expect_root(root_8, 0x590 + 0x10, 0x590 + 0x18, 8);
	expect_root(root_10, 0x7d8, 0x7e8, 0);
}
END_TEST

static bool count_link(void *ctx, uint64_t link)
{
	(void)link;
	++*(size_t *)ctx;
	return true;
}

START_TEST(ends_of_lists)
{
	size_t n = 0;
	struct vds_list_walk walk = {
		.task = &nt.task, .notes = &nt.task.notes, .what = "test",
		.head = ACTIVE_HEAD, .visit = count_link, .ctx = &n};

	ck_assert_int_eq(vds_list_walk(&walk), VDS_LIST_CLOSED);
	ck_assert_uint_eq(n, COUNT);
	walk.backward = true;
	ck_assert_int_eq(vds_list_walk(&walk), VDS_LIST_CLOSED);
	ck_assert_uint_eq(n, 2 * COUNT);
	walk.backward = false;
	testnt_put64(&nt, PROCESS(3) + LINKS, NT_BASE + 0x40000000);
	ck_assert_int_eq(vds_list_walk(&walk), VDS_LIST_UNREADABLE);
	testnt_put64(&nt, PROCESS(3) + LINKS, NT_BASE + 1);
	ck_assert_int_eq(vds_list_walk(&walk), VDS_LIST_WILD);
	testnt_put64(&nt, PROCESS(3) + LINKS, PROCESS(3) + LINKS);
	ck_assert_int_eq(vds_list_walk(&walk), VDS_LIST_LOOP);
	/* An empty list. */
	n = 0;
	testnt_put64(&nt, ACTIVE_HEAD, ACTIVE_HEAD);
	testnt_put64(&nt, ACTIVE_HEAD + 8, ACTIVE_HEAD);
	ck_assert_int_eq(vds_list_walk(&walk), VDS_LIST_CLOSED);
	ck_assert_uint_eq(n, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("process");
	TCase *tc = tcase_create("process");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, each_source_has_a_word_of_its_own, 0, 13);
	tcase_add_test(tc, the_table_is_sorted);
	tcase_add_test(tc, a_loop_forward_is_mended_from_behind);
	tcase_add_test(tc, a_middle_that_neither_side_reaches);
	tcase_add_test(tc, a_lost_head_costs_nothing);
	tcase_add_test(tc, an_unlinked_process_is_found_elsewhere);
	tcase_add_test(tc, a_back_pointer_that_lies_is_noted);
	tcase_add_test(tc, what_is_no_process_is_no_row);
	tcase_add_test(tc, kinds_and_ends);
	tcase_add_test(tc, sessions);
	tcase_add_test(tc, names_by_trust);
	tcase_add_test(tc, no_name_is_a_reason_not_a_guess);
	tcase_add_test(tc, vad_roots_of_all_shapes);
	tcase_add_test(tc, page_tables_that_cannot_be);
	tcase_add_test(tc, ends_of_lists);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
