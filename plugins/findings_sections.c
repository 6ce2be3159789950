/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about one group of views: who maps the same memory, and how. */
#include <string.h>

#include "findings.h"

static const struct vds_view *view_at(const struct scene *scene,
				      const struct vds_share_group *group,
				      size_t i)
{
	return scene->sharing->views[group->first_view + i];
}

static bool writes(const struct vds_view *view)
{
	return vds_protection_writable(view->protection) &&
	       !vds_protection_copy_on_write(view->protection);
}

static bool executes(const struct vds_view *view)
{
	return vds_protection_executable(view->protection);
}

static bool is_anonymous(const struct scene *scene,
			 const struct vds_section *section)
{
	enum vds_why why;
	return !vds_section_name(scene->names, section->control_area, &why) &&
	       why == VDS_NOT_APPLICABLE;
}

static struct vds_error *emit_about(struct finding *f, struct vds_run *run,
				    const struct scene *scene,
				    const struct vds_view *view)
{
	f->view = view;
	f->process = vds_process_at(run, view->process);
	f->eprocess = view->eprocess;
	if (f->process && !f->process->selected)
		return NULL;
	return finding_emit(f, run, scene);
}

/* What two views of one section have against them, beyond the rule. */
static void add_pair(struct finding *f, struct vds_run *run,
		     const struct vds_share_group *group,
		     const struct vds_view *a, const struct vds_view *b)
{
	const struct vds_process *pa = vds_process_at(run, a->process);
	const struct vds_process *pb = vds_process_at(run, b->process);
	finding_view(f, run, a);
	finding_view(f, run, b);
	if (pa && pb && other_session(pa, pb))
		finding_add(f, "cross_session", "another session");
	if (pa && pb && same_program(pa, pb))
		finding_add(f, "same_program", "the same program");
	if (group->grade == VDS_GRADE_HARDWARE && a->proven && b->proven)
		finding_add(f, "proven", "page tables of both prove it");
}

static const char *name_of(const struct vds_process *p)
{
	return p && p->name ? p->name : "(name unavailable)";
}

static unsigned int pid_of(const struct vds_process *p)
{
	return p ? p->pid : 0;
}

/* Some writer that is another process than @than; NULL if there is none. */
static const struct vds_view *find_writer(const struct scene *scene,
					  const struct vds_share_group *group,
					  const struct vds_view *than,
					  bool also_executes)
{
	for (size_t i = 0; i < group->num_views; i++) {
		const struct vds_view *view = view_at(scene, group, i);
		if (view->process != than->process && writes(view) &&
		    executes(view) == also_executes)
			return view;
	}
	return NULL;
}

static struct vds_error *writer_and_runner(struct vds_run *run,
					   const struct scene *scene,
					   const struct vds_share_group *group,
					   const struct vds_section *section,
					   const struct vds_view *view)
{
	struct finding f;
	const struct vds_view *writer = find_writer(scene, group, view, false);
	if (!executes(view) || writes(view) || !writer ||
	    !finding_init(&f, scene, "rw-here-rx-there"))
		return NULL;
	const struct vds_process *w = vds_process_at(run, writer->process);
	add_pair(&f, run, group, view, writer);
	if (!is_anonymous(scene, section))
		finding_add(&f, "named", "the section has a name");
	f.message = vds_sprintf(
		run, "memory that %s (PID %u) may write at 0x%llx can be executed here",
		name_of(w), pid_of(w), (unsigned long long)writer->start);
	return emit_about(&f, run, scene, view);
}

static struct vds_error *rwx_shared(struct vds_run *run,
				    const struct scene *scene,
				    const struct vds_share_group *group,
				    const struct vds_section *section,
				    const struct vds_view *view)
{
	struct finding f;
	const struct vds_view *other = find_writer(scene, group, view, true);
	const struct vds_process *p = vds_process_at(run, view->process);
	bool creator = p && !section->creator_why &&
		       p->pid == section->creator_pid;
	if (!writes(view) || !executes(view) || !other || creator ||
	    !finding_init(&f, scene, "rwx-shared"))
		return NULL;
	add_pair(&f, run, group, view, other);
	f.message = vds_sprintf(
		run, "%zu processes share memory that may be written and executed",
		group->num_processes);
	return emit_about(&f, run, scene, view);
}

static struct vds_error *cross_session(struct vds_run *run,
				       const struct scene *scene,
				       const struct vds_share_group *group,
				       const struct vds_section *section,
				       const struct vds_view *view, bool *told)
{
	struct finding f;
	const struct vds_process *p = vds_process_at(run, view->process);
	if (!p || !writes(view) || executes(view) ||
	    !is_anonymous(scene, section))
		return NULL;
	if (!section->creator_why && section->creator_pid == p->pid)
		return NULL;
	for (size_t i = 0; i < group->num_views; i++) {
		const struct vds_view *other = view_at(scene, group, i);
		const struct vds_process *q =
			vds_process_at(run, other->process);
		if (!q || !writes(other) || !other_session(p, q))
			continue;
		if (!finding_init(&f, scene, "cross-session-writable"))
			return NULL;
		add_pair(&f, run, group, view, other);
		*told = true;
		f.message = vds_sprintf(
			run, "unnamed memory is written here and by %s (PID %u) in session %u",
			name_of(q), q->pid, q->session);
		return emit_about(&f, run, scene, view);
	}
	return NULL;
}

/* The process's own program: its image base lies in the view. */
static bool is_program(const struct vds_process *p, const struct vds_view *view)
{
	return p && p->image_base >= view->start && p->image_base <= view->end;
}

static struct vds_error *image_without_file(struct vds_run *run,
					    const struct scene *scene,
					    const struct vds_section *section,
					    const struct vds_view *view)
{
	struct finding f;
	const struct vds_process *p = vds_process_at(run, view->process);
	/* A file that only the VAD names is not the control area's. */
	bool gone = !section->file_object || section->file_from_view;
	const char *rule = gone ? "no-image-file" : "ghosted-image";
	if ((!gone && !section->file_deleted) ||
	    !finding_init(&f, scene, rule))
		return NULL;
	finding_view(&f, run, view);
	if (!is_program(p, view))
		finding_add(&f, "not_the_program",
			    "it is not the process's own program");
	f.message = gone ? "an image is mapped that has no file" :
			   vds_sprintf(run, "the file of this image is deleted or pending deletion: %s",
				       section->file_name ? section->file_name :
							    "(name unavailable)");
	return emit_about(&f, run, scene, view);
}

static struct vds_error *unaccounted(struct vds_run *run,
				     const struct scene *scene,
				     const struct vds_view *view)
{
	struct finding f;
	const struct vds_process *p = vds_process_at(run, view->process);
	if (view->sources != VDS_VIEW_IN_LIST ||
	    !finding_init(&f, scene, "view-unaccounted"))
		return NULL;
	finding_view(&f, run, view);
	if (executes(view))
		finding_add(&f, "executable", "it may be executed");
	if (!p)
		finding_add(&f, "unknown_process",
			    "no list of processes has its process");
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
	return emit_about(&f, run, scene, view);
}

static struct vds_error *look_at_view(struct vds_run *run,
				      const struct scene *scene,
				      const struct vds_share_group *group,
				      const struct vds_view *view,
				      bool *told)
{
	const struct vds_section *section = view->section;
	struct vds_error *err = unaccounted(run, scene, view);
	if (err || !section || section->why || group->known)
		return err;
	if (section->backing == VDS_BACKING_IMAGE)
		return image_without_file(run, scene, section, view);
	if (section->backing != VDS_BACKING_PAGEFILE)
		return NULL;
	err = writer_and_runner(run, scene, group, section, view);
	if (!err)
		err = rwx_shared(run, scene, group, section, view);
	/* All its views say the same: one row for the group. */
	if (!err && !*told)
		err = cross_session(run, scene, group, section, view, told);
	return err;
}

/* Did a process with this PID end, or is there none? */
static bool has_ended(struct vds_run *run, uint32_t pid)
{
	bool ended = true;
	for (size_t i = 0; i < vds_num_processes(run); i++) {
		const struct vds_process *p = vds_process_at(run, i);
		if (p && p->pid == pid)
			ended = p->exited;
	}
	return ended;
}

static struct vds_error *dead_creator(struct vds_run *run,
				      const struct scene *scene,
				      const struct vds_share_group *group)
{
	const struct vds_view *view = view_at(scene, group, 0);
	const struct vds_section *section = view->section;
	struct finding f;
	if (!section || section->why || section->creator_why ||
	    !section->creator_pid || group->known ||
	    section->backing != VDS_BACKING_PAGEFILE ||
	    !has_ended(run, section->creator_pid) ||
	    !finding_init(&f, scene, "dead-creator"))
		return NULL;
	finding_view(&f, run, view);
	if (group->executable)
		finding_add(&f, "executable", "some view may be executed");
	if (is_anonymous(scene, section))
		finding_add(&f, "unnamed", "the section has no name");
	f.message = vds_sprintf(
		run, "PID %u, which made this section, has ended; %zu processes map it",
		section->creator_pid, group->num_processes);
	return emit_about(&f, run, scene, view);
}

struct vds_error *find_in_group(struct vds_run *run, const struct scene *scene,
				size_t index)
{
	const struct vds_share_group *group = &scene->sharing->groups[index];
	struct vds_error *err = dead_creator(run, scene, group);
	bool told = false;
	for (size_t i = 0; !err && i < group->num_views; i++)
		err = look_at_view(run, scene, group, view_at(scene, group, i),
				   &told);
	return err;
}
