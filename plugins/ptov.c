/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptov: every virtual address that leads to a physical one: in the user space of
 * each process, in the kernel's, and in the parts of kernel space that are not the
 * same for all (a session's, a process's own). By the page tables (valid entries
 * and pages in transition), through prototype PTEs that entries name, and in views
 * that haven't touched the page yet: the PFN database says whose prototype a frame
 * belongs to; where it can't be read, all prototypes are looked through. A page table is found where the tables map
 * themselves.
 */
#include "ptov.h"

#include <stdlib.h>
#include <string.h>

#include <vadose/columns.h>
#include <vadose/page.h>
#include <vadose/pfn.h>
#include <vadose/plugin.h>
#include <vadose/record.h>
#include <vadose/section.h>
#include <vadose/table.h>

#define USER_END UINT64_C(0x00ffffffffffffff)
#define KERNEL_START UINT64_C(0xff00000000000000)
#define PAGE UINT64_C(4096)
#define WRITE 2
#define NX (UINT64_C(1) << 63)

enum {
	PA,
	VA,
	SPACE,
	PID,
	NAME,
	EPROCESS,
	VIA,
	STATE,
	PAGE_SIZE,
	ENTRY,
	RIGHTS,
	NODE,
	VAD_TYPE,
	NUM_COLUMNS
};

static const struct vds_column columns[] = {
	[PA] = {"mapping.pa", VDS_KIND_ADDR, VDS_COLUMN_KEY, "PA", NULL,
		"the physical address that was asked for", NULL},
	[VA] = {"mapping.va", VDS_KIND_ADDR, VDS_COLUMN_KEY, "VA", NULL,
		"a virtual address of it", NULL},
	[SPACE] = {"mapping.space", VDS_KIND_STR, 0, "Space", NULL,
		   "user, kernel", NULL},
	[PID] = {"process.pid", VDS_KIND_INT, VDS_COLUMN_KEY, "PID", NULL,
		 "whose address space; System for the kernel's; of a session's part of it, the first process there", "process.pid"},
	[NAME] = VDS_COL_PROCESS(0),
	[EPROCESS] = VDS_COL_EPROCESS(VDS_COLUMN_KEY | VDS_COLUMN_WIDE),
	[VIA] = {"mapping.via", VDS_KIND_STR, 0, "Via", NULL,
		 "hardware, pte (in transition), prototype_pte, prototype_vad",
		 NULL},
	[STATE] = {"mapping.state", VDS_KIND_STR, 0, "State", NULL,
		   "present, transition, untouched (resident, but not yet "
		   "mapped there)", NULL},
	[PAGE_SIZE] = {"mapping.page_size", VDS_KIND_SIZE, VDS_COLUMN_WIDE,
		       "Page size", "bytes", "size of the page", NULL},
	[ENTRY] = {"mapping.entry", VDS_KIND_HEX, VDS_COLUMN_WIDE, "Entry",
		   NULL, "the page-table entry", NULL},
	[RIGHTS] = {"mapping.rights", VDS_KIND_FLAGS, 0, "Rights", NULL,
		    "of valid entries: read, write, execute, user", NULL},
	[NODE] = {"vad.node", VDS_KIND_ADDR, 0, "VAD", NULL,
		  "the VAD that covers the address", NULL},
	[VAD_TYPE] = VDS_COL_VAD_TYPE(0),
};

static const struct vds_option options[] = {
	{"pa", VDS_OPTION_UINTS, VDS_OPTION_POSITIONAL | VDS_OPTION_REQUIRED,
	 "ADDRESS", NULL, NULL, "physical addresses to look for"},
};

struct hit {
	uint64_t pa, va, page_size, entry;
	enum vds_page_via via;
	enum vds_page_state state;
	bool writable, user, executable;
};

struct search {
	struct vds_run *run;
	const struct vds_process *process;
	const uint64_t *targets;
	size_t num_targets;
	struct hit *hits;
	size_t num_hits, cap;
	struct vds_vad vad;	/* the last one that was looked up */
	bool has_vad;
	/* The top table's entry that leads to itself; PTOV_ENTRIES: it has none. */
	unsigned int self;
	uint64_t self_entry;
	uint64_t last_table;	/* the last one whose own address was looked for */
	bool top_is_known;	/* the kernel's search told of the top table */
	struct vds_error *err;
};

static bool add(struct search *s, const struct hit *hit)
{
	if (s->num_hits == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 16;
		struct hit *more = vds_alloc(s->run, cap, sizeof(*more));

		if (!more) {
			s->err = &vds_enomem;
			return false;
		}
		if (s->num_hits)
			memcpy(more, s->hits, s->num_hits * sizeof(*more));
		s->hits = more;
		s->cap = cap;
	}
	s->hits[s->num_hits++] = *hit;
	return true;
}

static const struct vds_vad *vad_of(struct search *s, uint64_t va)
{
	if (va >> 63)
		return NULL;
	if (!s->has_vad || va < s->vad.start || va > s->vad.end)
		s->has_vad = !vds_vad_find(s->process, va, &s->vad);
	return s->has_vad ? &s->vad : NULL;
}

static bool is_known(const struct search *s, size_t count, uint64_t pa,
		     uint64_t va)
{
	for (size_t i = 0; i < count; i++) {
		if (s->hits[i].va == va && s->hits[i].pa == pa)
			return true;
	}
	return false;
}

/* Entries that name no frame may still lead to one. */
static bool visit_software(struct search *s,
			   const struct vds_table_entry *entry)
{
	const struct vds_vad *vad = vad_of(s, entry->va);
	struct vds_page page;

	if (!vad || !vad->has_section)
		return true;
	vds_page_at(s->process, vad, entry->va, &page);
	if (page.state != VDS_PAGE_PRESENT &&
	    page.state != VDS_PAGE_TRANSITION)
		return true;
	for (size_t i = 0; i < s->num_targets; i++) {
		uint64_t pa = s->targets[i];
		struct hit hit = {.pa = pa, .va = entry->va | (pa & (PAGE - 1)),
				  .page_size = PAGE, .entry = entry->entry,
				  .via = page.via, .state = page.state};

		if ((pa & ~(PAGE - 1)) == page.pa && !add(s, &hit))
			return false;
	}
	return true;
}

/*
 * Where the page tables map the entry at @level for @va: the entry that leads to
 * the top table makes of each table a page. The address of the PTE of an address,
 * taken once a level, is that of the entry above.
 */
static uint64_t entry_address(const struct search *s, unsigned int levels,
			      unsigned int level, uint64_t va)
{
	unsigned int bits = 12 + 9 * levels;
	uint64_t mask = (UINT64_C(1) << bits) - 1;
	uint64_t base = (uint64_t)s->self << (bits - 9);

	for (; level; level--)
		va = base | ((va & mask) >> 9 & ~UINT64_C(7));
	return va | ~mask;
}

/* The tables that lead to @entry are pages too. */
static bool visit_tables(struct search *s, const struct vds_table_entry *entry)
{
	struct vds_translation t;
	uint64_t table = entry->entry_pa & PTOV_FRAME;

	if (s->self == PTOV_ENTRIES || table == s->last_table)
		return true;
	s->last_table = table;
	vds_translate(s->run, s->process, entry->va, &t);
	for (size_t k = s->top_is_known ? 1 : 0; k < t.num_entries; k++) {
		uint64_t va = entry_address(s, t.entries[0].level,
					    t.entries[k].level, entry->va) &
			      ~(PAGE - 1);
		/* What maps the table: the entry that leads to it. */
		uint64_t above = k ? t.entries[k - 1].entry : s->self_entry;

		for (size_t i = 0; i < s->num_targets; i++) {
			uint64_t pa = s->targets[i];
			struct hit hit = {
				.pa = pa, .va = va | (pa & (PAGE - 1)),
				.page_size = PAGE, .entry = above,
				.via = VDS_VIA_HARDWARE,
				.state = VDS_PAGE_PRESENT,
				.writable = above & s->self_entry & WRITE,
				.executable = !((above | s->self_entry) & NX),
			};

			if (!t.entries[k].why && above & PTOV_PRESENT &&
			    (pa & PTOV_FRAME) == (t.entries[k].pa & PTOV_FRAME) &&
			    !is_known(s, s->num_hits, pa, hit.va) &&
			    !add(s, &hit))
				return false;
		}
	}
	return true;
}

static bool visit(void *ctx, const struct vds_table_entry *entry)
{
	struct search *s = ctx;

	if (!visit_tables(s, entry))
		return false;
	if (entry->why)
		return true;
	if (!entry->resident)
		return visit_software(s, entry);
	for (size_t i = 0; i < s->num_targets; i++) {
		uint64_t pa = s->targets[i];
		struct hit hit = {
			.pa = pa, .va = entry->va + (pa - entry->pa),
			.page_size = entry->size, .entry = entry->entry,
			.via = entry->valid ? VDS_VIA_HARDWARE : VDS_VIA_PTE,
			.state = entry->valid ? VDS_PAGE_PRESENT :
						VDS_PAGE_TRANSITION,
			.writable = entry->writable, .user = entry->user,
			.executable = entry->executable,
		};

		if (pa >= entry->pa && pa - entry->pa < entry->size &&
		    !add(s, &hit))
			return false;
	}
	return true;
}

/*
 * Where the view @vad has the page of the prototype PTE at @proto: in the array
 * that it begins with, or in a later one of a file that grew.
 */
static bool find_in_view(const struct search *s, const struct vds_vad *vad,
			 uint64_t proto, uint64_t *ret)
{
	const struct vds_section *section;
	uint64_t page, first, index;

	if (!vad->has_section)
		return false;
	if (proto >= vad->first_prototype_pte &&
	    proto <= vad->last_contiguous_pte) {
		index = (proto - vad->first_prototype_pte) / 8;
	} else {
		section = vds_vad_section(s->process, vad);
		if (!section || section->why ||
		    !vds_section_page_of(section, proto, &page) ||
		    !vds_section_page_of(section, vad->first_prototype_pte,
					 &first) || page < first)
			return false;
		index = page - first;
	}
	if (index > (vad->end - vad->start) / PAGE)
		return false;
	*ret = vad->start + index * PAGE;
	return true;
}

/* Views over the prototype PTE at @proto, which leads to @pa. */
static bool find_views(struct search *s, uint64_t pa, uint64_t proto)
{
	struct vds_vad_iter *it = vds_vad_iterate(s->process);
	const struct vds_vad *vad;
	size_t known = s->num_hits;

	while ((vad = vds_vad_next(it))) {
		struct vds_page page;
		struct hit hit = {.pa = pa, .page_size = PAGE};

		if (!find_in_view(s, vad, proto, &hit.va))
			continue;
		hit.va |= pa & (PAGE - 1);
		if (is_known(s, known, pa, hit.va))
			continue;
		vds_page_at(s->process, vad, hit.va, &page);
		hit.via = page.via;
		hit.state = page.state;
		hit.entry = page.pte_why ? 0 : page.pte;
		if (page.pa == (pa & ~(PAGE - 1)) && !add(s, &hit))
			return false;
	}
	return true;
}

static int compare(const void *pa, const void *pb)
{
	const struct hit *a = pa, *b = pb;

	if (a->pa != b->pa)
		return a->pa < b->pa ? -1 : 1;
	if (a->va != b->va)
		return a->va < b->va ? -1 : 1;
	if (a->via != b->via)
		return a->via < b->via ? -1 : 1;
	return a->entry < b->entry ? -1 : a->entry > b->entry;
}

/* Forged tables lead to one address by more than one way: once is enough. */
static bool is_again(const struct search *s, size_t i)
{
	return i && s->hits[i].pa == s->hits[i - 1].pa &&
	       s->hits[i].va == s->hits[i - 1].va;
}

static const char *rights_str(const struct hit *hit)
{
	static const char *const words[8] = {
		"read", "read write", "read execute", "read write execute",
		"read user", "read write user", "read execute user",
		"read write execute user",
	};

	if (hit->via != VDS_VIA_HARDWARE)
		return NULL;
	return words[(hit->writable ? 1 : 0) | (hit->executable ? 2 : 0) |
		     (hit->user ? 4 : 0)];
}

static struct vds_error *emit(struct search *s, const struct hit *hit)
{
	static const char *const via[] = {
		[VDS_VIA_HARDWARE] = "hardware",
		[VDS_VIA_PTE] = "pte",
		[VDS_VIA_PROTO_PTE] = "prototype_pte",
		[VDS_VIA_PROTO_VAD] = "prototype_vad",
	};
	const struct vds_process *p = s->process;
	const struct vds_vad *vad = vad_of(s, hit->va);
	struct vds_value row[NUM_COLUMNS] = {
		[PA] = vds_addr(hit->pa),
		[VA] = vds_addr(hit->va),
		[SPACE] = vds_str(hit->va >> 63 ? "kernel" : "user"),
		[PID] = vds_int(p->pid),
		[NAME] = vds_or(p->name_why, vds_str(p->name)),
		[EPROCESS] = vds_addr(p->eprocess),
		[VIA] = vds_str(via[hit->via]),
		[STATE] = vds_str(vds_page_state_str(hit->state)),
		[PAGE_SIZE] = vds_size(hit->page_size),
		[RIGHTS] = vds_flags(rights_str(hit)),
	};

	if (hit->entry)
		row[ENTRY] = vds_hex(hit->entry);
	if (vad) {
		row[NODE] = vds_addr(vad->node);
		row[VAD_TYPE] = vds_str(vds_vad_type_str(vad->type,
							 vad->is_private));
	}
	return vds_emit(s->run, row);
}

static void find_self(struct search *s)
{
	uint64_t top[PTOV_ENTRIES];

	s->self = PTOV_ENTRIES;
	if (!ptov_read_top(s->run, s->process, top))
		return;
	for (unsigned int i = PTOV_ENTRIES / 2; i < PTOV_ENTRIES; i++) {
		if (top[i] & PTOV_PRESENT &&
		    (top[i] & PTOV_FRAME) == (s->process->dtb & PTOV_FRAME)) {
			s->self = i;
			s->self_entry = top[i];
			return;
		}
	}
}

static void search_own_parts(struct search *s, const struct ptov_parts *parts,
			     size_t process)
{
	struct vds_translation t;
	unsigned int shift;

	/* How many levels there are. */
	vds_translate(s->run, s->process, UINT64_MAX, &t);
	if (!t.num_entries || t.entries[0].level < 4)
		return;
	shift = 12 + 9 * (t.entries[0].level - 1);
	for (size_t i = 0; !s->err && i < parts->count; i++) {
		uint64_t first = ~((UINT64_C(1) << (shift + 9)) - 1) |
				 (uint64_t)parts->list[i].slot << shift;

		if (parts->list[i].process == process)
			vds_tables_walk(s->process, first,
					first + (UINT64_C(1) << shift) - 1,
					visit, s);
	}
}

static struct vds_error *search_user(struct search *s,
				     const struct ptov_parts *parts)
{
	vds_tables_walk(s->process, 0, USER_END, visit, s);
	for (size_t i = 0; !s->err && i < s->num_targets; i++) {
		struct vds_pfn pfn;

		if (!vds_pfn_at(s->process, s->targets[i] / PAGE, &pfn) &&
		    pfn.prototype)
			find_views(s, s->targets[i], pfn.pte_address);
		for (size_t k = 0; !s->err && k < parts->num_protos; k++) {
			if (parts->protos[k].frame == (s->targets[i] & PTOV_FRAME))
				find_views(s, s->targets[i],
					   parts->protos[k].proto);
		}
	}
	return s->err;
}

/* Index 0 is the kernel, as one process sees it; the others are processes. */
static struct vds_error *search(struct vds_run *run, size_t index, void *ctx)
{
	const struct ptov_parts *parts = ctx;
	struct search s = {.targets = parts->targets,
			   .num_targets = parts->num_targets};
	struct vds_error *err;

	s.run = run;
	if (!index && parts->viewer == vds_num_processes(run))
		return NULL;
	s.process = vds_process_at(run, index ? index - 1 : parts->viewer);
	if (!s.process)
		return &vds_enomem;
	if (!s.process->selected)
		return NULL;
	find_self(&s);
	if (!index) {
		vds_tables_walk(s.process, KERNEL_START, UINT64_MAX, visit,
				&s);
		err = s.err;
	} else {
		/* System has user memory, too. */
		s.top_is_known = index - 1 == parts->viewer;
		err = search_user(&s, parts);
		if (!err)
			search_own_parts(&s, parts, index - 1);
		err = err ? err : s.err;
	}
	if (s.num_hits)
		qsort(s.hits, s.num_hits, sizeof(*s.hits), compare);
	for (size_t i = 0; !err && i < s.num_hits; i++) {
		if (!is_again(&s, i))
			err = emit(&s, &s.hits[i]);
	}
	return err;
}

static struct vds_error *run_ptov(struct vds_run *run,
				  const struct vds_process *process)
{
	struct ptov_parts parts = {0};
	struct vds_error *err;

	(void)process;
	if (!vds_num_processes(run))
		return NULL;
	parts.targets = vds_option_uints(run, "pa",
						&parts.num_targets);
	err = ptov_find_parts(run, &parts);
	if (!err)
		err = ptov_find_protos(run, &parts);
	return err ? err : vds_parallel(run, vds_num_processes(run) + 1,
					search, &parts);
}

VDS_PLUGIN(ptov) = {
	VDS_PLUGIN_HEADER(ptov),
	.version = "1.1.0",
	.summary = "every virtual address that leads to a physical one",
	.record = "mapping",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_ptov,
};
