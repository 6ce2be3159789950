/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AFF4 format: volumes, an object that is the memory, a map over streams of
 * compressed chunks. aff4_internal.h tells which file does what.
 */
#include "image/aff4_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "image/elf.h"

/* Decoded chunks for random reads; half of what a process has on top of code. */
#define CACHE_BUDGET ((size_t)64 << 20)
/* Metadata; the largest volumes seen have some MiB of it. */
#define ARENA_LIMIT ((size_t)96 << 20)

/* An archive begins with a member, or with its own end if it is empty. */
static bool is_zip_head(const uint8_t *head, size_t len)
{
	return len >= 4 && (!memcmp(head, "PK\3\4", 4) ||
			    !memcmp(head, "PK\5\6", 4));
}

static bool aff4_probe(const struct vds_file *file, const uint8_t *head,
		       size_t len)
{
	/* The second: something stands in front of the archive. */
	return is_zip_head(head, len) || vds_zip_probe(file);
}

static size_t aff4_read(const struct vds_image *image, uint64_t source,
			void *buf, size_t len, bool sequential)
{
	const struct vds_aff4 *a = image->ctx;
	size_t number = (size_t)(source >> VDS_AFF4_SOURCE_BITS);
	uint64_t offset = source &
			  ((UINT64_C(1) << VDS_AFF4_SOURCE_BITS) - 1);
	const struct vds_aff4_target *target = &a->targets[number];
	switch (target->kind) {
	case VDS_AFF4_STREAM:
		return vds_aff4_stream_read(a, number, offset, buf, len,
					    sequential);
	case VDS_AFF4_MEMBER:
		return vds_aff4_member_read(target->member, offset, buf, len,
					    sequential);
	case VDS_AFF4_BYTE:
	case VDS_AFF4_ZERO:
		vds_aff4_fill(target, offset, buf, len);
		return len;
	case VDS_AFF4_UNKNOWN:
	case VDS_AFF4_UNREADABLE:
		break;	/* their pattern must not pass for memory */
	}
	return 0;
}

/* A chunk is lost as a whole. */
static uint64_t aff4_lost(const struct vds_image *image, uint64_t source)
{
	const struct vds_aff4 *a = image->ctx;
	const struct vds_aff4_target *target =
		&a->targets[source >> VDS_AFF4_SOURCE_BITS];
	uint64_t offset = source &
			  ((UINT64_C(1) << VDS_AFF4_SOURCE_BITS) - 1);
	uint64_t unit = target->kind == VDS_AFF4_STREAM ?
				target->stream->chunk_size : VDS_PAGE_SIZE;
	return unit - offset % unit;
}

const struct vds_aff4 *vds_aff4_of(const struct vds_image *image)
{
	return image->read == aff4_read ? image->ctx : NULL;
}

void vds_aff4_symbolic(const struct vds_image *image, uint64_t source,
		       const char **ret_urn, uint64_t *ret_offset)
{
	const struct vds_aff4 *a = vds_aff4_of(image);
	if (!a)
		return;
	const struct vds_aff4_target *target =
		&a->targets[source >> VDS_AFF4_SOURCE_BITS];
	if (target->kind == VDS_AFF4_UNKNOWN)
		*ret_urn = AFF4_NS "UnknownData";
	if (target->kind == VDS_AFF4_UNKNOWN ||
	    target->kind == VDS_AFF4_UNREADABLE)
		*ret_offset = (source &
			       ((UINT64_C(1) << VDS_AFF4_SOURCE_BITS) - 1)) %
			      VDS_AFF4_PATTERN_SIZE;
}

static void aff4_pattern(const struct vds_image *image, uint64_t source,
			 void *buf, size_t len)
{
	const struct vds_aff4 *a = image->ctx;
	const struct vds_aff4_target *target =
		&a->targets[source >> VDS_AFF4_SOURCE_BITS];
	vds_aff4_fill(target, source & ((UINT64_C(1) << VDS_AFF4_SOURCE_BITS) -
					1), buf, len);
}

static void aff4_close(struct vds_image *image)
{
	struct vds_aff4 *a = image->ctx;
	for (size_t v = 0; v < a->num_volumes; v++)
		vds_aff4_volume_close(a->volumes[v]);
	vds_chunk_cache_destroy(a->cache);
	free(a);
	image->ctx = NULL;
}

static struct vds_error *map_memory(struct vds_aff4 *a, const char **ret)
{
	a->missing = NULL;
	a->num_targets = 0;
	a->core = NULL;
	a->image->num_ranges = 0;
	struct vds_error *err = vds_aff4_select(a, ret);
	return err ? err : vds_aff4_map_object(a, *ret);
}

/*
 * Maps what is there; if a part lacks, looks for it once and maps again: then
 * what was noted about the first try is of no interest.
 */
static struct vds_error *map_or_join(struct vds_aff4 *a, const char **ret)
{
	struct vds_notes *notes = &a->image->notes;
	struct vds_notes before = *notes;
	*notes = (struct vds_notes){0};
	struct vds_error *err = map_memory(a, ret), *joined = NULL;
	struct vds_notes first = *notes;
	size_t count = a->num_volumes;
	*notes = before;
	if (a->missing)
		joined = vds_aff4_join(a);
	if (joined || a->num_volumes > count) {
		vds_error_destroy(err);
		err = joined ? joined : map_memory(a, ret);
	} else {
		vds_notes_merge(notes, &first);
	}
	vds_notes_deinit(&first);
	return err;
}

/* All streams share one cache: its slots hold the largest chunk of any. */
static struct vds_error *create_cache(struct vds_aff4 *a)
{
	size_t chunk = 0;
	for (size_t i = 0; i < a->num_targets; i++) {
		if (a->targets[i].kind == VDS_AFF4_STREAM)
			chunk = VDS_MAX(chunk,
					a->targets[i].stream->chunk_size);
	}
	if (!chunk)
		return NULL;
	a->cache = vds_chunk_cache_create(chunk, CACHE_BUDGET);
	return a->cache ? NULL : &vds_enomem;
}

static const char *dialect_name(const struct vds_aff4 *a, const char *urn)
{
	switch (vds_aff4_dialect(a, urn)) {
	case VDS_AFF4_STANDARD:
		return "standard";
	case VDS_AFF4_SCUDETTE:
		return "scudette";
	case VDS_AFF4_EVIMETRY:
		return "evimetry";
	case VDS_AFF4_NO_DIALECT:
		break;
	}
	return "plain member";
}

/* The memory is a core file in a member: its ranges are of the volume's file. */
static struct vds_error *open_core(struct vds_aff4 *a, const char *urn)
{
	struct vds_image *image = a->image;
	struct vds_aff4_member *m = a->core;
	uint64_t data;
	if (!m->zip || m->zip->method != VDS_ZIP_STORED ||
	    m->volume->file != image->file)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
			"<%s> is an ELF core: unzip it and open that file",
			urn);
	struct vds_error *err = vds_zip_locate(&m->volume->zip, m->zip, &data);
	if (!err)
		err = vds_aff4_add_meta(a, urn);
	image->read = NULL;
	image->lost = NULL;
	image->pattern = NULL;
	if (!err)
		err = vds_error_prefix(vds_elf_open_at(image, data, m->size),
				       "<%s>", urn);
	image->dialect = "ELF core in a member";
	return err;
}

static struct vds_error *open_memory(struct vds_aff4 *a)
{
	const char *urn;
	struct vds_error *err = map_or_join(a, &urn);
	if (err)
		return err;
	if (a->core)
		return open_core(a, urn);
	if (!a->image->num_ranges)
		return vds_error_create(VDS_ERROR_NOT_AN_IMAGE,
			"<%s>: nothing in it is mapped to an address", urn);
	a->image->dialect = dialect_name(a, urn);
	err = create_cache(a);
	return err ? err : vds_aff4_add_meta(a, urn);
}

static struct vds_error *aff4_open(struct vds_image *image)
{
	static atomic_uint_fast64_t next_id = 1;
	struct vds_aff4 *a = calloc(1, sizeof(*a));
	if (!a)
		return &vds_enomem;
	a->image = image;
	a->id = atomic_fetch_add(&next_id, 1);
	image->ctx = a;
	image->close = aff4_close;
	image->read = aff4_read;
	image->lost = aff4_lost;
	image->pattern = aff4_pattern;
	image->arena.limit = ARENA_LIMIT;
	struct vds_error *err = vds_aff4_volume_open(a, image->path,
						     image->file, false);
	return err ? err : open_memory(a);
}

const struct vds_image_format vds_format_aff4 = {
	.name = "aff4",
	.summary = "AFF4 volume (zip or directory)",
	.probe = aff4_probe,
	.open = aff4_open,
	.directories = true,
};
