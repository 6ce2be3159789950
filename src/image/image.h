/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which bytes sit at this physical address? An image is a sorted list of
 * physical ranges over some container (raw, LiME, AFF4, crash dump, ...).
 * Immutable once opened and shared by all threads.
 */
#ifndef VDS_IMAGE_IMAGE_H
#define VDS_IMAGE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/note.h"
#include "vadose/error.h"

/* What the container knows about a range of physical addresses. */
enum vds_range_kind {
	VDS_RANGE_DATA,		/* bytes were acquired */
	VDS_RANGE_ZERO,		/* the container says: all zero */
	VDS_RANGE_UNREADABLE,	/* RAM, but acquisition failed there; reads as absent */
	VDS_RANGE_CONSTANT,	/* the container says: this one byte throughout */
};

/* Ranges are sorted by pa, disjoint, non-empty; gaps between them are absent. */
struct vds_range {
	uint64_t pa;		/* first byte */
	uint64_t len;		/* bytes; pa + len never wraps, <= 2^52 */
	uint64_t source;	/* container's own position (file offset in most) */
	enum vds_range_kind kind;
};

/* Facts that a container states about the machine; checked, never believed. */
struct vds_image_hints {
	bool has_dtb;		/* dtb below is set */
	uint64_t dtb;		/* CR3 as found, unmasked */
	bool has_kdbg;		/* KdDebuggerDataBlock */
	uint64_t kdbg;		/* kernel virtual address */
	bool has_kernel_base;
	uint64_t kernel_base;	/* virtual address */
	uint64_t kernel_size;	/* of its image, bytes; 0 = not said */
	bool has_module_list;
	uint64_t module_list;	/* PsLoadedModuleList, virtual address */
	bool has_process_head;
	uint64_t process_head;	/* PsActiveProcessHead, virtual address */
	bool has_la57;		/* la57 below is known (CR4) */
	bool la57;
	uint32_t build;		/* NT build number, 0 = not said */
	uint64_t system_time;	/* FILETIME (UTC), 0 = not said */
	uint16_t machine;	/* IMAGE_FILE_MACHINE_*, 0 = not said */
	/* More CR3 values (one per CPU in QEMU notes and VM snapshots). */
	const uint64_t *cr3s;
	size_t num_cr3s;
	bool has_bugcheck;	/* the two below are set */
	uint32_t bugcheck;	/* code */
	uint64_t bugcheck_parameters[4];
	uint64_t uptime;	/* 100 ns, 0 = not said */
	uint32_t processors;	/* 0 = not said */
};

/* One line of container metadata: ("acquired", "2020-10-08T17:21:44Z"). */
struct vds_image_meta {
	const char *key;	/* [a-z0-9_]+ */
	const char *value;	/* valid UTF-8 */
};

/* A block of virtual memory, for dumps without page tables (triage dumps). */
struct vds_virtual_block {
	uint64_t va;
	uint64_t len;		/* bytes; va + len never wraps */
	uint64_t source;	/* container's own position */
};

/* Structures that such a dump holds without saying at which address they were. */
enum vds_copy_kind {
	VDS_COPY_PRCB,		/* KPRCB of the processor that crashed */
	VDS_COPY_PROCESS,	/* EPROCESS that was current there */
	VDS_COPY_THREAD,	/* ETHREAD that was current there */
};
#define VDS_NUM_COPIES 3

struct vds_image_copy {
	uint64_t source;	/* container's own position */
	uint64_t len;		/* bytes at most, 0 = there is none */
};

/* A kernel module that the container itself lists. */
struct vds_image_module {
	uint64_t base;
	uint64_t size;		/* bytes */
	uint32_t timestamp;	/* TimeDateStamp of its PE header, 0 = not said */
	uint32_t checksum;	/* likewise CheckSum */
	bool unloaded;
	const char *path;	/* as stated, valid UTF-8; NULL = not stated */
};

struct vds_image;

struct vds_progress;

struct vds_image_options {
	/* Force a format by name ("raw"), NULL = detect. */
	const char *format;
	/* Which of several memories of an AFF4 volume: its URN, or NULL. */
	const char *object;
	/* Of what takes long in opening (unpacking a wrapper), or NULL. */
	const struct vds_progress *progress;
};

/* The known formats in order of detection: name and one-line summary. */
struct vds_image_format_info {
	const char *name;
	const char *summary;
};
/* Number @i of them; false past the last. */
bool vds_image_format_info(size_t i, struct vds_image_format_info *ret);

/*
 * Opens @path. Faults of the container that leave usable bytes (truncation,
 * overlap) become notes of the image; others are VDS_ERROR_NOT_AN_IMAGE,
 * VDS_ERROR_FORMAT or VDS_ERROR_UNSUPPORTED, naming file, offset, field and
 * value; VDS_ERROR_NO_INPUT if the file cannot be opened; vds_stop if the
 * progress says so.
 */
struct vds_error *vds_image_open(const char *path,
				 const struct vds_image_options *options,
				 struct vds_image **ret);
/* NULL accepted. */
void vds_image_close(struct vds_image *image);

/*
 * Reads [pa, pa + len): PRESENT if every byte is there (zero ranges read as
 * zeros, constant ones as their byte), else NOT_IN_IMAGE (or BAD_DATA where a
 * compressed chunk is corrupt) and @buf is undefined. Thread-safe.
 */
enum vds_why vds_image_read(const struct vds_image *image, uint64_t pa,
			    void *buf, size_t len);
/*
 * As vds_image_read(), for page tables: bytes of a CONSTANT range are a pattern
 * of the container, never entries, and count as NOT_IN_IMAGE.
 */
enum vds_why vds_image_read_table(const struct vds_image *image, uint64_t pa,
				  void *buf, size_t len);

/*
 * One step of a sequential scan over what is there: fills @buf with up to
 * @len bytes starting at the first readable DATA byte at or after *pa; stores
 * that address in *pa and returns the byte count, 0 at the end. Gaps, and
 * zero, constant and unreadable ranges are skipped. @len must be a multiple
 * of 4096; a step never crosses a range. Does not disturb the random-read
 * caches, uses system calls. Thread-safe; callers split the address space.
 */
size_t vds_image_scan(const struct vds_image *image, uint64_t *pa, void *buf,
		      size_t len);

/* The ranges, borrowed, sorted. */
const struct vds_range *vds_image_ranges(const struct vds_image *image,
					 size_t *ret_count);
/* The range that holds @pa, or NULL. */
const struct vds_range *vds_image_range_at(const struct vds_image *image,
					   uint64_t pa);
/* One past the last byte of the last range; 0 if there is none. */
uint64_t vds_image_end(const struct vds_image *image);
/*
 * Bytes of the decoded stream, address 0 to here: what the container declares
 * (a file's size for raw), else vds_image_end().
 */
uint64_t vds_image_stream_size(const struct vds_image *image);

/* Virtual blocks of a dump without page tables; count 0 for ordinary images. */
const struct vds_virtual_block *
vds_image_virtual_blocks(const struct vds_image *image, size_t *ret_count);
/* As vds_image_read(), by virtual address, over the virtual blocks. */
enum vds_why vds_image_read_virtual(const struct vds_image *image, uint64_t va,
				    void *buf, size_t len);
/* The same over @count other blocks of the same container, sorted and disjoint. */
enum vds_why vds_image_read_blocks(const struct vds_image *image,
				   const struct vds_virtual_block *blocks,
				   size_t count, uint64_t va, void *buf,
				   size_t len);
/* Bytes at the container's own position. */
enum vds_why vds_image_read_source(const struct vds_image *image,
				   uint64_t source, void *buf, size_t len);
/*
 * Sorts @blocks (malloc'ed, may be moved) and makes them disjoint: where two
 * claim a byte, the one that came first in the array has it. With @notes that
 * is noted ("range_overlap").
 */
struct vds_error *vds_blocks_finish(struct vds_virtual_block **blocks,
				    size_t *count, struct vds_notes *notes);
/* The copy of that kind, perhaps of length 0. */
const struct vds_image_copy *vds_image_copy(const struct vds_image *image,
					    enum vds_copy_kind kind);
/* Modules that the container lists, in its order, loaded ones first. */
const struct vds_image_module *vds_image_modules(const struct vds_image *image,
						 size_t *ret_count);

/* Names for people: "lime", "1"; "aff4", "standard"; "raw", "". Borrowed. */
const char *vds_image_format_name(const struct vds_image *image);
const char *vds_image_dialect(const struct vds_image *image);
/* Path and size (bytes) of the container as opened. */
const char *vds_image_path(const struct vds_image *image);
uint64_t vds_image_file_size(const struct vds_image *image);
const struct vds_image_hints *vds_image_hints(const struct vds_image *image);
const struct vds_image_meta *vds_image_metadata(const struct vds_image *image,
						size_t *ret_count);
/* Notes recorded while opening. */
const struct vds_notes *vds_image_notes(const struct vds_image *image);
/* True once a read met the end of a file that shrank after it was opened. */
bool vds_image_shrunk(const struct vds_image *image);

#endif
