/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Do these bytes of physical memory look like an EPROCESS?
 *
 * The type index is mixed with bits of the header's virtual address (10 and
 * later), which a physical scan doesn't have; list heads inside the EPROCESS
 * give it: whoever is linked to one points back to it.
 */
#include "plugin/process_examine.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/str.h"
#include "base/util.h"
#include "image/image.h"
#include "nt/kernel.h"
#include "nt/object.h"
#include "nt/task.h"
#include "nt/walk.h"
#include "plugin/session.h"
#include "vadose/record.h"

#define GRANULE 16
#define PAGE 4096
/* FILETIMEs of the years 1917 and 2551. */
#define MIN_TIME 100000000000000000u
#define MAX_TIME 300000000000000000u

/* One place to look at. */
struct candidate {
	const struct vds_process_marks *marks;
	struct vds_run *run;
	uint64_t pa, va;	/* va 0 = not known */
};

static enum vds_why get_bytes(const struct candidate *c, uint32_t offset,
			      void *buf, size_t len)
{
	if (c->va)
		return vds_task_read(c->run->task, c->va + offset, buf, len);
	/* What follows in physical memory belongs to it only up to the page's
	 * end. */
	if (c->pa % PAGE + offset + len > PAGE)
		return VDS_NOT_MAPPED;
	return vds_image_read(c->marks->kernel->image, c->pa + offset, buf,
			      len);
}

static enum vds_why get(const struct candidate *c,
			const struct vds_field *field, uint64_t *ret)
{
	uint8_t raw[8];

	if (!field->present || !field->size || field->size > sizeof(raw))
		return VDS_NO_FIELD;
	enum vds_why why = get_bytes(c, field->offset, raw, field->size);
	if (why)
		return why;
	*ret = vds_le(raw, field->size);
	if (field->bit_len)
		*ret = vds_bits(*ret, field->bit_pos, field->bit_len);
	return VDS_PRESENT;
}

static int compare_known(const void *pa, const void *pb)
{
	const struct vds_known_process *a = pa, *b = pb;

	return a->pa < b->pa ? -1 : a->pa > b->pa;
}

static const struct vds_known_process *
find_known(const struct vds_process_marks *marks, uint64_t pa)
{
	struct vds_known_process key = {.pa = pa};

	if (!marks->num_known)
		return NULL;
	return bsearch(&key, marks->known, marks->num_known, sizeof(key),
		       compare_known);
}

static bool leads_to(const struct candidate *c, uint64_t va)
{
	struct vds_translation where;

	if (va % PAGE != c->pa % PAGE ||
	    !vds_is_kernel_pointer(c->marks->kernel, va, GRANULE))
		return false;
	vds_translate(c->run, NULL, va, &where);
	return !where.why && where.pa == c->pa;
}

/*
 * The address by its own list heads: an empty one points to itself, a
 * neighbour's back link points to it.
 */
static void find_address(struct candidate *c)
{
	const struct vds_process_marks *marks = c->marks;
	const struct vds_known_process *known = find_known(marks, c->pa);

	if (known) {
		c->va = marks->kernel->processes[known->index].eprocess;
		return;
	}
	for (size_t i = 0; i < marks->num_links; i++) {
		uint64_t back;
		uint8_t raw[8];

		if (get_bytes(c, marks->links[i], raw, sizeof(raw)))
			continue;
		uint64_t next = vds_le64(raw);
		if (!vds_is_kernel_pointer(marks->kernel, next, 8))
			continue;
		if (leads_to(c, next - marks->links[i])) {
			c->va = next - marks->links[i];
			return;
		}
		if (vds_task_u64(c->run->task, next + 8, &back) ||
		    !leads_to(c, back - marks->links[i]))
			continue;
		c->va = back - marks->links[i];
		return;
	}
}

static bool is_dispatcher(const struct candidate *c)
{
	uint64_t type;

	return !get(c, vds_kf(c->marks->kernel, KPROCESS_TYPE), &type) &&
	       (type & 0x7f) == VDS_DISPATCHER_PROCESS;
}

/* The list of threads, empty or not, is never null in a process. */
static bool has_thread_list(const struct candidate *c)
{
	const struct vds_kernel *kernel = c->marks->kernel;
	const struct vds_field *list = vds_kf(kernel, KPROCESS_THREADS);
	uint8_t raw[16];

	if (!list->present)
		return true;
	return !get_bytes(c, list->offset, raw, sizeof(raw)) &&
	       vds_is_kernel_pointer(kernel, vds_le64(raw), 8) &&
	       vds_is_kernel_pointer(kernel, vds_le64(raw + 8), 8);
}

/* False if the type index says that it is something else. */
static bool check_type(const struct candidate *c, enum vds_type_check *ret)
{
	const struct vds_process_marks *marks = c->marks;
	const struct vds_kernel *kernel = marks->kernel;
	const struct vds_field *index = vds_kf(kernel, OBJECT_TYPE_INDEX);
	uint32_t body = vds_kf(kernel, OBJECT_BODY)->offset;
	uint64_t header = (c->va ? c->va : c->pa) - body;
	uint8_t raw;

	*ret = VDS_TYPE_UNKNOWN;
	if (!marks->has_type ||
	    vds_image_read(kernel->image, c->pa - body + index->offset, &raw, 1))
		return true;
	if (!marks->is_mixed || c->va) {
		*ret = VDS_TYPE_VERIFIED;
		if (marks->is_mixed)
			raw ^= (uint8_t)(header >> 8);
		return raw == marks->type;
	}
	/* Bits 8 to 11 of the address are those of the physical one. */
	*ret = VDS_TYPE_LIKELY;
	return !((raw ^ header >> 8 ^ marks->type) & 0xf);
}

static enum vds_why get_time(const struct candidate *c,
			     const struct vds_field *field, uint64_t *ret)
{
	enum vds_why why = get(c, field, ret);

	if (!why && *ret && (*ret < MIN_TIME || *ret >= MAX_TIME))
		why = VDS_BAD_DATA;
	return why;
}

static void get_name(const struct candidate *c, struct vds_scanned_process *p)
{
	const struct vds_field *field =
		vds_kf(c->marks->kernel, EPROCESS_IMAGE_FILE_NAME);
	struct vds_str text = {0};
	char raw[64];
	size_t len = VDS_MIN((size_t)field->size, sizeof(raw));

	p->image_file_name_why = get_bytes(c, field->offset, raw, len);
	if (p->image_file_name_why)
		return;
	len = strnlen(raw, len);
	if (!len) {
		p->image_file_name_why = VDS_NOT_APPLICABLE;
		return;
	}
	vds_str_put_utf8(&text, raw, len);
	if (!text.failed)
		p->image_file_name = vds_sprintf(c->run, "%.*s", (int)text.len,
						 text.data);
	if (!p->image_file_name)
		c->run->task->nomem = true;
	vds_str_deinit(&text);
}

static bool decode(const struct candidate *c, struct vds_scanned_process *p)
{
	const struct vds_kernel *kernel = c->marks->kernel;
	uint64_t pid, ppid = 0, threads = 0;

	if (get(c, vds_kf(kernel, EPROCESS_PID), &pid) || !pid || pid % 4 ||
	    pid > INT32_MAX)
		return false;
	p->pid = (uint32_t)pid;
	p->create_why = get_time(c, vds_kf(kernel, EPROCESS_CREATE_TIME),
				 &p->create_time);
	p->exit_why = get_time(c, vds_kf(kernel, EPROCESS_EXIT_TIME),
			       &p->exit_time);
	if (p->create_why == VDS_BAD_DATA || p->exit_why == VDS_BAD_DATA)
		return false;
	p->ppid_why = get(c, vds_kf(kernel, EPROCESS_PPID), &ppid);
	p->ppid = (uint32_t)ppid;
	p->threads_why = get(c, vds_kf(kernel, EPROCESS_ACTIVE_THREADS),
			     &threads);
	p->threads = (uint32_t)threads;
	p->dtb_why = get(c, vds_kf(kernel, KPROCESS_DTB), &p->dtb);
	p->dtb &= VDS_PTE_PFN_MASK;
	get_name(c, p);
	return true;
}

bool vds_process_examine(struct vds_run *run,
			 const struct vds_process_marks *marks, uint64_t pa,
			 struct vds_scanned_process *ret)
{
	struct candidate c = {.marks = marks, .run = run, .pa = pa};
	const struct vds_known_process *known = find_known(marks, pa);

	if (!is_dispatcher(&c) || !has_thread_list(&c))
		return false;
	find_address(&c);
	*ret = (struct vds_scanned_process){
		.pa = pa, .eprocess = c.va,
		.eprocess_why = c.va ? VDS_PRESENT : VDS_NOT_MAPPED,
		.index = known ? known->index : SIZE_MAX,
	};
	return check_type(&c, &ret->type) && decode(&c, ret);
}

/* Those of the table, and where they are. */
static bool learn_known(struct vds_run *run, struct vds_process_marks *marks)
{
	const struct vds_kernel *kernel = marks->kernel;

	marks->known = vds_alloc(run, kernel->num_processes + 1,
				sizeof(*marks->known));
	if (!marks->known)
		return false;
	for (size_t i = 0; i < kernel->num_processes; i++) {
		struct vds_translation where;

		vds_translate(run, NULL, kernel->processes[i].eprocess, &where);
		if (where.why)
			continue;
		marks->known[marks->num_known++] =
			(struct vds_known_process){.pa = where.pa, .index = i};
	}
	qsort(marks->known, marks->num_known, sizeof(*marks->known),
	      compare_known);
	return true;
}

/*
 * The type index that processes have, and whether it is mixed with the header's
 * address: what most processes of the table agree on.
 */
static void learn_type(struct vds_run *run, struct vds_process_marks *marks)
{
	const struct vds_kernel *kernel = marks->kernel;
	size_t plain[256] = {0}, mixed[256] = {0};
	unsigned int best_plain = 0, best_mixed = 0;

	for (size_t i = 0; i < kernel->num_processes; i++) {
		struct vds_object_header header;

		if (vds_object_header_read(run->task,
					   kernel->processes[i].eprocess,
					   &header))
			continue;
		plain[header.raw_type]++;
		mixed[header.raw_type ^ (header.header >> 8 & 0xff)]++;
	}
	for (unsigned int i = 1; i < 256; i++) {
		if (plain[i] > plain[best_plain])
			best_plain = i;
		if (mixed[i] > mixed[best_mixed])
			best_mixed = i;
	}
	/* One or two processes don't tell: then it is not checked. */
	marks->is_mixed = mixed[best_mixed] > plain[best_plain];
	marks->type = (uint8_t)(marks->is_mixed ? best_mixed : best_plain);
	marks->has_type = mixed[best_mixed] != plain[best_plain];
}

static void add_link(struct vds_run *run, struct vds_process_marks *marks,
		     const char *path)
{
	struct vds_member_info member;

	if (vds_type_member_find(vds_type_find(run, "_EPROCESS"), path,
				 &member))
		marks->links[marks->num_links++] = member.offset;
}

bool vds_process_marks_learn(struct vds_run *run,
			     struct vds_process_marks *ret)
{
	*ret = (struct vds_process_marks){.kernel = run->session->kernel};
	add_link(run, ret, "Pcb.Header.WaitListHead");
	add_link(run, ret, "Pcb.ProfileListHead");
	add_link(run, ret, "Pcb.ThreadListHead");
	add_link(run, ret, "ActiveProcessLinks");
	if (!learn_known(run, ret))
		return false;
	learn_type(run, ret);
	return true;
}
