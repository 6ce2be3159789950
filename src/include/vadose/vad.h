/* SPDX-License-Identifier: Apache-2.0 */
/* Virtual address descriptors: the ranges that make a process's user space. */
#ifndef VADOSE_VAD_H
#define VADOSE_VAD_H

#include <vadose/process.h>

#ifdef __cplusplus
extern "C" {
#endif

/* MI_VAD_TYPE as the kernel stores it. */
enum vds_vad_type {
	VDS_VAD_NONE = 0,
	VDS_VAD_DEVICE_PHYSICAL = 1,
	VDS_VAD_IMAGE = 2,
	VDS_VAD_AWE = 3,
	VDS_VAD_WRITE_WATCH = 4,
	VDS_VAD_LARGE_PAGES = 5,
	VDS_VAD_ROTATE_PHYSICAL = 6,
	VDS_VAD_LARGE_PAGE_SECTION = 7,
};

/*
 * One VAD node. Members past `has_section` are valid only if it is true
 * (a long node: not private memory, and a plausible Subsection).
 */
struct vds_vad {
	uint64_t node;		/* virtual address of the MMVAD(_SHORT) */
	uint64_t parent, left, right;	/* node addresses, 0 = none */
	uint64_t start;		/* first byte */
	uint64_t end;		/* last byte, inclusive */
	uint32_t level;		/* 0 = root */
	char tag[5];		/* pool tag ("Vad ", "VadS"); "" if unreadable */
	enum vds_why tag_why;
	enum vds_vad_type type;
	uint32_t protection;	/* 5-bit MM protection code */
	bool is_private;	/* PrivateMemory */
	bool mem_commit;	/* MemCommit, where the layout has it */
	uint64_t commit;	/* charged pages */
	enum vds_why commit_why;
	bool has_section;
	enum vds_why section_why;	/* why not, if !has_section */
	uint64_t subsection;	/* address of the SUBSECTION */
	uint64_t first_prototype_pte;	/* address of the first prototype PTE */
	uint64_t last_contiguous_pte;	/* inclusive; may be all ones for images */
	uint64_t file_object;	/* MMVAD.FileObject, 0 = none or no such member */
	uint64_t vads_process;	/* VadsProcess without flag bits, 0 = none */
	uint64_t file_offset;	/* MMVAD_FLAGS2.FileOffset in bytes; see why */
	enum vds_why file_offset_why;
	/*
	 * Control area, from the subsection. Lazily resolved by
	 * vds_vad_section(); 0 before.
	 */
	uint64_t control_area;
	/*
	 * BAD_DATA if the stored range is impossible (end below start, or past
	 * the end of user space): then `end` is that of the first page only.
	 */
	enum vds_why range_why;
};

struct vds_vad_iter;

/*
 * Iterates the process's VAD tree in ascending order of address. Loops, bad
 * pointers and overlaps become notes; siblings are still visited. Never NULL
 * but when out of memory (then vds_vad_next(NULL) is NULL and noted).
 */
VDS_EXPORT struct vds_vad_iter *
vds_vad_iterate(const struct vds_process *process);
/* The next VAD, borrowed until the call after next; NULL at the end. */
VDS_EXPORT const struct vds_vad *vds_vad_next(struct vds_vad_iter *iter);

/*
 * Iterates VADs once more that an iterator has handed out: those at @nodes, which
 * stay the caller's and have to outlive the iterator. They come as they came
 * then, but for their level, which is 0; no checks are made a second time.
 */
VDS_EXPORT struct vds_vad_iter *
vds_vads_again(const struct vds_process *process, const uint64_t *nodes,
	       size_t count);

/*
 * The single VAD at kernel address @node, whoever pointed there (a control
 * area's list of views, an address typed in). level is 0. BAD_DATA if the bytes
 * are no plausible VAD: pool tag of none (where it can be read), start > end, or
 * a range that is not in user space.
 */
VDS_EXPORT enum vds_why vds_vad_at(const struct vds_process *process,
				   uint64_t node, struct vds_vad *ret);

/*
 * "private", "mapped", "image", "physical", "awe", "write-watch",
 * "large-pages", "rotate", "large-section"; static storage. VDS_VAD_NONE is
 * "private" or "mapped" by @is_private.
 */
VDS_EXPORT const char *vds_vad_type_str(enum vds_vad_type type,
					bool is_private);

/*
 * The VAD that covers user address @va, by descending the tree, in *ret.
 * NOT_MAPPED if none does; otherwise why the search broke off.
 */
VDS_EXPORT enum vds_why vds_vad_find(const struct vds_process *process,
				     uint64_t va, struct vds_vad *ret);

/* "PAGE_EXECUTE_READWRITE", with "|PAGE_GUARD" etc. appended; static storage. */
VDS_EXPORT const char *vds_protection_str(uint32_t protection);
/* "EXECUTE_READWRITE" bits of the low three bits of the protection code. */
VDS_EXPORT bool vds_protection_readable(uint32_t protection);
VDS_EXPORT bool vds_protection_writable(uint32_t protection);
VDS_EXPORT bool vds_protection_executable(uint32_t protection);
/* WRITECOPY kinds. */
VDS_EXPORT bool vds_protection_copy_on_write(uint32_t protection);

#ifdef __cplusplus
}
#endif
#endif
