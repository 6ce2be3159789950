/* SPDX-License-Identifier: Apache-2.0 */
#include "nt/task.h"

#include <string.h>

#include "nt/kernel.h"

/* A text is long if it has more bytes; how many of such a task keeps. */
#define LONG_TEXT ((size_t)1 << 10)
#define MAX_LONG_TEXT ((size_t)4 << 20)

struct vds_error *vds_task_init(struct vds_task *task,
				const struct vds_kernel *kernel)
{
	*task = (struct vds_task){.kernel = kernel};
	vds_arena_init(&task->arena, 0);
	task->tlb = vds_tlb_create();
	return task->tlb ? NULL : &vds_enomem;
}

void vds_task_deinit(struct vds_task *task)
{
	vds_tlb_destroy(task->tlb);
	vds_arena_deinit(&task->arena);
	vds_notes_deinit(&task->notes);
	vds_map_deinit(&task->sections);
	vds_map_deinit(&task->subsections);
	*task = (struct vds_task){0};
}

void vds_task_reset(struct vds_task *task)
{
	vds_arena_reset(&task->arena);
	vds_notes_deinit(&task->notes);
	vds_map_clear(&task->sections);
	vds_map_clear(&task->subsections);
	task->processes = NULL;
	task->vad_room = NULL;
	task->long_text = 0;
	task->nomem = false;
}

enum vds_why vds_task_read(struct vds_task *task, uint64_t va, void *buf,
			   size_t len)
{
	return vds_space_read(&task->kernel->space, task->tlb, va, buf, len);
}

enum vds_why vds_task_u64(struct vds_task *task, uint64_t va, uint64_t *ret)
{
	return vds_space_read_u64(&task->kernel->space, task->tlb, va, ret);
}

enum vds_why vds_task_u32(struct vds_task *task, uint64_t va, uint32_t *ret)
{
	return vds_space_read_u32(&task->kernel->space, task->tlb, va, ret);
}

bool vds_task_may_keep(struct vds_task *task, size_t len)
{
	if (len <= LONG_TEXT)
		return true;
	if (len > MAX_LONG_TEXT - task->long_text) {
		vds_note(&task->notes, "long_texts", 0,
			 "more than %zu MB of texts longer than %zu bytes: no "
			 "more of them are read", MAX_LONG_TEXT >> 20,
			 LONG_TEXT);
		return false;
	}
	task->long_text += len;
	return true;
}

const char *vds_task_join(struct vds_task *task, const char *a, const char *b,
			  const char *c)
{
	if (!vds_task_may_keep(task, strlen(a) + strlen(b) + strlen(c)))
		return NULL;
	const char *joined = vds_arena_printf(&task->arena, "%s%s%s", a, b, c);
	if (!joined)
		task->nomem = true;
	return joined;
}

enum vds_why vds_task_keep(struct vds_task *task, const struct vds_str *s,
			   const char **ret)
{
	if (!s->failed && !vds_task_may_keep(task, s->len))
		return VDS_BAD_DATA;
	*ret = s->failed ? NULL :
			   vds_arena_strndup(&task->arena, s->data, s->len);
	if (*ret)
		return VDS_PRESENT;
	task->nomem = true;
	return VDS_NOT_APPLICABLE;
}
