/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whoshares: bytes, a physical or a virtual address -> each process that maps
 * that memory. Bytes are searched in physical memory; the frames found are then
 * looked for in the page tables of every process, and, where the PFN database
 * says that a section owns the frame, in the views of that section too.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <vadose/columns.h>
#include <vadose/page.h>
#include <vadose/pfn.h>
#include <vadose/plugin.h>
#include <vadose/record.h>
#include <vadose/sharing.h>
#include <vadose/table.h>

#define PAGE 4096u
#define PAGE_MASK UINT64_C(0xfff)
#define PIECE (UINT64_C(8) << 20)
/* Read at once; on the stack, since a run's memory stays until the end. */
#define WINDOW (64u * 1024)
#define MAX_PATTERN 1024u
/* Last byte of the user's half and first of the kernel's, by table levels. */
#define USER_END(levels) ((UINT64_C(1) << ((levels) == 5 ? 56 : 47)) - 1)
#define KERNEL_START(levels) (~USER_END(levels))
/* Mappings kept of one process: forged tables map one frame anywhere. */
#define MAX_MAPPINGS ((size_t)1 << 18)

enum {
	COL_PA,
	COL_MATCH,
	COL_PID,
	COL_PROCESS,
	COL_EPROCESS,
	COL_VA,
	COL_HOW,
	COL_RIGHTS,
	COL_PROCESSES,
	COL_OWNER,
	COL_CA,
	COL_PAGE,
	COL_FILE,
	NUM_COLS,
};

#define KEY VDS_COLUMN_KEY
#define GROUP VDS_COLUMN_GROUP

static const struct vds_column columns[NUM_COLS] = {
	[COL_PA] = {"hit.physical", VDS_KIND_ADDR, KEY | GROUP, "Physical", NULL, "physical address of the byte, or of the first byte found", NULL},
	[COL_MATCH] = {"hit.match", VDS_KIND_STR, KEY | GROUP, "Match", NULL, "what was found there: text, utf-16, bytes or address", NULL},
	[COL_PID] = {"process.pid", VDS_KIND_INT, 0, "PID", NULL, "process that maps it; none: the kernel's half, as in the cache", "process.pid"},
	[COL_PROCESS] = VDS_COL_PROCESS(0),
	[COL_EPROCESS] = VDS_COL_EPROCESS(KEY | VDS_COLUMN_WIDE),
	[COL_VA] = {"hit.va", VDS_KIND_ADDR, KEY, "Address", NULL, "virtual address of the same byte in that process", NULL},
	[COL_HOW] = {"hit.how", VDS_KIND_STR, 0, "How", NULL, "page-table: mapped now; transition: its PTE holds the frame, trimmed; prototype: its PTE names the shared page; untouched: a view covers the page and has not touched it; owner: by the PFN database alone", NULL},
	[COL_RIGHTS] = {"hit.rights", VDS_KIND_STR, 0, "Rights", NULL, "effective rights by the page tables, if mapped now: rwx", NULL},
	[COL_PROCESSES] = {"hit.processes", VDS_KIND_INT, GROUP, "Processes", NULL, "number of processes that map or may map it", NULL},
	[COL_OWNER] = {"owner.kind", VDS_KIND_STR, GROUP, "Owner", NULL, "section, process, page-table, system, none or unknown, by the PFN database", NULL},
	[COL_CA] = {"section.control_area", VDS_KIND_ADDR, GROUP, "Control area", NULL, "section that owns the page", NULL},
	[COL_PAGE] = {"section.page", VDS_KIND_INT, GROUP, "Page", "pages", "index of the page in the section", NULL},
	[COL_FILE] = VDS_COL_SECTION_FILE(GROUP),
};

static const struct vds_option options[] = {
	{"what", VDS_OPTION_STR, VDS_OPTION_POSITIONAL | VDS_OPTION_REQUIRED, "WHAT", NULL, NULL, "a physical address or, if of the kernel's half, a virtual one; hex:BYTES; text:TEXT or any other text (as UTF-8 and as UTF-16)"},
	{"va", VDS_OPTION_FLAG, 0, NULL, NULL, NULL, "the address is a virtual one, of each process that --pid and --process choose"},
	{"max-hits", VDS_OPTION_UINT, 0, "N", "1000", NULL, "look at no more than the first N places"},
};

enum match {
	MATCH_ADDRESS,
	MATCH_TEXT,
	MATCH_UTF16,
	MATCH_BYTES,
};

static const char *const match_words[] = {
	[MATCH_ADDRESS] = "address", [MATCH_TEXT] = "text",
	[MATCH_UTF16] = "utf-16", [MATCH_BYTES] = "bytes",
};

struct needle {
	enum match match;
	size_t len;
	size_t rare;		/* offset of its rarest byte */
	uint8_t bytes[2 * MAX_PATTERN];
};

struct hit {
	uint64_t pa;
	enum match match;
};

struct hits {
	struct hit *list;
	size_t count, cap;
};

enum how {
	HOW_PAGE_TABLE,
	HOW_TRANSITION,
	HOW_PROTOTYPE,
	HOW_UNTOUCHED,
};

static const char *const how_words[] = {
	[HOW_PAGE_TABLE] = "page-table", [HOW_TRANSITION] = "transition",
	[HOW_PROTOTYPE] = "prototype", [HOW_UNTOUCHED] = "untouched",
};

/* One page of a process that shows a frame. */
struct mapping {
	uint64_t frame;
	uint64_t va;		/* of the page */
	size_t process;		/* their number: the kernel's half */
	enum how how;
	uint8_t rights;		/* bit 0 writable, 1 executable */
};

struct mappings {
	struct mapping *list;
	size_t count, cap;
	bool cut, nomem;
};

/* What the PFN database says of a frame that was hit. */
struct frame {
	uint64_t number;
	bool known;
	struct vds_pfn pfn;
	struct vds_page_owner owner;
};

struct context {
	struct needle needles[2];
	size_t num_needles;
	uint8_t rare;		/* a byte of all needles */
	const uint64_t *pieces;
	size_t max_hits;
	struct hits hits;
	struct hits *piece_hits;
	struct frame *frames;
	size_t num_frames;
	const struct vds_pfn_index *index;
	const struct vds_sharing *sharing;
	struct mappings *per_process;	/* and one for the kernel's half */
	size_t num_processes;
	unsigned int levels;	/* of page tables */
	struct mappings all;
};

static bool push_hit(struct vds_run *run, struct hits *hits, uint64_t pa,
		     enum match match)
{
	if (hits->count == hits->cap) {
		size_t cap = hits->cap ? hits->cap * 2 : 16;
		struct hit *list = vds_alloc(run, cap, sizeof(*list));
		if (!list)
			return false;
		if (hits->count)
			memcpy(list, hits->list, hits->count * sizeof(*list));
		hits->list = list;
		hits->cap = cap;
	}
	hits->list[hits->count++] = (struct hit){.pa = pa, .match = match};
	return true;
}

static int compare_hits(const void *pa, const void *pb)
{
	const struct hit *a = pa, *b = pb;
	if (a->pa != b->pa)
		return a->pa < b->pa ? -1 : 1;
	return (int)a->match - (int)b->match;
}

/*
 * How common a byte is in memory, roughly: zeros, fillings and letters of text
 * are everywhere.
 */
static unsigned int commonness(uint8_t byte)
{
	static const char letters[] = "etaoinsrhldcum";
	const char *letter = byte ? strchr(letters, byte) : NULL;
	if (letter)
		return 200 - (unsigned int)(letter - letters);
	switch (byte) {
	case 0:
		return 255;
	case 0xff:
		return 250;
	case ' ':
		return 240;
	case 0x01:
	case 0x48:
	case 0x80:
	case 0x8b:
	case 0xcc:
	case 0xf8:
		return 160;
	}
	return byte < 0x10 ? 140 : islower(byte) ? 120 : isalnum(byte) ? 80 : 60;
}

/* All bytes are fillings: looking for one of them is no help. */
#define TOO_COMMON 240u

/* The needles are one text in two widths: they have their rarest in common. */
static void find_rare(struct context *c)
{
	const struct needle *plain = &c->needles[0];
	size_t best = 0;
	for (size_t i = 1; i < plain->len; i++) {
		if (commonness(plain->bytes[i]) < commonness(plain->bytes[best]))
			best = i;
	}
	c->needles[0].rare = best;
	c->needles[1].rare = 2 * best;
	c->rare = plain->bytes[best];
}

/*
 * Bytes that go on in the next page are not found: pages that follow each other
 * in physical memory seldom do so anywhere else.
 */
static struct vds_error *search_page(struct vds_run *run,
				     const struct context *c,
				     struct hits *hits, const uint8_t *page,
				     uint64_t pa)
{
	const uint8_t *p = page, *end = page + PAGE;
	for (; (p = memchr(p, c->rare, (size_t)(end - p))); p++) {
		for (size_t i = 0; i < c->num_needles; i++) {
			const struct needle *needle = &c->needles[i];
			size_t at = (size_t)(p - page) - needle->rare;
			if ((size_t)(p - page) < needle->rare ||
			    PAGE - at < needle->len ||
			    memcmp(page + at, needle->bytes, needle->len))
				continue;
			if (!push_hit(run, hits, pa + at, needle->match))
				return &vds_enomem;
		}
	}
	return NULL;
}

/* The same for bytes that are all too common, of which there is one needle. */
static struct vds_error *search_common(struct vds_run *run,
				       const struct context *c,
				       struct hits *hits, const uint8_t *page,
				       uint64_t pa)
{
	const struct needle *needle = &c->needles[0];
	const uint8_t *p = page, *end = page + PAGE;
	for (; (p = memmem(p, (size_t)(end - p), needle->bytes, needle->len));
	     p++) {
		if (!push_hit(run, hits, pa + (uint64_t)(p - page),
			      needle->match))
			return &vds_enomem;
	}
	return NULL;
}

static struct vds_error *search(struct vds_run *run, size_t index, void *ctx)
{
	const struct context *c = ctx;
	uint64_t pa = c->pieces[index], end = pa + PIECE;
	uint8_t window[WINDOW];
	struct hits *hits = &c->piece_hits[index];
	struct vds_error *err = NULL;
	bool common = c->num_needles == 1 &&
		      commonness(c->rare) >= TOO_COMMON;
	struct vds_error *(*look)(struct vds_run *run, const struct context *c,
				  struct hits *hits, const uint8_t *page,
				  uint64_t pa) =
		common ? search_common : search_page;
	/* The first places are enough, and one more tells that there are more. */
	while (!err && pa < end && hits->count <= c->max_hits) {
		size_t have = vds_physical_scan(run, &pa, window,
						sizeof(window));
		if (!have)
			break;
		for (size_t i = 0; !err && i + PAGE <= have && pa + i < end &&
				   hits->count <= c->max_hits; i += PAGE)
			err = look(run, c, hits, window + i, pa + i);
		pa += have;
	}
	return err;
}

static struct vds_error *search_all(struct vds_run *run, struct context *c)
{
	size_t count;
	find_rare(c);
	struct vds_error *err =
		vds_physical_pieces(run, PIECE, &c->pieces, &count);
	if (err)
		return err;
	c->piece_hits = vds_alloc(run, count + 1, sizeof(*c->piece_hits));
	if (!c->piece_hits)
		return &vds_enomem;
	err = vds_parallel(run, count, search, c);
	for (size_t i = 0; !err && i < count; i++) {
		const struct hits *found = &c->piece_hits[i];
		for (size_t k = 0; k < found->count; k++) {
			if (!push_hit(run, &c->hits, found->list[k].pa,
				      found->list[k].match))
				return &vds_enomem;
		}
	}
	return err;
}

/* The frames of the hits, each once. */
static struct vds_error *list_frames(struct vds_run *run, struct context *c)
{
	const struct vds_process *any = vds_process_at(run, 0);
	if (c->hits.count)
		qsort(c->hits.list, c->hits.count, sizeof(*c->hits.list),
		      compare_hits);
	if (c->hits.count > c->max_hits) {
		vds_run_note(run, "hits_cut", 0,
			     "%zu places or more; only the first %zu are looked at (--max-hits)",
			     c->hits.count, c->max_hits);
		c->hits.count = c->max_hits;
	}
	c->frames = vds_alloc(run, c->hits.count + 1, sizeof(*c->frames));
	if (!c->frames || !any)
		return &vds_enomem;
	for (size_t i = 0; i < c->hits.count; i++) {
		uint64_t number = c->hits.list[i].pa >> 12;
		struct frame *f = &c->frames[c->num_frames];
		if (c->num_frames && f[-1].number == number)
			continue;
		*f = (struct frame){.number = number};
		f->known = !vds_pfn_at(any, number, &f->pfn);
		if (f->known)
			vds_pfn_owner(run, c->index, &f->pfn, &f->owner);
		c->num_frames++;
	}
	return NULL;
}

/* Index of the first frame at or after @number. */
static size_t frame_at(const struct context *c, uint64_t number)
{
	size_t low = 0, high = c->num_frames;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (c->frames[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void push_mapping(struct vds_run *run, struct mappings *m,
			 const struct mapping *mapping)
{
	if (m->count >= MAX_MAPPINGS) {
		m->cut = true;
		return;
	}
	if (m->count == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 16;
		struct mapping *list = vds_alloc(run, cap, sizeof(*list));
		if (!list) {
			m->nomem = true;
			return;
		}
		if (m->count)
			memcpy(list, m->list, m->count * sizeof(*list));
		m->list = list;
		m->cap = cap;
	}
	m->list[m->count++] = *mapping;
}

struct walk {
	struct vds_run *run;
	const struct context *c;
	struct mappings *found;
	size_t process;
};

/* A large page shows many frames, at the same distances. */
static bool visit(void *ctx, const struct vds_table_entry *entry)
{
	struct walk *w = ctx;
	if (!entry->resident)
		return true;
	uint64_t first = entry->pa >> 12, last = first + (entry->size >> 12);
	for (size_t i = frame_at(w->c, first);
	     i < w->c->num_frames && w->c->frames[i].number < last; i++) {
		uint64_t number = w->c->frames[i].number;
		push_mapping(w->run, w->found, &(struct mapping){
			.frame = number,
			.va = entry->va + ((number - first) << 12),
			.process = w->process,
			.how = entry->valid ? HOW_PAGE_TABLE : HOW_TRANSITION,
			.rights = (uint8_t)(entry->writable |
					    entry->executable << 1),
		});
	}
	return !w->found->cut && !w->found->nomem;
}

static struct vds_error *walk_process(struct vds_run *run, size_t index,
				      void *ctx)
{
	struct context *c = ctx;
	bool kernel = index == c->num_processes;
	const struct vds_process *process =
		vds_process_at(run, kernel ? 0 : index);
	struct walk w = {.run = run, .c = c, .process = index,
			 .found = &c->per_process[index]};
	if (!process)
		return &vds_enomem;
	if (kernel)
		vds_tables_walk(process, KERNEL_START(c->levels), UINT64_MAX,
				visit, &w);
	else if (process->dtb && !process->exited)
		vds_tables_walk(process, 0, USER_END(c->levels), visit, &w);
	if (w.found->cut)
		vds_run_note(run, "mappings_cut",
			     kernel ? 0 : process->eprocess,
			     "%s %u maps these frames too often",
			     kernel ? "the kernel's half, as of process" :
				      "process", process->pid);
	return w.found->nomem ? &vds_enomem : NULL;
}

/* A view covers the frame's page of the section: what does its PTE say? */
static void look_at_view(struct vds_run *run, struct context *c,
			 const struct frame *f, const struct vds_view *view)
{
	if (view->process == VDS_NO_PROCESS)
		return;
	const struct vds_process *process = vds_process_at(run, view->process);
	uint64_t va = view->start + (f->owner.page - view->first_page) * PAGE;
	struct vds_vad vad;
	struct vds_page page;
	if (!process || vds_vad_find(process, va, &vad))
		return;
	vds_page_at(process, &vad, va, &page);
	/* Found by the walk already, or a copy of the process's own. */
	if (page.via == VDS_VIA_HARDWARE || page.via == VDS_VIA_PTE ||
	    (page.proto && page.proto != f->pfn.pte_address))
		return;
	enum how how = page.state == VDS_PAGE_UNTOUCHED_SHARED ?
			       HOW_UNTOUCHED : HOW_PROTOTYPE;
	if (how == HOW_PROTOTYPE &&
	    ((page.state != VDS_PAGE_PRESENT &&
	      page.state != VDS_PAGE_TRANSITION) ||
	     page.pa >> 12 != f->number))
		return;
	push_mapping(run, &c->all, &(struct mapping){
		.frame = f->number, .va = va, .process = view->process,
		.how = how,
	});
}

static void look_at_views(struct vds_run *run, struct context *c)
{
	for (size_t i = 0; i < c->num_frames; i++) {
		const struct frame *f = &c->frames[i];
		if (!f->owner.control_area || !f->owner.has_page)
			continue;
		for (size_t k = 0; k < c->sharing->num_views; k++) {
			const struct vds_view *view = c->sharing->views[k];
			if (view->section && view->has_pages &&
			    view->section->control_area ==
				    f->owner.control_area &&
			    f->owner.page >= view->first_page &&
			    f->owner.page <= view->last_page)
				look_at_view(run, c, f, view);
		}
	}
}

static int compare_mappings(const void *pa, const void *pb)
{
	const struct mapping *a = pa, *b = pb;
	if (a->frame != b->frame)
		return a->frame < b->frame ? -1 : 1;
	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	if (a->va != b->va)
		return a->va < b->va ? -1 : 1;
	return (int)a->how - (int)b->how;
}

/* One mapping per page; how it was found first says most. */
static struct vds_error *find_mappings(struct vds_run *run, struct context *c)
{
	size_t count = vds_num_processes(run) + 1, kept = 0;
	struct vds_translation t;
	vds_translate(run, NULL, vds_kernel_base(run), &t);
	/* The walk begins at the top. */
	c->levels = t.num_entries ? t.entries[0].level : 4;
	c->num_processes = count - 1;
	c->per_process = vds_alloc(run, count, sizeof(*c->per_process));
	if (!c->per_process)
		return &vds_enomem;
	struct vds_error *err = vds_parallel(run, count, walk_process, c);
	if (err)
		return err;
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < c->per_process[i].count; k++)
			push_mapping(run, &c->all, &c->per_process[i].list[k]);
	}
	look_at_views(run, c);
	if (c->all.nomem)
		return &vds_enomem;
	struct mapping *list = c->all.list;
	if (c->all.count)
		qsort(list, c->all.count, sizeof(*list), compare_mappings);
	for (size_t i = 0; i < c->all.count; i++) {
		const struct mapping *last = kept ? &list[kept - 1] : NULL;
		if (!last || last->frame != list[i].frame ||
		    last->process != list[i].process || last->va != list[i].va)
			list[kept++] = list[i];
	}
	c->all.count = kept;
	return NULL;
}

static void fill_owner(const struct vds_process *any, const struct frame *f,
		       struct vds_value *v)
{
	const struct vds_page_owner *owner = &f->owner;
	v[COL_OWNER] = vds_str(vds_owner_kind_str(owner->kind));
	if (owner->has_page)
		v[COL_PAGE] = vds_int((int64_t)owner->page);
	if (!owner->control_area)
		return;
	const struct vds_section *s = vds_section_at(any, owner->control_area);
	v[COL_CA] = vds_addr(owner->control_area);
	if (s && !s->why)
		v[COL_FILE] = s->file_name ? vds_str(s->file_name) :
					     vds_absent(s->file_name_why);
}

static void fill_process(struct vds_run *run, size_t index,
			 struct vds_value *v)
{
	const struct vds_process *p = vds_process_at(run, index);
	if (!p)
		return;
	v[COL_PID] = vds_int(p->pid);
	v[COL_PROCESS] = p->name ? vds_str(p->name) : vds_absent(p->name_why);
	v[COL_EPROCESS] = vds_addr(p->eprocess);
}

/* No process shows it: what the PFN database knows is all there is. */
static struct vds_error *emit_alone(struct vds_run *run, const struct frame *f,
				    uint64_t pa, struct vds_value *v)
{
	const struct vds_page_owner *owner = &f->owner;
	if (owner->kind == VDS_OWNER_SYSTEM ||
	    owner->kind == VDS_OWNER_PROCESS ||
	    owner->kind == VDS_OWNER_PAGE_TABLE) {
		v[COL_VA] = vds_addr(owner->va + (pa & PAGE_MASK));
		v[COL_HOW] = vds_str("owner");
	}
	if (owner->has_process)
		fill_process(run, owner->process, v);
	return vds_emit(run, v);
}

static struct vds_error *emit_hit(struct vds_run *run, struct context *c,
				  const struct hit *hit)
{
	static const char *const rights[] = {"r--", "rw-", "r-x", "rwx"};
	const struct frame *f = &c->frames[frame_at(c, hit->pa >> 12)];
	const struct vds_process *any = vds_process_at(run, 0);
	struct mapping from = {.frame = f->number};
	struct vds_value v[NUM_COLS] = {0};
	size_t low = 0, high = c->all.count, processes = 0;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (compare_mappings(&c->all.list[mid], &from) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	for (high = low; high < c->all.count &&
			 c->all.list[high].frame == f->number; high++)
		processes += c->all.list[high].process < c->num_processes &&
			     (high == low || c->all.list[high].process !=
						     c->all.list[high - 1].process);
	v[COL_PA] = vds_addr(hit->pa);
	v[COL_MATCH] = vds_str(match_words[hit->match]);
	v[COL_PROCESSES] = vds_int((int64_t)processes);
	if (any && f->known)
		fill_owner(any, f, v);
	if (low == high)
		return emit_alone(run, f, hit->pa, v);
	for (; low < high; low++) {
		const struct mapping *m = &c->all.list[low];
		if (m->process < c->num_processes)
			fill_process(run, m->process, v);
		else
			v[COL_PID] = v[COL_PROCESS] = v[COL_EPROCESS] =
				vds_absent(VDS_NOT_APPLICABLE);
		v[COL_VA] = vds_addr(m->va + (hit->pa & PAGE_MASK));
		v[COL_HOW] = vds_str(how_words[m->how]);
		v[COL_RIGHTS] = vds_str(m->how == HOW_PAGE_TABLE ?
						rights[m->rights] : NULL);
		struct vds_error *err = vds_emit(run, v);
		if (err)
			return err;
	}
	return NULL;
}

static bool parse_hex(const char *text, struct needle *needle)
{
	size_t n = strlen(text);
	if (!n || n % 2 || n / 2 > MAX_PATTERN)
		return false;
	for (size_t i = 0; i < n; i += 2) {
		char digits[3] = {text[i], text[i + 1], 0};
		if (!isxdigit((unsigned char)digits[0]) ||
		    !isxdigit((unsigned char)digits[1]))
			return false;
		needle->bytes[i / 2] = (uint8_t)strtoul(digits, NULL, 16);
	}
	needle->len = n / 2;
	needle->match = MATCH_BYTES;
	return true;
}

/* As it stands, and with each byte widened if all are ASCII. */
static bool parse_text(const char *text, struct context *c)
{
	size_t n = strlen(text);
	struct needle *plain = &c->needles[0], *wide = &c->needles[1];
	if (!n || n > MAX_PATTERN)
		return false;
	memcpy(plain->bytes, text, n);
	plain->len = n;
	plain->match = MATCH_TEXT;
	c->num_needles = 2;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] > 0x7f)
			c->num_needles = 1;
		wide->bytes[2 * i] = (uint8_t)text[i];
		wide->bytes[2 * i + 1] = 0;
	}
	wide->len = 2 * n;
	wide->match = MATCH_UTF16;
	return true;
}

static struct vds_error *add_va(struct vds_run *run, struct context *c,
				const struct vds_process *process, uint64_t va)
{
	struct vds_translation t;
	vds_translate(run, process, va, &t);
	if (t.why)
		return NULL;
	return push_hit(run, &c->hits, t.pa, MATCH_ADDRESS) ? NULL :
							      &vds_enomem;
}

static struct vds_error *take_address(struct vds_run *run, struct context *c,
				      uint64_t at)
{
	struct vds_error *err = NULL;
	if (at >> 63)
		return add_va(run, c, NULL, at);
	if (!vds_option_set(run, "va"))
		return push_hit(run, &c->hits, at, MATCH_ADDRESS) ?
			       NULL : &vds_enomem;
	for (size_t i = 0; !err && i < vds_num_processes(run); i++) {
		const struct vds_process *p = vds_process_at(run, i);
		if (!p)
			return &vds_enomem;
		if (p->selected)
			err = add_va(run, c, p, at);
	}
	return err;
}

/* The same page of several processes may be one. */
static void drop_doubles(struct hits *hits)
{
	size_t kept = 0;
	if (hits->count)
		qsort(hits->list, hits->count, sizeof(*hits->list),
		      compare_hits);
	for (size_t i = 0; i < hits->count; i++) {
		if (!kept || compare_hits(&hits->list[kept - 1],
					  &hits->list[i]))
			hits->list[kept++] = hits->list[i];
	}
	hits->count = kept;
}

static struct vds_error *find_hits(struct vds_run *run, struct context *c)
{
	const char *what = vds_option_str(run, "what");
	char *end;
	uint64_t at = strtoull(what, &end, 0);
	if (isdigit((unsigned char)what[0]) && !*end) {
		struct vds_error *err = take_address(run, c, at);
		if (!err)
			drop_doubles(&c->hits);
		return err;
	}
	bool ok;
	if (!strncmp(what, "hex:", 4)) {
		ok = parse_hex(what + 4, &c->needles[0]);
		c->num_needles = 1;
	} else {
		ok = parse_text(strncmp(what, "text:", 5) ? what : what + 5,
				c);
	}
	if (!ok)
		return vds_error_create(VDS_ERROR_USAGE,
					"whoshares: '%s': an address, hex:BYTES or up to %u bytes of text",
					what, MAX_PATTERN);
	return search_all(run, c);
}

static struct vds_error *run_whoshares(struct vds_run *run,
				       const struct vds_process *process)
{
	struct vds_sharing_options how = {.physical = true};
	struct context *c = vds_alloc(run, 1, sizeof(*c));
	(void)process;
	if (!c)
		return &vds_enomem;
	if (!vds_num_processes(run))
		return NULL;
	c->max_hits = (size_t)vds_option_uint(run, "max-hits");
	struct vds_error *err = find_hits(run, c);
	if (!err && !c->hits.count)
		return NULL;
	if (!err)
		err = vds_pfn_index_load(run, &c->index);
	if (!err)
		err = vds_sharing_build(run, &how, &c->sharing);
	if (!err)
		err = list_frames(run, c);
	if (!err && c->num_frames)
		err = find_mappings(run, c);
	for (size_t i = 0; !err && i < c->hits.count; i++)
		err = emit_hit(run, c, &c->hits.list[i]);
	return err;
}

VDS_PLUGIN(whoshares) = {
	VDS_PLUGIN_HEADER(whoshares),
	.version = "1.0.0",
	.summary = "bytes or an address: each process that maps that memory",
	.record = "shared_memory",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_whoshares,
};
