/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmmap: what the address space of a process is used for, in VMMap's classes
 * and counters: a row per class, or per region with --regions. The working set
 * is what the page tables call valid. Heaps and stacks are known by what the
 * PEB and the TEBs say, which the process may have changed. Whose heap the
 * .NET runtime's memory is, only the runtime's own data could prove; what its
 * collector asks the kernel for is a sign.
 */
#include "vmmap.h"

#include <string.h>

#include <vadose/columns.h>
#include <vadose/page.h>
#include <vadose/pfn.h>
#include <vadose/plugin.h>
#include <vadose/record.h>
#include <vadose/section.h>
#include <vadose/table.h>

#define PAGE UINT64_C(4096)
#define GRANULARITY UINT64_C(0x10000)
/* The first address that may be allocated (documentation of GetSystemInfo). */
#define USER_FIRST GRANULARITY
/* Where the kernel sees it, on every x64 Windows (ntddk.h). */
#define KUSER_SHARED_DATA UINT64_C(0xfffff78000000000)
#define NO_HEAPS "the profile knows no heaps: all but their bases are told as private"
#define REGION_RANGE (UINT64_C(256) << 30)

static const char *const class_names[NUM_CLASSES] = {
	[IMAGE] = "image",
	[MAPPED_FILE] = "mapped-file",
	[SHAREABLE] = "shareable",
	[HEAP] = "heap",
	[MANAGED_HEAP] = "managed-heap",
	[STACK] = "stack",
	[PEB_TEB] = "peb-teb",
	[PRIVATE] = "private",
	[OTHER] = "other",
	[PAGE_TABLE] = "page-table",
	[UNUSABLE] = "unusable",
	[FREE] = "free",
};

enum {
	PID,
	NAME,
	EPROCESS,
	CLASS,
	START,
	END,
	BLOCKS,
	SIZE,
	COMMITTED,
	PRIVATE_BYTES,
	TOTAL_WS,
	PRIVATE_WS,
	SHAREABLE_WS,
	SHARED_WS,
	PROTECTION,
	FILE_NAME,
	BASIS,
	NUM_COLUMNS
};

static const struct vds_column columns[] = {
	[PID] = VDS_COL_PID(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
	[NAME] = VDS_COL_PROCESS(VDS_COLUMN_GROUP),
	[EPROCESS] = VDS_COL_EPROCESS(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
	[CLASS] = {"region.class", VDS_KIND_STR, VDS_COLUMN_KEY, "Class", NULL,
		   "image, mapped-file, shareable, heap, managed-heap, stack, "
		   "peb-teb, private, other (physical, AWE), page-table, unusable, free",
		   NULL},
	[START] = {"region.start", VDS_KIND_ADDR, VDS_COLUMN_KEY, "Start", NULL,
		   "first byte, with --regions", NULL},
	[END] = {"region.end", VDS_KIND_ADDR, 0, "End", NULL,
		 "last byte, inclusive, with --regions", NULL},
	[BLOCKS] = {"region.count", VDS_KIND_INT, 0, "Regions", NULL,
		    "how many regions the row sums up", NULL},
	[SIZE] = {"region.size", VDS_KIND_SIZE, 0, "Size", "bytes",
		  "address space", NULL},
	[COMMITTED] = {"region.committed", VDS_KIND_SIZE, 0, "Committed",
		       "bytes", "private: charged pages; of a section: the "
		       "view, as far as it isn't merely reserved", NULL},
	[PRIVATE_BYTES] = {"region.private", VDS_KIND_SIZE, 0, "Private",
			   "bytes", "committed and not shareable", NULL},
	[TOTAL_WS] = {"region.ws.total", VDS_KIND_SIZE, 0, "Total WS", "bytes",
		      "working set: valid in the page tables", NULL},
	[PRIVATE_WS] = {"region.ws.private", VDS_KIND_SIZE, 0, "Private WS",
			"bytes", "of it not shareable", NULL},
	[SHAREABLE_WS] = {"region.ws.shareable", VDS_KIND_SIZE, 0,
			  "Shareable WS", "bytes",
			  "of it pages of sections", NULL},
	[SHARED_WS] = {"region.ws.shared", VDS_KIND_SIZE, 0, "Shared WS",
		       "bytes", "of those the ones that more than one entry "
		       "maps, by the PFN database", NULL},
	[PROTECTION] = {"vad.protection", VDS_KIND_STR, VDS_COLUMN_WIDE,
			"Protection", NULL, "initial, with --regions", NULL},
	[FILE_NAME] = {"section.file", VDS_KIND_STR, VDS_COLUMN_WIDE, "File",
		       NULL, "mapped file, with --regions", "file.path"},
	[BASIS] = {"region.basis", VDS_KIND_STR, VDS_COLUMN_WIDE, "Basis",
		   NULL, "what tells that private memory is a heap, a stack, "
		   "a PEB or TEB; a heuristic says so, and where the rest "
		   "of a heap can't be told, this does", NULL},
};

static const struct vds_option options[] = {
	{"regions", VDS_OPTION_FLAG, 0, NULL, NULL, NULL,
	 "a row per region instead of one per class"},
};

struct counters {
	uint64_t blocks, size, committed, private;
	uint64_t total_ws, private_ws, shareable_ws, shared_ws;
	bool shared_unknown;
	enum vds_why shared_why;
};

struct context {
	struct vds_run *run;
	const struct vds_process *process;
	const struct vds_vad *vad;
	struct marks marks;
	bool has_clr;		/* the .NET runtime is mapped */
	bool has_core;		/* that of .NET Core, which may keep regions */
	uint64_t ram;		/* bytes of physical memory; 0: not known */
	const char *basis;	/* of the class of the region */
	struct counters classes[NUM_CLASSES];
	struct counters region;
	bool by_region;
};

/* Which image of the .NET runtime is mapped: Framework 2 and 4, Core? */
static void find_clr(struct context *c)
{
	static const char *const names[] = {
		"*\\coreclr.dll", "*\\mscorwks.dll", "*\\clr.dll",
	};
	struct vds_vad_iter *it = vds_vad_iterate(c->process);
	const struct vds_vad *vad;

	while ((vad = vds_vad_next(it))) {
		const struct vds_section *s;

		if (vad->type != VDS_VAD_IMAGE)
			continue;
		s = vds_vad_section(c->process, vad);
		for (size_t i = 0; s && !s->why && s->file_name &&
				   i < sizeof(names) / sizeof(*names); i++) {
			if (!vds_match(names[i], s->file_name))
				continue;
			c->has_clr = true;
			c->has_core |= i == 0;
		}
	}
}

/* As GlobalMemoryStatusEx() says it, too. */
static uint64_t physical_memory(struct vds_run *run)
{
	uint64_t pages;

	if (vds_kernel_member(run, KUSER_SHARED_DATA,
			      vds_type_find(run, "_KUSER_SHARED_DATA"),
			      "NumberOfPhysicalPages", &pages) ||
	    pages > UINT64_MAX / PAGE / 2)
		return 0;
	return pages * PAGE;
}

/*
 * From .NET 7 on the collector reserves one range for all of its regions: 256 GB
 * or twice the physical memory, unless it was told otherwise (dotnet/runtime,
 * src/coreclr/gc/gc.cpp: GCHeap::Initialize, regions_range).
 */
static bool is_region_range(const struct context *c, const struct vds_vad *vad)
{
	uint64_t size = vad->end - vad->start + 1;

	return c->has_core && vad->type == VDS_VAD_NONE &&
	       (size == REGION_RANGE || (c->ram && size == 2 * c->ram));
}

/* The class of private memory: that of the first mark in it, or private. */
static enum class marked(struct context *c, const struct vds_vad *vad)
{
	const struct mark *mark = marks_find(&c->marks, vad->start, vad->end);

	if (mark) {
		c->basis = mark->basis;
		return mark->class;
	}
	/*
	 * The collector reserves its heap with MEM_WRITE_WATCH where it marks
	 * concurrently (dotnet/runtime, src/coreclr/gc/windows:
	 * GCToOSInterface::VirtualReserve); hardly anything else does.
	 */
	if (vad->type == VDS_VAD_WRITE_WATCH && c->has_clr) {
		c->basis = "heuristic: write-watched memory under the CLR";
		return MANAGED_HEAP;
	}
	if (is_region_range(c, vad)) {
		c->basis = "heuristic: as large as what .NET 7 and later "
			   "reserve for their regions";
		return MANAGED_HEAP;
	}
	return PRIVATE;
}

static enum class classify(struct context *c, const struct vds_vad *vad,
			   const struct vds_section *section)
{
	c->basis = NULL;
	if (vad->type == VDS_VAD_IMAGE)
		return IMAGE;
	if (vad->type == VDS_VAD_DEVICE_PHYSICAL || vad->type == VDS_VAD_AWE ||
	    vad->type == VDS_VAD_ROTATE_PHYSICAL)
		return OTHER;
	if (vad->is_private)
		return marked(c, vad);
	if (section && !section->why &&
	    section->backing == VDS_BACKING_PAGEFILE)
		return SHAREABLE;
	if (section && !section->why &&
	    section->backing == VDS_BACKING_PHYSICAL)
		return OTHER;
	return MAPPED_FILE;
}

static bool visit(void *ctx, const struct vds_table_entry *entry)
{
	struct context *c = ctx;
	struct counters *r = &c->region;
	struct vds_page page;
	struct vds_pfn pfn;

	if (entry->why || !entry->valid)
		return true;
	r->total_ws += entry->size;
	if (!c->vad->has_section) {
		r->private_ws += entry->size;
		return true;
	}
	vds_page_at(c->process, c->vad, entry->va, &page);
	if (!page.private_why && page.is_private_copy) {
		r->private_ws += entry->size;
		return true;
	}
	r->shareable_ws += entry->size;
	enum vds_why why = vds_pfn_at(c->process, entry->pa / PAGE, &pfn);

	if (why) {
		r->shared_unknown = true;
		r->shared_why = why;
	} else if (pfn.share_count > 1) {
		r->shared_ws += entry->size;
	}
	return true;
}

static void add(struct counters *to, const struct counters *from)
{
	to->blocks += from->blocks;
	to->size += from->size;
	to->committed += from->committed;
	to->private += from->private;
	to->total_ws += from->total_ws;
	to->private_ws += from->private_ws;
	to->shareable_ws += from->shareable_ws;
	to->shared_ws += from->shared_ws;
	if (from->shared_unknown) {
		to->shared_unknown = true;
		to->shared_why = from->shared_why;
	}
}

static void fill(const struct context *c, enum class class,
		 const struct counters *k, struct vds_value *row)
{
	const struct vds_process *p = c->process;

	row[PID] = vds_int(p->pid);
	row[NAME] = vds_or(p->name_why, vds_str(p->name));
	row[EPROCESS] = vds_addr(p->eprocess);
	row[CLASS] = vds_str(class_names[class]);
	row[BLOCKS] = vds_int((int64_t)k->blocks);
	row[SIZE] = vds_size(k->size);
	if (class == FREE || class == UNUSABLE)
		return;
	row[COMMITTED] = vds_size(k->committed);
	row[PRIVATE_BYTES] = vds_size(k->private);
	row[TOTAL_WS] = vds_size(k->total_ws);
	row[PRIVATE_WS] = vds_size(k->private_ws);
	row[SHAREABLE_WS] = vds_size(k->shareable_ws);
	row[SHARED_WS] = vds_or(k->shared_unknown ? k->shared_why :
						    VDS_PRESENT,
				vds_size(k->shared_ws));
}

/* Takes the region into its class, or emits it. */
static struct vds_error *finish(struct context *c, enum class class,
				uint64_t start, uint64_t end,
				const struct vds_section *section)
{
	struct vds_value row[NUM_COLUMNS] = {0};

	c->region.blocks = 1;
	c->region.size = end - start + 1;
	add(&c->classes[class], &c->region);
	if (!c->by_region)
		return NULL;
	fill(c, class, &c->region, row);
	row[START] = vds_addr(start);
	row[END] = vds_addr(end);
	if (c->vad)
		row[PROTECTION] =
			vds_str(vds_protection_str(c->vad->protection));
	if (section && !section->why)
		row[FILE_NAME] = vds_or(section->file_name_why,
					vds_str(section->file_name));
	row[BASIS] = vds_str(c->basis);
	return vds_emit(c->run, row);
}

/* The gap [start, end]: what is below the next 64 KB can't be allocated. */
static struct vds_error *gap(struct context *c, uint64_t start, uint64_t end)
{
	uint64_t next = (start + GRANULARITY - 1) & ~(GRANULARITY - 1);
	struct vds_error *err = NULL;

	if (start > end || end < start)
		return NULL;
	c->vad = NULL;
	c->basis = NULL;
	c->region = (struct counters){0};
	if (next > start)
		err = finish(c, UNUSABLE, start,
			     next - 1 < end ? next - 1 : end, NULL);
	c->region = (struct counters){0};
	if (!err && next <= end)
		err = finish(c, FREE, next, end, NULL);
	return err;
}

/* A pagefile-backed section may be reserved only; others have their file. */
static uint64_t view_commit(const struct context *c, const struct vds_vad *vad,
			    const struct vds_section *section)
{
	uint64_t size = vad->end - vad->start + 1, pages;

	if (!section || section->why ||
	    section->backing != VDS_BACKING_PAGEFILE ||
	    vds_kernel_member(c->run, section->segment,
			      vds_type_find(c->run, "_SEGMENT"),
			      "NumberOfCommittedPages", &pages) ||
	    pages > size / PAGE)
		return size;
	return pages * PAGE;
}

/* Last address of user space; 0 if it isn't known. */
static uint64_t user_last(struct vds_run *run)
{
	uint64_t va, last;

	if (vds_symbol_address(run, "MmHighestUserAddress", &va) ||
	    vds_kernel_uint(run, va, 8, &last) || last >> 63)
		return 0;
	return last;
}

static struct vds_error *region(struct context *c, const struct vds_vad *vad)
{
	const struct vds_section *section =
		vds_vad_section(c->process, vad);

	c->vad = vad;
	c->region = (struct counters){0};
	vds_tables_walk(c->process, vad->start, vad->end, visit, c);
	if (!vad->commit_why)
		c->region.private = vad->commit * PAGE;
	c->region.committed = c->region.private;
	if (!vad->is_private)
		c->region.committed = view_commit(c, vad, section);
	return finish(c, classify(c, vad, section), vad->start, vad->end,
		      section);
}

/* The CLR is there, and so is its heap, but nothing tells which memory it is. */
static void unknown_managed_heap(struct vds_value *row)
{
	for (int i = BLOCKS; i <= SHARED_WS; i++)
		row[i] = vds_absent(VDS_NOT_APPLICABLE);
	row[BASIS] = vds_str("the CLR is mapped; which private memory is its "
			     "heap can't be told");
}

/* Stacks and heaps that the profile can't tell stand under private. */
static struct vds_error *emit_gap(struct context *c, enum class class,
				  const char *basis)
{
	struct vds_value row[NUM_COLUMNS] = {0};
	struct counters none = {0};

	fill(c, class, &none, row);
	for (int i = BLOCKS; i <= SHARED_WS; i++)
		row[i] = vds_absent(VDS_NO_FIELD);
	row[BASIS] = vds_str(basis);
	return vds_emit(c->run, row);
}

static struct vds_error *emit_gaps(struct context *c)
{
	struct vds_error *err = NULL;

	if (c->process->peb && c->marks.no_stacks &&
	    !c->classes[STACK].blocks)
		err = emit_gap(c, STACK, "the profile knows no threads: their "
					 "stacks are told as private");
	/* Else the row of all heaps says so. */
	if (!err && c->process->peb && c->marks.no_heaps &&
	    (c->by_region || !c->classes[HEAP].blocks))
		err = emit_gap(c, HEAP, NO_HEAPS);
	return err;
}

/* All tables of the user's half, wherever VADs are, and the top one. */
static void count_tables(struct context *c)
{
	struct counters *k = &c->classes[PAGE_TABLE];
	struct vds_table_count count;

	vds_tables_count(c->process, 0, INT64_MAX, &count);
	k->blocks = count.tables;
	k->size = k->committed = k->private = count.tables * PAGE;
	k->total_ws = k->private_ws = count.valid * PAGE;
}

static struct vds_error *emit_classes(struct context *c)
{
	struct vds_error *err = NULL;

	for (int i = 0; !err && i < NUM_CLASSES; i++) {
		struct vds_value row[NUM_COLUMNS] = {0};

		fill(c, (enum class)i, &c->classes[i], row);
		if (i == MANAGED_HEAP && c->has_clr && !c->classes[i].blocks)
			unknown_managed_heap(row);
		else if (!c->classes[i].blocks)
			continue;
		if (i == HEAP && c->marks.no_heaps)
			row[BASIS] = vds_str(NO_HEAPS);
		err = vds_emit(c->run, row);
	}
	return err;
}

static struct vds_error *run(struct vds_run *run,
			     const struct vds_process *process)
{
	struct context c = {.run = run, .process = process,
			    .by_region = vds_option_set(run, "regions")};
	uint64_t next = USER_FIRST;
	struct vds_vad_iter *it;
	const struct vds_vad *vad;
	struct vds_value row[NUM_COLUMNS] = {0};
	struct vds_error *err = marks_read(run, process, &c.marks);

	if (!process->vad_root)
		return err;
	find_clr(&c);
	if (c.has_core)
		c.ram = physical_memory(run);
	it = vds_vad_iterate(process);
	while (!err && (vad = vds_vad_next(it))) {
		if (vad->range_why || vad->end < next)
			continue;
		if (vad->start > next)
			err = gap(&c, next, vad->start - 1);
		if (!err)
			err = region(&c, vad);
		next = vad->end + 1;
	}
	/* What is free above the last VAD, if its end is known. */
	if (!err && next <= user_last(run))
		err = gap(&c, next, user_last(run));
	if (err)
		return err;
	count_tables(&c);
	err = emit_gaps(&c);
	if (err)
		return err;
	if (!c.by_region)
		return emit_classes(&c);
	/* They lie in no region of user space: one row for all. */
	fill(&c, PAGE_TABLE, &c.classes[PAGE_TABLE], row);
	if (c.classes[PAGE_TABLE].blocks)
		err = vds_emit(run, row);
	return err;
}

VDS_PLUGIN(vmmap) = {
	VDS_PLUGIN_HEADER(vmmap),
	.version = "1.0.0",
	.summary = "what each process uses its address space for",
	.record = "region",
	.scope = VDS_PER_PROCESS,
	.columns = columns,
	.num_columns = NUM_COLUMNS,
	.options = options,
	.num_options = sizeof(options) / sizeof(options[0]),
	.run = run,
};
