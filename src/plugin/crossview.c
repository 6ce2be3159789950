/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vds_process_crossview(): the process table, and every other structure that
 * leads to a process. Who hides a process rarely thinks of all of them.
 */
#include "vadose/crossview.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/map.h"
#include "base/util.h"
#include "nt/handle.h"
#include "nt/kernel.h"
#include "nt/object.h"
#include "nt/rec.h"
#include "nt/task.h"
#include "nt/walk.h"
#include "plugin/session.h"
#include "vadose/record.h"
#include "vadose/sharing.h"

/* DISPATCHER_HEADER.Type (KOBJECTS in the PDB); other uses have its top bit. */
#define DISPATCHER_PROCESS 3
#define DISPATCHER_THREAD 6
#define MAX_PID INT32_MAX

struct seen {
	struct vds_run *run;
	const struct vds_kernel *kernel;
	struct vds_map index;	/* EPROCESS -> place in list + 1 */
	struct vds_seen_process *list;	/* malloc'ed */
	size_t count, cap;
	uint32_t available;
	uint32_t owner;		/* offset of KTHREAD.Process */
};

static struct vds_seen_process *append(struct seen *s)
{
	if (s->count == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 256;
		struct vds_seen_process *bigger =
			reallocarray(s->list, cap, sizeof(*bigger));
		if (!bigger) {
			s->run->task->nomem = true;
			return NULL;
		}
		s->list = bigger;
		s->cap = cap;
	}
	s->list[s->count] = (struct vds_seen_process){.index = SIZE_MAX};
	return &s->list[s->count++];
}

/* The entry of @eprocess, made if need be; NULL: out of memory. */
static struct vds_seen_process *entry(struct seen *s, uint64_t eprocess)
{
	uint64_t *place = vds_map_put(&s->index, eprocess, NULL);

	if (!place) {
		s->run->task->nomem = true;
		return NULL;
	}
	if (!*place) {
		struct vds_seen_process *made = append(s);
		if (!made)
			return NULL;
		made->eprocess = eprocess;
		*place = s->count;
	}
	return &s->list[*place - 1];
}

static bool has_dispatcher(const struct seen *s, uint64_t va, uint64_t want)
{
	uint64_t type;

	return vds_is_kernel_pointer(s->kernel, va, 16) &&
	       !vds_task_field(s->run->task, va,
			       vds_kf(s->kernel, KPROCESS_TYPE), &type) &&
	       (type & 0x7f) == want;
}

/* A pointer from somewhere: what it leads to must look like a process. */
static void saw(struct seen *s, uint64_t va, uint32_t source)
{
	uint64_t pid;

	if (!vds_map_get(&s->index, va) &&
	    (!has_dispatcher(s, va, DISPATCHER_PROCESS) ||
	     vds_task_field(s->run->task, va, vds_kf(s->kernel, EPROCESS_PID),
			    &pid) || !pid || pid % 4 || pid > MAX_PID))
		return;
	struct vds_seen_process *process = entry(s, va);
	if (process)
		process->sources |= source;
}

/* True if a list begins at @head: one never used holds zeros. */
static bool in_use(const struct seen *s, uint64_t head)
{
	uint64_t next;

	return vds_is_kernel_pointer(s->kernel, head, 8) &&
	       !vds_task_u64(s->run->task, head, &next) &&
	       vds_is_kernel_pointer(s->kernel, next, 8);
}

static bool symbol_in_use(const struct seen *s, const char *name,
			  uint64_t *ret)
{
	return !vds_symbol_address(s->run, name, ret) && in_use(s, *ret);
}

/* A list that breaks off says nothing of what comes behind. */
static bool closes(const struct seen *s, uint64_t head)
{
	uint64_t entry;

	if (!in_use(s, head))
		return false;
	struct vds_list_iter *iter = vds_list_iterate(s->run, NULL, head, 0);
	while (vds_list_next(iter, &entry))
		;
	return !vds_list_why(iter);
}

static void walk_list(struct seen *s, uint64_t head, const char *link,
		      uint32_t source)
{
	struct vds_member_info member;
	uint64_t eprocess;

	if (!vds_type_member_find(vds_type_find(s->run, "_EPROCESS"), link,
				  &member))
		return;
	struct vds_list_iter *iter =
		vds_list_iterate(s->run, NULL, head, member.offset);
	while (vds_list_next(iter, &eprocess))
		saw(s, eprocess, source);
	if (!vds_list_why(iter))
		s->available |= source;
}

static bool take_table(struct seen *s)
{
	uint64_t va;

	for (size_t i = 0; i < s->kernel->num_processes; i++) {
		struct vds_seen_process *process =
			entry(s, s->kernel->processes[i].eprocess);
		if (!process)
			return false;
		process->index = i;
		process->sources = s->kernel->processes[i].sources;
	}
	s->available = VDS_SOURCE_INITIAL;
	if (closes(s, s->kernel->process_head))
		s->available |= VDS_SOURCE_ACTIVE_LINKS |
				VDS_SOURCE_ACTIVE_BLINKS;
	if (!vds_symbol_address(s->run, "KiProcessListHead", &va) &&
	    closes(s, va))
		s->available |= VDS_SOURCE_KERNEL_LIST;
	if (!vds_symbol_address(s->run, "HandleTableListHead", &va) &&
	    closes(s, va))
		s->available |= VDS_SOURCE_HANDLE_TABLES;
	return true;
}

/* The memory manager's own list: a global, since 10 in MiState. */
static bool mm_list(struct seen *s, uint64_t *ret)
{
	struct vds_member_info list;

	if (symbol_in_use(s, "MmProcessList", ret))
		return true;
	if (vds_symbol_address(s->run, "MiState", ret) ||
	    !vds_type_member_find(vds_type_find(s->run,
						"_MI_SYSTEM_INFORMATION"),
				  "Processes.ProcessList", &list))
		return false;
	*ret += list.offset;
	return in_use(s, *ret);
}

/* What EPROCESS.Session points to. */
static const struct vds_type *session_type(struct vds_run *run)
{
	struct vds_member_info member;
	struct vds_type_info info;

	if (vds_type_member_find(vds_type_find(run, "_EPROCESS"), "Session",
				 &member) && member.type) {
		vds_type_info(member.type, &info);
		if (info.target)
			vds_type_info(info.target, &info);
		if (!strcmp(info.name, "_PSP_SESSION_SPACE"))
			return vds_type_find(run, info.name);
	}
	return vds_type_find(run, "_MM_SESSION_SPACE");
}

static void ask_sessions(struct seen *s)
{
	const struct vds_type *type = session_type(s->run);
	const struct vds_type *eprocess = vds_type_find(s->run, "_EPROCESS");
	struct vds_member_info list;
	struct vds_map done = {0};

	if (!vds_type_member_find(type, "ProcessList", &list))
		return;
	for (size_t i = 0; i < s->kernel->num_processes; i++) {
		uint64_t session;
		bool is_new;

		if (vds_kernel_member(s->run, s->kernel->processes[i].eprocess,
				      eprocess, "Session", &session) ||
		    !in_use(s, session + list.offset))
			continue;
		if (!vds_map_put(&done, session, &is_new))
			s->run->task->nomem = true;
		else if (is_new)
			walk_list(s, session + list.offset,
				  "SessionProcessLinks", VDS_SOURCE_SESSION);
	}
	vds_map_deinit(&done);
}

static bool visit_cid(void *ctx, const struct vds_handle *handle)
{
	struct seen *s = ctx;
	uint64_t owner;

	/* A thread that has a process names it; the rest are processes. */
	if (has_dispatcher(s, handle->pointer, DISPATCHER_THREAD) &&
	    !vds_task_u64(s->run->task, handle->pointer + s->owner, &owner))
		saw(s, owner, VDS_SOURCE_THREADS);
	return true;
}

static void ask_threads(struct seen *s)
{
	struct vds_member_info owner;
	uint64_t va, table;

	if (!vds_type_member_find(vds_type_find(s->run, "_KTHREAD"), "Process",
				  &owner) ||
	    !symbol_in_use(s, "PspCidTable", &va) ||
	    vds_task_u64(s->run->task, va, &table))
		return;
	struct vds_notes *notes = &s->run->task->notes;
	uint64_t before = notes->count + notes->dropped;

	s->owner = owner.offset;
	vds_handles_walk(s->run->task, notes, table, visit_cid, s);
	/* Parts that can't be read may hold anyone. */
	if (notes->count + notes->dropped == before)
		s->available |= VDS_SOURCE_THREADS | VDS_SOURCE_CID_TABLE;
}

/* Whose handles are being looked at. */
struct holder {
	struct seen *s;
	struct vds_object_types types;
	uint64_t eprocess;
};

static bool visit_open_handle(void *ctx, const struct vds_handle *handle)
{
	struct holder *h = ctx;
	struct vds_task *task = h->s->run->task;
	uint64_t body = handle->pointer +
			vds_kf(h->s->kernel, OBJECT_BODY)->offset;
	struct vds_object_header header;

	if (body == h->eprocess ||
	    !has_dispatcher(h->s, body, DISPATCHER_PROCESS) ||
	    vds_object_header_read(task, body, &header) ||
	    vds_object_type_index(&h->types, &header) != h->types.process)
		return !task->nomem;
	h->s->available |= VDS_SOURCE_OPEN_HANDLES;
	saw(h->s, body, VDS_SOURCE_OPEN_HANDLES);
	return !task->nomem;
}

/* csrss.exe holds a handle to every process that it serves, parents to theirs. */
static void ask_open_handles(struct seen *s)
{
	struct holder h = {.s = s};

	vds_object_types_init(s->run->task, &h.types);
	if (h.types.why || !h.types.process)
		return;
	for (size_t i = 0; i < s->kernel->num_processes; i++) {
		uint64_t table = s->kernel->processes[i].object_table;

		h.eprocess = s->kernel->processes[i].eprocess;
		if (table)
			vds_handles_walk(s->run->task, &s->run->task->notes,
					 table, visit_open_handle, &h);
	}
}

static struct vds_error *ask_views(struct seen *s)
{
	const struct vds_sharing_options options = {
		.verify = VDS_VERIFY_NONE, .listed = true};
	const struct vds_sharing *sharing;
	struct vds_error *err = vds_sharing_build(s->run, &options, &sharing);

	if (err)
		return err;
	for (size_t i = 0; i < sharing->num_views; i++) {
		const struct vds_view *view = sharing->views[i];
		uint64_t eprocess = view->eprocess;

		if (!(view->sources & VDS_VIEW_IN_LIST))
			continue;
		if (!eprocess && view->process < s->kernel->num_processes)
			eprocess = s->kernel->processes[view->process].eprocess;
		s->available |= VDS_SOURCE_VIEWS;
		saw(s, eprocess, VDS_SOURCE_VIEWS);
	}
	return NULL;
}

static struct vds_error *ask_pool(struct seen *s)
{
	const struct vds_scanned_process *list;
	size_t count;
	struct vds_error *err = vds_process_scan(s->run, &list, &count);

	if (err)
		return err;
	/* A scan that finds nothing at all did not know what to look for. */
	if (count)
		s->available |= VDS_SOURCE_POOL;
	for (size_t i = 0; i < count; i++) {
		struct vds_seen_process *process = list[i].eprocess ?
			entry(s, list[i].eprocess) : append(s);
		if (!process)
			return &vds_enomem;
		process->sources |= VDS_SOURCE_POOL;
		process->scanned = &list[i];
	}
	return NULL;
}

static int compare(const void *pa, const void *pb)
{
	const struct vds_seen_process *a = pa, *b = pb;

	if (a->index != b->index)
		return a->index < b->index ? -1 : 1;
	if (a->eprocess != b->eprocess)
		return a->eprocess < b->eprocess ? -1 : 1;
	if (!a->scanned || !b->scanned)
		return !!a->scanned - !!b->scanned;
	return a->scanned->pa < b->scanned->pa ? -1 : 1;
}

static struct vds_error *ask(struct seen *s, struct vds_crossview *ret)
{
	uint64_t head;

	if (!take_table(s))
		return &vds_enomem;
	if (mm_list(s, &head))
		walk_list(s, head, "MmProcessLinks", VDS_SOURCE_MM_LIST);
	ask_sessions(s);
	ask_threads(s);
	ask_open_handles(s);
	struct vds_error *err = ask_views(s);
	if (!err)
		err = ask_pool(s);
	if (err)
		return err;
	struct vds_seen_process *copy =
		vds_alloc(s->run, s->count + 1, sizeof(*copy));
	if (!copy || s->run->task->nomem)
		return &vds_enomem;
	if (s->count)
		memcpy(copy, s->list, s->count * sizeof(*copy));
	qsort(copy, s->count, sizeof(*copy), compare);
	*ret = (struct vds_crossview){.list = copy, .count = s->count,
				      .available = s->available};
	return NULL;
}

struct vds_error *vds_process_crossview(struct vds_run *run,
					struct vds_crossview *ret)
{
	struct seen s = {.run = run, .kernel = run->session->kernel};
	struct vds_error *err = ask(&s, ret);

	free(s.list);
	vds_map_deinit(&s.index);
	return err;
}
