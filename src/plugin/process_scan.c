/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vds_process_scan(): pool blocks tagged "Proc", and what in them is an
 * EPROCESS.
 *
 * Optional object headers of unknown number stand between the pool header and
 * the object, so every distance is tried and the bytes themselves must say that
 * they are a process. The type index is mixed with bits of the header's virtual
 * address (10 and later), which a physical scan doesn't have; list heads inside
 * the EPROCESS give it: whoever is linked to one points back to it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/str.h"
#include "base/util.h"
#include "image/image.h"
#include "nt/kernel.h"
#include "nt/object.h"
#include "nt/rec.h"
#include "nt/task.h"
#include "nt/walk.h"
#include "plugin/session.h"
#include "vadose/process_scan.h"
#include "vadose/record.h"

/* Pool blocks and object headers are aligned to this. */
#define GRANULE 16
/* How much may stand between pool header and OBJECT_HEADER; all optional
 * headers together, with their padding, are smaller. */
#define MAX_DISTANCE 0x100
#define PAGE 4096
#define READ_SIZE 65536
#define MIN_CHUNK ((uint64_t)16 << 20)
#define MAX_CHUNKS 65536
/* DISPATCHER_HEADER.Type of a process; other uses have its top bit. */
#define DISPATCHER_PROCESS 3
/* FILETIMEs of the years 1917 and 2551. */
#define MIN_TIME 100000000000000000u
#define MAX_TIME 300000000000000000u
#define MAX_LINKS 4

/* A process of the table by the physical address of its EPROCESS. */
struct known {
	uint64_t pa;
	size_t index;
};

struct found {
	struct vds_scanned_process process;
	struct found *next;
};

struct scan {
	const struct vds_kernel *kernel;
	uint64_t pool_header;	/* bytes */
	uint32_t tag;		/* offset of PoolTag in it */
	uint32_t links[MAX_LINKS];	/* offsets of list heads in EPROCESS */
	size_t num_links;
	struct known *known;	/* by pa */
	size_t num_known;
	/* What the type index of a process is, as it is stored or decoded. */
	bool has_type, is_mixed;
	uint8_t type;
	uint64_t chunk;		/* bytes */
	struct found **found;	/* per chunk */
};

/* One place to look at. */
struct candidate {
	const struct scan *scan;
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
	return vds_image_read(c->scan->kernel->image, c->pa + offset, buf,
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
	const struct known *a = pa, *b = pb;

	return a->pa < b->pa ? -1 : a->pa > b->pa;
}

static const struct known *find_known(const struct scan *scan, uint64_t pa)
{
	struct known key = {.pa = pa};

	if (!scan->num_known)
		return NULL;
	return bsearch(&key, scan->known, scan->num_known, sizeof(key),
		       compare_known);
}

static bool leads_to(const struct candidate *c, uint64_t va)
{
	struct vds_translation where;

	if (va % PAGE != c->pa % PAGE ||
	    !vds_is_kernel_pointer(c->scan->kernel, va, GRANULE))
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
	const struct scan *scan = c->scan;
	const struct known *known = find_known(scan, c->pa);

	if (known) {
		c->va = scan->kernel->processes[known->index].eprocess;
		return;
	}
	for (size_t i = 0; i < scan->num_links; i++) {
		uint64_t back;
		uint8_t raw[8];

		if (get_bytes(c, scan->links[i], raw, sizeof(raw)))
			continue;
		uint64_t next = vds_le64(raw);
		if (!vds_is_kernel_pointer(scan->kernel, next, 8))
			continue;
		if (leads_to(c, next - scan->links[i])) {
			c->va = next - scan->links[i];
			return;
		}
		if (vds_task_u64(c->run->task, next + 8, &back) ||
		    !leads_to(c, back - scan->links[i]))
			continue;
		c->va = back - scan->links[i];
		return;
	}
}

static bool is_dispatcher(const struct candidate *c)
{
	uint64_t type;

	return !get(c, vds_kf(c->scan->kernel, KPROCESS_TYPE), &type) &&
	       (type & 0x7f) == DISPATCHER_PROCESS;
}

/* The list of threads, empty or not, is never null in a process. */
static bool has_thread_list(const struct candidate *c)
{
	const struct vds_kernel *kernel = c->scan->kernel;
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
	const struct scan *scan = c->scan;
	const struct vds_kernel *kernel = scan->kernel;
	const struct vds_field *index = vds_kf(kernel, OBJECT_TYPE_INDEX);
	uint32_t body = vds_kf(kernel, OBJECT_BODY)->offset;
	uint64_t header = (c->va ? c->va : c->pa) - body;
	uint8_t raw;

	*ret = VDS_TYPE_UNKNOWN;
	if (!scan->has_type ||
	    vds_image_read(kernel->image, c->pa - body + index->offset, &raw, 1))
		return true;
	if (!scan->is_mixed || c->va) {
		*ret = VDS_TYPE_VERIFIED;
		if (scan->is_mixed)
			raw ^= (uint8_t)(header >> 8);
		return raw == scan->type;
	}
	/* Bits 8 to 11 of the address are those of the physical one. */
	*ret = VDS_TYPE_LIKELY;
	return !((raw ^ header >> 8 ^ scan->type) & 0xf);
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
		vds_kf(c->scan->kernel, EPROCESS_IMAGE_FILE_NAME);
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
	const struct vds_kernel *kernel = c->scan->kernel;
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

/* Is there an EPROCESS at @pa? */
static bool examine(struct vds_run *run, const struct scan *scan, uint64_t pa,
		    struct vds_scanned_process *ret)
{
	struct candidate c = {.scan = scan, .run = run, .pa = pa};
	const struct known *known = find_known(scan, pa);

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

/* A tag was met in the pool header at @block. */
static bool try_block(struct vds_run *run, struct scan *scan, uint64_t block,
		      bool protected_tag, struct found **list)
{
	uint32_t body = vds_kf(scan->kernel, OBJECT_BODY)->offset;

	for (uint64_t d = 0; d <= MAX_DISTANCE; d += GRANULE) {
		uint64_t pa = block + scan->pool_header + d + body;
		struct vds_scanned_process process;

		if (pa / PAGE != block / PAGE)
			break;
		if (!examine(run, scan, pa, &process))
			continue;
		struct found *found = vds_alloc(run, 1, sizeof(*found));
		if (!found)
			return false;
		process.block = block;
		process.protected_tag = protected_tag;
		found->process = process;
		found->next = *list;
		*list = found;
		break;
	}
	return true;
}

/* "Proc"; the top bit marks protected tags. */
static bool is_tag(const uint8_t *p)
{
	return (vds_le32(p) & 0x7fffffff) == 0x636f7250;
}

/*
 * As is_dispatcher() for every distance, but in the bytes at hand: @p is the
 * tag, @left how many bytes of its page there are. Text has many such words.
 */
static bool may_hold(const struct scan *scan, const uint8_t *p, size_t left)
{
	const struct vds_field *type = vds_kf(scan->kernel, KPROCESS_TYPE);
	size_t at = scan->pool_header - scan->tag + type->offset +
		    vds_kf(scan->kernel, OBJECT_BODY)->offset;

	if (type->size != 1 || type->bit_len)
		return true;
	for (size_t d = 0; d <= MAX_DISTANCE && at + d < left; d += GRANULE) {
		if ((p[at + d] & 0x7f) == DISPATCHER_PROCESS)
			return true;
	}
	return false;
}

static bool scan_bytes(struct vds_run *run, struct scan *scan, uint64_t pa,
		       const uint8_t *buf, size_t len, struct found **list)
{
	size_t i = (size_t)(-pa % GRANULE) + scan->tag;

	for (; i + 4 <= len; i += GRANULE) {
		const uint8_t *p = buf + i;

		/* One branch for several granules, almost never taken. */
		while (i + 7 * GRANULE + 4 <= len &&
		       !((int)is_tag(p) | (int)is_tag(p + GRANULE) |
			 (int)is_tag(p + 2 * GRANULE) |
			 (int)is_tag(p + 3 * GRANULE))) {
			i += 4 * GRANULE;
			p += 4 * GRANULE;
		}
		if (!is_tag(p))
			continue;
		uint64_t block = pa + i - scan->tag;
		size_t left = PAGE - (size_t)((pa + i) % PAGE);
		/* What was read may end within the page. */
		if (left <= len - i && !may_hold(scan, p, left))
			continue;
		if (!try_block(run, scan, block, p[3] >> 7, list))
			return false;
	}
	return true;
}

static struct vds_error *scan_chunk(struct vds_run *run, size_t index,
				    void *ctx)
{
	struct scan *scan = ctx;
	uint64_t pa = index * scan->chunk, end = pa + scan->chunk;
	uint8_t *buf = malloc(READ_SIZE);
	struct vds_error *err = NULL;
	size_t n;

	if (!buf)
		return &vds_enomem;
	while (!err && pa < end &&
	       (n = vds_image_scan(scan->kernel->image, &pa, buf, READ_SIZE)) &&
	       pa < end) {	/* else a gap goes on into another chunk */
		if (!scan_bytes(run, scan, pa, buf, n, &scan->found[index]))
			err = &vds_enomem;
		pa += n;
	}
	free(buf);
	return err;
}

/* Those of the table, and where they are. */
static bool learn_known(struct vds_run *run, struct scan *scan)
{
	const struct vds_kernel *kernel = scan->kernel;

	scan->known = vds_alloc(run, kernel->num_processes + 1,
				sizeof(*scan->known));
	if (!scan->known)
		return false;
	for (size_t i = 0; i < kernel->num_processes; i++) {
		struct vds_translation where;

		vds_translate(run, NULL, kernel->processes[i].eprocess, &where);
		if (where.why)
			continue;
		scan->known[scan->num_known++] =
			(struct known){.pa = where.pa, .index = i};
	}
	qsort(scan->known, scan->num_known, sizeof(*scan->known),
	      compare_known);
	return true;
}

/*
 * The type index that processes have, and whether it is mixed with the header's
 * address: what most processes of the table agree on.
 */
static void learn_type(struct vds_run *run, struct scan *scan)
{
	const struct vds_kernel *kernel = scan->kernel;
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
	scan->is_mixed = mixed[best_mixed] > plain[best_plain];
	scan->type = (uint8_t)(scan->is_mixed ? best_mixed : best_plain);
	scan->has_type = mixed[best_mixed] != plain[best_plain];
}

static void add_link(struct vds_run *run, struct scan *scan, const char *path)
{
	struct vds_member_info member;

	if (vds_type_member_find(vds_type_find(run, "_EPROCESS"), path,
				 &member))
		scan->links[scan->num_links++] = member.offset;
}

static bool learn_layout(struct vds_run *run, struct scan *scan)
{
	const struct vds_type *pool = vds_type_find(run, "_POOL_HEADER");
	struct vds_member_info tag;

	if (!vds_type_member_find(pool, "PoolTag", &tag) ||
	    !vds_kf(scan->kernel, KPROCESS_TYPE)->present) {
		vds_run_note(run, "no_process_scan", 0,
			     "the profile lacks POOL_HEADER or DISPATCHER_HEADER: processes can't be scanned for");
		return false;
	}
	scan->pool_header = vds_type_size(pool);
	scan->tag = tag.offset;
	add_link(run, scan, "Pcb.Header.WaitListHead");
	add_link(run, scan, "Pcb.ProfileListHead");
	add_link(run, scan, "Pcb.ThreadListHead");
	add_link(run, scan, "ActiveProcessLinks");
	return true;
}

static int compare_found(const void *pa, const void *pb)
{
	const struct vds_scanned_process *a = pa, *b = pb;

	if (a->pa != b->pa)
		return a->pa < b->pa ? -1 : 1;
	return a->block < b->block ? -1 : a->block > b->block;
}

/* All that the chunks found, each EPROCESS once. */
static struct vds_error *collect(struct vds_run *run, const struct scan *scan,
				 size_t num_chunks,
				 const struct vds_scanned_process **ret,
				 size_t *ret_count)
{
	size_t count = 0, unique = 0;

	for (size_t i = 0; i < num_chunks; i++) {
		for (struct found *f = scan->found[i]; f; f = f->next)
			count++;
	}
	struct vds_scanned_process *list =
		vds_alloc(run, count + 1, sizeof(*list));
	if (!list)
		return &vds_enomem;
	count = 0;
	for (size_t i = 0; i < num_chunks; i++) {
		for (struct found *f = scan->found[i]; f; f = f->next)
			list[count++] = f->process;
	}
	qsort(list, count, sizeof(*list), compare_found);
	for (size_t i = 0; i < count; i++) {
		if (!unique || list[unique - 1].pa != list[i].pa)
			list[unique++] = list[i];
	}
	*ret = list;
	*ret_count = unique;
	return NULL;
}

struct vds_error *vds_process_scan(struct vds_run *run,
				   const struct vds_scanned_process **ret,
				   size_t *ret_count)
{
	struct scan scan = {.kernel = run->session->kernel};
	uint64_t end = vds_image_end(scan.kernel->image);

	if (!learn_layout(run, &scan)) {
		*ret = NULL;
		*ret_count = 0;
		return NULL;
	}
	scan.chunk = VDS_MAX(MIN_CHUNK, end / MAX_CHUNKS / PAGE * PAGE + PAGE);
	size_t num_chunks = (size_t)(end / scan.chunk + 1);
	scan.found = vds_alloc(run, num_chunks, sizeof(*scan.found));
	if (!scan.found || !learn_known(run, &scan))
		return &vds_enomem;
	learn_type(run, &scan);
	struct vds_error *err = vds_parallel(run, num_chunks, scan_chunk,
					     &scan);
	if (err)
		return err;
	return collect(run, &scan, num_chunks, ret, ret_count);
}
