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
	COL_BYTES,
	COL_EXEC_PAGES,
	NUM_COLS,
};

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
	[COL_HEADER] = {"region.header", VDS_KIND_STR, 0, "Header", NULL, "what the first bytes look like: pe, zero, code", NULL},
	[COL_BYTES] = {"region.bytes", VDS_KIND_BYTES, 0, "First bytes", NULL, "the first bytes that are there", NULL},
	[COL_EXEC_PAGES] = {"region.executable_pages", VDS_KIND_INT, WIDE, "Exec pages", "pages", "resident pages whose page-table entry allows execution, of the first 512", NULL},
};

/*
 * Windows maps shell code where it was written; so the initial protection says
 * most. A region made READWRITE and later made executable shows in its PTEs.
 */
static uint32_t executable_pages(const struct vds_process *process,
				 const struct vds_vad *vad)
{
	uint32_t count = 0;
	for (uint64_t i = 0; i < 512; i++) {
		uint64_t va = vad->start + i * 4096;
		struct vds_page page;
		if (va > vad->end)
			break;
		vds_page_at(process, vad, va, &page);
		count += page.state == VDS_PAGE_PRESENT &&
			 page.via == VDS_VIA_HARDWARE && page.executable;
	}
	return count;
}

static const char *header_of(const uint8_t *bytes, size_t len)
{
	static const uint8_t zero[64];
	if (bytes[0] == 'M' && bytes[1] == 'Z')
		return "pe";
	return memcmp(bytes, zero, len) ? "code" : "zero";
}

static struct vds_error *run_malfind(struct vds_run *run,
				     const struct vds_process *process)
{
	struct vds_vad_iter *it = vds_vad_iterate(process);
	const struct vds_vad *vad;
	while ((vad = vds_vad_next(it))) {
		uint8_t bytes[64];
		if (!vad->is_private || vad->type == VDS_VAD_DEVICE_PHYSICAL)
			continue;
		uint32_t pages = executable_pages(process, vad);
		if (!vds_protection_executable(vad->protection) && !pages)
			continue;
		enum vds_why why = vds_process_read(process, vad->start, bytes,
						    sizeof(bytes));
		struct vds_value v[NUM_COLS] = {
			[COL_PID] = vds_int(process->pid),
			[COL_NAME] = process->name ? vds_str(process->name) :
				vds_absent(process->name_why),
			[COL_EPROCESS] = vds_addr(process->eprocess),
			[COL_NODE] = vds_addr(vad->node),
			[COL_START] = vds_addr(vad->start),
			[COL_END] = vds_addr(vad->end),
			[COL_SIZE] = vds_size(vad->end - vad->start + 1),
			[COL_TAG] = vds_or(vad->tag_why, vds_str(vad->tag)),
			[COL_PROTECTION] =
				vds_str(vds_protection_str(vad->protection)),
			[COL_HEADER] = why ? vds_absent(why) :
				vds_str(header_of(bytes, sizeof(bytes))),
			[COL_BYTES] = why ? vds_absent(why) :
				vds_data(bytes, sizeof(bytes)),
			[COL_EXEC_PAGES] = vds_int(pages),
		};
		struct vds_error *err = vds_emit(run, v);
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
	.run = run_malfind,
};
