/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One walk over all VADs and their page tables, for all rules: which VADs some
 * rule has to look at, and whose frames are somebody else's, too.
 */
#include <stdlib.h>
#include <string.h>

#include "findings.h"

/* What is to be seen of one VAD in its page tables. */
struct sweep {
	struct frame_walk frames;
	bool collects;		/* frames: */
	bool seeks;		/* an entry that may be executed: */
	bool executable;	/* there is one */
};

static bool look_at_entry(void *ctx, const struct vds_table_entry *e)
{
	struct sweep *s = ctx;
	if (s->seeks && !e->why && e->valid && e->executable) {
		s->executable = true;
		s->seeks = false;
	}
	if (s->collects)
		s->collects = frame_walk_visit(&s->frames, e);
	return s->seeks || s->collects;
}

static struct vds_error *add_node(struct vds_run *run, struct nodes *nodes,
				  uint64_t node)
{
	if (nodes->count == nodes->cap) {
		size_t cap = nodes->cap ? nodes->cap * 2 : 16;
		uint64_t *more = vds_alloc(run, cap, sizeof(*more));
		if (!more)
			return &vds_enomem;
		if (nodes->count)
			memcpy(more, nodes->list,
			       nodes->count * sizeof(*more));
		nodes->list = more;
		nodes->cap = cap;
	}
	nodes->list[nodes->count++] = node;
	return NULL;
}

static int compare_nodes(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
	return a < b ? -1 : a > b;
}

bool was_made_executable(const struct facts *facts, uint64_t node)
{
	return facts->changed.count &&
	       bsearch(&node, facts->changed.list, facts->changed.count,
		       sizeof(node), compare_nodes);
}

static struct vds_error *finish(struct facts *facts, struct frame_walk *frames)
{
	if (facts->changed.count)
		qsort(facts->changed.list, facts->changed.count,
		      sizeof(*facts->changed.list), compare_nodes);
	return frame_walk_finish(frames);
}

/*
 * The initial protection tells what was allocated or mapped; who first writes
 * and then makes executable shows in the page tables alone.
 */
static struct vds_error *see_memory(struct vds_run *run, struct facts *facts,
				    struct sweep *s,
				    const struct vds_process *p,
				    const struct vds_vad *vad)
{
	bool executable = vds_protection_executable(vad->protection);
	bool code = p->selected && !p->exited && vad->is_private &&
		    vad->type != VDS_VAD_DEVICE_PHYSICAL;
	bool view = !vad->is_private && vad->has_section;
	struct vds_error *err = NULL;
	s->collects = frame_walk_enter(&s->frames, vad);
	s->seeks = !executable && (code || view);
	if (s->seeks || s->collects)
		vds_tables_walk(p, vad->start, vad->end, look_at_entry, s);
	if (code && (executable || s->executable))
		err = add_node(run, &facts->code, vad->node);
	if (!err && view && s->executable)
		err = add_node(run, &facts->changed, vad->node);
	return err;
}

static struct vds_error *see_vad(struct vds_run *run,
				 const struct vds_process *p,
				 const struct vds_vad *vad, void *ctx)
{
	const struct scene *scene = ctx;
	struct facts *facts = &scene->facts[p->index];
	struct sweep sweep = {0};
	frame_walk_init(&sweep.frames, run, scene, p);
	if (!vad)
		return finish(facts, &sweep.frames);
	struct vds_error *err = see_memory(run, facts, &sweep, p, vad);
	if (!err && sweep.frames.nomem)
		err = &vds_enomem;
	if (!err && p->selected && !p->exited && vad->type == VDS_VAD_IMAGE &&
	    !vad->is_private)
		err = add_node(run, &facts->images, vad->node);
	return err;
}

struct vds_error *facts_gather(struct vds_run *run, struct scene *scene)
{
	/* Page tables are asked about what is found, not about all there is. */
	const struct vds_sharing_options how = {
		.verify = VDS_VERIFY_NONE, .read = VDS_SOURCES_CHEAP,
		.names = scene->names,
	};
	scene->facts = vds_alloc(run, vds_num_processes(run) + 1,
				 sizeof(*scene->facts));
	if (!scene->facts)
		return &vds_enomem;
	return vds_sharing_build_seeing(run, &how, see_vad, scene,
					&scene->sharing);
}
