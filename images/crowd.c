/* SPDX-License-Identifier: Apache-2.0 */
#include "crowd.h"

#include "base/util.h"

/* xorshift64*, so that one seed gives one crowd on every machine. */
static uint32_t next_random(uint64_t *state, uint32_t below)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (uint32_t)((*state * UINT64_C(0x2545f4914f6cdd1d) >> 33) % below);
}

static struct vds_error *add_section(struct scene *scene, struct place place,
				     uint32_t i, uint64_t *random)
{
	static const enum section_kind kinds[] = {
		SECTION_IMAGE, SECTION_DATA, SECTION_PAGEFILE };
	struct section *s = vds_arena_calloc(&scene->arena, 1, sizeof(*s));
	struct part *part = vds_arena_calloc(&scene->arena, 1, sizeof(*part));
	if (!s || !part)
		return &vds_enomem;
	s->kind = kinds[i % 3];
	s->pages = part->pages = 4 + next_random(random, 60);
	s->prot = part->prot = s->kind == SECTION_IMAGE ? 7 : 4;
	part->name = "";
	s->parts = part;
	s->num_parts = 1;
	s->proto = s->base = SCENE_AUTO;
	s->place = place;
	s->id = vds_arena_printf(&scene->arena, "crowd-%u", i);
	if (s->kind != SECTION_PAGEFILE)
		s->file = vds_arena_printf(&scene->arena,
					   "\\Program Files\\Crowd\\%u.%s", i,
					   s->kind == SECTION_IMAGE ? "dll"
								    : "dat");
	else if (i % 2)
		s->name = vds_arena_printf(&scene->arena,
					   "\\BaseNamedObjects\\Crowd_%u", i);
	s->states = scene_states(&scene->arena,
				 s->kind == SECTION_PAGEFILE ? "VZ*" : "VS*",
				 s->pages);
	if (!s->id || !s->states)
		return &vds_enomem;
	s->index = scene->num_sections++;
	*scene->last_section = s;
	scene->last_section = &s->next;
	return NULL;
}

static struct vds_error *add_process(struct scene *scene, struct place place,
				     uint32_t i, struct process **ret)
{
	struct process *p = vds_arena_calloc(&scene->arena, 1, sizeof(*p));
	if (!p)
		return &vds_enomem;
	p->place = place;
	p->pid = 0x4000 + 4 * i;
	p->parent = 4;
	p->session = i % 3;
	p->user = p->session ? "S-1-5-21-1-2-3-1001" : "S-1-5-18";
	p->integrity = p->session ? 0x2000 : 0x4000;
	p->threads = 1;
	p->eprocess = p->dtb = p->peb = SCENE_AUTO;
	p->created = scene->time - UINT64_C(36000000000) +
		     p->pid * UINT64_C(1000000);
	p->last_view = &p->views;
	p->last_handle = &p->handles;
	p->name = vds_arena_printf(&scene->arena, "crowd%04u.exe", i);
	if (!p->name)
		return &vds_enomem;
	*scene->last_process = p;
	scene->last_process = &p->next;
	scene->num_processes++;
	*ret = p;
	return NULL;
}

static struct vds_error *add_vads(struct scene *scene, struct place place,
				  const struct crowd *crowd,
				  struct section **sections,
				  struct process *p, uint64_t *random)
{
	/* The PEB's VAD is one of them, and the user's shared page's. */
	for (uint32_t i = 2; i < crowd->vads; i++) {
		bool shared = crowd->sections &&
			      next_random(random, 100) < crowd->shared;
		struct section *s = shared
			? sections[next_random(random, crowd->sections)] : NULL;
		struct view *v = scene_add_view(scene, p, s);
		if (!v)
			return &vds_enomem;
		v->place = place;
		if (!s) {
			v->pages = 1 + next_random(random, 64);
			v->prot = 4;
			v->states = ".";
		} else {
			v->states = i % 16 ? "." : "V";
			v->no_ldr = !crowd->modules;
		}
	}
	return NULL;
}

static struct vds_error *add_handles(struct scene *scene, struct place place,
				     const struct crowd *crowd,
				     struct section **sections,
				     struct process *p, uint64_t *random)
{
	for (uint32_t i = 0; crowd->sections && i < crowd->handles; i++) {
		struct handle *h = vds_arena_calloc(&scene->arena, 1,
						    sizeof(*h));
		if (!h)
			return &vds_enomem;
		h->place = place;
		h->owner = p;
		h->kind = OBJECT_SECTION;
		h->section = sections[next_random(random, crowd->sections)];
		h->section->object = true;
		h->access = 0xf0007;
		*p->last_handle = h;
		p->last_handle = &h->next;
		p->num_handles++;
	}
	return NULL;
}

struct vds_error *crowd_add(struct scene *scene, struct place place,
			    const struct crowd *crowd)
{
	uint64_t random = crowd->seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	struct section **sections = NULL;
	struct section **last = scene->last_section;

	if (crowd->processes > 5000 || crowd->vads > 100000 ||
	    crowd->sections > 100000 || crowd->handles > 100000)
		return place_error(place, "that is too large a crowd");
	for (uint32_t i = 0; i < crowd->sections; i++) {
		struct vds_error *err = add_section(scene, place, i, &random);
		if (err)
			return err;
	}
	sections = vds_arena_calloc(&scene->arena, crowd->sections + 1,
				    sizeof(*sections));
	if (!sections)
		return &vds_enomem;
	struct section *s = *last;
	for (uint32_t i = 0; s; s = s->next)
		sections[i++] = s;
	for (uint32_t i = 0; i < crowd->processes; i++) {
		struct process *p = NULL;
		struct vds_error *err = add_process(scene, place, i, &p);
		if (!err)
			err = add_vads(scene, place, crowd, sections, p,
				       &random);
		if (!err)
			err = add_handles(scene, place, crowd, sections, p,
					  &random);
		if (err)
			return err;
	}
	return NULL;
}
