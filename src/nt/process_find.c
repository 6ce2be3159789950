/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several independent structures lead to processes; a rootkit that unlinks a
 * process from one rarely thinks of all. Each source is walked as far as it
 * goes, and the union is taken.
 */
#include "nt/process_find.h"

#include <inttypes.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/handle.h"
#include "nt/rec.h"
#include "nt/walk.h"

/* DISPATCHER_HEADER.Type of a process (KOBJECTS in the PDB: ProcessObject). */
#define DISPATCHER_PROCESS 3
/* EPROCESS is pool-allocated: 16-byte granules. */
#define EPROCESS_ALIGN 16
/* Process IDs are handles: multiples of 4, and far below 2^31. */
#define MAX_PID INT32_MAX

struct finder {
	struct vds_task *task;
	const struct vds_kernel *kernel;
	struct vds_notes *notes;
	struct vds_found_processes *found;
	uint32_t source;
	uint64_t offset;	/* of the link within its structure */
	const char *what;
};

/*
 * True if the bytes at @va look like an EPROCESS. A list that is known to hold
 * processes needs less proof than a pointer of unknown type.
 */
static bool is_process(struct finder *f, uint64_t va, bool strict,
		       uint64_t *ret_pid)
{
	const struct vds_kernel *kernel = f->kernel;
	struct vds_task *task = f->task;
	uint64_t type = 0, pid, dtb = 0;

	if (!vds_is_kernel_pointer(kernel, va, EPROCESS_ALIGN))
		return false;
	if (vds_task_field(task, va, vds_kf(kernel, EPROCESS_PID), &pid) ||
	    pid % 4 || pid > MAX_PID)
		return false;
	*ret_pid = pid;
	vds_task_field(task, va, vds_kf(kernel, KPROCESS_TYPE), &type);
	/* Type shares a byte with nothing in 7; later the low 7 bits count. */
	if ((type & 0x7f) == DISPATCHER_PROCESS)
		return true;
	if (strict)
		return false;
	vds_task_field(task, va, vds_kf(kernel, KPROCESS_DTB), &dtb);
	return dtb & VDS_PTE_PFN_MASK;
}

static bool add(struct finder *f, uint64_t va)
{
	struct vds_found_processes *found = f->found;
	uint64_t *place = vds_map_put(&found->index, va, NULL);

	if (!place)
		goto nomem;
	if (!*place) {
		if (found->count == found->cap) {
			size_t cap = found->cap ? found->cap * 2 : 128;
			struct vds_found_process *bigger = reallocarray(
				found->list, cap, sizeof(*bigger));
			if (!bigger)
				goto nomem;
			found->list = bigger;
			found->cap = cap;
		}
		found->list[found->count++] =
			(struct vds_found_process){.eprocess = va};
		*place = found->count;
	}
	found->list[*place - 1].sources |= f->source;
	return true;
nomem:
	f->task->nomem = true;
	return false;
}

static bool visit_link(void *ctx, uint64_t link)
{
	struct finder *f = ctx;
	uint64_t va = link - f->offset, pid;

	if (!is_process(f, va, false, &pid)) {
		/* Walking without the head's address meets the head. */
		if (link != f->kernel->process_head)
			vds_note(f->notes, "process_implausible", va,
				 "%s leads to 0x%016" PRIx64
				 ", which is no process", f->what, va);
		return true;
	}
	/* PID 0 is the idle process: no address space of its own. */
	return !pid || add(f, va);
}

static void walk(struct finder *f, const char *what, uint64_t head,
		 uint64_t offset, bool backward, uint32_t source)
{
	struct vds_list_walk walk = {.task = f->task, .notes = f->notes,
				     .what = what, .head = head,
				     .backward = backward,
				     .visit = visit_link, .ctx = f};

	f->what = what;
	f->offset = offset;
	f->source = source;
	if (vds_list_walk(&walk) == VDS_LIST_UNREADABLE)
		vds_note(f->notes, "process_list_unreadable", head,
			 "%s: the list from 0x%016" PRIx64
			 " can't be read to its end", what, head);
}

/* Adds the neighbour that @eprocess's link @side (0 or 8) leads to, if new. */
static void follow_neighbour(struct finder *f, uint64_t eprocess, uint32_t side)
{
	uint64_t link = eprocess + f->offset, next, back, pid;

	if (vds_task_u64(f->task, link + side, &next) ||
	    !vds_is_kernel_pointer(f->kernel, next, 8) ||
	    vds_task_u64(f->task, next + (8 - side), &back) || back != link ||
	    vds_map_get(&f->found->index, next - f->offset) ||
	    !is_process(f, next - f->offset, true, &pid) || !pid)
		return;
	add(f, next - f->offset);
}

/*
 * Where a list is broken in both directions, or its head is lost, the middle is
 * still linked: goes on from every process that the list is known to hold.
 */
static void resume(struct finder *f)
{
	const uint32_t listed = VDS_SOURCE_ACTIVE_LINKS |
				VDS_SOURCE_ACTIVE_BLINKS | VDS_SOURCE_INITIAL;

	f->offset = vds_kf(f->kernel, EPROCESS_LINKS)->offset;
	/* The list grows while it is walked; each is looked at once. */
	for (size_t i = 0; i < f->found->count && !f->task->nomem; i++) {
		uint64_t eprocess = f->found->list[i].eprocess;

		if (!(f->found->list[i].sources & listed))
			continue;
		f->source = VDS_SOURCE_ACTIVE_LINKS;
		follow_neighbour(f, eprocess, 0);
		f->source = VDS_SOURCE_ACTIVE_BLINKS;
		follow_neighbour(f, eprocess, 8);
	}
}

/* PsActiveProcessHead in both directions: one broken link loses nothing. */
static void find_active(struct finder *f)
{
	const struct vds_kernel *kernel = f->kernel;
	uint64_t links = vds_kf(kernel, EPROCESS_LINKS)->offset;
	uint64_t head = kernel->process_head;
	uint64_t pid;

	f->source = VDS_SOURCE_INITIAL;
	if (kernel->system_process &&
	    is_process(f, kernel->system_process, false, &pid)) {
		if (!add(f, kernel->system_process))
			return;
		if (!head)
			head = kernel->system_process + links;
	}
	if (!head)
		return;
	walk(f, "PsActiveProcessHead", head, links, false,
	     VDS_SOURCE_ACTIVE_LINKS);
	walk(f, "PsActiveProcessHead", head, links, true,
	     VDS_SOURCE_ACTIVE_BLINKS);
	resume(f);
}

/* True if the list head was ever initialised (a zeroed one leads nowhere). */
static bool list_in_use(struct finder *f, enum vds_symbol_id id, uint64_t *ret)
{
	uint64_t next;

	return vds_kernel_symbol(f->kernel, id, ret) &&
	       !vds_task_u64(f->task, *ret, &next) &&
	       vds_is_kernel_pointer(f->kernel, next, 8);
}

static void find_kernel_list(struct finder *f)
{
	const struct vds_field *entry = vds_kf(f->kernel, KPROCESS_LIST_ENTRY);
	uint64_t head;

	if (!entry->present ||
	    !list_in_use(f, VDS_S_KI_PROCESS_LIST_HEAD, &head))
		return;
	walk(f, "KiProcessListHead", head, entry->offset, false,
	     VDS_SOURCE_KERNEL_LIST);
	walk(f, "KiProcessListHead", head, entry->offset, true,
	     VDS_SOURCE_KERNEL_LIST);
}

static bool visit_handle_table(void *ctx, uint64_t link)
{
	struct finder *f = ctx;
	uint64_t process, pid;

	/* Tables without a process (the kernel's own) hold a null pointer. */
	if (vds_task_field(f->task, link - f->offset,
			   vds_kf(f->kernel, HANDLE_TABLE_PROCESS), &process))
		return true;
	if (!is_process(f, process, true, &pid) || !pid)
		return true;
	return add(f, process);
}

static void find_handle_tables(struct finder *f)
{
	const struct vds_field *list = vds_kf(f->kernel, HANDLE_TABLE_LIST);
	struct vds_list_walk walk = {.task = f->task, .notes = f->notes,
				     .what = "HandleTableListHead",
				     .visit = visit_handle_table, .ctx = f};

	if (!list->present ||
	    !list_in_use(f, VDS_S_HANDLE_TABLE_LIST_HEAD, &walk.head))
		return;
	f->offset = list->offset;
	f->source = VDS_SOURCE_HANDLE_TABLES;
	vds_list_walk(&walk);
	walk.backward = true;
	vds_list_walk(&walk);
}

static bool visit_cid(void *ctx, const struct vds_handle *handle)
{
	struct finder *f = ctx;
	uint64_t pid;

	/* Entries of PspCidTable point to the object's body; a thread's or a
	 * process's ID is the handle value itself. */
	if (!is_process(f, handle->pointer, true, &pid) || !pid ||
	    pid != handle->value)
		return true;
	return add(f, handle->pointer);
}

static void find_cids(struct finder *f)
{
	uint64_t va, table;

	if (!vds_kernel_symbol(f->kernel, VDS_S_PSP_CID_TABLE, &va) ||
	    vds_task_u64(f->task, va, &table) ||
	    !vds_is_kernel_pointer(f->kernel, table, 8))
		return;
	f->source = VDS_SOURCE_CID_TABLE;
	vds_handles_walk(f->task, f->notes, table, visit_cid, f);
}

static int by_eprocess(const void *pa, const void *pb)
{
	const struct vds_found_process *a = pa, *b = pb;

	return a->eprocess < b->eprocess ? -1 : a->eprocess > b->eprocess;
}

void vds_found_processes_deinit(struct vds_found_processes *found)
{
	free(found->list);
	vds_map_deinit(&found->index);
	*found = (struct vds_found_processes){0};
}

/* A crash dump's own word for the process that was running. */
static void find_crashed(struct finder *f)
{
	uint64_t va = f->kernel->crash.process, pid;

	f->source = VDS_SOURCE_CRASH;
	if (va && is_process(f, va, false, &pid) && pid)
		add(f, va);
}

void vds_processes_find(struct vds_task *task, struct vds_notes *notes,
			struct vds_found_processes *found)
{
	struct finder f = {.task = task, .kernel = task->kernel,
			   .notes = notes, .found = found};

	find_active(&f);
	find_kernel_list(&f);
	find_handle_tables(&f);
	find_cids(&f);
	find_crashed(&f);
	/* What follows must not depend on which source came first. */
	if (found->count)
		qsort(found->list, found->count, sizeof(*found->list),
		      by_eprocess);
}
