/* SPDX-License-Identifier: Apache-2.0 */
/*
 * modified: what processes changed in their own copies of image pages. A page
 * of an image is shared until it is written; the copy then differs from the
 * section's page, which is still there to compare with. One row per changed
 * run of bytes, with where in the image it lies: a write to .data is everyday
 * life, one to code is a hook, a patch, or a stomped module.
 */
#include <stdlib.h>
#include <string.h>

#include <vadose/columns.h>
#include <vadose/plugin.h>
#include <vadose/sharing.h>

#include "page_diff.h"

/* Bytes of a change that a row shows. */
#define MAX_BYTES 32
/* Pages of one view that are asked for; no image is longer than 2 GB. */
#define MAX_PAGES ((uint64_t)1 << 19)

enum {
	COL_EPROCESS,
	COL_PID,
	COL_PROCESS,
	COL_SECTION_ID,
	COL_FILE,
	COL_BASE,
	COL_PAGE,
	COL_RVA,
	COL_FRAME,
	COL_SHARED_FRAME,
	COL_STATE,
	COL_PAGE_BYTES,
	COL_PAGE_RUNS,
	COL_ADDRESS,
	COL_LENGTH,
	COL_KIND,
	COL_PE_SECTION,
	COL_EXPORT,
	COL_EXPORT_OFFSET,
	COL_TARGET,
	COL_OLD,
	COL_NEW,
	NUM_COLS,
};

#define KEY VDS_COLUMN_KEY
#define GROUP VDS_COLUMN_GROUP
#define WIDE VDS_COLUMN_WIDE

static const struct vds_column columns[NUM_COLS] = {
	[COL_EPROCESS] = VDS_COL_EPROCESS(KEY | WIDE),
	[COL_PID] = VDS_COL_PID(GROUP),
	[COL_PROCESS] = VDS_COL_PROCESS(GROUP),
	[COL_SECTION_ID] = VDS_COL_SECTION_ID(WIDE),
	[COL_FILE] = {"section.file", VDS_KIND_STR, GROUP, "File", NULL, "name of the mapped image", "file.path"},
	[COL_BASE] = {"vad.start", VDS_KIND_ADDR, GROUP, "Base", NULL, "first byte of the view", NULL},
	[COL_PAGE] = {"page.va", VDS_KIND_ADDR, WIDE, "Page", NULL, "first byte of the changed page", NULL},
	[COL_RVA] = {"page.rva", VDS_KIND_HEX, WIDE, "RVA", NULL, "the page's offset in the image", NULL},
	[COL_FRAME] = {"page.frame", VDS_KIND_ADDR, WIDE, "Frame", NULL, "physical address of the private copy", NULL},
	[COL_SHARED_FRAME] = {"page.shared_frame", VDS_KIND_ADDR, WIDE, "Shared frame", NULL, "physical address of the section's page", NULL},
	[COL_STATE] = {"page.shared_state", VDS_KIND_STR, WIDE, "Shared", NULL, "where the section's page is; only one in memory can be compared", NULL},
	[COL_PAGE_BYTES] = {"page.changed_bytes", VDS_KIND_INT, WIDE, "Changed", "bytes", "bytes of the page that differ, relocations aside", NULL},
	[COL_PAGE_RUNS] = {"page.changes", VDS_KIND_INT, WIDE, "Changes", NULL, "changed runs in the page; the first 16 have rows", NULL},
	[COL_ADDRESS] = {"change.address", VDS_KIND_ADDR, KEY, "Address", NULL, "first changed byte; of the page if it can't be compared", NULL},
	[COL_LENGTH] = {"change.length", VDS_KIND_INT, 0, "Length", "bytes", "changed bytes, with up to 7 equal ones in between", NULL},
	[COL_KIND] = {"change.kind", VDS_KIND_STR, 0, "Kind", NULL, "hook (code that now jumps away), code, import (address table), header, constant (read-only data), data, relocation", NULL},
	[COL_PE_SECTION] = {"change.pe_section", VDS_KIND_STR, 0, "In", NULL, "PE section that it lies in", NULL},
	[COL_EXPORT] = {"change.export", VDS_KIND_STR, 0, "Export", NULL, "last exported function before it in that section", NULL},
	[COL_EXPORT_OFFSET] = {"change.export_offset", VDS_KIND_HEX, 0, "+", "bytes", "how far behind that function it lies", NULL},
	[COL_TARGET] = {"change.target", VDS_KIND_ADDR, 0, "Jumps to", NULL, "where a hook leads", NULL},
	[COL_OLD] = {"change.old", VDS_KIND_BYTES, 0, "Was", NULL, "the section's bytes, at most 32", NULL},
	[COL_NEW] = {"change.new", VDS_KIND_BYTES, 0, "Is", NULL, "the process's bytes, at most 32", NULL},
};

static const struct vds_option options[] = {
	{"all", VDS_OPTION_FLAG, 0, NULL, NULL, NULL, "also writes to writable data, and relocations"},
	{"name", VDS_OPTION_STR, 0, "GLOB", NULL, NULL, "only images whose file name matches"},
};

/* What a change is, by where it lies. */
enum kind {
	KIND_CODE,
	KIND_HOOK,
	KIND_IMPORT,
	KIND_HEADER,
	KIND_CONSTANT,
	KIND_DATA,
	KIND_RELOCATION,
};

static const char *const kinds[] = {
	[KIND_CODE] = "code", [KIND_HOOK] = "hook", [KIND_IMPORT] = "import",
	[KIND_HEADER] = "header", [KIND_CONSTANT] = "constant",
	[KIND_DATA] = "data", [KIND_RELOCATION] = "relocation",
};

struct context {
	const struct vds_sharing *sharing;
	const struct vds_view **views;	/* of images, chosen */
	size_t num_views;
};

/* One page: both versions, and how they differ. */
struct diff {
	struct page_diff d;
	uint64_t va;
	struct vds_page own;
	struct vds_section_page shared;
	enum vds_why why;	/* whether both could be read */
};

/* The subsection's protection is the kernel's own word on the page. */
static enum kind kind_of(struct image_view *s, const struct diff *d,
			 uint32_t offset)
{
	const struct vds_subsection *sub = vds_section_subsection_of(
		s->section, d->shared.pte_address);
	uint64_t rva = d->d.page * PAGE + offset;
	const struct vds_pe *pe = image_pe(s);
	/* Older libraries keep their import addresses among their code. */
	if (page_diff_is_import(s, &d->d, offset))
		return KIND_IMPORT;
	if (sub && vds_protection_executable(sub->protection))
		return KIND_CODE;
	if (pe && rva < pe->header_size)
		return KIND_HEADER;
	if (sub && (vds_protection_writable(sub->protection) ||
		    vds_protection_copy_on_write(sub->protection)))
		return KIND_DATA;
	return sub ? KIND_CONSTANT : KIND_DATA;
}

/*
 * Where the code at @va now jumps to: the forms that hooks are made of (Intel
 * SDM vol. 2: JMP rel32, JMP [rip+disp32], MOV rax + JMP rax, PUSH + RET).
 */
static bool jump_target(const struct image_view *s, const uint8_t *p, size_t len,
			uint64_t va, uint64_t *ret)
{
	uint8_t pointer[8];
	if (len >= 5 && p[0] == 0xe9) {
		*ret = va + 5 + (uint64_t)(int64_t)(int32_t)page_get(p + 1, 4);
		return true;
	}
	if (len >= 12 && p[0] == 0x48 && p[1] == 0xb8 && p[10] == 0xff &&
	    p[11] == 0xe0) {
		*ret = page_get(p + 2, 8);
		return true;
	}
	if (len >= 6 && p[0] == 0x68 && p[5] == 0xc3) {
		*ret = (uint64_t)(int64_t)(int32_t)page_get(p + 1, 4);
		return true;
	}
	if (len >= 6 && p[0] == 0xff && p[1] == 0x25) {
		uint64_t at = va + 6 +
			      (uint64_t)(int64_t)(int32_t)page_get(p + 2, 4);
		if (vds_process_read(s->process, at, pointer, 8))
			return false;
		*ret = page_get(pointer, 8);
		return true;
	}
	return false;
}

static void fill_place(struct image_view *s, uint64_t rva, bool name,
		       struct vds_value *row)
{
	const struct vds_pe *pe = image_pe(s);
	char text[VDS_PE_NAME_SIZE];
	uint32_t distance = 0;
	if (!pe || rva > UINT32_MAX) {
		row[COL_PE_SECTION] = vds_absent(s->pe_why);
		if (name)
			row[COL_EXPORT] = vds_absent(s->pe_why);
		return;
	}
	const struct vds_pe_section *section =
		vds_pe_section_at(pe, (uint32_t)rva);
	if (section)
		row[COL_PE_SECTION] = vds_str(
			vds_sprintf(s->run, "%s", section->name));
	if (!name)
		return;
	enum vds_why why = vds_pe_export_at(image_read, s, pe, (uint32_t)rva,
					    text, &distance);
	row[COL_EXPORT] = why ? vds_absent(why) :
				vds_str(vds_sprintf(s->run, "%s", text));
	row[COL_EXPORT_OFFSET] = vds_or(why, vds_hex(distance));
}

static void fill_page(const struct image_view *s, const struct diff *d,
		      struct vds_value *row)
{
	const struct vds_process *p = s->process;
	row[COL_EPROCESS] = vds_addr(p->eprocess);
	row[COL_PID] = vds_int(p->pid);
	row[COL_PROCESS] = vds_or(p->name_why, vds_str(p->name));
	row[COL_SECTION_ID] = vds_addr(s->section->control_area);
	row[COL_FILE] = vds_or(s->section->file_name_why,
			       vds_str(s->section->file_name));
	row[COL_BASE] = vds_addr(s->start);
	row[COL_PAGE] = row[COL_ADDRESS] = vds_addr(d->va);
	row[COL_RVA] = vds_hex(d->d.page * PAGE);
	row[COL_FRAME] = vds_addr(d->own.pa);
	row[COL_STATE] = vds_str(vds_page_state_str(d->shared.state));
	if (d->shared.state == VDS_PAGE_PRESENT ||
	    d->shared.state == VDS_PAGE_TRANSITION)
		row[COL_SHARED_FRAME] = vds_addr(d->shared.pa);
	row[COL_PAGE_BYTES] = vds_or(d->why, vds_int(d->d.bytes));
	row[COL_PAGE_RUNS] = vds_or(d->why, vds_int(d->d.num_changes));
	row[COL_LENGTH] = row[COL_OLD] = row[COL_NEW] = vds_absent(d->why);
}

static bool shown(const struct image_view *s, enum kind kind)
{
	return (kind != KIND_DATA && kind != KIND_RELOCATION) ||
	       vds_option_set(s->run, "all");
}

static struct vds_error *emit_change(struct image_view *s, const struct diff *d,
				     const struct page_change *c)
{
	struct vds_value row[NUM_COLS] = {0};
	enum kind kind = kind_of(s, d, c->first);
	uint32_t len = c->last - c->first + 1;
	uint32_t some = len < MAX_BYTES ? len : MAX_BYTES;
	uint64_t target;
	if (!shown(s, kind))
		return NULL;
	fill_page(s, d, row);
	if (kind == KIND_CODE &&
	    jump_target(s, d->d.new + c->first, PAGE - c->first,
			d->va + c->first, &target)) {
		kind = KIND_HOOK;
		row[COL_TARGET] = vds_addr(target);
	}
	fill_place(s, d->d.page * PAGE + c->first,
		   kind == KIND_CODE || kind == KIND_HOOK, row);
	row[COL_ADDRESS] = vds_addr(d->va + c->first);
	row[COL_LENGTH] = vds_int(len);
	row[COL_KIND] = vds_str(kinds[kind]);
	row[COL_OLD] = vds_data(d->d.old + c->first, some);
	row[COL_NEW] = vds_data(d->d.new + c->first, some);
	if (len > some)
		row[COL_OLD].flags = row[COL_NEW].flags = VDS_VALUE_TRUNCATED;
	return vds_emit(s->run, row);
}

/* A copy that can't be compared, or differs by relocations alone. */
static struct vds_error *emit_page(struct image_view *s, const struct diff *d)
{
	struct vds_value row[NUM_COLS] = {0};
	enum kind kind = d->why ? kind_of(s, d, 0) : KIND_RELOCATION;
	if (!shown(s, kind))
		return NULL;
	fill_page(s, d, row);
	if (!d->why)
		row[COL_LENGTH] = row[COL_OLD] = row[COL_NEW] =
			vds_absent(VDS_NOT_APPLICABLE);
	row[COL_KIND] = vds_str(kinds[kind]);
	fill_place(s, d->d.page * PAGE, false, row);
	return vds_emit(s->run, row);
}

static struct vds_error *look_at_copy(struct image_view *s, struct diff *d)
{
	struct vds_error *err = NULL;
	vds_section_page_at(s->process, s->section, d->d.page, &d->shared);
	d->why = vds_section_read_page(s->process, s->section, d->d.page,
				       d->d.old);
	if (!d->why)
		d->why = vds_physical_read(s->run, d->own.pa, d->d.new, PAGE);
	if (d->why)
		return emit_page(s, d);
	if (!memcmp(d->d.old, d->d.new, PAGE))
		return NULL;	/* a copy that equals what it was made of */
	page_diff(s, &d->d);
	if (!d->d.num_changes)
		return emit_page(s, d);
	for (uint32_t i = 0; !err && i < d->d.num_changes && i < MAX_RUNS; i++)
		err = emit_change(s, d, &d->d.changes[i]);
	return err;
}

static struct vds_error *look_at_view(struct vds_run *run, size_t index,
				      void *ctx)
{
	const struct context *c = ctx;
	const struct vds_view *view = c->views[index];
	struct image_view s = {.run = run, .start = view->start,
			       .end = view->end, .section = view->section,
			       .process = vds_process_at(run, view->process)};
	uint64_t page = view->first_page, looked = 0;
	struct vds_error *err = NULL;
	struct diff *d = NULL;	/* large; most views have no copies */
	if (!s.process)
		return &vds_enomem;
	while (!err && page <= view->last_page && looked++ < MAX_PAGES) {
		struct vds_page own;
		uint64_t va;
		if (!vds_view_page_at(run, view, page, &va, &own))
			break;
		uint64_t span = own.absent_span;
		if (own.is_private_copy && !own.private_why &&
		    (own.state == VDS_PAGE_PRESENT ||
		     own.state == VDS_PAGE_TRANSITION)) {
			if (!d && !(d = vds_alloc(run, 1, sizeof(*d))))
				return &vds_enomem;
			memset(d, 0, sizeof(*d));
			d->d.page = page;
			d->va = va;
			d->own = own;
			err = look_at_copy(&s, d);
		}
		page += span ? (span - (va & (span - 1))) / PAGE : 1;
	}
	return err;
}

static bool wanted(struct vds_run *run, const struct vds_view *view)
{
	const char *glob = vds_option_str(run, "name");
	const struct vds_section *section = view->section;
	const struct vds_process *process =
		vds_process_at(run, view->process);
	return process && process->selected && view->has_pages && section &&
	       !section->why && section->backing == VDS_BACKING_IMAGE &&
	       (!glob || (section->file_name &&
			  vds_match(glob, section->file_name)));
}

static int compare_views(const void *pa, const void *pb)
{
	const struct vds_view *a = *(const struct vds_view *const *)pa;
	const struct vds_view *b = *(const struct vds_view *const *)pb;
	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	return a->start < b->start ? -1 : a->start > b->start;
}

static struct vds_error *run_modified(struct vds_run *run,
				      const struct vds_process *process)
{
	static const struct vds_sharing_options how = {.listed = true};
	struct context c = {0};
	(void)process;
	struct vds_error *err = vds_sharing_build(run, &how, &c.sharing);
	if (err)
		return err;
	c.views = vds_alloc(run, c.sharing->num_views + 1, sizeof(*c.views));
	if (!c.views)
		return &vds_enomem;
	for (size_t i = 0; i < c.sharing->num_views; i++) {
		if (wanted(run, c.sharing->views[i]))
			c.views[c.num_views++] = c.sharing->views[i];
	}
	qsort(c.views, c.num_views, sizeof(*c.views), compare_views);
	return vds_parallel(run, c.num_views, look_at_view, &c);
}

VDS_PLUGIN(modified) = {
	VDS_PLUGIN_HEADER(modified),
	.version = "1.0.0",
	.summary = "bytes that processes changed in their copies of image pages",
	.record = "modified_bytes",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_modified,
};
