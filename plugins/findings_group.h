/* SPDX-License-Identifier: Apache-2.0 */
/* What the rules about one group of views share. */
#ifndef FINDINGS_GROUP_H
#define FINDINGS_GROUP_H

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

static inline const struct vds_view *view_at(const struct look *l, size_t i)
{
	return l->scene->sharing->views[l->group->first_view + i];
}

static inline const struct vds_process *process_of(const struct look *l,
						  size_t i)
{
	return vds_process_at(l->run, view_at(l, i)->process);
}

enum naming { NAMED, ANONYMOUS, NAME_UNKNOWN };

/*
 * A section whose control area counts more section objects than were found has
 * one whose name is not known: object directories lie in paged memory.
 */
enum naming look_naming(const struct look *l);

/* Emits what was found of @view, unless its process isn't selected. */
struct vds_error *look_emit(struct finding *f, const struct look *l,
			    const struct vds_view *view);

/* Rules about memory of which one may write what another executes or writes. */
struct vds_error *find_in_memory(struct look *l);

#endif
