/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of the PFN database. Where the members lie, and how wide they are,
 * changed with most releases (PrototypePte moved from bit 57 to 63 within
 * Windows 10): all of it comes from the profile's _MMPFN.
 */
#include "vadose/pfn.h"

#include "base/bytes.h"
#include "base/util.h"
#include "nt/rec.h"
#include "nt/walk.h"

/* The largest MMPFN known is 48 bytes. */
#define MMPFN_MAX 128
/* No machine has more than 2^40 frames (52 bits of physical address). */
#define FRAME_LIMIT (UINT64_C(1) << 40)
/* Bits 0-2 of PteAddress are flags or a lock; PTEs are 8 bytes apart. */
#define PTE_ADDRESS_FLAGS UINT64_C(7)
/* Where the page tables map themselves before they were moved at boot (1607). */
#define FIXED_PTE_BASE UINT64_C(0xfffff68000000000)
#define PTE_RANGE (UINT64_C(1) << 39)

const char *vds_page_list_str(enum vds_page_list list)
{
	static const char *const words[] = {
		"zeroed", "free", "standby", "modified", "modified-no-write",
		"bad", "active", "transition",
	};
	return (unsigned int)list < VDS_ARRAY_SIZE(words) ? words[list] :
							   "unknown";
}

const char *vds_owner_kind_str(enum vds_owner_kind kind)
{
	static const char *const words[] = {
		"unknown", "none", "section", "process", "page-table",
		"system",
	};
	return (unsigned int)kind < VDS_ARRAY_SIZE(words) ? words[kind] :
							   "unknown";
}

/* Whatever else has no entry, the kernel's own top table does. */
static bool is_there(struct vds_task *task, uint64_t base)
{
	uint64_t entry, value;
	uint64_t frame = task->kernel->space.dtb / VDS_PAGE_SIZE;
	if (!vds_add_u64(base, frame * vds_ksize(task->kernel, MMPFN), &entry))
		return false;
	return vds_task_u64(task, entry & ~UINT64_C(7), &value) !=
	       VDS_NOT_MAPPED;
}

static enum vds_why find_base(struct vds_task *task, uint64_t *ret)
{
	const struct vds_kernel *kernel = task->kernel;
	uint64_t at, base;
	if (!vds_ksize(kernel, MMPFN) ||
	    !vds_kernel_symbol(kernel, VDS_S_MM_PFN_DATABASE, &at))
		return VDS_NO_FIELD;
	enum vds_why why = vds_task_u64(task, at, &base);
	if (why)
		return why;
	if (!vds_is_kernel_pointer(kernel, base, 8))
		return VDS_BAD_DATA;
	if (!is_there(task, base))
		return VDS_NOT_MAPPED;
	*ret = base;
	return VDS_PRESENT;
}

/* The same for every frame: asked for once. */
static enum vds_why read_base(struct vds_task *task, uint64_t *ret)
{
	if (!task->pfn_database.known) {
		task->pfn_database.why =
			find_base(task, &task->pfn_database.value);
		task->pfn_database.known = true;
	}
	*ret = task->pfn_database.value;
	return task->pfn_database.why;
}

enum vds_why vds_pfn_database(const struct vds_process *process,
			      uint64_t *ret_base, uint64_t *ret_entry_size)
{
	*ret_entry_size = vds_ksize(process->task->kernel, MMPFN);
	return read_base(process->task, ret_base);
}

static enum vds_why entry_address(struct vds_task *task, uint64_t frame,
				  uint64_t *ret)
{
	uint64_t base;
	if (frame >= FRAME_LIMIT)
		return VDS_BAD_ADDRESS;
	enum vds_why why = read_base(task, &base);
	if (why)
		return why;
	return vds_add_u64(base, frame * vds_ksize(task->kernel, MMPFN), ret) ?
		       VDS_PRESENT : VDS_BAD_DATA;
}

static bool is_zero(const uint8_t *data, size_t len)
{
	uint8_t any = 0;
	for (size_t i = 0; i < len; i++)
		any |= data[i];
	return !any;
}

static uint64_t clean_pte_address(uint64_t raw)
{
	/* A combined page has the top bit cleared: PTEs are kernel addresses. */
	return raw ? (raw & ~PTE_ADDRESS_FLAGS) | UINT64_C(1) << 63 : 0;
}

static void decode(const struct vds_kernel *kernel, const struct vds_rec *rec,
		   struct vds_pfn *ret)
{
	ret->pte_raw = vds_rec_u64(rec, vds_kf(kernel, PFN_PTE_ADDRESS));
	ret->pte_address = clean_pte_address(ret->pte_raw);
	ret->original_pte = vds_rec_u64(rec, vds_kf(kernel, PFN_ORIGINAL_PTE));
	ret->flink = vds_rec_u64(rec, vds_kf(kernel, PFN_FLINK));
	ret->share_count = vds_rec_u64(rec, vds_kf(kernel, PFN_SHARE_COUNT));
	ret->pte_frame = vds_rec_u64(rec, vds_kf(kernel, PFN_PTE_FRAME));
	ret->reference_count = (uint32_t)vds_rec_u64(
		rec, vds_kf(kernel, PFN_REFERENCE_COUNT));
	ret->priority =
		(uint32_t)vds_rec_u64(rec, vds_kf(kernel, PFN_PRIORITY));
	ret->cache_attribute =
		(uint32_t)vds_rec_u64(rec, vds_kf(kernel, PFN_CACHE));
	ret->list = (enum vds_page_list)(
		vds_rec_u64(rec, vds_kf(kernel, PFN_LOCATION)) & 7);
	ret->prototype = vds_rec_u64(rec, vds_kf(kernel, PFN_PROTOTYPE)) & 1;
	ret->modified = vds_rec_u64(rec, vds_kf(kernel, PFN_MODIFIED)) & 1;
	ret->write_in_progress =
		vds_rec_u64(rec, vds_kf(kernel, PFN_WRITING)) & 1;
	ret->read_in_progress =
		vds_rec_u64(rec, vds_kf(kernel, PFN_READING)) & 1;
}

enum vds_why vds_pfn_at(const struct vds_process *process, uint64_t frame,
			struct vds_pfn *ret)
{
	struct vds_task *task = process->task;
	const struct vds_kernel *kernel = task->kernel;
	uint8_t buf[MMPFN_MAX];
	size_t size = VDS_MIN(vds_ksize(kernel, MMPFN), (uint32_t)MMPFN_MAX);
	struct vds_pfn pfn = {.frame = frame};
	struct vds_rec rec;
	uint64_t exists;
	enum vds_why why = entry_address(task, frame, &pfn.entry);
	if (!why)
		why = vds_rec_read(task, pfn.entry, buf, size, &rec);
	if (why)
		return why;
	/* An entry of which half is missing says nothing reliable. */
	if (!rec.whole)
		return VDS_NOT_IN_IMAGE;
	if (is_zero(buf, size) ||
	    (!vds_rec_get(&rec, vds_kf(kernel, PFN_EXISTS), &exists) &&
	     !exists))
		return VDS_NOT_APPLICABLE;
	if (!vds_kf(kernel, PFN_PTE_ADDRESS)->present ||
	    !vds_kf(kernel, PFN_LOCATION)->present ||
	    !vds_kf(kernel, PFN_PROTOTYPE)->present)
		return VDS_NO_FIELD;
	decode(kernel, &rec, &pfn);
	*ret = pfn;
	return VDS_PRESENT;
}

static enum vds_why find_pte_base(struct vds_task *task, uint64_t *ret)
{
	const struct vds_kernel *kernel = task->kernel;
	uint64_t at;
	*ret = FIXED_PTE_BASE;
	if (!vds_kernel_symbol(kernel, VDS_S_MM_PTE_BASE, &at))
		return VDS_PRESENT;
	enum vds_why why = vds_task_u64(task, at, ret);
	if (why)
		return why;
	return *ret && !(*ret & (PTE_RANGE - 1)) ? VDS_PRESENT : VDS_BAD_DATA;
}

enum vds_why vds_pte_address_va(const struct vds_process *process,
				uint64_t pte_address, uint64_t *ret)
{
	struct vds_task *task = process->task;
	if (task->kernel->space.levels != 4)
		return VDS_NO_FIELD;	/* the range is wider with five levels */
	if (!task->pte_base.known) {
		task->pte_base.why = find_pte_base(task, &task->pte_base.value);
		task->pte_base.known = true;
	}
	uint64_t base = task->pte_base.value;
	if (task->pte_base.why)
		return task->pte_base.why;
	if (pte_address < base || pte_address - base >= PTE_RANGE)
		return VDS_NOT_APPLICABLE;
	/* Eight bytes stand for 4 KiB; bit 47 is carried to the top. */
	uint64_t va = (pte_address - base) / 8 * 4096;
	*ret = va >> 47 & 1 ? va | UINT64_C(0xffff000000000000) : va;
	return VDS_PRESENT;
}
