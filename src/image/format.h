/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container format supplies: one file with a probe and an open
 * function, and one line in the table of image.c.
 */
#ifndef VDS_IMAGE_FORMAT_H
#define VDS_IMAGE_FORMAT_H

#include "base/arena.h"
#include "base/file.h"
#include "image/image.h"
#include "image/ranges.h"

/*
 * An image under construction, and afterwards the image itself. A format's
 * open() adds ranges (any order; vds_image_open() sorts and resolves them
 * afterwards) and fills in what it knows. Strings live in `arena`; the arrays
 * that grow (ranges, blocks, meta) come from malloc and are freed with it.
 */
struct vds_image {
	struct vds_arena arena;
	struct vds_notes notes;
	struct vds_file *file;		/* NULL for a directory volume */
	/* The file that was opened, if `file` has replaced it; else NULL. */
	struct vds_file *container;
	const char *path;
	/* What vds_image_open() was given, never NULL; only while it runs. */
	const struct vds_image_options *options;
	const char *format;		/* set by vds_image_open() */
	const char *dialect;		/* "" if there is only one */
	struct vds_range *ranges;
	size_t num_ranges, cap_ranges;
	struct vds_range_index index;	/* over ranges, made after open() */
	bool sparse;			/* `file` has holes; set after open() */
	/*
	 * Bytes of the decoded stream (address 0 up to here) where the
	 * container says so, else 0: the end of the last range.
	 */
	uint64_t stream_size;
	struct vds_virtual_block *blocks;
	size_t num_blocks, cap_blocks;
	struct vds_image_copy copies[VDS_NUM_COPIES];
	struct vds_image_module *modules;	/* in `arena` */
	size_t num_modules;
	struct vds_image_meta *meta;
	size_t num_meta, cap_meta;
	struct vds_image_hints hints;
	/*
	 * Reads @len bytes at container position @source (a range's source plus
	 * the distance from its start) into @buf; returns how many there were:
	 * fewer only where the container is damaged (a corrupt chunk), which
	 * reads as BAD_DATA. Never asked across the end of a range.
	 * NULL: positions are offsets of `file`. @sequential asks not to
	 * disturb random-read caches. Thread-safe.
	 */
	size_t (*read)(const struct vds_image *image, uint64_t source,
		       void *buf, size_t len, bool sequential);
	/*
	 * After read() gave nothing at @source: how many bytes from there on
	 * are lost with it (the rest of a chunk). NULL: the rest of the page.
	 */
	uint64_t (*lost)(const struct vds_image *image, uint64_t source);
	/*
	 * Fills @buf with what the container's specification gives for an
	 * UNREADABLE range at @source (the standard's pattern bytes): only for
	 * hashes that must equal other tools', never for analysis. NULL: zeros.
	 */
	void (*pattern)(const struct vds_image *image, uint64_t source,
			void *buf, size_t len);
	/* Frees `ctx`. May be NULL. */
	void (*close)(struct vds_image *image);
	void *ctx;
};

struct vds_image_format {
	const char *name;	/* "lime" */
	const char *summary;	/* "LiME v1 memory dump" */
	/*
	 * Looks at the first bytes (up to 4096, fewer in a short file) and the
	 * path; true = this format's open() shall judge the file.
	 */
	bool (*probe)(const struct vds_file *file, const uint8_t *head,
		      size_t len);
	/*
	 * Fills @image (file is open, arena ready). VDS_ERROR_NOT_MINE hands
	 * the file to the next format. Messages don't name the file: that
	 * prefix is added by vds_image_open(). What open() allocated is freed
	 * by image->close also when open() fails.
	 */
	struct vds_error *(*open)(struct vds_image *image);
	/* True: open() takes directories too, with image->file NULL. */
	bool directories;
};

/* Bytes from @pa in @range on that are damaged, to go on behind them. */
uint64_t vds_image_lost(const struct vds_image *image,
			const struct vds_range *range, uint64_t pa);
/*
 * Makes @file (owned from here on) the one that positions refer to: the .vmem
 * beside a .vmss, the unpacked content of a wrapper.
 */
void vds_image_replace_file(struct vds_image *image, struct vds_file *file);
/*
 * For a wrapper's open(), after vds_image_replace_file(): opens the content as
 * any format but @wrapper.
 */
struct vds_error *vds_image_open_inner(struct vds_image *image,
				       const struct vds_image_format *wrapper);

/*
 * Adds a range; overlap (the first added wins, with a note) and order are
 * resolved later. len 0 is dropped; VDS_ERROR_FORMAT beyond 2^52.
 */
struct vds_error *vds_image_add_range(struct vds_image *image, uint64_t pa,
				      uint64_t len, uint64_t source,
				      enum vds_range_kind kind);
/*
 * Adds a block of virtual memory. Order and overlap are resolved later as with
 * ranges, but without a note: blocks of one memory say the same.
 * VDS_ERROR_FORMAT if it wraps around.
 */
struct vds_error *vds_image_add_block(struct vds_image *image, uint64_t va,
				      uint64_t len, uint64_t source);
/* Copies both strings; @value is made valid UTF-8. */
struct vds_error *vds_image_add_meta(struct vds_image *image, const char *key,
				     const char *value);

#endif
