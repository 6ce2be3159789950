/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/vad_decode.h"

#include "base/util.h"
#include "nt/walk.h"

/* Pool tags of VADs (pooltag.txt): short ones, then long ones. */
#define TAG(a, b, c, d)                                                      \
	((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 |          \
	 (uint32_t)(d) << 24)
#define TAG_VADS TAG('V', 'a', 'd', 'S')
#define TAG_VADF TAG('V', 'a', 'd', 'F')
#define TAG_VAD TAG('V', 'a', 'd', ' ')
#define TAG_VADL TAG('V', 'a', 'd', 'l')
#define TAG_VADM TAG('V', 'a', 'd', 'm')

/* MMVAD_FLAGS2.FileOffset counts units of 64 KB. */
#define FILE_OFFSET_SHIFT 16

static void init_core(struct vds_vad_layout *l, const struct vds_kernel *kernel)
{
	size_t end = l->header + l->core;

	vds_bits_init(&l->left, vds_kf(kernel, VAD_LEFT), l->header, end);
	vds_bits_init(&l->right, vds_kf(kernel, VAD_RIGHT), l->header, end);
	vds_bits_init(&l->parent, vds_kf(kernel, VAD_PARENT), l->header, end);
	vds_bits_init(&l->start, vds_kf(kernel, VAD_START), l->header, end);
	vds_bits_init(&l->end, vds_kf(kernel, VAD_END), l->header, end);
	vds_bits_init(&l->start_high, vds_kf(kernel, VAD_START_HIGH),
		      l->header, end);
	vds_bits_init(&l->end_high, vds_kf(kernel, VAD_END_HIGH), l->header,
		      end);
	vds_bits_init(&l->start_higher, vds_kf(kernel, VAD_START_HIGHER),
		      l->header, end);
	vds_bits_init(&l->end_higher, vds_kf(kernel, VAD_END_HIGHER),
		      l->header, end);
	vds_bits_init(&l->commit, vds_kf(kernel, VAD_COMMIT), l->header, end);
	vds_bits_init(&l->commit_high, vds_kf(kernel, VAD_COMMIT_HIGH),
		      l->header, end);
	vds_bits_init(&l->mem_commit, vds_kf(kernel, VAD_MEM_COMMIT),
		      l->header, end);
	vds_bits_init(&l->type, vds_kf(kernel, VAD_TYPE), l->header, end);
	vds_bits_init(&l->protection, vds_kf(kernel, VAD_PROTECTION),
		      l->header, end);
	vds_bits_init(&l->is_private, vds_kf(kernel, VAD_PRIVATE), l->header,
		      end);
}

static void init_tail(struct vds_vad_layout *l, const struct vds_kernel *kernel)
{
	size_t end = l->header + l->whole;

	vds_bits_init(&l->subsection, vds_kf(kernel, VAD_SUBSECTION),
		      l->header, end);
	vds_bits_init(&l->first_pte, vds_kf(kernel, VAD_FIRST_PTE), l->header,
		      end);
	vds_bits_init(&l->last_pte, vds_kf(kernel, VAD_LAST_PTE), l->header,
		      end);
	vds_bits_init(&l->file_offset, vds_kf(kernel, VAD_FILE_OFFSET),
		      l->header, end);
	vds_bits_init(&l->process, vds_kf(kernel, VAD_PROCESS), l->header, end);
	vds_bits_init(&l->file_object, vds_kf(kernel, VAD_FILE_OBJECT),
		      l->header, end);
}

static void init_layout(struct vds_vad_layout *layout,
			const struct vds_kernel *kernel)
{
	const struct vds_field *commit = vds_kf(kernel, VAD_COMMIT);
	const struct vds_field *tag = vds_kf(kernel, POOL_TAG);
	unsigned int header = vds_ksize(kernel, POOL_HEADER);
	bool la57 = kernel->space.levels > 4;

	*layout = (struct vds_vad_layout){0};
	if (tag->present && header && header <= 16)
		layout->header = header;
	layout->whole = VDS_MIN(vds_ksize(kernel, MMVAD),
				VDS_VAD_BYTES - 16u);
	layout->core = VDS_MIN(vds_ksize(kernel, MMVAD_SHORT), layout->whole);
	layout->commit_high_shift = commit->bit_len ? commit->bit_len : 32;
	layout->higher = la57;
	layout->last_vpn = (UINT64_C(1) << ((la57 ? 56 : 47) - 12)) - 1;
	if (layout->header)
		vds_bits_init(&layout->tag, tag, 0, layout->header);
	init_core(layout, kernel);
	init_tail(layout, kernel);
}

const struct vds_vad_layout *vds_vad_layout(struct vds_task *task)
{
	if (!task->has_vad_layout) {
		init_layout(&task->vad_layout, task->kernel);
		task->has_vad_layout = true;
	}
	return &task->vad_layout;
}

enum vds_why vds_vad_node_read(struct vds_task *task,
			       const struct vds_vad_layout *layout, uint64_t va,
			       struct vds_vad_node *ret)
{
	unsigned int header = layout->header;
	enum vds_why why;

	ret->address = va;
	ret->tag_why = header ? VDS_PRESENT : VDS_NO_FIELD;
	ret->tail_why = VDS_PRESENT;
	if (!vds_task_read(task, va - header, ret->bytes,
			   header + layout->whole))
		return VDS_PRESENT;
	/* Something of it is absent: ask for the parts. */
	memset(ret->bytes, 0, sizeof(ret->bytes));
	why = vds_task_read(task, va, ret->bytes + header, layout->core);
	if (why)
		return why;
	if (header)
		ret->tag_why = vds_task_read(task, va - header, ret->bytes,
					     header);
	if (layout->whole > layout->core)
		ret->tail_why = vds_task_read(
			task, va + layout->core,
			ret->bytes + header + layout->core,
			layout->whole - layout->core);
	return VDS_PRESENT;
}

static uint32_t tag_of(const struct vds_vad_layout *layout,
		       const struct vds_vad_node *node)
{
	/* Bit 31 marks protected blocks up to Windows 7. */
	return (uint32_t)vds_vad_bits(node, &layout->tag) & 0x7fffffff;
}

bool vds_vad_node_tagged(const struct vds_vad_layout *layout,
			 const struct vds_vad_node *node)
{
	if (node->tag_why)
		return false;
	switch (tag_of(layout, node)) {
	case TAG_VAD:
	case TAG_VADS:
	case TAG_VADF:
	case TAG_VADL:
	case TAG_VADM:
		return true;
	}
	return false;
}

static void decode_tag(const struct vds_vad_layout *layout,
		       const struct vds_vad_node *node, struct vds_vad *ret)
{
	uint32_t tag = tag_of(layout, node);

	ret->tag_why = node->tag_why;
	if (ret->tag_why)
		return;
	for (int i = 0; i < 4; i++) {
		char c = (char)(tag >> 8 * i & 0xff);
		if (c < ' ' || c > '~') {
			memset(ret->tag, 0, sizeof(ret->tag));
			ret->tag_why = VDS_BAD_DATA;
			return;
		}
		ret->tag[i] = c;
	}
}

/* VPNs are put together from all their parts before one is added. */
static void decode_range(const struct vds_vad_layout *layout,
			 const struct vds_vad_node *node, struct vds_vad *ret)
{
	uint64_t start = vds_vad_bits(node, &layout->start) |
			 vds_vad_bits(node, &layout->start_high) << 32;
	uint64_t end = vds_vad_bits(node, &layout->end) |
		       vds_vad_bits(node, &layout->end_high) << 32;

	if (layout->higher) {
		start |= vds_vad_bits(node, &layout->start_higher) << 40;
		end |= vds_vad_bits(node, &layout->end_higher) << 40;
	}
	ret->start = start << VDS_PAGE_SHIFT;
	if (start > end || end > layout->last_vpn) {
		ret->range_why = VDS_BAD_DATA;
		end = start;
	}
	ret->end = end << VDS_PAGE_SHIFT | VDS_PAGE_MASK;
}

static void decode_tail(const struct vds_kernel *kernel,
			const struct vds_vad_layout *layout,
			const struct vds_vad_node *node, struct vds_vad *ret)
{
	uint32_t tag = node->tag_why ? 0 : tag_of(layout, node);

	ret->file_offset_why = VDS_NOT_APPLICABLE;
	ret->section_why = VDS_NOT_APPLICABLE;
	/* Whatever follows a short node belongs to somebody else. */
	if (ret->is_private || tag == TAG_VADS || tag == TAG_VADF)
		return;
	ret->section_why = node->tail_why;
	if (ret->section_why)
		return;
	uint64_t subsection = vds_vad_bits(node, &layout->subsection);
	if (!subsection) {
		ret->section_why = VDS_NOT_APPLICABLE;
		return;
	}
	if (!vds_is_kernel_pointer(kernel, subsection, 8)) {
		ret->section_why = VDS_BAD_DATA;
		return;
	}
	ret->has_section = true;
	ret->subsection = subsection;
	ret->first_prototype_pte = vds_vad_bits(node, &layout->first_pte);
	ret->last_contiguous_pte = vds_vad_bits(node, &layout->last_pte);
	/* Low 2 bits: kind of view (MI_REVERSE_VIEW_MAP). */
	ret->vads_process = vds_vad_bits(node, &layout->process) &
			    ~UINT64_C(3);
	ret->file_object = VDS_FAST_REF(vds_vad_bits(node,
						     &layout->file_object));
	ret->file_offset = vds_vad_bits(node, &layout->file_offset)
			   << FILE_OFFSET_SHIFT;
	ret->file_offset_why = layout->file_offset.present ? VDS_PRESENT :
							     VDS_NO_FIELD;
}

void vds_vad_decode(const struct vds_kernel *kernel,
		    const struct vds_vad_layout *layout,
		    const struct vds_vad_node *node, struct vds_vad *ret)
{
	*ret = (struct vds_vad){.node = node->address, .level = node->level};
	/* The low 2 bits of the parent pointer are the balance. */
	ret->parent = vds_vad_bits(node, &layout->parent) & ~UINT64_C(3);
	ret->left = vds_vad_bits(node, &layout->left);
	ret->right = vds_vad_bits(node, &layout->right);
	decode_tag(layout, node, ret);
	decode_range(layout, node, ret);
	ret->type = (enum vds_vad_type)vds_vad_bits(node, &layout->type);
	ret->protection = (uint32_t)vds_vad_bits(node, &layout->protection);
	ret->is_private = vds_vad_bits(node, &layout->is_private);
	ret->mem_commit = vds_vad_bits(node, &layout->mem_commit);
	ret->commit = vds_vad_bits(node, &layout->commit) |
		      vds_vad_bits(node, &layout->commit_high)
			      << layout->commit_high_shift;
	ret->commit_why = layout->commit.present ? VDS_PRESENT : VDS_NO_FIELD;
	decode_tail(kernel, layout, node, ret);
}
