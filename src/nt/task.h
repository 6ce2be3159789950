/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A task: one worker's tools for reading a kernel. Not shared by threads.
 * Results that outlive a reset are copied by whoever keeps them.
 */
#ifndef VDS_NT_TASK_H
#define VDS_NT_TASK_H

#include "base/arena.h"
#include "base/map.h"
#include "base/note.h"
#include "base/str.h"
#include "nt/vad_layout.h"
#include "paging/space.h"

struct vds_kernel;
struct vds_process;
struct vds_vad_room;

struct vds_task {
	const struct vds_kernel *kernel;
	struct vds_tlb *tlb;		/* kept across resets: a pure cache */
	struct vds_arena arena;		/* all that the SDK hands out */
	struct vds_notes notes;
	struct vds_map sections;	/* control area -> struct vds_section * */
	struct vds_map subsections;	/* SUBSECTION -> control area */
	/*
	 * The plugin room's copies of processes that carry this task, by index
	 * in the table; NULL until asked for. They live in the arena.
	 */
	struct vds_process **processes;
	/* MmPfnDatabase and MmPteBase, once they were asked for. */
	struct {
		bool known;
		enum vds_why why;
		uint64_t value;
	} pfn_database, pte_base;
	/* Memory of a tree's walk that has ended, for the next one; or NULL. */
	struct vds_vad_room *vad_room;
	/* See vds_vad_layout(). */
	struct vds_vad_layout vad_layout;
	bool has_vad_layout;
	/*
	 * Bytes of long texts that were kept; vds_task_may_keep(). Of this run,
	 * and in vds_parallel() of this index.
	 */
	size_t long_text;
	/* _POOL_HEADER; prepared by vds_pool_header_decode(). */
	struct {
		bool known;
		struct vds_bits size, previous_size, type, tag;
	} pool_header;
	/* A failed allocation anywhere below; the run ends with it. */
	bool nomem;
};

/* Errors: out of memory. */
struct vds_error *vds_task_init(struct vds_task *task,
				const struct vds_kernel *kernel);
void vds_task_deinit(struct vds_task *task);
/* Forgets arena, notes and section caches, keeps the tlb. */
void vds_task_reset(struct vds_task *task);

/* Reads kernel memory. */
enum vds_why vds_task_read(struct vds_task *task, uint64_t va, void *buf,
			   size_t len);
enum vds_why vds_task_u64(struct vds_task *task, uint64_t va, uint64_t *ret);
enum vds_why vds_task_u32(struct vds_task *task, uint64_t va, uint32_t *ret);

/*
 * Whether a text of @len bytes may still be kept: always if it is of a usual
 * length; long ones, as only few names are, up to a sum that a hostile image
 * can't exceed by naming everything with 64 KB. Noted once it is reached.
 */
bool vds_task_may_keep(struct vds_task *task, size_t len);

/*
 * @a, @b and @c as one string in the task's arena. NULL if it may not be kept,
 * or if there is no memory, which ends the run.
 */
const char *vds_task_join(struct vds_task *task, const char *a, const char *b,
			  const char *c);

/*
 * What was put together in @s, as a string in the task's arena. PRESENT;
 * BAD_DATA if it may not be kept; or NOT_APPLICABLE if there is no memory, which
 * ends the run.
 */
enum vds_why vds_task_keep(struct vds_task *task, const struct vds_str *s,
			   const char **ret);

#endif
