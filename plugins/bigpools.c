/* SPDX-License-Identifier: Apache-2.0 */
/* bigpools: allocations of a page or more, by PoolBigPageTable. */
#include <vadose/plugin.h>
#include <vadose/pool.h>

enum {
	COL_ADDRESS,
	COL_TAG,
	COL_TYPE,
	COL_TYPE_RAW,
	COL_SIZE,
	COL_STATE,
	COL_SLOT,
	COL_PROCESS,
	NUM_COLS,
};

static const struct vds_column columns[NUM_COLS] = {
	[COL_ADDRESS] = {"pool.address", VDS_KIND_ADDR, VDS_COLUMN_KEY, "Address", NULL, "first byte of the allocation", NULL},
	[COL_TAG] = {"pool.tag", VDS_KIND_STR, 0, "Tag", NULL, "tag of whoever allocated it", NULL},
	[COL_TYPE] = {"pool.type", VDS_KIND_STR, 0, "Type", NULL, "pool that it came from", NULL},
	[COL_TYPE_RAW] = {"pool.type_raw", VDS_KIND_HEX, VDS_COLUMN_WIDE, NULL, NULL, "PoolType as stored", NULL},
	[COL_SIZE] = {"pool.size", VDS_KIND_SIZE, 0, "Size", "bytes", "NumberOfBytes", NULL},
	[COL_STATE] = {"pool.state", VDS_KIND_STR, 0, "State", NULL, "allocated or free", NULL},
	[COL_SLOT] = {"pool.slot", VDS_KIND_INT, VDS_COLUMN_KEY | VDS_COLUMN_WIDE, "Slot", NULL, "index in the table", NULL},
	[COL_PROCESS] = {"pool.process", VDS_KIND_ADDR, VDS_COLUMN_WIDE, "Process", NULL, "EPROCESS that its quota is billed to", NULL},
};

static const struct vds_option options[] = {
	{"free", VDS_OPTION_FLAG, 0, NULL, NULL, NULL, "also allocations that were given back"},
	{"tag", VDS_OPTION_STRS, 0, "GLOB", NULL, NULL, "only tags that match"},
};

static bool is_wanted(const struct vds_run *run, const char *tag)
{
	size_t n;
	const char *const *globs = vds_option_strs(run, "tag", &n);
	for (size_t i = 0; i < n; i++) {
		if (vds_match(globs[i], tag))
			return true;
	}
	return !n;
}

static struct vds_error *emit(struct vds_run *run,
			      const struct vds_big_page *page)
{
	struct vds_value v[NUM_COLS] = {0};
	const char *tag = vds_pool_tag_str(run, page->tag);
	if (!tag)
		return &vds_enomem;
	if (!is_wanted(run, tag))
		return NULL;
	const char *type = vds_pool_type_str(run, page->pool_type);
	v[COL_ADDRESS] = vds_addr(page->va);
	v[COL_TAG] = vds_str(tag);
	v[COL_TYPE] = type ? vds_str(type) : vds_absent(VDS_NO_FIELD);
	v[COL_TYPE_RAW] = vds_hex(page->pool_type);
	v[COL_SIZE] = vds_size(page->size);
	v[COL_STATE] = vds_str(page->free ? "free" : "allocated");
	v[COL_SLOT] = vds_int((int64_t)page->slot);
	if (page->process_why != VDS_NO_FIELD && page->process)
		v[COL_PROCESS] = vds_addr(page->process);
	return vds_emit(run, v);
}

static struct vds_error *run_bigpools(struct vds_run *run,
				      const struct vds_process *process)
{
	const struct vds_big_page *pages;
	enum vds_why why;
	size_t count;
	(void)process;
	struct vds_error *err = vds_big_pages_load(run, &pages, &count, &why);
	if (err)
		return err;
	if (why)
		vds_run_note(run, "no_big_pages", 0,
			     "the table of big allocations: %s",
			     vds_why_str(why));
	for (size_t i = 0; i < count; i++) {
		if (pages[i].free && !vds_option_set(run, "free"))
			continue;
		err = emit(run, &pages[i]);
		if (err)
			return err;
	}
	return NULL;
}

VDS_PLUGIN(bigpools) = {
	VDS_PLUGIN_HEADER(bigpools),
	.version = "1.0.0",
	.summary = "pool allocations of a page or more, by PoolBigPageTable",
	.record = "big_pool",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_bigpools,
};
