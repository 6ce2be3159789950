/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/pte.h"

#include <strings.h>

#include "base/bytes.h"
#include "base/util.h"
#include "paging/space.h"

/* The prototype bit is one of every format, and of none in the hardware. */
#define LOOKUP_MARKER UINT64_C(0xffffffff)

static bool bind(const struct vds_profile *profile, const char *type_name,
		 const char *member, struct vds_field *ret)
{
	const struct vds_type *type = vds_profile_type(profile, type_name);
	*ret = (struct vds_field){0};
	if (!type || !vds_type_member(type, member, ret))
		return false;
	/* decode() works on one u64: refuse what doesn't lie inside. */
	unsigned int first = ret->offset * 8 + ret->bit_pos;
	if (ret->offset >= 8 || !ret->bit_len || first + ret->bit_len > 64)
		ret->present = false;
	return ret->present;
}

static inline uint64_t bits(const struct vds_field *field, uint64_t raw)
{
	return vds_bits(raw, field->offset * 8 + field->bit_pos,
			field->bit_len);
}

static uint64_t single_bit(const struct vds_profile *profile,
			   const char *type, const char *member)
{
	struct vds_field field;
	if (!bind(profile, type, member, &field) || field.bit_len != 1)
		return 0;
	return UINT64_C(1) << (field.offset * 8 + field.bit_pos);
}

/* Bits of members called Unused, Spare or Reserved in some case. */
static uint64_t unused_bits(const struct vds_profile *profile,
			    const char *type_name)
{
	const struct vds_type *type = vds_profile_type(profile, type_name);
	uint64_t bits = 0;
	for (size_t i = 0; type && i < type->num_members; i++) {
		const struct vds_member *m = &type->members[i];
		unsigned int first = m->offset * 8 + m->bit_pos;
		if ((strncasecmp(m->name, "unused", 6) &&
		     strncasecmp(m->name, "spare", 5) &&
		     strncasecmp(m->name, "reserved", 8)) ||
		    !m->bit_len || m->offset >= 8 || first + m->bit_len > 63)
			continue;
		bits |= ((UINT64_C(1) << m->bit_len) - 1) << first;
	}
	return bits;
}

static inline bool bit(const struct vds_field *field, uint64_t raw)
{
	return field->present && bits(field, raw);
}

/* A sign-extended kernel address, whose low bits the format leaves out. */
static inline uint64_t address(const struct vds_field *field, uint64_t raw)
{
	return (uint64_t)vds_sign_extend(bits(field, raw), field->bit_len);
}

enum vds_why vds_pte_format_init(struct vds_pte_format *ret,
				 const struct vds_profile *profile)
{
	struct vds_pte_format f = {.mask_why = VDS_NOT_APPLICABLE};
	const struct {
		const char *type, *member;
		struct vds_field *field;
		bool required;
	} wanted[] = {
		{"_MMPTE_SOFTWARE", "Protection", &f.soft_protection, true},
		{"_MMPTE_SOFTWARE", "Prototype", &f.soft_prototype, true},
		{"_MMPTE_SOFTWARE", "Transition", &f.soft_transition, true},
		{"_MMPTE_SOFTWARE", "PageFileLow", &f.soft_pagefile_low, true},
		{"_MMPTE_SOFTWARE", "PageFileHigh", &f.soft_pagefile_high,
		 true},
		{"_MMPTE_SOFTWARE", "SwizzleBit", &f.soft_swizzle, false},
		{"_MMPTE_PROTOTYPE", "Protection", &f.proto_protection, true},
		{"_MMPTE_PROTOTYPE", "ProtoAddress", &f.proto_address, true},
		{"_MMPTE_PROTOTYPE", "ReadOnly", &f.proto_read_only, false},
		{"_MMPTE_TRANSITION", "Protection", &f.trans_protection, true},
		{"_MMPTE_TRANSITION", "PageFrameNumber", &f.trans_pfn, true},
		{"_MMPTE_SUBSECTION", "Protection", &f.subsect_protection,
		 true},
		{"_MMPTE_SUBSECTION", "SubsectionAddress", &f.subsect_address,
		 true},
	};
	for (size_t i = 0; i < VDS_ARRAY_SIZE(wanted); i++) {
		if (!bind(profile, wanted[i].type, wanted[i].member,
			  wanted[i].field) && wanted[i].required)
			return VDS_NO_FIELD;
	}
	struct vds_field pfn;
	if (!bind(profile, "_MMPTE_HARDWARE", "PageFrameNumber", &pfn))
		return VDS_NO_FIELD;
	f.hw_pfn_mask = ((UINT64_C(1) << pfn.bit_len) - 1) << pfn.bit_pos &
			~VDS_PAGE_MASK;
	f.hw_write = single_bit(profile, "_MMPTE_HARDWARE", "Write");
	f.hw_copy_on_write = single_bit(profile, "_MMPTE_HARDWARE",
					"CopyOnWrite");
	f.proto_unused = unused_bits(profile, "_MMPTE_PROTOTYPE");
	f.has_swizzle = f.soft_swizzle.present;
	*ret = f;
	return VDS_PRESENT;
}

uint64_t vds_pte_unswizzle(const struct vds_pte_format *format, uint64_t raw)
{
	if (!format->has_swizzle || format->mask_why || !format->invalid_mask ||
	    !raw || (raw & 1))
		return raw;
	uint64_t swizzle = UINT64_C(1) << (format->soft_swizzle.offset * 8 +
					   format->soft_swizzle.bit_pos);
	/* Set: the payload had the mask's bits itself, and was left alone. */
	if (raw & swizzle)
		return raw & ~swizzle;
	return raw & ~format->invalid_mask;
}

/*
 * True if the mask is not known and would matter: the entry says that it was
 * swizzled, and its upper half, where masks lie, has bits of which one may be
 * the mask's. (All zero there means a mask of zero.)
 */
static bool is_ambiguous(const struct vds_pte_format *format, uint64_t raw)
{
	return format->has_swizzle && format->mask_why &&
	       !bit(&format->soft_swizzle, raw) && raw >> 32;
}

static void set_protection(struct vds_pte *pte, const struct vds_field *field,
			   uint64_t raw)
{
	pte->protection = (uint32_t)bits(field, raw);
	pte->has_protection = true;
}

static void decode_transition(const struct vds_pte_format *format,
			      uint64_t value, struct vds_pte *pte)
{
	pte->kind = VDS_PTE_TRANSITION;
	pte->pa = bits(&format->trans_pfn, value) << VDS_PAGE_SHIFT;
	set_protection(pte, &format->trans_protection, value);
}

/* Neither prototype nor transition: a page file, or no page yet. */
static void decode_software(const struct vds_pte_format *format,
			    uint64_t value, struct vds_pte *pte)
{
	set_protection(pte, &format->soft_protection, value);
	pte->pagefile = (uint32_t)bits(&format->soft_pagefile_low, value);
	pte->pagefile_offset = bits(&format->soft_pagefile_high, value);
	pte->compressed = pte->pagefile < 16 &&
			  format->virtual_stores >> pte->pagefile & 1;
	if (pte->pagefile_offset)
		pte->kind = VDS_PTE_PAGEFILE;
	else if (pte->protection == 0x10)	/* MM_DECOMMIT */
		pte->kind = VDS_PTE_DECOMMITTED;
	else if (pte->protection == 0x18)	/* MM_NOACCESS */
		pte->kind = VDS_PTE_NOACCESS;
	else if ((pte->protection & 0x18) == 0x10)	/* MM_GUARD_PAGE */
		pte->kind = VDS_PTE_GUARD;
	else
		pte->kind = VDS_PTE_DEMAND_ZERO;
}

/* What both contexts share; true if that settles it. */
static bool decode_common(const struct vds_pte_format *format, uint64_t raw,
			  struct vds_pte *pte)
{
	*pte = (struct vds_pte){.kind = VDS_PTE_UNKNOWN, .raw = raw};
	if (raw & VDS_PTE_PRESENT) {
		pte->kind = VDS_PTE_VALID;
		pte->pa = raw & format->hw_pfn_mask;
		return true;
	}
	if (!raw)
		pte->kind = VDS_PTE_ZERO;
	return !raw;
}

void vds_pte_decode(const struct vds_pte_format *format, uint64_t raw,
		    struct vds_pte *ret)
{
	if (decode_common(format, raw, ret))
		return;
	bool prototype = bit(&format->soft_prototype, raw);
	if (prototype && raw >> 32 == LOOKUP_MARKER) {
		/* The software format's: it has no address to make room for. */
		ret->kind = VDS_PTE_VAD_LOOKUP;
		set_protection(ret, &format->soft_protection, raw);
		return;
	}
	if (is_ambiguous(format, raw))
		return;
	uint64_t value = vds_pte_unswizzle(format, raw);
	if (prototype) {
		ret->kind = VDS_PTE_PROTOTYPE;
		ret->address = address(&format->proto_address, value);
		set_protection(ret, &format->proto_protection, value);
	} else if (bit(&format->soft_transition, raw)) {
		decode_transition(format, value, ret);
	} else {
		decode_software(format, value, ret);
	}
}

/*
 * From 22621 on some slots hold a plain kernel pointer (MemProcFS). No other
 * form looks so: it would be a page-file offset past 16 TB.
 */
static bool is_pointer(uint64_t raw)
{
	return (raw & UINT64_C(0xffff80000000000f)) ==
	       UINT64_C(0xffff800000000000);
}

void vds_pte_decode_proto(const struct vds_pte_format *format, uint64_t raw,
			  struct vds_pte *ret)
{
	if (decode_common(format, raw, ret))
		return;
	bool subsection = bit(&format->soft_prototype, raw);
	if (!subsection && is_pointer(raw)) {
		ret->kind = VDS_PTE_POINTER;
		ret->address = raw;
		return;
	}
	if (is_ambiguous(format, raw))
		return;
	uint64_t value = vds_pte_unswizzle(format, raw);
	if (subsection) {
		ret->kind = VDS_PTE_SUBSECTION;
		ret->address = address(&format->subsect_address, value);
		set_protection(ret, &format->subsect_protection, value);
	} else if (bit(&format->soft_transition, raw)) {
		decode_transition(format, value, ret);
	} else {
		decode_software(format, value, ret);
	}
}
