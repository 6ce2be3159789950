/* SPDX-License-Identifier: Apache-2.0 */
/* Object headers, the optional headers before them, and object types. */
#ifndef VDS_NT_OBJECT_H
#define VDS_NT_OBJECT_H

#include "nt/task.h"

/* What stands before an object's body. */
struct vds_object_header {
	uint64_t header;	/* address of the OBJECT_HEADER */
	uint64_t body;
	uint8_t raw_type;	/* TypeIndex as stored */
	uint8_t info_mask;
};

/* Tells object types apart; one per task, made once. */
struct vds_object_types {
	enum vds_why why;	/* PRESENT, or why types are not known */
	uint8_t cookie;
	bool has_cookie;	/* 10+: TypeIndex is encoded */
	uint64_t table;		/* ObTypeIndexTable, 0 = not known */
	/* Index of the types that the engine looks for; 0 = not found. */
	uint8_t directory, section, process, file;
};

/* Reads the header of the object whose body is at @body. */
enum vds_why vds_object_header_read(struct vds_task *task, uint64_t body,
				    struct vds_object_header *ret);

/* Finds cookie, table and the indexes of the known types. */
void vds_object_types_init(struct vds_task *task,
			   struct vds_object_types *ret);

/* The decoded type index of an object. */
uint8_t vds_object_type_index(const struct vds_object_types *types,
			      const struct vds_object_header *object);

/*
 * The object's own name in @task's arena (NOT_APPLICABLE: it has none) and the
 * directory that holds it (0 = none) in *ret_directory.
 */
enum vds_why vds_object_name(struct vds_task *task,
			     const struct vds_object_header *object,
			     const char **ret, uint64_t *ret_directory);

/*
 * The full path of the named object at @body ("\Device\HarddiskVolume3"); if a
 * directory on the way is unreadable, what could be had of it.
 */
enum vds_why vds_object_path(struct vds_task *task, uint64_t body,
			     const char **ret);

/*
 * Walks the object directory tree below ObpRootDirectoryObject. @visit gets
 * each object that is no directory, with its full path (in @task's arena);
 * false ends the walk. Loops and unreadable parts are noted in task->notes.
 */
void vds_object_tree_walk(struct vds_task *task,
			  const struct vds_object_types *types,
			  bool (*visit)(void *ctx,
					const struct vds_object_header *object,
					const char *directory),
			  void *ctx);

#endif
