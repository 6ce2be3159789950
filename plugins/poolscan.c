/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poolscan: blocks of kernel pool by tag, found in physical memory whatever
 * lists and trees say. A tag is a hint only; `valid` says whether the block
 * holds what the tag promises.
 */
#include <string.h>

#include <vadose/plugin.h>
#include <vadose/pool.h>
#include <vadose/record.h>

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
	bool all;
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

static bool is_wanted(const void *ctx, uint32_t tag)
{
	const struct context *c = ctx;
	if (c->num_globs)
		return glob_matches(c, tag);
	return vds_pool_content_of(tag) != VDS_POOL_OTHER;
}

static struct vds_error *emit(struct vds_run *run, void *ctx,
			      const struct vds_pool_block *block,
			      const uint64_t *pa)
{
	const struct context *c = ctx;
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

/* Most bytes begin no wanted tag: those that do are known beforehand. */
static void list_begins(const struct context *c, struct vds_pool_scan *how)
{
	const char *tag;
	for (size_t i = 0; !c->num_globs && (tag = vds_pool_known_tag(i)); i++)
		vds_pool_scan_begin(how, tag);
	/* Letters of tags are printable; short ones end in NUL. */
	for (size_t g = 0; g < c->num_globs; g++) {
		for (int a = 0x20; a < 0x7f; a++) {
			for (int b = 0; b < 0x7f; b = b ? b + 1 : 0x20) {
				char letters[3] = {(char)a, (char)b};
				if (glob_may_begin(c->globs[g], letters))
					vds_pool_scan_begin(how, letters);
			}
		}
	}
}

static struct vds_error *run_poolscan(struct vds_run *run,
				      const struct vds_process *process)
{
	struct context c = {.all = vds_option_set(run, "all")};
	struct vds_pool_scan how = {
		.want = is_wanted, .visit = emit, .ctx = &c, .all = c.all,
	};
	(void)process;
	c.globs = vds_option_strs(run, "tag", &c.num_globs);
	list_begins(&c, &how);
	struct vds_error *err = vds_pool_check_load(run, &c.check);
	return err ? err : vds_pool_scan(run, &how);
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
