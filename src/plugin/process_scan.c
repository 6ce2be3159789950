/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vds_process_scan(): pool blocks tagged "Proc", and what in them is an
 * EPROCESS.
 *
 * Optional object headers of unknown number stand between the pool header and
 * the object, so every distance is tried and the bytes themselves must say that
 * they are a process (process_examine.c).
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/util.h"
#include "image/image.h"
#include "nt/kernel.h"
#include "plugin/process_examine.h"
#include "plugin/session.h"
#include "vadose/process_scan.h"
#include "vadose/record.h"

/* Pool blocks and object headers are aligned to this. */
#define GRANULE 16
/* How much may stand between pool header and OBJECT_HEADER; all optional
 * headers together, with their padding, are smaller. */
#define MAX_DISTANCE 0x100
#define PAGE 4096
#define READ_SIZE 65536
#define MIN_CHUNK ((uint64_t)16 << 20)
#define MAX_CHUNKS 65536

struct found {
	struct vds_scanned_process process;
	struct found *next;
};

struct scan {
	const struct vds_kernel *kernel;
	uint64_t pool_header;	/* bytes */
	uint32_t tag;		/* offset of PoolTag in it */
	struct vds_process_marks marks;
	uint64_t chunk;		/* bytes */
	struct found **found;	/* per chunk */
};

/* A tag was met in the pool header at @block. */
static bool try_block(struct vds_run *run, struct scan *scan, uint64_t block,
		      bool protected_tag, struct found **list)
{
	uint32_t body = vds_kf(scan->kernel, OBJECT_BODY)->offset;

	for (uint64_t d = 0; d <= MAX_DISTANCE; d += GRANULE) {
		uint64_t pa = block + scan->pool_header + d + body;
		struct vds_scanned_process process;

		if (pa / PAGE != block / PAGE)
			break;
		if (!vds_process_examine(run, &scan->marks, pa, &process))
			continue;
		struct found *found = vds_alloc(run, 1, sizeof(*found));
		if (!found)
			return false;
		process.block = block;
		process.protected_tag = protected_tag;
		found->process = process;
		found->next = *list;
		*list = found;
		break;
	}
	return true;
}

/* "Proc"; the top bit marks protected tags. */
static bool is_tag(const uint8_t *p)
{
	return (vds_le32(p) & 0x7fffffff) == 0x636f7250;
}

/*
 * DISPATCHER_HEADER.Type at every distance, but in the bytes at hand: @p is the
 * tag, @left how many bytes of its page there are. Text has many such words.
 */
static bool may_hold(const struct scan *scan, const uint8_t *p, size_t left)
{
	const struct vds_field *type = vds_kf(scan->kernel, KPROCESS_TYPE);
	size_t at = scan->pool_header - scan->tag + type->offset +
		    vds_kf(scan->kernel, OBJECT_BODY)->offset;

	if (type->size != 1 || type->bit_len)
		return true;
	for (size_t d = 0; d <= MAX_DISTANCE && at + d < left; d += GRANULE) {
		if ((p[at + d] & 0x7f) == VDS_DISPATCHER_PROCESS)
			return true;
	}
	return false;
}

static bool scan_bytes(struct vds_run *run, struct scan *scan, uint64_t pa,
		       const uint8_t *buf, size_t len, struct found **list)
{
	size_t i = (size_t)(-pa % GRANULE) + scan->tag;

	for (; i + 4 <= len; i += GRANULE) {
		const uint8_t *p = buf + i;

		/* One branch for several granules, almost never taken. */
		while (i + 7 * GRANULE + 4 <= len &&
		       !((int)is_tag(p) | (int)is_tag(p + GRANULE) |
			 (int)is_tag(p + 2 * GRANULE) |
			 (int)is_tag(p + 3 * GRANULE))) {
			i += 4 * GRANULE;
			p += 4 * GRANULE;
		}
		if (!is_tag(p))
			continue;
		uint64_t block = pa + i - scan->tag;
		size_t left = PAGE - (size_t)((pa + i) % PAGE);
		/* What was read may end within the page. */
		if (left <= len - i && !may_hold(scan, p, left))
			continue;
		if (!try_block(run, scan, block, p[3] >> 7, list))
			return false;
	}
	return true;
}

static struct vds_error *scan_chunk(struct vds_run *run, size_t index,
				    void *ctx)
{
	struct scan *scan = ctx;
	uint64_t pa = index * scan->chunk, end = pa + scan->chunk;
	uint8_t *buf = malloc(READ_SIZE);
	struct vds_error *err = NULL;
	size_t n;

	if (!buf)
		return &vds_enomem;
	while (!err && pa < end &&
	       (n = vds_image_scan(scan->kernel->image, &pa, buf, READ_SIZE)) &&
	       pa < end) {	/* else a gap goes on into another chunk */
		if (!scan_bytes(run, scan, pa, buf, n, &scan->found[index]))
			err = &vds_enomem;
		pa += n;
	}
	free(buf);
	return err;
}

static bool learn_layout(struct vds_run *run, struct scan *scan)
{
	const struct vds_type *pool = vds_type_find(run, "_POOL_HEADER");
	struct vds_member_info tag;

	if (!vds_type_member_find(pool, "PoolTag", &tag) ||
	    !vds_kf(scan->kernel, KPROCESS_TYPE)->present) {
		vds_run_note(run, "no_process_scan", 0,
			     "the profile lacks POOL_HEADER or DISPATCHER_HEADER: processes can't be scanned for");
		return false;
	}
	scan->pool_header = vds_type_size(pool);
	scan->tag = tag.offset;
	return true;
}

static int compare_found(const void *pa, const void *pb)
{
	const struct vds_scanned_process *a = pa, *b = pb;

	if (a->pa != b->pa)
		return a->pa < b->pa ? -1 : 1;
	return a->block < b->block ? -1 : a->block > b->block;
}

/* All that the chunks found, each EPROCESS once. */
static struct vds_error *collect(struct vds_run *run, const struct scan *scan,
				 size_t num_chunks,
				 const struct vds_scanned_process **ret,
				 size_t *ret_count)
{
	size_t count = 0, unique = 0;

	for (size_t i = 0; i < num_chunks; i++) {
		for (struct found *f = scan->found[i]; f; f = f->next)
			count++;
	}
	struct vds_scanned_process *list =
		vds_alloc(run, count + 1, sizeof(*list));
	if (!list)
		return &vds_enomem;
	count = 0;
	for (size_t i = 0; i < num_chunks; i++) {
		for (struct found *f = scan->found[i]; f; f = f->next)
			list[count++] = f->process;
	}
	qsort(list, count, sizeof(*list), compare_found);
	for (size_t i = 0; i < count; i++) {
		if (!unique || list[unique - 1].pa != list[i].pa)
			list[unique++] = list[i];
	}
	*ret = list;
	*ret_count = unique;
	return NULL;
}

struct vds_error *vds_process_scan(struct vds_run *run,
				   const struct vds_scanned_process **ret,
				   size_t *ret_count)
{
	struct scan scan = {.kernel = run->session->kernel};
	uint64_t end = vds_image_end(scan.kernel->image);

	if (!learn_layout(run, &scan)) {
		*ret = NULL;
		*ret_count = 0;
		return NULL;
	}
	scan.chunk = VDS_MAX(MIN_CHUNK, end / MAX_CHUNKS / PAGE * PAGE + PAGE);
	size_t num_chunks = (size_t)(end / scan.chunk + 1);
	scan.found = vds_alloc(run, num_chunks, sizeof(*scan.found));
	if (!scan.found || !vds_process_marks_learn(run, &scan.marks))
		return &vds_enomem;
	struct vds_error *err = vds_parallel(run, num_chunks, scan_chunk,
					     &scan);
	if (err)
		return err;
	return collect(run, &scan, num_chunks, ret, ret_count);
}
