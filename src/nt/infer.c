/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's data holds PsInitialSystemProcess, a pointer to System; the
 * heads of lists, the one link of each that lies in the kernel image; and the
 * object manager's tables, whose members carry their own names.
 */
#include "nt/infer.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/map.h"
#include "base/util.h"
#include "nt/handle.h"
#include "nt/infer_pfn.h"
#include "nt/system.h"
#include "nt/walk.h"

/* 8 MiB of pointers; real kernels have some ten thousand. */
#define MAX_POINTERS ((size_t)1 << 19)
/* Processes or handle tables of a machine that is still a machine. */
#define MAX_LINKS 100000u

static bool is_in_kernel_image(const struct vds_kernel *kernel, uint64_t va)
{
	return va - kernel->base < kernel->size;
}

void vds_pointers_deinit(struct vds_pointers *pointers)
{
	free(pointers->list);
	*pointers = (struct vds_pointers){0};
}

static bool add_pointer(struct vds_pointers *p, uint64_t va, uint64_t value)
{
	if (p->count == p->cap) {
		size_t more = p->cap ? p->cap * 2 : 4096;
		struct vds_pointer *bigger =
			reallocarray(p->list, more, sizeof(*bigger));
		if (!bigger)
			return false;
		p->list = bigger;
		p->cap = more;
	}
	p->list[p->count++] = (struct vds_pointer){va, value};
	return true;
}

struct vds_error *vds_pointers_collect(const struct vds_kernel *kernel,
				       struct vds_tlb *tlb,
				       struct vds_pointers *ret)
{
	uint8_t page[VDS_PAGE_SIZE];
	for (uint64_t rva = 0; rva < kernel->size; rva += VDS_PAGE_SIZE) {
		uint64_t va = kernel->base + rva;
		if (vds_space_read(&kernel->space, tlb, va, page, sizeof(page)))
			continue;
		for (size_t i = 0; i < sizeof(page); i += 8) {
			uint64_t value = vds_le64(page + i);
			if (!vds_is_kernel_pointer(kernel, value, 8) ||
			    is_in_kernel_image(kernel, value) ||
			    ret->count >= MAX_POINTERS)
				continue;
			if (!add_pointer(ret, va + i, value))
				return &vds_enomem;
		}
	}
	return NULL;
}

struct vds_error *vds_kernel_infer(struct vds_kernel *kernel, const char *what,
				   uint64_t value, const char *how,
				   const char *check)
{
	size_t n = kernel->num_inferences;
	struct vds_inference *list = vds_arena_calloc(&kernel->arena, n + 1,
						      sizeof(*list));
	if (!list)
		return &vds_enomem;
	if (n)
		memcpy(list, kernel->inferences, n * sizeof(*list));
	list[n] = (struct vds_inference){what, value, how, check};
	kernel->inferences = list;
	kernel->num_inferences = n + 1;
	return NULL;
}

struct inference {
	struct vds_kernel *kernel;
	struct vds_tlb *tlb;
	const struct vds_pointers *pointers;
	bool deep;		/* search all memory for System, if need be */
	struct vds_error *err;	/* the first; nothing is inferred after it */
};

static void record(struct inference *in, const char *what, uint64_t value,
		   const char *how, const char *check)
{
	if (!in->err)
		in->err = vds_kernel_infer(in->kernel, what, value, how, check);
}

/* A global's place in this kernel, as if its symbols had said it. */
static void set_symbol(struct inference *in, enum vds_symbol_id id,
		       uint64_t va)
{
	in->kernel->binding.rvas[id] = (uint32_t)(va - in->kernel->base);
	in->kernel->binding.has_symbol[id] = true;
}

static bool read_u64(const struct inference *in, uint64_t va, uint64_t *ret)
{
	return !vds_space_read_u64(&in->kernel->space, in->tlb, va, ret);
}

static bool is_system(const struct inference *in, uint64_t eprocess)
{
	struct vds_system_check check;
	vds_system_check(in->kernel, in->tlb, eprocess, &check);
	return !check.why && check.is_system && check.same_kernel &&
	       check.links_close && check.threads_close;
}

/* A pointer to System, or to its link in the list of processes. */
static bool find_system(struct inference *in)
{
	struct vds_kernel *kernel = in->kernel;
	uint64_t links = vds_kf(kernel, EPROCESS_LINKS)->offset;
	for (size_t i = 0; i < in->pointers->count; i++) {
		uint64_t value = in->pointers->list[i].value;
		if (!is_system(in, value)) {
			value -= links;
			if (!is_system(in, value))
				continue;
		}
		kernel->system_process = value;
		record(in, "PsInitialSystemProcess", value,
		       "a pointer in the kernel image leads to it",
		       "PID 4, name, page tables; both of its lists close");
		return true;
	}
	if (!in->deep ||
	    !vds_system_scan(kernel, in->tlb, &kernel->system_process))
		return false;
	record(in, "PsInitialSystemProcess", kernel->system_process,
	       "found by its name in kernel memory; no pointer leads to it",
	       "PID 4, name, page tables; both of its lists close");
	return true;
}

/*
 * Follows a list from @link to the one in the kernel image, by Flink
 * (@direction 0) or Blink (8); 0 if it doesn't get there.
 */
static uint64_t follow(const struct inference *in, uint64_t link,
		       unsigned int direction)
{
	struct vds_map seen = {0};
	uint64_t head = 0;
	for (unsigned int i = 0; i < MAX_LINKS; i++) {
		if (!read_u64(in, link + direction, &link) ||
		    !vds_is_kernel_pointer(in->kernel, link, 8) ||
		    vds_set_add(&seen, link) != VDS_SEEN_NEW)
			break;
		if (is_in_kernel_image(in->kernel, link)) {
			head = link;
			break;
		}
	}
	vds_map_deinit(&seen);
	return head;
}

static uint64_t find_head(struct inference *in, const char *what,
			  enum vds_symbol_id id, uint64_t link)
{
	uint64_t back = follow(in, link, 8), forth = follow(in, link, 0);
	uint64_t head = back ? back : forth;
	if (!head)
		return 0;
	set_symbol(in, id, head);
	record(in, what, head,
	       "the link of its list that lies in the kernel image",
	       back == forth ? "reached by Flink and by Blink" :
			       "reached in one direction only");
	return head;
}

static void find_heads(struct inference *in)
{
	struct vds_kernel *kernel = in->kernel;
	uint64_t system = kernel->system_process, table;
	kernel->process_head = find_head(
		in, "PsActiveProcessHead", VDS_S_PS_ACTIVE_PROCESS_HEAD,
		system + vds_kf(kernel, EPROCESS_LINKS)->offset);
	if (vds_kf(kernel, KPROCESS_LIST_ENTRY)->present)
		find_head(in, "KiProcessListHead", VDS_S_KI_PROCESS_LIST_HEAD,
			  system + vds_kf(kernel, KPROCESS_LIST_ENTRY)->offset);
	if (vds_kf(kernel, EPROCESS_OBJECT_TABLE)->present &&
	    vds_kf(kernel, HANDLE_TABLE_LIST)->present &&
	    read_u64(in, system + vds_kf(kernel, EPROCESS_OBJECT_TABLE)->offset,
		     &table) &&
	    vds_is_kernel_pointer(kernel, table, 8))
		find_head(in, "HandleTableListHead",
			  VDS_S_HANDLE_TABLE_LIST_HEAD,
			  table + vds_kf(kernel, HANDLE_TABLE_LIST)->offset);
}

/*
 * PsLoadedModuleList: a list head whose first entry is the kernel's own, which
 * is loaded first and links back to the head (InLoadOrderLinks comes first).
 */
static void find_modules(struct inference *in)
{
	const struct vds_kernel *kernel = in->kernel;
	const struct vds_field *base = vds_kf(kernel, KLDR_BASE);
	if (!base->present)
		base = vds_kf(kernel, LDR_BASE);
	for (size_t i = 0; base->present && i < in->pointers->count; i++) {
		const struct vds_pointer *p = &in->pointers->list[i];
		uint64_t back, at;
		if (!read_u64(in, p->value + 8, &back) || back != p->va ||
		    !read_u64(in, p->value + base->offset, &at) ||
		    at != kernel->base)
			continue;
		set_symbol(in, VDS_S_PS_LOADED_MODULE_LIST, p->va);
		record(in, "PsLoadedModuleList", p->va,
		       "a list head in the kernel image whose first entry's DllBase is the kernel's",
		       "that entry links back to it");
		break;
	}
}

struct cid_table {
	uint64_t system;
	bool found;
};

static bool is_first_system(void *ctx, const struct vds_handle *handle)
{
	struct cid_table *cid = ctx;
	cid->found = handle->value == 4 && handle->pointer == cid->system;
	return false;
}

/*
 * PspCidTable: the handle table whose handles are process and thread IDs, so
 * that handle 4 is System. It belongs to no process.
 */
static void find_cid_table(struct inference *in)
{
	struct vds_kernel *kernel = in->kernel;
	const struct vds_field *code = vds_kf(kernel, HANDLE_TABLE_CODE);
	const struct vds_field *quota = vds_kf(kernel, HANDLE_TABLE_PROCESS);
	struct vds_task task;
	if (in->err || !code->present || !quota->present)
		return;
	in->err = vds_task_init(&task, kernel);
	for (size_t i = 0; !in->err && i < in->pointers->count; i++) {
		const struct vds_pointer *p = &in->pointers->list[i];
		struct cid_table cid = {.system = kernel->system_process};
		uint64_t value, owner;
		/* Leaves are pages; the low two bits count levels. */
		if (!read_u64(in, p->value + code->offset, &value) ||
		    (value & 3) == 3 || value & VDS_PAGE_MASK & ~UINT64_C(3) ||
		    !vds_is_kernel_pointer(kernel, value & ~UINT64_C(3), 8) ||
		    !read_u64(in, p->value + quota->offset, &owner) || owner)
			continue;
		vds_handles_walk(&task, NULL, p->value, is_first_system, &cid);
		vds_task_reset(&task);
		if (!cid.found)
			continue;
		set_symbol(in, VDS_S_PSP_CID_TABLE, p->va);
		record(in, "PspCidTable", p->va,
		       "a pointer in the kernel image to a handle table",
		       "its handle 4 is System, and no process owns it");
		break;
	}
	vds_task_deinit(&task);
}

/* True if the UNICODE_STRING at @va says @ascii. */
static bool is_string(const struct inference *in, uint64_t va,
		      const char *ascii)
{
	const struct vds_kernel *kernel = in->kernel;
	uint8_t record[32], text[64];
	size_t n = strlen(ascii), len = vds_ksize(kernel, UNICODE_STRING);
	uint64_t length, buffer;
	if (len > sizeof(record) || n * 2 > sizeof(text) ||
	    vds_space_read(&kernel->space, in->tlb, va, record, len) ||
	    vds_field_get(vds_kf(kernel, UNICODE_LENGTH), record, len,
			  &length) ||
	    length != n * 2 ||
	    vds_field_get(vds_kf(kernel, UNICODE_BUFFER), record, len,
			  &buffer) ||
	    !vds_is_kernel_pointer(kernel, buffer, 2) ||
	    vds_space_read(&kernel->space, in->tlb, buffer, text, n * 2))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (vds_le16(text + i * 2) != (uint8_t)ascii[i])
			return false;
	}
	return true;
}

/* ObTypeIndexTable: its entries 2, 3 and 4 have been these since Windows 7. */
static uint64_t find_type_table(struct inference *in)
{
	const struct vds_kernel *kernel = in->kernel;
	const struct vds_field *name = vds_kf(kernel, TYPE_NAME);
	const struct vds_pointer *p = in->pointers->list;
	if (!name->present)
		return 0;
	for (size_t i = 0; i + 2 < in->pointers->count; i++) {
		if (p[i + 1].va != p[i].va + 8 || p[i + 2].va != p[i].va + 16 ||
		    !is_string(in, p[i].value + name->offset, "Type") ||
		    !is_string(in, p[i + 1].value + name->offset,
			       "Directory") ||
		    !is_string(in, p[i + 2].value + name->offset,
			       "SymbolicLink"))
			continue;
		uint64_t table = p[i].va - 16;
		set_symbol(in, VDS_S_OB_TYPE_INDEX_TABLE, table);
		record(in, "ObTypeIndexTable", table,
		       "an array in the kernel image of named object types",
		       "its entries 2, 3, 4 are called Type, Directory, SymbolicLink");
		return table;
	}
	return 0;
}

static bool find_type_index(const struct inference *in, uint64_t table,
			    const char *name, uint8_t *ret)
{
	uint64_t type;
	for (unsigned int i = 2; i < 256; i++) {
		if (!read_u64(in, table + i * 8, &type) || !type)
			return false;
		if (vds_is_kernel_pointer(in->kernel, type, 8) &&
		    is_string(in,
			      type + vds_kf(in->kernel, TYPE_NAME)->offset,
			      name)) {
			*ret = (uint8_t)i;
			return true;
		}
	}
	return false;
}

/* The object's TypeIndex as stored, and the address byte it is mixed with. */
static bool read_type_byte(const struct inference *in, uint64_t body,
			   uint8_t *ret_raw, uint8_t *ret_mix)
{
	const struct vds_kernel *kernel = in->kernel;
	uint64_t header = body - vds_kf(kernel, OBJECT_BODY)->offset;
	*ret_mix = (uint8_t)(header >> 8);
	return !vds_space_read(&kernel->space, in->tlb,
			       header + vds_kf(kernel, OBJECT_TYPE_INDEX)->offset,
			       ret_raw, 1);
}

/* Processes that must agree on the cookie. */
#define COOKIE_WITNESSES 16u

/*
 * Since Windows 10 TypeIndex is mixed with ObHeaderCookie and a byte of the
 * header's address: a value that makes processes of all processes in the list
 * is the cookie. If they are processes without one, there is none.
 */
static void find_cookie(struct inference *in, uint64_t table)
{
	struct vds_kernel *kernel = in->kernel;
	uint64_t links = vds_kf(kernel, EPROCESS_LINKS)->offset;
	uint64_t body = kernel->system_process;
	unsigned int plain = 0, same = 0, all = 0;
	uint8_t index, raw, mix, cookie = 0;
	if (!find_type_index(in, table, "Process", &index))
		return;
	while (all < COOKIE_WITNESSES && read_type_byte(in, body, &raw, &mix)) {
		uint8_t value = (uint8_t)(raw ^ mix ^ index);
		if (!all)
			cookie = value;
		plain += raw == index;
		same += value == cookie;
		all++;
		if (!read_u64(in, body + links, &body) ||
		    !vds_is_kernel_pointer(kernel, body, 8) ||
		    is_in_kernel_image(kernel, body))
			break;
		body -= links;
	}
	if (all < 2 || plain == all || same < all)
		return;
	kernel->has_header_cookie = true;
	kernel->header_cookie = cookie;
	record(in, "ObHeaderCookie", cookie,
	       "what makes the System process a process",
	       "makes up to 16 other processes so, too");
}

/* The one directory that is called "\" and lies in no other. */
static void find_root(struct inference *in)
{
	const struct vds_kernel *kernel = in->kernel;
	uint64_t back = vds_ksize(kernel, OBJECT_HEADER_NAME_INFO);
	uint32_t body = vds_kf(kernel, OBJECT_BODY)->offset;
	const struct vds_field *name = vds_kf(kernel, NAME_NAME);
	const struct vds_field *parent = vds_kf(kernel, NAME_DIRECTORY);
	if (!back || !name->present || !parent->present)
		return;
	for (size_t i = 0; i < in->pointers->count; i++) {
		uint64_t header = in->pointers->list[i].value - body;
		uint64_t info = header - back, directory;
		uint8_t mask;
		/* InfoMask: a name (bit 1), and no creator (bit 0) before it. */
		if (vds_space_read(&kernel->space, in->tlb,
				   header + vds_kf(kernel, OBJECT_INFO_MASK)->offset,
				   &mask, 1) ||
		    (mask & 3) != 2 ||
		    !is_string(in, info + name->offset, "\\") ||
		    !read_u64(in, info + parent->offset, &directory) ||
		    directory)
			continue;
		set_symbol(in, VDS_S_OBP_ROOT_DIRECTORY_OBJECT,
			   in->pointers->list[i].va);
		record(in, "ObpRootDirectoryObject",
		       in->pointers->list[i].va,
		       "a pointer in the kernel image to the object called \\",
		       "the object lies in no directory");
		return;
	}
}

struct vds_error *vds_kernel_infer_symbols(struct vds_kernel *kernel,
					   struct vds_tlb *tlb,
					   const struct vds_pointers *pointers,
					   bool deep, bool *ret_found)
{
	struct inference in = {.kernel = kernel, .tlb = tlb,
			       .pointers = pointers, .deep = deep};
	/* Another kernel's addresses mean nothing in this one. */
	memset(kernel->binding.has_symbol, 0,
	       sizeof(kernel->binding.has_symbol));
	*ret_found = find_system(&in);
	if (!*ret_found)
		return in.err;
	find_heads(&in);
	find_modules(&in);
	uint64_t table = find_type_table(&in);
	if (table)
		find_cookie(&in, table);
	find_root(&in);
	find_cid_table(&in);
	return in.err ? in.err : vds_infer_pfn_database(kernel, tlb, pointers);
}
