/* SPDX-License-Identifier: Apache-2.0 */
#include "image/image.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "base/util.h"
#include "image/format.h"

extern const struct vds_image_format vds_format_aff4;
extern const struct vds_image_format vds_format_avml;
extern const struct vds_image_format vds_format_dump;
extern const struct vds_image_format vds_format_elf;
extern const struct vds_image_format vds_format_foreign;
extern const struct vds_image_format vds_format_lime;
extern const struct vds_image_format vds_format_raw;
extern const struct vds_image_format vds_format_vmware;
extern const struct vds_image_format vds_format_wrapper;

/* In order of detection: magic numbers first, raw takes what is left. */
static const struct vds_image_format *const formats[] = {
	&vds_format_lime,
	&vds_format_avml,
	&vds_format_dump,
	&vds_format_aff4,
	&vds_format_elf,
	&vds_format_vmware,
	&vds_format_foreign,
	&vds_format_wrapper,
	&vds_format_raw,
};

bool vds_image_format_info(size_t i, struct vds_image_format_info *ret)
{
	if (i >= VDS_ARRAY_SIZE(formats))
		return false;
	*ret = (struct vds_image_format_info){formats[i]->name,
					      formats[i]->summary};
	return true;
}

/* Doubles an array of malloc; false when out of memory. */
static bool grow(void *array, size_t *cap, size_t size)
{
	size_t more = *cap ? *cap * 2 : 16;
	void *bigger = realloc(*(void **)array, more * size);
	if (!bigger)
		return false;
	*(void **)array = bigger;
	*cap = more;
	return true;
}

struct vds_error *vds_image_add_range(struct vds_image *image, uint64_t pa,
				      uint64_t len, uint64_t source,
				      enum vds_range_kind kind)
{
	uint64_t end;
	if (!len)
		return NULL;
	if (!vds_add_u64(pa, len, &end) || end > VDS_PA_LIMIT)
		return vds_error_create(VDS_ERROR_FORMAT,
					"range at physical 0x%llx, length 0x%llx: beyond the 52 bits of a physical address",
					(unsigned long long)pa,
					(unsigned long long)len);
	struct vds_range range = {pa, len, source, kind};
	struct vds_range *last = image->num_ranges ?
		&image->ranges[image->num_ranges - 1] : NULL;
	if (last && vds_range_continues(last, &range)) {
		last->len += len;
		return NULL;
	}
	if (image->num_ranges >= VDS_RANGES_MAX)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"more than %zu separate ranges",
					VDS_RANGES_MAX);
	if (image->num_ranges == image->cap_ranges &&
	    !grow(&image->ranges, &image->cap_ranges, sizeof(*image->ranges)))
		return &vds_enomem;
	image->ranges[image->num_ranges++] = range;
	return NULL;
}

struct vds_error *vds_image_add_block(struct vds_image *image, uint64_t va,
				      uint64_t len, uint64_t source)
{
	uint64_t end;
	if (!len)
		return NULL;
	if (!vds_add_u64(va, len, &end))
		return vds_error_create(VDS_ERROR_FORMAT,
					"block at virtual 0x%llx, length 0x%llx: wraps around",
					(unsigned long long)va,
					(unsigned long long)len);
	if (image->num_blocks >= VDS_RANGES_MAX)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
					"more than %zu memory blocks",
					VDS_RANGES_MAX);
	if (image->num_blocks == image->cap_blocks &&
	    !grow(&image->blocks, &image->cap_blocks, sizeof(*image->blocks)))
		return &vds_enomem;
	image->blocks[image->num_blocks++] =
		(struct vds_virtual_block){va, len, source};
	return NULL;
}

struct vds_error *vds_image_add_meta(struct vds_image *image, const char *key,
				     const char *value)
{
	struct vds_str clean = {0};
	if (image->num_meta == image->cap_meta &&
	    !grow(&image->meta, &image->cap_meta, sizeof(*image->meta)))
		return &vds_enomem;
	vds_str_put_utf8(&clean, value, strlen(value));
	const char *text = vds_str_cstr(&clean);
	struct vds_image_meta meta = {
		.key = vds_arena_strdup(&image->arena, key),
		.value = text ? vds_arena_strdup(&image->arena, text) : NULL,
	};
	vds_str_deinit(&clean);
	if (!meta.key || !meta.value)
		return &vds_enomem;
	image->meta[image->num_meta++] = meta;
	return NULL;
}

/* Undoes what a format's open() did before it declined or failed. */
static void reset(struct vds_image *image)
{
	if (image->close)
		image->close(image);
	free(image->ranges);
	free(image->blocks);
	free(image->meta);
	vds_range_index_deinit(&image->index);
	vds_notes_deinit(&image->notes);
	struct vds_arena arena = image->arena;
	*image = (struct vds_image){
		.arena = arena, .file = image->file,
		.container = image->container, .path = image->path,
		.format = image->format, .dialect = "",
		.options = image->options,
	};
}

void vds_image_close(struct vds_image *image)
{
	if (!image)
		return;
	reset(image);
	vds_file_close(image->file);
	vds_file_close(image->container);
	vds_arena_deinit(&image->arena);
	free(image);
}

static struct vds_error *open_as(struct vds_image *image,
				 const struct vds_image_format *format)
{
	image->format = format->name;
	struct vds_error *err = format->open(image);
	if (err)
		reset(image);
	return err;
}

static struct vds_error *open_forced(struct vds_image *image, const char *name)
{
	for (size_t i = 0; i < VDS_ARRAY_SIZE(formats); i++) {
		if (strcmp(formats[i]->name, name))
			continue;
		struct vds_error *err =
			image->file || formats[i]->directories ?
			open_as(image, formats[i]) :
			vds_error_create(VDS_ERROR_NOT_MINE, " ");
		if (vds_error_catch(err, VDS_ERROR_NOT_MINE))
			return vds_error_create(VDS_ERROR_NOT_AN_IMAGE,
						"not a %s file", name);
		return err;
	}
	return vds_error_create(VDS_ERROR_USAGE, "unknown image format \"%s\"",
				name);
}

static struct vds_error *open_detected(struct vds_image *image,
				       const struct vds_image_format *except)
{
	uint8_t head[4096];
	size_t len = image->file ? vds_file_pread(image->file, 0, head,
						  sizeof(head)) : 0;
	for (size_t i = 0; i < VDS_ARRAY_SIZE(formats); i++) {
		if (formats[i] == except ||
		    (image->file ? !formats[i]->probe(image->file, head, len) :
				   !formats[i]->directories))
			continue;
		struct vds_error *err = open_as(image, formats[i]);
		if (!vds_error_catch(err, VDS_ERROR_NOT_MINE))
			return err;
	}
	return vds_error_create(VDS_ERROR_NOT_AN_IMAGE,
				"not a memory image in any known format");
}

void vds_image_replace_file(struct vds_image *image, struct vds_file *file)
{
	if (image->container)
		vds_file_close(image->file);
	else
		image->container = image->file;
	image->file = file;
}

struct vds_error *vds_image_open_inner(struct vds_image *image,
				       const struct vds_image_format *wrapper)
{
	return open_detected(image, wrapper);
}

/* Some format must want directories, or the usual error says what it is. */
static struct vds_error *open_path(struct vds_image *image)
{
	struct stat st;
	image->path = vds_arena_strdup(&image->arena, image->path);
	if (!image->path)
		return &vds_enomem;
	if (!stat(image->path, &st) && S_ISDIR(st.st_mode)) {
		for (size_t i = 0; i < VDS_ARRAY_SIZE(formats); i++) {
			if (formats[i]->directories)
				return NULL;
		}
	}
	return vds_file_open(image->path, &image->file);
}

static struct vds_error *finish(struct vds_image *image)
{
	struct vds_error *err = vds_ranges_finish(&image->ranges,
						  &image->num_ranges,
						  &image->notes);
	if (!err)
		err = vds_range_index_init(&image->index, image->ranges,
					   image->num_ranges);
	if (!err)
		err = vds_blocks_finish(&image->blocks, &image->num_blocks,
					NULL);
	image->sparse = image->file && vds_file_next_hole(image->file, 0) <
					       vds_file_size(image->file);
	return err;
}

/* Only one format holds several memories. */
static struct vds_error *check_object(const struct vds_image *image)
{
	if (!image->options->object || !strcmp(image->format, "aff4"))
		return NULL;
	return vds_error_create(VDS_ERROR_USAGE,
				"--object: a container of format %s holds one memory only",
				image->format);
}

struct vds_error *vds_image_open(const char *path,
				 const struct vds_image_options *options,
				 struct vds_image **ret)
{
	static const struct vds_image_options none;
	struct vds_image *image = calloc(1, sizeof(*image));
	if (!image)
		return &vds_enomem;
	image->dialect = "";
	image->path = path;
	image->options = options ? options : &none;
	struct vds_error *err = open_path(image);
	if (!err) {
		err = image->options->format ?
			      open_forced(image, image->options->format) :
			      open_detected(image, NULL);
		if (!err)
			err = check_object(image);
		if (!err)
			err = finish(image);
		err = vds_error_prefix(err, "%s", path);
	}
	image->options = NULL;
	if (err) {
		vds_image_close(image);
		return err;
	}
	*ret = image;
	return NULL;
}

const struct vds_range *vds_image_ranges(const struct vds_image *image,
					 size_t *ret_count)
{
	*ret_count = image->num_ranges;
	return image->ranges;
}

const struct vds_range *vds_image_range_at(const struct vds_image *image,
					   uint64_t pa)
{
	size_t i = vds_range_index_find(&image->index, image->ranges,
					image->num_ranges, pa);
	if (i == image->num_ranges || pa < image->ranges[i].pa)
		return NULL;
	return &image->ranges[i];
}

uint64_t vds_image_end(const struct vds_image *image)
{
	return image->index.end;
}

uint64_t vds_image_stream_size(const struct vds_image *image)
{
	return image->stream_size ? image->stream_size : image->index.end;
}

const struct vds_virtual_block *
vds_image_virtual_blocks(const struct vds_image *image, size_t *ret_count)
{
	*ret_count = image->num_blocks;
	return image->blocks;
}

const struct vds_image_copy *vds_image_copy(const struct vds_image *image,
					    enum vds_copy_kind kind)
{
	return &image->copies[kind];
}

const struct vds_image_module *vds_image_modules(const struct vds_image *image,
						 size_t *ret_count)
{
	*ret_count = image->num_modules;
	return image->modules;
}

const char *vds_image_format_name(const struct vds_image *image)
{
	return image->format;
}

const char *vds_image_dialect(const struct vds_image *image)
{
	return image->dialect;
}

const char *vds_image_path(const struct vds_image *image)
{
	return image->path;
}

uint64_t vds_image_file_size(const struct vds_image *image)
{
	const struct vds_file *file = image->container ? image->container :
							 image->file;
	return file ? vds_file_size(file) : 0;
}

const struct vds_image_hints *vds_image_hints(const struct vds_image *image)
{
	return &image->hints;
}

const struct vds_image_meta *vds_image_metadata(const struct vds_image *image,
						size_t *ret_count)
{
	*ret_count = image->num_meta;
	return image->meta;
}

const struct vds_notes *vds_image_notes(const struct vds_image *image)
{
	return &image->notes;
}

bool vds_image_shrunk(const struct vds_image *image)
{
	return image->file && vds_file_shrunk(image->file);
}
