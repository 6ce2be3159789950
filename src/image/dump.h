/* SPDX-License-Identifier: Apache-2.0 */
/* Windows crash dumps: what the files dump*.c share. */
#ifndef VDS_IMAGE_DUMP_H
#define VDS_IMAGE_DUMP_H

#include "base/bytes.h"
#include "image/format.h"

#define VDS_DUMP_HEADER32 0x1000
#define VDS_DUMP_HEADER64 0x2000

/* Fields that the writer didn't set keep this filler. */
#define VDS_DUMP_UNSET32 0x45474150u	/* "PAGE" */
#define VDS_DUMP_UNSET64 UINT64_C(0x4547415045474150)

struct vds_dump {
	struct vds_image *image;
	uint8_t header[VDS_DUMP_HEADER64];
	uint64_t header_size;	/* bytes of it: 0x1000 or 0x2000 */
	bool wide;		/* 64-bit form */
	uint32_t type;		/* DumpType */
	uint64_t size;		/* of the file */
	uint64_t lost;		/* pages that the file should hold but doesn't */
};

/*
 * Adds @count pages from page frame @pfn on, at file offset @source. Pages
 * behind the end of the file are counted as lost.
 */
struct vds_error *vds_dump_add_pages(struct vds_dump *dump, uint64_t pfn,
				     uint64_t count, uint64_t source);

/* SDMP/FDMP: a bitmap of the page frames that follow. */
struct vds_error *vds_dump_open_bitmap(struct vds_dump *dump);
/* RDMP: a list of runs of page frames. */
struct vds_error *vds_dump_open_runs(struct vds_dump *dump);
/* Triage dump: blocks of virtual memory, no physical pages. */
struct vds_error *vds_dump_open_triage(struct vds_dump *dump);

/* Where the fields of TRIAGE_DUMP64 lie in it. */
#define VDS_TRIAGE_SIZE 0x80
#define VDS_TRIAGE_DUMP_SIZE 0x04	/* SizeOfDump */
#define VDS_TRIAGE_VALID 0x08
#define VDS_TRIAGE_MM 0x14
#define VDS_TRIAGE_UNLOADED 0x18
#define VDS_TRIAGE_PRCB 0x1c
#define VDS_TRIAGE_PROCESS 0x20
#define VDS_TRIAGE_THREAD 0x24
#define VDS_TRIAGE_STACK 0x28
#define VDS_TRIAGE_STACK_SIZE 0x2c
#define VDS_TRIAGE_DRIVERS 0x30
#define VDS_TRIAGE_NUM_DRIVERS 0x34
#define VDS_TRIAGE_STRINGS 0x38
#define VDS_TRIAGE_STACK_VA 0x48	/* TopOfStack: the lowest address */
#define VDS_TRIAGE_PAGE_VA 0x60
#define VDS_TRIAGE_PAGE 0x68
#define VDS_TRIAGE_PAGE_SIZE 0x6c
#define VDS_TRIAGE_DEBUGGER 0x70
#define VDS_TRIAGE_DEBUGGER_SIZE 0x74
#define VDS_TRIAGE_BLOCKS 0x78
#define VDS_TRIAGE_NUM_BLOCKS 0x7c

/* A triage dump that is being opened. */
struct vds_triage {
	struct vds_dump *dump;
	uint64_t at;		/* file offset of the triage header */
	uint8_t header[VDS_TRIAGE_SIZE];
	uint64_t limit;		/* nothing lies beyond: SizeOfDump or the file */
	uint64_t lost;		/* bytes that lie between the two */
};

/* A field of the triage header; 0 if it isn't set. */
static inline uint32_t vds_triage_u32(const struct vds_triage *t,
				      unsigned int field)
{
	uint32_t v = vds_le32(t->header + field);
	return v == VDS_DUMP_UNSET32 ? 0 : v;
}

/*
 * VDS_ERROR_FORMAT if @len bytes from file offset @offset on, as @field at
 * file offset @at says, don't lie in the dump.
 */
struct vds_error *vds_triage_check(const struct vds_triage *t, uint64_t at,
				   const char *field, uint64_t offset,
				   uint64_t len);
/* How many of these bytes the file holds. */
uint64_t vds_triage_available(const struct vds_triage *t, uint64_t offset,
			      uint64_t len);
/* image->modules, and which of them is the kernel. */
struct vds_error *vds_triage_add_modules(struct vds_triage *t);

#endif
