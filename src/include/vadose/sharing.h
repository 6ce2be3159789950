/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who shares which memory: every view of every process that is backed by
 * prototype PTEs, grouped by overlap of prototype ranges within a control area.
 *
 * Two views share if some page of the section lies in both, whatever their
 * first prototype PTE is; two views of one process count like any other two.
 * The same file through two control areas (data and image) is not the same
 * memory: such sections are related by file identity only.
 */
#ifndef VADOSE_SHARING_H
#define VADOSE_SHARING_H

#include <vadose/object.h>
#include <vadose/section.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How well a claim of sharing is proven, best first. */
enum vds_grade {
	VDS_GRADE_NONE = 0,	/* not verified, or nothing is shared */
	VDS_GRADE_HARDWARE = 1,	/* A: page tables of two views lead to one frame */
	VDS_GRADE_PFN = 2,	/* B: the PFN database agrees with the prototypes */
	VDS_GRADE_STRUCTURAL = 3,	/* C: same prototype PTEs, untouched by one */
	VDS_GRADE_METADATA = 4,	/* D: the prototype array is unreadable */
};
/* "hardware", "pfn", "structural", "metadata"; NULL for NONE. */
VDS_EXPORT const char *vds_grade_str(enum vds_grade grade);

/* A region that every Windows process shares, recognised by identity. */
enum vds_known_good {
	VDS_KNOWN_NOT = 0,
	VDS_KNOWN_API_SET = 1,		/* PEB.ApiSetMap */
	VDS_KNOWN_CSR_SHARED = 2,	/* PEB.ReadOnlySharedMemoryBase */
	VDS_KNOWN_GDI_TABLE = 3,	/* PEB.GdiSharedHandleTable */
	VDS_KNOWN_NLS = 4,		/* PEB code page tables, \NLS\, *.nls */
};
VDS_EXPORT const char *vds_known_good_str(enum vds_known_good known);

/* One view: a VAD of a process that is backed by prototype PTEs. */
struct vds_view {
	uint64_t node;		/* MMVAD, as in struct vds_vad */
	uint64_t start, end;	/* first and last byte */
	uint64_t first_prototype_pte, last_contiguous_pte;
	uint64_t subsection_address;
	uint64_t file_object;	/* MMVAD.FileObject, 0 = none */
	const struct vds_section *section;	/* NULL: no memory */
	/* The subsection that holds the first prototype PTE, or NULL. */
	const struct vds_subsection *subsection;
	/*
	 * Pages of the section that the view shows, inclusive. Only if
	 * has_pages; otherwise the prototype PTE could not be placed.
	 */
	uint64_t first_page, last_page;
	uint64_t eprocess;	/* its process; 0 = that of `process` */
	uint32_t process;	/* index in the process table, or VDS_NO_PROCESS */
	uint32_t group;		/* index into groups */
	uint32_t protection;	/* initial, 5-bit code */
	uint8_t type;		/* enum vds_vad_type */
	uint8_t known;		/* enum vds_known_good */
	uint8_t sources;	/* VDS_VIEW_IN_* */
	bool has_pages;
	bool proven;		/* takes part in a hardware proof */
	uint8_t space;		/* enum vds_view_space */
	/*
	 * Of kernel space: node is the address of what describes the view (a
	 * VACB, an MMVIEW, a tree's node or a list's entry), there is no VAD's
	 * protection, and end may be unknown (end_why): then it is that of the
	 * first page.
	 */
	uint8_t end_why;	/* enum vds_why */
	bool has_session;	/* of a session, whose number is known */
	uint32_t session;
	/*
	 * What the EPROCESS of a process that is not in the table says of
	 * itself, or NULL: it is not one. Its index means nothing.
	 */
	const struct vds_process *unlisted;
};

/* Whose address space a view is in. */
enum vds_view_space {
	VDS_SPACE_PROCESS = 0,	/* a process: a VAD */
	VDS_SPACE_SESSION = 1,	/* a session's part of kernel space */
	VDS_SPACE_SYSTEM = 2,	/* kernel space, a session's perhaps */
	VDS_SPACE_CACHE = 3,	/* the file cache */
};
/* "process", "session", "system", "cache". */
VDS_EXPORT const char *vds_view_space_str(enum vds_view_space space);

/* The view's process is not in the process table: see its eprocess. */
#define VDS_NO_PROCESS UINT32_MAX

/* Which source knows a view. */
#define VDS_VIEW_IN_TREE 0x1	/* the VAD tree of its process */
#define VDS_VIEW_IN_LIST 0x2	/* the control area's own list of views */
#define VDS_VIEW_IN_CACHE 0x4	/* a VACB of the file cache */
#define VDS_VIEW_IN_SYSTEM 0x8	/* the views of system space */
#define VDS_VIEW_IN_SESSION 0x10	/* the views of a session */
/* Which other source knows a section. */
#define VDS_SECTION_IN_PROTOS 0x20	/* the tree of prototype PTE arrays */
#define VDS_SECTION_IN_HANDLE 0x40	/* a handle to an object of it */
#define VDS_SECTION_IN_DIRECTORY 0x80	/* an object of it has a name */
#define VDS_SECTION_IN_PROCESS 0x100	/* EPROCESS.SectionObject */
#define VDS_SECTION_IN_POOL 0x200	/* a block of pool */

#define VDS_SOURCES_KERNEL_VIEWS                                               \
	(VDS_VIEW_IN_CACHE | VDS_VIEW_IN_SYSTEM | VDS_VIEW_IN_SESSION)
#define VDS_SOURCES_OBJECTS                                                    \
	(VDS_SECTION_IN_HANDLE | VDS_SECTION_IN_DIRECTORY |                    \
	 VDS_SECTION_IN_PROCESS)
/* All that cost no more than a look at some lists: no scan. */
#define VDS_SOURCES_CHEAP                                                      \
	(VDS_VIEW_IN_TREE | VDS_VIEW_IN_LIST | VDS_SOURCES_KERNEL_VIEWS |      \
	 VDS_SECTION_IN_PROTOS | VDS_SOURCES_OBJECTS)

/*
 * The sources in words, separated by blanks: vad_tree, view_list, cache,
 * system, session, proto_tree, handle, directory, process, pool. In run's
 * memory; NULL: none, or out of memory.
 */
VDS_EXPORT const char *vds_sources_str(struct vds_run *run, uint32_t sources);

/* Views that overlap, directly or through each other. */
struct vds_share_group {
	size_t first_view, num_views;	/* a run of vds_sharing.views */
	size_t num_processes;
	uint64_t control_area;	/* 0: unknown */
	uint64_t first_page, last_page;	/* of the section, if has_pages */
	bool has_pages;
	enum vds_grade grade;	/* NONE for a lone view, or if not verified */
	enum vds_known_good known;
	bool writable, executable;	/* by the initial protection of any view */
	bool cross_session;	/* two views in different, known sessions */
};

/* A section, and what knows of it. */
struct vds_seen_section {
	uint64_t control_area;
	const struct vds_section *section;	/* never NULL; why may be set */
	uint32_t sources;	/* VDS_VIEW_IN_*, VDS_SECTION_IN_* */
	/* Distinct views that the sources know, whether in `views` or not. */
	uint32_t num_views;
	/*
	 * PRESENT: all sources of views were read to their end, and `num_views`
	 * may be held against section->mapped_views; otherwise why not.
	 */
	enum vds_why views_why;
	/* Some group is about it. */
	bool in_groups;
};

struct vds_sharing {
	const struct vds_view *const *views;	/* by group, process, start */
	size_t num_views;
	/* By control area, then first page. */
	const struct vds_share_group *groups;
	size_t num_groups;
	/* By control area; empty unless other sources than VADs were read. */
	const struct vds_seen_section *sections;
	size_t num_sections;
};

/* What is known of the section, or NULL. */
VDS_EXPORT const struct vds_seen_section *
vds_sharing_section(const struct vds_sharing *sharing, uint64_t control_area);
/*
 * Views that the control area counts (NumberOfMappedViews) and no source knows;
 * 0 if there are none, or if that can't be told.
 */
VDS_EXPORT uint64_t
vds_unaccounted_views(const struct vds_seen_section *section);

enum vds_verify {
	VDS_VERIFY_NONE = 0,
	VDS_VERIFY_PTE = 1,	/* grade each group by page tables */
};

struct vds_sharing_options {
	enum vds_verify verify;
	bool physical;		/* also views of \Device\PhysicalMemory */
	/*
	 * Also read the lists of views of the control areas: views of VADs and
	 * processes that no tree and no list of processes leads to.
	 */
	bool listed;
	/* Only groups with at least so many views are verified (0: 2). */
	size_t min_views;
	/*
	 * Further sources to read (VDS_VIEW_IN_*, VDS_SECTION_IN_*): they tell
	 * of sections, and are named by what they know. Those of objects need
	 * `names`.
	 */
	uint32_t read;
	/*
	 * The views of kernel space that are to be among the views: those that
	 * one of these sources knows. 0: none.
	 */
	uint32_t kernel_views;
	const struct vds_section_names *names;	/* or NULL */
};

/*
 * The page number @page of the section in @view's own address space: false if
 * the view doesn't show it, was not placed (has_pages), or if its process is
 * not in the process table. *ret_va (may be NULL) is the page's address there.
 */
VDS_EXPORT bool vds_view_page_at(struct vds_run *run,
				 const struct vds_view *view, uint64_t page,
				 uint64_t *ret_va, struct vds_page *ret);

/*
 * Walks all processes on all threads and groups their views; *ret is borrowed
 * until run() returns. Deterministic at any thread count.
 */
VDS_EXPORT struct vds_error *
vds_sharing_build(struct vds_run *run,
		  const struct vds_sharing_options *options,
		  const struct vds_sharing **ret);

/* Is shown @vad of @process, or NULL after its last one. An error ends the build. */
typedef struct vds_error *vds_see_vad_fn(struct vds_run *run,
					 const struct vds_process *process,
					 const struct vds_vad *vad, void *ctx);

/*
 * The same, and @see is shown every VAD on the way, in the order of each tree:
 * walking all of them is dear, and a plugin may have questions of its own about
 * VADs. It is called on many threads, each with its own @run, but for the VADs
 * of one process on one of them.
 */
VDS_EXPORT struct vds_error *
vds_sharing_build_seeing(struct vds_run *run,
			 const struct vds_sharing_options *options,
			 vds_see_vad_fn *see, void *ctx,
			 const struct vds_sharing **ret);

/*
 * Grades one group, which VDS_VERIFY_NONE left without a grade, as VDS_VERIFY_PTE
 * would have: group->grade, and `proven` of its views. Not for two threads to do
 * with one group at a time.
 */
VDS_EXPORT struct vds_error *
vds_share_group_grade(struct vds_run *run, const struct vds_sharing *sharing,
		      size_t group);

#ifdef __cplusplus
}
#endif
#endif
