/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about one group of views: whose section it is, and who knows it. */
#include <vadose/table.h>

#include "findings_group.h"

static bool see_executable(void *ctx, const struct vds_table_entry *e)
{
	bool *found = ctx;
	*found = !e->why && e->valid && e->executable;
	return !*found;
}

/*
 * The initial protection is what the view was mapped with; VirtualProtect()
 * changes entries of the page tables, and leaves it as it was.
 */
static void look_at_rights(struct look *l, size_t i)
{
	const struct vds_view *view = view_at(l, i);
	const struct vds_process *p = process_of(l, i);
	struct rights *r = &l->rights[i];
	r->writes = vds_protection_writable(view->protection) &&
		    !vds_protection_copy_on_write(view->protection);
	r->executes = vds_protection_executable(view->protection);
	if (r->executes || !p || !view->has_pages)
		return;
	/* Most haven't changed, as the walk over its tree has shown. */
	if (view->sources & VDS_VIEW_IN_TREE &&
	    !was_made_executable(&l->scene->facts[p->index], view->node))
		return;
	/* A damaged VAD may end where others are; the section's end doesn't. */
	uint64_t len = (view->last_page - view->first_page + 1) * 4096;
	uint64_t end = view->start + len - 1;
	vds_tables_walk(p, view->start, end < view->end ? end : view->end,
			see_executable, &r->changed);
	r->executes = r->changed;
}

enum naming look_naming(const struct look *l)
{
	enum vds_why why;
	size_t count, found = 0;
	if (vds_section_name(l->scene->names, l->section->control_area, &why))
		return NAMED;
	const struct vds_section_object *objects =
		vds_section_objects(l->scene->names, &count);
	for (size_t i = 0; i < count; i++) {
		if (objects[i].control_area == l->section->control_area)
			found += objects[i].name_why == VDS_NOT_APPLICABLE;
	}
	return why == VDS_NOT_APPLICABLE &&
	       found >= l->section->section_references ?
		       ANONYMOUS : NAME_UNKNOWN;
}

/* The process's own program: its image base lies in the view. */
static bool is_program(const struct vds_process *p, const struct vds_view *view)
{
	return p && p->image_base >= view->start && p->image_base <= view->end;
}

struct vds_error *look_emit(struct finding *f, const struct look *l,
			    const struct vds_view *view)
{
	f->view = view;
	f->process = vds_process_at(l->run, view->process);
	f->eprocess = view->eprocess;
	if (f->process && !f->process->selected)
		return NULL;
	finding_threads(f, l->scene, f->process, view->start, view->end);
	/* Of a process that no list has, what it says itself. */
	if (!f->process)
		f->process = view->unlisted;
	return finding_emit(f, l->run, l->scene);
}

static struct vds_error *image_without_file(const struct look *l,
					    const struct vds_view *view)
{
	const struct vds_section *section = l->section;
	struct finding f;
	const struct vds_process *p = vds_process_at(l->run, view->process);
	/* A file that only the VAD names is not the control area's. */
	bool gone = !section->file_object || section->file_from_view;
	const char *rule = gone ? "no-image-file" : "ghosted-image";
	if ((!gone && !section->file_deleted) ||
	    !finding_init(&f, l->scene, rule))
		return NULL;
	finding_view(&f, l->run, view);
	if (!is_program(p, view))
		finding_add(&f, "not_the_program",
			    "it is not the process's own program");
	f.message = gone ? "an image is mapped that has no file" :
			   vds_sprintf(l->run, "the file of this image is deleted or pending deletion: %s",
				       section->file_name ? section->file_name :
							    "(name unavailable)");
	return look_emit(&f, l, view);
}

static struct vds_error *unaccounted(const struct look *l,
				     const struct vds_view *view)
{
	struct finding f;
	const struct vds_process *p = vds_process_at(l->run, view->process);
	if (view->sources != VDS_VIEW_IN_LIST ||
	    !finding_init(&f, l->scene, "view-unaccounted"))
		return NULL;
	finding_view(&f, l->run, view);
	if (vds_protection_executable(view->protection))
		finding_add(&f, "executable", "it may be executed");
	if (!p)
		finding_add(&f, "unknown_process",
			    "no list of processes has its process");
	else if (p->exited)
		finding_add(&f, "exited", "its process has ended");
	/* A tree that lost a subtree has fewer nodes than it should. */
	if (p) {
		uint64_t count = 0;
		struct vds_vad_iter *it = vds_vad_iterate(p);
		while (vds_vad_next(it))
			count++;
		if (!p->vad_count_why && p->vad_count > count + 1)
			finding_add(&f, "damaged_tree",
				    "the VAD tree has lost more than this node");
	}
	f.message = "only the section's own list of views knows this view";
	return look_emit(&f, l, view);
}

/* Did a process with this PID end, or is there none? */
static bool has_ended(struct vds_run *run, uint32_t pid)
{
	bool ended = true;
	for (size_t i = vds_process_from_pid(run, pid);; i++) {
		const struct vds_process *p = vds_process_at(run, i);
		if (!p || p->pid != pid)
			return ended;
		ended = p->exited;
	}
}

static struct vds_error *dead_creator(const struct look *l)
{
	const struct vds_section *section = l->section;
	struct finding f;
	bool executable = false;
	if (section->creator_why || !section->creator_pid ||
	    !has_ended(l->run, section->creator_pid) ||
	    !finding_init(&f, l->scene, "dead-creator"))
		return NULL;
	for (size_t i = 0; i < l->group->num_views; i++) {
		executable |= l->rights[i].executes;
		finding_view(&f, l->run, view_at(l, i));
	}
	if (executable)
		finding_add(&f, "executable", "some view may be executed");
	if (look_naming(l) == ANONYMOUS)
		finding_add(&f, "unnamed", "the section has no name");
	f.message = vds_sprintf(
		l->run, "PID %u, which made this section, has ended; %zu processes map it",
		section->creator_pid, l->group->num_processes);
	return look_emit(&f, l, view_at(l, 0));
}

/* Views of a group that cost no memory of the run: most have one or two. */
#define FEW_VIEWS 64

static struct vds_error *look_at_section(struct look *l)
{
	struct rights few[FEW_VIEWS] = {0};
	struct vds_error *err = NULL;
	size_t n = l->group->num_views;
	if (l->section->backing == VDS_BACKING_IMAGE) {
		for (size_t i = 0; !err && i < n; i++)
			err = image_without_file(l, view_at(l, i));
		return err;
	}
	/* A file's pages can be written and executed like any others. */
	bool pagefile = l->section->backing == VDS_BACKING_PAGEFILE;
	if (!pagefile && l->section->backing != VDS_BACKING_DATA)
		return NULL;
	l->rights = n <= FEW_VIEWS ? few : vds_alloc(l->run, n,
						     sizeof(*l->rights));
	if (!l->rights)
		return &vds_enomem;
	for (size_t i = 0; i < n; i++)
		look_at_rights(l, i);
	if (pagefile)
		err = dead_creator(l);
	return err ? err : find_in_memory(l);
}

struct vds_error *find_in_group(struct vds_run *run, const struct scene *scene,
				size_t index)
{
	struct look l = {.run = run, .scene = scene,
			 .group = &scene->sharing->groups[index]};
	struct vds_error *err = NULL;
	for (size_t i = 0; !err && i < l.group->num_views; i++)
		err = unaccounted(&l, view_at(&l, i));
	l.section = view_at(&l, 0)->section;
	if (err || !l.section || l.section->why || l.group->known)
		return err;
	return look_at_section(&l);
}
