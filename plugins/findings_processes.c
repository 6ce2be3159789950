/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about processes, their private memory, and frames in common. */
#include <stdlib.h>
#include <string.h>

#include <vadose/page.h>

#include "findings.h"

#define PAGE 4096

static struct vds_error *hidden(struct vds_run *run, const struct scene *scene,
				const struct vds_process *p)
{
	const uint32_t lists = VDS_SOURCE_ACTIVE_LINKS |
			       VDS_SOURCE_ACTIVE_BLINKS | VDS_SOURCE_INITIAL;
	uint32_t others = p->sources & ~lists;
	struct finding f;
	if (p->sources & lists || p->exited || !others ||
	    p->kind == VDS_PROCESS_IDLE ||
	    !finding_init(&f, scene, "hidden-process"))
		return NULL;
	finding_process(&f, run, p);
	/* More than one bit: sources that don't depend on each other. */
	if (others & (others - 1))
		finding_add(&f, "two_sources", "two other sources have it");
	f.process = p;
	f.message = "the process lives, and is not in the list of processes";
	return finding_emit(&f, run, scene);
}

static const struct vds_process *parent_of(struct vds_run *run,
					   const struct vds_process *p)
{
	for (size_t i = 0; i < vds_num_processes(run); i++) {
		const struct vds_process *q = vds_process_at(run, i);
		if (q && q->pid == p->ppid && q->eprocess != p->eprocess)
			return q;
	}
	return NULL;
}

/*
 * A fork: EPROCESS.CloneRoot is set in both, and the child runs its parent's
 * program. (RtlCreateProcessReflection, PssCaptureSnapshot.)
 */
static struct vds_error *clone(struct vds_run *run, const struct scene *scene,
			       const struct vds_process *p)
{
	const struct vds_type *type = vds_type_find(run, "_EPROCESS");
	const struct vds_process *parent;
	struct finding f;
	uint64_t root = 0;
	if (vds_kernel_member(run, p->eprocess, type, "CloneRoot", &root) ||
	    !root || !(parent = parent_of(run, p)) ||
	    !same_program(p, parent) ||
	    !finding_init(&f, scene, "process-clone"))
		return NULL;
	finding_process(&f, run, p);
	finding_process(&f, run, parent);
	if (p->name && vds_match("lsass.exe", p->name))
		finding_add(&f, "lsass", "it is lsass that was cloned");
	f.process = p;
	f.message = vds_sprintf(run, "a clone of PID %u, made by a fork",
				parent->pid);
	return finding_emit(&f, run, scene);
}

/* What the first page of a region holds of a program. */
enum pe_trace { PE_NONE, PE_WHOLE, PE_WIPED };

static bool is_pe_at(const uint8_t *page, size_t at)
{
	if (at + 6 > 4096 || memcmp(page + at, "PE\0\0", 4))
		return false;
	unsigned int machine = le16(page + at + 4);
	return machine == 0x8664 || machine == 0x14c || machine == 0xaa64;
}

static enum pe_trace pe_trace(const uint8_t *page)
{
	size_t at = le16(page + 0x3c);
	if (page[0] == 'M' && page[1] == 'Z' && is_pe_at(page, at))
		return PE_WHOLE;
	/* Who wipes the DOS header often leaves the rest. */
	for (at = 0x40; at < 0x400; at += 8) {
		if (is_pe_at(page, at))
			return PE_WIPED;
	}
	return PE_NONE;
}

static struct vds_error *private_pe(struct vds_run *run,
				    const struct scene *scene,
				    const struct vds_process *p,
				    const struct vds_vad *vad)
{
	uint8_t page[4096];
	struct finding f;
	if (!vad->is_private || !vds_protection_executable(vad->protection) ||
	    vds_process_read(p, vad->start, page, sizeof(page)))
		return NULL;
	enum pe_trace trace = pe_trace(page);
	if (trace == PE_NONE ||
	    !finding_init(&f, scene, "private-executable-pe"))
		return NULL;
	finding_vad(&f, run, p, vad);
	uint64_t base = 0;
	if (p->peb) {
		struct vds_member_info m;
		uint8_t raw[8];
		if (vds_type_member_find(vds_type_find(run, "_PEB"),
					 "ImageBaseAddress", &m) &&
		    m.size == 8 &&
		    !vds_process_read(p, p->peb + m.offset, raw, 8)) {
			for (size_t i = 8; i-- > 0;)
				base = base << 8 | raw[i];
		}
	}
	if (base == vad->start)
		finding_add(&f, "image_base",
			    "the PEB names it as the process's image");
	if (trace == PE_WIPED)
		finding_add(&f, "wiped_header", "its DOS header is wiped");
	f.process = p;
	f.vad = vad;
	f.message = "private executable memory begins with a program";
	return finding_emit(&f, run, scene);
}

struct vds_error *find_in_process(struct vds_run *run,
				  const struct scene *scene,
				  const struct vds_process *p)
{
	struct vds_error *err = hidden(run, scene, p);
	if (!err)
		err = clone(run, scene, p);
	if (err)
		return err;
	struct vds_vad_iter *it = vds_vad_iterate(p);
	const struct vds_vad *vad;
	while (!err && (vad = vds_vad_next(it)))
		err = private_pe(run, scene, p, vad);
	return err;
}

/* A private page of a process, by its frame. */
struct frame {
	uint64_t pa, va, node;
	uint32_t process, protection;
};

/* Frames of one process, at most; what lies beyond is not compared. */
#define MAX_FRAMES ((size_t)1 << 16)

struct frames {
	struct frame *list;
	size_t count;
};

static struct vds_error *collect(struct vds_run *run, size_t index, void *ctx)
{
	struct frames *frames = &((struct frames *)ctx)[index];
	const struct vds_process *p = vds_process_at(run, index);
	if (!p || p->exited || p->kind == VDS_PROCESS_SYSTEM)
		return p ? NULL : &vds_enomem;
	size_t cap = 0;
	struct vds_vad_iter *it = vds_vad_iterate(p);
	const struct vds_vad *vad;
	while ((vad = vds_vad_next(it)) && frames->count < MAX_FRAMES) {
		/*
		 * Device memory, AWE and large pages are shared on purpose, and
		 * so are KUSER_SHARED_DATA and its neighbour, the hypervisor's.
		 */
		if (!vad->is_private || vad->type != VDS_VAD_NONE ||
		    (vad->start >= 0x7ffe0000 && vad->end <= 0x7ffeffff))
			continue;
		for (uint64_t va = vad->start;
		     va <= vad->end && frames->count < MAX_FRAMES;) {
			struct vds_page page;
			vds_page_at(p, vad, va, &page);
			uint64_t span = page.absent_span ? page.absent_span :
							   PAGE;
			uint64_t here = va;
			/* To the next address that a table may describe. */
			va = (va | (span - 1)) + 1;
			if (page.via != VDS_VIA_HARDWARE ||
			    (page.state != VDS_PAGE_PRESENT &&
			     page.state != VDS_PAGE_OUT_OF_IMAGE) ||
			    page.page_size != PAGE)
				continue;
			if (frames->count == cap) {
				size_t more = cap ? cap * 2 : 64;
				struct frame *list = vds_alloc(
					run, more, sizeof(*list));
				if (!list)
					return &vds_enomem;
				if (cap)
					memcpy(list, frames->list,
					       cap * sizeof(*list));
				frames->list = list;
				cap = more;
			}
			frames->list[frames->count++] = (struct frame){
				page.pa, here, vad->node, (uint32_t)index,
				vad->protection};
		}
	}
	return NULL;
}

static int compare_frames(const void *pa, const void *pb)
{
	const struct frame *a = pa, *b = pb;
	if (a->pa != b->pa)
		return a->pa < b->pa ? -1 : 1;
	if (a->process != b->process)
		return a->process < b->process ? 1 : -1;
	return a->va < b->va ? -1 : a->va > b->va;
}

static struct vds_error *report(struct vds_run *run, const struct scene *scene,
				const struct frame *a, const struct frame *b)
{
	const struct vds_process *p = vds_process_at(run, a->process);
	const struct vds_process *q = vds_process_at(run, b->process);
	struct finding f;
	if (!p || !q || !finding_init(&f, scene, "same-frame"))
		return NULL;
	struct vds_vad vad;
	finding_process(&f, run, p);
	finding_process(&f, run, q);
	if (!vds_vad_at(p, a->node, &vad))
		f.vad = &vad;
	if (vds_protection_writable(a->protection) &&
	    vds_protection_writable(b->protection))
		finding_add(&f, "writable", "both may write to it");
	f.process = p;
	f.message = vds_sprintf(
		run, "frame 0x%llx is private memory here at 0x%llx, and of PID %u at 0x%llx",
		(unsigned long long)(a->pa >> 12), (unsigned long long)a->va,
		q->pid, (unsigned long long)b->va);
	return finding_emit(&f, run, scene);
}

struct vds_error *find_same_frames(struct vds_run *run,
				   const struct scene *scene)
{
	size_t n = vds_num_processes(run), all = 0;
	struct frames *frames = vds_alloc(run, n + 1, sizeof(*frames));
	if (!frames)
		return &vds_enomem;
	struct vds_error *err = vds_parallel(run, n, collect, frames);
	for (size_t i = 0; i < n; i++)
		all += frames[i].count;
	struct frame *list = err ? NULL : vds_alloc(run, all + 1,
						    sizeof(*list));
	if (!list)
		return err ? err : &vds_enomem;
	all = 0;
	for (size_t i = 0; i < n; i++) {
		if (frames[i].count)
			memcpy(list + all, frames[i].list,
			       frames[i].count * sizeof(*list));
		all += frames[i].count;
	}
	qsort(list, all, sizeof(*list), compare_frames);
	/* One row per pair of regions: later pages of them say the same. */
	uint64_t node = 0;
	for (size_t i = 1; !err && i < all; i++) {
		if (list[i].pa != list[i - 1].pa ||
		    list[i].process == list[i - 1].process ||
		    list[i].node == node)
			continue;
		node = list[i].node;
		err = report(run, scene, &list[i], &list[i - 1]);
	}
	return err;
}
