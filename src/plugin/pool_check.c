/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does a block of pool hold what its tag promises? The tags are those of
 * Microsoft's pooltag.txt.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/kernel.h"
#include "nt/object.h"
#include "nt/pte.h"
#include "nt/rec.h"
#include "nt/section_object.h"
#include "nt/walk.h"
#include "plugin/session.h"
#include "vadose/pfn.h"
#include "vadose/pool.h"
#include "vadose/vad.h"

/* Optional headers before an object's header take no more than this. */
#define OPTIONAL_HEADERS_MAX 0x100u
#define HEADER_ALIGN 16u
/* Prototype PTEs that are looked at before giving up on an array. */
#define PROTOTYPES_MAX 512u

/* Does the body look like one of its type? */
typedef enum vds_why check_body_fn(struct vds_run *run, uint64_t body);

struct vds_pool_check {
	struct vds_object_types types;
};

static const struct {
	char tag[5];
	enum vds_pool_content content;
} known[] = {
	{"Proc", VDS_POOL_PROCESS},
	{"Vad ", VDS_POOL_VAD},
	{"VadS", VDS_POOL_VAD},
	{"VadF", VDS_POOL_VAD},
	{"Vadl", VDS_POOL_VAD},
	{"Vadm", VDS_POOL_VAD},
	{"MmCa", VDS_POOL_CONTROL_AREA},
	{"MmCi", VDS_POOL_CONTROL_AREA},
	{"MmSm", VDS_POOL_SEGMENT},
	{"MmSt", VDS_POOL_PROTOTYPES},
	{"Sect", VDS_POOL_SECTION},
	{"File", VDS_POOL_FILE},
};

const char *vds_pool_known_tag(size_t index)
{
	return index < VDS_ARRAY_SIZE(known) ? known[index].tag : NULL;
}

enum vds_pool_content vds_pool_content_of(uint32_t tag)
{
	uint8_t text[4];
	vds_put_le32(text, tag & 0x7fffffff);
	for (size_t i = 0; i < VDS_ARRAY_SIZE(known); i++) {
		if (!memcmp(text, known[i].tag, sizeof(text)))
			return known[i].content;
	}
	return VDS_POOL_OTHER;
}

const char *vds_pool_content_str(enum vds_pool_content content)
{
	static const char *const words[] = {
		"other", "process", "vad", "control-area", "segment",
		"prototype-ptes", "section", "file",
	};
	return (unsigned int)content < VDS_ARRAY_SIZE(words) ? words[content] :
							      "other";
}

struct vds_error *vds_pool_check_load(struct vds_run *run,
				      const struct vds_pool_check **ret)
{
	struct vds_pool_check *check = vds_alloc(run, 1, sizeof(*check));
	if (!check)
		return &vds_enomem;
	vds_object_types_init(run->task, &check->types);
	*ret = check;
	return NULL;
}

/* Absent bytes leave the question open; bytes that disagree settle it. */
static enum vds_why points_at(struct vds_run *run, uint64_t from,
			      const struct vds_field *field, uint64_t want)
{
	uint64_t value;
	if (!vds_is_kernel_pointer(run->session->kernel, from, 8))
		return VDS_BAD_DATA;
	enum vds_why why = vds_task_field(run->task, from, field, &value);
	if (why)
		return why;
	return value == want ? VDS_PRESENT : VDS_BAD_DATA;
}

static enum vds_why check_control_area(struct vds_run *run, uint64_t va)
{
	const struct vds_kernel *kernel = run->session->kernel;
	uint64_t segment;
	enum vds_why why = vds_task_field(run->task, va,
					  vds_kf(kernel, CA_SEGMENT),
					  &segment);
	return why ? why : points_at(run, segment, vds_kf(kernel, SEGMENT_CA),
				     va);
}

static enum vds_why check_segment(struct vds_run *run, uint64_t va)
{
	const struct vds_kernel *kernel = run->session->kernel;
	uint64_t area;
	enum vds_why why = vds_task_field(run->task, va,
					  vds_kf(kernel, SEGMENT_CA), &area);
	return why ? why : points_at(run, area, vds_kf(kernel, CA_SEGMENT),
				     va);
}

static enum vds_why check_vad(const struct vds_process *any, uint64_t va)
{
	struct vds_vad vad;
	enum vds_why why = vds_vad_at(any, va, &vad);
	return why ? why : vad.range_why;
}

/* What one prototype PTE proves of the array that it may be in. */
static enum vds_why check_prototype(struct vds_run *run,
				    const struct vds_process *any, uint64_t va,
				    uint64_t raw)
{
	const struct vds_kernel *kernel = run->session->kernel;
	struct vds_pte pte;
	struct vds_pfn pfn;
	uint64_t area;
	vds_pte_decode_proto(&kernel->pte, raw, &pte);
	if (pte.kind == VDS_PTE_SUBSECTION) {
		if (!vds_is_kernel_pointer(kernel, pte.address, 8))
			return VDS_BAD_DATA;
		enum vds_why why = vds_task_field(run->task, pte.address,
						  vds_kf(kernel, SUB_CA),
						  &area);
		return why ? why : check_control_area(run, area);
	}
	if (pte.kind != VDS_PTE_VALID && pte.kind != VDS_PTE_TRANSITION)
		return VDS_NOT_APPLICABLE;
	enum vds_why why = vds_pfn_at(any, pte.pa >> VDS_PAGE_SHIFT, &pfn);
	if (why)
		return why;
	return pfn.prototype && pfn.pte_address == va ? VDS_PRESENT :
							VDS_BAD_DATA;
}

/* The first entry that can prove something decides. */
static enum vds_why check_prototypes(struct vds_run *run,
				     const struct vds_process *any,
				     const struct vds_pool_block *block)
{
	uint64_t count = block->size / 8;
	enum vds_why why = VDS_NOT_APPLICABLE;
	count = VDS_MIN(count, (uint64_t)PROTOTYPES_MAX);
	for (uint64_t i = 0; i < count; i++) {
		uint64_t va = block->data + i * 8, raw;
		if (va >= block->address + block->size)
			break;
		why = vds_task_u64(run->task, va, &raw);
		if (why)
			return why;
		why = check_prototype(run, any, va, raw);
		if (why != VDS_NOT_APPLICABLE)
			return why;
	}
	return why;
}

/* An index of one byte says little: the body must look right, too. */
static enum vds_why check_process(struct vds_run *run, uint64_t body)
{
	const struct vds_kernel *kernel = run->session->kernel;
	uint64_t dtb = 0, pid = 0, type = 0;
	enum vds_why why = vds_task_field(run->task, body,
					  vds_kf(kernel, KPROCESS_TYPE), &type);
	if (!why)
		why = vds_task_field(run->task, body,
				     vds_kf(kernel, KPROCESS_DTB), &dtb);
	if (!why)
		why = vds_task_field(run->task, body,
				     vds_kf(kernel, EPROCESS_PID), &pid);
	if (why)
		return why;
	/* KOBJECTS: ProcessObject is 3. */
	return type == 3 && dtb && pid <= UINT32_MAX ? VDS_PRESENT :
						       VDS_BAD_DATA;
}

static enum vds_why check_file(struct vds_run *run, uint64_t body)
{
	const struct vds_kernel *kernel = run->session->kernel;
	uint64_t device, type = 0;
	enum vds_why why = vds_task_field(run->task, body,
					  vds_kf(kernel, FILE_TYPE), &type);
	if (!why)
		why = vds_task_field(run->task, body,
				     vds_kf(kernel, FILE_DEVICE), &device);
	if (why)
		return why;
	/* IO_TYPE_FILE is 5. */
	return type == 5 && vds_is_kernel_pointer(kernel, device, 8) ?
		       VDS_PRESENT : VDS_BAD_DATA;
}

/* A section object leads to a control area, unless it is of another kind. */
static enum vds_why check_section(struct vds_run *run, uint64_t body)
{
	struct vds_section_object object;
	vds_section_object_read(run->task, body, &object);
	return object.control_area_why;
}

/*
 * The object's header stands behind as many optional ones as it has. What looks
 * like it further up or down may be chance: the body decides.
 */
static enum vds_why find_object(struct vds_run *run,
				const struct vds_object_types *types,
				uint8_t type, check_body_fn *check_body,
				const struct vds_pool_block *block,
				uint64_t *ret)
{
	const struct vds_field *body =
		vds_kf(run->session->kernel, OBJECT_BODY);
	uint64_t end = block->address + block->size;
	if (types->why || !type)
		return types->why ? types->why : VDS_NO_FIELD;
	for (uint64_t at = block->data;
	     at + body->offset < end &&
	     at - block->data <= OPTIONAL_HEADERS_MAX;
	     at += HEADER_ALIGN) {
		struct vds_object_header object;
		enum vds_why why = vds_object_header_read(
			run->task, at + body->offset, &object);
		if (!why && vds_object_type_index(types, &object) != type)
			continue;
		if (!why)
			why = check_body(run, object.body);
		if (why == VDS_BAD_DATA)
			continue;
		if (!why)
			*ret = object.body;
		return why;
	}
	return VDS_BAD_DATA;
}

static enum vds_why check_object(struct vds_run *run,
				 const struct vds_object_types *types,
				 const struct vds_pool_block *block,
				 uint64_t *ret)
{
	switch (vds_pool_content_of(block->tag)) {
	case VDS_POOL_PROCESS:
		return find_object(run, types, types->process, check_process,
				   block, ret);
	case VDS_POOL_SECTION:
		return find_object(run, types, types->section, check_section,
				   block, ret);
	default:
		return find_object(run, types, types->file, check_file, block,
				   ret);
	}
}

enum vds_why vds_pool_check_block(struct vds_run *run,
				  const struct vds_pool_check *check,
				  const struct vds_pool_block *block,
				  uint64_t *ret)
{
	const struct vds_process *any = vds_process_at(run, 0);
	enum vds_pool_content content = vds_pool_content_of(block->tag);
	uint64_t object = block->data;
	enum vds_why why = VDS_NOT_APPLICABLE;
	if (!any)
		return VDS_NOT_APPLICABLE;
	switch (content) {
	case VDS_POOL_PROCESS:
	case VDS_POOL_SECTION:
	case VDS_POOL_FILE:
		why = check_object(run, &check->types, block, &object);
		break;
	case VDS_POOL_VAD:
		why = check_vad(any, object);
		break;
	case VDS_POOL_CONTROL_AREA:
		why = check_control_area(run, object);
		break;
	case VDS_POOL_SEGMENT:
		why = check_segment(run, object);
		break;
	case VDS_POOL_PROTOTYPES:
		why = check_prototypes(run, any, block);
		break;
	case VDS_POOL_OTHER:
		break;
	}
	if (!why)
		*ret = object;
	return why;
}
