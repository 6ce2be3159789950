/* SPDX-License-Identifier: Apache-2.0 */
/* Finding what a recipe has named, and spelling out patterns. */
#include "scene.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/util.h"

struct process *scene_find_process(const struct scene *scene, uint32_t pid)
{
	struct process *p = scene->processes;
	while (p && p->pid != pid)
		p = p->next;
	return p;
}

struct section *scene_find_section(const struct scene *scene, const char *id)
{
	struct section *s = scene->sections;
	while (s && strcmp(s->id, id) != 0)
		s = s->next;
	return s;
}

static bool selects(const char *selector, const struct process *p)
{
	uint64_t number;

	if (strcmp(selector, "*") == 0)
		return p->pid != 4 && !p->minimal && !p->exited;
	if (strncmp(selector, "session:", 8) == 0)
		return vds_parse_u64(selector + 8, &number) &&
		       p->session == number && p->pid != 4 && !p->minimal &&
		       !p->exited;
	if (vds_parse_u64(selector, &number))
		return p->pid == number;
	return vds_glob_match(selector, p->name);
}

static bool selected(char *parts, size_t len, const struct process *p)
{
	bool yes = false;

	for (size_t i = 0; i < len; i += strlen(parts + i) + 1) {
		if (parts[i] == '!')
			yes = yes && !selects(parts + i + 1, p);
		else
			yes = yes || selects(parts + i, p);
	}
	return yes;
}

struct vds_error *scene_each(const struct scene *scene, struct place place,
			     const char *selector, scene_each_fn f, void *arg)
{
	_cleanup_free_ char *parts = strdup(selector);
	size_t len = strlen(selector);
	bool any = false;

	if (!parts)
		return &vds_enomem;
	for (size_t i = 0; i < len; i++)
		if (parts[i] == ',')
			parts[i] = '\0';
	for (struct process *p = scene->processes; p; p = p->next) {
		if (!selected(parts, len, p))
			continue;
		any = true;
		struct vds_error *err = f(p, arg);
		if (err)
			return err;
	}
	return any ? NULL : place_error(place, "no process \"%s\"", selector);
}

char *scene_states(struct vds_arena *arena, const char *pattern, size_t n)
{
	char *states = vds_arena_alloc(arena, n + 1);
	size_t len = 0;

	if (!states)
		return NULL;
	while (*pattern && len < n) {
		char c = *pattern++;
		size_t count = 1;
		if (*pattern == '*') {
			count = n - len;
			pattern++;
		} else if (*pattern >= '0' && *pattern <= '9') {
			count = strtoul(pattern, (char **)&pattern, 10);
		}
		while (count-- && len < n)
			states[len++] = c;
	}
	memset(states + len, '.', n - len);
	states[n] = '\0';
	return states;
}
