/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The machine under construction: physical frames, page tables, kernel memory
 * and typed fields that are placed by their names in the profile.
 *
 * The first failure is kept in world.err; after it every call does nothing and
 * returns 0, so that builders are written without checks and main() looks once.
 */
#ifndef MKSCENE_WORLD_H
#define MKSCENE_WORLD_H

#include "base/arena.h"
#include "base/map.h"
#include "base/util.h"
#include "profile/profile.h"
#include "scene.h"

/* Architectural bits of a page-table entry (Intel SDM vol. 3, 4.5). */
#define PTE_P (UINT64_C(1) << 0)
#define PTE_RW (UINT64_C(1) << 1)
#define PTE_US (UINT64_C(1) << 2)
#define PTE_A (UINT64_C(1) << 5)
#define PTE_D (UINT64_C(1) << 6)
#define PTE_PS (UINT64_C(1) << 7)
#define PTE_G (UINT64_C(1) << 8)
#define PTE_NX (UINT64_C(1) << 63)

/* 5-bit protection codes of the memory manager. */
enum prot {
	PROT_NOACCESS, PROT_READONLY, PROT_EXECUTE, PROT_EXECUTE_READ,
	PROT_READWRITE, PROT_WRITECOPY, PROT_EXECUTE_READWRITE,
	PROT_EXECUTE_WRITECOPY,
	PROT_NOCACHE = 0x08, PROT_GUARD = 0x10, PROT_WRITECOMBINE = 0x18,
};

/* What the PFN database will say of a frame in use. */
struct frame {
	uint64_t pfn;
	uint64_t pte_va;	/* PteAddress */
	uint64_t original;	/* OriginalPte */
	uint64_t share;		/* ShareCount */
	uint64_t table;		/* PteFrame: PFN of the page holding the PTE */
	uint8_t location;	/* 6 active, 2 standby, 3 modified */
	bool proto, modified;
};

/* A user or the kernel address space; vpn -> pfn of what is mapped in it. */
struct space {
	uint64_t dtb;		/* PA of the top table */
	bool kernel;
	struct vds_map pages;
	const struct process *process;
};

struct pool {
	uint64_t next;		/* first free byte */
	uint64_t prev;		/* size of the block before it, in 16 bytes */
};

/* An allocation of a page or more. */
struct big_block {
	struct big_block *next;
	uint64_t va, size;
	const char *tag;
	bool paged;
};

enum object_type {
	TYPE_NONE, TYPE_FIRST = 2,
	TYPE_TYPE = TYPE_FIRST, TYPE_DIRECTORY, TYPE_SYMLINK, TYPE_TOKEN,
	TYPE_JOB, TYPE_PROCESS, TYPE_THREAD, TYPE_EVENT, TYPE_MUTANT,
	TYPE_DEVICE, TYPE_DRIVER, TYPE_FILE, TYPE_SECTION, TYPE_SESSION,
	TYPE_KEY, NUM_OBJECT_TYPES,
};

struct directory {
	struct directory *next;
	const char *path;	/* "\Sessions\1", "\" for the root */
	uint64_t va;
};

struct file {
	struct file *next;
	const char *path;
	uint64_t object, pointers;
};

struct world {
	struct scene *scene;
	const struct vds_profile *profile;
	/*
	 * For kernels of which only some layouts are published: a kernel that
	 * lends the others and its symbols; NULL if there is no need.
	 */
	const struct vds_profile *other;
	const struct vds_profile *symbols;	/* profile or other */
	struct vds_profile *user32;	/* types of 32-bit user mode */
	struct vds_error *err;
	struct vds_arena arena;
	struct vds_map fields;		/* cache: hash of two names -> entry */
	struct vds_map pages;		/* pfn -> content, struct page bytes */
	struct vds_map used;		/* set of pfns that are taken */
	struct vds_map frames;		/* pfn -> struct frame * */
	struct vds_map tables;		/* hash of (dtb, va, level) -> pfn */
	uint64_t next_pfn;
	struct space kernel;
	struct pool nonpaged, paged;
	struct big_block *bigs;		/* newest first */
	uint64_t base, kernel_pa, kernel_size, rsds_rva;
	uint64_t pte_base, pfn_db;
	uint64_t mask;			/* InvalidPteMask, 0 = none */
	uint8_t cookie;
	uint32_t build;			/* 19041; 0 = not known */
	uint64_t types[NUM_OBJECT_TYPES];
	struct directory *directories;
	struct file *files;
	uint64_t device;		/* \Device\HarddiskVolume3 */
	uint64_t kuser_pfn;
	uint64_t next_image;		/* next automatic image base */
	uint64_t cid_table;
	struct vds_map sessions;	/* session id -> session space */
};

/* Keeps the first error; @err is consumed. */
void world_fail(struct world *w, struct vds_error *err);
void world_nomem(struct world *w);
void *world_alloc(struct world *w, size_t size);	/* zeroed, or NULL */

/* mem.c: frames */
void mem_reserve(struct world *w, uint64_t pfn);
uint64_t mem_alloc(struct world *w);
/* First PFN of @n free frames in a row, aligned to @align frames. */
uint64_t mem_alloc_run(struct world *w, uint64_t n, uint64_t align);
uint8_t *mem_page(struct world *w, uint64_t pfn);	/* made on first use */
const uint8_t *mem_peek(const struct world *w, uint64_t pfn);	/* or NULL */
void mem_put64(struct world *w, uint64_t pa, uint64_t value);
uint64_t mem_get64(struct world *w, uint64_t pa);
struct frame *mem_frame(struct world *w, uint64_t pfn);	/* made on first use */

/* table.c: page tables and virtual memory */
void space_map(struct world *w, struct space *s, uint64_t va, uint64_t pte);
/* PA of the entry of level @level (1 = PT) for @va; tables made on the way. */
uint64_t space_entry(struct world *w, struct space *s, uint64_t va,
		     unsigned int level);
uint64_t pte_address(const struct world *w, uint64_t va);
/* PFN behind @va; in the kernel space, a fresh page if there is none. */
uint64_t space_pfn(struct world *w, struct space *s, uint64_t va);
void space_write(struct world *w, struct space *s, uint64_t va,
		 const void *buf, size_t len);
void space_read(struct world *w, struct space *s, uint64_t va, void *buf,
		size_t len);
/* Copies the kernel half into @s and sets its self-reference. */
void space_finish(struct world *w, struct space *s);

/* field.c: typed fields; paths may list alternatives with '|' */
bool has_field(struct world *w, const char *type, const char *path);
uint64_t offset_of(struct world *w, const char *type, const char *path);
uint64_t size_of(struct world *w, const char *type);
bool has_type(struct world *w, const char *type);
/* put() fails on a missing field; put_opt() says false. */
void put(struct world *w, struct space *s, uint64_t va, const char *type,
	 const char *path, uint64_t value);
bool put_opt(struct world *w, struct space *s, uint64_t va, const char *type,
	     const char *path, uint64_t value);
/* Sets field @path of a @type in *word, for entries that fit in 64 bits. */
void set_bits(struct world *w, uint64_t *word, const char *type,
	      const char *path, uint64_t value);
void put_bytes(struct world *w, struct space *s, uint64_t va, const char *type,
	       const char *path, const void *bytes, size_t len);
/* UNICODE_STRING at @va + the field; text goes to @buffer (0: paged pool). */
uint64_t put_text(struct world *w, struct space *s, uint64_t va,
		  const char *text, uint64_t buffer);
void list_init(struct world *w, uint64_t head);
void list_add(struct world *w, uint64_t head, uint64_t entry);	/* at the end */
/* VA of a kernel global, or 0 if the profile has no such symbol. */
uint64_t global(struct world *w, const char *name);
bool put_global(struct world *w, const char *name, uint64_t value);
/* @text with {HEX} undone, as UTF-16LE; length in bytes. */
size_t text_utf16(const char *text, uint8_t *buf, size_t max);

/* pool.c */
uint64_t pool_alloc(struct world *w, struct pool *pool, uint64_t size,
		    const char *tag);
/* The same at a given address of the body. */
uint64_t pool_alloc_at(struct world *w, uint64_t va, uint64_t size,
		       const char *tag);
uint32_t pool_tag(const char *tag);	/* as POOL_HEADER has it */

/* bigpool.c: the table of what had no room beside a header */
void bigpool_build(struct world *w);

/* cache.c: what the file cache has of files */
void caches_build(struct world *w);

/* pte.c: entries of this kernel's memory manager */
/* The number under which 10 and later keep compressed pages. */
#define VIRTUAL_STORE 2u
uint64_t pte_hardware(struct world *w, uint64_t pfn, uint32_t prot, bool user,
		      bool dirty);
uint64_t pte_proto(struct world *w, uint64_t proto, uint32_t prot);
uint64_t pte_lookup(struct world *w, uint32_t prot);
uint64_t pte_transition(struct world *w, uint64_t pfn, uint32_t prot);
uint64_t pte_soft(struct world *w, uint32_t file, uint64_t offset,
		  uint32_t prot);
uint64_t pte_subsection(struct world *w, uint64_t subsection, uint32_t prot);
void pte_init(struct world *w);

/* object.c */
void objects_init(struct world *w);
/* A body of @size with its headers; @at SCENE_AUTO or the body's address. */
uint64_t object_create(struct world *w, enum object_type type, uint64_t at,
		       uint64_t size, const char *name, uint64_t directory);
/* The directory of @path, made with its parents if need be. */
uint64_t directory_get(struct world *w, const char *path);
void directory_add(struct world *w, uint64_t directory, const char *name,
		   uint64_t object);
const char *object_type_name(enum object_type type);

/* kernel.c */
void kernel_place(struct world *w);
void kernel_fill(struct world *w);
void kernel_globals(struct world *w);
void paging_files_build(struct world *w);

/* section.c */
void sections_build(struct world *w);
struct file *file_get(struct world *w, const char *path, bool delete_pending);
void sections_finish(struct world *w);

/* source.c: what knows sections and views besides the VADs */
void system_views_build(struct world *w);
void section_tree_build(struct world *w);
/* Bytes that a subsection takes, with what stands behind it in a tree. */
uint64_t subsection_room(struct world *w, const struct section *s);

/* process.c, peb.c, view.c, vad.c, handle.c, pfn.c */
void processes_build(struct world *w);
void processes_finish(struct world *w);
void peb_place(struct world *w, struct process *p);
void peb_build(struct world *w, struct process *p);
void wow64_place(struct world *w, struct process *p);
void wow64_build(struct world *w, struct process *p);
uint64_t wow64_process(struct world *w, const struct process *p);
void views_place(struct world *w, struct process *p);
void views_map(struct world *w, struct process *p);
void view_make_copy(struct world *w, struct view *v, uint32_t page);
void vads_build(struct world *w, struct process *p);
void handles_build(struct world *w);
uint64_t handle_object(struct world *w, const struct handle *h);
void pfn_build(struct world *w);
/* Before views are mapped, since private copies start as copies; and after. */
void contents_sections(struct world *w);
void contents_processes(struct world *w);
/* library.c: exports and the like, before contents; what a loader moves. */
void libraries_build(struct world *w);
void library_relocate(struct world *w, const struct view *v, uint32_t page,
		      uint8_t *bytes);
uint32_t vad_commit(const struct view *v);

/* fault.c */
void faults_apply(struct world *w);
/* chain.c: "fault set" */
void chain_set(struct world *w, const struct order *order);

/* Builds it all; @other may be NULL. All is borrowed until deinit. */
struct vds_error *world_build(struct world *w, struct scene *scene,
			      const struct vds_profile *profile,
			      const struct vds_profile *other);
void world_deinit(struct world *w);

/* The next run of memory at or after *start as [*start, *end); or false. */
bool world_next_run(const struct world *w, uint64_t *start, uint64_t *end);
/* write.c, truth.c: VDS_ERROR_OUTPUT */
struct vds_error *world_write_raw(struct world *w, const char *path);
struct vds_error *world_write_lime(struct world *w, const char *path);
struct vds_error *world_write_truth(struct world *w, const char *path,
				    const char *const *files, size_t num_files);

#endif
