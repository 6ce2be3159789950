/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The self-reference scan: NT maps its page tables through one entry of the
 * top table that points at the table itself. That entry can be anywhere in the
 * upper half since 1607, and the table anywhere in memory.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/util.h"
#include "base/work.h"
#include "nt/discover.h"

#define ENTRIES 512u
#define UPPER 256u
/* PML4 entries of KUSER_SHARED_DATA and of the region of kernel images. */
#define SLOT_KUSER 0x1efu
#define SLOT_KERNEL 0x1f0u
/* With five levels both lie behind the last PML5 entry. */
#define SLOT_PML5_KERNEL 0x1ffu

/* Present, supervisor, not large. */
#define TABLE_BITS (VDS_PTE_PRESENT | VDS_PTE_USER | VDS_PTE_LARGE)

static inline uint64_t entry(const uint8_t *page, unsigned int i)
{
	return vds_le64(page + i * 8);
}

static inline bool is_kernel_table(uint64_t e)
{
	return (e & TABLE_BITS) == VDS_PTE_PRESENT;
}

/* Exactly one entry of the upper half leads back to the page itself. */
static bool has_self_reference(const uint8_t *page, uint64_t pa)
{
	unsigned int found = 0;
	for (unsigned int i = UPPER; i < ENTRIES; i++) {
		uint64_t e = entry(page, i);
		found += (e & VDS_PTE_PFN_MASK) == pa &&
			 (e & (TABLE_BITS | VDS_PTE_WRITE)) ==
				 (VDS_PTE_PRESENT | VDS_PTE_WRITE);
	}
	return found == 1;
}

/* Neither half of a top table is anywhere near full. */
#define MIN_ZEROS 16u

static bool is_sparse(const uint8_t *page, unsigned int min_kernel)
{
	unsigned int zeros[2] = {0, 0}, kernel = 0;
	for (unsigned int i = 0; i < ENTRIES; i++) {
		uint64_t e = entry(page, i);
		zeros[i >= UPPER] += !e;
		kernel += i >= UPPER && is_kernel_table(e);
	}
	return zeros[0] >= MIN_ZEROS && zeros[1] >= MIN_ZEROS &&
	       kernel >= min_kernel;
}

bool vds_dtb_check_page(const uint8_t *page, uint64_t pa,
			struct vds_dtb_hit *ret)
{
	uint64_t four = entry(page, SLOT_KERNEL);
	uint64_t five = entry(page, SLOT_PML5_KERNEL);
	/* Two loads turn down all but one page in thousands. */
	bool is_four = is_kernel_table(four) &&
		       is_kernel_table(entry(page, SLOT_KUSER));
	if (!is_four && !is_kernel_table(five))
		return false;
	if (!has_self_reference(page, pa))
		return false;
	/*
	 * A PML4 has at least KUSER, the kernel, HAL, the self-reference and
	 * pool regions; a PML5 may have its self-reference and one other.
	 */
	if (!is_sparse(page, is_four ? 6 : 2))
		return false;
	*ret = (struct vds_dtb_hit){
		.pa = pa,
		.levels = is_four ? 4 : 5,
		.kernel_half = (is_four ? four : five) & VDS_PTE_PFN_MASK,
	};
	return true;
}

#define STEP ((size_t)1 << 20)
#define CHUNK ((uint64_t)16 << 20)
/* A machine has some hundred processes; a page of garbage has no hit at all. */
#define MAX_HITS ((size_t)65536)

struct chunk {
	uint64_t pa, end;
	struct vds_dtb_hit *hits;
	size_t num_hits, cap_hits;
};

struct scan {
	const struct vds_image *image;
	struct chunk *chunks;
	size_t num_chunks;
	uint8_t **buffers;	/* one per worker */
	struct vds_dtb_hit *hits;
	size_t num_hits, cap_hits;
};

static struct vds_error *add_hit(struct vds_dtb_hit **hits, size_t *count,
				 size_t *cap, const struct vds_dtb_hit *hit)
{
	if (*count >= MAX_HITS)
		return NULL;
	if (*count == *cap) {
		size_t more = *cap ? *cap * 2 : 64;
		struct vds_dtb_hit *bigger = realloc(*hits,
						     more * sizeof(*bigger));
		if (!bigger)
			return &vds_enomem;
		*hits = bigger;
		*cap = more;
	}
	(*hits)[(*count)++] = *hit;
	return NULL;
}

static struct vds_error *scan_bytes(struct chunk *chunk, const uint8_t *bytes,
				    size_t len, uint64_t pa)
{
	/* Only whole pages can be tables. */
	uint64_t skip = -pa & VDS_PAGE_MASK;
	for (; vds_fits(skip, VDS_PAGE_SIZE, len); skip += VDS_PAGE_SIZE) {
		struct vds_dtb_hit hit;
		if (!vds_dtb_check_page(bytes + skip, pa + skip, &hit))
			continue;
		struct vds_error *err = add_hit(&chunk->hits,
						&chunk->num_hits,
						&chunk->cap_hits, &hit);
		if (err)
			return err;
	}
	return NULL;
}

static struct vds_error *run_chunk(void *ctx, size_t task, unsigned int worker)
{
	struct scan *scan = ctx;
	struct chunk *chunk = &scan->chunks[task];
	uint8_t **buffer = &scan->buffers[worker];
	if (!*buffer && !(*buffer = malloc(STEP)))
		return &vds_enomem;
	uint64_t pa = chunk->pa;
	while (pa < chunk->end) {
		size_t len = vds_image_scan(scan->image, &pa, *buffer, STEP);
		if (!len || pa >= chunk->end)
			break;
		struct vds_error *err = scan_bytes(chunk, *buffer, len, pa);
		if (err)
			return err;
		pa += len;
	}
	return NULL;
}

static struct vds_error *commit_chunk(void *ctx, size_t task)
{
	struct scan *scan = ctx;
	struct chunk *chunk = &scan->chunks[task];
	struct vds_error *err = NULL;
	for (size_t i = 0; i < chunk->num_hits && !err; i++)
		err = add_hit(&scan->hits, &scan->num_hits, &scan->cap_hits,
			      &chunk->hits[i]);
	free(chunk->hits);
	chunk->hits = NULL;
	chunk->num_hits = 0;
	return err;
}

static struct vds_error *make_chunks(struct scan *scan)
{
	size_t count, n = 0;
	const struct vds_range *ranges = vds_image_ranges(scan->image, &count);
	for (size_t i = 0; i < count; i++)
		n += (size_t)((ranges[i].len - 1) / CHUNK + 1);
	scan->chunks = calloc(n ? n : 1, sizeof(*scan->chunks));
	if (!scan->chunks)
		return &vds_enomem;
	for (size_t i = 0; i < count; i++) {
		/* Crumbs without a whole page cost no read. */
		uint64_t end = (ranges[i].pa + ranges[i].len) & ~VDS_PAGE_MASK;
		uint64_t pa = (ranges[i].pa + VDS_PAGE_MASK) & ~VDS_PAGE_MASK;
		if (ranges[i].kind != VDS_RANGE_DATA)
			continue;
		for (; pa < end; pa += CHUNK) {
			scan->chunks[scan->num_chunks++] = (struct chunk){
				.pa = pa, .end = VDS_MIN(pa + CHUNK, end),
			};
		}
	}
	return NULL;
}

struct vds_error *vds_dtb_scan(const struct vds_image *image,
			       unsigned int threads, struct vds_dtb_hit **ret,
			       size_t *ret_count)
{
	struct scan scan = {.image = image};
	threads = VDS_MAX(threads, 1u);
	struct vds_error *err = make_chunks(&scan);
	scan.buffers = calloc(threads, sizeof(*scan.buffers));
	if (!err && !scan.buffers)
		err = &vds_enomem;
	if (!err) {
		struct vds_work work = {
			.threads = threads, .tasks = scan.num_chunks,
			.ctx = &scan, .run = run_chunk,
			.commit = commit_chunk,
		};
		err = vds_work_run(&work);
	}
	for (size_t i = 0; scan.buffers && i < threads; i++)
		free(scan.buffers[i]);
	free(scan.buffers);
	for (size_t i = 0; i < scan.num_chunks; i++)
		free(scan.chunks[i].hits);
	free(scan.chunks);
	if (err) {
		free(scan.hits);
		return err;
	}
	*ret = scan.hits;
	*ret_count = scan.num_hits;
	return NULL;
}

/*
 * PROCESSOR_START_BLOCK (its beginning, as VMware's and QEMU's memory and
 * several public tools know it): a far jump, the long-mode target, and the
 * processor state that a processor wakes up with.
 */
#define STUB_TARGET 0x70
#define STUB_CR3 0xa0
#define STUB_CR4 0xa8
#define CR4_LA57 0x1000

bool vds_low_stub_check(const uint8_t *page, uint64_t *ret_cr3, bool *ret_la57)
{
	uint64_t jump = vds_le64(page);
	uint64_t target = vds_le64(page + STUB_TARGET);
	uint64_t cr3 = vds_le64(page + STUB_CR3);
	if ((jump & UINT64_C(0xffffffffffff00ff)) !=
		    UINT64_C(0x00000001000600e9) ||
	    (target & UINT64_C(0xfffff80000000003)) !=
		    UINT64_C(0xfffff80000000000) ||
	    (cr3 & UINT64_C(0xffffff0000000fff)) || !cr3)
		return false;
	*ret_cr3 = cr3;
	*ret_la57 = (vds_le32(page + STUB_CR4) & CR4_LA57) != 0;
	return true;
}
