/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sharedpages: the pages of what is shared, one by one: where each is resident,
 * which views' page tables lead to that frame, and which hold a copy of their
 * own. One row per run of pages that are alike in all of that.
 */
#include <stdlib.h>
#include <string.h>

#include <vadose/columns.h>
#include <vadose/object.h>
#include <vadose/pfn.h>
#include <vadose/plugin.h>
#include <vadose/sharing.h>

#include "choice.h"

#define PAGE 4096
/* Prototype PTEs looked at in one step. */
#define CHUNK 64
/* At most so many process ids stand in a row (bounded lines). */
#define MAX_PIDS 64
/* Entries of page tables looked at for one group; a hostile one ends here. */
#define MAX_LOOKUPS ((uint64_t)1 << 22)

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
	[COL_PROTO] = {"pages.prototype.va", VDS_KIND_ADDR, WIDE, "Prototype PTE at", NULL, "address of the first prototype PTE", NULL},
	[COL_PTE] = {"pages.prototype.entry", VDS_KIND_HEX, WIDE, "Prototype PTE", NULL, "content of the first prototype PTE", NULL},
	[COL_KNOWN_GOOD] = {"section.known_good", VDS_KIND_STR, WIDE, "Known", NULL, "a region that every process shares, recognised by identity", NULL},
};

static const struct vds_option options[] = {
	CHOICE_OPTIONS("2"),
	{"max-pages", VDS_OPTION_UINT, 0, "N", "1048576", NULL, "pages looked at in one group; the rest is one row"},
};

struct context {
	const struct vds_sharing *sharing;
	const struct vds_section_names *names;
	const size_t *shown;	/* indexes of groups to print */
	size_t num_shown;
};

/* What is the same for a run of pages. */
struct span {
	uint64_t first, last;
	const char *state;
	struct vds_section_page page;	/* the first */
	uint64_t frame;			/* of the first; 0 = none */
	uint64_t *mapped, *copied;	/* a bit per view of the group */
	size_t num_views, num_mapped, num_copied;
	enum vds_grade grade;
	enum vds_why pfn_why;		/* whether the next two are known */
	bool pfn_agrees;
	uint64_t share_count;
};

/* A group on its way from page to page. */
struct scan {
	struct vds_run *run;
	const struct context *c;
	const struct vds_share_group *group;
	const struct vds_view *const *views;
	const struct vds_section *section;
	uint64_t *frames;	/* of each view, for one page */
	uint64_t *sorted;
	uint64_t *blank_end;	/* per view: no entries before this page */
	size_t words;		/* of the bit sets */
	struct span now, open;
	bool has_open;
	uint64_t lookups, pages;
	const struct vds_process *any;
	struct vds_value row[NUM_COLS];	/* cells of section and group */
};

static bool is_resident(enum vds_page_state state)
{
	return state == VDS_PAGE_PRESENT || state == VDS_PAGE_TRANSITION ||
	       state == VDS_PAGE_OUT_OF_IMAGE;
}

static struct vds_value pids_of(const struct scan *s, const uint64_t *bits)
{
	uint64_t *pids = vds_alloc(s->run, MAX_PIDS, sizeof(*pids));
	uint32_t n = 0, last = UINT32_MAX;
	bool truncated = false;
	for (size_t i = 0; pids && i < s->group->num_views; i++) {
		uint32_t index = s->views[i]->process;
		if (!(bits[i / 64] >> i % 64 & 1) || index == last)
			continue;
		last = index;
		truncated = n == MAX_PIDS;
		if (truncated)
			break;
		const struct vds_process *process =
			vds_process_at(s->run, index);
		if (process)
			pids[n++] = process->pid;
	}
	return vds_ints(pids, n, truncated);
}

static struct vds_error *close_span(struct scan *s)
{
	const struct span *span = &s->open;
	struct vds_value row[NUM_COLS];
	if (!s->has_open)
		return NULL;
	s->has_open = false;
	memcpy(row, s->row, sizeof(row));
	row[COL_FIRST] = vds_int((int64_t)span->first);
	row[COL_LAST] = vds_int((int64_t)span->last);
	row[COL_OFFSET] = vds_size(span->first * PAGE);
	row[COL_SIZE] = vds_size((span->last - span->first + 1) * PAGE);
	row[COL_STATE] = vds_str(span->state);
	if (span->frame)
		row[COL_FRAME] = vds_addr(span->frame);
	row[COL_GRADE] = vds_str(vds_grade_str(span->grade));
	row[COL_PFN_AGREES] = vds_or(span->pfn_why,
				     vds_bool(span->pfn_agrees));
	row[COL_SHARE_COUNT] = vds_or(span->pfn_why,
				      vds_int((int64_t)span->share_count));
	if (span->num_views) {
		row[COL_VIEWS] = vds_int((int64_t)span->num_views);
		row[COL_MAPPED] = vds_int((int64_t)span->num_mapped);
		row[COL_PRIVATE] = vds_int((int64_t)span->num_copied);
		if (span->num_mapped)
			row[COL_MAPPED_PIDS] = pids_of(s, span->mapped);
		if (span->num_copied)
			row[COL_PRIVATE_PIDS] = pids_of(s, span->copied);
	}
	if (span->page.pte_address) {
		row[COL_PROTO] = vds_addr(span->page.pte_address);
		row[COL_PTE] = vds_or(span->page.pte_why,
				      vds_hex(span->page.pte));
	}
	return vds_emit(s->run, row);
}

static bool is_alike(const struct scan *s)
{
	const struct span *a = &s->open, *b = &s->now;
	return a->last + 1 == b->first && !strcmp(a->state, b->state) &&
	       a->grade == b->grade && a->num_views == b->num_views &&
	       a->num_mapped == b->num_mapped &&
	       a->num_copied == b->num_copied && a->pfn_why == b->pfn_why &&
	       a->pfn_agrees == b->pfn_agrees &&
	       a->share_count == b->share_count &&
	       !memcmp(a->mapped, b->mapped, s->words * 8) &&
	       !memcmp(a->copied, b->copied, s->words * 8);
}

/* Adds what was seen of the pages of `now` to the open run, or begins one. */
static struct vds_error *add_span(struct scan *s)
{
	if (s->has_open && is_alike(s)) {
		s->open.last = s->now.last;
		return NULL;
	}
	struct vds_error *err = close_span(s);
	struct span old = s->open;
	s->open = s->now;
	s->now.mapped = old.mapped;
	s->now.copied = old.copied;
	s->has_open = true;
	return err;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * Asks the page tables of view @i for @page. Returns the page up to which
 * (exclusive) the answer is the same.
 */
static uint64_t look(struct scan *s, size_t i, uint64_t page)
{
	const struct vds_view *view = s->views[i];
	struct vds_page at;
	uint64_t va;
	s->frames[i] = 0;
	if (page < view->first_page)
		return view->first_page;
	if (page > view->last_page)
		return UINT64_MAX;
	s->now.num_views++;
	if (page < s->blank_end[i])
		return s->blank_end[i];
	s->lookups++;
	if (!vds_view_page_at(s->run, view, page, &va, &at))
		return view->last_page + 1;
	if ((at.via == VDS_VIA_HARDWARE || at.via == VDS_VIA_PTE) &&
	    is_resident(at.state))
		s->frames[i] = at.pa;
	if (!at.absent_span)
		return page + 1;
	uint64_t left = at.absent_span - (va & (at.absent_span - 1));
	s->blank_end[i] = page + left / PAGE;
	return s->blank_end[i];
}

static int compare_u64(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
	return a < b ? -1 : a > b;
}

/*
 * The frame that most views have in common, at least two; 0 = none. Copies are
 * frames of their own, so nothing else can be in common.
 */
static uint64_t common_frame(struct scan *s)
{
	size_t n = s->group->num_views, best = 1;
	uint64_t frame = 0;
	memcpy(s->sorted, s->frames, n * sizeof(*s->sorted));
	qsort(s->sorted, n, sizeof(*s->sorted), compare_u64);
	for (size_t i = 0, run = 0; i < n; i++) {
		run = i && s->sorted[i] == s->sorted[i - 1] ? run + 1 : 1;
		if (s->sorted[i] && run > best) {
			best = run;
			frame = s->sorted[i];
		}
	}
	return frame;
}

/*
 * What the PFN database says of the shared frame: does it belong to this
 * prototype PTE? ShareCount counts PTEs only while the page is active.
 */
static void ask_pfn(struct scan *s, const struct vds_section_page *page)
{
	struct span *now = &s->now;
	struct vds_pfn pfn;
	now->pfn_agrees = false;
	now->share_count = 0;
	now->pfn_why = VDS_NOT_APPLICABLE;
	if (!is_resident(page->state))
		return;
	now->pfn_why = vds_pfn_at(s->any, page->pa / PAGE, &pfn);
	if (now->pfn_why)
		return;
	now->pfn_agrees = pfn.prototype && pfn.pte_address == page->pte_address;
	now->share_count = pfn.list == VDS_LIST_ACTIVE ? pfn.share_count : 0;
}

/* Tells shared frames from copies, in all views of the page. */
static void sort_views(struct scan *s, const struct vds_section_page *page)
{
	struct span *now = &s->now;
	bool readable = page->state != VDS_PAGE_UNREADABLE_PROTO;
	now->frame = is_resident(page->state) ? page->pa :
		     readable ? 0 : common_frame(s);
	for (size_t i = 0; i < s->group->num_views; i++) {
		if (!s->frames[i])
			continue;
		if (s->frames[i] == now->frame) {
			now->mapped[i / 64] |= UINT64_C(1) << i % 64;
			now->num_mapped++;
		} else if (readable || now->frame) {
			now->copied[i / 64] |= UINT64_C(1) << i % 64;
			now->num_copied++;
		}
	}
	ask_pfn(s, page);
	now->grade = now->num_mapped > 1 ? VDS_GRADE_HARDWARE :
		     now->num_views < 2 ? VDS_GRADE_NONE :
		     now->pfn_agrees ? VDS_GRADE_PFN :
		     readable ? VDS_GRADE_STRUCTURAL : VDS_GRADE_METADATA;
}

/*
 * Looks at @first and, if the section says the same of them, at the pages up to
 * @end (exclusive) as far as all views do, too. *ret_next is the page after.
 */
static struct vds_error *look_all(struct scan *s,
				  const struct vds_section_page *page,
				  uint64_t first, uint64_t end,
				  uint64_t *ret_next)
{
	struct span *now = &s->now;
	memset(now->mapped, 0, s->words * 8);
	memset(now->copied, 0, s->words * 8);
	now->num_views = now->num_mapped = now->num_copied = 0;
	now->first = first;
	now->page = *page;
	now->state = vds_page_state_str(page->state);
	for (size_t i = 0; i < s->group->num_views; i++)
		end = min_u64(end, look(s, i, first));
	sort_views(s, page);
	now->last = end - 1;
	s->pages++;
	*ret_next = end;
	return add_span(s);
}

/* What lies past the bounds: one row that says so. */
static struct vds_error *give_up(struct scan *s, uint64_t page)
{
	struct vds_error *err = close_span(s);
	memset(s->open.mapped, 0, s->words * 8);
	memset(s->open.copied, 0, s->words * 8);
	s->open.first = page;
	s->open.last = s->group->last_page;
	s->open.state = "not-looked-at";
	s->open.page = (struct vds_section_page){0};
	s->open.frame = 0;
	s->open.num_views = s->open.num_mapped = s->open.num_copied = 0;
	s->open.grade = VDS_GRADE_NONE;
	s->open.pfn_why = VDS_NOT_APPLICABLE;
	s->has_open = true;
	return err ? err : close_span(s);
}

static struct vds_error *walk(struct scan *s, const struct vds_process *any)
{
	struct vds_section_page pages[CHUNK];
	uint64_t page = s->group->first_page, end = s->group->last_page + 1;
	uint64_t max = vds_option_uint(s->run, "max-pages");
	struct vds_error *err = NULL;
	while (!err && page < end) {
		uint64_t alike;
		if (s->pages >= max || s->lookups >= MAX_LOOKUPS)
			return give_up(s, page);
		size_t n = vds_section_pages_at(any, s->section, page, pages,
						CHUNK, &alike);
		for (size_t i = 0; !err && i < n && page < end; i++) {
			uint64_t stop = page + min_u64(alike, end - page);
			do {
				err = look_all(s, &pages[i], page, stop,
					       &page);
			} while (!err && page < stop && s->pages < max &&
				 s->lookups < MAX_LOOKUPS);
		}
	}
	return err ? err : close_span(s);
}

static const struct vds_view *first_view(const struct vds_sharing *sharing,
					 const struct vds_share_group *group)
{
	return sharing->views[group->first_view];
}

static void fill_section(struct vds_run *run, const struct context *c,
			 const struct vds_share_group *group,
			 struct vds_value *v)
{
	const struct vds_view *view = first_view(c->sharing, group);
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

/* The views could not be placed in a section: nothing is known page by page. */
static struct vds_error *emit_unplaced(const struct scan *s)
{
	struct vds_value row[NUM_COLS];
	memcpy(row, s->row, sizeof(row));
	row[COL_FIRST] = row[COL_LAST] = row[COL_OFFSET] = row[COL_SIZE] =
		row[COL_STATE] = vds_absent(VDS_BAD_DATA);
	row[COL_VIEWS] = vds_int((int64_t)s->group->num_views);
	row[COL_GRADE] = vds_str(vds_grade_str(VDS_GRADE_METADATA));
	return vds_emit(s->run, row);
}

static struct vds_error *emit_group(struct vds_run *run, size_t index,
				    void *ctx)
{
	const struct context *c = ctx;
	const struct vds_share_group *group =
		&c->sharing->groups[c->shown[index]];
	const struct vds_process *any = vds_process_at(run, 0);
	size_t n = group->num_views, words = (n + 63) / 64;
	struct scan s = {
		.run = run, .any = any, .c = c, .group = group, .words = words,
		.views = c->sharing->views + group->first_view,
		.section = choice_section(first_view(c->sharing, group)),
		.frames = vds_alloc(run, n, 8), .sorted = vds_alloc(run, n, 8),
		.blank_end = vds_alloc(run, n, 8),
		.now = {.mapped = vds_alloc(run, words, 8),
			.copied = vds_alloc(run, words, 8)},
		.open = {.mapped = vds_alloc(run, words, 8),
			 .copied = vds_alloc(run, words, 8)},
	};
	if (!any || !s.frames || !s.sorted || !s.blank_end || !s.now.mapped ||
	    !s.now.copied || !s.open.mapped || !s.open.copied)
		return &vds_enomem;
	fill_section(run, c, group, s.row);
	if (!group->has_pages || !s.section)
		return emit_unplaced(&s);
	return walk(&s, any);
}

static struct vds_error *run_sharedpages(struct vds_run *run,
					 const struct vds_process *process)
{
	struct vds_sharing_options how = {.listed = true};
	struct context c = {0};
	(void)process;
	struct vds_error *err = choice_check(run, &how.physical);
	if (!err)
		err = vds_sharing_build(run, &how, &c.sharing);
	if (!err)
		err = vds_section_names_load(run, &c.names);
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
