/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poolscan: blocks of kernel pool by tag, found in physical memory whatever
 * lists and trees say. A tag is a hint only; `valid` says whether the block
 * holds what the tag promises.
 */
#include <string.h>

#include <vadose/pfn.h>
#include <vadose/plugin.h>
#include <vadose/pool.h>
#include <vadose/record.h>

#define PAGE 4096u
#define UNIT 16u
#define HEADER_SIZE 16u
/* Physical memory that one call looks at. */
#define CHUNK (UINT64_C(8) << 20)
/* Read at once; on the stack, since a run's memory stays until the end. */
#define WINDOW (64u * 1024)

enum {
	COL_PA,
	COL_ADDRESS,
	COL_TAG,
	COL_SIZE,
	COL_STATE,
	COL_CONTENT,
	COL_VALID,
	COL_OBJECT,
	NUM_COLS,
};

static const struct vds_column columns[NUM_COLS] = {
	[COL_PA] = {"pool.physical", VDS_KIND_ADDR, VDS_COLUMN_KEY, "Physical", NULL, "physical address of the POOL_HEADER; blocks of the big-page table have none", NULL},
	[COL_ADDRESS] = {"pool.address", VDS_KIND_ADDR, VDS_COLUMN_KEY, "Block", NULL, "its virtual address, by the frame's entry in the PFN database", NULL},
	[COL_TAG] = {"pool.tag", VDS_KIND_STR, 0, "Tag", NULL, "tag of whoever allocated it", NULL},
	[COL_SIZE] = {"pool.size", VDS_KIND_SIZE, 0, "Size", "bytes", "of the block with its header", NULL},
	[COL_STATE] = {"pool.state", VDS_KIND_STR, 0, "State", NULL, "allocated or free", NULL},
	[COL_CONTENT] = {"pool.content", VDS_KIND_STR, 0, "Content", NULL, "what the tag promises", NULL},
	[COL_VALID] = {"pool.valid", VDS_KIND_BOOL, 0, "Valid", NULL, "it is there: what it points at points back", NULL},
	[COL_OBJECT] = {"pool.object", VDS_KIND_ADDR, 0, "Object", NULL, "address of the object in the block, if valid", NULL},
};

static const struct vds_option options[] = {
	{"tag", VDS_OPTION_STRS, 0, "GLOB", NULL, NULL, "only tags that match; without it those whose content can be checked"},
	{"all", VDS_OPTION_FLAG, 0, NULL, NULL, NULL, "also blocks that don't hold what their tag promises, and free ones"},
};

struct context {
	const struct vds_pool_check *check;
	const char *const *globs;
	size_t num_globs;
	const uint64_t *pieces;
	uint32_t tag_offset;
	/* A bit per first two bytes that a wanted tag may begin with. */
	uint8_t begin[65536 / 8];
	bool all;
	bool chained;	/* blocks tell the size of the one before */
};

static bool glob_matches(const struct context *c, uint32_t tag)
{
	char text[5] = {0};
	for (unsigned int i = 0; i < 4; i++)
		text[i] = (char)(tag >> 8 * i & (i == 3 ? 0x7f : 0xff));
	for (size_t i = 0; i < c->num_globs; i++) {
		if (vds_match(c->globs[i], text))
			return true;
	}
	return false;
}

static bool is_wanted(const struct context *c, uint32_t tag)
{
	if (c->num_globs)
		return glob_matches(c, tag);
	return vds_pool_content_of(tag) != VDS_POOL_OTHER;
}

/* Until 1903 the block before says the same size of itself. */
static bool chain_fits(struct vds_run *run, const uint8_t *page, uint32_t at,
		       const struct vds_pool_header *header)
{
	struct vds_pool_header before;
	if (!header->previous_size)
		return !at;
	if (header->previous_size > at)
		return false;
	uint32_t start = at - header->previous_size;
	return !vds_pool_header_decode(run, page + start, HEADER_SIZE, start,
				       &before) &&
	       before.size == header->previous_size;
}

/*
 * Where the kernel sees the frame: the PFN database names the PTE that maps
 * it, and the page tables must lead back.
 */
static bool find_va(struct vds_run *run, uint64_t pa, uint64_t *ret)
{
	const struct vds_process *any = vds_process_at(run, 0);
	struct vds_translation there;
	struct vds_pfn pfn;
	uint64_t va;
	if (!any || vds_pfn_at(any, pa >> 12, &pfn) || pfn.prototype ||
	    vds_pte_address_va(any, pfn.pte_address, &va) || !(va >> 63))
		return false;
	vds_translate(run, NULL, va, &there);
	if (there.why || there.pa >> 12 != pa >> 12)
		return false;
	*ret = va + (pa & (PAGE - 1));
	return true;
}

static struct vds_error *emit(struct vds_run *run, const struct context *c,
			      const struct vds_pool_block *block,
			      const uint64_t *pa)
{
	struct vds_value v[NUM_COLS] = {0};
	enum vds_pool_content content = vds_pool_content_of(block->tag);
	enum vds_why why = VDS_NOT_MAPPED;
	uint64_t object;
	if (block->address)
		why = vds_pool_check_block(run, c->check, block, &object);
	if (why && !c->all && content != VDS_POOL_OTHER)
		return NULL;
	const char *tag = vds_pool_tag_str(run, block->tag);
	if (!tag)
		return &vds_enomem;
	v[COL_PA] = pa ? vds_addr(*pa) : vds_absent(VDS_NOT_APPLICABLE);
	if (block->address)
		v[COL_ADDRESS] = vds_addr(block->address);
	v[COL_TAG] = vds_str(tag);
	v[COL_SIZE] = vds_size(block->size);
	v[COL_STATE] = vds_str(block->allocated ? "allocated" : "free");
	v[COL_CONTENT] = vds_str(vds_pool_content_str(content));
	if (!why || why == VDS_BAD_DATA)
		v[COL_VALID] = vds_bool(!why);
	if (!why)
		v[COL_OBJECT] = vds_addr(object);
	return vds_emit(run, v);
}

static struct vds_error *look_at(struct vds_run *run, const struct context *c,
				 const uint8_t *page, uint32_t at, uint64_t pa)
{
	struct vds_pool_header header;
	if (vds_pool_header_decode(run, page + at, HEADER_SIZE, at, &header) ||
	    header.size <= HEADER_SIZE || (!header.pool_type && !c->all) ||
	    (c->chained && !chain_fits(run, page, at, &header)))
		return NULL;
	struct vds_pool_block block = {
		.size = header.size,
		.previous_size = header.previous_size,
		.tag = header.tag,
		.pool_type = header.pool_type,
		.method = VDS_POOL_HEADER,
		.allocated = header.pool_type != 0,
	};
	pa += at;
	if (find_va(run, pa, &block.address))
		block.data = block.address + HEADER_SIZE;
	return emit(run, c, &block, &pa);
}

static bool may_begin(const struct context *c, const uint8_t *p)
{
	unsigned int pair = p[0] | (unsigned int)p[1] << 8;
	return c->begin[pair >> 3] >> (pair & 7) & 1;
}

static struct vds_error *scan_page(struct vds_run *run, const struct context *c,
				   const uint8_t *page, uint64_t pa)
{
	for (uint32_t at = 0; at < PAGE; at += UNIT) {
		const uint8_t *p = page + at + c->tag_offset;
		/* One branch for several units, seldom taken. */
		if (at % (4 * UNIT) == 0 &&
		    !(may_begin(c, p) | may_begin(c, p + UNIT) |
		      may_begin(c, p + 2 * UNIT) | may_begin(c, p + 3 * UNIT))) {
			at += 3 * UNIT;
			continue;
		}
		uint32_t tag = (uint32_t)(p[0] | p[1] << 8 | p[2] << 16) |
			       (uint32_t)p[3] << 24;
		if (!may_begin(c, p) || !is_wanted(c, tag))
			continue;
		struct vds_error *err = look_at(run, c, page, at, pa);
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *scan(struct vds_run *run, size_t index, void *ctx)
{
	const struct context *c = ctx;
	uint64_t pa = c->pieces[index], end = pa + CHUNK;
	uint8_t window[WINDOW];
	while (pa < end) {
		size_t have = vds_physical_scan(run, &pa, window,
						sizeof(window));
		if (!have)
			break;
		for (size_t i = 0; i + PAGE <= have && pa + i < end;
		     i += PAGE) {
			struct vds_error *err =
				scan_page(run, c, window + i, pa + i);
			if (err)
				return err;
		}
		pa += have;
	}
	return NULL;
}

/* Allocations of a page or more have no header: the table tells of them. */
static struct vds_error *list_big(struct vds_run *run, const struct context *c)
{
	const struct vds_big_page *big;
	enum vds_why why;
	size_t count;
	struct vds_error *err = vds_big_pages_load(run, &big, &count, &why);
	for (size_t i = 0; !err && i < count; i++) {
		if (!is_wanted(c, big[i].tag) || (big[i].free && !c->all))
			continue;
		struct vds_pool_block block = {
			.address = big[i].va, .data = big[i].va,
			.size = big[i].size, .tag = big[i].tag,
			.pool_type = big[i].pool_type,
			.method = VDS_POOL_BIG_PAGES,
			.allocated = !big[i].free,
		};
		err = emit(run, c, &block, NULL);
	}
	return err;
}

/*
 * Whether the glob may match text that begins with these letters: exact is
 * what is_wanted() says later.
 */
static bool glob_may_begin(const char *glob, const char *letters)
{
	for (size_t i = 0; letters[i] && glob[i] != '*'; i++) {
		char one[2] = {glob[i]}, text[2] = {letters[i]};
		if (!glob[i] || !vds_match(one, text))
			return false;
	}
	return true;
}

static void add_begin(struct context *c, const char *letters)
{
	unsigned int pair = (unsigned char)letters[0] |
			    (unsigned int)(unsigned char)letters[1] << 8;
	c->begin[pair >> 3] |= (uint8_t)(1u << (pair & 7));
}

/* Most bytes begin no wanted tag: those that do are known beforehand. */
static void list_begins(struct context *c)
{
	const char *tag;
	for (size_t i = 0; !c->num_globs && (tag = vds_pool_known_tag(i)); i++)
		add_begin(c, tag);
	/* Letters of tags are printable; short ones end in NUL. */
	for (size_t g = 0; g < c->num_globs; g++) {
		for (int a = 0x20; a < 0x7f; a++) {
			for (int b = 0; b < 0x7f; b = b ? b + 1 : 0x20) {
				char letters[3] = {(char)a, (char)b};
				if (glob_may_begin(c->globs[g], letters))
					add_begin(c, letters);
			}
		}
	}
}

static struct vds_error *run_poolscan(struct vds_run *run,
				      const struct vds_process *process)
{
	struct context c = {
		.all = vds_option_set(run, "all"),
		.chained = !vds_pool_is_segment_heap(run),
	};
	struct vds_member_info tag;
	size_t count;
	(void)process;
	c.globs = vds_option_strs(run, "tag", &c.num_globs);
	list_begins(&c);
	if (!vds_type_member_find(vds_type_find(run, "_POOL_HEADER"),
				  "PoolTag", &tag) ||
	    tag.offset > HEADER_SIZE - 4) {
		vds_run_note(run, "no_pool_header", 0,
			     "the profile lacks _POOL_HEADER");
		return NULL;
	}
	c.tag_offset = tag.offset;
	struct vds_error *err = vds_pool_check_load(run, &c.check);
	if (!err)
		err = list_big(run, &c);
	if (!err)
		err = vds_physical_pieces(run, CHUNK, &c.pieces, &count);
	if (!err)
		err = vds_parallel(run, count, scan, &c);
	return err;
}

VDS_PLUGIN(poolscan) = {
	VDS_PLUGIN_HEADER(poolscan),
	.version = "1.0.0",
	.summary = "blocks of kernel pool by tag, checked for what they hold",
	.record = "pool_hit",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_poolscan,
};
