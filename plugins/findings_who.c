/* SPDX-License-Identifier: Apache-2.0 */
/* Who processes run as, by their tokens, and where their threads began. */
#include <stdlib.h>
#include <string.h>

#include "findings.h"

/* Threads of one process; a list that is longer is no list. */
#define MAX_THREADS 65536

/*
 * A SID as text. The binary form is that of [MS-DTYP] 2.4.2.2; where its parts
 * lie, the profile says.
 */
static enum vds_why read_sid(struct vds_run *run, uint64_t va,
			     const char **ret, uint32_t *ret_authority,
			     uint32_t *ret_last)
{
	const struct vds_type *type = vds_type_find(run, "_SID");
	struct vds_member_info authority, subs;
	uint8_t raw[6], sub[4];
	uint64_t count;
	if (!vds_type_member_find(type, "IdentifierAuthority", &authority) ||
	    !vds_type_member_find(type, "SubAuthority", &subs))
		return VDS_NO_FIELD;
	enum vds_why why = vds_kernel_member(run, va, type,
					     "SubAuthorityCount", &count);
	if (!why)
		why = vds_kernel_read(run, va + authority.offset, raw, 6);
	if (why)
		return why;
	if (count < 1 || count > 15 || raw[0] || raw[1])
		return VDS_BAD_DATA;
	*ret_authority = (uint32_t)raw[2] << 24 | (uint32_t)raw[3] << 16 |
			 (uint32_t)raw[4] << 8 | raw[5];
	const char *text = vds_sprintf(run, "S-1-%u", *ret_authority);
	for (uint64_t i = 0; text && i < count; i++) {
		why = vds_kernel_read(run, va + subs.offset + 4 * i, sub, 4);
		if (why)
			return why;
		*ret_last = le32(sub);
		text = vds_sprintf(run, "%s-%u", text, *ret_last);
	}
	if (!text)
		return VDS_NOT_APPLICABLE;
	*ret = text;
	return VDS_PRESENT;
}

/* Entry @index of the token's groups: the user is the first. */
static enum vds_why read_group(struct vds_run *run, uint64_t token,
			       uint64_t index, const char **ret,
			       uint32_t *ret_authority, uint32_t *ret_last)
{
	const struct vds_type *type = vds_type_find(run, "_TOKEN");
	const struct vds_type *entry =
		vds_type_find(run, "_SID_AND_ATTRIBUTES");
	uint64_t groups, count, sid;
	enum vds_why why = vds_kernel_member(run, token, type,
					     "UserAndGroups", &groups);
	if (!why)
		why = vds_kernel_member(run, token, type, "UserAndGroupCount",
					&count);
	if (why)
		return why;
	if (!groups || index >= count)
		return VDS_NOT_APPLICABLE;
	why = vds_kernel_member(run, groups + index * vds_type_size(entry),
				entry, "Sid", &sid);
	return why ? why :
		     read_sid(run, sid, ret, ret_authority, ret_last);
}

/* The integrity level is the last part of a SID S-1-16-N in the groups. */
static void read_level(struct vds_run *run, uint64_t token, struct who *ret)
{
	const struct vds_type *type = vds_type_find(run, "_TOKEN");
	uint32_t authority = 0;
	uint64_t index;
	const char *sid;
	ret->level_why = vds_kernel_member(run, token, type,
					   "IntegrityLevelIndex", &index);
	if (!ret->level_why)
		ret->level_why = read_group(run, token, index, &sid,
					    &authority, &ret->level);
	if (!ret->level_why && authority != 16)
		ret->level_why = VDS_BAD_DATA;
}

static void read_token(struct vds_run *run, const struct vds_process *p,
		       struct who *ret)
{
	const struct vds_type *type = vds_type_find(run, "_TOKEN");
	uint32_t authority, last;
	uint64_t token = 0, package = 0;
	enum vds_why why = vds_kernel_member(
		run, p->eprocess, vds_type_find(run, "_EPROCESS"),
		"Token.Value|Token.Object|Token", &token);
	/* The low bits count references. */
	token &= ~(uint64_t)15;
	if (!why && !token)
		why = VDS_NOT_APPLICABLE;
	ret->user_why = ret->level_why = ret->container_why = why;
	if (why)
		return;
	ret->user_why = read_group(run, token, 0, &ret->user, &authority,
				   &last);
	read_level(run, token, ret);
	/* Windows 8 and later; without one it is no AppContainer. */
	ret->container_why = vds_kernel_member(run, token, type, "Package",
					       &package);
	if (!ret->container_why)
		ret->container_why = package ?
			read_sid(run, package, &ret->container, &authority,
				 &last) : VDS_NOT_APPLICABLE;
	ret->container_known = !ret->container_why ||
			       ret->container_why == VDS_NOT_APPLICABLE;
}

static struct vds_error *read_threads(struct vds_run *run,
				      const struct vds_process *p,
				      struct who *ret)
{
	const struct vds_type *process = vds_type_find(run, "_EPROCESS");
	const struct vds_type *thread = vds_type_find(run, "_ETHREAD");
	struct vds_member_info head, link;
	uint64_t at, start;
	size_t cap = 64;
	if (!vds_type_member_find(process, "ThreadListHead", &head) ||
	    !vds_type_member_find(thread, "ThreadListEntry", &link))
		return NULL;
	uint64_t *starts = vds_alloc(run, cap, sizeof(*starts));
	struct vds_list_iter *it = vds_list_iterate(
		run, NULL, p->eprocess + head.offset, link.offset);
	while (starts && ret->num_starts < MAX_THREADS &&
	       vds_list_next(it, &at)) {
		if (vds_kernel_member(run, at, thread, "Win32StartAddress",
				      &start) || !start)
			continue;
		if (ret->num_starts == cap) {
			uint64_t *more = vds_alloc(run, cap * 2,
						   sizeof(*more));
			if (more)
				memcpy(more, starts, cap * sizeof(*more));
			starts = more;
			cap *= 2;
			if (!starts)
				break;
		}
		starts[ret->num_starts++] = start;
	}
	ret->starts = starts;
	return starts ? NULL : &vds_enomem;
}

static struct vds_error *load_one(struct vds_run *run, size_t index, void *ctx)
{
	struct who *who = &((struct who *)ctx)[index];
	const struct vds_process *p = vds_process_at(run, index);
	if (!p)
		return &vds_enomem;
	read_token(run, p, who);
	uint64_t root = 0;
	who->cloned = !vds_kernel_member(run, p->eprocess,
					 vds_type_find(run, "_EPROCESS"),
					 "CloneRoot", &root) && root;
	if (p->exited || p->kind == VDS_PROCESS_SYSTEM)
		return NULL;
	return read_threads(run, p, who);
}

/* Levels are 0x1000 apart; what lies between is a shade of the lower one. */
static uint32_t level_of(const struct who *who)
{
	return who->level >> 12;
}

/* A process, to be sorted by all that makes a boundary. */
struct place {
	const struct vds_process *process;
	struct who *who;
};

static int compare_u32(uint32_t a, uint32_t b)
{
	return a < b ? -1 : a > b;
}

/* What isn't known comes first, and is alike. */
static int compare_known(bool a, bool b)
{
	return (int)a - (int)b;
}

static int compare_containers(const struct who *a, const struct who *b)
{
	int c = compare_known(a->container_known, b->container_known);
	if (c || !a->container_known)
		return c;
	c = compare_known(a->container, b->container);
	return c || !a->container ? c : strcmp(a->container, b->container);
}

static int compare_sides(const void *pa, const void *pb)
{
	const struct place *x = pa, *y = pb;
	const struct who *a = x->who, *b = y->who;
	int c = compare_known(!x->process->session_why,
			      !y->process->session_why);
	if (!c && !x->process->session_why)
		c = compare_u32(x->process->session, y->process->session);
	if (!c)
		c = compare_known(!a->user_why, !b->user_why);
	if (!c && !a->user_why)
		c = strcmp(a->user, b->user);
	if (!c)
		c = compare_known(!a->level_why, !b->level_why);
	if (!c && !a->level_why)
		c = compare_u32(level_of(a), level_of(b));
	return c ? c : compare_containers(a, b);
}

/* Numbers the sides, so that views need not be compared with each other. */
static struct vds_error *number_sides(struct vds_run *run, struct who *who,
				      size_t n)
{
	struct place *places = vds_alloc(run, n + 1, sizeof(*places));
	if (!places)
		return &vds_enomem;
	for (size_t i = 0; i < n; i++) {
		places[i] = (struct place){vds_process_at(run, i), &who[i]};
		if (!places[i].process)
			return &vds_enomem;
	}
	qsort(places, n, sizeof(*places), compare_sides);
	for (size_t i = 1; i < n; i++)
		places[i].who->side =
			places[i - 1].who->side +
			(compare_sides(&places[i - 1], &places[i]) != 0);
	return NULL;
}

struct vds_error *who_load(struct vds_run *run, const struct who **ret)
{
	size_t n = vds_num_processes(run);
	struct who *who = vds_alloc(run, n + 1, sizeof(*who));
	struct vds_error *err = who ? vds_parallel(run, n, load_one, who) :
				      &vds_enomem;
	if (!err)
		err = number_sides(run, who, n);
	if (!err)
		*ret = who;
	return err;
}

bool other_user(const struct who *a, const struct who *b)
{
	return !a->user_why && !b->user_why && strcmp(a->user, b->user);
}


bool other_integrity(const struct who *a, const struct who *b)
{
	return !a->level_why && !b->level_why && level_of(a) != level_of(b);
}

bool other_container(const struct who *a, const struct who *b)
{
	if (!a->container_known || !b->container_known)
		return false;
	if (!a->container || !b->container)
		return a->container != b->container;
	return strcmp(a->container, b->container);
}

bool is_low_beside_system(const struct who *a, const struct who *b)
{
	if (a->level_why || b->level_why)
		return false;
	uint32_t low = level_of(a), high = level_of(b);
	return (low <= 1 && high >= 4) || (high <= 1 && low >= 4);
}

bool thread_began_in(const struct who *who, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < who->num_starts; i++) {
		if (who->starts[i] >= start && who->starts[i] <= end)
			return true;
	}
	return false;
}
