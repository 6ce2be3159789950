/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about one group of views: who maps the same memory, and how. */
#include <string.h>
#include <strings.h>

#include <vadose/table.h>

#include "findings.h"

/* One group of views, and what its views may do. */
struct look {
	struct vds_run *run;
	const struct scene *scene;
	const struct vds_share_group *group;
	const struct vds_section *section;	/* NULL: not known */
	struct rights *rights;	/* by view of the group */
	bool graded;		/* the group was */
};

struct rights {
	bool writes;		/* to what others see: not a copy on write */
	bool executes;
	bool changed;		/* executes now, by its page tables alone */
};

static const struct vds_view *view_at(const struct look *l, size_t i)
{
	return l->scene->sharing->views[l->group->first_view + i];
}

static const struct vds_process *process_of(const struct look *l, size_t i)
{
	return vds_process_at(l->run, view_at(l, i)->process);
}

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

enum naming { NAMED, ANONYMOUS, NAME_UNKNOWN };

/*
 * A section whose control area counts more section objects than were found has
 * one whose name is not known: object directories lie in paged memory.
 */
static enum naming naming_of(const struct look *l)
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

static struct vds_error *emit_about(struct finding *f, const struct look *l,
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

/* Such a program may be host to anything: svchost.exe, dllhost.exe, ... */
static bool is_windows_program(const struct vds_process *p)
{
	static const char *const globs[] = {
		"*\\Windows\\System32\\*", "*\\Windows\\SysWOW64\\*",
		"*\\Windows\\SystemApps\\*", "*\\Windows\\explorer.exe",
	};
	for (size_t i = 0; p->path && i < sizeof(globs) / sizeof(globs[0]);
	     i++) {
		if (vds_match(globs[i], p->path))
			return true;
	}
	return false;
}

/* Do the paths agree up to the last backslash? */
static bool same_folder(const struct vds_process *a,
			const struct vds_process *b)
{
	const char *end = a->path ? strrchr(a->path, '\\') : NULL;
	size_t len = end ? (size_t)(end - a->path) : 0;
	return len && b->path && !strncasecmp(a->path, b->path, len) &&
	       strrchr(b->path, '\\') == b->path + len;
}

/*
 * Do page tables prove that both views share? Asked about what is found only:
 * it costs a look at the page tables of all views.
 */
static struct vds_error *add_proof(struct finding *f, struct look *l,
				   const struct vds_view *a,
				   const struct vds_view *b)
{
	const struct vds_sharing *sharing = l->scene->sharing;
	size_t index = (size_t)(l->group - sharing->groups);
	struct vds_error *err = l->graded ? NULL :
		vds_share_group_grade(l->run, sharing, index);
	l->graded = true;
	if (!err && l->group->grade == VDS_GRADE_HARDWARE && a->proven &&
	    b->proven)
		finding_add(f, "proven", "page tables of both prove it");
	return err;
}

/* What two views of one section have against them, beyond the rule. */
static struct vds_error *add_pair(struct finding *f, struct look *l, size_t i,
				  size_t k)
{
	const struct vds_view *a = view_at(l, i), *b = view_at(l, k);
	const struct vds_process *p = process_of(l, i), *q = process_of(l, k);
	finding_view(f, l->run, a);
	finding_view(f, l->run, b);
	if (p && q) {
		const struct who *wa = &l->scene->who[p->index];
		const struct who *wb = &l->scene->who[q->index];
		if (other_session(p, q))
			finding_add(f, "cross_session", "another session");
		if (other_user(wa, wb))
			finding_add(f, "cross_user", "another user");
		if (other_integrity(wa, wb))
			finding_add(f, "cross_integrity",
				    "another level of integrity");
		if (other_container(wa, wb))
			finding_add(f, "cross_container",
				    "another AppContainer, or none");
		if (is_low_beside_system(wa, wb))
			finding_add(f, "low_beside_system",
				    "one of low integrity, the other the system's");
		if (same_program(p, q) && !is_windows_program(p))
			finding_add(f, "same_program", "the same program");
		else if (p->pid == q->ppid || q->pid == p->ppid)
			finding_add(f, "parent", "one started the other");
		else if (same_folder(p, q) && !is_windows_program(p))
			finding_add(f, "same_folder",
				    "programs of one folder");
	}
	return add_proof(f, l, a, b);
}

static const char *name_of(const struct vds_process *p)
{
	return p && p->name ? p->name : "(name unavailable)";
}

static unsigned int pid_of(const struct vds_process *p)
{
	return p ? p->pid : 0;
}

#define NO_VIEW SIZE_MAX

/*
 * Some view of another process than that of view @than which may write, and
 * execute if @executes; one that may not execute is preferred if not.
 */
static size_t find_writer(const struct look *l, size_t than, bool executes)
{
	size_t found = NO_VIEW;
	for (size_t i = 0; i < l->group->num_views; i++) {
		if (view_at(l, i)->process == view_at(l, than)->process ||
		    !l->rights[i].writes)
			continue;
		if (l->rights[i].executes == executes)
			return i;
		if (!executes && found == NO_VIEW)
			found = i;
	}
	return found;
}

/* One writes, another executes. Where both may do both: see rwx_shared(). */
static struct vds_error *writer_and_runner(struct look *l, size_t i)
{
	const struct vds_view *view = view_at(l, i);
	size_t k = l->rights[i].executes ? find_writer(l, i, false) : NO_VIEW;
	struct finding f;
	if (k == NO_VIEW || (l->rights[i].writes && l->rights[k].executes) ||
	    !finding_init(&f, l->scene, "rw-here-rx-there"))
		return NULL;
	const struct vds_process *w = process_of(l, k);
	struct vds_error *err = add_pair(&f, l, i, k);
	if (err)
		return err;
	if (l->rights[i].changed)
		finding_add(&f, "made_executable",
			    "it was made executable after it was mapped");
	if (l->section->backing == VDS_BACKING_DATA)
		finding_add(&f, "named", "it is a file's memory");
	else if (naming_of(l) == NAMED)
		finding_add(&f, "named", "the section has a name");
	f.message = vds_sprintf(
		l->run, "memory that %s (PID %u) may write at 0x%llx can be executed here",
		name_of(w), pid_of(w), (unsigned long long)view_at(l, k)->start);
	return emit_about(&f, l, view);
}

static bool made_it(const struct look *l, const struct vds_process *p)
{
	return p && !l->section->creator_why &&
	       p->pid == l->section->creator_pid;
}

static struct vds_error *rwx_shared(struct look *l, size_t i)
{
	struct finding f;
	size_t k = l->rights[i].writes && l->rights[i].executes ?
			   find_writer(l, i, true) : NO_VIEW;
	if (k == NO_VIEW || made_it(l, process_of(l, i)) ||
	    !finding_init(&f, l->scene, "rwx-shared"))
		return NULL;
	struct vds_error *err = add_pair(&f, l, i, k);
	if (err)
		return err;
	f.message = vds_sprintf(
		l->run, "%zu processes share memory that may be written and executed",
		l->group->num_processes);
	return emit_about(&f, l, view_at(l, i));
}

/* How many boundaries lie between the processes of two views. */
static unsigned int boundaries(const struct look *l, size_t i, size_t k)
{
	const struct vds_process *p = process_of(l, i), *q = process_of(l, k);
	if (!p || !q || p->index == q->index)
		return 0;
	const struct who *a = &l->scene->who[p->index];
	const struct who *b = &l->scene->who[q->index];
	return (unsigned int)other_session(p, q) + other_user(a, b) +
	       other_integrity(a, b) + other_container(a, b);
}

/* Writers of one section that are compared with each other. */
#define MAX_WRITERS 64

/*
 * The first writer of each side of all boundaries; those that made the section
 * don't count without @makers.
 */
static size_t first_of_sides(const struct look *l, const size_t *writers,
			     size_t n, bool makers, size_t *ret)
{
	size_t count = 0, k;
	for (size_t i = 0; i < n; i++) {
		const struct vds_process *p = process_of(l, writers[i]);
		uint32_t side = l->scene->who[p->index].side;
		for (k = 0; k < count; k++) {
			p = process_of(l, ret[k]);
			if (l->scene->who[p->index].side == side)
				break;
		}
		if (k == count &&
		    (makers || !made_it(l, process_of(l, writers[i]))))
			ret[count++] = writers[i];
	}
	return count;
}

/*
 * Both write, over a boundary: one row a section, about the pair with most
 * boundaries between it, and of that about who did not make the section.
 */
static struct vds_error *cross_boundary(struct look *l)
{
	size_t writers[MAX_WRITERS], n = 0, best_i = 0, best_k = 0;
	size_t here[MAX_WRITERS], there[MAX_WRITERS];
	unsigned int most = 0;
	struct finding f;
	if (!finding_init(&f, l->scene, "cross-boundary-writable"))
		return NULL;
	for (size_t i = 0; i < l->group->num_views && n < MAX_WRITERS; i++) {
		const struct vds_process *p = process_of(l, i);
		if (p && l->rights[i].writes && !l->rights[i].executes &&
		    !vds_rule_excepts(f.rule, p->path))
			writers[n++] = i;
	}
	size_t num_here = first_of_sides(l, writers, n, false, here);
	size_t num_there = first_of_sides(l, writers, n, true, there);
	for (size_t i = 0; i < num_here; i++) {
		for (size_t k = 0; k < num_there; k++) {
			unsigned int count = boundaries(l, here[i], there[k]);
			if (count <= most)
				continue;
			most = count;
			best_i = here[i];
			best_k = there[k];
		}
	}
	if (!most)
		return NULL;
	const struct vds_process *q = process_of(l, best_k);
	enum naming naming = naming_of(l);
	const struct vds_process *p = process_of(l, best_i);
	struct vds_error *err = add_pair(&f, l, best_i, best_k);
	if (err)
		return err;
	if (is_windows_program(p) && is_windows_program(q))
		finding_add(&f, "windows_programs",
			    "both are programs of Windows");
	if (naming == NAMED)
		finding_add(&f, "named", "the section has a name");
	else if (naming == NAME_UNKNOWN)
		finding_add(&f, "name_unknown",
			    "whether it has a name is not known");
	f.message = vds_sprintf(
		l->run, "memory is written here and by %s (PID %u), over %u of the boundaries session, user, integrity, AppContainer",
		name_of(q), q->pid, most);
	return emit_about(&f, l, view_at(l, best_i));
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
	return emit_about(&f, l, view);
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
	return emit_about(&f, l, view);
}

/* Memory of which one process may write what another executes. */
static struct vds_error *look_at_memory(struct look *l)
{
	struct vds_error *err = NULL;
	for (size_t i = 0; !err && i < l->group->num_views; i++) {
		err = writer_and_runner(l, i);
		if (!err)
			err = rwx_shared(l, i);
	}
	/* Who may write to a file is the file's own matter. */
	if (err || l->section->backing != VDS_BACKING_PAGEFILE)
		return err;
	/* All its views say the same: one row for the group. */
	return cross_boundary(l);
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
	if (naming_of(l) == ANONYMOUS)
		finding_add(&f, "unnamed", "the section has no name");
	f.message = vds_sprintf(
		l->run, "PID %u, which made this section, has ended; %zu processes map it",
		section->creator_pid, l->group->num_processes);
	return emit_about(&f, l, view_at(l, 0));
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
	return err ? err : look_at_memory(l);
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
