/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two witnesses say where a copy was. A pointer to it: KPRCB.CurrentThread,
 * KTHREAD.ApcState.Process, KiProcessorBlock[KPRCB.Number]. And the copy
 * itself: the head of an empty list points to where it lies.
 */
#include "nt/copies.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"
#include "nt/walk.h"

/* The largest, KPRCB, is below 64 KiB so far. */
#define COPY_MAX ((size_t)1 << 17)

struct copy {
	const char *what;
	uint8_t *bytes;		/* NULL: there is none */
	size_t len;
	uint64_t source;
	uint64_t va;		/* 0 = not known */
};

static const char *const names[VDS_NUM_COPIES] = {
	[VDS_COPY_PRCB] = "KPRCB",
	[VDS_COPY_PROCESS] = "EPROCESS",
	[VDS_COPY_THREAD] = "ETHREAD",
};

static size_t size_of(const struct vds_kernel *kernel, size_t kind)
{
	static const enum vds_record_id records[VDS_NUM_COPIES] = {
		[VDS_COPY_PRCB] = VDS_R_KPRCB,
		[VDS_COPY_PROCESS] = VDS_R_EPROCESS,
		[VDS_COPY_THREAD] = VDS_R_ETHREAD,
	};
	return kernel->binding.sizes[records[kind]];
}

/* Reads @kind as far as the dump has it and its type goes. */
static bool load(const struct vds_kernel *kernel, size_t kind,
		 struct copy *ret)
{
	const struct vds_image_copy *copy =
		vds_image_copy(kernel->image, (enum vds_copy_kind)kind);
	size_t size = size_of(kernel, kind);
	uint64_t len = VDS_MIN(copy->len, (uint64_t)COPY_MAX);
	*ret = (struct copy){.what = names[kind], .source = copy->source};
	if (size)
		len = VDS_MIN(len, (uint64_t)size);
	if (!len)
		return true;
	ret->bytes = malloc((size_t)len);
	if (!ret->bytes)
		return false;
	ret->len = (size_t)len;
	if (vds_image_read_source(kernel->image, copy->source, ret->bytes,
				  ret->len)) {
		free(ret->bytes);
		ret->bytes = NULL;
		ret->len = 0;
	}
	return true;
}

/* True if a pointer within the copy says that it lies at @va. */
static bool points_to_itself(const struct copy *copy, uint64_t va)
{
	for (size_t i = 0; i + 8 <= copy->len; i += 8) {
		if (vds_le64(copy->bytes + i) == va + i)
			return true;
	}
	return false;
}

static int compare_u64(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
	return a < b ? -1 : a > b;
}

/* What most of the pointers to themselves say, at least two; else 0. */
static struct vds_error *vote(const struct vds_kernel *kernel,
			      const struct copy *copy, uint64_t *ret)
{
	_cleanup_free_ uint64_t *votes =
		vds_malloc_array(copy->len / 8, sizeof(*votes));
	size_t n = 0, best = 1;
	*ret = 0;
	if (!votes)
		return &vds_enomem;
	for (size_t i = 0; i + 8 <= copy->len; i += 8) {
		uint64_t va = vds_le64(copy->bytes + i) - i;
		if (vds_is_kernel_pointer(kernel, va, 16))
			votes[n++] = va;
	}
	qsort(votes, n, sizeof(*votes), compare_u64);
	for (size_t i = 0, k; i < n; i = k) {
		for (k = i; k < n && votes[k] == votes[i]; k++)
			;
		if (k - i > best) {
			best = k - i;
			*ret = votes[i];
		}
	}
	return NULL;
}

/* @pointer leads to it, as @how says; 0 = nothing does. */
static struct vds_error *place(struct vds_kernel *kernel, struct copy *copy,
			       uint64_t pointer, const char *how)
{
	uint64_t own;
	if (!copy->bytes)
		return NULL;
	bool good = vds_is_kernel_pointer(kernel, pointer, 8);
	if (good && points_to_itself(copy, pointer)) {
		copy->va = pointer;
		return NULL;
	}
	struct vds_error *err = vote(kernel, copy, &own);
	if (err)
		return err;
	if (good && own)
		vds_note(&kernel->notes, "copy_address", pointer,
			 "the dump's %s was at 0x%llx by %s, but at 0x%llx by the list heads in it; the latter is used",
			 copy->what, (unsigned long long)pointer, how,
			 (unsigned long long)own);
	copy->va = own ? own : good ? pointer : 0;
	if (!copy->va)
		vds_note(&kernel->notes, "copy_address", copy->source,
			 "where the %s at file offset 0x%llx was can't be told: it is left out",
			 copy->what, (unsigned long long)copy->source);
	return NULL;
}

static uint64_t get(const struct copy *copy, const struct vds_field *field)
{
	uint64_t v;
	if (!copy->bytes ||
	    vds_field_get(field, copy->bytes, copy->len, &v))
		return 0;
	return v;
}

/* KiProcessorBlock[Number], if that array is in the dump. */
static uint64_t prcb_pointer(const struct vds_kernel *kernel,
			     const struct copy *prcb)
{
	const struct vds_field *number = vds_kf(kernel, KPRCB_NUMBER);
	uint64_t array, va;
	if (!prcb->bytes || !number->present ||
	    !vds_kernel_symbol(kernel, VDS_S_KI_PROCESSOR_BLOCK, &array) ||
	    vds_space_read_u64(&kernel->space, NULL,
			       array + 8 * get(prcb, number), &va))
		return 0;
	return va;
}

static struct vds_error *place_all(struct vds_kernel *kernel,
				   struct copy *copies)
{
	struct copy *prcb = &copies[VDS_COPY_PRCB];
	struct copy *thread = &copies[VDS_COPY_THREAD];
	struct copy *process = &copies[VDS_COPY_PROCESS];
	struct vds_error *err = place(kernel, prcb, prcb_pointer(kernel, prcb),
				      "KiProcessorBlock");
	if (!err)
		err = place(kernel, thread,
			    get(prcb, vds_kf(kernel, KPRCB_CURRENT_THREAD)),
			    "KPRCB.CurrentThread");
	if (!err)
		err = place(kernel, process,
			    get(thread, vds_kf(kernel, KTHREAD_APC_PROCESS)),
			    "KTHREAD.ApcState.Process");
	kernel->crash = (struct vds_crash){
		.prcb = prcb->va, .thread = thread->va,
		.process = process->va,
		.tid = get(thread, vds_kf(kernel, ETHREAD_TID)),
	};
	return err;
}

/* The image's blocks come first, so that they win. */
static struct vds_error *show(struct vds_kernel *kernel,
			      const struct copy *copies)
{
	size_t n = kernel->space.num_blocks;
	struct vds_virtual_block *blocks =
		vds_malloc_array(n + VDS_NUM_COPIES, sizeof(*blocks));
	if (!blocks)
		return &vds_enomem;
	if (n)
		memcpy(blocks, kernel->space.blocks, n * sizeof(*blocks));
	for (size_t i = 0; i < VDS_NUM_COPIES; i++) {
		uint64_t end;
		if (copies[i].va &&
		    vds_add_u64(copies[i].va, copies[i].len, &end))
			blocks[n++] = (struct vds_virtual_block){
				copies[i].va, copies[i].len,
				copies[i].source};
	}
	struct vds_error *err = vds_blocks_finish(&blocks, &n, NULL);
	if (err) {
		free(blocks);
		return err;
	}
	free(kernel->blocks);
	kernel->blocks = blocks;
	kernel->space.blocks = blocks;
	kernel->space.num_blocks = n;
	return NULL;
}

struct vds_error *vds_copies_place(struct vds_kernel *kernel)
{
	struct copy copies[VDS_NUM_COPIES] = {0};
	bool ok = true;
	for (size_t i = 0; i < VDS_NUM_COPIES; i++)
		ok &= load(kernel, i, &copies[i]);
	struct vds_error *err = ok ? place_all(kernel, copies) : &vds_enomem;
	if (!err)
		err = show(kernel, copies);
	for (size_t i = 0; i < VDS_NUM_COPIES; i++)
		free(copies[i].bytes);
	return err;
}
