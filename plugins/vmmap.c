/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmmap: what the address space of a process is used for, in VMMap's classes
 * and counters: a row per class, or per region with --regions. The working set
 * is what the page tables call valid. Heaps and stacks are known by what the
 * PEB and the TEBs say, which the process may have changed.
 */
#include <stdlib.h>
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

enum class {
	IMAGE,
	MAPPED_FILE,
	SHAREABLE,
	HEAP,
	STACK,
	PEB_TEB,
	PRIVATE,
	OTHER,
	PAGE_TABLE,
	UNUSABLE,
	FREE,
	NUM_CLASSES
};

static const char *const class_names[NUM_CLASSES] = {
	[IMAGE] = "image",
	[MAPPED_FILE] = "mapped-file",
	[SHAREABLE] = "shareable",
	[HEAP] = "heap",
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
	NUM_COLUMNS
};

static const struct vds_column columns[] = {
	[PID] = VDS_COL_PID(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
	[NAME] = VDS_COL_PROCESS(VDS_COLUMN_GROUP),
	[EPROCESS] = VDS_COL_EPROCESS(VDS_COLUMN_KEY | VDS_COLUMN_GROUP),
	[CLASS] = {"region.class", VDS_KIND_STR, VDS_COLUMN_KEY, "Class", NULL,
		   "image, mapped-file, shareable, heap, stack, peb-teb, "
		   "private, other (physical, AWE), page-table, unusable, free",
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
};

static const struct vds_option options[] = {
	{"regions", VDS_OPTION_FLAG, 0, NULL, NULL, NULL,
	 "a row per region instead of one per class"},
};

/* An address that tells the class of the VAD around it. */
struct mark {
	uint64_t va;
	enum class class;
};

#define MAX_MARKS 16384

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
	struct mark *marks;	/* sorted by address */
	size_t num_marks, max_marks;
	struct counters classes[NUM_CLASSES];
	struct counters region;
	/* Tables in use: the last one of each level that was counted. */
	uint64_t tables, last_table[6];
	bool by_region;
};

static void mark(struct context *c, uint64_t va, enum class class)
{
	if (va && !(va >> 63) && c->num_marks < c->max_marks)
		c->marks[c->num_marks++] = (struct mark){va, class};
}

static enum vds_why user_uint(const struct vds_process *process, uint64_t va,
			      size_t size, uint64_t *ret)
{
	uint8_t raw[8] = {0};
	enum vds_why why = vds_process_read(process, va, raw, size);

	*ret = 0;
	for (size_t i = size; !why && i-- > 0;)
		*ret = *ret << 8 | raw[i];
	return why;
}

/* The value of a member of a structure in user space; 0 if it can't be had. */
static uint64_t user_member(const struct context *c, uint64_t va,
			    const char *type, const char *path)
{
	struct vds_member_info member;
	uint64_t value;

	if (!va || !vds_type_member_find(vds_type_find(c->run, type), path,
					 &member) ||
	    !member.size || member.size > 8 ||
	    user_uint(c->process, va + member.offset, (size_t)member.size,
		      &value))
		return 0;
	return value;
}

/* Heaps that a PEB is allowed to name. */
#define MAX_HEAPS 1024

static void mark_heaps(struct context *c, uint64_t peb, const char *type,
		       size_t pointer)
{
	uint64_t count = user_member(c, peb, type, "NumberOfHeaps");
	uint64_t list = user_member(c, peb, type, "ProcessHeaps");

	mark(c, user_member(c, peb, type, "ProcessHeap"), HEAP);
	for (uint64_t i = 0; list && i < count && i < MAX_HEAPS; i++) {
		uint64_t heap;

		if (user_uint(c->process, list + i * pointer, pointer, &heap))
			break;
		mark(c, heap, HEAP);
	}
}

/* What lies in a heap's list of further segments; each begins a VAD's part. */
static void mark_segments(struct context *c)
{
	const struct vds_type *heap = vds_type_find(c->run, "_HEAP");
	const struct vds_type *segment =
		vds_type_find(c->run, "_HEAP_SEGMENT");
	struct vds_member_info list, entry;
	size_t heaps = c->num_marks;

	if (!vds_type_member_find(heap, "SegmentList", &list) ||
	    !vds_type_member_find(segment, "SegmentListEntry", &entry))
		return;
	for (size_t i = 0; i < heaps; i++) {
		struct vds_list_iter *it;
		uint64_t at, head = c->marks[i].va + list.offset;

		if (c->marks[i].class != HEAP ||
		    user_member(c, c->marks[i].va, "_HEAP", "Signature") !=
			    0xeeffeeff || user_uint(c->process, head, 8, &at))
			continue;
		it = vds_list_iterate(c->run, c->process, head, entry.offset);
		while (c->num_marks < c->max_marks && vds_list_next(it, &at))
			mark(c, at, HEAP);
	}
}

static void mark_threads(struct context *c)
{
	const struct vds_type *eprocess = vds_type_find(c->run, "_EPROCESS");
	const struct vds_type *ethread = vds_type_find(c->run, "_ETHREAD");
	struct vds_member_info head, link;
	struct vds_list_iter *it;
	uint64_t thread, teb;

	if (!c->process->threads ||
	    !vds_type_member_find(eprocess, "ThreadListHead", &head) ||
	    !vds_type_member_find(ethread, "ThreadListEntry", &link))
		return;
	it = vds_list_iterate(c->run, NULL, c->process->eprocess + head.offset,
			      link.offset);
	while (c->num_marks < c->max_marks && vds_list_next(it, &thread)) {
		if (vds_kernel_member(c->run, thread, ethread, "Tcb.Teb",
				      &teb))
			continue;
		mark(c, teb, PEB_TEB);
		mark(c, user_member(c, teb, "_TEB", "DeallocationStack"),
		     STACK);
	}
}

static int compare(const void *pa, const void *pb)
{
	const struct mark *a = pa, *b = pb;

	if (a->va != b->va)
		return a->va < b->va ? -1 : 1;
	return (int)a->class - (int)b->class;
}

static struct vds_error *read_marks(struct context *c)
{
	c->max_marks = MAX_MARKS;
	c->marks = vds_alloc(c->run, c->max_marks, sizeof(*c->marks));
	if (!c->marks)
		return &vds_enomem;
	mark_heaps(c, c->process->peb, "_PEB", 8);
	mark_heaps(c, c->process->peb32, "_PEB32", 4);
	mark_segments(c);
	mark_threads(c);
	mark(c, c->process->peb, PEB_TEB);
	mark(c, c->process->peb32, PEB_TEB);
	qsort(c->marks, c->num_marks, sizeof(*c->marks), compare);
	return NULL;
}

/* The class of private memory: that of the first mark in it, or private. */
static enum class marked(const struct context *c, const struct vds_vad *vad)
{
	size_t low = 0, high = c->num_marks;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->marks[mid].va < vad->start)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < c->num_marks && c->marks[low].va <= vad->end)
		return c->marks[low].class;
	return PRIVATE;
}

static enum class classify(const struct context *c, const struct vds_vad *vad,
			   const struct vds_section *section)
{
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

/* Counts the tables above an entry that was not counted yet. */
static void count_tables(struct context *c, const struct vds_table_entry *e)
{
	for (unsigned int level = e->level; level <= 4; level++) {
		/* The table of @level covers this much. */
		uint64_t id = (e->va >> (12 + 9 * level)) + 1;

		if (c->last_table[level] == id)
			break;
		c->last_table[level] = id;
		c->tables++;
	}
}

static bool visit(void *ctx, const struct vds_table_entry *entry)
{
	struct context *c = ctx;
	struct counters *r = &c->region;
	struct vds_page page;
	struct vds_pfn pfn;

	count_tables(c, entry);
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

static struct vds_error *emit_classes(struct context *c)
{
	struct counters *tables = &c->classes[PAGE_TABLE];
	struct vds_error *err = NULL;

	/* The top table, and those below it that lead somewhere. */
	tables->blocks = c->tables + (c->process->dtb != 0);
	tables->size = tables->committed = tables->private =
		tables->total_ws = tables->private_ws = tables->blocks * PAGE;
	for (int i = 0; !err && i < NUM_CLASSES; i++) {
		struct vds_value row[NUM_COLUMNS] = {0};

		if (!c->classes[i].blocks)
			continue;
		fill(c, (enum class)i, &c->classes[i], row);
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
	struct vds_error *err = read_marks(&c);

	if (!process->vad_root)
		return err;
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
	if (!err && !c.by_region)
		err = emit_classes(&c);
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
