/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which physical address lies behind this virtual address? The walk knows the
 * hardware's formats only (Intel SDM vol. 3A ch. 4); what a not-present entry
 * means to the operating system is asked of a callback.
 */
#ifndef VDS_PAGING_SPACE_H
#define VDS_PAGING_SPACE_H

#include "image/image.h"
#include "vadose/types.h"

/* Address bits 12..51 of a table entry; bit 12 upward of a 4 KiB frame. */
#define VDS_PTE_PFN_MASK UINT64_C(0x000ffffffffff000)
#define VDS_PTE_PRESENT UINT64_C(0x1)
#define VDS_PTE_WRITE UINT64_C(0x2)
#define VDS_PTE_USER UINT64_C(0x4)
#define VDS_PTE_LARGE UINT64_C(0x80)
#define VDS_PTE_NX UINT64_C(0x8000000000000000)

struct vds_space;
struct vds_tlb;

/*
 * Asked when an entry of any level is not present (or a table is unreadable:
 * then @readable is false and @entry 0). @level is 1 for a PTE, 2 PDE, 3
 * PDPTE, 4 PML4E, 5 PML5E. Returns PRESENT and the physical address of the 4
 * KiB page (level 1) or of the next table (level > 1) in *ret_pa; otherwise why
 * not. For level 1 the callback may also resolve a VA whose tables end at a
 * higher level: then *ret_pa is the page of @va, and *ret_final is set true.
 */
typedef enum vds_why vds_resolve_fn(const struct vds_space *space,
				    struct vds_tlb *tlb, uint64_t va,
				    unsigned int level, uint64_t entry,
				    bool readable, uint64_t *ret_pa,
				    bool *ret_final);

/* One address space. Plain data; copy freely. Immutable while in use. */
struct vds_space {
	const struct vds_image *image;
	/* Physical address of the top table; low 12 bits and bit 63 cleared. */
	uint64_t dtb;
	unsigned int levels;	/* 4, or 5 with LA57 */
	/*
	 * A dump without page tables: reads go to these blocks of virtual memory
	 * (sorted, disjoint, of `image`), no address translates, and dtb and
	 * resolve are not used. NULL: through page tables.
	 */
	const struct vds_virtual_block *blocks;
	size_t num_blocks;
	vds_resolve_fn *resolve;	/* NULL: not present = NOT_MAPPED */
	void *ctx;		/* for resolve */
	/*
	 * Cache identity: two spaces used with one vds_tlb must differ in it
	 * unless they translate alike. 0 = don't cache.
	 */
	uint64_t id;
};

/* True if @va is canonical for the space's number of levels. */
bool vds_space_is_canonical(const struct vds_space *space, uint64_t va);

/*
 * A bounded translation cache for one task at a time; a few hundred KB. NULL
 * is accepted wherever a tlb is taken, and means no caching.
 */
struct vds_tlb *vds_tlb_create(void);
void vds_tlb_destroy(struct vds_tlb *tlb);
void vds_tlb_clear(struct vds_tlb *tlb);

/*
 * Physical address of @va in *ret_pa, and in *ret_left (may be NULL) how many
 * bytes of the same 4 KiB (also of a large page) lie from there on. Says
 * nothing about whether those bytes are in the image.
 */
enum vds_why vds_space_translate(const struct vds_space *space,
				 struct vds_tlb *tlb, uint64_t va,
				 uint64_t *ret_pa, uint64_t *ret_left);

/*
 * Reads [va, va + len). Anything but PRESENT is the reason of the first byte
 * that is absent; @buf is undefined then. A range that wraps is BAD_ADDRESS.
 */
enum vds_why vds_space_read(const struct vds_space *space, struct vds_tlb *tlb,
			    uint64_t va, void *buf, size_t len);

/* A little-endian u64 or u32. */
enum vds_why vds_space_read_u64(const struct vds_space *space,
				struct vds_tlb *tlb, uint64_t va,
				uint64_t *ret);
enum vds_why vds_space_read_u32(const struct vds_space *space,
				struct vds_tlb *tlb, uint64_t va,
				uint32_t *ret);

/*
 * Reads as much as there is, page by page: absent pages are filled with zeros.
 * @page_why (may be NULL) receives one reason per touched page, in order; it
 * must hold vds_pages_spanned(va, len) values. Returns the bytes present.
 */
size_t vds_space_read_partial(const struct vds_space *space,
			      struct vds_tlb *tlb, uint64_t va, void *buf,
			      size_t len, enum vds_why *page_why);
size_t vds_pages_spanned(uint64_t va, size_t len);

/* What one level of a walk saw. */
struct vds_walk_step {
	unsigned int level;	/* 5 .. 1 */
	uint64_t entry_pa;	/* physical address of the table entry */
	uint64_t entry;		/* its content, if readable */
	enum vds_why why;	/* PRESENT = readable */
	bool present;		/* hardware-present */
	bool resolved;		/* not present, but the callback found the table */
};

/* A whole walk, for vtop and for evidence. */
struct vds_walk {
	struct vds_walk_step steps[5];
	size_t num_steps;
	enum vds_why why;	/* of the translation as a whole */
	uint64_t pa;		/* if why is PRESENT */
	uint64_t page_size;	/* 4 KiB, 2 MiB or 1 GiB, if hardware-mapped */
	bool hardware;		/* present at every level */
	/* Effective rights over all levels, if hardware. */
	bool writable, user, executable;
	bool upper_writable;	/* all levels above the last one allow writes */
};

void vds_space_walk(const struct vds_space *space, struct vds_tlb *tlb,
		    uint64_t va, struct vds_walk *ret);
/*
 * The same for whom the last step is enough: where the cache knows the table
 * of the last level, the steps above it are left out. All spaces of one dtb
 * that are walked so must resolve upper levels alike.
 */
void vds_space_walk_page(const struct vds_space *space, struct vds_tlb *tlb,
			 uint64_t va, struct vds_walk *ret);

#endif
