/* SPDX-License-Identifier: Apache-2.0 */
#include "paging/space.h"

#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "paging/tlb.h"
#include "paging/x64.h"

bool vds_space_is_canonical(const struct vds_space *space, uint64_t va)
{
	/* Bits above the translated ones repeat the highest of them. */
	unsigned int bits = VDS_PAGE_SHIFT + 9 * space->levels;
	return (uint64_t)vds_sign_extend(va, bits) == va;
}

static enum vds_why translate_slow(const struct vds_space *space,
				   struct vds_tlb *tlb, uint64_t va,
				   uint64_t *ret_pa)
{
	if (!vds_space_is_canonical(space, va))
		return VDS_BAD_ADDRESS;
	if (space->blocks)
		return VDS_NOT_IN_IMAGE;
	enum vds_why why = vds_x64_walk(space, tlb, va, NULL, ret_pa);
	if (!why && tlb && space->id)
		vds_tlb_put(tlb->pages, VDS_TLB_PAGES, space->id,
			    va >> VDS_PAGE_SHIFT, *ret_pa & ~VDS_PAGE_MASK);
	return why;
}

static inline enum vds_why translate(const struct vds_space *space,
				     struct vds_tlb *tlb, uint64_t va,
				     uint64_t *ret_pa)
{
	uint64_t page;
	if (tlb && space->id &&
	    vds_tlb_get(tlb->pages, VDS_TLB_PAGES, space->id,
			va >> VDS_PAGE_SHIFT, &page)) {
		*ret_pa = page | (va & VDS_PAGE_MASK);
		return VDS_PRESENT;
	}
	return translate_slow(space, tlb, va, ret_pa);
}

enum vds_why vds_space_translate(const struct vds_space *space,
				 struct vds_tlb *tlb, uint64_t va,
				 uint64_t *ret_pa, uint64_t *ret_left)
{
	uint64_t pa;
	enum vds_why why = translate(space, tlb, va, &pa);
	if (why)
		return why;
	*ret_pa = pa;
	if (ret_left)
		*ret_left = VDS_PAGE_SIZE - (va & VDS_PAGE_MASK);
	return VDS_PRESENT;
}

static enum vds_why read_blocks(const struct vds_space *space, uint64_t va,
				void *buf, size_t len)
{
	if (!vds_space_is_canonical(space, va))
		return VDS_BAD_ADDRESS;
	return vds_image_read_blocks(space->image, space->blocks,
				     space->num_blocks, va, buf, len);
}

enum vds_why vds_space_read(const struct vds_space *space, struct vds_tlb *tlb,
			    uint64_t va, void *buf, size_t len)
{
	uint8_t *out = buf;
	uint64_t last;
	if (!len)
		return VDS_PRESENT;
	if (!vds_add_u64(va, len - 1, &last))
		return VDS_BAD_ADDRESS;
	if (space->blocks)
		return read_blocks(space, va, buf, len);
	for (;;) {
		uint64_t pa;
		enum vds_why why = translate(space, tlb, va, &pa);
		if (why)
			return why;
		size_t left = (size_t)(VDS_PAGE_SIZE - (va & VDS_PAGE_MASK));
		size_t n = VDS_MIN(len, left);
		why = vds_image_read(space->image, pa, out, n);
		if (why)
			return why;
		if (n == len)
			return VDS_PRESENT;
		out += n;
		len -= n;
		va += n;
	}
}

enum vds_why vds_space_read_u64(const struct vds_space *space,
				struct vds_tlb *tlb, uint64_t va, uint64_t *ret)
{
	uint8_t raw[8];
	enum vds_why why = vds_space_read(space, tlb, va, raw, sizeof(raw));
	if (!why)
		*ret = vds_le64(raw);
	return why;
}

enum vds_why vds_space_read_u32(const struct vds_space *space,
				struct vds_tlb *tlb, uint64_t va, uint32_t *ret)
{
	uint8_t raw[4];
	enum vds_why why = vds_space_read(space, tlb, va, raw, sizeof(raw));
	if (!why)
		*ret = vds_le32(raw);
	return why;
}

size_t vds_pages_spanned(uint64_t va, size_t len)
{
	if (!len)
		return 0;
	uint64_t head = va & VDS_PAGE_MASK;
	uint64_t rest = len - 1;
	return (size_t)((rest >> VDS_PAGE_SHIFT) +
			((head + (rest & VDS_PAGE_MASK)) >> VDS_PAGE_SHIFT) + 1);
}

size_t vds_space_read_partial(const struct vds_space *space,
			      struct vds_tlb *tlb, uint64_t va, void *buf,
			      size_t len, enum vds_why *page_why)
{
	uint8_t *out = buf;
	size_t present = 0;
	bool wrapped = false;
	while (len) {
		size_t left = (size_t)(VDS_PAGE_SIZE - (va & VDS_PAGE_MASK));
		size_t n = VDS_MIN(len, left);
		enum vds_why why = wrapped ? VDS_BAD_ADDRESS :
			vds_space_read(space, tlb, va, out, n);
		if (why)
			memset(out, 0, n);
		else
			present += n;
		if (page_why)
			*page_why++ = why;
		/* What lies past the last address doesn't begin at 0 again. */
		wrapped |= !vds_add_u64(va, n, &va);
		if (wrapped)
			va = 0;
		out += n;
		len -= n;
	}
	return present;
}

/* No page, or none that the hardware reaches, has no rights. */
static void finish_walk(struct vds_walk *ret)
{
	if (ret->why || !ret->hardware) {
		ret->hardware = false;
		ret->writable = ret->user = ret->executable = false;
		ret->page_size = 0;
	}
	if (ret->why)
		ret->pa = 0;
}

void vds_space_walk(const struct vds_space *space, struct vds_tlb *tlb,
		    uint64_t va, struct vds_walk *ret)
{
	*ret = (struct vds_walk){
		.hardware = true, .writable = true, .user = true,
		.executable = true, .upper_writable = true,
	};
	if (!vds_space_is_canonical(space, va))
		ret->why = VDS_BAD_ADDRESS;
	else if (space->blocks)
		ret->why = VDS_NOT_IN_IMAGE;	/* the tables are absent */
	else
		ret->why = vds_x64_walk(space, tlb, va, ret, &ret->pa);
	finish_walk(ret);
}

#define LAST_TABLE_SHIFT (VDS_PAGE_SHIFT + 9)

/* Keeps the table that a walk has come to the last level by. */
static void keep_walk(struct vds_tlb *tlb, uint64_t id, uint64_t va,
		      const struct vds_walk *walk)
{
	uint64_t flags = walk->upper_writable ? VDS_TLB_WRITABLE : 0;
	bool user = true, executable = true, hardware = true;
	size_t last = walk->num_steps - 1;
	if (!walk->num_steps || walk->steps[last].level != 1)
		return;
	for (size_t i = 0; i < last; i++) {
		user &= (walk->steps[i].entry & VDS_PTE_USER) != 0;
		executable &= !(walk->steps[i].entry & VDS_PTE_NX);
		hardware &= walk->steps[i].present;
	}
	flags |= (user ? VDS_TLB_USER : 0) |
		 (executable ? VDS_TLB_EXECUTABLE : 0) |
		 (hardware ? VDS_TLB_HARDWARE : 0);
	vds_tlb_put(tlb->walks, VDS_TLB_TABLES, id, va >> LAST_TABLE_SHIFT,
		    (walk->steps[last].entry_pa & ~VDS_PAGE_MASK) | flags);
}

void vds_space_walk_page(const struct vds_space *space, struct vds_tlb *tlb,
			 uint64_t va, struct vds_walk *ret)
{
	uint64_t id = space->dtb | 1, upper;
	if (!tlb || !vds_space_is_canonical(space, va) ||
	    !vds_tlb_get(tlb->walks, VDS_TLB_TABLES, id,
			 va >> LAST_TABLE_SHIFT, &upper)) {
		vds_space_walk(space, tlb, va, ret);
		if (tlb)
			keep_walk(tlb, id, va, ret);
		return;
	}
	bool writable = (upper & VDS_TLB_WRITABLE) != 0;
	*ret = (struct vds_walk){
		.hardware = (upper & VDS_TLB_HARDWARE) != 0,
		.writable = writable,
		.user = (upper & VDS_TLB_USER) != 0,
		.executable = (upper & VDS_TLB_EXECUTABLE) != 0,
		.upper_writable = writable,
	};
	ret->why = vds_x64_walk_last(space, tlb, upper & ~VDS_PAGE_MASK, va,
				     ret, &ret->pa);
	finish_walk(ret);
}
