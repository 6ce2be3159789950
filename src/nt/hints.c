/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/hints.h"

#include "base/util.h"
#include "profile/store.h"

/*
 * A crash dump's SystemTime is taken when the machine stops, and no clock ticks
 * after that; a live dump's memory is copied within seconds. 100 ns.
 */
#define MAX_TIME_APART (UINT64_C(600) * 10000000)

#define MACHINE_AMD64 0x8664

static void check_machine(struct vds_kernel *kernel,
			  const struct vds_image_hints *hints)
{
	if (hints->machine && hints->machine != MACHINE_AMD64)
		vds_note(&kernel->notes, "hint_machine", hints->machine,
			 "the container says machine 0x%04x, but its kernel is of x64 (0x8664)",
			 hints->machine);
}

static void check_build(struct vds_kernel *kernel,
			const struct vds_image_hints *hints)
{
	uint32_t found = kernel->kuser.build;
	/* Enablement packages change the number in one of the two only. */
	if (hints->build && found &&
	    vds_build_family(hints->build) != vds_build_family(found))
		vds_note(&kernel->notes, "hint_build", 0,
			 "the container says build %u, but KUSER_SHARED_DATA %u; the latter is used",
			 hints->build, found);
}

static void check_time(struct vds_kernel *kernel,
		       const struct vds_image_hints *hints)
{
	uint64_t found = kernel->kuser.system_time;
	if (!hints->system_time || kernel->kuser.why || !found)
		return;
	uint64_t apart = hints->system_time > found ?
				 hints->system_time - found :
				 found - hints->system_time;
	if (apart > MAX_TIME_APART)
		vds_note(&kernel->notes, "hint_system_time", 0,
			 "the container's system time and that of KUSER_SHARED_DATA are %llu seconds apart; the latter is used",
			 (unsigned long long)(apart / 10000000));
}

/* A hint that led nowhere, while another way led to a kernel. */
static void check_dtb(struct vds_kernel *kernel,
		      const struct vds_image_hints *hints)
{
	if (!hints->has_dtb || vds_kernel_is_virtual(kernel) ||
	    kernel->dtb_method <= VDS_DTB_HINT)
		return;
	for (size_t i = 0; i < kernel->num_candidates; i++) {
		const struct vds_dtb_candidate *c = &kernel->candidates[i];
		if (c->dtb != (hints->dtb & VDS_PTE_PFN_MASK))
			continue;
		vds_note(&kernel->notes, "hint_dtb", hints->dtb,
			 "the container says CR3 0x%llx, which leads to no kernel (%s); 0x%llx, by %s, does",
			 (unsigned long long)hints->dtb,
			 c->verdict ? c->verdict : "not looked at",
			 (unsigned long long)kernel->space.dtb,
			 vds_dtb_method_str(kernel->dtb_method));
		return;
	}
}

static void check_address(struct vds_kernel *kernel, bool said, uint64_t hint,
			  uint64_t found, const char *what)
{
	if (said && found && hint != found)
		vds_note(&kernel->notes, "hint_address", hint,
			 "the container says %s is at 0x%llx, but it was found at 0x%llx, which is used",
			 what, (unsigned long long)hint,
			 (unsigned long long)found);
}

void vds_kernel_check_hints(struct vds_kernel *kernel)
{
	const struct vds_image_hints *hints = vds_image_hints(kernel->image);
	check_machine(kernel, hints);
	check_build(kernel, hints);
	check_time(kernel, hints);
	check_dtb(kernel, hints);
	check_address(kernel, hints->has_kernel_base, hints->kernel_base,
		      kernel->base, "the kernel");
	check_address(kernel, hints->has_process_head, hints->process_head,
		      kernel->process_head, "PsActiveProcessHead");
	uint64_t modules = 0;
	vds_kernel_symbol(kernel, VDS_S_PS_LOADED_MODULE_LIST, &modules);
	check_address(kernel, hints->has_module_list, hints->module_list,
		      modules, "PsLoadedModuleList");
}
