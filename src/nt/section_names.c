/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/section_names.h"

#include <string.h>

#include "base/util.h"
#include "nt/handle.h"
#include "nt/object.h"
#include "nt/section_object.h"

struct builder {
	struct vds_task *task;
	struct vds_object_types types;
	struct vds_map index;	/* object body -> index of it + 1 */
	/* Headers that were looked at and are of no section. */
	struct vds_map others;
	struct vds_section_object *objects;	/* malloc'ed while growing */
	size_t count, cap;
	uint32_t pid;	/* whose handles are being walked */
	struct vds_section_holder *holders;	/* malloc'ed while growing */
	size_t num_holders, holders_cap;
};

static void builder_deinit(struct builder *b)
{
	vds_map_deinit(&b->index);
	vds_map_deinit(&b->others);
	free(b->objects);
	free(b->holders);
}

/* The path below @directory, or the one that its headers spell. */
static void name_object(struct vds_task *task,
			const struct vds_object_header *header,
			const char *directory, struct vds_section_object *o)
{
	const char *name;
	uint64_t parent;

	if (!directory) {
		o->name_why = vds_object_path(task, o->object, &o->name);
		return;
	}
	o->name_why = vds_object_name(task, header, &name, &parent);
	if (o->name_why)
		return;
	o->name = vds_task_join(task, directory, "\\", name);
	if (!o->name)
		o->name_why = VDS_BAD_DATA;
}

/* Finds or adds the section object; NULL when out of memory. */
static struct vds_section_object *
take(struct builder *b, const struct vds_object_header *header,
     const char *directory)
{
	struct vds_task *task = b->task;
	struct vds_section_object *o;
	uint64_t *index = vds_map_put(&b->index, header->body, NULL);

	if (!index)
		return NULL;
	if (*index)
		return &b->objects[*index - 1];
	if (b->count == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 64;
		struct vds_section_object *bigger =
			reallocarray(b->objects, cap, sizeof(*bigger));
		if (!bigger)
			return NULL;
		b->objects = bigger;
		b->cap = cap;
	}
	o = &b->objects[b->count++];
	*index = b->count;
	vds_section_object_read(task, header->body, o);
	name_object(task, header, directory, o);
	return o;
}

static bool visit_named(void *ctx, const struct vds_object_header *header,
			const char *directory)
{
	struct builder *b = ctx;
	struct vds_section_object *o;

	if (vds_object_type_index(&b->types, header) != b->types.section)
		return true;
	o = take(b, header, directory);
	if (!o) {
		b->task->nomem = true;
		return false;
	}
	o->found |= VDS_OBJECT_DIRECTORY;
	return true;
}

static bool add_holder(struct builder *b, uint64_t object)
{
	/* The last one may be the same process with one more handle. */
	if (b->num_holders &&
	    b->holders[b->num_holders - 1].object == object &&
	    b->holders[b->num_holders - 1].pid == b->pid)
		return true;
	if (b->num_holders == b->holders_cap) {
		size_t cap = b->holders_cap ? b->holders_cap * 2 : 64;
		struct vds_section_holder *bigger =
			reallocarray(b->holders, cap, sizeof(*bigger));
		if (!bigger)
			return false;
		b->holders = bigger;
		b->holders_cap = cap;
	}
	b->holders[b->num_holders++] =
		(struct vds_section_holder){object, b->pid};
	return true;
}

static int compare_holders(const void *pa, const void *pb)
{
	const struct vds_section_holder *a = pa, *b = pb;

	if (a->object != b->object)
		return a->object < b->object ? -1 : 1;
	return a->pid < b->pid ? -1 : a->pid > b->pid;
}

/* By object and process, each once. */
static struct vds_error *keep_holders(struct builder *b,
				      struct vds_section_names *names)
{
	names->holder_pids = vds_arena_calloc(&b->task->arena,
					      b->num_holders + 1,
					      sizeof(*names->holder_pids));
	names->holder_objects = vds_arena_calloc(
		&b->task->arena, b->num_holders + 1,
		sizeof(*names->holder_objects));
	if (!names->holder_pids || !names->holder_objects)
		return &vds_enomem;
	if (b->num_holders)
		qsort(b->holders, b->num_holders, sizeof(*b->holders),
		      compare_holders);
	for (size_t i = 0; i < b->num_holders; i++) {
		if (i && !compare_holders(&b->holders[i - 1], &b->holders[i]))
			continue;
		names->holder_objects[names->num_holders] =
			b->holders[i].object;
		names->holder_pids[names->num_holders++] = b->holders[i].pid;
	}
	return NULL;
}

static bool visit_handle(void *ctx, const struct vds_handle *handle)
{
	struct builder *b = ctx;
	struct vds_object_header header;
	struct vds_section_object *o;
	uint64_t body = handle->pointer +
			vds_kf(b->task->kernel, OBJECT_BODY)->offset;

	if (vds_set_has(&b->others, body))
		return true;
	if (vds_object_header_read(b->task, body, &header) ||
	    vds_object_type_index(&b->types, &header) != b->types.section) {
		if (vds_set_add(&b->others, body) == VDS_SEEN_NOMEM)
			b->task->nomem = true;
		return !b->task->nomem;
	}
	o = take(b, &header, NULL);
	if (!o || !add_holder(b, body)) {
		b->task->nomem = true;
		return false;
	}
	if (!(o->found & VDS_OBJECT_HANDLE)) {
		o->found |= VDS_OBJECT_HANDLE;
		o->pid = b->pid;
		o->handle = handle->value;
	}
	return true;
}

/* The section object that a process was made from: often in no table. */
static bool take_own(struct builder *b, const struct vds_process *process)
{
	struct vds_object_header header;
	struct vds_section_object *o;

	if (vds_object_header_read(b->task, process->section_object,
				   &header) ||
	    vds_object_type_index(&b->types, &header) != b->types.section)
		return true;
	o = take(b, &header, NULL);
	if (!o) {
		b->task->nomem = true;
		return false;
	}
	o->found |= VDS_OBJECT_PROCESS;
	return true;
}

static int compare(const void *pa, const void *pb)
{
	const struct vds_section_object *a = pa, *b = pb;

	if (a->control_area != b->control_area)
		return a->control_area < b->control_area ? -1 : 1;
	if (a->object != b->object)
		return a->object < b->object ? -1 : 1;
	return 0;
}

static void collect(struct builder *b)
{
	const struct vds_kernel *kernel = b->task->kernel;

	vds_object_types_init(b->task, &b->types);
	if (b->types.why || !b->types.section) {
		vds_note(&b->task->notes, "object_types_unknown", 0,
			 "the type of section objects can't be told: %s",
			 b->types.why ? vds_why_str(b->types.why) :
					"no such type in the table");
		return;
	}
	vds_object_tree_walk(b->task, &b->types, visit_named, b);
	/* Processes come by PID, handles by value: the first holder is the
	 * lowest. */
	for (size_t i = 0; i < kernel->num_processes; i++) {
		const struct vds_process *process = &kernel->processes[i];

		if (process->section_object && !take_own(b, process))
			return;
		if (!process->object_table)
			continue;
		b->pid = process->pid;
		vds_handles_walk(b->task, &b->task->notes,
				 process->object_table, visit_handle, b);
	}
}

struct vds_error *vds_section_names_build(struct vds_task *task,
					  const struct vds_section_names **ret)
{
	_cleanup_(builder_deinit) struct builder b = {.task = task};
	struct vds_section_names *names;

	collect(&b);
	names = vds_arena_calloc(&task->arena, 1, sizeof(*names));
	if (names)
		names->objects = vds_arena_calloc(&task->arena,
						  b.count ? b.count : 1,
						  sizeof(*names->objects));
	if (task->nomem || !names || !names->objects)
		return &vds_enomem;
	if (b.count) {
		memcpy(names->objects, b.objects,
		       b.count * sizeof(*b.objects));
		qsort(names->objects, b.count, sizeof(*b.objects), compare);
	}
	names->count = b.count;
	struct vds_error *err = keep_holders(&b, names);
	if (!err)
		*ret = names;
	return err;
}

const uint32_t *vds_section_holders(const struct vds_section_names *names,
				    uint64_t object, size_t *ret_count)
{
	size_t lo = 0, hi = names->num_holders, end;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (names->holder_objects[mid] < object)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (end = lo; end < names->num_holders &&
		       names->holder_objects[end] == object;)
		end++;
	*ret_count = end - lo;
	return names->holder_pids + lo;
}

const struct vds_section_object *
vds_section_objects(const struct vds_section_names *names, size_t *ret_count)
{
	*ret_count = names->count;
	return names->objects;
}

/* Index of the first object whose control area is not below @control_area. */
static size_t lower_bound(const struct vds_section_names *names,
			  uint64_t control_area)
{
	size_t lo = 0, hi = names->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (names->objects[mid].control_area < control_area)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

const char *vds_section_name(const struct vds_section_names *names,
			     uint64_t control_area, enum vds_why *ret_why)
{
	const char *best = NULL;

	*ret_why = VDS_NOT_APPLICABLE;
	for (size_t i = lower_bound(names, control_area);
	     control_area && i < names->count &&
	     names->objects[i].control_area == control_area;
	     i++) {
		const struct vds_section_object *o = &names->objects[i];

		if (o->name && (!best || strcmp(o->name, best) < 0))
			best = o->name;
		else if (!o->name && o->name_why != VDS_NOT_APPLICABLE &&
			 *ret_why == VDS_NOT_APPLICABLE)
			*ret_why = o->name_why;
	}
	if (best)
		*ret_why = VDS_PRESENT;
	return best;
}
