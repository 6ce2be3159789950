/* SPDX-License-Identifier: Apache-2.0 */
/* File objects, what they lead to, and the file cache. */
#ifndef VADOSE_FILE_H
#define VADOSE_FILE_H

#include <vadose/process.h>
#include <vadose/run.h>
#include <vadose/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A FILE_OBJECT and its SECTION_OBJECT_POINTERS. */
struct vds_file {
	uint64_t object;	/* address of the FILE_OBJECT */
	enum vds_why why;	/* PRESENT, or why it is no file object */
	const char *name;	/* with its device; NULL: see name_why */
	enum vds_why name_why;
	uint64_t device;	/* DEVICE_OBJECT */
	uint64_t fs_context;	/* FsContext: the file system's own */
	uint64_t private_cache_map;	/* 0 = this object did no cached I/O */
	uint32_t flags;		/* FO_* */
	bool delete_pending;
	bool read_access, write_access, delete_access;
	bool shared_read, shared_write, shared_delete;
	uint64_t section_pointers;	/* SECTION_OBJECT_POINTERS, 0 = none */
	enum vds_why pointers_why;	/* of the three below */
	uint64_t data_control_area;	/* 0 = not mapped as data */
	uint64_t image_control_area;	/* 0 = not mapped as an image */
	uint64_t shared_cache_map;	/* 0 = not cached */
};

/* The file object at kernel address @object. */
VDS_EXPORT void vds_file_at(const struct vds_process *process, uint64_t object,
			    struct vds_file *ret);

/*
 * The addresses of all file objects that a section, a VAD or a handle names, or
 * that lie in pool, sorted; *ret is borrowed until run() returns. Looks through
 * all of memory. Errors: out of memory.
 */
VDS_EXPORT struct vds_error *vds_files_load(struct vds_run *run,
					    const uint64_t **ret,
					    size_t *ret_count);

/* One view of the file cache: a VACB, 256 KB of the file in system space. */
struct vds_cache_view {
	uint64_t vacb;		/* address of the VACB */
	uint64_t address;	/* first byte of the view */
	uint64_t offset;	/* of that byte in the file */
	uint32_t active;	/* ActiveCount: who uses it at this moment */
};

/* What the cache manager knows of a file. */
struct vds_cache_map {
	uint64_t address;	/* SHARED_CACHE_MAP */
	enum vds_why why;	/* PRESENT, or why it can't be had */
	uint64_t file_object;	/* as the cache itself names it */
	uint64_t file_size, section_size, valid_data;	/* bytes */
	uint32_t open_count, dirty_pages;
	const struct vds_cache_view *views;	/* by offset */
	size_t num_views;
	bool complete;		/* every part of the index was readable */
};

/* Bytes of a file that one view shows. */
#define VDS_CACHE_VIEW_SIZE 262144

/*
 * The cache map at kernel address @map, with the views that it points at and
 * that point back. In run's memory. What was unreadable or forged is noted.
 */
VDS_EXPORT void vds_cache_map_at(struct vds_run *run, uint64_t map,
				 struct vds_cache_map *ret);

#ifdef __cplusplus
}
#endif
#endif
