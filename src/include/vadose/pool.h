/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel pool: the table of big allocations, and the block round an address. */
#ifndef VADOSE_POOL_H
#define VADOSE_POOL_H

#include <vadose/run.h>
#include <vadose/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One used slot of PoolBigPageTable. */
struct vds_big_page {
	uint64_t va;		/* first byte, page-aligned */
	uint64_t size;		/* NumberOfBytes */
	uint64_t slot;		/* its index in the table */
	uint64_t process;	/* ProcessBilled; see process_why */
	enum vds_why process_why;
	uint32_t tag;		/* Key */
	uint32_t pool_type;	/* PoolType, raw */
	bool free;		/* the block was given back (bit 0 of Va) */
};

/*
 * The used slots of the table of big allocations, in table order; borrowed
 * until run() returns. *ret_why: PRESENT, or why the table can't be had
 * (then nothing is returned). Unreadable parts of the table are noted.
 * Errors: out of memory.
 */
VDS_EXPORT struct vds_error *
vds_big_pages_load(struct vds_run *run, const struct vds_big_page **ret,
		   size_t *ret_count, enum vds_why *ret_why);

/* How a block was found, best first. */
enum vds_pool_method {
	VDS_POOL_BIG_PAGES = 1,	/* the table of big allocations */
	VDS_POOL_CHAIN = 2,	/* block sizes lead there from the page's start */
	VDS_POOL_HEADER = 3,	/* the nearest plausible header before it */
};
/* "big-page table", "chain", "header". */
VDS_EXPORT const char *vds_pool_method_str(enum vds_pool_method method);

/* A block of pool. */
struct vds_pool_block {
	uint64_t address;	/* of its POOL_HEADER, or of the allocation */
	uint64_t data;		/* first byte that its owner sees */
	uint64_t size;		/* bytes from `address` */
	uint64_t previous_size;	/* bytes; 0 with big pages and segment heaps */
	uint32_t tag;		/* bit 31 (protected) as stored */
	uint32_t pool_type;	/* raw */
	enum vds_pool_method method;
	bool allocated;
};

/*
 * The block that kernel address @va lies in. Needs the used slots of
 * vds_big_pages_load() (@big may be NULL: none). NOT_APPLICABLE if no
 * plausible block covers it, BAD_ADDRESS if it isn't a kernel address,
 * otherwise why its page can't be read.
 */
VDS_EXPORT enum vds_why vds_pool_block_at(struct vds_run *run, uint64_t va,
					  const struct vds_big_page *big,
					  size_t num_big,
					  struct vds_pool_block *ret);

/*
 * True if kernel pool is made of segment heaps (1903 and later), where
 * POOL_HEADER.PreviousSize means nothing. Told by the types of the profile.
 */
VDS_EXPORT bool vds_pool_is_segment_heap(const struct vds_run *run);

/* The fields of a POOL_HEADER; sizes in bytes. */
struct vds_pool_header {
	uint32_t size, previous_size;
	uint32_t pool_type;
	uint32_t tag;
};

/*
 * Decodes a POOL_HEADER (@len bytes of it at @data). BAD_DATA if it cannot be
 * one: no size, a tag that isn't text, a size that crosses the page in which
 * it lies at offset @in_page. NO_FIELD without the type.
 */
VDS_EXPORT enum vds_why vds_pool_header_decode(const struct vds_run *run,
					       const void *data, size_t len,
					       uint32_t in_page,
					       struct vds_pool_header *ret);

/* The tag as text, what isn't printable as \xNN; in run's memory, or NULL. */
VDS_EXPORT const char *vds_pool_tag_str(struct vds_run *run, uint32_t tag);
/* "PagedPool", "NonPagedPoolNx", ... by the profile's enum; NULL if unknown. */
VDS_EXPORT const char *vds_pool_type_str(const struct vds_run *run,
					 uint32_t pool_type);

/* What memory-manager and object tags promise to lie in a block. */
enum vds_pool_content {
	VDS_POOL_OTHER = 0,	/* a tag that nothing is known of */
	VDS_POOL_PROCESS = 1,	/* Proc */
	VDS_POOL_VAD = 2,	/* Vad, VadS, VadF, Vadl, Vadm */
	VDS_POOL_CONTROL_AREA = 3,	/* MmCa, MmCi */
	VDS_POOL_SEGMENT = 4,	/* MmSm */
	VDS_POOL_PROTOTYPES = 5,	/* MmSt */
	VDS_POOL_SECTION = 6,	/* Sect */
	VDS_POOL_FILE = 7,	/* File */
};
/* "process", "vad", ..., "other"; static storage. */
VDS_EXPORT const char *vds_pool_content_str(enum vds_pool_content content);
VDS_EXPORT enum vds_pool_content vds_pool_content_of(uint32_t tag);
/* The tags whose content is known, four letters each; NULL past the last. */
VDS_EXPORT const char *vds_pool_known_tag(size_t index);

struct vds_pool_check;

/* What vds_pool_check_block() needs to know once. Errors: out of memory. */
VDS_EXPORT struct vds_error *
vds_pool_check_load(struct vds_run *run, const struct vds_pool_check **ret);

/*
 * Is there in @block what its tag promises? Freed blocks keep their tags, and
 * any bytes may look like a header, so only what points back at itself counts:
 * a segment at its control area, a prototype PTE's frame at the PTE, an
 * object's header at its type. PRESENT: *ret is the address of the object.
 * BAD_DATA: it isn't there. NOT_APPLICABLE: nothing to tell by. Otherwise why
 * it can't be told. May be called on any run of vds_parallel().
 */
VDS_EXPORT enum vds_why
vds_pool_check_block(struct vds_run *run, const struct vds_pool_check *check,
		     const struct vds_pool_block *block, uint64_t *ret);

/* What to look for, and who is told. */
struct vds_pool_scan {
	/* May be called on several threads at once. */
	bool (*want)(const void *ctx, uint32_t tag);
	/*
	 * Called for each block with a wanted tag, on any run of vds_parallel();
	 * what it emits comes out in a fixed order. @block->address is 0 if
	 * nothing tells where the kernel sees it. @pa: of the POOL_HEADER; NULL
	 * for blocks of the big-page table, which come first.
	 */
	struct vds_error *(*visit)(struct vds_run *run, void *ctx,
				   const struct vds_pool_block *block,
				   const uint64_t *pa);
	void *ctx;
	/* A bit per first two bytes that a wanted tag may begin with. */
	uint8_t begin[65536 / 8];
	bool all;		/* free blocks too */
};

/* Marks @letters, the first two of a wanted tag, in @how. */
static inline void vds_pool_scan_begin(struct vds_pool_scan *how,
				       const char *letters)
{
	unsigned int pair = (unsigned char)letters[0] |
			    (unsigned int)(unsigned char)letters[1] << 8;
	how->begin[pair >> 3] |= (uint8_t)(1u << (pair & 7));
}

/* Scans all of memory for blocks of kernel pool. Notes what it can't do. */
VDS_EXPORT struct vds_error *vds_pool_scan(struct vds_run *run,
					   const struct vds_pool_scan *how);

#ifdef __cplusplus
}
#endif
#endif
