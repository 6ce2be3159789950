/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a kernel's symbols would have said, found in its own bytes. Its data
 * holds PsInitialSystemProcess, a pointer to System, and PsActiveProcessHead,
 * the one link of the process list that lies in the kernel image.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/map.h"
#include "base/util.h"
#include "nt/kernel_profile.h"
#include "nt/system.h"
#include "nt/walk.h"

struct search {
	struct vds_kernel *kernel;
	struct vds_tlb *tlb;
	struct vds_map tried;
	uint64_t system, pointer;	/* found: EPROCESS, where it was */
};

static bool is_in_kernel_image(const struct vds_kernel *kernel, uint64_t va)
{
	return va - kernel->base < kernel->size;
}

/* True if it is System; each address is judged once. */
static bool try_eprocess(struct search *s, uint64_t eprocess)
{
	struct vds_system_check check;
	if (vds_set_add(&s->tried, eprocess) != VDS_SEEN_NEW)
		return false;
	vds_system_check(s->kernel, s->tlb, eprocess, &check);
	return !check.why && check.is_system && check.same_kernel &&
	       check.links_close && check.threads_close;
}

static bool search_page(struct search *s, uint64_t va, const uint8_t *page)
{
	uint64_t links = vds_kf(s->kernel, EPROCESS_LINKS)->offset;
	for (size_t i = 0; i < VDS_PAGE_SIZE; i += 8) {
		uint64_t value = vds_le64(page + i);
		if (!vds_is_kernel_pointer(s->kernel, value, 8) ||
		    is_in_kernel_image(s->kernel, value))
			continue;
		s->pointer = va + i;
		s->system = value;
		if (try_eprocess(s, value))
			return true;
		s->system = value - links;
		if (try_eprocess(s, s->system))
			return true;
	}
	return false;
}

static bool find_system(struct search *s)
{
	uint8_t page[VDS_PAGE_SIZE];
	const struct vds_kernel *kernel = s->kernel;
	for (uint64_t rva = 0; rva < kernel->size; rva += VDS_PAGE_SIZE) {
		uint64_t va = kernel->base + rva;
		if (!vds_space_read(&kernel->space, s->tlb, va, page,
				    sizeof(page)) &&
		    search_page(s, va, page))
			return true;
	}
	return false;
}

/* Processes of a machine that is still a machine. */
#define MAX_LINKS 100000u

/*
 * Follows the list from System's link to the one in the kernel image, by
 * Flink (offset 0) or Blink (8).
 */
static uint64_t follow_to_image(struct search *s, unsigned int direction)
{
	const struct vds_kernel *kernel = s->kernel;
	struct vds_map seen = {0};
	uint64_t link = s->system + vds_kf(kernel, EPROCESS_LINKS)->offset;
	uint64_t head = 0;
	for (unsigned int i = 0; i < MAX_LINKS; i++) {
		if (vds_space_read_u64(&kernel->space, s->tlb,
				       link + direction, &link) ||
		    !vds_is_kernel_pointer(kernel, link, 8) ||
		    vds_set_add(&seen, link) != VDS_SEEN_NEW)
			break;
		if (is_in_kernel_image(kernel, link)) {
			head = link;
			break;
		}
	}
	vds_map_deinit(&seen);
	return head;
}

static struct vds_error *find_head(struct search *s)
{
	struct vds_kernel *kernel = s->kernel;
	uint64_t back = follow_to_image(s, 8);
	uint64_t forth = follow_to_image(s, 0);
	kernel->process_head = back ? back : forth;
	if (!kernel->process_head)
		return NULL;
	return vds_kernel_infer(
		kernel, "PsActiveProcessHead", kernel->process_head,
		"the link of the process list that lies in the kernel image",
		back == forth ? "reached from System by Flink and by Blink" :
				"reached from System in one direction only");
}

struct vds_error *vds_kernel_infer_symbols(struct vds_kernel *kernel,
					   struct vds_tlb *tlb)
{
	struct search s = {.kernel = kernel, .tlb = tlb};
	/* Another kernel's addresses mean nothing in this one. */
	memset(kernel->binding.has_symbol, 0,
	       sizeof(kernel->binding.has_symbol));
	bool found = find_system(&s);
	vds_map_deinit(&s.tried);
	if (!found)
		return vds_error_create(VDS_ERROR_NO_PROFILE,
					"the layout of profile %s doesn't fit this kernel: no System process found with it",
					vds_profile_path(kernel->profile));
	kernel->system_process = s.system;
	struct vds_error *err = vds_kernel_infer(
		kernel, "PsInitialSystemProcess", s.system,
		"a pointer in the kernel image",
		"PID 4, name, page tables, both of its lists close");
	return err ? err : find_head(&s);
}
