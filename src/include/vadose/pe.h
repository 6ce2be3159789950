/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PE images as they lie in memory: sections, exports, relocations of one page.
 * Formats after Microsoft's "PE Format" specification. Nothing in the image is
 * trusted: counts are capped, and every byte comes through a callback.
 */
#ifndef VADOSE_PE_H
#define VADOSE_PE_H

#include <stdbool.h>

#include <vadose/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Reads [rva, rva + len) of the image; PRESENT, or why not. */
typedef enum vds_why vds_pe_read_fn(void *ctx, uint32_t rva, void *buf,
				    size_t len);

/* As many sections as Windows itself accepts. */
#define VDS_PE_MAX_SECTIONS 96
/* Bytes of an export's name, with its NUL. */
#define VDS_PE_NAME_SIZE 128

/* IMAGE_SCN_MEM_EXECUTE and _WRITE. */
#define VDS_PE_EXECUTE 0x20000000u
#define VDS_PE_WRITE 0x80000000u

struct vds_pe_section {
	char name[9];		/* printable ASCII, '?' for anything else */
	uint32_t rva, size;	/* VirtualAddress, VirtualSize */
	uint32_t flags;		/* Characteristics */
};

struct vds_pe_directory {
	uint32_t rva, size;	/* bytes; 0, 0 = none */
};

struct vds_pe {
	uint64_t image_base;
	uint32_t image_size;	/* SizeOfImage */
	uint32_t header_size;	/* SizeOfHeaders */
	bool is_64;		/* PE32+ */
	struct vds_pe_directory exports, relocations, import_addresses;
	struct vds_pe_section sections[VDS_PE_MAX_SECTIONS];
	size_t num_sections;
};

/* Reads the headers. BAD_DATA if there is no PE image. */
VDS_EXPORT enum vds_why vds_pe_parse(vds_pe_read_fn *read, void *ctx,
				     struct vds_pe *ret);
/* Indices of the optional header's data directories (IMAGE_DIRECTORY_ENTRY_*). */
#define VDS_PE_CLR 14u	/* of managed code */

/* Any data directory by its index. NOT_APPLICABLE if the image has none such. */
VDS_EXPORT enum vds_why
vds_pe_directory_at(vds_pe_read_fn *read, void *ctx, uint32_t index,
		    struct vds_pe_directory *ret);
/* The section that @rva lies in, or NULL. */
VDS_EXPORT const struct vds_pe_section *
vds_pe_section_at(const struct vds_pe *pe, uint32_t rva);
/*
 * The name of the last exported function at or before @rva in its section,
 * and how many bytes before. NOT_APPLICABLE if there is none (or it has no
 * name); otherwise why the tables can't be read.
 */
VDS_EXPORT enum vds_why vds_pe_export_at(vds_pe_read_fn *read, void *ctx,
					 const struct vds_pe *pe, uint32_t rva,
					 char ret_name[VDS_PE_NAME_SIZE],
					 uint32_t *ret_distance);
/*
 * Offsets in the page at @page_rva of the pointers (8 bytes, 4 in PE32) that
 * base relocations change; a pointer may reach into the next page. *ret_count
 * of them, at most @max. NOT_APPLICABLE if the image has no relocations.
 */
VDS_EXPORT enum vds_why vds_pe_relocations_of(vds_pe_read_fn *read, void *ctx,
					      const struct vds_pe *pe,
					      uint32_t page_rva, uint16_t *ret,
					      size_t max, size_t *ret_count);
/*
 * RVAs of the variables that the loader points to its own functions (control
 * flow guard and its successors), as the load configuration names them: among
 * read-only data, but different in every process. *ret_count of them, at most
 * @max. NOT_APPLICABLE if the image has none.
 */
VDS_EXPORT enum vds_why vds_pe_guard_pointers(vds_pe_read_fn *read, void *ctx,
					      const struct vds_pe *pe,
					      uint32_t *ret, size_t max,
					      size_t *ret_count);

#ifdef __cplusplus
}
#endif
#endif
