/* SPDX-License-Identifier: Apache-2.0 */
/* vds_process_modules(): the loader's lists in a process's user space. */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/map.h"
#include "base/util.h"
#include "nt/name.h"
#include "nt/task.h"
#include "plugin/session.h"
#include "vadose/module.h"
#include "vadose/record.h"

/* No process loads so many; a hostile list ends here. */
#define MAX_MODULES 10000

/* In order of the bits VDS_MODULE_IN_*. */
static const struct {
	const char *head, *link;
} lists[VDS_NUM_MODULE_LISTS] = {
	{"InLoadOrderModuleList", "InLoadOrderLinks"},
	{"InMemoryOrderModuleList", "InMemoryOrderLinks"},
	{"InInitializationOrderModuleList", "InInitializationOrderLinks"},
};

/* How code of one width keeps its lists. */
struct flavour {
	const char *peb, *ldr, *entry;	/* types */
	size_t pointer;			/* bytes */
	struct vds_list_iter *(*iterate)(struct vds_run *run,
					 const struct vds_process *process,
					 uint64_t head, uint64_t link);
	enum vds_why (*text)(struct vds_run *run,
			     const struct vds_process *process, uint64_t va,
			     const char **ret);
};

static const struct flavour native = {
	"_PEB", "_PEB_LDR_DATA", "_LDR_DATA_TABLE_ENTRY", 8,
	vds_list_iterate, vds_process_unicode_string,
};

static const struct flavour wow64 = {
	"_PEB32", "_PEB_LDR_DATA32", "_LDR_DATA_TABLE_ENTRY32", 4,
	vds_list_iterate32, vds_process_unicode_string32,
};

/* Members of an entry that are read. */
enum { BASE, SIZE, ENTRY_POINT, LOAD_TIME, NAME, PATH, NUM_MEMBERS };

static const char *const members[NUM_MEMBERS] = {
	[BASE] = "DllBase",
	[SIZE] = "SizeOfImage",
	[ENTRY_POINT] = "EntryPoint",
	[LOAD_TIME] = "LoadTime",
	[NAME] = "BaseDllName",
	[PATH] = "FullDllName",
};

/* Bytes of an entry that are read at a time, if all members lie in them. */
#define SPAN_MAX 512

struct reader {
	struct vds_run *run;
	const struct vds_process *process;
	const struct flavour *flavour;
	const struct vds_type *type;	/* of an entry */
	struct vds_member_info members[NUM_MEMBERS];
	bool has[NUM_MEMBERS];
	bool bases;			/* and nothing else */
	size_t span;			/* bytes up to the end of all numbers */
	struct vds_map index;		/* entry -> place in list + 1 */
	struct vds_module *list;	/* malloc'ed */
	size_t count, cap;
};

/* An unsigned member of a structure in user space. */
static enum vds_why user_member(const struct vds_process *process, uint64_t va,
				const struct vds_type *type, const char *path,
				uint64_t *ret)
{
	struct vds_member_info member;
	uint8_t raw[8];
	uint64_t at;

	if (!vds_type_member_find(type, path, &member) || !member.size ||
	    member.size > sizeof(raw))
		return VDS_NO_FIELD;
	if (!vds_add_u64(va, member.offset, &at))
		return VDS_BAD_ADDRESS;
	enum vds_why why = vds_process_read(process, at, raw,
					    (size_t)member.size);
	if (!why)
		*ret = vds_le(raw, (size_t)member.size);
	return why;
}

/* Finds the members once: there are hundreds of entries. */
static void bind(struct reader *r)
{
	r->span = 0;
	for (size_t i = 0; i < (r->bases ? BASE + 1 : NUM_MEMBERS); i++) {
		struct vds_member_info *m = &r->members[i];

		r->has[i] = vds_type_member_find(r->type, members[i], m) &&
			    m->size && (i >= NAME || m->size <= 8);
		if (r->has[i] && i < NAME)
			r->span = VDS_MAX(r->span,
					  m->offset + (size_t)m->size);
	}
}

/* An entry, or why its parts have to be asked for one by one. */
struct bytes {
	uint64_t va;
	enum vds_why why;
	uint8_t raw[SPAN_MAX];
};

static void read_bytes(const struct reader *r, uint64_t entry,
		       struct bytes *ret)
{
	ret->va = entry;
	ret->why = VDS_NOT_APPLICABLE;
	if (r->span && r->span <= sizeof(ret->raw))
		ret->why = vds_process_read(r->process, entry, ret->raw,
					    r->span);
}

static enum vds_why number(const struct reader *r, const struct bytes *bytes,
			   size_t which, uint64_t *ret)
{
	const struct vds_member_info *m = &r->members[which];
	uint8_t raw[8];
	uint64_t at;

	if (!r->has[which])
		return VDS_NO_FIELD;
	if (!bytes->why) {
		*ret = vds_le(bytes->raw + m->offset, (size_t)m->size);
		return VDS_PRESENT;
	}
	if (!vds_add_u64(bytes->va, m->offset, &at))
		return VDS_BAD_ADDRESS;
	enum vds_why why = vds_process_read(r->process, at, raw,
					    (size_t)m->size);
	if (!why)
		*ret = vds_le(raw, (size_t)m->size);
	return why;
}

static enum vds_why text(struct reader *r, uint64_t va, size_t which,
			 const char **ret)
{
	uint64_t at;

	if (!r->has[which])
		return VDS_NO_FIELD;
	if (!vds_add_u64(va, r->members[which].offset, &at))
		return VDS_BAD_ADDRESS;
	return r->flavour->text(r->run, r->process, at, ret);
}

static void decode(struct reader *r, uint64_t entry, struct vds_module *m)
{
	struct bytes bytes;

	read_bytes(r, entry, &bytes);
	*m = (struct vds_module){.entry = entry};
	m->base_why = number(r, &bytes, BASE, &m->base);
	if (r->bases) {
		m->size_why = m->entry_point_why = m->load_time_why =
			m->name_why = m->path_why = VDS_NOT_APPLICABLE;
		return;
	}
	m->size_why = number(r, &bytes, SIZE, &m->size);
	m->entry_point_why = number(r, &bytes, ENTRY_POINT, &m->entry_point);
	m->load_time_why = number(r, &bytes, LOAD_TIME, &m->load_time);
	m->name_why = text(r, entry, NAME, &m->name);
	m->path_why = text(r, entry, PATH, &m->path);
}

static struct vds_error *add(struct reader *r, uint64_t entry, uint32_t bit)
{
	uint64_t *place = vds_map_put(&r->index, entry, NULL);

	if (!place)
		return &vds_enomem;
	if (!*place) {
		if (r->count == r->cap) {
			size_t cap = r->cap ? r->cap * 2 : 64;
			struct vds_module *bigger =
				reallocarray(r->list, cap, sizeof(*bigger));
			if (!bigger)
				return &vds_enomem;
			r->list = bigger;
			r->cap = cap;
		}
		decode(r, entry, &r->list[r->count++]);
		*place = r->count;
	}
	r->list[*place - 1].lists |= bit;
	return NULL;
}

static struct vds_error *walk(struct reader *r, const struct vds_type *ldr_type,
			      uint64_t ldr, size_t which, enum vds_why *ret_why)
{
	struct vds_member_info head, link;
	uint64_t at, entry;
	uint8_t raw[8];

	if (!vds_type_member_find(ldr_type, lists[which].head, &head) ||
	    !vds_type_member_find(r->type, lists[which].link, &link)) {
		*ret_why = VDS_NO_FIELD;
		return NULL;
	}
	if (!vds_add_u64(ldr, head.offset, &at)) {
		*ret_why = VDS_BAD_ADDRESS;
		return NULL;
	}
	/* A process that is being created has no list yet, only zeros. */
	*ret_why = vds_process_read(r->process, at, raw, r->flavour->pointer);
	if (*ret_why)
		return NULL;
	if (!vds_le(raw, r->flavour->pointer)) {
		*ret_why = VDS_NOT_APPLICABLE;
		return NULL;
	}
	struct vds_list_iter *iter =
		r->flavour->iterate(r->run, r->process, at, link.offset);
	if (!iter)
		return &vds_enomem;
	while (r->count < MAX_MODULES && vds_list_next(iter, &entry)) {
		struct vds_error *err = add(r, entry, 1u << which);
		if (err)
			return err;
	}
	*ret_why = r->count < MAX_MODULES ? vds_list_why(iter) : VDS_BAD_DATA;
	return NULL;
}

/* Where PEB_LDR_DATA is. */
static enum vds_why find_ldr(const struct reader *r, uint64_t peb,
			     uint64_t *ret)
{
	if (!peb)
		return r->flavour == &wow64 ? r->process->peb32_why :
					      VDS_NOT_APPLICABLE;
	enum vds_why why = user_member(
		r->process, peb, vds_type_find(r->run, r->flavour->peb), "Ldr",
		ret);
	if (!why && !*ret)
		why = VDS_NOT_APPLICABLE;
	return why;
}

static struct vds_error *read_lists(struct reader *r, uint64_t ldr,
				    struct vds_modules *ret)
{
	const struct vds_type *ldr_type =
		vds_type_find(r->run, r->flavour->ldr);

	for (size_t i = 0; i < VDS_NUM_MODULE_LISTS; i++) {
		struct vds_error *err =
			walk(r, ldr_type, ldr, i, &ret->why[i]);
		if (err)
			return err;
	}
	/* The list outlives this call in the run's memory. */
	struct vds_module *copy =
		vds_alloc(r->run, r->count + 1, sizeof(*copy));
	if (!copy)
		return &vds_enomem;
	for (size_t i = 0; i < r->count; i++)
		copy[i] = r->list[i];
	ret->list = copy;
	ret->count = r->count;
	return NULL;
}

const struct vds_listed_module *vds_listed_modules(struct vds_run *run,
						    size_t *ret_count)
{
	size_t n;
	const struct vds_image_module *modules =
		vds_image_modules(run->session->kernel->image, &n);
	struct vds_listed_module *list = vds_alloc(run, n + 1, sizeof(*list));
	*ret_count = 0;
	for (size_t i = 0; list && i < n; i++) {
		const struct vds_image_module *m = &modules[i];
		list[i] = (struct vds_listed_module){
			.base = m->base, .size = m->size,
			.timestamp = m->timestamp, .checksum = m->checksum,
			.unloaded = m->unloaded, .path = m->path,
			.name = m->path ? vds_base_name(m->path) : NULL,
		};
	}
	if (list)
		*ret_count = n;
	return list;
}

static struct vds_error *read_modules(struct vds_run *run,
				      const struct vds_process *process,
				      bool is_wow64, bool bases,
				      struct vds_modules *ret)
{
	const struct flavour *flavour = is_wow64 ? &wow64 : &native;
	uint64_t peb = is_wow64 ? process->peb32 : process->peb;
	struct reader r = {.run = run, .process = process, .flavour = flavour,
			   .type = vds_type_find(run, flavour->entry),
			   .bases = bases};
	uint64_t ldr = 0;
	enum vds_why why = find_ldr(&r, peb, &ldr);

	*ret = (struct vds_modules){0};
	for (size_t i = 0; i < VDS_NUM_MODULE_LISTS; i++)
		ret->why[i] = why;
	if (why)
		return NULL;
	bind(&r);
	struct vds_error *err = read_lists(&r, ldr, ret);
	free(r.list);
	vds_map_deinit(&r.index);
	return err;
}

struct vds_error *vds_process_modules(struct vds_run *run,
				      const struct vds_process *process,
				      struct vds_modules *ret)
{
	return read_modules(run, process, false, false, ret);
}

struct vds_error *vds_process_modules32(struct vds_run *run,
					const struct vds_process *process,
					struct vds_modules *ret)
{
	return read_modules(run, process, true, false, ret);
}

struct vds_error *vds_process_module_bases(struct vds_run *run,
					   const struct vds_process *process,
					   bool is_wow64,
					   struct vds_modules *ret)
{
	return read_modules(run, process, is_wow64, true, ret);
}
