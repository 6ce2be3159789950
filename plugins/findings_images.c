/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about mapped images: what each process did with its views of them. */
#include <stdlib.h>
#include <string.h>

#include <vadose/table.h>

#include "findings_images.h"
#include "image_own.h"
#include "image_twin.h"

static int compare_twins(const void *pa, const void *pb)
{
	const struct twin *a = pa, *b = pb;
	return a->image < b->image ? -1 : a->image > b->image;
}

/* The data section of the image's file, if that begins with other headers. */
static const struct vds_section *
unlike_data_of(const struct vds_process *any, const struct vds_section *image)
{
	const struct vds_section *data = image_data_of(any, image);
	return data && !image_headers_agree(any, image, data) ? data : NULL;
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
				image->control_area,
				unlike_data_of(any, image)};
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
	return twin ? twin->data : unlike_data_of(any, image);
}

static struct vds_error *mismatch(struct vds_run *run,
				  const struct scene *scene,
				  const struct vds_process *p,
				  const struct vds_vad *vad,
				  const struct vds_section *image)
{
	struct finding f;
	const struct vds_section *data = twin_of(scene, p, image);
	if (!data || !finding_init(&f, scene, "image-data-mismatch"))
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

static bool look_at_use(struct vds_run *run, const struct vds_process *p,
			const struct vds_vad *vad,
			const struct vds_section *image, struct use *u)
{
	*u = (struct use){.vad = vad, .code = image_pages_of_code(image),
			  .diff = u->diff};
	u->view = (struct image_view){.run = run, .process = p,
				      .section = image, .start = vad->start,
				      .end = vad->end};
	if (!vds_section_page_of(image, vad->first_prototype_pte, &u->first))
		return false;
	vds_tables_walk(p, vad->start, vad->end, look_at_entry, u);
	return true;
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
		err = listed_read(run, p, &listed);
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
		err = find_patches(run, scene, &u);
		if (!err)
			err = listed_check(run, &listed, &u, &unlisted);
	}
	return err ? err : find_unlisted(run, scene, p, &unlisted);
}
