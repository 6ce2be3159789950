/* SPDX-License-Identifier: Apache-2.0 */
/* Windows crash dumps: what the files dump*.c share. */
#ifndef VDS_IMAGE_DUMP_H
#define VDS_IMAGE_DUMP_H

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

#endif
