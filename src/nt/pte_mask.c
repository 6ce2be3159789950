/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/pte_mask.h"

#include "base/bytes.h"
#include "base/map.h"
#include "base/util.h"

/* The mitigation can only use address bits that the processor has not. */
#define MASK_FIRST 32u
#define MASK_END 52u
#define MASK_BITS UINT64_C(0x000fffff00000000)

/* Enough to outvote smear, little enough to cost a millisecond. */
#define MIN_SAMPLES 16u
#define MAX_SAMPLES 65536u
#define MAX_TABLES 4096u
#define MAX_PROCESSES 64u

static uint64_t field_bits(const struct vds_field *field, uint64_t raw)
{
	return vds_bits(raw, field->offset * 8 + field->bit_pos,
			field->bit_len);
}

void vds_mask_vote_add(struct vds_mask_vote *vote,
		       const struct vds_pte_format *format, uint64_t raw)
{
	uint64_t swizzle = UINT64_C(1) << (format->soft_swizzle.offset * 8 +
					   format->soft_swizzle.bit_pos);
	if (!raw || (raw & VDS_PTE_PRESENT) ||
	    raw >> 32 == UINT64_C(0xffffffff))
		return;
	if (field_bits(&format->soft_prototype, raw)) {
		vote->prototypes++;
		vote->sound_prototypes += !(raw & format->proto_unused);
	}
	if (raw & swizzle)
		return;	/* says that it was left alone */
	vote->samples++;
	for (unsigned int i = MASK_FIRST; i < MASK_END; i++)
		vote->set[i] += raw >> i & 1;
}

bool vds_mask_vote_result(const struct vds_mask_vote *vote, uint64_t *ret)
{
	uint64_t mask = 0;
	if (vote->samples < MIN_SAMPLES)
		return false;
	for (unsigned int i = MASK_FIRST; i < MASK_END; i++) {
		/* Every swizzled entry has the bit: 31 of 32 leaves room for smear. */
		if (vote->set[i] >= vote->samples - vote->samples / 32)
			mask |= UINT64_C(1) << i;
		else if (vote->set[i] > vote->samples - vote->samples / 8)
			return false;
	}
	if (mask & (mask - 1))
		return false;	/* more than one: too few kinds of entries */
	*ret = mask;
	return true;
}

struct poll {
	const struct vds_kernel *kernel;
	struct vds_mask_vote *vote;
	unsigned int tables;	/* read so far */
};

static bool is_done(const struct poll *poll)
{
	return poll->tables >= MAX_TABLES ||
	       poll->vote->samples >= MAX_SAMPLES;
}

/* Tables from @level down to the PTEs of the user's half; depth is bounded. */
static void poll_table(struct poll *poll, uint64_t pa, unsigned int level,
		       unsigned int entries)
{
	uint8_t table[VDS_PAGE_SIZE];
	if (is_done(poll) ||
	    vds_image_read_table(poll->kernel->image, pa & VDS_PTE_PFN_MASK,
				 table, sizeof(table)))
		return;
	poll->tables++;
	for (unsigned int i = 0; i < entries && !is_done(poll); i++) {
		uint64_t e = vds_le64(table + i * 8);
		if (level == 1)
			vds_mask_vote_add(poll->vote, &poll->kernel->pte, e);
		else if ((e & VDS_PTE_PRESENT) && !(e & VDS_PTE_LARGE))
			poll_table(poll, e, level - 1, 512);
	}
}

void vds_mask_vote_poll(const struct vds_kernel *kernel, struct vds_tlb *tlb,
			struct vds_mask_vote *vote)
{
	struct poll state = {.kernel = kernel, .vote = vote}, *poll = &state;
	const struct vds_field *links = vds_kf(kernel, EPROCESS_LINKS);
	const struct vds_field *dtb = vds_kf(kernel, KPROCESS_DTB);
	uint64_t link = kernel->process_head;
	struct vds_map seen = {0};
	if (!link)
		return;
	for (unsigned int i = 0; i < MAX_PROCESSES && !is_done(poll); i++) {
		uint64_t value;
		if (vds_space_read_u64(&kernel->space, tlb, link, &link) ||
		    link == kernel->process_head ||
		    vds_set_add(&seen, link) != VDS_SEEN_NEW)
			break;
		uint64_t eprocess = link - links->offset;
		if (!vds_space_read_u64(&kernel->space, tlb,
					eprocess + dtb->offset, &value))
			poll_table(poll, value, kernel->space.levels, 256);
	}
	vds_map_deinit(&seen);
}

/* The kernel's own variable: a symbol of its own, or within MiState. */
static enum vds_why read_variable(const struct vds_kernel *kernel,
				  struct vds_tlb *tlb, uint64_t *ret)
{
	const struct vds_field *field = vds_kf(kernel, MI_INVALID_PTE_MASK);
	uint64_t va, mask;
	if (!vds_kernel_symbol(kernel, VDS_S_MI_INVALID_PTE_MASK, &va)) {
		if (!field->present ||
		    !vds_kernel_symbol(kernel, VDS_S_MI_STATE, &va))
			return VDS_NO_FIELD;
		va += field->offset;
	}
	enum vds_why why = vds_space_read_u64(&kernel->space, tlb, va, &mask);
	if (why)
		return why;
	if (mask & ~MASK_BITS)
		return VDS_BAD_DATA;
	*ret = mask;
	return VDS_PRESENT;
}

void vds_pte_mask_find(struct vds_kernel *kernel, struct vds_tlb *tlb,
		       const char **ret_how)
{
	struct vds_pte_format *format = &kernel->pte;
	*ret_how = NULL;
	format->invalid_mask = 0;
	format->mask_why = VDS_NOT_APPLICABLE;
	if (!format->has_swizzle)
		return;
	format->mask_why = read_variable(kernel, tlb, &format->invalid_mask);
	if (!format->mask_why)
		return;
	struct vds_mask_vote vote = {0};
	vds_mask_vote_poll(kernel, tlb, &vote);
	if (vds_mask_vote_result(&vote, &format->invalid_mask)) {
		format->mask_why = VDS_PRESENT;
		*ret_how = "the bit that not-present PTEs of the processes have in common";
	}
}
