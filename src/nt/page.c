/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/page.h"

#include <string.h>

#include "base/util.h"
#include "nt/task.h"
#include "vadose/section.h"

const char *vds_page_state_str(enum vds_page_state state)
{
	static const char *const names[] = {
		[VDS_PAGE_UNKNOWN_FORMAT] = "unknown-format",
		[VDS_PAGE_PRESENT] = "present",
		[VDS_PAGE_TRANSITION] = "transition",
		[VDS_PAGE_DEMAND_ZERO] = "demand-zero",
		[VDS_PAGE_UNTOUCHED_SHARED] = "untouched",
		[VDS_PAGE_FILE_NOT_RESIDENT] = "file",
		[VDS_PAGE_PAGEFILE] = "pagefile",
		[VDS_PAGE_COMPRESSED] = "compressed",
		[VDS_PAGE_DECOMMITTED] = "decommitted",
		[VDS_PAGE_GUARD] = "guard",
		[VDS_PAGE_NOACCESS] = "no-access",
		[VDS_PAGE_RESERVED] = "reserved",
		[VDS_PAGE_UNREADABLE_TABLE] = "unreadable-table",
		[VDS_PAGE_UNREADABLE_PROTO] = "unreadable-prototype",
		[VDS_PAGE_OUT_OF_IMAGE] = "out-of-image",
	};
	return (size_t)state < VDS_ARRAY_SIZE(names) ? names[state] :
						       "unknown";
}

/* One page being looked up. */
struct lookup {
	const struct vds_process *process;
	const struct vds_kernel *kernel;
	struct vds_tlb *tlb;
	const struct vds_vad *vad;	/* may be NULL */
	uint64_t va;			/* of the page */
	struct vds_page *page;
};

static bool is_in_image(const struct lookup *l, uint64_t pa)
{
	const struct vds_range *range = vds_image_range_at(l->kernel->image,
							   pa);
	return range && range->kind != VDS_RANGE_UNREADABLE;
}

static void set_resident(struct lookup *l, enum vds_page_state state,
			 uint64_t pa)
{
	l->page->pa = pa;
	l->page->state = is_in_image(l, pa) ? state : VDS_PAGE_OUT_OF_IMAGE;
}

static void set_protection(struct lookup *l, uint32_t protection)
{
	l->page->protection = protection;
	l->page->protection_why = VDS_PRESENT;
}

/* Forms that mean the same in a page table and in a prototype array. */
static void set_software(struct lookup *l, const struct vds_pte *pte)
{
	struct vds_page *page = l->page;
	switch (pte->kind) {
	case VDS_PTE_DEMAND_ZERO:
		page->state = VDS_PAGE_DEMAND_ZERO;
		break;
	case VDS_PTE_DECOMMITTED:
		page->state = VDS_PAGE_DECOMMITTED;
		break;
	case VDS_PTE_GUARD:
		page->state = VDS_PAGE_GUARD;
		break;
	case VDS_PTE_NOACCESS:
		page->state = VDS_PAGE_NOACCESS;
		break;
	case VDS_PTE_PAGEFILE:
		page->state = pte->compressed ? VDS_PAGE_COMPRESSED :
						VDS_PAGE_PAGEFILE;
		page->pagefile = pte->pagefile;
		page->pagefile_offset = pte->pagefile_offset;
		break;
	case VDS_PTE_SUBSECTION:
		page->subsection = pte->address;
		page->state = VDS_PAGE_FILE_NOT_RESIDENT;
		break;
	case VDS_PTE_POINTER:
		page->state = VDS_PAGE_FILE_NOT_RESIDENT;
		break;
	case VDS_PTE_ZERO:
		page->state = VDS_PAGE_RESERVED;
		break;
	default:
		page->state = VDS_PAGE_UNKNOWN_FORMAT;
	}
}

static enum vds_why read_proto(struct lookup *l, uint64_t address,
			       struct vds_pte *pte)
{
	struct vds_page *page = l->page;
	page->proto = address;
	page->proto_why = vds_read_prototype(l->kernel, l->tlb, address,
					     &page->proto_pte);
	if (!page->proto_why)
		vds_pte_decode_proto(&l->kernel->pte, page->proto_pte, pte);
	return page->proto_why;
}

/* The page is whatever its prototype says; @touched: its own PTE isn't 0. */
static void take_proto(struct lookup *l, uint64_t address, bool touched)
{
	struct vds_pte pte;
	if (read_proto(l, address, &pte))
		l->page->state = VDS_PAGE_UNREADABLE_PROTO;
	else if (pte.kind == VDS_PTE_VALID || pte.kind == VDS_PTE_TRANSITION)
		set_resident(l, !touched ? VDS_PAGE_UNTOUCHED_SHARED :
			     pte.kind == VDS_PTE_VALID ? VDS_PAGE_PRESENT :
							 VDS_PAGE_TRANSITION,
			     pte.pa);
	else
		set_software(l, &pte);
}

/* True if the view's pages have prototypes that the VAD leads to. */
static bool has_prototypes(const struct vds_vad *vad)
{
	switch (vad->type) {
	case VDS_VAD_DEVICE_PHYSICAL:
	case VDS_VAD_AWE:
	case VDS_VAD_LARGE_PAGES:
	case VDS_VAD_WRITE_WATCH:
		return false;	/* the hardware's tables alone know */
	default:
		return !vad->is_private;
	}
}

static void take_place(struct lookup *l, const struct vds_proto_place *place,
		       bool touched)
{
	struct vds_page *page = l->page;
	page->subsection = place->subsection;
	switch (place->why) {
	case VDS_PRESENT:
		take_proto(l, place->address, touched);
		break;
	case VDS_PAGED_OUT:	/* a subsection that has no array yet */
		page->state = VDS_PAGE_FILE_NOT_RESIDENT;
		page->proto_why = VDS_NOT_APPLICABLE;
		break;
	case VDS_NOT_MAPPED:	/* the view is longer than its section */
		page->state = VDS_PAGE_RESERVED;
		page->proto_why = VDS_NOT_APPLICABLE;
		break;
	default:
		page->state = VDS_PAGE_UNREADABLE_PROTO;
		page->proto_why = place->why;
	}
}

/* An image's PTEs are one block, its subsections in order of it. */
static const struct vds_subsection *
part_of_image(const struct vds_section *section, uint64_t pte)
{
	const struct vds_subsection *list = section->subsections;
	size_t low = 0, high = section->num_subsections;
	if (!high || pte < list[0].base)
		return NULL;
	uint64_t page = (pte - list[0].base) / 8;
	while (high - low > 1) {
		size_t mid = low + (high - low) / 2;
		if (list[mid].first_page <= page)
			low = mid;
		else
			high = mid;
	}
	return page - list[low].first_page < list[low].ptes ? &list[low] :
							      NULL;
}

/*
 * What a page may be used for as long as its own PTE doesn't say: in views of
 * data what the view was mapped for. An image's VAD says EXECUTE_WRITECOPY of
 * all of it; each page takes what its part of the file is for (VirtualQuery of an
 * untouched page tells the same).
 */
static void set_initial_protection(struct lookup *l)
{
	const struct vds_vad *vad = l->vad;
	const struct vds_section *section;
	const struct vds_subsection *sub;
	uint64_t index = (l->va - vad->start) >> VDS_PAGE_SHIFT;

	if (vad->type != VDS_VAD_IMAGE || !vad->has_section) {
		set_protection(l, vad->protection);
		return;
	}
	section = vds_vad_section(l->process, vad);
	if (!section || section->why) {
		l->page->protection_why = section ? section->why :
						    VDS_BAD_DATA;
		return;
	}
	sub = part_of_image(section, vad->first_prototype_pte + 8 * index);
	if (sub)
		set_protection(l, sub->protection);
	else	/* longer than its section, or that is broken */
		l->page->protection_why = section->subsections_complete ?
			VDS_NOT_APPLICABLE : VDS_BAD_DATA;
}

/* The page tables say nothing, or "ask the VAD". */
static void ask_vad(struct lookup *l, bool touched)
{
	const struct vds_vad *vad = l->vad;
	struct vds_page *page = l->page;
	struct vds_proto_place place;
	page->state = VDS_PAGE_RESERVED;
	if (!vad)
		return;
	if (page->protection_why)
		set_initial_protection(l);
	if (!has_prototypes(vad)) {
		if ((vad->is_private || vad->type == VDS_VAD_WRITE_WATCH) &&
		    vad->mem_commit)
			page->state = VDS_PAGE_DEMAND_ZERO;
		return;
	}
	page->via = VDS_VIA_PROTO_VAD;
	if (!vad->has_section) {
		page->state = VDS_PAGE_UNREADABLE_PROTO;
		page->proto_why = vad->section_why;
		return;
	}
	vds_proto_locate(l->process, vad, l->va, &place);
	take_place(l, &place, touched);
}

/*
 * A page of its own frame in a shared view: a copy, unless the prototype has
 * that very frame. While a process maps the prototype's page the prototype is
 * valid or in transition itself, so one without a frame proves a copy too.
 */
static void compare_frames(struct lookup *l)
{
	const struct vds_vad *vad = l->vad;
	struct vds_page *page = l->page;
	struct vds_proto_place place;
	struct vds_pte pte;
	if (!vad || !has_prototypes(vad))
		return;
	if (!vad->has_section) {
		page->private_why = page->proto_why = vad->section_why;
		return;
	}
	vds_proto_locate(l->process, vad, l->va, &place);
	page->private_why = place.why;
	if (place.why == VDS_NOT_MAPPED || place.why == VDS_PAGED_OUT) {
		page->private_why = VDS_PRESENT;
		page->is_private_copy = true;
		return;
	}
	if (!place.why)
		page->private_why = read_proto(l, place.address, &pte);
	else
		page->proto_why = place.why;
	if (page->private_why)
		return;
	if (pte.kind == VDS_PTE_UNKNOWN)
		page->private_why = VDS_BAD_DATA;
	else if (pte.kind == VDS_PTE_VALID || pte.kind == VDS_PTE_TRANSITION)
		page->is_private_copy = pte.pa != page->pa;
	else
		page->is_private_copy = true;
}

/* Rights as the hardware's tables and NT's own bits state them. */
static void set_rights(struct lookup *l, const struct vds_walk *walk,
		       const struct vds_walk_step *leaf)
{
	const struct vds_pte_format *format = &l->kernel->pte;
	bool copy = false;
	bool writable = (leaf->entry & VDS_PTE_WRITE) != 0;
	if (leaf->level == 1) {
		copy = (leaf->entry & format->hw_copy_on_write) != 0;
		writable |= (leaf->entry & format->hw_write) != 0;
	}
	l->page->executable = walk->executable;
	l->page->writable = walk->upper_writable && writable && !copy;
	/* MM_READONLY 1, READWRITE 4, WRITECOPY 5; EXECUTE_ adds 2. */
	uint32_t code = copy ? 5 : l->page->writable ? 4 : 1;
	set_protection(l, code + (walk->executable ? 2u : 0u));
}

static void take_software(struct lookup *l, uint64_t raw)
{
	struct vds_page *page = l->page;
	struct vds_pte pte;
	vds_pte_decode(&l->kernel->pte, raw, &pte);
	page->via = VDS_VIA_PTE;
	if (pte.has_protection)
		set_protection(l, pte.protection);
	switch (pte.kind) {
	case VDS_PTE_ZERO:
		ask_vad(l, false);
		break;
	case VDS_PTE_VAD_LOOKUP:
		ask_vad(l, true);
		break;
	case VDS_PTE_PROTOTYPE:
		page->via = VDS_VIA_PROTO_PTE;
		if (!pte.protection && l->vad)
			set_initial_protection(l);
		take_proto(l, pte.address, true);
		break;
	case VDS_PTE_TRANSITION:
		set_resident(l, VDS_PAGE_TRANSITION, pte.pa);
		compare_frames(l);
		break;
	default:
		set_software(l, &pte);
	}
}

/* The walk ended above the PTE: no table, or one that can't be read. */
static void take_upper(struct lookup *l, const struct vds_walk_step *last)
{
	struct vds_page *page = l->page;
	struct vds_pte pte = {.kind = VDS_PTE_UNKNOWN};
	page->pte_why = last->why;
	page->absent_span = UINT64_C(1) << (12 + 9 * (last->level - 1));
	if (!last->why) {
		vds_pte_decode(&l->kernel->pte, last->entry, &pte);
		page->pte_why = pte.kind == VDS_PTE_PAGEFILE ? VDS_PAGED_OUT :
				pte.kind == VDS_PTE_UNKNOWN ? VDS_BAD_DATA :
							      VDS_NOT_MAPPED;
	}
	/* Zero, or promised but never made: nothing below was touched. */
	if (page->pte_why == VDS_NOT_MAPPED)
		ask_vad(l, false);
	else
		page->state = VDS_PAGE_UNREADABLE_TABLE;
}

/* Tables above the PTE may be in transition; the PTE itself is ours to read. */
static enum vds_why resolve_upper(const struct vds_space *space,
				  struct vds_tlb *tlb, uint64_t va,
				  unsigned int level, uint64_t entry,
				  bool readable, uint64_t *ret_pa,
				  bool *ret_final)
{
	const struct vds_kernel *kernel = space->ctx;
	struct vds_pte pte;
	(void)tlb;
	(void)va;
	(void)ret_final;
	if (!readable)
		return VDS_NOT_IN_IMAGE;
	vds_pte_decode(&kernel->pte, entry, &pte);
	if (level == 1 || pte.kind != VDS_PTE_TRANSITION)
		return VDS_NOT_MAPPED;
	*ret_pa = pte.pa;
	return VDS_PRESENT;
}

void vds_process_tables(const struct vds_process *process,
			struct vds_space *ret)
{
	const struct vds_kernel *kernel = process->task->kernel;
	*ret = (struct vds_space){
		.image = kernel->image, .dtb = process->dtb,
		.levels = kernel->space.levels, .resolve = resolve_upper,
		.ctx = (void *)kernel,
	};
}

static void take_leaf(struct lookup *l, const struct vds_walk *walk,
		      const struct vds_walk_step *leaf)
{
	struct vds_page *page = l->page;
	page->pte = leaf->entry;
	page->pte_why = leaf->why;
	if (leaf->why) {
		page->state = VDS_PAGE_UNREADABLE_TABLE;
	} else if (leaf->present && !walk->why) {
		set_resident(l, VDS_PAGE_PRESENT, walk->pa & ~VDS_PAGE_MASK);
		if (leaf->level > 1)
			page->page_size = UINT64_C(1)
					  << (12 + 9 * (leaf->level - 1));
		set_rights(l, walk, leaf);
		compare_frames(l);
	} else if (leaf->present) {
		page->state = VDS_PAGE_UNKNOWN_FORMAT;
	} else {
		take_software(l, leaf->entry);
	}
}

void vds_page_at(const struct vds_process *process, const struct vds_vad *vad,
		 uint64_t va, struct vds_page *ret)
{
	struct vds_task *task = process->task;
	struct vds_walk walk;
	struct lookup l = {
		.process = process, .kernel = task->kernel, .tlb = task->tlb,
		.vad = vad, .va = va & ~VDS_PAGE_MASK, .page = ret,
	};
	struct vds_space space;
	vds_process_tables(process, &space);
	*ret = (struct vds_page){
		.page_size = VDS_PAGE_SIZE, .proto_why = VDS_NOT_APPLICABLE,
		.protection_why = VDS_NOT_APPLICABLE,
		.private_why = VDS_NOT_APPLICABLE,
	};
	if (!process->dtb) {
		ret->state = VDS_PAGE_UNREADABLE_TABLE;
		ret->pte_why = VDS_NOT_IN_IMAGE;
		return;
	}
	vds_space_walk_page(&space, task->tlb, l.va, &walk);
	if (!walk.num_steps) {
		ret->pte_why = walk.why;	/* not canonical */
		ret->state = VDS_PAGE_RESERVED;
		return;
	}
	const struct vds_walk_step *last = &walk.steps[walk.num_steps - 1];
	if (last->level > 1 && !last->present)
		take_upper(&l, last);
	else
		take_leaf(&l, &walk, last);
}

/* Why a page that isn't resident can't be read. */
static enum vds_why why_of(const struct vds_page *page)
{
	switch (page->state) {
	case VDS_PAGE_PRESENT:
	case VDS_PAGE_TRANSITION:
	case VDS_PAGE_UNTOUCHED_SHARED:
		return VDS_PRESENT;
	case VDS_PAGE_FILE_NOT_RESIDENT:
	case VDS_PAGE_PAGEFILE:
	case VDS_PAGE_COMPRESSED:
		return VDS_PAGED_OUT;
	case VDS_PAGE_UNREADABLE_TABLE:
		return page->pte_why ? page->pte_why : VDS_NOT_IN_IMAGE;
	case VDS_PAGE_UNREADABLE_PROTO:
		return page->proto_why ? page->proto_why : VDS_NOT_IN_IMAGE;
	case VDS_PAGE_OUT_OF_IMAGE:
		return VDS_NOT_IN_IMAGE;
	case VDS_PAGE_UNKNOWN_FORMAT:
		return VDS_BAD_DATA;
	default:
		return VDS_NOT_MAPPED;
	}
}

/*
 * A user page that the hardware doesn't reach: as far as the page tables, the
 * VAD tree and the prototypes tell. The kernel's half is the kernel's affair.
 */
static enum vds_why resolve_process(const struct vds_space *space,
				    struct vds_tlb *tlb, uint64_t va,
				    unsigned int level, uint64_t entry,
				    bool readable, uint64_t *ret_pa,
				    bool *ret_final)
{
	const struct vds_process *process = space->ctx;
	const struct vds_kernel *kernel = process->task->kernel;
	struct vds_page page;
	struct vds_vad vad;
	if (va >> 63) {
		struct vds_space own = *space;
		own.ctx = (void *)kernel;
		return vds_resolve_kernel(&own, tlb, va, level, entry,
					  readable, ret_pa, ret_final);
	}
	enum vds_why found = vds_vad_find(process, va, &vad);
	vds_page_at(process, found ? NULL : &vad, va, &page);
	enum vds_why why = why_of(&page);
	if (why == VDS_NOT_MAPPED && found && found != VDS_NOT_MAPPED)
		return found;	/* the VAD might have known more */
	if (why)
		return why;
	*ret_pa = page.pa;
	*ret_final = true;
	return VDS_PRESENT;
}

void vds_process_space(const struct vds_process *process, struct vds_space *ret)
{
	if (vds_kernel_is_virtual(process->task->kernel)) {
		*ret = process->task->kernel->space;
		return;
	}
	*ret = (struct vds_space){
		.image = process->task->kernel->image,
		.dtb = process->dtb,
		.levels = process->task->kernel->space.levels,
		.resolve = resolve_process,
		.ctx = (void *)process,
		.id = process->eprocess,
	};
}

enum vds_why vds_process_read(const struct vds_process *process, uint64_t va,
			      void *buf, size_t len)
{
	struct vds_space space;
	/* Blocks of user memory are those of the process that was running. */
	if (vds_kernel_is_virtual(process->task->kernel) ?
	    !(va >> 63) && process->eprocess &&
	    process->eprocess != process->task->kernel->crash.process :
	    !process->dtb)
		return VDS_NOT_IN_IMAGE;
	vds_process_space(process, &space);
	return vds_space_read(&space, process->task->tlb, va, buf, len);
}
