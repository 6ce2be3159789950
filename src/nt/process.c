/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/process.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/process_find.h"
#include "nt/process_name.h"
#include "nt/rec.h"
#include "nt/walk.h"

#define SYSTEM_PID 4

/*
 * SessionId of the structure that EPROCESS.Session points to: 26100 has a
 * PSP_SESSION_SPACE there, up to 22000 an MM_SESSION_SPACE (untyped in 7).
 */
static const struct vds_field *session_id_field(const struct vds_kernel *kernel)
{
	const struct vds_type *type = vds_kf(kernel, EPROCESS_SESSION)->type;

	if (type && type->kind == VDS_TYPE_POINTER && type->target &&
	    !strcmp(type->target->name, "_PSP_SESSION_SPACE"))
		return vds_kf(kernel, PSP_SESSION_SPACE_ID);
	return vds_kf(kernel, SESSION_SPACE_ID);
}

/*
 * TOKEN.SessionId: a process that has exited has left its session's structure,
 * and System never had one. Where there is no token, that structure's number.
 */
static void find_session(struct vds_task *task, const struct vds_rec *rec,
			 struct vds_process *p)
{
	const struct vds_kernel *kernel = task->kernel;
	uint64_t token = VDS_FAST_REF(
		vds_rec_u64(rec, vds_kf(kernel, EPROCESS_TOKEN)));
	uint64_t space = vds_rec_u64(rec, vds_kf(kernel, EPROCESS_SESSION));
	uint64_t id = 0;

	p->session_why = VDS_NOT_APPLICABLE;
	if (token)
		p->session_why =
			vds_is_kernel_pointer(kernel, token, 8) ?
				vds_task_field(task, token,
					       vds_kf(kernel, TOKEN_SESSION_ID),
					       &id) :
				VDS_BAD_DATA;
	if (p->session_why && space && vds_is_kernel_pointer(kernel, space, 8))
		p->session_why = vds_task_field(
			task, space, session_id_field(kernel), &id);
	if (!p->session_why && id > INT32_MAX)
		p->session_why = VDS_BAD_DATA;
	if (!p->session_why)
		p->session = (uint32_t)id;
}

/* The root's address: a tree's pointer, or the sentinel's right child. */
static void find_vad_root(const struct vds_kernel *kernel,
			  const struct vds_rec *rec, struct vds_process *p)
{
	const struct vds_field *node = vds_kf(kernel, EPROCESS_VAD_ROOT_NODE);
	const struct vds_field *root = vds_kf(kernel, EPROCESS_VAD_ROOT);

	/* Server 2003 and before: VadRoot is the pointer itself. */
	if (!node->present && root->type &&
	    root->type->kind == VDS_TYPE_POINTER)
		node = root;
	p->vad_root = vds_rec_u64(rec, node);
	p->vad_count_why = vds_rec_get(
		rec, vds_kf(kernel, EPROCESS_VAD_COUNT), &p->vad_count);
}

static void find_wow64(struct vds_task *task, const struct vds_rec *rec,
		       struct vds_process *p)
{
	const struct vds_field *peb = vds_kf(task->kernel, EWOW64_PEB);
	uint64_t wow = vds_rec_u64(rec, vds_kf(task->kernel, EPROCESS_WOW64));

	p->wow64 = wow != 0;
	p->peb32_why = VDS_NOT_APPLICABLE;
	if (!wow)
		return;
	/* 10 and later: an EWOW64PROCESS in the kernel; before, the PEB32. */
	p->peb32 = wow;
	p->peb32_why = VDS_PRESENT;
	if (vds_is_kernel_pointer(task->kernel, wow, 8))
		p->peb32_why = vds_task_field(task, wow, peb, &p->peb32);
	if (!p->peb32_why && p->peb32 >> 32)
		p->peb32_why = VDS_BAD_DATA;
	if (p->peb32_why)
		p->peb32 = 0;
}

static enum vds_process_kind kind_of(const struct vds_kernel *kernel,
				     const struct vds_rec *rec,
				     const struct vds_process *p)
{
	if (p->eprocess == kernel->system_process || p->pid == SYSTEM_PID)
		return VDS_PROCESS_SYSTEM;
	if (vds_rec_u64(rec, vds_kf(kernel, EPROCESS_PICO)))
		return VDS_PROCESS_PICO;
	if (vds_rec_u64(rec, vds_kf(kernel, EPROCESS_MINIMAL)))
		return VDS_PROCESS_MINIMAL;
	return VDS_PROCESS_NORMAL;
}

static void decode(struct vds_task *task, const struct vds_rec *rec,
		   struct vds_process *p)
{
	const struct vds_kernel *kernel = task->kernel;

	p->pid = (uint32_t)vds_rec_u64(rec, vds_kf(kernel, EPROCESS_PID));
	p->ppid = (uint32_t)vds_rec_u64(rec, vds_kf(kernel, EPROCESS_PPID));
	p->dtb = vds_rec_u64(rec, vds_kf(kernel, KPROCESS_DTB)) &
		 VDS_PTE_PFN_MASK;
	p->user_dtb = vds_rec_u64(rec, vds_kf(kernel, KPROCESS_USER_DTB)) &
		      VDS_PTE_PFN_MASK;
	p->create_time =
		vds_rec_u64(rec, vds_kf(kernel, EPROCESS_CREATE_TIME));
	p->exit_time = vds_rec_u64(rec, vds_kf(kernel, EPROCESS_EXIT_TIME));
	p->peb = vds_rec_u64(rec, vds_kf(kernel, EPROCESS_PEB));
	p->object_table =
		vds_rec_u64(rec, vds_kf(kernel, EPROCESS_OBJECT_TABLE));
	p->section_object =
		vds_rec_u64(rec, vds_kf(kernel, EPROCESS_SECTION_OBJECT));
	p->image_base = vds_rec_u64(rec, vds_kf(kernel, EPROCESS_SECTION_BASE));
	p->threads = (uint32_t)vds_rec_u64(
		rec, vds_kf(kernel, EPROCESS_ACTIVE_THREADS));
	find_vad_root(kernel, rec, p);
	find_wow64(task, rec, p);
	p->exited = p->exit_time || (!p->threads && !p->vad_root);
	p->kind = kind_of(kernel, rec, p);
	find_session(task, rec, p);
}

static void note_tables(struct vds_kernel *kernel, const struct vds_process *p,
			const char *kind, const char *what)
{
	vds_note(&kernel->notes, kind, p->eprocess,
		 "process %" PRIu32 " (EPROCESS 0x%016" PRIx64
		 "): its page tables at 0x%" PRIx64
		 " %s; its own memory can't be read",
		 p->pid, p->eprocess, p->dtb, what);
}

/*
 * Every address space holds the kernel in its upper half. A process that has a
 * PEB has that, and KUSER_SHARED_DATA, in the lower one, resident or not. One
 * that has ended has lost what is below, or all.
 */
static void check_page_tables(struct vds_kernel *kernel,
			      const struct vds_process *p)
{
	uint8_t table[VDS_PAGE_SIZE];
	unsigned int user = 0, system = 0;

	if (p->exited)
		return;
	if (vds_image_read_table(kernel->image, p->dtb, table,
				 sizeof(table))) {
		note_tables(kernel, p, "page_tables_unreadable",
			    "are not in the image");
		return;
	}
	for (size_t i = 0; i < sizeof(table) / 2; i += 8) {
		user += vds_le64(table + i) != 0;
		system += (vds_le64(table + sizeof(table) / 2 + i) &
			   VDS_PTE_PRESENT) != 0;
	}
	if (!system)
		note_tables(kernel, p, "page_tables_implausible",
			    "have no kernel half");
	else if (!user && p->peb && p->kind == VDS_PROCESS_NORMAL)
		note_tables(kernel, p, "page_tables_implausible",
			    "have no user half");
}

static bool fill(struct vds_task *task, struct vds_kernel *kernel,
		 const struct vds_found_process *found, struct vds_process *p)
{
	uint64_t eprocess = found->eprocess;
	uint8_t buf[VDS_REC_MAX];
	struct vds_rec rec;
	size_t len = VDS_MIN((size_t)vds_ksize(kernel, EPROCESS),
			     (size_t)VDS_REC_MAX);
	enum vds_why why;

	*p = (struct vds_process){.eprocess = eprocess,
				  .sources = found->sources,
				  .selected = true, .task = task};
	why = vds_rec_read(task, eprocess, buf, len, &rec);
	if (why) {
		vds_note(&kernel->notes, "process_unreadable", eprocess,
			 "EPROCESS 0x%016" PRIx64 ": %s", eprocess,
			 vds_why_str(why));
		return false;
	}
	decode(task, &rec, p);
	vds_process_find_name(task, &kernel->arena, &rec, p);
	if (!vds_kernel_is_virtual(kernel))
		check_page_tables(kernel, p);
	p->task = NULL;
	return true;
}

/* KOBJECTS: ProcessObject is 3. */
#define PROCESS_OBJECT 3

enum vds_why vds_process_peek(const struct vds_process *any, uint64_t eprocess,
			      struct vds_process *ret)
{
	struct vds_task *task = any->task;
	const struct vds_kernel *kernel = task->kernel;
	const struct vds_field *type = vds_kf(kernel, KPROCESS_TYPE);
	struct vds_process p = {.eprocess = eprocess, .task = task};
	uint8_t buf[VDS_REC_MAX];
	struct vds_rec rec;
	size_t len = VDS_MIN((size_t)vds_ksize(kernel, EPROCESS),
			     (size_t)VDS_REC_MAX);

	if (!vds_is_kernel_pointer(kernel, eprocess, 16))
		return VDS_BAD_ADDRESS;
	enum vds_why why = vds_rec_read(task, eprocess, buf, len, &rec);
	if (why)
		return why;
	if ((type->present && vds_rec_u64(&rec, type) != PROCESS_OBJECT) ||
	    !(vds_rec_u64(&rec, vds_kf(kernel, KPROCESS_DTB)) &
	      VDS_PTE_PFN_MASK) ||
	    vds_rec_u64(&rec, vds_kf(kernel, EPROCESS_PID)) > UINT32_MAX)
		return VDS_BAD_DATA;
	decode(task, &rec, &p);
	vds_process_find_name(task, &task->arena, &rec, &p);
	*ret = p;
	return VDS_PRESENT;
}

static int compare(const void *pa, const void *pb)
{
	const struct vds_process *a = pa, *b = pb;

	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	if (a->create_time != b->create_time)
		return a->create_time < b->create_time ? -1 : 1;
	if (a->eprocess != b->eprocess)
		return a->eprocess < b->eprocess ? -1 : 1;
	return 0;
}

/*
 * A dump without page tables has hardly any of what leads to processes: that
 * each list breaks off needs no note.
 */
static void find_virtual(struct vds_task *task,
			 struct vds_found_processes *found)
{
	struct vds_notes lost = {0};

	vds_processes_find(task, &lost, found);
	vds_notes_deinit(&lost);
}

static int compare_eprocess(const void *pa, const void *pb)
{
	const struct vds_process *a = *(const struct vds_process *const *)pa;
	const struct vds_process *b = *(const struct vds_process *const *)pb;

	return a->eprocess < b->eprocess ? -1 : a->eprocess > b->eprocess;
}

static struct vds_error *index_by_eprocess(struct vds_kernel *kernel)
{
	size_t n = kernel->num_processes;

	kernel->by_eprocess = vds_arena_calloc(&kernel->arena, n ? n : 1,
					       sizeof(*kernel->by_eprocess));
	if (!kernel->by_eprocess)
		return &vds_enomem;
	for (size_t i = 0; i < n; i++)
		kernel->by_eprocess[i] = &kernel->processes[i];
	qsort(kernel->by_eprocess, n, sizeof(*kernel->by_eprocess),
	      compare_eprocess);
	return NULL;
}

struct vds_error *vds_process_table_build(struct vds_task *task,
					  struct vds_kernel *kernel)
{
	_cleanup_(vds_found_processes_deinit)
	struct vds_found_processes found = {0};
	struct vds_process *table;
	size_t n = 0;

	if (vds_kernel_is_virtual(kernel))
		find_virtual(task, &found);
	else
		vds_processes_find(task, &kernel->notes, &found);
	table = vds_arena_calloc(&kernel->arena, found.count ? found.count : 1,
				 sizeof(*table));
	if (task->nomem || !table)
		return &vds_enomem;
	for (size_t i = 0; i < found.count; i++)
		n += fill(task, kernel, &found.list[i], &table[n]);
	if (task->nomem)
		return &vds_enomem;
	qsort(table, n, sizeof(*table), compare);
	for (size_t i = 0; i < n; i++)
		table[i].index = i;
	kernel->processes = table;
	kernel->num_processes = n;
	return index_by_eprocess(kernel);
}

const struct vds_process *vds_kernel_process(const struct vds_kernel *kernel,
					     uint64_t eprocess)
{
	size_t low = 0, high = kernel->by_eprocess ? kernel->num_processes : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct vds_process *p = kernel->by_eprocess[mid];

		if (p->eprocess == eprocess)
			return p;
		if (p->eprocess < eprocess)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}
