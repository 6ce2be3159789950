/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is there a Windows kernel at this address, and which PDB is it of? Reads a
 * PE image as it lies in memory (Microsoft's PE/COFF specification): headers,
 * section names, export name, CodeView record.
 */
#ifndef VDS_NT_PE_RSDS_H
#define VDS_NT_PE_RSDS_H

#include "nt/kernel.h"

/* Reads the image's own address space: the PE lies at base + rva. */
typedef enum vds_why vds_pe_read_fn(void *ctx, uint64_t va, void *buf,
				    size_t len);

struct vds_pe_identity {
	uint32_t size;		/* SizeOfImage, bytes */
	uint32_t timestamp;
	uint16_t machine;	/* IMAGE_FILE_MACHINE_* */
	bool has_poolcode;	/* a section POOLCODE */
	bool is_ntoskrnl;	/* exported as ntoskrnl.exe */
	bool has_pdb;		/* a CodeView 7.0 record was read */
	struct vds_pdb_id pdb;
};

/* More than any kernel; what a header says beyond is not believed. */
#define VDS_PE_SIZE_MAX UINT32_C(0x4000000)

/*
 * Reads the PE at @base. BAD_DATA if there is none; PRESENT if the headers are
 * sound, with whatever of the rest could be read.
 */
enum vds_why vds_pe_identify(vds_pe_read_fn *read, void *ctx, uint64_t base,
			     struct vds_pe_identity *ret);

/*
 * Searches the image's pages for a CodeView record of a kernel's PDB, for when
 * the debug directory is not resident. True if found.
 */
bool vds_pe_search_rsds(vds_pe_read_fn *read, void *ctx, uint64_t base,
			uint32_t size, struct vds_pdb_id *ret);

/* True for the PDB names that NT kernels have ("ntkrnlmp.pdb", ...). */
bool vds_pdb_is_kernel(const char *name);

#endif
