/* SPDX-License-Identifier: Apache-2.0 */
/* The object name space: directories of hash buckets of chained entries. */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/name.h"
#include "nt/object.h"
#include "nt/rec.h"
#include "nt/walk.h"

/* NUMBER_HASH_BUCKETS is 37 in every build; a profile may say otherwise. */
#define MAX_BUCKETS 256

struct directory {
	uint64_t body;
	const char *path;	/* "" for the root */
};

struct tree {
	struct vds_task *task;
	const struct vds_object_types *types;
	bool (*visit)(void *ctx, const struct vds_object_header *object,
		      const char *directory);
	void *ctx;
	struct vds_visited directories, entries;
	struct directory *stack;	/* grows in the arena */
	size_t depth, cap;
	bool stop;
};

static void nomem(struct tree *tree)
{
	tree->task->nomem = true;
	tree->stop = true;
}

static void push(struct tree *tree, uint64_t body, const char *path)
{
	switch (vds_visited_add(&tree->directories, body)) {
	case VDS_SEEN_NEW:
		break;
	case VDS_SEEN_BEFORE:
		/* Shadow directories aside, which no bucket holds. */
		vds_note(&tree->task->notes, "object_directory_loop", body,
			 "directory %s was met before", path);
		return;
	case VDS_SEEN_NOMEM:
		nomem(tree);
		return;
	}
	if (tree->depth == tree->cap) {
		size_t cap = tree->cap ? tree->cap * 2 : 64;
		struct directory *bigger = vds_arena_calloc(
			&tree->task->arena, cap, sizeof(*bigger));
		if (!bigger) {
			nomem(tree);
			return;
		}
		if (tree->depth)
			memcpy(bigger, tree->stack,
			       tree->depth * sizeof(*bigger));
		tree->stack = bigger;
		tree->cap = cap;
	}
	tree->stack[tree->depth++] = (struct directory){body, path};
}

static void take_object(struct tree *tree, uint64_t body,
			const struct directory *directory)
{
	struct vds_task *task = tree->task;
	struct vds_object_header object;
	const char *name, *path;
	uint64_t parent;

	if (vds_object_header_read(task, body, &object)) {
		vds_note(&task->notes, "object_unreadable", body,
			 "an object at 0x%016" PRIx64 " in directory %s\\ "
			 "can't be read", body, directory->path);
		return;
	}
	if (vds_object_type_index(tree->types, &object) !=
	    tree->types->directory) {
		tree->stop |= !tree->visit(tree->ctx, &object, directory->path);
		return;
	}
	if (vds_object_name(task, &object, &name, &parent))
		name = "?";
	path = vds_task_join(task, directory->path, "\\", name);
	if (path)
		push(tree, body, path);
	else if (task->nomem)
		nomem(tree);
}

static void walk_bucket(struct tree *tree, uint64_t entry,
			const struct directory *directory)
{
	struct vds_task *task = tree->task;
	const struct vds_kernel *kernel = task->kernel;

	while (entry && !tree->stop) {
		uint64_t object = 0, next = 0;

		if (!vds_is_kernel_pointer(kernel, entry, 8) ||
		    vds_task_field(task, entry,
				   vds_kf(kernel, DIRECTORY_ENTRY_OBJECT),
				   &object) ||
		    vds_task_field(task, entry,
				   vds_kf(kernel, DIRECTORY_ENTRY_NEXT),
				   &next)) {
			vds_note(&task->notes, "object_directory_broken",
				 directory->body,
				 "directory %s\\: entry 0x%016" PRIx64
				 " can't be read; the rest of its bucket is "
				 "lost", directory->path, entry);
			return;
		}
		switch (vds_visited_add(&tree->entries, entry)) {
		case VDS_SEEN_NEW:
			break;
		case VDS_SEEN_BEFORE:
			vds_note(&task->notes, "object_directory_loop",
				 directory->body,
				 "directory %s\\: entry 0x%016" PRIx64
				 " was met before", directory->path, entry);
			return;
		case VDS_SEEN_NOMEM:
			nomem(tree);
			return;
		}
		if (tree->entries.count > VDS_WALK_MAX_NODES)
			tree->stop = true;
		take_object(tree, object, directory);
		entry = next;
	}
}

static void walk_directory(struct tree *tree, const struct directory *directory)
{
	struct vds_task *task = tree->task;
	const struct vds_field *buckets =
		vds_kf(task->kernel, DIRECTORY_BUCKETS);
	uint8_t buf[8 * MAX_BUCKETS];
	size_t n = VDS_MIN(buckets->size / 8u, (unsigned int)MAX_BUCKETS);
	enum vds_why why;

	why = vds_task_read(task, directory->body + buckets->offset, buf,
			    8 * n);
	if (why) {
		vds_note(&task->notes, "object_directory_unreadable",
			 directory->body, "directory %s\\: %s", directory->path,
			 vds_why_str(why));
		return;
	}
	for (size_t i = 0; i < n && !tree->stop; i++)
		walk_bucket(tree, vds_le64(buf + 8 * i), directory);
}

void vds_object_tree_walk(struct vds_task *task,
			  const struct vds_object_types *types,
			  bool (*visit)(void *ctx,
					const struct vds_object_header *object,
					const char *directory),
			  void *ctx)
{
	struct tree tree = {.task = task, .types = types, .visit = visit,
			    .ctx = ctx};
	uint64_t root;

	if (types->why || !types->directory ||
	    !vds_kf(task->kernel, DIRECTORY_BUCKETS)->present ||
	    !vds_kernel_symbol(task->kernel, VDS_S_OBP_ROOT_DIRECTORY_OBJECT,
			       &root) ||
	    vds_task_u64(task, root, &root) ||
	    !vds_is_kernel_pointer(task->kernel, root, 8)) {
		vds_note(&task->notes, "object_root_unreadable", 0,
			 "the object directory can't be found");
		return;
	}
	if (!vds_visited_init(&tree.directories, &task->arena, 64) ||
	    !vds_visited_init(&tree.entries, &task->arena, 1024)) {
		task->nomem = true;
		return;
	}
	push(&tree, root, "");
	while (tree.depth && !tree.stop) {
		struct directory directory = tree.stack[--tree.depth];
		walk_directory(&tree, &directory);
	}
}
