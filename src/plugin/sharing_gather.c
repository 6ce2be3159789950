/* SPDX-License-Identifier: Apache-2.0 */
/* Which sections the sources know: each once, in order. */
#include <stdlib.h>

#include "base/util.h"
#include "nt/process.h"
#include "plugin/sharing_sources.h"

/* That a source knows a section. */
struct ref {
	uint64_t area;
	uint32_t sources;
};

struct refs {
	struct ref *list;	/* malloc'ed */
	size_t count, cap;
};

static struct vds_error *add_ref(struct refs *r, uint64_t area,
				 uint32_t sources)
{
	if (r->count == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 256;
		struct ref *list = reallocarray(r->list, cap, sizeof(*list));
		if (!list)
			return &vds_enomem;
		r->list = list;
		r->cap = cap;
	}
	r->list[r->count++] = (struct ref){area, sources};
	return NULL;
}

static struct vds_error *add_objects(struct vds_sharing_sources *s,
				     struct refs *r)
{
	static const struct {
		uint32_t found, source;
	} words[] = {
		{VDS_OBJECT_HANDLE, VDS_SECTION_IN_HANDLE},
		{VDS_OBJECT_DIRECTORY, VDS_SECTION_IN_DIRECTORY},
		{VDS_OBJECT_PROCESS, VDS_SECTION_IN_PROCESS},
	};
	struct vds_error *err = NULL;
	size_t count;
	const struct vds_section_object *objects =
		vds_section_objects(s->work->options->names, &count);
	for (size_t i = 0; !err && i < count; i++) {
		uint32_t sources = 0;
		for (size_t k = 0; k < VDS_ARRAY_SIZE(words); k++) {
			if (objects[i].found & words[k].found)
				sources |= words[k].source;
		}
		if (!objects[i].control_area_why && (sources & s->work->read))
			err = add_ref(r, objects[i].control_area,
				      sources & s->work->read);
	}
	return err;
}

static struct vds_error *add_kernel_views(struct vds_sharing_sources *s,
				     struct refs *r)
{
	struct vds_task *task = s->any->task;
	struct vds_error *err = NULL;
	s->cache_why = VDS_NOT_APPLICABLE;
	if (vds_sharing_wants(s, VDS_VIEW_IN_CACHE))
		s->cache_why = vds_cache_arrays_list(task, &s->kernel);
	if (vds_sharing_wants(s, VDS_VIEW_IN_SYSTEM | VDS_VIEW_IN_SESSION))
		vds_system_views_list(task, &s->kernel);
	for (size_t i = 0; !err && i < s->kernel.count; i++)
		err = add_ref(r, s->kernel.list[i].control_area,
			      s->kernel.list[i].source);
	return err;
}

static struct vds_error *add_pool(struct vds_sharing_sources *s,
				     struct refs *r)
{
	uint64_t *areas = NULL;
	size_t count = 0;
	struct vds_error *err = vds_pool_sections(s->run, &areas, &count);
	for (size_t i = 0; !err && i < count; i++)
		err = add_ref(r, areas[i], VDS_SECTION_IN_POOL);
	free(areas);
	return err;
}

/* All sections that any source leads to. */
static struct vds_error *find_all(struct vds_sharing_sources *s,
				     struct refs *r)
{
	struct vds_sharing_work *work = s->work;
	struct vds_error *err = NULL;
	for (size_t i = 0; !err && i < work->num_subsections; i++) {
		if (work->sections[i] && !work->sections[i]->why)
			err = add_ref(r, work->sections[i]->control_area,
				      VDS_VIEW_IN_TREE);
	}
	if (!err && vds_sharing_wants(s, VDS_SECTION_IN_PROTOS)) {
		enum vds_why why;
		size_t count;
		const struct vds_section_ref *list = vds_prototype_tree_list(
			s->any->task, &count, &why);
		for (size_t i = 0; !err && i < count; i++)
			err = add_ref(r, list[i].control_area,
				      VDS_SECTION_IN_PROTOS);
	}
	if (!err && vds_sharing_wants(s, VDS_SOURCES_OBJECTS) &&
	    work->options->names)
		err = add_objects(s, r);
	if (!err && vds_sharing_wants(s, VDS_SECTION_IN_POOL))
		err = add_pool(s, r);
	return err ? err : add_kernel_views(s, r);
}

static int compare_refs(const void *pa, const void *pb)
{
	const struct ref *a = pa, *b = pb;
	return a->area < b->area ? -1 : a->area > b->area;
}

/* Each section once, in order; its index in s->areas. */
static struct vds_error *fold(struct vds_sharing_sources *s,
				     struct refs *r)
{
	struct vds_sharing_work *work = s->work;
	if (r->count)
		qsort(r->list, r->count, sizeof(*r->list), compare_refs);
	work->seen = vds_alloc(s->run, r->count + 1, sizeof(*work->seen));
	s->listings = vds_alloc(s->run, r->count + 1, sizeof(*s->listings));
	if (!work->seen || !s->listings)
		return &vds_enomem;
	for (size_t i = 0; i < r->count; i++) {
		uint64_t area = r->list[i].area;
		if (!i || r->list[i - 1].area != area) {
			uint64_t *index = vds_map_put(&s->areas, area, NULL);
			if (!index)
				return &vds_enomem;
			work->seen[work->num_seen++].control_area = area;
			*index = work->num_seen;
		}
		work->seen[work->num_seen - 1].sources |= r->list[i].sources;
	}
	return NULL;
}

struct vds_error *vds_sharing_gather(struct vds_sharing_sources *s)
{
	struct refs refs = {0};
	struct vds_error *err = find_all(s, &refs);
	if (!err)
		err = fold(s, &refs);
	free(refs.list);
	return err;
}
