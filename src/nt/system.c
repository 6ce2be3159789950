/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/system.h"

#include <string.h>

#include "base/bytes.h"
#include "nt/walk.h"

#define SYSTEM_PID 4

/* True if the LIST_ENTRY at @va is linked from both of its neighbours. */
static bool list_closes(const struct vds_kernel *kernel, struct vds_tlb *tlb,
			uint64_t va)
{
	const struct vds_space *space = &kernel->space;
	uint64_t flink, blink, back, forth;
	return !vds_space_read_u64(space, tlb, va, &flink) &&
	       !vds_space_read_u64(space, tlb, va + 8, &blink) &&
	       vds_is_kernel_pointer(kernel, flink, 8) &&
	       vds_is_kernel_pointer(kernel, blink, 8) &&
	       !vds_space_read_u64(space, tlb, flink + 8, &back) &&
	       !vds_space_read_u64(space, tlb, blink, &forth) && back == va &&
	       forth == va;
}

/* Both top tables lead to the kernel image through the same table. */
static bool shares_kernel(const struct vds_kernel *kernel, uint64_t dtb)
{
	struct vds_space other = kernel->space;
	struct vds_walk ours, theirs;
	if (dtb == kernel->space.dtb)
		return true;
	other.dtb = dtb;
	vds_space_walk(&kernel->space, NULL, kernel->base, &ours);
	vds_space_walk(&other, NULL, kernel->base, &theirs);
	return !ours.why && !theirs.why && ours.pa == theirs.pa;
}

static bool is_named_system(const struct vds_kernel *kernel,
			    const uint8_t *record, size_t len)
{
	static const char name[] = "System";
	const struct vds_field *field =
		vds_kf(kernel, EPROCESS_IMAGE_FILE_NAME);
	return field->offset + sizeof(name) <= len &&
	       !memcmp(record + field->offset, name, sizeof(name));
}

/* What is read of an EPROCESS; all known ones are smaller. */
#define RECORD_MAX 0x2000

void vds_system_check(const struct vds_kernel *kernel, struct vds_tlb *tlb,
		      uint64_t eprocess, struct vds_system_check *ret)
{
	uint8_t record[RECORD_MAX];
	size_t len = vds_ksize(kernel, EPROCESS);
	uint64_t pid = 0, dtb = 0;
	*ret = (struct vds_system_check){.why = VDS_BAD_ADDRESS};
	if (!vds_is_kernel_pointer(kernel, eprocess, 8) ||
	    len > sizeof(record))
		return;
	/* Most pointers lead elsewhere: two small reads turn them down. */
	const struct vds_field *field = vds_kf(kernel, EPROCESS_PID);
	ret->why = vds_space_read_u64(&kernel->space, tlb,
				      eprocess + field->offset, &pid);
	if (ret->why || pid != SYSTEM_PID)
		return;
	ret->why = vds_space_read(&kernel->space, tlb, eprocess, record, len);
	if (ret->why)
		return;
	vds_field_get(vds_kf(kernel, KPROCESS_DTB), record, len, &dtb);
	ret->dtb = dtb & VDS_PTE_PFN_MASK;
	ret->is_system = is_named_system(kernel, record, len) && ret->dtb;
	if (!ret->is_system)
		return;
	ret->same_kernel = shares_kernel(kernel, ret->dtb);
	ret->links_close = list_closes(
		kernel, tlb, eprocess + vds_kf(kernel, EPROCESS_LINKS)->offset);
	field = vds_kf(kernel, KPROCESS_THREADS);
	ret->threads_close = !field->present ||
			     list_closes(kernel, tlb,
					 eprocess + field->offset);
}
