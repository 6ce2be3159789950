/* SPDX-License-Identifier: Apache-2.0 */
/*
 * malfind: private memory that may execute and holds bytes: where injected code
 * lives that no file backs. A row is a place to look at, not a verdict: JIT
 * compilers make such regions too.
 */
#include <string.h>

#include <vadose/columns.h>
#include <vadose/page.h>
#include <vadose/plugin.h>
#include <vadose/table.h>

enum {
	COL_PID,
	COL_NAME,
	COL_EPROCESS,
	COL_NODE,
	COL_START,
	COL_END,
	COL_SIZE,
	COL_TAG,
	COL_PROTECTION,
	COL_HEADER,
	COL_PE,
	COL_BYTES,
	COL_EXEC_PAGES,
	COL_BYTES_AT,
	COL_PRIVATE,
	NUM_COLS,
};

#define PAGE 4096u
/* Bytes of a region that a row shows. */
#define SHOWN 64
/* Pages of shared memory that are looked at. */
#define MAX_PAGES 512

#define KEY VDS_COLUMN_KEY
#define WIDE VDS_COLUMN_WIDE

static const struct vds_column columns[NUM_COLS] = {
	[COL_PID] = VDS_COL_PID(0),
	[COL_NAME] = VDS_COL_PROCESS(0),
	[COL_EPROCESS] = VDS_COL_EPROCESS(KEY | WIDE),
	[COL_NODE] = VDS_COL_VAD_NODE(KEY | WIDE),
	[COL_START] = VDS_COL_VAD_START(0),
	[COL_END] = VDS_COL_VAD_END(0),
	[COL_SIZE] = VDS_COL_VAD_SIZE(0),
	[COL_TAG] = VDS_COL_VAD_TAG(WIDE),
	[COL_PROTECTION] = VDS_COL_VAD_PROTECTION(0),
	[COL_HEADER] = {"region.header", VDS_KIND_STR, 0, "Header", NULL, "what these bytes look like: pe, zero, code", NULL},
	[COL_BYTES] = {"region.bytes", VDS_KIND_BYTES, 0, "First bytes", NULL, "the first bytes that are there and no zeros; the first ones, if all pages begin with zeros", NULL},
	[COL_EXEC_PAGES] = {"region.executable_pages", VDS_KIND_INT, WIDE, "Exec pages", "pages", "pages whose page-table entry allows execution: by the hardware, or, of what was trimmed, by the protection that it keeps", NULL},
	[COL_PE] = {"region.pe", VDS_KIND_ADDR, 0, "PE", NULL, "first page that begins with the headers of a program (MZ, PE)", NULL},
	[COL_BYTES_AT] = {"region.bytes_at", VDS_KIND_ADDR, WIDE, "Bytes at", NULL, "where these bytes lie", NULL},
	[COL_PRIVATE] = {"vad.private", VDS_KIND_BOOL, WIDE, "Private", NULL, "private memory; else a view of a section (--shared)", NULL},
};

static const struct vds_option options[] = {
	{"shared", VDS_OPTION_FLAG, 0, NULL, NULL, NULL, "also shared memory of no image that was made writable and executable"},
};

struct region {
	const struct vds_process *process;
	const struct vds_vad *vad;
	uint64_t pages;		/* executable ones */
	enum vds_why pages_why;	/* or of the table that hides some of them */
	uint64_t bytes_at;	/* of the bytes */
	enum vds_why bytes_why;
	bool has_content;	/* the bytes are not all zero */
	uint64_t pe;		/* a PE's header; 0 = none seen */
	uint8_t bytes[SHOWN];
};

/*
 * Windows maps shell code where it was written; so the initial protection says
 * most. A region made READWRITE and later made executable shows in its PTEs,
 * also in those of pages that were trimmed since.
 */
static bool count_page(void *ctx, const struct vds_table_entry *entry)
{
	struct region *r = ctx;
	struct vds_page page;
	bool executable = entry->executable;

	if (entry->why) {
		r->pages_why = entry->why;
		return true;
	}
	if (!entry->valid) {
		vds_page_at(r->process, r->vad, entry->va, &page);
		executable = !page.protection_why &&
			     vds_protection_executable(page.protection);
	}
	if (executable)
		r->pages += entry->size / PAGE;
	return true;
}

/* A PE's header: MZ, and the signature that it leads to in the same page. */
static bool is_pe(const uint8_t *page)
{
	uint32_t at = page[0x3c] | (uint32_t)page[0x3d] << 8 |
		      (uint32_t)page[0x3e] << 16 | (uint32_t)page[0x3f] << 24;

	return page[0] == 'M' && page[1] == 'Z' && at <= PAGE - 4 &&
	       !memcmp(page + at, "PE\0\0", 4);
}

/* Keeps the first bytes that are there; better, the first that are no zeros. */
static void look_at_content(struct region *r, uint64_t va)
{
	static const uint8_t zero[SHOWN];
	uint8_t page[PAGE];
	enum vds_why why;

	if (r->has_content && r->pe)
		return;
	why = vds_process_read(r->process, va, page, sizeof(page));
	if (why) {
		if (r->bytes_why && va == r->vad->start)
			r->bytes_why = why;
		return;
	}
	if (!r->pe && is_pe(page))
		r->pe = va;
	if (r->has_content ||
	    (!r->bytes_why && !memcmp(page, zero, sizeof(zero))))
		return;
	r->bytes_why = VDS_PRESENT;
	r->bytes_at = va;
	r->has_content = memcmp(page, zero, sizeof(zero)) != 0;
	memcpy(r->bytes, page, sizeof(r->bytes));
}

static bool look_at_entry(void *ctx, const struct vds_table_entry *entry)
{
	struct region *r = ctx;

	for (uint64_t i = 0; i < entry->size && !entry->why; i += PAGE)
		look_at_content(r, entry->va + i);
	return true;
}

/* What a process has not touched of shared memory has no entry of its own. */
static void find_content(struct region *r)
{
	const struct vds_vad *vad = r->vad;
	uint64_t pages = (vad->end - vad->start + 1) / PAGE;

	r->bytes_why = VDS_NOT_MAPPED;
	if (vad->is_private)
		vds_tables_walk(r->process, vad->start, vad->end,
				look_at_entry, r);
	for (uint64_t i = 0; !vad->is_private && i < pages && i < MAX_PAGES;
	     i++)
		look_at_content(r, vad->start + i * PAGE);
}

static const char *header_of(const uint8_t *bytes)
{
	static const uint8_t zero[SHOWN];

	if (bytes[0] == 'M' && bytes[1] == 'Z')
		return "pe";
	return memcmp(bytes, zero, sizeof(zero)) ? "code" : "zero";
}

static struct vds_error *emit(struct vds_run *run, const struct region *r)
{
	const struct vds_process *process = r->process;
	const struct vds_vad *vad = r->vad;
	enum vds_why why = r->bytes_why;
	struct vds_value v[NUM_COLS] = {
		[COL_PID] = vds_int(process->pid),
		[COL_NAME] = vds_or(process->name_why,
				    vds_str(process->name)),
		[COL_EPROCESS] = vds_addr(process->eprocess),
		[COL_NODE] = vds_addr(vad->node),
		[COL_START] = vds_addr(vad->start),
		[COL_END] = vds_addr(vad->end),
		[COL_SIZE] = vds_size(vad->end - vad->start + 1),
		[COL_TAG] = vds_or(vad->tag_why, vds_str(vad->tag)),
		[COL_PROTECTION] =
			vds_str(vds_protection_str(vad->protection)),
		[COL_PRIVATE] = vds_bool(vad->is_private),
		[COL_HEADER] = vds_or(why, vds_str(header_of(r->bytes))),
		[COL_BYTES] = vds_or(why, vds_data(r->bytes, SHOWN)),
		[COL_BYTES_AT] = vds_or(why, vds_addr(r->bytes_at)),
		[COL_EXEC_PAGES] = vds_or(r->pages_why,
					  vds_int((int64_t)r->pages)),
	};

	if (r->pe)
		v[COL_PE] = vds_addr(r->pe);
	return vds_emit(run, v);
}

/* Memory of a section whose own file may have put code into it is no news. */
static bool is_wanted(struct vds_run *run, const struct vds_vad *vad)
{
	if (vad->type == VDS_VAD_DEVICE_PHYSICAL)
		return false;
	if (vad->is_private)
		return true;
	return vds_option_set(run, "shared") && vad->type != VDS_VAD_IMAGE &&
	       vds_protection_executable(vad->protection) &&
	       vds_protection_writable(vad->protection) &&
	       !vds_protection_copy_on_write(vad->protection);
}

static struct vds_error *run_malfind(struct vds_run *run,
				     const struct vds_process *process)
{
	struct vds_vad_iter *it = vds_vad_iterate(process);
	const struct vds_vad *vad;

	while ((vad = vds_vad_next(it))) {
		struct region r = {.process = process, .vad = vad};

		if (!is_wanted(run, vad))
			continue;
		vds_tables_walk(process, vad->start, vad->end, count_page, &r);
		if (!vds_protection_executable(vad->protection) && !r.pages)
			continue;
		find_content(&r);
		struct vds_error *err = emit(run, &r);
		if (err)
			return err;
	}
	return NULL;
}

VDS_PLUGIN(malfind) = {
	VDS_PLUGIN_HEADER(malfind),
	.version = "1.0.0",
	.summary = "private memory that may execute",
	.record = "region",
	.scope = VDS_PER_PROCESS,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_malfind,
};
