/* SPDX-License-Identifier: Apache-2.0 */
/* Decoding and walking VADs; layouts as the symbols of real kernels have them. */
#include <check.h>
#include <inttypes.h>

#include "testnt.h"
#include "vadose/vad.h"

#define EPROCESS (NT_BASE + 0x40)
#define NODE(i) (NT_BASE + 0x1010 + 0x100 * (uint64_t)(i))

static struct testnt nt;
static struct vds_process process;

/* 19041: flags at 0x30, 32-bit VPNs with a high byte each. */
static void bind_19041(void)
{
	testnt_size(&nt, MMVAD_SHORT, 0x40);
	testnt_size(&nt, MMVAD, 0x88);
	testnt_size(&nt, POOL_HEADER, 0x10);
	testnt_plain(&nt, POOL_TAG, 4, 4);
	testnt_plain(&nt, VAD_LEFT, 0, 8);
	testnt_plain(&nt, VAD_RIGHT, 8, 8);
	testnt_plain(&nt, VAD_PARENT, 0x10, 8);
	testnt_plain(&nt, VAD_START, 0x18, 4);
	testnt_plain(&nt, VAD_END, 0x1c, 4);
	testnt_plain(&nt, VAD_START_HIGH, 0x20, 1);
	testnt_plain(&nt, VAD_END_HIGH, 0x21, 1);
	testnt_plain(&nt, VAD_COMMIT_HIGH, 0x22, 1);
	testnt_field(&nt, VDS_F_VAD_COMMIT, 0x34, 4, 0, 31);
	testnt_field(&nt, VDS_F_VAD_MEM_COMMIT, 0x34, 4, 31, 1);
	testnt_field(&nt, VDS_F_VAD_TYPE, 0x30, 4, 4, 3);
	testnt_field(&nt, VDS_F_VAD_PROTECTION, 0x30, 4, 7, 5);
	testnt_field(&nt, VDS_F_VAD_PRIVATE, 0x30, 4, 20, 1);
	testnt_plain(&nt, VAD_SUBSECTION, 0x48, 8);
	testnt_plain(&nt, VAD_FIRST_PTE, 0x50, 8);
	testnt_plain(&nt, VAD_LAST_PTE, 0x58, 8);
	testnt_field(&nt, VDS_F_VAD_FILE_OFFSET, 0x40, 4, 0, 24);
	testnt_plain(&nt, VAD_PROCESS, 0x70, 8);
	testnt_plain(&nt, VAD_FILE_OBJECT, 0x80, 8);
}

/* 7601: 64-bit VPNs and flags. */
static void bind_7601(void)
{
	testnt_size(&nt, MMVAD, 0x78);
	testnt_plain(&nt, VAD_PARENT, 0, 8);
	testnt_plain(&nt, VAD_LEFT, 8, 8);
	testnt_plain(&nt, VAD_RIGHT, 0x10, 8);
	testnt_plain(&nt, VAD_START, 0x18, 8);
	testnt_plain(&nt, VAD_END, 0x20, 8);
	nt.kernel.binding.fields[VDS_F_VAD_START_HIGH].present = false;
	nt.kernel.binding.fields[VDS_F_VAD_END_HIGH].present = false;
	nt.kernel.binding.fields[VDS_F_VAD_COMMIT_HIGH].present = false;
	nt.kernel.binding.fields[VDS_F_VAD_FILE_OBJECT].present = false;
	testnt_field(&nt, VDS_F_VAD_COMMIT, 0x28, 8, 0, 51);
	testnt_field(&nt, VDS_F_VAD_TYPE, 0x28, 8, 52, 3);
	testnt_field(&nt, VDS_F_VAD_MEM_COMMIT, 0x28, 8, 55, 1);
	testnt_field(&nt, VDS_F_VAD_PROTECTION, 0x28, 8, 56, 5);
	testnt_field(&nt, VDS_F_VAD_PRIVATE, 0x28, 8, 63, 1);
}

static void setup(void)
{
	testnt_init(&nt, 256);
	bind_19041();
	process = (struct vds_process){.pid = 4321, .eprocess = EPROCESS,
				       .task = &nt.task};
}

static void teardown(void)
{
	testnt_deinit(&nt);
}

static void put_tag(uint64_t node, const char *tag)
{
	memcpy(testnt_at(&nt, node - 12), tag, 4);
}

/* A short node: private, read-write. Children and parent are set by link(). */
static void put_short(uint64_t node, uint64_t start_vpn, uint64_t end_vpn)
{
	put_tag(node, "VadS");
	testnt_put32(&nt, node + 0x18, (uint32_t)start_vpn);
	testnt_put32(&nt, node + 0x1c, (uint32_t)end_vpn);
	*testnt_at(&nt, node + 0x20) = (uint8_t)(start_vpn >> 32);
	*testnt_at(&nt, node + 0x21) = (uint8_t)(end_vpn >> 32);
	testnt_put32(&nt, node + 0x30, 4 << 7 | 1 << 20);
}

static void link_nodes(uint64_t parent, uint64_t left, uint64_t right)
{
	testnt_put64(&nt, parent, left);
	testnt_put64(&nt, parent + 8, right);
	/* The low bits of the parent pointer are the balance. */
	if (left)
		testnt_put64(&nt, left + 0x10, parent | 3);
	if (right)
		testnt_put64(&nt, right + 0x10, parent | 1);
}

/* Three short nodes: 1 = root, 0 left, 2 right. */
static void put_three(void)
{
	for (unsigned int i = 0; i < 3; i++)
		put_short(NODE(i), 0x10 * (i + 1), 0x10 * (i + 1) + 3);
	link_nodes(NODE(1), NODE(0), NODE(2));
	process.vad_root = NODE(1);
	process.vad_count = 3;
}

/* Walks; checks that the nodes are those of @expected, in order. */
static void expect_nodes(const uint64_t *expected, size_t n)
{
	struct vds_vad_iter *it = vds_vad_iterate(&process);
	const struct vds_vad *vad;
	size_t i = 0;

	while ((vad = vds_vad_next(it))) {
		ck_assert_uint_lt(i, n);
		ck_assert_uint_eq(vad->node, expected[i]);
		i++;
	}
	ck_assert_uint_eq(i, n);
	ck_assert_ptr_null(vds_vad_next(it));
}

#define expect(...)                                                    \
	expect_nodes((const uint64_t[]){__VA_ARGS__},                  \
		     sizeof((uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

START_TEST(a_healthy_tree_is_walked_in_order)
{
	put_three();
	expect(NODE(0), NODE(1), NODE(2));
	ck_assert_uint_eq(nt.task.notes.count, 0);
}
END_TEST

START_TEST(all_fields_of_a_long_node)
{
	uint64_t n = NODE(0);

	put_short(n, UINT64_C(0x7ff638680), UINT64_C(0x7ff6386a4));
	put_tag(n, "Vad ");
	testnt_put32(&nt, n + 0x30, 2 << 4 | 7 << 7);
	*testnt_at(&nt, n + 0x22) = 1;
	testnt_put32(&nt, n + 0x34, 0x80000004);
	testnt_put32(&nt, n + 0x40, 0x123);
	testnt_put64(&nt, n + 0x48, NT_BASE + 0x5080);
	testnt_put64(&nt, n + 0x50, UINT64_C(0xffff8ae88020f670));
	testnt_put64(&nt, n + 0x58, UINT64_C(0xffff8ae88020f790));
	testnt_put64(&nt, n + 0x70, EPROCESS | 1);
	testnt_put64(&nt, n + 0x80, UINT64_C(0xffffb40000007aba));
	process.vad_root = n;
	process.vad_count = 1;
	const struct vds_vad *v = vds_vad_next(vds_vad_iterate(&process));
	ck_assert_uint_eq(v->start, UINT64_C(0x7ff638680000));
	ck_assert_uint_eq(v->end, UINT64_C(0x7ff6386a4fff));
	ck_assert_uint_eq(v->range_why, VDS_PRESENT);
	ck_assert_str_eq(v->tag, "Vad ");
	ck_assert_int_eq(v->type, VDS_VAD_IMAGE);
	ck_assert_uint_eq(v->protection, 7);
	ck_assert(!v->is_private);
	ck_assert(v->mem_commit);
	ck_assert_uint_eq(v->commit, UINT64_C(1) << 31 | 4);
	ck_assert(v->has_section);
	ck_assert_uint_eq(v->subsection, NT_BASE + 0x5080);
	ck_assert_uint_eq(v->first_prototype_pte, UINT64_C(0xffff8ae88020f670));
	ck_assert_uint_eq(v->last_contiguous_pte, UINT64_C(0xffff8ae88020f790));
	ck_assert_uint_eq(v->vads_process, EPROCESS);
	ck_assert_uint_eq(v->file_object, UINT64_C(0xffffb40000007ab0));
	ck_assert_uint_eq(v->file_offset, 0x1230000);
	ck_assert_uint_eq(v->level, 0);
}
END_TEST

START_TEST(the_tail_of_a_short_node_is_not_read)
{
	uint64_t n = NODE(0);

	put_short(n, 0x10, 0x13);
	/* What follows belongs to the next pool block. */
	testnt_put64(&nt, n + 0x48, NT_BASE + 0x5080);
	process.vad_root = n;
	process.vad_count = 1;
	const struct vds_vad *v = vds_vad_next(vds_vad_iterate(&process));
	ck_assert(!v->has_section);
	ck_assert_int_eq(v->section_why, VDS_NOT_APPLICABLE);
	ck_assert_uint_eq(v->subsection, 0);
	/* Nor if only the tag says so, nor if only the flag does. */
	testnt_put32(&nt, n + 0x30, 4 << 7);
	v = vds_vad_next(vds_vad_iterate(&process));
	ck_assert(!v->has_section && !v->is_private);
	put_tag(n, "Vad ");
	testnt_put32(&nt, n + 0x30, 4 << 7 | 1 << 20);
	v = vds_vad_next(vds_vad_iterate(&process));
	ck_assert(!v->has_section && v->is_private);
	testnt_put32(&nt, n + 0x30, 4 << 7);
	v = vds_vad_next(vds_vad_iterate(&process));
	ck_assert(v->has_section);
}
END_TEST

START_TEST(windows_7_layout)
{
	uint64_t n = NODE(0);

	bind_7601();
	put_tag(n, "Vad\xa0");	/* protected pool: bit 31 of the tag is set */
	testnt_put64(&nt, n + 0x18, UINT64_C(0x7fffffe0));
	testnt_put64(&nt, n + 0x20, UINT64_C(0x7fffffef));
	testnt_put64(&nt, n + 0x28, UINT64_C(0x12345) | UINT64_C(2) << 52 |
					    UINT64_C(7) << 56);
	testnt_put64(&nt, n + 0x48, NT_BASE + 0x5080);
	testnt_put64(&nt, n, UINT64_C(0xfffffa8000442493));
	process.vad_root = n;
	process.vad_count = 1;
	const struct vds_vad *v = vds_vad_next(vds_vad_iterate(&process));
	ck_assert_uint_eq(v->start, UINT64_C(0x7fffffe0000));
	ck_assert_uint_eq(v->end, UINT64_C(0x7fffffeffff));
	ck_assert_str_eq(v->tag, "Vad ");
	ck_assert_uint_eq(v->commit, 0x12345);
	ck_assert_int_eq(v->type, VDS_VAD_IMAGE);
	ck_assert_uint_eq(v->protection, 7);
	ck_assert_uint_eq(v->parent, UINT64_C(0xfffffa8000442490));
	ck_assert(v->has_section && !v->file_object);
}
END_TEST

START_TEST(windows_11_24h2_layout)
{
	uint64_t n = NODE(0);

	/* 26100: a plain CommitCharge, MemCommit among the private flags, no
	 * FileOffset. */
	testnt_plain(&nt, VAD_COMMIT, 0x34, 4);
	testnt_field(&nt, VDS_F_VAD_MEM_COMMIT, 0x30, 4, 25, 1);
	testnt_field(&nt, VDS_F_VAD_PRIVATE, 0x30, 4, 21, 1);
	nt.kernel.binding.fields[VDS_F_VAD_FILE_OFFSET].present = false;
	put_short(n, 0x10, 0x13);
	put_tag(n, "Vad ");
	testnt_put32(&nt, n + 0x30, 4 << 7);
	testnt_put32(&nt, n + 0x34, 0x80000004);
	*testnt_at(&nt, n + 0x22) = 1;
	testnt_put32(&nt, n + 0x40, 0x123);
	testnt_put64(&nt, n + 0x48, NT_BASE + 0x5080);
	process.vad_root = n;
	process.vad_count = 1;
	const struct vds_vad *v = vds_vad_next(vds_vad_iterate(&process));
	ck_assert_uint_eq(v->commit, UINT64_C(1) << 32 | 0x80000004);
	ck_assert(!v->mem_commit);
	ck_assert(v->has_section);
	ck_assert_int_eq(v->file_offset_why, VDS_NO_FIELD);
	ck_assert_uint_eq(v->file_offset, 0);
	testnt_put32(&nt, n + 0x30, 4 << 7 | 1 << 21 | 1 << 25);
	v = vds_vad_next(vds_vad_iterate(&process));
	ck_assert(v->is_private && v->mem_commit && !v->has_section);
}
END_TEST

START_TEST(the_high_byte_is_combined_before_one_is_added)
{
	uint64_t n = NODE(0);

	/* Ends on the last page below 16 TB: the carry must not be lost. */
	put_short(n, UINT64_C(0xffff0000), UINT64_C(0xffffffff));
	process.vad_root = n;
	process.vad_count = 1;
	const struct vds_vad *v = vds_vad_next(vds_vad_iterate(&process));
	ck_assert_uint_eq(v->end, UINT64_C(0xfffffffffff));
	/* And crosses it. */
	put_short(n, UINT64_C(0xffff0000), UINT64_C(0x100000005));
	v = vds_vad_next(vds_vad_iterate(&process));
	ck_assert_uint_eq(v->start, UINT64_C(0xffff0000000));
	ck_assert_uint_eq(v->end, UINT64_C(0x100000005fff));
}
END_TEST

START_TEST(higher_bits_count_with_five_levels_only)
{
	uint64_t n = NODE(0);

	testnt_field(&nt, VDS_F_VAD_START_HIGHER, 0x38, 8, 0, 4);
	testnt_field(&nt, VDS_F_VAD_END_HIGHER, 0x23, 1, 0, 4);
	put_short(n, 0x10, 0x13);
	testnt_put64(&nt, n + 0x38, 2);
	*testnt_at(&nt, n + 0x23) = 2;
	process.vad_root = n;
	process.vad_count = 1;
	const struct vds_vad *v = vds_vad_next(vds_vad_iterate(&process));
	ck_assert_uint_eq(v->start, 0x10000);
	ck_assert_uint_eq(v->end, 0x13fff);
	/* The tables of the test have four levels: one more on top. */
	testmem_put64(&nt.mem, 0x0 + 8 * 511, 0x1067);
	nt.kernel.space.dtb = 0;
	nt.kernel.space.levels = 5;
	nt.kernel.space.id = 2;
	nt.task.has_vad_layout = false;	/* another kernel, to the task */
	v = vds_vad_next(vds_vad_iterate(&process));
	ck_assert_uint_eq(v->start, UINT64_C(2) << 52 | 0x10000);
	ck_assert_uint_eq(v->end, UINT64_C(2) << 52 | 0x13fff);
}
END_TEST

START_TEST(a_loop_is_noted_and_every_node_comes_once)
{
	put_three();
	testnt_put64(&nt, NODE(0), NODE(1));	/* a leaf's left: the root */
	expect(NODE(0), NODE(1), NODE(2));
	ck_assert(testnt_noted(&nt.task.notes, "vad_cycle", NODE(1)));
}
END_TEST

START_TEST(wild_pointers_cost_their_own_subtree_only)
{
	static const uint64_t wild[] = {
		0x10000,			/* user space */
		UINT64_C(0x8000b40000001010),	/* not canonical */
		UINT64_MAX,
		NT_BASE + 0x1013,		/* not aligned */
		NT_BASE + 0x40000000,		/* nothing mapped */
	};

	for (size_t i = 0; i < VDS_ARRAY_SIZE(wild); i++) {
		put_three();
		testnt_put64(&nt, NODE(1), wild[i]);
		expect(NODE(1), NODE(2));
		ck_assert(testnt_noted(&nt.task.notes,
				       i < 4 ? "vad_bad_pointer" :
					       "vad_unreadable", wild[i]));
		ck_assert(testnt_noted(&nt.task.notes, "vad_count_mismatch",
				       EPROCESS));
		vds_task_reset(&nt.task);
	}
}
END_TEST

START_TEST(a_zeroed_node_is_no_vad)
{
	put_three();
	memset(testnt_at(&nt, NODE(0) - 0x10), 0, 0x100);
	expect(NODE(1), NODE(2));
	ck_assert(testnt_noted(&nt.task.notes, "vad_not_a_vad", NODE(0)));
}
END_TEST

START_TEST(a_parent_that_disagrees_is_noted)
{
	put_three();
	testnt_put64(&nt, NODE(0) + 0x10, NODE(2));
	expect(NODE(0), NODE(1), NODE(2));
	ck_assert(testnt_noted(&nt.task.notes, "vad_parent_mismatch", NODE(0)));
}
END_TEST

START_TEST(impossible_ranges_are_noted_and_kept_small)
{
	struct vds_vad_iter *it;
	const struct vds_vad *v;

	put_three();
	put_short(NODE(0), 0x20, 0x1f);
	put_short(NODE(2), 0x30, UINT64_C(0xffffffffff));
	it = vds_vad_iterate(&process);
	v = vds_vad_next(it);
	ck_assert_int_eq(v->range_why, VDS_BAD_DATA);
	ck_assert_uint_eq(v->start, 0x20000);
	ck_assert_uint_eq(v->end, 0x20fff);
	v = vds_vad_next(it);
	ck_assert_int_eq(v->range_why, VDS_PRESENT);
	v = vds_vad_next(it);
	ck_assert_int_eq(v->range_why, VDS_BAD_DATA);
	ck_assert_uint_eq(v->end, 0x30fff);
	ck_assert_ptr_null(vds_vad_next(it));
	ck_assert(testnt_noted(&nt.task.notes, "vad_bad_range", NODE(0)));
	ck_assert(testnt_noted(&nt.task.notes, "vad_bad_range", NODE(2)));
}
END_TEST

START_TEST(order_and_overlap_are_checked)
{
	put_three();
	put_short(NODE(0), 0x40, 0x43);	/* sorts after its parent */
	put_short(NODE(2), 0x22, 0x30);	/* begins within its parent */
	expect(NODE(0), NODE(1), NODE(2));
	ck_assert(testnt_noted(&nt.task.notes, "vad_not_monotonic", NODE(1)));
	ck_assert(testnt_noted(&nt.task.notes, "vad_overlap", NODE(2)));
}
END_TEST

START_TEST(a_degenerate_tree_is_walked_to_its_end)
{
	enum { DEPTH = 3000 };
	struct vds_vad_iter *it;
	const struct vds_vad *v;
	uint32_t n = 0;

	/* Each node is the left child of the one before. */
	for (uint64_t i = 0; i < DEPTH; i++) {
		put_short(NODE(i), 10 * (DEPTH - i), 10 * (DEPTH - i) + 2);
		if (i)
			link_nodes(NODE(i - 1), NODE(i), 0);
	}
	process.vad_root = NODE(0);
	process.vad_count = DEPTH;
	it = vds_vad_iterate(&process);
	while ((v = vds_vad_next(it))) {
		n++;
		ck_assert_uint_eq(v->level, DEPTH - n);
		ck_assert_uint_eq(v->start, (uint64_t)n * 0xa000);
	}
	ck_assert_uint_eq(n, DEPTH);
	ck_assert_uint_eq(nt.task.notes.count, 0);
}
END_TEST

/* The memory of a walk that has ended serves the next one of the task. */
START_TEST(walks_of_one_task_do_not_disturb_each_other)
{
	enum { CHAIN = 300, FAR = 1000 };
	struct vds_process chain = process;
	struct vds_vad_iter *outer, *inner;
	const struct vds_vad *v;
	uint32_t n = 0;

	put_three();
	expect(NODE(0), NODE(1), NODE(2));
	size_t once = nt.task.arena.total;
	for (unsigned int i = 0; i < 1000; i++)
		expect(NODE(0), NODE(1), NODE(2));
	ck_assert_uint_lt(nt.task.arena.total, once + 2000 * 1024);
	/* A second walk while the first one is under way, and a larger one,
	 * of a tree that says that it has no nodes. */
	for (uint64_t i = 0; i < CHAIN; i++) {
		put_short(NODE(FAR + i), 10 * (CHAIN - i), 10 * (CHAIN - i));
		if (i)
			link_nodes(NODE(FAR + i - 1), NODE(FAR + i), 0);
	}
	chain.vad_root = NODE(FAR);
	chain.vad_count_why = VDS_NO_FIELD;
	outer = vds_vad_iterate(&process);
	ck_assert_uint_eq(vds_vad_next(outer)->node, NODE(0));
	inner = vds_vad_iterate(&chain);
	while ((v = vds_vad_next(inner)))
		ck_assert_uint_eq(v->start, (uint64_t)++n * 0xa000);
	ck_assert_uint_eq(n, CHAIN);
	ck_assert_uint_eq(vds_vad_next(outer)->node, NODE(1));
	expect(NODE(0), NODE(1), NODE(2));
	ck_assert_uint_eq(vds_vad_next(outer)->node, NODE(2));
	ck_assert_ptr_null(vds_vad_next(outer));
	expect(NODE(0), NODE(1), NODE(2));
	/* What one tree's walk has seen, the next one's has not. */
	link_nodes(NODE(2), NODE(1), 0);
	testnt_put64(&nt, NODE(1) + 0x10, NODE(2));
	expect(NODE(0), NODE(1), NODE(2));
	ck_assert_uint_gt(nt.task.notes.count, 0);
}
END_TEST

START_TEST(nodes_that_were_met_come_again)
{
	uint64_t nodes[3] = {NODE(2), NODE(5), NODE(0)};
	struct vds_vad_iter *tree, *it;
	const struct vds_vad *v, *w;

	put_three();
	/* In the tree it is a VAD for its parent's sake, with another's tag. */
	put_tag(NODE(2), "Xyz ");
	tree = vds_vad_iterate(&process);
	ck_assert_ptr_nonnull(vds_vad_next(tree));
	ck_assert_ptr_nonnull(vds_vad_next(tree));
	v = vds_vad_next(tree);
	nodes[1] = NT_BASE + 0x10000000;	/* not in the image */
	it = vds_vads_again(&process, nodes, 3);
	w = vds_vad_next(it);
	ck_assert_uint_eq(w->node, NODE(2));
	ck_assert_uint_eq(w->start, v->start);
	ck_assert_uint_eq(w->end, v->end);
	ck_assert_str_eq(w->tag, "Xyz ");
	ck_assert_uint_eq(vds_vad_next(it)->node, NODE(0));
	ck_assert_ptr_null(vds_vad_next(it));
	ck_assert_ptr_null(vds_vad_next(it));
	ck_assert_ptr_null(vds_vad_next(vds_vads_again(&process, NULL, 0)));
	ck_assert_uint_eq(nt.task.notes.count, 0);
}
END_TEST

START_TEST(nodes_beside_absent_pages)
{
	/* A short node that ends with its page, and one whose header lies on
	 * the page before. */
	uint64_t last = NT_BASE + 0x2000 - 0x40, first = NT_BASE + 0x4000;
	struct vds_vad_iter *it;
	const struct vds_vad *v;

	put_short(last, 0x10, 0x13);
	put_short(first, 0x20, 0x23);
	link_nodes(last, 0, first);
	testnt_unmap(&nt, NT_BASE + 0x2000);
	testnt_unmap(&nt, NT_BASE + 0x3000);
	process.vad_root = last;
	process.vad_count = 2;
	it = vds_vad_iterate(&process);
	v = vds_vad_next(it);
	ck_assert_str_eq(v->tag, "VadS");
	ck_assert_uint_eq(v->start, 0x10000);
	v = vds_vad_next(it);
	ck_assert_uint_eq(v->start, 0x20000);
	ck_assert_int_eq(v->tag_why, VDS_NOT_MAPPED);
	ck_assert_str_eq(v->tag, "");
	ck_assert_ptr_null(vds_vad_next(it));
	/* A long node whose tail is absent says so. */
	put_tag(last, "Vad ");
	testnt_put32(&nt, last + 0x30, 4 << 7);
	v = vds_vad_next(vds_vad_iterate(&process));
	ck_assert(!v->has_section);
	ck_assert_int_eq(v->section_why, VDS_NOT_MAPPED);
}
END_TEST

START_TEST(running_out_of_memory_is_no_short_list)
{
	enum { DEPTH = 600 };

	for (uint64_t i = 0; i < DEPTH; i++) {
		put_short(NODE(i), 10 * (DEPTH - i), 10 * (DEPTH - i) + 2);
		if (i)
			link_nodes(NODE(i - 1), NODE(i), 0);
	}
	process.vad_root = NODE(0);
	process.vad_count = 0;	/* so that the visited set has to grow */
	for (size_t limit = 1; limit < 128 * 1024; limit += 1021) {
		uint32_t n = 0;

		vds_task_reset(&nt.task);
		vds_arena_deinit(&nt.task.arena);
		vds_arena_init(&nt.task.arena, limit);
		struct vds_vad_iter *it = vds_vad_iterate(&process);
		while (vds_vad_next(it))
			n++;
		ck_assert(n == DEPTH || nt.task.nomem);
	}
	ck_assert(!nt.task.nomem);
}
END_TEST

START_TEST(an_empty_tree_has_no_nodes)
{
	process.vad_root = 0;
	process.vad_count = 0;
	ck_assert_ptr_null(vds_vad_next(vds_vad_iterate(&process)));
	ck_assert_uint_eq(nt.task.notes.count, 0);
	ck_assert_ptr_null(vds_vad_next(NULL));
}
END_TEST

START_TEST(an_address_finds_its_vad)
{
	struct vds_vad v;

	put_three();
	ck_assert_int_eq(vds_vad_find(&process, 0x13fff, &v), VDS_PRESENT);
	ck_assert_uint_eq(v.node, NODE(0));
	ck_assert_uint_eq(v.level, 1);
	ck_assert_int_eq(vds_vad_find(&process, 0x30000, &v), VDS_PRESENT);
	ck_assert_uint_eq(v.node, NODE(2));
	ck_assert_int_eq(vds_vad_find(&process, 0x14000, &v), VDS_NOT_MAPPED);
	testnt_put64(&nt, NODE(0), NODE(1));	/* a loop */
	ck_assert_int_eq(vds_vad_find(&process, 0, &v), VDS_BAD_DATA);
	testnt_put64(&nt, NODE(0), 0x10000);	/* a wild pointer */
	ck_assert_int_eq(vds_vad_find(&process, 0, &v), VDS_BAD_DATA);
}
END_TEST

START_TEST(protection_words)
{
	ck_assert_str_eq(vds_protection_str(0), "PAGE_NOACCESS");
	ck_assert_str_eq(vds_protection_str(4), "PAGE_READWRITE");
	ck_assert_str_eq(vds_protection_str(7), "PAGE_EXECUTE_WRITECOPY");
	ck_assert_str_eq(vds_protection_str(0xc), "PAGE_READWRITE|PAGE_NOCACHE");
	ck_assert_str_eq(vds_protection_str(0x14), "PAGE_READWRITE|PAGE_GUARD");
	ck_assert_str_eq(vds_protection_str(0x1e),
			 "PAGE_EXECUTE_READWRITE|PAGE_WRITECOMBINE");
	ck_assert_str_eq(vds_protection_str(0x18), "PAGE_NOACCESS");
	ck_assert_str_eq(vds_protection_str(32), "unknown");
	ck_assert(!vds_protection_writable(3));
	ck_assert(vds_protection_writable(4));
	ck_assert(vds_protection_writable(5));
	ck_assert(!vds_protection_executable(5));
	ck_assert(vds_protection_executable(2));
	ck_assert(!vds_protection_readable(2));
	ck_assert(!vds_protection_readable(0x10));
	ck_assert(vds_protection_readable(1));
	ck_assert(vds_protection_copy_on_write(7));
	ck_assert(!vds_protection_copy_on_write(6));
	ck_assert_str_eq(vds_vad_type_str(VDS_VAD_NONE, true), "private");
	ck_assert_str_eq(vds_vad_type_str(VDS_VAD_NONE, false), "mapped");
	ck_assert_str_eq(vds_vad_type_str(VDS_VAD_IMAGE, false), "image");
	ck_assert_str_eq(vds_vad_type_str(VDS_VAD_LARGE_PAGE_SECTION, false),
			 "large-section");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vad");
	TCase *tc = tcase_create("vad");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_healthy_tree_is_walked_in_order);
	tcase_add_test(tc, all_fields_of_a_long_node);
	tcase_add_test(tc, the_tail_of_a_short_node_is_not_read);
	tcase_add_test(tc, windows_7_layout);
	tcase_add_test(tc, windows_11_24h2_layout);
	tcase_add_test(tc, the_high_byte_is_combined_before_one_is_added);
	tcase_add_test(tc, higher_bits_count_with_five_levels_only);
	tcase_add_test(tc, a_loop_is_noted_and_every_node_comes_once);
	tcase_add_test(tc, wild_pointers_cost_their_own_subtree_only);
	tcase_add_test(tc, a_zeroed_node_is_no_vad);
	tcase_add_test(tc, a_parent_that_disagrees_is_noted);
	tcase_add_test(tc, impossible_ranges_are_noted_and_kept_small);
	tcase_add_test(tc, order_and_overlap_are_checked);
	tcase_add_test(tc, a_degenerate_tree_is_walked_to_its_end);
	tcase_add_test(tc, walks_of_one_task_do_not_disturb_each_other);
	tcase_add_test(tc, nodes_that_were_met_come_again);
	tcase_add_test(tc, nodes_beside_absent_pages);
	tcase_add_test(tc, running_out_of_memory_is_no_short_list);
	tcase_add_test(tc, an_empty_tree_has_no_nodes);
	tcase_add_test(tc, an_address_finds_its_vad);
	tcase_add_test(tc, protection_words);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
