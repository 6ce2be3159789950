/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sharedpages (sharedmem --pages): the pages of what is shared: where each is,
 * which views' page tables lead to it, and which hold a copy of their own. One
 * row per run of pages that are alike in all of that; the evidence itself is the
 * SDK's (vadose/evidence.h), and what sharedmem grades by.
 */
#include <string.h>

#include <vadose/columns.h>
#include <vadose/evidence.h>
#include <vadose/object.h>
#include <vadose/plugin.h>
#include <vadose/sharing.h>

#include "choice.h"
#include "sources.h"

#define PAGE 4096
/* At most so many process ids stand in a row (bounded lines). */
#define MAX_PIDS 64
/* Pieces of physical memory that a row lists; a further one begins a new row. */
#define MAX_PIECES 64

enum {
	COL_SECTION_ID,
	COL_FILE,
	COL_NAME,
	COL_BACKING,
	COL_GROUP,
	COL_FIRST,
	COL_LAST,
	COL_OFFSET,
	COL_SIZE,
	COL_STATE,
	COL_FRAME,
	COL_GRADE,
	COL_VIEWS,
	COL_MAPPED,
	COL_PRIVATE,
	COL_MAPPED_PIDS,
	COL_PRIVATE_PIDS,
	COL_PFN_AGREES,
	COL_SHARE_COUNT,
	COL_PROTO,
	COL_PTE,
	COL_KNOWN_GOOD,
	COL_FRAMES,
	COL_PRIVATE_OUT,
	COL_UNTOUCHED,
	COL_BLOCKED,
	COL_UNKNOWN,
	NUM_COLS,
};

#define KEY VDS_COLUMN_KEY
#define GROUP VDS_COLUMN_GROUP
#define WIDE VDS_COLUMN_WIDE

static const struct vds_column columns[NUM_COLS] = {
	[COL_SECTION_ID] = VDS_COL_SECTION_ID(KEY | GROUP),
	[COL_FILE] = VDS_COL_SECTION_FILE(GROUP),
	[COL_NAME] = VDS_COL_SECTION_NAME(GROUP),
	[COL_BACKING] = VDS_COL_BACKING(GROUP),
	[COL_GROUP] = {"sharing.group", VDS_KIND_STR, WIDE, "Group", NULL, "identity of the group: section and first page", NULL},
	[COL_FIRST] = {"pages.first", VDS_KIND_INT, KEY, "First page", "pages", "index of the first page in the section", NULL},
	[COL_LAST] = {"pages.last", VDS_KIND_INT, 0, "Last page", "pages", "index of the last page, inclusive", NULL},
	[COL_OFFSET] = {"pages.offset", VDS_KIND_SIZE, WIDE, "Offset", "bytes", "offset of the first page in the section", NULL},
	[COL_SIZE] = {"pages.size", VDS_KIND_SIZE, 0, "Size", "bytes", "size of the run", NULL},
	[COL_STATE] = {"pages.state", VDS_KIND_STR, 0, "State", NULL, "where the shared page is, by its prototype PTE; not-looked-at: past the bounds of one run of this plugin", NULL},
	[COL_FRAME] = {"pages.frame", VDS_KIND_ADDR, 0, "Frame", NULL, "physical address of the first shared page", NULL},
	[COL_GRADE] = {"pages.grade", VDS_KIND_STR, 0, "Evidence", NULL, "how well it is proven that these pages are shared: hardware, pfn, structural, metadata", NULL},
	[COL_VIEWS] = {"pages.views", VDS_KIND_INT, 0, "Views", "views", "views that show these pages", NULL},
	[COL_MAPPED] = {"pages.mapped", VDS_KIND_INT, 0, "Mapped", "views", "views whose own page tables lead to the shared frame", NULL},
	[COL_PRIVATE] = {"pages.private", VDS_KIND_INT, 0, "Private", "views", "views that hold a copy of their own (copy-on-write)", NULL},
	[COL_MAPPED_PIDS] = {"pages.mapped_pids", VDS_KIND_INTS, WIDE, "Mapped in", NULL, "process ids of the mapped views", NULL},
	[COL_PRIVATE_PIDS] = {"pages.private_pids", VDS_KIND_INTS, 0, "Copies in", NULL, "process ids of the views with copies of their own", NULL},
	[COL_PFN_AGREES] = {"pages.pfn_agrees", VDS_KIND_BOOL, WIDE, "PFN agrees", NULL, "the PFN database says that the frames belong to these prototype PTEs", NULL},
	[COL_SHARE_COUNT] = {"pages.share_count", VDS_KIND_INT, WIDE, "Share count", NULL, "page-table entries that map each frame, by the PFN database; more than pages.mapped: some are not found", NULL},
	[COL_PROTO] = {"pages.prototype.va", VDS_KIND_ADDR, KEY | WIDE, "Prototype PTE at", NULL, "address of the first prototype PTE", NULL},
	[COL_PTE] = {"pages.prototype.entry", VDS_KIND_HEX, WIDE, "Prototype PTE", NULL, "content of the first prototype PTE", NULL},
	[COL_KNOWN_GOOD] = {"section.known_good", VDS_KIND_STR, WIDE, "Known", NULL, "a region that every process shares, recognised by identity", NULL},
	[COL_FRAMES] = {"pages.frames", VDS_KIND_STRS, WIDE, "Frames", NULL, "physical addresses of all shared pages of the run, in order: first-last byte of each piece", NULL},
	[COL_PRIVATE_OUT] = {"pages.private_paged_out", VDS_KIND_INT, WIDE, "Copies paged out", "views", "of pages.private: views whose copy is in a page file", NULL},
	[COL_UNTOUCHED] = {"pages.untouched", VDS_KIND_INT, WIDE, "Untouched", "views", "views with no entry of their own yet, or one that asks the prototype PTE", NULL},
	[COL_BLOCKED] = {"pages.blocked", VDS_KIND_INT, WIDE, "Blocked", "views", "views whose entry holds no page: guard, no access, decommitted", NULL},
	[COL_UNKNOWN] = {"pages.unknown", VDS_KIND_INT, WIDE, "Unknown", "views", "views whose page tables are not in the image: perhaps mapped, perhaps not", NULL},
};

static const struct vds_option options[] = {
	CHOICE_OPTIONS("2"),
	SOURCES_OPTION,
	{"verify", VDS_OPTION_ENUM, 0, NULL, "pte", "pte", "page tables are what the pages are told by: there is no other way here"},
	{"max-pages", VDS_OPTION_UINT, 0, "N", "1048576", NULL, "pages looked at in one group; the rest is one row"},
};

struct context {
	const struct vds_sharing *sharing;
	const struct vds_section_names *names;
	const size_t *shown;	/* indexes of groups to print */
	size_t num_shown;
	uint32_t wanted;	/* sources whose views have rows */
};

/* Frames that lie one behind the other. */
struct piece {
	uint64_t first, last;	/* bytes, inclusive */
};

/* A group, and the run of pages that its next row is about. */
struct scan {
	struct vds_run *run;
	const struct vds_share_group *group;
	const struct vds_view *const *views;
	size_t words;		/* of the bit sets */
	bool has_open;
	struct vds_page_evidence open;
	struct vds_section_page page;
	uint64_t *mapped, *copied;
	struct piece pieces[MAX_PIECES];
	size_t num_pieces;
	struct vds_value row[NUM_COLS];	/* cells of section and group */
};

/* The process of a view, in the table or not; NULL: kernel space. */
static const struct vds_process *process_of(const struct scan *s,
					    const struct vds_view *view)
{
	if (view->space != VDS_SPACE_PROCESS)
		return NULL;
	return view->unlisted ? view->unlisted :
				vds_process_at(s->run, view->process);
}

static struct vds_value pids_of(const struct scan *s, const uint64_t *bits)
{
	uint64_t *pids = vds_alloc(s->run, MAX_PIDS, sizeof(*pids));
	uint64_t last = 0;
	uint32_t n = 0;
	bool truncated = false;
	for (size_t i = 0; pids && i < s->group->num_views; i++) {
		const struct vds_process *process =
			bits[i / 64] >> i % 64 & 1 ?
				process_of(s, s->views[i]) : NULL;
		if (!process || process->eprocess == last)
			continue;
		last = process->eprocess;
		truncated = n == MAX_PIDS;
		if (truncated)
			break;
		pids[n++] = process->pid;
	}
	return vds_ints(pids, n, truncated);
}

/* "0x0000000020bcb000-0x0000000020bccfff", one string for each piece. */
static struct vds_value frames_of(const struct scan *s)
{
	enum { LEN = 38 };	/* with its NUL */
	char *text = vds_alloc(s->run, s->num_pieces, LEN);
	if (!text)
		return vds_absent(VDS_NOT_APPLICABLE);
	for (size_t i = 0; i < s->num_pieces; i++) {
		const char *piece = vds_sprintf(
			s->run, "0x%016llx-0x%016llx",
			(unsigned long long)s->pieces[i].first,
			(unsigned long long)s->pieces[i].last);
		if (!piece)
			return vds_absent(VDS_NOT_APPLICABLE);
		memcpy(text + i * LEN, piece, LEN);
	}
	return (struct vds_value){.kind = VDS_KIND_STRS, .s = text,
				  .count = (uint32_t)(s->num_pieces * LEN)};
}

static void fill_views(const struct scan *s, struct vds_value *row)
{
	const struct vds_page_evidence *e = &s->open;
	row[COL_VIEWS] = vds_int((int64_t)e->num_views);
	row[COL_MAPPED] = vds_int((int64_t)e->num_mapped);
	row[COL_PRIVATE] = vds_int((int64_t)e->num_private);
	row[COL_PRIVATE_OUT] = vds_int((int64_t)e->num_private_out);
	row[COL_UNTOUCHED] = vds_int((int64_t)e->num_untouched);
	row[COL_BLOCKED] = vds_int((int64_t)e->num_blocked);
	row[COL_UNKNOWN] = vds_int((int64_t)e->num_unknown);
	if (e->num_mapped)
		row[COL_MAPPED_PIDS] = pids_of(s, s->mapped);
	if (e->num_private)
		row[COL_PRIVATE_PIDS] = pids_of(s, s->copied);
}

/* Where the run lies; without a section only its prototype PTEs are known. */
static void fill_place(const struct scan *s, uint64_t first, uint64_t last,
		       struct vds_value *row)
{
	row[COL_SIZE] = vds_size((last - first + 1) * PAGE);
	if (!s->group->has_pages) {
		row[COL_FIRST] = row[COL_LAST] = row[COL_OFFSET] =
			vds_absent(VDS_BAD_DATA);
		return;
	}
	row[COL_FIRST] = vds_int((int64_t)first);
	row[COL_LAST] = vds_int((int64_t)last);
	row[COL_OFFSET] = vds_size(first * PAGE);
}

static struct vds_error *close_run(struct scan *s)
{
	const struct vds_page_evidence *e = &s->open;
	struct vds_value row[NUM_COLS];
	if (!s->has_open)
		return NULL;
	s->has_open = false;
	memcpy(row, s->row, sizeof(row));
	fill_place(s, e->first, e->last, row);
	fill_views(s, row);
	row[COL_STATE] = vds_str(vds_page_state_str(s->page.state));
	row[COL_GRADE] = vds_str(vds_grade_str(e->grade));
	row[COL_PFN_AGREES] = vds_or(e->pfn_why, vds_bool(e->pfn_agrees));
	row[COL_SHARE_COUNT] = vds_or(e->pfn_why,
				      vds_int((int64_t)e->share_count));
	if (e->frame) {
		row[COL_FRAME] = vds_addr(e->frame);
		row[COL_FRAMES] = frames_of(s);
	}
	if (s->page.pte_address) {
		row[COL_PROTO] = vds_addr(s->page.pte_address);
		row[COL_PTE] = vds_or(s->page.pte_why, vds_hex(s->page.pte));
	}
	return vds_emit(s->run, row);
}

static bool is_alike(const struct scan *s, const struct vds_page_evidence *e)
{
	const struct vds_page_evidence *o = &s->open;
	return o->last + 1 == e->first && s->page.state == e->page->state &&
	       s->page.pte_why == e->page->pte_why &&
	       !s->page.pte_address == !e->page->pte_address &&
	       o->grade == e->grade && !o->frame == !e->frame &&
	       o->num_views == e->num_views &&
	       o->num_private_out == e->num_private_out &&
	       o->num_untouched == e->num_untouched &&
	       o->num_blocked == e->num_blocked &&
	       o->num_unknown == e->num_unknown && o->pfn_why == e->pfn_why &&
	       o->pfn_agrees == e->pfn_agrees &&
	       o->share_count == e->share_count &&
	       !memcmp(s->mapped, e->mapped, s->words * 8) &&
	       !memcmp(s->copied, e->copied, s->words * 8);
}

/* Adds the frame to the open run's pieces; false if it has no room. */
static bool add_frame(struct scan *s, uint64_t frame)
{
	struct piece *last = &s->pieces[s->num_pieces];
	if (s->num_pieces && last[-1].last + 1 == frame) {
		last[-1].last += PAGE;
		return true;
	}
	if (s->num_pieces == MAX_PIECES)
		return false;
	*last = (struct piece){frame, frame + PAGE - 1};
	s->num_pieces++;
	return true;
}

static struct vds_error *visit(void *ctx, const struct vds_page_evidence *e)
{
	struct scan *s = ctx;
	if (s->has_open && is_alike(s, e) &&
	    (!e->frame || add_frame(s, e->frame))) {
		s->open.last = e->last;
		return NULL;
	}
	struct vds_error *err = close_run(s);
	s->open = *e;
	s->page = *e->page;
	memcpy(s->mapped, e->mapped, s->words * 8);
	memcpy(s->copied, e->copied, s->words * 8);
	s->num_pieces = 0;
	if (e->frame)
		add_frame(s, e->frame);
	s->has_open = true;
	return err;
}

/* What lies past the bounds: one row that says so. */
static struct vds_error *emit_rest(struct scan *s, uint64_t page)
{
	struct vds_value row[NUM_COLS];
	memcpy(row, s->row, sizeof(row));
	fill_place(s, page, s->group->last_page, row);
	row[COL_STATE] = vds_str("not-looked-at");
	if (!s->group->has_pages)
		row[COL_PROTO] = vds_addr(page * 8);
	return vds_emit(s->run, row);
}

static void fill_section(struct vds_run *run, const struct context *c,
			 const struct vds_share_group *group,
			 struct vds_value *v)
{
	const struct vds_view *view = c->sharing->views[group->first_view];
	const struct vds_section *section = choice_section(view);
	enum vds_why why = view->section ? view->section->why : VDS_BAD_DATA;
	v[COL_SECTION_ID] = vds_addr(section ? section->control_area :
					       view->first_prototype_pte);
	v[COL_BACKING] = vds_str(vds_backing_str(
		section ? section->backing : VDS_BACKING_UNKNOWN));
	v[COL_KNOWN_GOOD] = vds_str(vds_known_good_str(group->known));
	v[COL_GROUP] = vds_str(vds_sprintf(
		run, "%016llx:%llx", (unsigned long long)group->control_area,
		(unsigned long long)group->first_page));
	v[COL_NAME] = v[COL_FILE] = vds_absent(why);
	if (!section)
		return;
	const char *name = vds_section_name(c->names, section->control_area,
					    &why);
	v[COL_NAME] = name ? vds_str(name) : vds_absent(why);
	v[COL_FILE] = section->file_name ? vds_str(section->file_name) :
					   vds_absent(section->file_name_why);
}

static struct vds_error *emit_group(struct vds_run *run, size_t index,
				    void *ctx)
{
	const struct context *c = ctx;
	const struct vds_share_group *group =
		&c->sharing->groups[c->shown[index]];
	struct scan *s = vds_alloc(run, 1, sizeof(*s));
	if (!s)
		return &vds_enomem;
	if (!sources_know(c->sharing, group, c->wanted))
		return NULL;
	s->run = run;
	s->group = group;
	s->views = c->sharing->views + group->first_view;
	s->words = (group->num_views + 63) / 64;
	s->mapped = vds_alloc(run, s->words, 8);
	s->copied = vds_alloc(run, s->words, 8);
	if (!s->mapped || !s->copied)
		return &vds_enomem;
	fill_section(run, c, group, s->row);
	uint64_t end;
	struct vds_error *err = vds_share_group_pages(
		run, c->sharing, group, vds_option_uint(run, "max-pages"),
		visit, s, &end);
	if (!err)
		err = close_run(s);
	if (!err && end <= group->last_page)
		err = emit_rest(s, end);
	return err;
}

static struct vds_error *run_sharedpages(struct vds_run *run,
					 const struct vds_process *process)
{
	struct vds_sharing_options how = {0};
	struct context c = {0};
	(void)process;
	struct vds_error *err = choice_check(run, &how.physical);
	if (!err)
		err = sources_choose(run, true, &how, &c.wanted);
	/* The same groups as sharedmem's; their pages say the grade. */
	how.verify = VDS_VERIFY_NONE;
	if (!err)
		err = vds_section_names_load(run, &c.names);
	how.names = c.names;
	if (!err)
		err = vds_sharing_build(run, &how, &c.sharing);
	if (!err)
		err = choice_list(run, c.sharing, c.names, &c.shown,
				  &c.num_shown);
	return err ? err : vds_parallel(run, c.num_shown, emit_group, &c);
}

VDS_PLUGIN(sharedpages) = {
	VDS_PLUGIN_HEADER(sharedpages),
	.version = "1.0.0",
	.summary = "the pages of shared memory: where, mapped by whom, copied by whom",
	.record = "shared_pages",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_sharedpages,
};
