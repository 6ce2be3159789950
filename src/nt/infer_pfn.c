/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MmPfnDatabase and MmPteBase without symbols. Both moved to random places with
 * Windows 10 1607, but variables of the kernel image lead to them. The page
 * tables map themselves at one entry of the top table, which gives MmPteBase;
 * the database is where the entries of frames that the page tables map say just
 * that: the address of the PTE, and the frame that holds it.
 */
#include "nt/infer_pfn.h"

#include "base/bytes.h"
#include "base/util.h"
#include "nt/walk.h"

/* Frames of which something is known, and how many must bear witness. */
#define MAX_WITNESSES 64
#define MIN_WITNESSES 4
/* Asked first; a pointer that none of them confirms is dropped. */
#define FIRST_WITNESSES 6
#define MMPFN_MAX 128

struct witness {
	uint64_t frame, table, pte_address;
};

struct search {
	const struct vds_kernel *kernel;
	struct vds_tlb *tlb;
	const struct vds_pointers *pointers;
	uint64_t pte_base;	/* 0: the tables don't map themselves */
	struct witness witnesses[MAX_WITNESSES];
	size_t num_witnesses;
};

static uint64_t sign_extend(const struct search *s, uint64_t va)
{
	unsigned int bits = VDS_PAGE_SHIFT + 9 * s->kernel->space.levels;
	return (uint64_t)vds_sign_extend(va, bits);
}

/* Where the top table's entry that leads to itself puts the page tables. */
static uint64_t find_pte_base(const struct search *s)
{
	const struct vds_space *space = &s->kernel->space;
	uint64_t dtb = space->dtb & VDS_PTE_PFN_MASK;
	for (uint64_t i = 256; i < 512; i++) {
		uint8_t raw[8];
		if (vds_image_read(space->image, dtb + 8 * i, raw, 8))
			continue;
		uint64_t entry = vds_le64(raw);
		if (entry & VDS_PTE_PRESENT &&
		    (entry & VDS_PTE_PFN_MASK) == dtb)
			return sign_extend(s, i << (VDS_PAGE_SHIFT +
						    9 * (space->levels - 1)));
	}
	return 0;
}

static uint64_t pte_address_of(const struct search *s, uint64_t va)
{
	unsigned int bits = VDS_PAGE_SHIFT + 9 * s->kernel->space.levels;
	uint64_t page = (va & ((UINT64_C(1) << bits) - 1)) >> VDS_PAGE_SHIFT;
	return s->pte_base + page * 8;
}

/* Pages of kernel memory that variables lead to, mapped by 4 KiB PTEs. */
static void call_witnesses(struct search *s)
{
	size_t n = s->pointers->count;
	size_t step = VDS_MAX(n / (4 * MAX_WITNESSES), (size_t)1);
	for (size_t i = 0; i < n && s->num_witnesses < MAX_WITNESSES;
	     i += step) {
		uint64_t va = s->pointers->list[i].value & ~VDS_PAGE_MASK;
		struct vds_walk walk;
		vds_space_walk(&s->kernel->space, s->tlb, va, &walk);
		const struct vds_walk_step *last =
			&walk.steps[walk.num_steps ? walk.num_steps - 1 : 0];
		if (walk.why || !walk.hardware || last->level != 1)
			continue;
		struct witness w = {
			.frame = walk.pa >> VDS_PAGE_SHIFT,
			.table = last->entry_pa >> VDS_PAGE_SHIFT,
			.pte_address = pte_address_of(s, va),
		};
		bool known = false;
		for (size_t k = 0; k < s->num_witnesses; k++)
			known |= s->witnesses[k].frame == w.frame;
		if (!known)
			s->witnesses[s->num_witnesses++] = w;
	}
}

/* Does a database at @base say of the frame what the page tables say? */
static bool confirms(const struct search *s, const struct witness *w,
		     uint64_t base)
{
	const struct vds_kernel *kernel = s->kernel;
	uint32_t size = vds_ksize(kernel, MMPFN);
	uint8_t buf[MMPFN_MAX];
	uint64_t va, table, address;
	if (size > sizeof(buf) || !vds_add_u64(base, w->frame * size, &va) ||
	    vds_space_read(&kernel->space, s->tlb, va, buf, size) ||
	    vds_field_get(vds_kf(kernel, PFN_PTE_FRAME), buf, size, &table) ||
	    vds_field_get(vds_kf(kernel, PFN_PTE_ADDRESS), buf, size,
			  &address))
		return false;
	/* The low bits are flags or a lock. */
	return table == w->table &&
	       (!s->pte_base || (address & ~UINT64_C(7)) == w->pte_address);
}

static size_t count_confirmed(const struct search *s, uint64_t base)
{
	size_t n = 0;
	for (size_t i = 0; i < s->num_witnesses; i++) {
		n += confirms(s, &s->witnesses[i], base);
		if (i + 1 == FIRST_WITNESSES && !n)
			return 0;
	}
	return n;
}

/* The variable whose value most witnesses confirm; NULL: none. */
static const struct vds_pointer *find_database(const struct search *s)
{
	const struct vds_pointer *found = NULL;
	size_t best = 0;
	for (size_t i = 0; i < s->pointers->count; i++) {
		const struct vds_pointer *p = &s->pointers->list[i];
		if (p->value & VDS_PAGE_MASK)
			continue;
		size_t n = count_confirmed(s, p->value);
		if (n > best) {
			best = n;
			found = p;
		}
	}
	return best >= MIN_WITNESSES && best * 2 > s->num_witnesses ? found :
								      NULL;
}

static const struct vds_pointer *find_value(const struct search *s,
					    uint64_t value)
{
	for (size_t i = 0; value && i < s->pointers->count; i++) {
		if (s->pointers->list[i].value == value)
			return &s->pointers->list[i];
	}
	return NULL;
}

static void set_symbol(struct vds_kernel *kernel, enum vds_symbol_id id,
		       uint64_t va)
{
	kernel->binding.rvas[id] = (uint32_t)(va - kernel->base);
	kernel->binding.has_symbol[id] = true;
}

struct vds_error *vds_infer_pfn_database(struct vds_kernel *kernel,
					 struct vds_tlb *tlb,
					 const struct vds_pointers *pointers)
{
	struct search s = {.kernel = kernel, .tlb = tlb, .pointers = pointers};
	struct vds_error *err = NULL;
	if (!vds_ksize(kernel, MMPFN) ||
	    !vds_kf(kernel, PFN_PTE_FRAME)->present ||
	    !vds_kf(kernel, PFN_PTE_ADDRESS)->present)
		return NULL;
	s.pte_base = find_pte_base(&s);
	call_witnesses(&s);
	const struct vds_pointer *pte = find_value(&s, s.pte_base);
	const struct vds_pointer *database = find_database(&s);
	if (pte) {
		set_symbol(kernel, VDS_S_MM_PTE_BASE, pte->va);
		err = vds_kernel_infer(
			kernel, "MmPteBase", pte->va,
			"a variable that holds where the page tables map themselves",
			"the top table's entry that leads to itself");
	}
	if (err || !database)
		return err;
	set_symbol(kernel, VDS_S_MM_PFN_DATABASE, database->va);
	return vds_kernel_infer(
		kernel, "MmPfnDatabase", database->va,
		"a variable that leads to entries of frames",
		"most of up to 64 entries name the PTE that maps their frame");
}
