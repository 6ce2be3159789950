/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptov: every virtual address that leads to a physical one: in the user space of
 * each process and in the kernel's. By the page tables (valid entries and pages
 * in transition), through prototype PTEs that entries name, and, where the PFN
 * database says whose prototype the frame belongs to, in views that haven't
 * touched the page yet. The page tables' own map of themselves is left out.
 */
#include <stdlib.h>
#include <string.h>

#include <vadose/columns.h>
#include <vadose/page.h>
#include <vadose/pfn.h>
#include <vadose/plugin.h>
#include <vadose/table.h>

#define USER_END UINT64_C(0x00ffffffffffffff)
#define KERNEL_START UINT64_C(0xff00000000000000)
#define PAGE UINT64_C(4096)

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
		 "whose address space; System for the kernel's", "process.pid"},
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

static bool visit(void *ctx, const struct vds_table_entry *entry)
{
	struct search *s = ctx;

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

static bool is_known(const struct search *s, size_t count, uint64_t va)
{
	for (size_t i = 0; i < count; i++) {
		if (s->hits[i].va == va)
			return true;
	}
	return false;
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

		if (!vad->has_section || proto < vad->first_prototype_pte ||
		    proto > vad->last_contiguous_pte ||
		    (proto - vad->first_prototype_pte) / 8 >
			    (vad->end - vad->start) / PAGE)
			continue;
		hit.va = vad->start +
			 (proto - vad->first_prototype_pte) / 8 * PAGE +
			 (pa & (PAGE - 1));
		if (is_known(s, known, hit.va))
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
	return a->va < b->va ? -1 : a->va > b->va;
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

static struct vds_error *search_user(struct search *s)
{
	vds_tables_walk(s->process, 0, USER_END, visit, s);
	for (size_t i = 0; !s->err && i < s->num_targets; i++) {
		struct vds_pfn pfn;

		if (!vds_pfn_at(s->process, s->targets[i] / PAGE, &pfn) &&
		    pfn.prototype)
			find_views(s, s->targets[i], pfn.pte_address);
	}
	return s->err;
}

/* Index 0 is the kernel, by the first process; the others are processes. */
static struct vds_error *search(struct vds_run *run, size_t index, void *ctx)
{
	struct search s = *(const struct search *)ctx;
	struct vds_error *err;

	s.run = run;
	s.process = vds_process_at(run, index ? index - 1 : 0);
	if (!s.process)
		return &vds_enomem;
	if (!s.process->selected)
		return NULL;
	if (!index) {
		vds_tables_walk(s.process, KERNEL_START, UINT64_MAX, visit,
				&s);
		err = s.err;
	} else {
		err = search_user(&s);
	}
	if (s.num_hits)
		qsort(s.hits, s.num_hits, sizeof(*s.hits), compare);
	for (size_t i = 0; !err && i < s.num_hits; i++)
		err = emit(&s, &s.hits[i]);
	return err;
}

static struct vds_error *run_ptov(struct vds_run *run,
				  const struct vds_process *process)
{
	struct search s = {0};

	(void)process;
	if (!vds_num_processes(run))
		return NULL;
	s.targets = vds_option_uints(run, "pa", &s.num_targets);
	return vds_parallel(run, vds_num_processes(run) + 1, search, &s);
}

VDS_PLUGIN(ptov) = {
	VDS_PLUGIN_HEADER(ptov),
	.version = "1.0.0",
	.summary = "every virtual address that leads to a physical one",
	.record = "mapping",
	.scope = VDS_ONCE,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run_ptov,
};
