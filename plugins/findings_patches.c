/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about changed code: what one process has in its copy of an image. */
#include <string.h>

#include "findings_images.h"

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

struct vds_error *find_patches(struct vds_run *run, const struct scene *scene,
			       struct use *u)
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
