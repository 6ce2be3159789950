/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/discover.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/util.h"
#include "nt/kuser.h"

/* Candidates of one search; further ones are hardly a kernel's. */
#define MAX_CANDIDATES ((size_t)256)
/* Different kernel halves that are judged: real machines have one. */
#define MAX_HALVES ((size_t)64)
#define MAX_BASES ((size_t)8)
/* Physical pages where the low stub can be: 0x1000 .. 0xff000. */
#define STUB_FIRST UINT64_C(0x1000)
#define STUB_END UINT64_C(0x100000)

const char *vds_dtb_method_str(enum vds_dtb_method method)
{
	static const char *const names[] = {
		[VDS_DTB_OPTION] = "option",
		[VDS_DTB_HINT] = "hint",
		[VDS_DTB_LOW_STUB] = "low-stub",
		[VDS_DTB_SELF_REF] = "self-ref",
		[VDS_DTB_NONE] = "no page tables",
	};
	return (size_t)method < VDS_ARRAY_SIZE(names) ? names[method] :
							"unknown";
}

struct search {
	const struct vds_image *image;
	const struct vds_kernel_options *options;
	struct vds_tlb *tlb;
	struct vds_discovery *result;
	bool thorough;
	bool nomem;
};

void vds_discovery_deinit(struct vds_discovery *discovery)
{
	free(discovery->candidates);
	free(discovery->finds);
	*discovery = (struct vds_discovery){0};
}

static bool grow(void *array, size_t *cap, size_t size)
{
	size_t more = *cap ? *cap * 2 : 16;
	void *bigger = realloc(*(void **)array, more * size);
	if (!bigger)
		return false;
	*(void **)array = bigger;
	*cap = more;
	return true;
}

/* NULL if it was tried before, or there is no room. */
static struct vds_dtb_candidate *add_candidate(struct search *s, uint64_t cr3,
					       enum vds_dtb_method method,
					       unsigned int levels)
{
	struct vds_discovery *d = s->result;
	/* PCID and flags of CR3 lie below the page and in bit 63. */
	uint64_t dtb = cr3 & VDS_PTE_PFN_MASK;
	for (size_t i = 0; i < d->num_candidates; i++) {
		if (d->candidates[i].dtb == dtb &&
		    d->candidates[i].levels == levels)
			return NULL;
	}
	if (d->num_candidates >= MAX_CANDIDATES)
		return NULL;
	if (d->num_candidates == d->cap_candidates &&
	    !grow(&d->candidates, &d->cap_candidates, sizeof(*d->candidates))) {
		s->nomem = true;
		return NULL;
	}
	struct vds_dtb_candidate *c = &d->candidates[d->num_candidates++];
	*c = (struct vds_dtb_candidate){
		.dtb = dtb, .method = method, .levels = levels,
	};
	return c;
}

static void add_find(struct search *s, const struct vds_find *find)
{
	struct vds_discovery *d = s->result;
	if (d->num_finds == d->cap_finds &&
	    !grow(&d->finds, &d->cap_finds, sizeof(*d->finds))) {
		s->nomem = true;
		return;
	}
	d->finds[d->num_finds++] = *find;
}

/* Bases to look at: as told by the user or the container, or searched for. */
static size_t find_bases(struct search *s, const struct vds_space *space,
			 struct vds_kernel_base *ret)
{
	const struct vds_image_hints *hints = vds_image_hints(s->image);
	if (s->options->has_base) {
		ret->base = s->options->base & ~VDS_PAGE_MASK;
		return vds_kernel_check_base(space, s->tlb, ret->base,
					     &ret->pe);
	}
	if (hints->has_kernel_base && !s->thorough &&
	    vds_kernel_check_base(space, s->tlb, hints->kernel_base,
				  &ret->pe)) {
		ret->base = hints->kernel_base;
		return 1;
	}
	return vds_kernel_base_find(space, s->tlb, s->thorough, ret,
				    MAX_BASES);
}

static const char *verdict_without_kernel(const struct vds_kuser *kuser)
{
	switch (kuser->why) {
	case VDS_PRESENT:
		return "no kernel image mapped: KVA shadow table or stale";
	case VDS_BAD_DATA:
		return "implausible KUSER_SHARED_DATA";
	case VDS_NOT_IN_IMAGE:
		return "tables or KUSER_SHARED_DATA not in the image";
	default:
		return "KUSER_SHARED_DATA not mapped";
	}
}

/* Looks through the candidate's tables: steps 1 and 2 of verification. */
static void evaluate(struct search *s, size_t index)
{
	struct vds_dtb_candidate *c = &s->result->candidates[index];
	struct vds_find find = {
		.candidate = index,
		.space = {.image = s->image, .dtb = c->dtb,
			  .levels = c->levels},
	};
	_cleanup_free_ struct vds_kernel_base *bases =
		calloc(MAX_BASES, sizeof(*bases));
	if (!bases) {
		s->nomem = true;
		return;
	}
	/* An own identity would outlive this candidate: cache nothing. */
	vds_kuser_read(&find.space, NULL, &find.kuser);
	c->score = find.kuser.why == VDS_PRESENT;
	size_t n = find_bases(s, &find.space, bases);
	if (!n) {
		c->verdict = verdict_without_kernel(&find.kuser);
		return;
	}
	c->base = bases[0].base;
	c->score += bases[0].pe.has_pdb;
	c->verdict = find.kuser.why ? "kernel image, but no KUSER_SHARED_DATA" :
				      "kernel image and KUSER_SHARED_DATA";
	for (size_t i = 0; i < n; i++) {
		find.base = bases[i].base;
		find.pe = bases[i].pe;
		add_find(s, &find);
	}
}

/* A CR3 of which nobody said how many levels it has: four first. */
static void try_cr3(struct search *s, uint64_t cr3, enum vds_dtb_method method,
		    bool has_la57, bool la57)
{
	for (unsigned int levels = 4; levels <= 5; levels++) {
		if (has_la57 && la57 != (levels == 5))
			continue;
		size_t before = s->result->num_finds;
		if (add_candidate(s, cr3, method, levels))
			evaluate(s, s->result->num_candidates - 1);
		if (s->result->num_finds > before)
			return;
	}
}

static void try_hints(struct search *s)
{
	const struct vds_image_hints *hints = vds_image_hints(s->image);
	if (hints->has_dtb)
		try_cr3(s, hints->dtb, VDS_DTB_HINT, hints->has_la57,
			hints->la57);
	/* One per processor: the first that shows a kernel is enough. */
	for (size_t i = 0; i < hints->num_cr3s && i < MAX_CANDIDATES / 4; i++) {
		if (s->result->num_finds && !s->thorough)
			return;
		try_cr3(s, hints->cr3s[i], VDS_DTB_HINT, hints->has_la57,
			hints->la57);
	}
}

static void try_low_stub(struct search *s)
{
	uint8_t page[0x100];
	for (uint64_t pa = STUB_FIRST; pa < STUB_END; pa += VDS_PAGE_SIZE) {
		uint64_t cr3;
		bool la57;
		if (!vds_image_read(s->image, pa, page, sizeof(page)) &&
		    vds_low_stub_check(page, &cr3, &la57))
			try_cr3(s, cr3, VDS_DTB_LOW_STUB, true, la57);
	}
}

/*
 * Every process has a top table, and all of one system share their kernel
 * half: the lowest of each kind, which is most often System's, speaks for all.
 */
static struct vds_error *try_self_ref(struct search *s)
{
	_cleanup_free_ struct vds_dtb_hit *hits = NULL;
	size_t count, halves = 0;
	struct vds_map seen = {0};
	struct vds_error *err = vds_dtb_scan(s->image, s->options->threads,
					     &hits, &count);
	if (err)
		return err;
	for (size_t i = 0; i < count && halves < MAX_HALVES; i++) {
		enum vds_seen known = vds_set_add(&seen, hits[i].kernel_half);
		s->nomem |= known == VDS_SEEN_NOMEM;
		if (known != VDS_SEEN_NEW)
			continue;
		halves++;
		if (add_candidate(s, hits[i].pa, VDS_DTB_SELF_REF,
				  hits[i].levels))
			evaluate(s, s->result->num_candidates - 1);
	}
	vds_map_deinit(&seen);
	return NULL;
}

static uint64_t image_pages(const struct vds_image *image)
{
	size_t n;
	uint64_t bytes = 0;
	const struct vds_range *ranges = vds_image_ranges(image, &n);
	for (size_t i = 0; i < n; i++)
		bytes += ranges[i].len;
	return bytes / VDS_PAGE_SIZE;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/*
 * True if @a is the better find. A guest or a leftover of hibernation knows
 * fewer pages than the image has, so of equal finds the one that says how
 * large this machine is comes first.
 */
static bool is_better(const struct vds_discovery *d, uint64_t pages,
		      const struct vds_find *a, const struct vds_find *b)
{
	unsigned int sa = (a->kuser.why == VDS_PRESENT ? 1u : 0u) + a->pe.has_pdb;
	unsigned int sb = (b->kuser.why == VDS_PRESENT ? 1u : 0u) + b->pe.has_pdb;
	if (sa != sb)
		return sa > sb;
	enum vds_dtb_method ma = d->candidates[a->candidate].method;
	enum vds_dtb_method mb = d->candidates[b->candidate].method;
	if (ma != mb)
		return ma < mb;
	uint64_t da = distance(a->kuser.physical_pages, pages);
	uint64_t db = distance(b->kuser.physical_pages, pages);
	if (da != db)
		return da < db;
	return false;
}

/* Stable, by insertion: a handful of finds. */
static void rank(struct search *s)
{
	struct vds_discovery *d = s->result;
	uint64_t pages = image_pages(s->image);
	for (size_t i = 1; i < d->num_finds; i++) {
		struct vds_find find = d->finds[i];
		size_t k = i;
		for (; k && is_better(d, pages, &find, &d->finds[k - 1]); k--)
			d->finds[k] = d->finds[k - 1];
		d->finds[k] = find;
	}
}

struct vds_error *vds_discover(const struct vds_image *image,
			       const struct vds_kernel_options *options,
			       bool thorough, struct vds_tlb *tlb,
			       struct vds_discovery *ret)
{
	struct search s = {.image = image, .options = options, .tlb = tlb,
			   .result = ret, .thorough = thorough};
	struct vds_error *err = NULL;
	*ret = (struct vds_discovery){0};
	if (options->has_dtb) {
		const struct vds_image_hints *hints = vds_image_hints(image);
		try_cr3(&s, options->dtb, VDS_DTB_OPTION, hints->has_la57,
			hints->la57);
	} else {
		try_hints(&s);
		if (!ret->num_finds || thorough)
			try_low_stub(&s);
		if (!ret->num_finds || thorough)
			err = try_self_ref(&s);
	}
	if (!err && s.nomem)
		err = &vds_enomem;
	if (err) {
		vds_discovery_deinit(ret);
		return err;
	}
	rank(&s);
	return NULL;
}
