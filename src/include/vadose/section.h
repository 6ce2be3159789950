/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sections: the control area (one per mapped file and use, or per
 * pagefile-backed section), its segment and its subsections.
 */
#ifndef VADOSE_SECTION_H
#define VADOSE_SECTION_H

#include <vadose/page.h>
#include <vadose/run.h>
#include <vadose/vad.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vds_backing {
	VDS_BACKING_UNKNOWN = 0,
	VDS_BACKING_PAGEFILE = 1,
	VDS_BACKING_DATA = 2,		/* data file */
	VDS_BACKING_IMAGE = 3,		/* executable image */
	VDS_BACKING_PHYSICAL = 4,	/* physical memory */
};

/* "pagefile", "data", "image", "physical", "unknown". */
VDS_EXPORT const char *vds_backing_str(enum vds_backing backing);

struct vds_subsection {
	uint64_t address;	/* of the SUBSECTION */
	uint64_t base;		/* first prototype PTE, 0 = none yet */
	uint32_t ptes;		/* PtesInSubsection */
	uint32_t protection;	/* 5-bit code */
	uint64_t first_page;	/* index of its first PTE within the section */
	uint64_t file_offset;	/* bytes, of its first page in the file */
	uint64_t file_bytes;	/* bytes of it that come from the file */
};

/* A control area with all that hangs on it. Handed out as const; may grow. */
struct vds_section {
	uint64_t control_area;
	enum vds_why why;	/* PRESENT, or why the control area is unusable */
	uint64_t segment;
	uint64_t total_ptes;	/* Segment.TotalNumberOfPtes */
	uint64_t size;		/* Segment.SizeOfSegment, bytes */
	enum vds_why size_why;
	enum vds_backing backing;
	uint32_t flags;		/* u.Flags, raw */
	uint64_t mapped_views;
	uint64_t section_references;
	uint64_t user_references;
	uint64_t pfn_references;
	bool file_deleted;	/* FILE_OBJECT.DeletePending, or FilePointerNull */
	uint64_t file_object;	/* 0 = none */
	uint64_t file_identity;	/* SECTION_OBJECT_POINTERS: joins data and image */
	const char *file_name;	/* NULL: see file_name_why */
	enum vds_why file_name_why;
	/* Creator of a pagefile-backed section, where the layout has it. */
	uint32_t creator_pid;
	enum vds_why creator_why;
	const struct vds_subsection *subsections;
	size_t num_subsections;
	bool subsections_complete;	/* false: chain cut short, see notes */
	/*
	 * The control area has no file (any more): file_object and what follows
	 * from it are those of the view's MMVAD.FileObject.
	 */
	bool file_from_view;
	/* NumberOfSystemCacheViews, a part of mapped_views. */
	uint64_t cache_views;
	enum vds_why cache_views_why;
};

/* "control_area" or "vad": where file_name comes from; NULL = no file. */
VDS_EXPORT const char *
vds_section_file_source_str(const struct vds_section *section);

/*
 * The section behind a VAD: found through its subsection. NULL if the VAD has
 * none; otherwise never NULL (out of memory ends the run) but perhaps with
 * `why` set. Cached; borrowed until run() returns.
 */
VDS_EXPORT const struct vds_section *
vds_vad_section(const struct vds_process *process, const struct vds_vad *vad);

/*
 * The control area's address alone (one read per subsection): what there is to
 * know about it is the same for all views, so it may be decoded later, once.
 */
VDS_EXPORT enum vds_why vds_vad_control_area(const struct vds_process *process,
					     const struct vds_vad *vad,
					     uint64_t *ret);

/* The section of a control area's address. */
VDS_EXPORT const struct vds_section *
vds_section_at(const struct vds_process *process, uint64_t control_area);

/*
 * Index within the section (in pages) of the prototype PTE at @pte, if one of
 * its subsections holds it. False if none does.
 */
VDS_EXPORT bool vds_section_page_of(const struct vds_section *section,
				    uint64_t pte, uint64_t *ret);
/* Address of the section's prototype PTE number @page; false if out of range. */
VDS_EXPORT bool vds_section_pte_of(const struct vds_section *section,
				   uint64_t page, uint64_t *ret);
/* The subsection that holds prototype PTE address @pte, or NULL. */
VDS_EXPORT const struct vds_subsection *
vds_section_subsection_of(const struct vds_section *section, uint64_t pte);

/* One page of a section, as its prototype PTE says. */
struct vds_section_page {
	enum vds_page_state state;	/* PRESENT, TRANSITION, or where it is */
	uint64_t pte_address;	/* of the prototype PTE; 0 = none */
	uint64_t pte;		/* its content */
	enum vds_why pte_why;	/* whether it could be read */
	uint64_t pa;		/* PRESENT, TRANSITION: physical address */
};

/* Looks at page number @page of the section (RESERVED if it has none). */
VDS_EXPORT void vds_section_page_at(const struct vds_process *process,
				    const struct vds_section *section,
				    uint64_t page,
				    struct vds_section_page *ret);
/*
 * Looks at the section's pages from @page on, up to @max (at least 1) of them
 * at a time: as many as lie in one piece of one array. *ret_alike is how many
 * pages from @page on the first result speaks for: 1, but more where there is
 * no array, or where what it lies in is absent as a whole (it then returns 1).
 * A sparse section of terabytes is crossed in few steps.
 */
VDS_EXPORT size_t vds_section_pages_at(const struct vds_process *process,
				       const struct vds_section *section,
				       uint64_t page,
				       struct vds_section_page *ret, size_t max,
				       uint64_t *ret_alike);
/*
 * Of a page whose state is PAGEFILE: the number of the page file, and the page's
 * offset in it, in pages. False of any other.
 */
VDS_EXPORT bool vds_section_page_pagefile(const struct vds_process *process,
					  const struct vds_section_page *page,
					  uint32_t *ret_number,
					  uint64_t *ret_offset);
/*
 * Reads the 4096 bytes of the section's page as all views share it (private
 * copies aside). PAGED_OUT if it is resident nowhere, NOT_MAPPED if the section
 * has no such page, NOT_IN_IMAGE as ever.
 */
VDS_EXPORT enum vds_why vds_section_read_page(const struct vds_process *process,
					      const struct vds_section *section,
					      uint64_t page, void *buf);

/* Where a view on a control area's own list lives. */
enum vds_view_owner {
	VDS_VIEW_PROCESS = 1,	/* a VAD of a process */
	VDS_VIEW_SESSION = 2,	/* session space */
	VDS_VIEW_SYSTEM = 3,	/* system space: the file cache, drivers */
};

/* One entry of the list of views that a control area keeps itself. */
struct vds_listed_view {
	enum vds_view_owner owner;
	uint64_t links;		/* address of the LIST_ENTRY */
	uint64_t vad;		/* PROCESS: address of the MMVAD */
	uint64_t eprocess;	/* PROCESS: VadsProcess */
	uint64_t va;		/* SESSION, SYSTEM: first byte of the view */
	uint64_t subsection;	/* SESSION, SYSTEM: 0 = not stated */
	uint64_t offset;	/* SESSION, SYSTEM: bytes in the section */
	enum vds_why offset_why;
};

/*
 * The views that @control_area itself lists (CONTROL_AREA.ListHead, ViewList on
 * Windows 7), whatever the VAD trees say: also of processes and VADs that were
 * unlinked. *ret_count of them, in list order; borrowed until run() returns.
 * *ret_why: PRESENT if the list came back to its head, otherwise why it did not
 * (the entries before are there), NO_FIELD if the layout has no such list.
 */
VDS_EXPORT const struct vds_listed_view *
vds_section_listed_views(const struct vds_process *process,
			 uint64_t control_area, size_t *ret_count,
			 enum vds_why *ret_why);

#ifdef __cplusplus
}
#endif
#endif
