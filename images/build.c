/* SPDX-License-Identifier: Apache-2.0 */
/* The order in which a machine comes into being. */
#include "world.h"

#include "profile/user32.h"

/* Places that the recipe names are taken before anything else is placed. */
static void reserve(struct world *w)
{
	const struct scene *scene = w->scene;

	mem_reserve(w, scene->stub / VDS_PAGE_SIZE);
	for (const struct process *p = scene->processes; p; p = p->next)
		if (p->dtb != SCENE_AUTO)
			mem_reserve(w, p->dtb / VDS_PAGE_SIZE);
	for (const struct table_hint *h = scene->tables; h; h = h->next)
		mem_reserve(w, h->pa / VDS_PAGE_SIZE);
	for (const struct section *s = scene->sections; s; s = s->next)
		for (uint32_t i = 0; s->at_frame &&
		     i < (s->large ? s->pages : 1); i++)
			mem_reserve(w, s->at_frame + i);
	for (const struct process *p = scene->processes; p; p = p->next)
		for (const struct view *v = p->views; v; v = v->next)
			for (uint32_t i = 0; v->at_frame &&
				     i < (v->physical ? v->pages : 1); i++)
				mem_reserve(w, v->at_frame + i);
}

static void init(struct world *w, struct scene *scene,
		 const struct vds_profile *profile,
		 const struct vds_profile *other)
{
	bool random = false;

	*w = (struct world){ .scene = scene, .profile = profile,
			     .other = other, .symbols = profile };
	if (other && !vds_profile_num_symbols(profile))
		w->symbols = other;
	vds_arena_init(&w->arena, 0);
	w->err = vds_profile_user32(w->symbols, &w->user32);
	w->build = scene->build ? scene->build
				: vds_profile_identity(profile)->build;
	reserve(w);
	uint32_t rva;
	/* Kernels with this global choose their table's place at each start. */
	random = vds_profile_symbol(w->symbols, "MmPteBase", &rva);
	if (scene->pte_index == SCENE_AUTO)
		scene->pte_index = random ? 0x173 : 0x1ed;
	w->pte_base = scene->la57
		? UINT64_C(0xff00000000000000) | scene->pte_index << 48
		: UINT64_C(0xffff000000000000) | scene->pte_index << 39;
	w->pfn_db = random ? UINT64_C(0xffff8a2c40000000)
			   : UINT64_C(0xfffffa8000000000);
	w->nonpaged.next = scene->nonpaged;
	w->paged.next = scene->paged;
	w->kernel.kernel = true;
	if (scene->dtb == SCENE_AUTO)
		scene->dtb = 0x1ad000;
	mem_reserve(w, scene->dtb / VDS_PAGE_SIZE);
	w->kernel.dtb = scene->dtb;
	(void)mem_page(w, scene->dtb / VDS_PAGE_SIZE);
	/* Windows 7 gives a process 8 TB, later ones 128 TB. */
	w->next_image = has_field(w, "_MMVAD_SHORT", "StartingVpnHigh")
		? UINT64_C(0x7ffd80000000) : UINT64_C(0x7fefe000000);
}

struct vds_error *world_build(struct world *w, struct scene *scene,
			      const struct vds_profile *profile,
			      const struct vds_profile *other)
{
	init(w, scene, profile, other);
	kernel_place(w);
	pte_init(w);
	objects_init(w);
	kernel_fill(w);
	kernel_globals(w);
	sections_build(w);
	libraries_build(w);
	caches_build(w);
	contents_sections(w);
	processes_build(w);
	contents_processes(w);
	sections_finish(w);
	handles_build(w);
	/* After all that scenes give addresses of. */
	paging_files_build(w);
	if (scene->big_pools)
		bigpool_build(w);
	/* Its own page tables must stand before the others copy them. */
	pfn_build(w);
	processes_finish(w);
	pfn_build(w);
	faults_apply(w);
	return vds_steal(w->err);
}

void world_deinit(struct world *w)
{
	vds_error_destroy(w->err);
	vds_profile_destroy(w->user32);
	vds_map_deinit(&w->fields);
	vds_map_deinit(&w->pages);
	vds_map_deinit(&w->used);
	vds_map_deinit(&w->frames);
	vds_map_deinit(&w->tables);
	vds_map_deinit(&w->sessions);
	vds_map_deinit(&w->kernel.pages);
	for (struct process *p = w->scene ? w->scene->processes : NULL; p;
	     p = p->next)
		if (p->space)
			vds_map_deinit(&p->space->pages);
	vds_arena_deinit(&w->arena);
}
