/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about mapped images: their code, their file, the loader's lists. */
#include <stdlib.h>
#include <string.h>

#include <vadose/module.h>
#include <vadose/table.h>

#include "findings.h"
#include "image_change.h"
#include "image_twin.h"

static int compare_twins(const void *pa, const void *pb)
{
	const struct twin *a = pa, *b = pb;
	return a->image < b->image ? -1 : a->image > b->image;
}

/* Once per image: it has hundreds of views. */
struct vds_error *find_twins(struct vds_run *run, struct scene *scene)
{
	const struct vds_sharing *sharing = scene->sharing;
	const struct vds_process *any = vds_process_at(run, 0);
	struct twin *twins = vds_alloc(run, sharing->num_groups + 1,
				       sizeof(*twins));
	if (!twins)
		return &vds_enomem;
	for (size_t g = 0; any && g < sharing->num_groups; g++) {
		const struct vds_section *image =
			sharing->views[sharing->groups[g].first_view]->section;
		if (image && !image->why &&
		    image->backing == VDS_BACKING_IMAGE)
			twins[scene->num_twins++] = (struct twin){
				image->control_area, image_data_of(any, image)};
	}
	qsort(twins, scene->num_twins, sizeof(*twins), compare_twins);
	scene->twins = twins;
	return NULL;
}

static const struct vds_section *twin_of(const struct scene *scene,
					 const struct vds_process *any,
					 const struct vds_section *image)
{
	const struct twin key = {.image = image->control_area};
	const struct twin *twin =
		bsearch(&key, scene->twins, scene->num_twins, sizeof(key),
			compare_twins);
	return twin ? twin->data : image_data_of(any, image);
}

static struct vds_error *mismatch(struct vds_run *run,
				  const struct scene *scene,
				  const struct vds_process *p,
				  const struct vds_vad *vad,
				  const struct vds_section *image)
{
	struct finding f;
	const struct vds_section *data = twin_of(scene, p, image);
	if (!data || image_headers_agree(p, image, data) ||
	    !finding_init(&f, scene, "image-data-mismatch"))
		return NULL;
	finding_vad(&f, run, p, vad);
	f.process = p;
	f.vad = vad;
	f.section = image;
	f.message = vds_sprintf(
		run, "the image's headers are not those of its file (data section 0x%016llx)",
		(unsigned long long)data->control_area);
	return finding_emit(&f, run, scene);
}

/* What a process did with its view of an image. */
struct use {
	struct image_view view;
	const struct vds_vad *vad;
	uint64_t first;		/* section page at the view's start */
	uint64_t code;		/* pages of code in the image */
	uint64_t ran;		/* of those, mapped here to be executed */
	uint64_t written;	/* pages of data with a copy here */
	uint64_t copies;	/* pages of code with a copy here */
	uint64_t lost;		/* of those, with nothing to compare with */
	uint64_t changed;	/* of those, with other bytes than all share */
	uint64_t page;		/* first changed page of the section */
	uint64_t va;		/* first changed byte */
	uint32_t length;	/* of that change */
	struct page_diff *diff;	/* scratch */
};

/*
 * The first change of the page that neither relocation nor the loader explains:
 * older libraries keep their import addresses among their code.
 */
static const struct page_change *first_patch(struct use *u)
{
	struct page_diff *d = u->diff;
	page_diff(&u->view, d);
	for (uint32_t i = 0; i < d->num_changes && i < MAX_RUNS; i++) {
		if (!page_diff_is_import(&u->view, d, d->changes[i].first))
			return &d->changes[i];
	}
	return NULL;
}

static void look_at_copy(struct use *u, uint64_t page, uint64_t va,
			 uint64_t pa)
{
	const struct image_view *v = &u->view;
	u->copies++;
	memset(u->diff, 0, sizeof(*u->diff));
	u->diff->page = page;
	if (vds_physical_read(v->run, pa, u->diff->new, PAGE) ||
	    vds_section_read_page(v->process, v->section, page,
				  u->diff->old)) {
		u->lost++;
		return;
	}
	if (!memcmp(u->diff->old, u->diff->new, PAGE))
		return;
	const struct page_change *change = first_patch(u);
	if (!change || u->changed++)
		return;
	u->page = page;
	u->va = va + change->first;
	u->length = change->last - change->first + 1;
}

static bool look_at_entry(void *ctx, const struct vds_table_entry *e)
{
	struct use *u = ctx;
	uint64_t page = u->first + (e->va - u->view.start) / PAGE, pte;
	struct vds_page own;
	if (e->why || e->level != 1 || !e->resident ||
	    !vds_section_pte_of(u->view.section, page, &pte))
		return true;
	const struct vds_subsection *s =
		vds_section_subsection_of(u->view.section, pte);
	if (!s)
		return true;
	bool code = vds_protection_executable(s->protection);
	vds_page_at(u->view.process, u->vad, e->va, &own);
	bool copy = own.is_private_copy && !own.private_why;
	u->ran += code && e->valid && e->executable;
	u->written += !code && copy;
	if (code && copy)
		look_at_copy(u, page, e->va, own.pa);
	return true;
}

static uint64_t pages_of_code(const struct vds_section *image)
{
	uint64_t pages = 0;
	for (size_t i = 0; i < image->num_subsections; i++) {
		const struct vds_subsection *s = &image->subsections[i];
		if (vds_protection_executable(s->protection))
			pages += s->ptes;
	}
	return pages;
}

static bool look_at_use(struct vds_run *run, const struct vds_process *p,
			const struct vds_vad *vad,
			const struct vds_section *image, struct use *u)
{
	*u = (struct use){.vad = vad, .code = pages_of_code(image),
			  .diff = u->diff};
	u->view = (struct image_view){.run = run, .process = p,
				      .section = image, .start = vad->start,
				      .end = vad->end};
	if (!vds_section_page_of(image, vad->first_prototype_pte, &u->first))
		return false;
	vds_tables_walk(p, vad->start, vad->end, look_at_entry, u);
	return true;
}

/* The same place of the image in other processes. */
struct elsewhere {
	size_t count;		/* processes that changed it, this one too */
	bool reported;		/* one before this one, of those selected */
};

static void look_elsewhere(struct vds_run *run, const struct scene *scene,
			   const struct use *u, struct elsewhere *ret)
{
	const struct vds_process *p = u->view.process;
	uint8_t shared[PAGE], theirs[64];
	size_t at = u->va % PAGE, len = u->length;
	*ret = (struct elsewhere){.count = 1};
	len = len < sizeof(theirs) ? len : sizeof(theirs);
	if (vds_section_read_page(p, u->view.section, u->page, shared))
		return;
	for (size_t i = 0; i < scene->sharing->num_views; i++) {
		const struct vds_view *view = scene->sharing->views[i];
		struct vds_page page;
		uint64_t va;
		if (!view->section || view->process == p->index ||
		    view->section->control_area !=
			    u->view.section->control_area ||
		    !vds_view_page_at(run, view, u->page, &va, &page) ||
		    !page.is_private_copy || page.private_why ||
		    vds_physical_read(run, page.pa + at, theirs, len) ||
		    !memcmp(theirs, shared + at, len))
			continue;
		const struct vds_process *q =
			vds_process_at(run, view->process);
		ret->count++;
		ret->reported |= q && q->selected && !q->exited &&
				 q->index < p->index;
	}
}

/* Where the changed code leads now: to memory of its own, or to a library. */
static void add_target(struct finding *f, struct vds_run *run, struct use *u)
{
	struct diff *d = vds_alloc(run, 1, sizeof(*d));
	uint32_t first = (uint32_t)(u->va % PAGE);
	uint64_t target;
	enum vds_why why;
	bool image = false;
	if (!d || vds_process_read(u->view.process, u->va - first, d->d.new,
				   PAGE))
		return;
	d->va = u->va - first;
	d->d.page = u->page;
	vds_section_page_at(u->view.process, u->view.section, u->page,
			    &d->shared);
	if (!find_jump(&u->view, d, first, &target))
		return;
	if (kind_of(&u->view, d, first) == KIND_CODE)
		finding_change(f, run, u->view.process, u->vad, u->va,
			       kind_str(KIND_HOOK));
	if (!memory_at(&u->view, target, &why, &image))
		return;
	if (image && (target < u->vad->start || target > u->vad->end))
		finding_add(f, "to_image", "it leads to another image");
	else if (!image)
		finding_add(f, "to_private", "it leads to memory of no image");
}

/* Processes that change one place in an image are told of in one row. */
#define MANY 3

static struct vds_error *patched(struct vds_run *run,
				 const struct scene *scene, struct use *u)
{
	struct finding f;
	struct elsewhere others = {.count = 1};
	uint64_t own = u->changed + u->lost;
	if (!own)
		return NULL;
	const struct vds_rule *stomped =
		vds_rule_find(scene->rules, "stomped-module");
	uint64_t percent = stomped ?
		(uint64_t)vds_rule_param(stomped, "percent") : 25;
	uint64_t pages = stomped ?
		(uint64_t)vds_rule_param(stomped, "pages") : 1;
	bool large = own >= pages && own * 100 >= percent * u->code;
	if (!u->changed && !large)
		return NULL;
	if (u->changed)
		look_elsewhere(run, scene, u, &others);
	if (!finding_init(&f, scene, large ? "stomped-module" :
					     "patched-image-page") ||
	    (!large && others.count >= MANY && others.reported))
		return NULL;
	finding_vad(&f, run, u->view.process, u->vad);
	if (!large && others.count >= MANY)
		finding_add(&f, "many_processes",
			    "at least three processes changed the same place");
	if (!large)
		add_target(&f, run, u);
	if (large && !u->changed)
		finding_add(&f, "not_compared",
			    "the section's own pages are not in memory");
	f.process = u->view.process;
	f.vad = u->vad;
	f.section = u->view.section;
	f.message = u->changed ? vds_sprintf(
		run, "of %llu pages of code %llu are private, %llu changed, first at 0x%llx (%u bytes; %zu processes)",
		(unsigned long long)u->code, (unsigned long long)u->copies,
		(unsigned long long)u->changed, (unsigned long long)u->va,
		u->length, others.count) : vds_sprintf(
		run, "of %llu pages of code %llu are private, with nothing to compare them with",
		(unsigned long long)u->code, (unsigned long long)u->copies);
	return finding_emit(&f, run, scene);
}

/* What the loaders of a process list: of 64 bits and, in WoW64, of 32. */
struct listed {
	uint64_t *bases;	/* sorted */
	size_t count;
	/* All three lists were read to their end: what they lack isn't there. */
	bool complete, complete32;
};

static int compare_bases(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;
	return *a < *b ? -1 : *a > *b;
}

static bool is_listed(const struct listed *listed, const struct vds_vad *vad)
{
	size_t low = 0, high = listed->count;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (listed->bases[mid] < vad->start)
			low = mid + 1;
		else
			high = mid;
	}
	return low < listed->count && listed->bases[low] <= vad->end;
}

static bool is_complete(const struct vds_modules *modules)
{
	for (size_t i = 0; i < VDS_NUM_MODULE_LISTS; i++) {
		if (modules->why[i])
			return false;
	}
	return modules->count > 0;
}

static void add_bases(struct listed *listed, const struct vds_modules *modules)
{
	for (size_t i = 0; i < modules->count; i++) {
		if (!modules->list[i].base_why)
			listed->bases[listed->count++] =
				modules->list[i].base;
	}
}

static struct vds_error *read_listed(struct vds_run *run,
				     const struct vds_process *p,
				     struct listed *ret)
{
	struct vds_modules native, wow64;
	*ret = (struct listed){0};
	struct vds_error *err = vds_process_module_bases(run, p, false,
							 &native);
	if (!err)
		err = vds_process_module_bases(run, p, true, &wow64);
	if (err)
		return err;
	ret->bases = vds_alloc(run, native.count + wow64.count + 1,
			       sizeof(*ret->bases));
	if (!ret->bases)
		return &vds_enomem;
	add_bases(ret, &native);
	add_bases(ret, &wow64);
	qsort(ret->bases, ret->count, sizeof(*ret->bases), compare_bases);
	ret->complete = is_complete(&native);
	ret->complete32 = is_complete(&wow64);
	return NULL;
}

/* Images of one process that no list has. */
struct unlisted {
	struct use *list;
	size_t count, cap;
	size_t images;		/* all that were looked at */
};

/* Managed code is mapped by its runtime, which has lists of its own. */
static bool is_managed(const struct use *u)
{
	struct image_view view = u->view;
	struct vds_pe_directory clr;
	return !vds_pe_directory_at(image_read, &view, VDS_PE_CLR, &clr);
}

static struct vds_error *unlinked(struct vds_run *run,
				  const struct scene *scene,
				  const struct use *u)
{
	const struct vds_process *p = u->view.process;
	struct finding f;
	if (!finding_init(&f, scene, "unlinked-module"))
		return NULL;
	finding_vad(&f, run, p, u->vad);
	finding_module(&f, run, p, u->vad);
	if (u->ran)
		finding_add(&f, "code_mapped",
			    "the process has pages of its code in its tables");
	if (u->written || u->copies)
		finding_add(&f, "written",
			    "the process wrote to it, as a loader does");
	if (is_managed(u))
		finding_add(&f, "managed", "it is managed code");
	finding_threads(&f, scene, p, u->vad->start, u->vad->end);
	f.process = p;
	f.vad = u->vad;
	f.section = u->view.section;
	f.message = "an image with code is in none of the loader's lists";
	return finding_emit(&f, run, scene);
}

/* Lists that lack most of what is mapped are no measure for the rest. */
static struct vds_error *lists_lack_most(struct vds_run *run,
					 const struct scene *scene,
					 const struct vds_process *p,
					 const struct unlisted *unlisted)
{
	struct finding f;
	if (!finding_init(&f, scene, "unlinked-module"))
		return NULL;
	for (size_t i = 0; i < unlisted->count; i++)
		finding_module(&f, run, p, unlisted->list[i].vad);
	finding_process(&f, run, p);
	finding_add(&f, "most_missing",
		    "the lists lack most images: they are no measure");
	f.process = p;
	f.message = vds_sprintf(
		run, "%zu of %zu images with code are in none of the loader's lists",
		unlisted->count, unlisted->images);
	return finding_emit(&f, run, scene);
}

static bool remember(struct vds_run *run, struct unlisted *l,
		     const struct use *u)
{
	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 16;
		struct use *more = vds_alloc(run, cap, sizeof(*more));
		if (!more)
			return false;
		if (l->count)
			memcpy(more, l->list, l->count * sizeof(*more));
		l->list = more;
		l->cap = cap;
	}
	struct vds_vad *vad = vds_alloc(run, 1, sizeof(*vad));
	if (!vad)
		return false;
	/* The iterator lends a VAD only for a while. */
	*vad = *u->vad;
	l->list[l->count] = *u;
	l->list[l->count++].vad = vad;
	return true;
}

static struct vds_error *report_unlisted(struct vds_run *run,
					 const struct scene *scene,
					 const struct vds_process *p,
					 const struct unlisted *l)
{
	struct vds_error *err = NULL;
	if (l->count >= MANY && l->count * 2 > l->images)
		return lists_lack_most(run, scene, p, l);
	for (size_t i = 0; !err && i < l->count; i++)
		err = unlinked(run, scene, &l->list[i]);
	return err;
}

/*
 * Is it the 32-bit loader's to list? Its header says so; without one its place
 * does, though Windows 7 has 64-bit libraries below 4 GB, too.
 */
static bool is_32_bit(const struct use *u)
{
	struct image_view view = u->view;
	struct vds_pe pe;
	if (!u->view.process->wow64 ||
	    u->vad->end >= UINT64_C(0x100000000))
		return false;
	return vds_pe_parse(image_read, &view, &pe) || !pe.is_64;
}

/* May the loader's lists be asked about this image? */
static bool is_judged(const struct listed *listed, const struct use *u)
{
	return listed->complete && (listed->complete32 || !is_32_bit(u)) &&
	       u->code && vds_protection_executable(u->vad->protection);
}

struct vds_error *find_in_images(struct vds_run *run,
				 const struct scene *scene,
				 const struct vds_process *p)
{
	struct listed listed = {0};
	struct unlisted unlisted = {0};
	struct vds_error *err = NULL;
	struct page_diff diff;
	struct use u = {.diff = &diff};
	const struct nodes *images = &scene->facts[p->index].images;
	if (!images->count)
		return NULL;
	if (p->peb)
		err = read_listed(run, p, &listed);
	struct vds_vad_iter *it = err ? NULL : vds_vads_again(
		p, images->list, images->count);
	const struct vds_vad *vad;
	while (!err && (vad = vds_vad_next(it))) {
		const struct vds_section *image = vds_vad_section(p, vad);
		if (!image || image->why)
			continue;
		err = mismatch(run, scene, p, vad, image);
		if (err || !look_at_use(run, p, vad, image, &u))
			continue;
		err = patched(run, scene, &u);
		if (err || !is_judged(&listed, &u))
			continue;
		unlisted.images++;
		if (!is_listed(&listed, vad) && !remember(run, &unlisted, &u))
			err = &vds_enomem;
	}
	return err ? err : report_unlisted(run, scene, p, &unlisted);
}
