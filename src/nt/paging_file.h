/* SPDX-License-Identifier: Apache-2.0 */
/* Page files: which of their numbers stand for the compressed store. */
#ifndef VDS_NT_PAGING_FILE_H
#define VDS_NT_PAGING_FILE_H

#include "nt/kernel.h"

/*
 * Sets kernel->pte.virtual_stores. Windows 10 and later keep compressed pages
 * under the number of a page file that has no file (MMPAGING_FILE.
 * VirtualStorePagefile). Where that can't be read it stays 0, and such pages
 * are "pagefile" as their entries say.
 */
void vds_paging_files_find(struct vds_kernel *kernel, struct vds_tlb *tlb);

#endif
