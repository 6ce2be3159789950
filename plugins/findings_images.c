/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about mapped images: their code, their file, the loader's lists. */
#include <stdlib.h>
#include <string.h>

#include <vadose/module.h>

#include "findings.h"

#define PAGE 4096

static const struct vds_view *first_view_of(const struct scene *scene,
					    size_t group)
{
	return scene->sharing->views[scene->sharing->groups[group].first_view];
}

/*
 * Bytes of a PE's headers in its first page, 0 if they can't be told. The field
 * is OptionalHeader.SizeOfHeaders (PE/COFF specification), at the same place in
 * 32- and 64-bit images.
 */
static size_t header_size(const uint8_t *page)
{
	uint32_t pe = le32(page + 0x3c);
	if (page[0] != 'M' || page[1] != 'Z' || pe > PAGE - 0x60 ||
	    memcmp(page + pe, "PE\0\0", 4))
		return 0;
	uint32_t size = le32(page + pe + 0x54);
	return size && size <= PAGE ? size : PAGE;
}

/* Windows writes the address of a relocated image into its ImageBase. */
static void mask_image_base(uint8_t *page)
{
	uint32_t pe = le32(page + 0x3c);
	if (pe <= PAGE - 0x60)
		memset(page + pe + 0x30, 0, 8);
}

/* Do image and file begin with the same headers? Unknown counts as yes. */
static bool headers_agree(const struct vds_process *any,
			  const struct vds_section *image,
			  const struct vds_section *data)
{
	uint8_t a[PAGE], b[PAGE];
	if (vds_section_read_page(any, image, 0, a) ||
	    vds_section_read_page(any, data, 0, b))
		return true;
	size_t len = header_size(a);
	if (!len)
		len = header_size(b);
	if (!len)
		return true;
	mask_image_base(a);
	mask_image_base(b);
	return !memcmp(a, b, len);
}

static bool is_data(const struct vds_section *s)
{
	return s && !s->why && s->backing == VDS_BACKING_DATA &&
	       s->file_identity;
}

/* By file; of one file's, that of the first group comes first. */
static int compare_files(const void *a, const void *b)
{
	const struct data_section *x = a, *y = b;
	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return x->group < y->group ? -1 : x->group > y->group;
}

struct vds_error *find_data_sections(struct vds_run *run, struct scene *scene)
{
	size_t n = scene->sharing->num_groups;
	struct data_section *list = vds_alloc(run, n + 1, sizeof(*list));
	if (!list)
		return &vds_enomem;
	scene->data = list;
	for (size_t g = 0; g < n; g++) {
		const struct vds_section *s = first_view_of(scene, g)->section;
		if (is_data(s))
			list[scene->num_data++] = (struct data_section){
				.file = s->file_identity, .group = g};
	}
	qsort(list, scene->num_data, sizeof(*list), compare_files);
	return NULL;
}

/* The data section of the image's file, if some process maps it. */
static const struct vds_section *data_of(const struct scene *scene,
					 const struct vds_section *image)
{
	size_t low = 0, high = scene->num_data;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (scene->data[middle].file < image->file_identity)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == scene->num_data ||
	    scene->data[low].file != image->file_identity)
		return NULL;
	return first_view_of(scene, scene->data[low].group)->section;
}

static struct vds_error *mismatch(struct vds_run *run,
				  const struct scene *scene,
				  const struct vds_process *p,
				  const struct vds_vad *vad,
				  const struct vds_section *image)
{
	struct finding f;
	const struct vds_section *data =
		image->file_identity ? data_of(scene, image) : NULL;
	if (!data || headers_agree(p, image, data) ||
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

static bool has_code(const struct vds_section *image)
{
	for (size_t i = 0; i < image->num_subsections; i++) {
		if (vds_protection_executable(image->subsections[i].protection))
			return true;
	}
	return false;
}

/* Pages of code that are looked at in one view. */
#define MAX_CODE_PAGES 65536

struct patches {
	uint64_t code;		/* pages of code */
	uint64_t copies;	/* of those, private to the process */
	uint64_t changed;	/* of those, with other bytes than all share */
	uint64_t page;		/* first changed page of the section */
	uint64_t va;
	unsigned int offset, length;	/* first difference on it */
};

static bool differs(const uint8_t *a, const uint8_t *b, struct patches *p)
{
	unsigned int i = 0, end = PAGE;
	while (i < PAGE && a[i] == b[i])
		i++;
	if (i == PAGE)
		return false;
	while (a[end - 1] == b[end - 1])
		end--;
	if (!p->changed) {
		p->offset = i;
		p->length = end - i;
	}
	return true;
}

/* Page @index of the section: by its subsection, the kernel's own word. */
static bool is_code(const struct vds_section *image, uint64_t index)
{
	uint64_t pte;
	if (!vds_section_pte_of(image, index, &pte))
		return false;
	const struct vds_subsection *s = vds_section_subsection_of(image, pte);
	return s && vds_protection_executable(s->protection);
}

static void look_at_code(const struct vds_process *p,
			 const struct vds_vad *vad,
			 const struct vds_section *image, struct patches *ret)
{
	uint8_t mine[PAGE], shared[PAGE];
	uint64_t first;
	*ret = (struct patches){0};
	if (!vds_section_page_of(image, vad->first_prototype_pte, &first))
		return;
	uint64_t pages = (vad->end - vad->start) / PAGE + 1;
	pages = pages < MAX_CODE_PAGES ? pages : MAX_CODE_PAGES;
	for (uint64_t i = 0, step; i < pages; i += step) {
		uint64_t va = vad->start + i * PAGE;
		struct vds_page page;
		vds_page_at(p, vad, va, &page);
		/* Where there is no page table there are no copies. */
		uint64_t span = page.absent_span;
		step = span ? (span - (va & (span - 1))) / PAGE : 1;
		if (!page.is_private_copy || page.private_why ||
		    !is_code(image, first + i))
			continue;
		ret->copies++;
		if (vds_process_read(p, va, mine, PAGE) ||
		    vds_section_read_page(p, image, first + i, shared) ||
		    !differs(mine, shared, ret))
			continue;
		if (!ret->changed) {
			ret->page = first + i;
			ret->va = va;
		}
		ret->changed++;
	}
	for (uint64_t i = 0; ret->changed && i < pages; i++)
		ret->code += is_code(image, first + i);
}

/* In how many processes does that place hold the very same bytes? */
static size_t alike(struct vds_run *run, const struct scene *scene,
		    const struct vds_process *p,
		    const struct vds_section *image, const struct patches *at)
{
	uint8_t mine[64], theirs[64];
	size_t len = at->length < sizeof(mine) ? at->length : sizeof(mine);
	size_t count = 0;
	if (vds_process_read(p, at->va + at->offset, mine, len))
		return 0;
	for (size_t i = 0; i < scene->sharing->num_views; i++) {
		const struct vds_view *view = scene->sharing->views[i];
		if (!view->section || view->section->why || !view->has_pages ||
		    view->section->control_area != image->control_area ||
		    at->page < view->first_page || at->page > view->last_page)
			continue;
		const struct vds_process *q =
			vds_process_at(run, view->process);
		uint64_t va = view->start +
			      (at->page - view->first_page) * PAGE + at->offset;
		count += q && !vds_process_read(q, va, theirs, len) &&
			 !memcmp(mine, theirs, len);
	}
	return count;
}

static struct vds_error *patched(struct vds_run *run,
				 const struct scene *scene,
				 const struct vds_process *p,
				 const struct vds_vad *vad,
				 const struct vds_section *image)
{
	struct patches at;
	struct finding f;
	look_at_code(p, vad, image, &at);
	if (!at.changed)
		return NULL;
	const struct vds_rule *stomped =
		vds_rule_find(scene->rules, "stomped-module");
	int64_t percent = stomped ? vds_rule_param(stomped, "percent") : 25;
	bool large = (int64_t)(at.copies * 100) >=
		     percent * (int64_t)at.code;
	if (!finding_init(&f, scene, large ? "stomped-module" :
					     "patched-image-page"))
		return NULL;
	finding_vad(&f, run, p, vad);
	if (!large && alike(run, scene, p, image, &at) >= 3)
		finding_add(&f, "many_processes",
			    "at least three processes have the same bytes there");
	f.process = p;
	f.vad = vad;
	f.section = image;
	f.message = vds_sprintf(
		run, "of %llu pages of code %llu are private, %llu changed, first at 0x%llx (%u bytes)",
		(unsigned long long)at.code, (unsigned long long)at.copies,
		(unsigned long long)at.changed,
		(unsigned long long)(at.va + at.offset), at.length);
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
	struct vds_error *err = vds_process_modules(run, p, &native);
	if (!err)
		err = vds_process_modules32(run, p, &wow64);
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

static struct vds_error *unlinked(struct vds_run *run,
				  const struct scene *scene,
				  const struct vds_process *p,
				  const struct listed *listed,
				  const struct vds_vad *vad,
				  const struct vds_section *image)
{
	struct finding f;
	bool is_32_bit = p->wow64 && vad->end < UINT64_C(0x100000000);
	if (!listed->complete || (is_32_bit && !listed->complete32) ||
	    !has_code(image) || is_listed(listed, vad) ||
	    !finding_init(&f, scene, "unlinked-module"))
		return NULL;
	finding_vad(&f, run, p, vad);
	f.process = p;
	f.vad = vad;
	f.section = image;
	f.message = "an image with code is in none of the loader's lists";
	return finding_emit(&f, run, scene);
}

struct vds_error *find_in_images(struct vds_run *run,
				 const struct scene *scene,
				 const struct vds_process *p)
{
	struct listed listed = {0};
	struct vds_error *err = NULL;
	if (p->exited)
		return NULL;
	if (p->peb)
		err = read_listed(run, p, &listed);
	struct vds_vad_iter *it = err ? NULL : vds_vad_iterate(p);
	const struct vds_vad *vad;
	while (!err && it && (vad = vds_vad_next(it))) {
		if (vad->type != VDS_VAD_IMAGE || vad->is_private)
			continue;
		const struct vds_section *image = vds_vad_section(p, vad);
		if (!image || image->why)
			continue;
		err = mismatch(run, scene, p, vad, image);
		if (!err)
			err = patched(run, scene, p, vad, image);
		if (!err)
			err = unlinked(run, scene, p, &listed, vad, image);
	}
	return err;
}
