/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of kernel globals that a crash dump states: in its header, and in
 * the debugger's data block (KDDEBUGGER_DATA64). Together they are a
 * fingerprint of the kernel, as the globals of no two builds lie alike.
 */
#ifndef VDS_NT_ANCHORS_H
#define VDS_NT_ANCHORS_H

#include "nt/kernel.h"
#include "profile/store.h"

struct vds_anchor {
	const char *symbol;	/* "PsLoadedModuleList" */
	uint64_t va;
};

#define VDS_MAX_ANCHORS 32
/* Of KDDEBUGGER_DATA64; what is longer is cut. */
#define VDS_KDBG_MAX 0x400

struct vds_anchors {
	struct vds_anchor list[VDS_MAX_ANCHORS];
	size_t count;
	/* The debugger's data block; size 0: it isn't there. */
	uint8_t block[VDS_KDBG_MAX];
	size_t block_size;
	uint64_t kernel_base;	/* KernBase of that block, 0 = not said */
	uint64_t build_lab;	/* its NtBuildLab, or NtBuildLabEx; 0 = not said */
};

/*
 * What the image of @kernel states; needs kernel->space, and kernel->base and
 * ->size to leave out what doesn't lie in the kernel (0: not known yet).
 * Header and block contradicting each other is noted in kernel->notes.
 */
void vds_anchors_collect(struct vds_kernel *kernel, struct vds_anchors *ret);

/* How many of @anchors @profile confirms, and how many it denies. */
void vds_anchors_match(const struct vds_anchors *anchors,
		       const struct vds_profile *profile, uint64_t base,
		       unsigned int *ret_agree, unsigned int *ret_differ);

/*
 * The base that the first anchor in @profile gives the kernel; 0 if there is
 * none, or if it isn't where an image can begin.
 */
uint64_t vds_anchors_base(const struct vds_anchors *anchors,
			  const struct vds_profile *profile);

/*
 * The one profile among @entries that confirms all anchors: at least two, or
 * three if @base is 0 and one of them has to give it. *ret is NULL if there is
 * none, or more than one; *ret_agree says how many anchors it confirms. Errors:
 * those of loading.
 */
struct vds_error *vds_anchors_find(const struct vds_anchors *anchors,
				   uint64_t base,
				   const struct vds_store_entry *entries,
				   size_t count, struct vds_profile **ret,
				   unsigned int *ret_agree);

/*
 * How well the bound layouts fit the sizes and offsets that the debugger's data
 * block states, and the lengths of the dump's copies: agreements less
 * contradictions.
 */
int vds_anchors_fit(const struct vds_anchors *anchors,
		    const struct vds_kernel *kernel);

/* Sets those of @kernel's bound symbols that the anchors state. */
void vds_anchors_bind(const struct vds_anchors *anchors,
		      struct vds_kernel *kernel);

#endif
