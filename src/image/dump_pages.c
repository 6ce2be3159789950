/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crash dumps that say page by page what they hold: by a bitmap (types 5 and
 * 6, and 2 of earlier systems) or by a list of runs (types 8, 9 and 10). Layouts
 * as in kdmp-parser's structs; see also Volatility 3's crash_common.json.
 */
#include "image/dump.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/util.h"

#define BLOCK ((size_t)1 << 16)		/* of the bitmap or run list, at once */

#define BITMAP_AT 0x38			/* behind the sub-header's start */
#define MAX_BITS (UINT64_C(1) << 32)	/* 16 TiB of memory */

struct bitmap {
	uint64_t at;		/* file offset of bit 0 */
	uint64_t first_page;	/* file offset of the first page */
	uint64_t first_page_at;	/* file offset where that is stated */
	uint64_t present;	/* pages, as the header says */
	uint64_t bits;
	/* The walk. */
	uint64_t pfn;		/* start of the run of ones, if there is one */
	uint64_t run;		/* its length */
	uint64_t pages;		/* ones before that run */
};

static struct vds_error *field_error(uint64_t at, const char *name,
				     uint64_t value, const char *must)
{
	return vds_error_create(VDS_ERROR_FORMAT,
				"crash dump: %s at offset 0x%llx is 0x%llx, %s",
				name, (unsigned long long)at,
				(unsigned long long)value, must);
}

/* SUMMARY_DUMP and SUMMARY_DUMP64, behind the sub-header's start. */
#define OLD_PAGES_AT 0x0c	/* HeaderSize: file offset of the first page */
#define OLD_BITS 0x10
#define OLD_PRESENT 0x14
#define OLD_BITS_AGAIN 0x18	/* an RTL_BITMAP: its size, then a pointer */
#define OLD_BITMAP32 0x20
#define OLD_BITMAP64 0x28

/*
 * Kernel dumps of Windows 7 and before (type 2) have 32-bit fields in the same
 * sub-header (Dump.h of Microsoft's Singularity RDK); later ones leave these
 * bytes alone. The two sizes that must be equal tell them apart.
 */
static bool read_old_header(const struct vds_dump *dump, const uint8_t *h,
			    struct bitmap *map)
{
	uint64_t at = dump->header_size;
	uint32_t bits = vds_le32(h + OLD_BITS);
	if (dump->type != 2 || !bits || bits == VDS_DUMP_UNSET32 ||
	    bits != vds_le32(h + OLD_BITS_AGAIN))
		return false;
	*map = (struct bitmap){
		.at = at + (dump->wide ? OLD_BITMAP64 : OLD_BITMAP32),
		.first_page = vds_le32(h + OLD_PAGES_AT),
		.first_page_at = at + OLD_PAGES_AT,
		.present = vds_le32(h + OLD_PRESENT),
		.bits = bits,
	};
	return true;
}

static struct vds_error *read_bitmap_header(const struct vds_dump *dump,
					    struct bitmap *map)
{
	uint8_t h[BITMAP_AT];
	uint64_t at = dump->header_size;
	if (vds_file_pread(dump->image->file, at, h, sizeof(h)) < sizeof(h))
		return vds_error_create(VDS_ERROR_FORMAT,
					"crash dump: the file ends inside the bitmap header at offset 0x%llx",
					(unsigned long long)at);
	if ((memcmp(h, "SDMP", 4) && memcmp(h, "FDMP", 4)) ||
	    memcmp(h + 4, "DUMP", 4))
		return vds_error_create(dump->type == 2 ?
					VDS_ERROR_UNSUPPORTED :
					VDS_ERROR_FORMAT,
					"crash dump of type %u: no SDMP or FDMP header at offset 0x%llx",
					dump->type, (unsigned long long)at);
	if (!read_old_header(dump, h, map))
		*map = (struct bitmap){
			.at = at + BITMAP_AT,
			.first_page = vds_le64(h + 0x20),
			.first_page_at = at + 0x20,
			.present = vds_le64(h + 0x28),
			.bits = vds_le64(h + 0x30),
		};
	if (map->bits > MAX_BITS)
		return field_error(at + 0x30, "number of bitmap bits",
				   map->bits, "more than 2^32");
	if (map->first_page & VDS_PAGE_MASK || map->first_page >= dump->size)
		return field_error(map->first_page_at,
				   "offset of the first page", map->first_page,
				   map->first_page & VDS_PAGE_MASK ?
				   "not page aligned" : "behind the file's end");
	if (map->first_page < map->at ||
	    (map->bits + 7) / 8 > map->first_page - map->at)
		return field_error(map->first_page_at,
				   "offset of the first page", map->first_page,
				   "inside of the bitmap before it");
	return NULL;
}

/* Ends the current run of ones. */
static struct vds_error *end_run(struct vds_dump *dump, struct bitmap *map)
{
	struct vds_error *err = NULL;
	if (map->run)
		err = vds_dump_add_pages(dump, map->pfn, map->run,
					 map->first_page +
					 (map->pages << VDS_PAGE_SHIFT));
	map->pages += map->run;
	map->run = 0;
	return err;
}

/* The @n (1 to 64) page frames from @pfn on, lowest bit first. */
static struct vds_error *walk_word(struct vds_dump *dump, struct bitmap *map,
				   uint64_t pfn, uint64_t word, unsigned int n)
{
	struct vds_error *err = NULL;
	if (n < 64)
		word &= (UINT64_C(1) << n) - 1;
	if (!word)
		return end_run(dump, map);
	for (unsigned int i = 0; i < n && !err;) {
		uint64_t rest = word >> i;
		unsigned int same;
		if (rest & 1) {
			same = ~rest ? (unsigned int)__builtin_ctzll(~rest) :
				       64;
			same = VDS_MIN(same, n - i);
			if (!map->run)
				map->pfn = pfn + i;
			map->run += same;
		} else {
			same = rest ? (unsigned int)__builtin_ctzll(rest) : 64;
			same = VDS_MIN(same, n - i);
			err = end_run(dump, map);
		}
		i += same;
	}
	return err;
}

static struct vds_error *walk_bitmap(struct vds_dump *dump, struct bitmap *map)
{
	_cleanup_free_ uint8_t *buf = malloc(BLOCK);
	struct vds_error *err = NULL;
	if (!buf)
		return &vds_enomem;
	for (uint64_t pfn = 0; pfn < map->bits && !err; pfn += BLOCK * 8) {
		uint64_t left = map->bits - pfn;
		size_t want = (size_t)VDS_MIN((left + 7) / 8, BLOCK);
		memset(buf, 0, BLOCK);
		/* first_page < size, so only a shrinking file is short. */
		vds_file_pread(dump->image->file, map->at + pfn / 8, buf,
			       want);
		for (size_t i = 0; i < want && !err; i += 8) {
			uint64_t n = VDS_MIN(left - i * 8, 64);
			err = walk_word(dump, map, pfn + i * 8,
					vds_le64(buf + i), (unsigned int)n);
		}
	}
	return err ? err : end_run(dump, map);
}

struct vds_error *vds_dump_open_bitmap(struct vds_dump *dump)
{
	struct bitmap map = {0};
	struct vds_error *err = read_bitmap_header(dump, &map);
	if (!err)
		err = walk_bitmap(dump, &map);
	if (!err && map.pages != map.present)
		vds_note(&dump->image->notes, "dump_page_count", 0,
			 "crash dump: 0x%llx pages are said to be present, but the bitmap has 0x%llx bits set",
			 (unsigned long long)map.present,
			 (unsigned long long)map.pages);
	return err;
}

/* The run list: {u64 page frame, u64 count}, from here to its end. */
#define RUNS_AT 0x30

struct runs {
	uint64_t at, end;	/* file offsets of the list */
	uint64_t source;	/* file offset of the next run's pages */
	uint64_t pages;		/* so far */
	uint64_t total;		/* stop there; 0 = not said */
};

static struct vds_error *read_runs_header(const struct vds_dump *dump,
					  struct runs *runs)
{
	uint8_t h[RUNS_AT];
	uint64_t at = dump->header_size;
	if (vds_file_pread(dump->image->file, at, h, sizeof(h)) < sizeof(h))
		return vds_error_create(VDS_ERROR_FORMAT,
					"crash dump: the file ends inside the RDMP header at offset 0x%llx",
					(unsigned long long)at);
	if (memcmp(h + 4, "RDMPDUMP", 8))
		return vds_error_create(VDS_ERROR_FORMAT,
					"crash dump of type %u: no RDMP header at offset 0x%llx",
					dump->type, (unsigned long long)at);
	uint64_t metadata = vds_le64(h + 0x10);
	*runs = (struct runs){
		.at = at + RUNS_AT,
		.source = vds_le64(h + 0x18),
		.total = dump->type == 10 ? vds_le64(h + 0x28) : 0,
	};
	if (metadata < 16 || metadata % 16 ||
	    !vds_fits(at + 0x20, metadata, dump->size))
		return field_error(at + 0x10, "size of the run list", metadata,
				   "not a multiple of 16 inside of the file");
	runs->end = at + 0x20 + metadata;
	if (runs->source < runs->end || runs->source >= dump->size)
		return field_error(at + 0x18, "offset of the first page",
				   runs->source, runs->source < runs->end ?
				   "inside of the run list" :
				   "behind the file's end");
	return NULL;
}

static struct vds_error *add_run(struct vds_dump *dump, struct runs *runs,
				 const uint8_t *entry)
{
	uint64_t pfn = vds_le64(entry), count = vds_le64(entry + 8);
	if (runs->total)
		count = VDS_MIN(count, runs->total - runs->pages);
	struct vds_error *err = vds_dump_add_pages(dump, pfn, count,
						   runs->source);
	if (err)
		return vds_error_prefix(err, "crash dump: run at offset 0x%llx",
					(unsigned long long)runs->at);
	/* Each run is below 2^40 pages, but their number is the file's. */
	if (!vds_add_u64(runs->source, count << VDS_PAGE_SHIFT, &runs->source))
		return field_error(runs->at, "page count", count,
				   "which overflows the sum of all runs");
	runs->pages += count;
	return NULL;
}

struct vds_error *vds_dump_open_runs(struct vds_dump *dump)
{
	_cleanup_free_ uint8_t *buf = malloc(BLOCK);
	struct runs runs = {0};
	struct vds_error *err = read_runs_header(dump, &runs);
	bool done = false;
	if (!err && !buf)
		err = &vds_enomem;
	while (!err && !done && runs.end - runs.at >= 16) {
		size_t want = (size_t)VDS_MIN((runs.end - runs.at) / 16 * 16,
					      (uint64_t)BLOCK);
		size_t n = vds_file_pread(dump->image->file, runs.at, buf,
					  want);
		done = n < want;
		for (size_t i = 0; i + 16 <= n && !done && !err; i += 16) {
			/* Frame 0 is never dumped: it ends the list. */
			done = !vds_le64(buf + i) ||
			       (runs.total && runs.pages == runs.total);
			if (!done)
				err = add_run(dump, &runs, buf + i);
			runs.at += 16;
		}
	}
	return err;
}
