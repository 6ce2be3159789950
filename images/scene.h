/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a recipe says: the machine to build, before any byte of it exists.
 * Everything is allocated from the scene's arena and lives as long as it.
 * Texts are UTF-8 in which {HEX} stands for one UTF-16 code unit (README.md).
 */
#ifndef MKSCENE_SCENE_H
#define MKSCENE_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/map.h"
#include "vadose/error.h"

/* "Choose an address for me." */
#define SCENE_AUTO UINT64_MAX

/* Where a statement stands, for messages that come up while building. */
struct place {
	const char *file;
	unsigned int line;
};

enum section_kind {
	SECTION_DATA,		/* a mapped file */
	SECTION_IMAGE,		/* a file mapped as an image */
	SECTION_PAGEFILE,	/* no file behind it */
};

/* One subsection: for images a PE section, for data a grown piece. */
struct part {
	const char *name;	/* "" for data */
	uint32_t pages;
	uint32_t prot;		/* 5-bit protection code */
	uint64_t va;		/* of its SUBSECTION; set while building */
	uint64_t proto;		/* its first prototype PTE; likewise */
};

struct section {
	struct section *next;
	struct place place;
	const char *id;
	enum section_kind kind;
	const char *file;	/* path below the volume, NULL without */
	const char *name;	/* object name, NULL without */
	uint32_t pages;
	uint32_t prot;
	uint64_t proto;		/* first prototype PTE or SCENE_AUTO */
	uint64_t base;		/* images: preferred base or SCENE_AUTO */
	const char *states;	/* one letter per prototype PTE, `pages` long */
	struct part *parts;
	unsigned int num_parts;
	uint32_t creator;	/* PID, 0 = none */
	bool object;		/* has a SECTION object even without a name */
	bool delete_pending;
	bool no_file;		/* FilePointerNull: the file went away */
	bool reserve;		/* SEC_RESERVE rather than SEC_COMMIT */
	bool cached;		/* the file cache has it all in views */
	uint64_t at_frame;	/* PFN of the first page, 0 = any */
	bool large;		/* one run of frames from at_frame on */
	bool pe32;		/* an image for 32-bit processes */
	const struct section *like;	/* same content page by page, or NULL */
	/* Set while building. */
	uint64_t control_area, segment, object_va, file_object, pointers;
	uint64_t cache_map;	/* SHARED_CACHE_MAP, 0 = none */
	uint64_t *frames;	/* PFN per page, 0 = not resident */
	uint64_t *protos;	/* raw prototype PTE per page */
	uint32_t views, user_views, cache_views;
	uint64_t proto_node;	/* in the tree of prototype arrays, 0 = none */
	unsigned int index;	/* order in the recipe, for the manifest */
};

struct process;

/* One VAD. */
struct view {
	struct view *next;
	struct place place;
	struct process *process;
	struct section *section;	/* NULL for private memory */
	uint64_t start;			/* VA or SCENE_AUTO */
	uint32_t pages;
	uint32_t offset;		/* first page of the section */
	uint32_t prot;
	uint32_t vad_type;
	const char *states;		/* pattern, or NULL for the default */
	const char *tag;		/* pool tag, four characters, or NULL */
	const char *peb_field;		/* PEB member that points here, or NULL */
	const char *note;		/* for the manifest, or NULL */
	bool main_image;
	bool no_ldr;			/* in no loader list */
	bool ldr32;			/* in those of the 32-bit loader */
	bool unlinked;			/* not in the VAD tree */
	bool commit;			/* MEM_COMMIT private memory */
	bool physical;			/* maps PFNs from at_frame on */
	bool large;			/* mapped by a large page */
	bool combined;			/* at_frame is a combined page */
	uint32_t now;			/* protection in PTEs, 0 = prot */
	/*
	 * PFN of the first page, 0 = any; of copies too. Several views may have
	 * the same.
	 */
	uint64_t at_frame;
	/* Set while building. */
	uint64_t va;			/* of the node */
	struct view *parent, *left, *right;
	int balance;			/* height(right) - height(left) */
	char *page_states;		/* letter per page, up to MAX_PAGE_STATES */
	uint64_t *ptes;			/* raw PTE per page, likewise */
};

/* How many pages of a view get an explicit state. */
#define MAX_PAGE_STATES 1024u

enum object_kind {
	OBJECT_SECTION,
	OBJECT_PROCESS,
	OBJECT_FILE,
	OBJECT_THREAD,		/* the first of a process */
	OBJECT_TOKEN,		/* of a process */
	OBJECT_KEY,		/* those below have a name, or "" */
	OBJECT_EVENT,
	OBJECT_MUTANT,
	OBJECT_DIRECTORY,
	OBJECT_DEVICE,		/* a file object that is a device's own */
};

struct handle {
	struct handle *next;
	struct place place;
	struct process *owner;
	enum object_kind kind;
	struct section *section;
	uint32_t pid;		/* OBJECT_PROCESS, THREAD, TOKEN */
	const char *name;	/* OBJECT_KEY and below */
	uint32_t access;
	uint32_t value;		/* the handle, 0 = next free */
	uint64_t object_va;	/* body; set while building */
};

struct process {
	struct process *next;
	struct place place;
	const char *name;
	const char *path;
	const char *user;	/* SID string */
	const char *container;	/* SID string of its AppContainer, or NULL */
	uint64_t began;		/* VA where its last thread began, or 0 */
	uint32_t pid, parent;
	uint32_t session;
	uint32_t integrity;	/* RID: 0x2000 medium ... */
	uint32_t threads;
	uint64_t eprocess;	/* VA or SCENE_AUTO */
	uint64_t dtb;		/* PA or SCENE_AUTO */
	uint64_t peb;		/* VA, SCENE_AUTO, or 0 for none */
	uint64_t created;	/* FILETIME */
	uint64_t exited;	/* FILETIME, 0 = alive */
	bool wow64, minimal, hidden, unlisted, no_peb, no_audit, clone;
	struct section *image;
	struct view *views;	/* all of it: private, shared, unlinked */
	struct view **last_view;
	uint32_t num_views;	/* in the tree */
	struct handle *handles;
	struct handle **last_handle;
	uint32_t num_handles;
	/* Set while building. */
	uint64_t token, object_table, file_object, section_object;
	uint64_t params, ethread;
	uint64_t peb32, teb;	/* of 32-bit code and its first thread */
	struct view *root;
	uint64_t sentinel;	/* parent of the root, in Windows 7's trees */
	uint64_t next_private, next_shared, next_heap;
	struct space *space;
	int depth;
};

/* Bytes to be written into pages that exist once all else is built. */
struct content {
	struct content *next;
	struct place place;
	struct section *section;	/* either this and offset ... */
	struct process *process;	/* ... or this and address */
	uint64_t at;
	const uint8_t *bytes;
	size_t len;
	bool copy;			/* make a private copy first */
};

/* What an image section's pages hold as a PE file beyond its header. */
struct library {
	struct library *next;
	struct place place;
	struct section *section;
	const char *exports;	/* "Name@RVA Name>OTHER.Name", sorted by name */
	uint32_t exports_at;	/* RVA of the export directory */
	const char *relocations;	/* RVAs of 8-byte pointers, ascending */
	uint32_t relocations_at;	/* RVA of the relocation directory */
	uint32_t imports_at, imports;	/* import address table: RVA, entries */
	uint32_t config_at;	/* RVA of the load configuration, 0 = none */
	uint32_t guard_at;	/* RVA of what control flow guard calls through */
};

/* A page table at a given place: which process, VA, level (4 = PML4). */
struct table_hint {
	struct table_hint *next;
	struct process *process;
	uint64_t va;
	unsigned int level;
	uint64_t pa;
};

/* A view that is no VAD: system cache, session space. */
struct system_view {
	struct system_view *next;
	struct place place;
	struct section *section;
	unsigned int type;	/* 2 system space or session, 3 system cache */
	uint32_t offset, pages;
	uint64_t va;
	uint32_t session;	/* UINT32_MAX: system space; of type 2 */
	bool vacb;		/* type 3: has a VACB */
	bool unlisted;		/* not in the control area's list */
	uint64_t node;		/* VACB, MMVIEW or tree node; while building */
};

/* A statement that is carried out by name after building: words as written. */
struct order {
	struct order *next;
	struct place place;
	const char **words;
	unsigned int num_words;
};

struct range {
	struct range *next;
	uint64_t start, len;	/* bytes of physical memory */
};

struct scene {
	struct vds_arena arena;
	const char *name;
	uint64_t memory;		/* bytes */
	uint64_t time;			/* FILETIME */
	uint64_t kernel_base, kernel_pa, dtb, stub, pte_index;
	bool no_stub, small_pages, la57, big_pools;
	bool section_tree;		/* all prototype arrays are in a tree */
	uint64_t l1tf_mask;		/* SCENE_AUTO = as the profile allows */
	uint64_t nonpaged, paged;	/* first address of each pool */
	const char *lab;
	uint32_t build;			/* 0 = as the profile says */
	struct process *processes, **last_process;
	struct section *sections, **last_section;
	unsigned int num_processes, num_sections;
	struct content *contents, **last_content;
	struct library *libraries;
	struct table_hint *tables;
	struct system_view *system_views, **last_system_view;
	struct order *faults, **last_fault;
	struct order *expects, **last_expect;	/* for the truth only */
	struct range *holes;
	uint64_t truncate;		/* bytes of the output, 0 = whole */
};

/*
 * Reads the recipe at @path (and what it includes). Errors: VDS_ERROR_NO_INPUT,
 * VDS_ERROR_FORMAT with "file:line: what".
 */
struct vds_error *scene_read(const char *path, struct scene **ret);
void scene_destroy(struct scene *scene);

struct process *scene_find_process(const struct scene *scene, uint32_t pid);
struct section *scene_find_section(const struct scene *scene, const char *id);

/* Adds a view to @process, zeroed but for its links; NULL: out of memory. */
struct view *scene_add_view(struct scene *scene, struct process *process,
			    struct section *section);

/*
 * Runs @f for each process that @selector names: a PID, a glob, "*" (all
 * ordinary ones), "session:N", or several of these with commas, "!x" taking
 * away. Returns the number of processes.
 */
typedef struct vds_error *(*scene_each_fn)(struct process *process, void *arg);
struct vds_error *scene_each(const struct scene *scene, struct place place,
			     const char *selector, scene_each_fn f, void *arg);

/* A pattern such as "V3L.2*V" spelled out to @n letters; see README.md. */
char *scene_states(struct vds_arena *arena, const char *pattern, size_t n);

/* "file:line: ..." */
struct vds_error *place_error(struct place place, const char *format, ...)
	VDS_PRINTF(2, 3);

#endif
