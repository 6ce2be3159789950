/* SPDX-License-Identifier: Apache-2.0 */
/* What record.h promises: the profile's types and memory, for plugins. */
#include "vadose/record.h"

#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/kernel.h"
#include "nt/name.h"
#include "nt/page.h"
#include "nt/task.h"
#include "plugin/session.h"

const struct vds_type *vds_type_find(const struct vds_run *run,
				     const char *name)
{
	const struct vds_kernel *kernel = run->session->kernel;
	const struct vds_type *type = vds_profile_type(kernel->profile, name);
	return type || !kernel->user32 ? type :
		       vds_profile_type(kernel->user32, name);
}

size_t vds_num_types(const struct vds_run *run)
{
	const struct vds_kernel *kernel = run->session->kernel;
	return vds_profile_num_types(kernel->profile) +
	       (kernel->user32 ? vds_profile_num_types(kernel->user32) : 0);
}

const struct vds_type *vds_type_at(const struct vds_run *run, size_t index)
{
	const struct vds_kernel *kernel = run->session->kernel;
	size_t own = vds_profile_num_types(kernel->profile);
	return index < own ? vds_profile_type_at(kernel->profile, index) :
			     vds_profile_type_at(kernel->user32, index - own);
}

static enum vds_type_class class_of(const struct vds_type *type)
{
	static const enum vds_type_class bases[] = {
		[VDS_BASE_UNSIGNED] = VDS_CLASS_UNSIGNED,
		[VDS_BASE_SIGNED] = VDS_CLASS_SIGNED,
		[VDS_BASE_BOOL] = VDS_CLASS_BOOL,
		[VDS_BASE_CHAR] = VDS_CLASS_CHAR,
		[VDS_BASE_WCHAR] = VDS_CLASS_WCHAR,
		[VDS_BASE_FLOAT] = VDS_CLASS_FLOAT,
	};
	switch (type->kind) {
	case VDS_TYPE_BASE:
		return bases[type->encoding];
	case VDS_TYPE_POINTER:
		return VDS_CLASS_POINTER;
	case VDS_TYPE_ARRAY:
		return VDS_CLASS_ARRAY;
	case VDS_TYPE_STRUCT:
		return VDS_CLASS_STRUCT;
	case VDS_TYPE_UNION:
		return VDS_CLASS_UNION;
	case VDS_TYPE_ENUM:
		return VDS_CLASS_ENUM;
	case VDS_TYPE_FUNCTION:
		return VDS_CLASS_FUNCTION;
	case VDS_TYPE_OPAQUE:
		return VDS_CLASS_OPAQUE;
	case VDS_TYPE_VOID:
		break;
	}
	return VDS_CLASS_VOID;
}

void vds_type_info(const struct vds_type *type, struct vds_type_info *ret)
{
	*ret = (struct vds_type_info){
		.name = type->name,
		.kind = class_of(type),
		.size = type->size,
		.target = type->target,
		.count = type->count,
		.num_members = type->num_members,
		.num_enumerators = type->num_enumerators,
	};
}

uint64_t vds_type_size(const struct vds_type *type)
{
	return type ? type->size : 0;
}

void vds_type_member_at(const struct vds_type *type, size_t index,
			struct vds_member_info *ret)
{
	const struct vds_member *member = &type->members[index];
	*ret = (struct vds_member_info){
		.name = member->name,
		.offset = member->offset,
		.bit_pos = member->bit_pos,
		.bit_len = member->bit_len,
		.type = member->type,
		.size = member->type ? member->type->size : 0,
	};
}

bool vds_type_member_find(const struct vds_type *type, const char *paths,
			  struct vds_member_info *ret)
{
	char path[256];
	while (type && *paths) {
		size_t len = strcspn(paths, "|");
		struct vds_field field;
		if (len < sizeof(path)) {
			memcpy(path, paths, len);
			path[len] = 0;
			if (vds_type_member(type, path, &field)) {
				*ret = (struct vds_member_info){
					.name = paths,
					.offset = field.offset,
					.bit_pos = field.bit_pos,
					.bit_len = field.bit_len,
					.type = field.type,
					.size = field.type ? field.type->size :
							     field.size,
				};
				return true;
			}
		}
		paths += len + (paths[len] == '|');
	}
	return false;
}

const char *vds_type_enumerator(const struct vds_type *type, int64_t value)
{
	for (size_t i = 0; type && i < type->num_enumerators; i++) {
		if (type->enumerators[i].value == value)
			return type->enumerators[i].name;
	}
	return NULL;
}

const char *vds_type_enumerator_at(const struct vds_type *type, size_t index,
				   int64_t *ret_value)
{
	*ret_value = type->enumerators[index].value;
	return type->enumerators[index].name;
}

bool vds_type_enum_value(const struct vds_type *type, const char *name,
			 int64_t *ret)
{
	for (size_t i = 0; type && i < type->num_enumerators; i++) {
		if (!strcmp(type->enumerators[i].name, name)) {
			*ret = type->enumerators[i].value;
			return true;
		}
	}
	return false;
}

const char *vds_bit_field_words(struct vds_run *run,
				const struct vds_type *type, uint64_t value)
{
	const char *words = NULL;
	for (size_t i = 0; type && i < type->num_members; i++) {
		const struct vds_member *m = &type->members[i];
		unsigned int first = m->offset * 8u + m->bit_pos;
		if (!m->bit_len || m->offset >= 8 || first + m->bit_len > 64)
			continue;
		uint64_t v = vds_bits(value, first, m->bit_len);
		if (!v)
			continue;
		const char *space = words ? " " : "";
		const char *before = words ? words : "";
		words = m->bit_len == 1 ?
			vds_sprintf(run, "%s%s%s", before, space, m->name) :
			vds_sprintf(run, "%s%s%s=%llu", before, space, m->name,
				    (unsigned long long)v);
		if (!words)
			return NULL;
	}
	return words;
}

enum vds_why vds_symbol_address(const struct vds_run *run, const char *name,
				uint64_t *ret)
{
	const struct vds_kernel *kernel = run->session->kernel;
	uint32_t rva;
	/* Another kernel's symbols lie elsewhere: only what was found counts. */
	if (kernel->profile_exact ?
	    !vds_profile_symbol(kernel->profile, name, &rva) :
	    !vds_binding_symbol(&kernel->binding, name, &rva))
		return VDS_NO_FIELD;
	*ret = kernel->base + rva;
	return VDS_PRESENT;
}

uint64_t vds_kernel_base(const struct vds_run *run)
{
	return run->session->kernel->base;
}

enum vds_why vds_kernel_read(struct vds_run *run, uint64_t va, void *buf,
			     size_t len)
{
	return vds_task_read(run->task, va, buf, len);
}

enum vds_why vds_kernel_uint(struct vds_run *run, uint64_t va, size_t size,
			     uint64_t *ret)
{
	uint8_t raw[8];
	if (!size || size > sizeof(raw))
		return VDS_NOT_APPLICABLE;
	enum vds_why why = vds_task_read(run->task, va, raw, size);
	if (!why)
		*ret = vds_le(raw, size);
	return why;
}

enum vds_why vds_member_value(const struct vds_member_info *member,
			      const void *data, size_t len, uint64_t *ret)
{
	if (!member->size || member->size > 8)
		return VDS_NOT_APPLICABLE;
	if (!vds_fits(member->offset, member->size, len))
		return VDS_BAD_DATA;
	uint64_t v = vds_le((const uint8_t *)data + member->offset,
			    (size_t)member->size);
	*ret = member->bit_len ?
		       vds_bits(v, member->bit_pos, member->bit_len) : v;
	return VDS_PRESENT;
}

enum vds_why vds_kernel_member(struct vds_run *run, uint64_t va,
			       const struct vds_type *type, const char *paths,
			       uint64_t *ret)
{
	struct vds_member_info member;
	uint64_t at, v = 0;
	if (!vds_type_member_find(type, paths, &member))
		return VDS_NO_FIELD;
	if (!vds_add_u64(va, member.offset, &at))
		return VDS_BAD_ADDRESS;
	enum vds_why why = vds_kernel_uint(run, at, (size_t)VDS_MIN(
						member.size, (uint64_t)9), &v);
	if (!why)
		*ret = member.bit_len ? vds_bits(v, member.bit_pos,
						 member.bit_len) : v;
	return why;
}

/* UNICODE_STRING.Length is 16 bits; half of that is plenty for a name. */
#define STRING_MAX 32768

typedef enum vds_why read_fn(void *ctx, uint64_t va, void *buf, size_t len);

static enum vds_why read_string(struct vds_run *run, const char *type_name,
				read_fn *read, void *ctx, uint64_t va,
				const char **ret)
{
	const struct vds_type *type = vds_type_find(run, type_name);
	struct vds_member_info length, buffer;
	uint8_t raw[32];
	uint64_t len, at;
	if (!vds_type_member_find(type, "Length", &length) ||
	    !vds_type_member_find(type, "Buffer", &buffer) ||
	    type->size > sizeof(raw))
		return VDS_NO_FIELD;
	enum vds_why why = read(ctx, va, raw, (size_t)type->size);
	if (why)
		return why;
	if (vds_member_value(&length, raw, (size_t)type->size, &len) ||
	    vds_member_value(&buffer, raw, (size_t)type->size, &at))
		return VDS_BAD_DATA;
	if (!len)
		return VDS_NOT_APPLICABLE;
	if (len % 2)
		return VDS_BAD_DATA;
	len = VDS_MIN(len, (uint64_t)STRING_MAX);
	if (!vds_task_may_keep(run->task, (size_t)len))
		return VDS_BAD_DATA;
	_cleanup_free_ uint8_t *text = vds_malloc_array((size_t)len, 1);
	if (!text) {
		run->task->nomem = true;
		return VDS_BAD_DATA;
	}
	why = read(ctx, at, text, (size_t)len);
	return why ? why : vds_task_utf16(run->task, text, (size_t)len / 2,
					  ret);
}

static enum vds_why read_kernel(void *ctx, uint64_t va, void *buf, size_t len)
{
	return vds_task_read(ctx, va, buf, len);
}

static enum vds_why read_process(void *ctx, uint64_t va, void *buf, size_t len)
{
	return vds_process_read(ctx, va, buf, len);
}

enum vds_why vds_kernel_unicode_string(struct vds_run *run, uint64_t va,
				       const char **ret)
{
	return read_string(run, "_UNICODE_STRING", read_kernel, run->task, va,
			   ret);
}

enum vds_why vds_process_unicode_string(struct vds_run *run,
					const struct vds_process *process,
					uint64_t va, const char **ret)
{
	return read_string(run, "_UNICODE_STRING", read_process,
			   (void *)process, va, ret);
}

enum vds_why vds_process_unicode_string32(struct vds_run *run,
					  const struct vds_process *process,
					  uint64_t va, const char **ret)
{
	return read_string(run, "_UNICODE_STRING32", read_process,
			   (void *)process, va, ret);
}

enum vds_why vds_physical_read(const struct vds_run *run, uint64_t pa,
			       void *buf, size_t len)
{
	return vds_image_read(run->session->kernel->image, pa, buf, len);
}

size_t vds_physical_scan(const struct vds_run *run, uint64_t *pa, void *buf,
			 size_t len)
{
	return vds_image_scan(run->session->kernel->image, pa, buf, len);
}

uint64_t vds_physical_end(const struct vds_run *run)
{
	return vds_image_end(run->session->kernel->image);
}

uint64_t vds_physical_size(const struct vds_run *run)
{
	size_t count;
	const struct vds_range *ranges =
		vds_image_ranges(run->session->kernel->image, &count);
	uint64_t size = 0;
	for (size_t i = 0; i < count; i++)
		if (ranges[i].kind != VDS_RANGE_UNREADABLE)
			size += ranges[i].len;
	return size;
}

bool vds_physical_has(const struct vds_run *run, uint64_t pa)
{
	const struct vds_range *range =
		vds_image_range_at(run->session->kernel->image, pa);
	return range && range->kind != VDS_RANGE_UNREADABLE;
}

void vds_translate(struct vds_run *run, const struct vds_process *process,
		   uint64_t va, struct vds_translation *ret)
{
	const struct vds_kernel *kernel = run->session->kernel;
	struct vds_space space = kernel->space;
	struct vds_walk walk;
	if (process)
		vds_process_space(process, &space);
	vds_space_walk(&space, run->task->tlb, va, &walk);
	*ret = (struct vds_translation){
		.why = walk.why, .pa = walk.pa, .page_size = walk.page_size,
		.num_entries = walk.num_steps, .hardware = walk.hardware,
		.writable = walk.writable, .user = walk.user,
		.executable = walk.executable,
	};
	for (size_t i = 0; i < walk.num_steps; i++) {
		ret->entries[i].level = walk.steps[i].level;
		ret->entries[i].pa = walk.steps[i].entry_pa;
		ret->entries[i].entry = walk.steps[i].entry;
		ret->entries[i].why = walk.steps[i].why;
	}
}
