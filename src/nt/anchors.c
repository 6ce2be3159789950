/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/anchors.h"

#include <string.h>

#include "base/bytes.h"
#include "base/util.h"

/* KDDEBUGGER_DATA64 (wdbgexts.h of the Windows SDK). */
#define KDBG_TAG 0x10
#define KDBG_SIZE 0x14
#define KDBG_KERNEL_BASE 0x18
#define KDBG_BUILD_LAB 0x208
#define KDBG_MIN 0x20

static const struct {
	uint16_t at;
	const char *symbol;
} block_fields[] = {
	{0x048, "PsLoadedModuleList"},
	{0x050, "PsActiveProcessHead"},
	{0x058, "PspCidTable"},
	{0x078, "KeTimeIncrement"},
	{0x088, "KiBugCheckData"},
	{0x098, "ObpRootDirectoryObject"},
	{0x0a0, "ObpTypeObjectType"},
	{0x0c0, "MmPfnDatabase"},
	{0x1b8, "PoolTrackTable"},
	{0x1c8, "MmHighestUserAddress"},
	{0x1d0, "MmSystemRangeStart"},
	{0x1d8, "MmUserProbeAddress"},
	{0x218, "KiProcessorBlock"},
	{0x220, "MmUnloadedDrivers"},
	{0x228, "MmLastUnloadedDriver"},
	{0x248, "MmVerifierData"},
	{0x270, "MmPhysicalMemoryBlock"},
};

static const struct vds_anchor *find(const struct vds_anchors *anchors,
				     const char *symbol)
{
	for (size_t i = 0; i < anchors->count; i++) {
		if (!strcmp(anchors->list[i].symbol, symbol))
			return &anchors->list[i];
	}
	return NULL;
}

static void add(struct vds_kernel *kernel, struct vds_anchors *anchors,
		const char *symbol, uint64_t va)
{
	const struct vds_anchor *known = find(anchors, symbol);
	if (!va || (kernel->size && (va < kernel->base ||
				     va - kernel->base >= kernel->size)))
		return;
	if (known && known->va != va)
		vds_note(&kernel->notes, "header_contradiction", va,
			 "%s is at 0x%llx by the dump's header, but at 0x%llx by its debugger data block",
			 symbol, (unsigned long long)known->va,
			 (unsigned long long)va);
	if (!known && anchors->count < VDS_MAX_ANCHORS)
		anchors->list[anchors->count++] =
			(struct vds_anchor){symbol, va};
}

static void read_block(struct vds_kernel *kernel, struct vds_anchors *anchors,
		       uint64_t va)
{
	uint8_t *block = anchors->block;
	if (vds_space_read(&kernel->space, NULL, va, block, KDBG_MIN) ||
	    memcmp(block + KDBG_TAG, "KDBG", 4))
		return;
	size_t size = VDS_MIN(vds_le32(block + KDBG_SIZE), VDS_KDBG_MAX);
	if (size < KDBG_MIN ||
	    vds_space_read(&kernel->space, NULL, va, block, size))
		return;
	anchors->block_size = size;
	anchors->kernel_base = vds_le64(block + KDBG_KERNEL_BASE);
	if (KDBG_BUILD_LAB + 8 <= size)
		anchors->build_lab = vds_le64(block + KDBG_BUILD_LAB);
	for (size_t i = 0; i < VDS_ARRAY_SIZE(block_fields); i++) {
		if (block_fields[i].at + 8u <= size)
			add(kernel, anchors, block_fields[i].symbol,
			    vds_le64(block + block_fields[i].at));
	}
}

void vds_anchors_collect(struct vds_kernel *kernel, struct vds_anchors *ret)
{
	const struct vds_image_hints *hints = vds_image_hints(kernel->image);
	*ret = (struct vds_anchors){0};
	if (hints->has_module_list)
		add(kernel, ret, "PsLoadedModuleList", hints->module_list);
	if (hints->has_process_head)
		add(kernel, ret, "PsActiveProcessHead", hints->process_head);
	if (hints->has_kdbg) {
		add(kernel, ret, "KdDebuggerDataBlock", hints->kdbg);
		read_block(kernel, ret, hints->kdbg);
	}
}

void vds_anchors_match(const struct vds_anchors *anchors,
		       const struct vds_profile *profile, uint64_t base,
		       unsigned int *ret_agree, unsigned int *ret_differ)
{
	unsigned int agree = 0, differ = 0;
	for (size_t i = 0; i < anchors->count; i++) {
		uint32_t rva;
		if (!vds_profile_symbol(profile, anchors->list[i].symbol, &rva))
			continue;
		if (base + rva == anchors->list[i].va)
			agree++;
		else
			differ++;
	}
	*ret_agree = agree;
	*ret_differ = differ;
}

uint64_t vds_anchors_base(const struct vds_anchors *anchors,
			  const struct vds_profile *profile)
{
	for (size_t i = 0; i < anchors->count; i++) {
		uint64_t va = anchors->list[i].va;
		uint32_t rva;
		if (vds_profile_symbol(profile, anchors->list[i].symbol, &rva))
			return va > rva && !((va - rva) & VDS_PAGE_MASK) ?
				       va - rva : 0;
	}
	return 0;
}

/* So many can't agree by chance: no need to look at the rest. */
#define ENOUGH 6u

struct vds_error *vds_anchors_find(const struct vds_anchors *anchors,
				   uint64_t base,
				   const struct vds_store_entry *entries,
				   size_t count, struct vds_profile **ret,
				   unsigned int *ret_agree)
{
	struct vds_profile *found = NULL;
	unsigned int best = 0;
	bool several = false;
	for (size_t i = 0; i < count && best < ENOUGH; i++) {
		struct vds_profile *profile;
		unsigned int agree, differ;
		struct vds_error *err = vds_store_load(&entries[i], &profile);
		if (err) {
			vds_profile_destroy(found);
			return err;
		}
		vds_anchors_match(anchors, profile,
				  base ? base :
				  vds_anchors_base(anchors, profile),
				  &agree, &differ);
		if (differ || agree < (base ? 2 : 3) || agree < best) {
			vds_profile_destroy(profile);
			continue;
		}
		several = agree == best;
		best = agree;
		vds_profile_destroy(found);
		found = profile;
	}
	if (several) {
		vds_profile_destroy(found);
		found = NULL;
	}
	*ret = found;
	*ret_agree = found ? best : 0;
	return NULL;
}

/* Sizes and offsets in KDDEBUGGER_DATA64, 16 bits each. */
static int fit_block(const struct vds_anchors *anchors,
		     const struct vds_kernel *kernel)
{
	const struct {
		uint16_t at;
		uint32_t want;	/* 0: the profile doesn't say */
	} facts[] = {
		{0x2a0, vds_kf(kernel, KTHREAD_APC_PROCESS)->offset},
		{0x2a8, vds_ksize(kernel, EPROCESS)},
		{0x2aa, vds_kf(kernel, EPROCESS_PEB)->offset},
		{0x2ac, vds_kf(kernel, EPROCESS_PPID)->offset},
		{0x2ae, vds_kf(kernel, KPROCESS_DTB)->offset},
		{0x2b0, vds_ksize(kernel, KPRCB)},
		{0x2c0, vds_ksize(kernel, ETHREAD)},
	};
	int fit = 0;
	for (size_t i = 0; i < VDS_ARRAY_SIZE(facts); i++) {
		if (facts[i].at + 2u > anchors->block_size || !facts[i].want)
			continue;
		uint32_t is = vds_le16(anchors->block + facts[i].at);
		if (is)
			fit += is == facts[i].want ? 1 : -1;
	}
	return fit;
}

int vds_anchors_fit(const struct vds_anchors *anchors,
		    const struct vds_kernel *kernel)
{
	const uint32_t sizes[VDS_NUM_COPIES] = {
		[VDS_COPY_PRCB] = vds_ksize(kernel, KPRCB),
		[VDS_COPY_PROCESS] = vds_ksize(kernel, EPROCESS),
		[VDS_COPY_THREAD] = vds_ksize(kernel, ETHREAD),
	};
	int fit = fit_block(anchors, kernel);
	for (size_t i = 0; i < VDS_NUM_COPIES; i++) {
		uint64_t len = vds_image_copy(kernel->image,
					      (enum vds_copy_kind)i)->len;
		/* The writer aligns what follows to eight bytes. */
		if (len && sizes[i])
			fit += len >= sizes[i] && len - sizes[i] < 8 ? 1 : -1;
	}
	return fit;
}

static void bind(struct vds_kernel *kernel, size_t id, uint64_t va)
{
	if (va < kernel->base || va - kernel->base > UINT32_MAX)
		return;
	kernel->binding.rvas[id] = (uint32_t)(va - kernel->base);
	kernel->binding.has_symbol[id] = true;
}

void vds_anchors_bind(const struct vds_anchors *anchors,
		      struct vds_kernel *kernel)
{
	static const char *const names[] = {
#define SYMBOL(id, name) name,
#include "nt/symbols.def"
#undef SYMBOL
	};
	for (size_t i = 0; i < VDS_NUM_SYMBOLS; i++) {
		const struct vds_anchor *a = find(anchors, names[i]);
		if (a)
			bind(kernel, i, a->va);
	}
	/* Of the two strings, only the one that it names may be in the dump. */
	if (anchors->build_lab)
		bind(kernel, VDS_S_NT_BUILD_LAB, anchors->build_lab);
}
