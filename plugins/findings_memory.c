/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about memory that several processes map: who may do what with it. */
#include <string.h>
#include <strings.h>

#include "findings_group.h"

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
	else if (look_naming(l) == NAMED)
		finding_add(&f, "named", "the section has a name");
	f.message = vds_sprintf(
		l->run, "memory that %s (PID %u) may write at 0x%llx can be executed here",
		name_of(w), pid_of(w), (unsigned long long)view_at(l, k)->start);
	return look_emit(&f, l, view);
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
	return look_emit(&f, l, view_at(l, i));
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
	enum naming naming = look_naming(l);
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
	return look_emit(&f, l, view_at(l, best_i));
}

struct vds_error *find_in_memory(struct look *l)
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
