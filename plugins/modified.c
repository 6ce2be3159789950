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

#include "code_change.h"
#include "image_change.h"

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
	COL_TARGET_IN,
	COL_OWN_STATE,
	COL_NODE,
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
	[COL_KIND] = {"change.kind", VDS_KIND_STR, KEY, "Kind", NULL, "hook (code that now jumps away, or an import that leads out of all images), return (a function that now returns at once), code, export (directory), import (bound, as the loader does), header, constant (read-only data), data, relocation", NULL},
	[COL_PE_SECTION] = {"change.pe_section", VDS_KIND_STR, 0, "In", NULL, "PE section that it lies in", NULL},
	[COL_EXPORT] = {"change.export", VDS_KIND_STR, 0, "Export", NULL, "exported function that it lies in: one that begins within the change, else the last one before it in that section; whose entry was changed (export)", NULL},
	[COL_EXPORT_OFFSET] = {"change.export_offset", VDS_KIND_HEX, 0, "+", "bytes", "how far behind the function's beginning it lies; 0 if it covers that", NULL},
	[COL_TARGET] = {"change.target", VDS_KIND_ADDR, 0, "Jumps to", NULL, "where a hook, an import or an export leads now", NULL},
	[COL_OLD] = {"change.old", VDS_KIND_BYTES, 0, "Was", NULL, "the section's bytes, at most 32", NULL},
	[COL_NEW] = {"change.new", VDS_KIND_BYTES, 0, "Is", NULL, "the process's bytes, at most 32", NULL},
	[COL_TARGET_IN] = {"change.target_in", VDS_KIND_STR, 0, "In memory of", NULL, "what lies there: a mapped file, or the kind of memory (private, mapped); absent: nothing is mapped there, or nothing is known", NULL},
	[COL_OWN_STATE] = {"page.state", VDS_KIND_STR, WIDE, "Copy", NULL, "where the private copy is", NULL},
	/* Forged VADs may overlap: then one address is in more than one view. */
	[COL_NODE] = VDS_COL_VAD_NODE(KEY | WIDE),
};

static const struct vds_option options[] = {
	{"all", VDS_OPTION_FLAG, 0, NULL, NULL, NULL, "also writes to writable data, bound imports, and relocations"},
	{"name", VDS_OPTION_STR, 0, "GLOB", NULL, NULL, "only images whose file name matches"},
};

struct context {
	const struct vds_sharing *sharing;
	const struct vds_view **views;	/* of images, chosen */
	size_t num_views;
};

static void fill_target(const struct image_view *s, uint64_t target,
			struct vds_value *row)
{
	enum vds_why why;
	bool image;
	const char *name = memory_at(s, target, &why, &image);
	row[COL_TARGET] = vds_addr(target);
	row[COL_TARGET_IN] = name ? vds_str(name) : vds_absent(why);
}

static void fill_section(struct image_view *s, uint64_t rva,
			 struct vds_value *row)
{
	const struct vds_pe *pe = image_pe(s);
	if (!pe || rva > UINT32_MAX) {
		row[COL_PE_SECTION] = vds_absent(s->pe_why);
		return;
	}
	const struct vds_pe_section *section =
		vds_pe_section_at(pe, (uint32_t)rva);
	if (section)
		row[COL_PE_SECTION] = vds_str(
			vds_sprintf(s->run, "%s", section->name));
}

/*
 * The exported function that the bytes from @first to @last are of; how far in,
 * or UINT32_MAX if that isn't known.
 */
static uint32_t fill_export(struct image_view *s, uint64_t first, uint64_t last,
			    struct vds_value *row)
{
	const struct vds_pe *pe = image_pe(s);
	char text[VDS_PE_NAME_SIZE];
	uint32_t distance = 0;
	if (!pe || last > UINT32_MAX) {
		row[COL_EXPORT] = vds_absent(s->pe_why);
		return UINT32_MAX;
	}
	/* A hot patch begins in front of its function. */
	enum vds_why why = vds_pe_export_at(image_read, s, pe, (uint32_t)last,
					    text, &distance);
	if (!why && distance <= last - first)
		distance = 0;
	else
		why = vds_pe_export_at(image_read, s, pe, (uint32_t)first,
				       text, &distance);
	row[COL_EXPORT] = why ? vds_absent(why) :
				vds_str(vds_sprintf(s->run, "%s", text));
	row[COL_EXPORT_OFFSET] = vds_or(why, vds_hex(distance));
	return why ? UINT32_MAX : distance;
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
	row[COL_NODE] = vds_addr(d->node);
	row[COL_PAGE] = row[COL_ADDRESS] = vds_addr(d->va);
	row[COL_RVA] = vds_hex(d->d.page * PAGE);
	row[COL_OWN_STATE] = vds_str(vds_page_state_str(d->own.state));
	if (d->own.pa)
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
	return (kind != KIND_DATA && kind != KIND_RELOCATION &&
		kind != KIND_IMPORT) || vds_option_set(s->run, "all");
}

/* The row of a change, as far as every kind has it alike. */
static void fill_change(struct image_view *s, const struct diff *d,
			uint32_t first, uint32_t last, struct vds_value *row)
{
	uint32_t len = last - first + 1;
	uint32_t some = len < MAX_BYTES ? len : MAX_BYTES;
	fill_page(s, d, row);
	fill_section(s, d->d.page * PAGE + first, row);
	row[COL_ADDRESS] = vds_addr(d->va + first);
	row[COL_LENGTH] = vds_int(len);
	row[COL_OLD] = vds_data(d->d.old + first, some);
	row[COL_NEW] = vds_data(d->d.new + first, some);
	if (len > some)
		row[COL_OLD].flags = row[COL_NEW].flags = VDS_VALUE_TRUNCATED;
}

/* A function that returns this close to its beginning does nothing any more. */
#define MAX_RETURN 16

static struct vds_error *emit_code(struct image_view *s, const struct diff *d,
				   const struct page_change *c,
				   struct vds_value *row)
{
	uint64_t target, rva = d->d.page * PAGE;
	enum kind kind = KIND_CODE;
	uint32_t distance = fill_export(s, rva + c->first, rva + c->last, row);
	if (find_jump(s, d, c->first, &target)) {
		kind = KIND_HOOK;
		fill_target(s, target, row);
	} else if (distance < MAX_RETURN &&
		   code_returns(d->d.new + c->first, PAGE - c->first)) {
		kind = KIND_RETURN;
	}
	row[COL_KIND] = vds_str(kind_str(kind));
	return vds_emit(s->run, row);
}

/*
 * Import addresses that were changed. Leading into some image is what they are
 * for; one that leads elsewhere is a hook, and has a row of its own.
 */
static struct vds_error *emit_imports(struct image_view *s, const struct diff *d,
				      const struct page_change *c)
{
	const struct vds_pe *pe = image_pe(s);
	uint32_t len = pe && !pe->is_64 ? 4 : 8;
	struct vds_error *err = NULL;
	for (uint32_t at = c->first & ~(len - 1);
	     !err && at <= c->last && at + len <= PAGE; at += len) {
		uint64_t target = page_get(d->d.new + at, len);
		struct vds_value row[NUM_COLS] = {0};
		enum vds_why why;
		bool image;
		if (target == page_get(d->d.old + at, len) ||
		    target < 0x10000 || target >> 63)
			continue;	/* no pointer */
		memory_at(s, target, &why, &image);
		if (image)
			continue;
		fill_change(s, d, at, at + len - 1, row);
		fill_target(s, target, row);
		row[COL_KIND] = vds_str(
			kind_str(why && why != VDS_NOT_APPLICABLE ? KIND_IMPORT :
								 KIND_HOOK));
		err = vds_emit(s->run, row);
	}
	return err;
}

/* Entries of the export directory: functions that are to be found elsewhere. */
static bool fill_entry(struct image_view *s, const struct diff *d, uint32_t at,
		       struct vds_value *row)
{
	const struct vds_pe *pe = image_pe(s);
	char text[VDS_PE_NAME_SIZE];
	uint32_t distance;
	if (at + 4 > PAGE)
		return false;
	uint32_t old = (uint32_t)page_get(d->d.old + at, 4);
	if (!pe || !old || vds_pe_export_at(image_read, s, pe, old, text,
					    &distance) || distance)
		return false;
	row[COL_EXPORT] = vds_str(vds_sprintf(s->run, "%s", text));
	row[COL_EXPORT_OFFSET] = vds_hex(0);
	fill_target(s, s->start + page_get(d->d.new + at, 4), row);
	return true;
}

static struct vds_error *emit_change(struct image_view *s, const struct diff *d,
				     const struct page_change *c)
{
	struct vds_value row[NUM_COLS] = {0};
	enum kind kind = kind_of(s, d, c->first);
	struct vds_error *err = kind == KIND_IMPORT ?
		emit_imports(s, d, c) : NULL;
	if (err || !shown(s, kind))
		return err;
	fill_change(s, d, c->first, c->last, row);
	if (kind == KIND_CODE)
		return emit_code(s, d, c, row);
	if (kind == KIND_EXPORT)
		(void)fill_entry(s, d, c->first & ~3u, row);
	row[COL_KIND] = vds_str(kind_str(kind));
	return vds_emit(s->run, row);
}

/* A copy that can't be compared, or differs by relocations alone. */
static struct vds_error *emit_page(struct image_view *s, const struct diff *d)
{
	struct vds_value row[NUM_COLS] = {0};
	enum kind kind = d->why ? kind_of_page(s, d) : KIND_RELOCATION;
	if (!shown(s, kind))
		return NULL;
	fill_page(s, d, row);
	if (!d->why)
		row[COL_LENGTH] = row[COL_OLD] = row[COL_NEW] =
			vds_absent(VDS_NOT_APPLICABLE);
	row[COL_KIND] = vds_str(kind_str(kind));
	fill_section(s, d->d.page * PAGE, row);
	return vds_emit(s->run, row);
}

/* Both versions of the page, or why one of them is not to be had. */
static enum vds_why read_both(const struct image_view *s, struct diff *d)
{
	vds_section_page_at(s->process, s->section, d->d.page, &d->shared);
	if (d->own.state == VDS_PAGE_PAGEFILE ||
	    d->own.state == VDS_PAGE_COMPRESSED)
		return VDS_PAGED_OUT;
	enum vds_why why = vds_section_read_page(s->process, s->section,
						 d->d.page, d->d.old);
	return why ? why : vds_physical_read(s->run, d->own.pa, d->d.new, PAGE);
}

static struct vds_error *look_at_copy(struct image_view *s, struct diff *d)
{
	struct vds_error *err = NULL;
	d->why = read_both(s, d);
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

/* An entry of its own, for a page in memory or in a page file. */
static bool is_copy(const struct vds_page *own)
{
	if (own->state == VDS_PAGE_PAGEFILE ||
	    own->state == VDS_PAGE_COMPRESSED)
		return own->via == VDS_VIA_PTE;
	return own->is_private_copy && !own->private_why &&
	       (own->state == VDS_PAGE_PRESENT ||
		own->state == VDS_PAGE_TRANSITION);
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
		if (is_copy(&own)) {
			if (!d && !(d = vds_alloc(run, 1, sizeof(*d))))
				return &vds_enomem;
			memset(d, 0, sizeof(*d));
			d->d.page = page;
			d->va = va;
			d->node = view->node;
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
	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	return a->node < b->node ? -1 : a->node > b->node;
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
