/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vadpages: what each page of a VAD is, as far as the process has touched it:
 * an entry of 0 says nothing yet. With --all the rest too, as runs of alike
 * pages. Neither goes page by page through what has no tables.
 */
#include <vadose/columns.h>
#include <vadose/page.h>
#include <vadose/plugin.h>
#include <vadose/section.h>
#include <vadose/table.h>

#include "vad_choice.h"

enum {
	PID,
	NAME,
	EPROCESS,
	NODE,
	VAD_START,
	VAD_END,
	VAD_TYPE,
	VA,
	PAGES,
	PAGE_SIZE,
	STATE,
	VIA,
	PA,
	PFN,
	PTE,
	PROTECTION,
	SHARE,
	PROTO,
	PROTO_PTE,
	PAGEFILE,
	PAGEFILE_OFFSET,
	NUM_COLUMNS
};

static const struct vds_column columns[] = {
	[PID] = VDS_COL_PID(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
	[NAME] = VDS_COL_PROCESS(VDS_COLUMN_GROUP),
	[EPROCESS] = VDS_COL_EPROCESS(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
	[NODE] = VDS_COL_VAD_NODE(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
	[VAD_START] = VDS_COL_VAD_START(VDS_COLUMN_GROUP),
	[VAD_END] = VDS_COL_VAD_END(VDS_COLUMN_GROUP),
	[VAD_TYPE] = VDS_COL_VAD_TYPE(VDS_COLUMN_GROUP),
	[VA] = {"page.va", VDS_KIND_ADDR, VDS_COLUMN_KEY, "VA", NULL,
		"first byte of the page, or of the run of pages", NULL},
	[PAGES] = {"page.count", VDS_KIND_INT, 0, "Pages", "pages",
		   "alike pages that follow each other, with --all", NULL},
	[PAGE_SIZE] = {"page.size", VDS_KIND_SIZE, VDS_COLUMN_WIDE, "Page size",
		       "bytes", "size of one page", NULL},
	[STATE] = {"page.state", VDS_KIND_STR, 0, "State", NULL,
		   "present, transition, demand-zero, untouched (resident in "
		   "its prototype only), file, pagefile, compressed (in the "
		   "store that stands for a page file), ...", NULL},
	[VIA] = {"page.via", VDS_KIND_STR, VDS_COLUMN_WIDE, "Via", NULL,
		 "hardware, pte, prototype_pte, prototype_vad", NULL},
	[PA] = {"page.pa", VDS_KIND_ADDR, VDS_COLUMN_WIDE, "PA", NULL,
		"physical address of the page", NULL},
	[PFN] = {"page.pfn", VDS_KIND_HEX, 0, "PFN", NULL,
		 "its page frame number", NULL},
	[PTE] = {"page.pte", VDS_KIND_HEX, 0, "PTE", NULL,
		 "content of the process's own entry", NULL},
	[PROTECTION] = {"page.protection", VDS_KIND_STR, 0, "Protection", NULL,
			"effective protection", NULL},
	[SHARE] = {"page.share", VDS_KIND_STR, 0, "Share", NULL,
		   "private, private_copy (written after it was shared), "
		   "shared", NULL},
	[PROTO] = {"page.prototype.va", VDS_KIND_ADDR, VDS_COLUMN_WIDE,
		   "Prototype at", NULL, "address of the prototype PTE", NULL},
	[PROTO_PTE] = {"page.prototype.entry", VDS_KIND_HEX, VDS_COLUMN_WIDE,
		       "Prototype PTE", NULL, "its content", NULL},
	[PAGEFILE] = {"page.pagefile.number", VDS_KIND_INT, VDS_COLUMN_WIDE,
		      "Page file", NULL, "which page file holds it", NULL},
	[PAGEFILE_OFFSET] = {"page.pagefile.offset", VDS_KIND_HEX,
			     VDS_COLUMN_WIDE, "At", "pages",
			     "where in the page file", NULL},
};

static const struct vds_option options[] = {
	VAD_CHOICE_OPTION,
	{"all", VDS_OPTION_FLAG, 0, NULL, NULL, NULL,
	 "also pages that the process hasn't touched"},
};

struct context {
	struct vds_run *run;
	const struct vds_process *process;
	const struct vds_vad *vad;
	bool all;
	uint64_t next;		/* first address without a row */
	struct vds_error *err;
};

static const char *via_str(enum vds_page_via via)
{
	static const char *const words[] = {
		[VDS_VIA_HARDWARE] = "hardware",
		[VDS_VIA_PTE] = "pte",
		[VDS_VIA_PROTO_PTE] = "prototype_pte",
		[VDS_VIA_PROTO_VAD] = "prototype_vad",
	};

	return words[via];
}

static struct vds_value share(const struct vds_vad *vad,
			      const struct vds_page *page)
{
	if (!vad->has_section)
		return vds_str("private");
	/* Not here yet, or not here any more: what is there is the section's. */
	if (page->private_why && page->proto && page->via != VDS_VIA_HARDWARE)
		return page->pa ? vds_str("shared") :
				  vds_absent(VDS_NOT_APPLICABLE);
	if (page->private_why)
		return vds_absent(page->private_why);
	return vds_str(page->is_private_copy ? "private_copy" : "shared");
}

/* Its number and offset are its own. */
static bool is_paged_out(const struct vds_page *page)
{
	return page->state == VDS_PAGE_PAGEFILE ||
	       page->state == VDS_PAGE_COMPRESSED;
}

static bool emit(struct context *c, const struct vds_page *page, uint64_t va,
		 uint64_t count)
{
	const struct vds_process *p = c->process;
	const struct vds_vad *vad = c->vad;
	bool resident = page->state == VDS_PAGE_PRESENT ||
			page->state == VDS_PAGE_TRANSITION ||
			page->state == VDS_PAGE_UNTOUCHED_SHARED ||
			page->state == VDS_PAGE_OUT_OF_IMAGE;
	struct vds_value row[NUM_COLUMNS] = {
		[PID] = vds_int(p->pid),
		[NAME] = vds_or(p->name_why, vds_str(p->name)),
		[EPROCESS] = vds_addr(p->eprocess),
		[NODE] = vds_addr(vad->node),
		[VAD_START] = vds_addr(vad->start),
		[VAD_END] = vds_or(vad->range_why, vds_addr(vad->end)),
		[VAD_TYPE] = vds_str(vds_vad_type_str(vad->type,
						      vad->is_private)),
		[VA] = vds_addr(va),
		[PAGES] = vds_int((int64_t)count),
		[PAGE_SIZE] = vds_size(page->page_size ? page->page_size :
							 4096),
		[STATE] = vds_str(vds_page_state_str(page->state)),
		/* Nothing leads to what was never touched. */
		[VIA] = page->via != VDS_VIA_HARDWARE || page->pa ?
			vds_str(via_str(page->via)) :
			vds_absent(VDS_NOT_APPLICABLE),
		/* No table: nothing that could be read. */
		[PTE] = vds_or(page->pte_why == VDS_NOT_MAPPED ?
				       VDS_NOT_APPLICABLE : page->pte_why,
			       vds_hex(page->pte)),
		[PROTECTION] = vds_or(page->protection_why,
				vds_str(vds_protection_str(page->protection))),
		[SHARE] = share(vad, page),
	};

	if (resident && count == 1) {
		row[PA] = vds_addr(page->pa);
		row[PFN] = vds_hex(page->pa >> 12);
	}
	if (page->proto && count == 1) {
		row[PROTO] = vds_addr(page->proto);
		row[PROTO_PTE] = vds_or(page->proto_why,
					vds_hex(page->proto_pte));
	}
	if (is_paged_out(page) && count == 1) {
		row[PAGEFILE] = vds_int(page->pagefile);
		row[PAGEFILE_OFFSET] = vds_hex(page->pagefile_offset);
	}
	c->err = vds_emit(c->run, row);
	return !c->err;
}

/* Same state, and nothing that is of one page alone. */
static bool alike(const struct vds_page *a, const struct vds_page *b)
{
	return a->state == b->state && a->via == b->via &&
	       a->proto_why == b->proto_why &&
	       a->protection_why == b->protection_why &&
	       a->protection == b->protection && !a->pa && !b->pa &&
	       !is_paged_out(a);
}

/* The pages of [va, end) that have no entry of their own. */
static bool emit_untouched(struct context *c, uint64_t va, uint64_t end)
{
	struct vds_page first, page;
	uint64_t start = va, run;

	if (va >= end)
		return true;
	run = vds_page_run(c->process, c->vad, va, end, &first);
	for (va += run << 12; va < end; va += run << 12) {
		run = vds_page_run(c->process, c->vad, va, end, &page);
		if (alike(&first, &page))
			continue;
		if (!emit(c, &first, start, (va - start) >> 12))
			return false;
		first = page;
		start = va;
	}
	return emit(c, &first, start, (end - start) >> 12);
}

static bool visit(void *ctx, const struct vds_table_entry *entry)
{
	struct context *c = ctx;
	uint64_t va = entry->va, end = entry->va + entry->size;
	struct vds_page page;

	if (va < c->vad->start)
		va = c->vad->start;
	if (c->all && !emit_untouched(c, c->next, va))
		return false;
	vds_page_at(c->process, c->vad, va, &page);
	c->next = end;
	if (entry->why) {
		/* What a missing table says is not known. */
		uint64_t last = end - 1 < c->vad->end ? end - 1 : c->vad->end;

		return emit(c, &page, va, ((last - va) >> 12) + 1);
	}
	return emit(c, &page, va, 1);
}

static struct vds_error *run(struct vds_run *run,
			     const struct vds_process *process)
{
	struct vds_vad_iter *it = vds_vad_iterate(process);
	const struct vds_vad *vad;
	struct context c = {.run = run, .process = process,
			    .all = vds_option_set(run, "all")};

	while (!c.err && (vad = vds_vad_next(it))) {
		if (!vad_is_chosen(run, vad) || vad->range_why)
			continue;
		c.vad = vad;
		c.next = vad->start;
		vds_tables_walk(process, vad->start, vad->end, visit, &c);
		if (!c.err && c.all)
			emit_untouched(&c, c.next, vad->end + 1);
	}
	return c.err;
}

VDS_PLUGIN(vadpages) = {
	VDS_PLUGIN_HEADER(vadpages),
	.version = "1.0.0",
	.summary = "the pages of each VAD: state, frame, protection, sharing",
	.record = "page",
	.scope = VDS_PER_PROCESS,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run,
};
