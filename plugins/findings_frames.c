/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that private memory of several processes has in common, though no
 * section makes them share. What explains it is named: page combining, process
 * clones, KUSER_SHARED_DATA, memory that a driver mapped, AWE, large pages.
 *
 * A page belongs to the process in whose page table the PFN database says that
 * its PTE lies (MMPFN.u4.PteFrame); only what contradicts that is looked at.
 */
#include <stdlib.h>
#include <string.h>

#include <vadose/pfn.h>
#include <vadose/table.h>

#include "findings.h"

#define PAGE 4096
/*
 * KUSER_SHARED_DATA: where the kernel has it, and where processes have it, up to
 * Windows 10 1709 without a VAD (ntddk.h, KI_USER_SHARED_DATA and
 * MM_SHARED_USER_DATA_VA).
 */
#define KUSER 0xfffff78000000000
#define KUSER_OF_PROCESS 0x7ffe0000
/* Such frames of one process, at most; what lies beyond is not compared. */
#define MAX_FRAMES ((size_t)1 << 16)
/* Other processes that a row counts. */
#define MAX_PEERS 16

enum cause {
	CAUSE_UNKNOWN,
	CAUSE_KUSER,
	CAUSE_COMBINED,
	CAUSE_CLONE,
	CAUSE_SECTION,
	CAUSE_MDL,
	CAUSE_DEVICE,
	CAUSE_AWE,
	CAUSE_LARGE,
	CAUSE_ROTATE,
	NUM_CAUSES,
};

static const char *const cases[NUM_CAUSES] = {
	[CAUSE_UNKNOWN] = "unexplained",
	[CAUSE_KUSER] = "kuser",
	[CAUSE_COMBINED] = "combined",
	[CAUSE_CLONE] = "clone",
	[CAUSE_SECTION] = "section",
	[CAUSE_MDL] = "mdl",
	[CAUSE_DEVICE] = "device",
	[CAUSE_AWE] = "awe",
	[CAUSE_LARGE] = "large",
	[CAUSE_ROTATE] = "rotate",
};

/* What proves it, as the row says it. */
static const char *const causes[NUM_CAUSES] = {
	[CAUSE_UNKNOWN] = "nothing explains it",
	[CAUSE_KUSER] = "KUSER_SHARED_DATA: the kernel has that frame at its fixed address",
	[CAUSE_COMBINED] = "page combining: its PFN entry is that of a prototype page, of no section",
	[CAUSE_CLONE] = "process clone: its PFN entry is that of a prototype page, and both processes have a CloneRoot",
	[CAUSE_SECTION] = "a page of a section, which was mapped here without a view",
	/* MmMapLockedPagesSpecifyCache() makes such VADs (so ReactOS's mdlsup.c);
	 * those of \\Device\\PhysicalMemory have a section. */
	[CAUSE_MDL] = "mapped by a driver (MDL): the VAD is of type VadDevicePhysicalMemory, without a section",
	[CAUSE_DEVICE] = "device memory: the VAD is of type VadDevicePhysicalMemory, and the frame has no PFN entry",
	[CAUSE_AWE] = "AWE: the VAD is of type VadAwe",
	[CAUSE_LARGE] = "large pages: the VAD is of type VadLargePages",
	[CAUSE_ROTATE] = "graphics memory: the VAD is of type VadRotatePhysical",
};

/* A page of a process that the PFN database does not give to it alone. */
struct frame {
	uint64_t pa, va, node;
	uint32_t process;
	uint8_t type;		/* enum vds_vad_type */
	bool writable, executable;
	bool disowned;		/* the database gives it to another process */
};

struct frames {
	struct frame *list;
	size_t count, cap;
};

struct frame_search {
	const struct vds_pfn_index *index;
	struct frames *frames;	/* by process */
	uint64_t kuser;		/* its frame, or 0 */
};

static void add_frame(struct frame_walk *w, struct frame frame)
{
	struct frames *f = w->frames;
	if (f->count == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 64;
		struct frame *more = vds_alloc(w->run, cap, sizeof(*more));
		if (!more) {
			w->nomem = true;
			return;
		}
		if (f->count)
			memcpy(more, f->list, f->count * sizeof(*more));
		f->list = more;
		f->cap = cap;
	}
	f->list[f->count++] = frame;
}

/* The process that the PFN database gives the page to, if it has it indeed. */
static void add_owner(struct frame_walk *w, uint64_t pa)
{
	struct vds_page_owner owner;
	struct vds_translation t;
	struct vds_pfn pfn;
	if (vds_pfn_at(w->process, pa / PAGE, &pfn))
		return;
	vds_pfn_owner(w->run, w->search->index, &pfn, &owner);
	if (owner.kind != VDS_OWNER_PROCESS || !owner.has_process ||
	    owner.process == w->process->index)
		return;
	const struct vds_process *p = vds_process_at(w->run, owner.process);
	if (!p)
		return;
	vds_translate(w->run, p, owner.va, &t);
	if (t.why || !t.hardware || (t.pa & ~(uint64_t)(PAGE - 1)) != pa)
		return;
	add_frame(w, (struct frame){.pa = pa, .va = owner.va & ~(uint64_t)(PAGE - 1),
				    .process = (uint32_t)owner.process,
				    .writable = t.writable,
				    .executable = t.executable});
}

bool frame_walk_visit(struct frame_walk *w, const struct vds_table_entry *e)
{
	struct vds_pfn pfn;
	if (e->why || !e->valid)
		return true;
	enum vds_why why = vds_pfn_at(w->process, e->pa / PAGE, &pfn);
	bool plain = e->level == 1 && !why && !pfn.prototype;
	/* The entry that the database names is this one's table's. */
	if (plain && pfn.pte_frame == e->entry_pa / PAGE)
		return true;
	add_frame(w, (struct frame){
		.pa = e->pa, .va = e->va, .node = w->vad ? w->vad->node : 0,
		.process = (uint32_t)w->process->index,
		.type = (uint8_t)(w->vad ? w->vad->type : VDS_VAD_NONE),
		.writable = e->writable, .executable = e->executable,
		.disowned = plain && pfn.pte_frame});
	return !w->nomem && w->frames->count < MAX_FRAMES;
}

/* Memory without a section of its own; a section's pages are shared by it. */
static bool is_of_no_section(const struct vds_vad *vad)
{
	if (vad->type == VDS_VAD_DEVICE_PHYSICAL)
		return !vad->has_section;
	return vad->is_private || vad->type == VDS_VAD_AWE ||
	       vad->type == VDS_VAD_LARGE_PAGES ||
	       vad->type == VDS_VAD_ROTATE_PHYSICAL;
}

void frame_walk_init(struct frame_walk *w, struct vds_run *run,
		     const struct scene *scene, const struct vds_process *p)
{
	*w = (struct frame_walk){
		.run = run, .search = scene->frames, .process = p,
		.frames = &scene->frames->frames[p->index],
		.idle = p->exited || p->kind == VDS_PROCESS_SYSTEM,
	};
}

bool frame_walk_enter(struct frame_walk *w, const struct vds_vad *vad)
{
	w->vad = vad;
	return !w->idle && !w->nomem && w->frames->count < MAX_FRAMES &&
	       is_of_no_section(vad);
}

static bool visit(void *ctx, const struct vds_table_entry *e)
{
	return frame_walk_visit(ctx, e);
}

struct vds_error *frame_walk_finish(struct frame_walk *w)
{
	w->vad = NULL;
	if (!w->idle && !w->nomem)
		vds_tables_walk(w->process, KUSER_OF_PROCESS,
				KUSER_OF_PROCESS + PAGE - 1, visit, w);
	return w->nomem ? &vds_enomem : NULL;
}

static int compare_frames(const void *pa, const void *pb)
{
	const struct frame *a = pa, *b = pb;
	if (a->pa != b->pa)
		return a->pa < b->pa ? -1 : 1;
	if (a->process != b->process)
		return a->process < b->process ? -1 : 1;
	if (a->va != b->va)
		return a->va < b->va ? -1 : 1;
	/* An owner that the database named comes after what was walked. */
	return a->node > b->node ? -1 : a->node < b->node;
}

static bool has_type(const struct frame *frames, size_t n,
		     enum vds_vad_type type)
{
	for (size_t i = 0; i < n; i++) {
		if (frames[i].type == type)
			return true;
	}
	return false;
}

static enum cause cause_of_prototype(struct vds_run *run,
				     const struct scene *scene,
				     const struct vds_pfn *pfn,
				     const struct frame *frames, size_t n)
{
	struct vds_page_owner owner;
	vds_pfn_owner(run, scene->frames->index, pfn, &owner);
	if (owner.control_area)
		return CAUSE_SECTION;
	for (size_t i = 0; i < n; i++) {
		if (!scene->who[frames[i].process].cloned)
			return CAUSE_COMBINED;
	}
	return CAUSE_CLONE;
}

static enum cause cause_of(struct vds_run *run, const struct scene *scene,
			   const struct vds_pfn *pfn, bool has_pfn,
			   const struct frame *frames, size_t n)
{
	uint64_t kuser = scene->frames->kuser;
	if (kuser && frames->pa == kuser)
		return CAUSE_KUSER;
	if (has_type(frames, n, VDS_VAD_DEVICE_PHYSICAL))
		return has_pfn ? CAUSE_MDL : CAUSE_DEVICE;
	if (has_type(frames, n, VDS_VAD_AWE))
		return CAUSE_AWE;
	if (has_type(frames, n, VDS_VAD_LARGE_PAGES))
		return CAUSE_LARGE;
	if (has_type(frames, n, VDS_VAD_ROTATE_PHYSICAL))
		return CAUSE_ROTATE;
	return has_pfn && pfn->prototype ?
		       cause_of_prototype(run, scene, pfn, frames, n) :
		       CAUSE_UNKNOWN;
}

/* All frames that one process, the first of those, has for one cause. */
struct tally {
	uint64_t pages;
	struct frame first, other;
	uint32_t peers[MAX_PEERS];
	size_t num_peers;
	bool writable;		/* two processes may write to some page */
	bool executable;	/* one of them may execute some page */
	bool uncounted;		/* the database counts fewer PTEs than we */
};

static void add_peer(struct tally *t, uint32_t process)
{
	for (size_t i = 0; i < t->num_peers; i++) {
		if (t->peers[i] == process)
			return;
	}
	if (t->num_peers < MAX_PEERS)
		t->peers[t->num_peers++] = process;
}

/* The frame that @frames, of @n entries, have in common. */
static void count_frame(struct vds_run *run, const struct scene *scene,
			const struct frame *frames, size_t n,
			struct tally *tallies)
{
	const struct vds_process *any = vds_process_at(run, 0);
	struct vds_pfn pfn = {0};
	bool has_pfn = any && !vds_pfn_at(any, frames->pa / PAGE, &pfn);
	enum cause cause = cause_of(run, scene, &pfn, has_pfn, frames, n);
	struct tally *t = &tallies[frames->process * NUM_CAUSES + cause];
	uint32_t last = frames->process;
	size_t writers = frames->writable, processes = 1;
	if (!t->pages++)
		t->first = frames[0];
	t->executable |= frames->executable;
	for (size_t i = 1; i < n; i++) {
		if (frames[i].process == last)
			continue;
		last = frames[i].process;
		if (!t->num_peers)
			t->other = frames[i];
		add_peer(t, last);
		processes++;
		writers += frames[i].writable;
		t->executable |= frames[i].executable;
	}
	t->writable |= writers >= 2;
	t->uncounted |= has_pfn && pfn.share_count < processes;
}

static const char *others_of(struct vds_run *run, const struct tally *t)
{
	if (t->num_peers == 1)
		return "";
	return vds_sprintf(run, t->num_peers == MAX_PEERS ?
				   " and at least %zu more" : " and %zu more",
			   t->num_peers - 1);
}

static struct vds_error *report(struct vds_run *run, const struct scene *scene,
				const struct tally *t, enum cause cause)
{
	const struct vds_process *p = vds_process_at(run, t->first.process);
	const struct vds_process *q = vds_process_at(run, t->other.process);
	struct finding f;
	struct vds_vad vad;
	if (!p || !q || (!p->selected && !q->selected) ||
	    !finding_init(&f, scene, "same-frame"))
		return NULL;
	finding_process(&f, run, p);
	finding_process(&f, run, q);
	if (t->first.node && !vds_vad_at(p, t->first.node, &vad))
		f.vad = &vad;
	if (cause != CAUSE_UNKNOWN) {
		finding_add(&f, "explained", causes[cause]);
	} else {
		if (t->writable)
			finding_add(&f, "writable", "both may write to it");
		if (t->executable)
			finding_add(&f, "executable", "it may be executed");
		if (t->uncounted)
			finding_add(&f, "uncounted", "the PFN database counts fewer: the page may have changed hands while the image was taken");
	}
	f.process = p;
	f.which = cases[cause];
	f.message = vds_sprintf(
		run, "%llu frames (the first 0x%llx, at 0x%llx) are memory of PID %u (at 0x%llx)%s, too, without a section: %s",
		(unsigned long long)t->pages,
		(unsigned long long)(t->first.pa / PAGE),
		(unsigned long long)t->first.va, q->pid,
		(unsigned long long)t->other.va, others_of(run, t),
		causes[cause]);
	return finding_emit(&f, run, scene);
}

static struct vds_error *report_all(struct vds_run *run,
				    const struct scene *scene,
				    const struct frame *list, size_t count)
{
	size_t n = vds_num_processes(run);
	struct tally *tallies = vds_alloc(run, (n + 1) * NUM_CAUSES,
					  sizeof(*tallies));
	struct vds_error *err = tallies ? NULL : &vds_enomem;
	for (size_t i = 0, end; !err && i < count; i = end) {
		for (end = i + 1; end < count && list[end].pa == list[i].pa;)
			end++;
		if (list[end - 1].process != list[i].process)
			count_frame(run, scene, list + i, end - i, tallies);
	}
	for (size_t i = 0; !err && i < n * NUM_CAUSES; i++) {
		if (tallies[i].pages)
			err = report(run, scene, &tallies[i],
				     (enum cause)(i % NUM_CAUSES));
	}
	return err;
}

struct vds_error *frame_search_begin(struct vds_run *run, struct scene *scene)
{
	struct frame_search *s = vds_alloc(run, 1, sizeof(*s));
	struct vds_translation t;
	if (!s)
		return &vds_enomem;
	vds_translate(run, NULL, KUSER, &t);
	if (!t.why)
		s->kuser = t.pa & ~(uint64_t)(PAGE - 1);
	s->frames = vds_alloc(run, vds_num_processes(run) + 1,
			      sizeof(*s->frames));
	scene->frames = s;
	return s->frames ? NULL : &vds_enomem;
}

/* Adds to the frames of one process those who have them by the database. */
static struct vds_error *add_owners(struct vds_run *run, size_t index,
				    void *ctx)
{
	const struct vds_process *p = vds_process_at(run, index);
	struct frame_walk w;
	if (!p)
		return &vds_enomem;
	frame_walk_init(&w, run, ctx, p);
	for (size_t i = 0, n = w.frames->count; i < n && !w.nomem; i++) {
		if (w.frames->list[i].disowned)
			add_owner(&w, w.frames->list[i].pa);
	}
	return w.nomem ? &vds_enomem : NULL;
}

struct vds_error *find_same_frames(struct vds_run *run,
				   const struct scene *scene)
{
	size_t n = vds_num_processes(run), count = 0;
	const struct frames *frames = scene->frames->frames;
	struct vds_error *err = vds_pfn_index_load(run, &scene->frames->index);
	if (!err)
		err = vds_parallel(run, n, add_owners, (void *)scene);
	if (err)
		return err;
	for (size_t i = 0; i < n; i++)
		count += frames[i].count;
	struct frame *list = vds_alloc(run, count + 1, sizeof(*list));
	if (!list)
		return &vds_enomem;
	count = 0;
	for (size_t i = 0; i < n; i++) {
		if (frames[i].count)
			memcpy(list + count, frames[i].list,
			       frames[i].count * sizeof(*list));
		count += frames[i].count;
	}
	qsort(list, count, sizeof(*list), compare_frames);
	return report_all(run, scene, list, count);
}
