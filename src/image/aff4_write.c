/* SPDX-License-Identifier: Apache-2.0 */
#include "image/aff4_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "image/aff4_write_internal.h"

#define BATCH_BYTES ((size_t)1 << 20)

/* A GUID made of the content: version 8, "custom", of RFC 9562. */
static void make_urn(struct vds_aff4_writer *w, const struct vds_str *map,
		     const uint8_t stream[VDS_SHA256_SIZE])
{
	struct vds_sha256 hash;
	uint8_t d[VDS_SHA256_SIZE];
	uint8_t codec = (uint8_t)w->options->codec;
	vds_sha256_init(&hash);
	vds_sha256_update(&hash, stream, VDS_SHA256_SIZE);
	vds_sha256_update(&hash, map->data, map->len);
	for (size_t i = 1; i < w->num_lines; i++)
		vds_sha256_update(&hash, w->idx_lines[i].data,
				  w->idx_lines[i].len);
	vds_sha256_update(&hash, &codec, 1);
	vds_sha256_final(&hash, d);
	d[6] = (uint8_t)(0x80 | (d[6] & 0xf));
	d[8] = (uint8_t)(0x80 | (d[8] & 0x3f));
	snprintf(w->urn, sizeof(w->urn),
		 "aff4://%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x", d[0], d[1], d[2], d[3], d[4],
		 d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12], d[13],
		 d[14], d[15]);
}

static struct vds_error *add_text(struct vds_aff4_writer *w, const char *name,
				  struct vds_str *text)
{
	struct vds_error *err = text->failed ? &vds_enomem :
		vds_zip_add(&w->zip, name, text->data, text->len);
	vds_str_deinit(text);
	return err;
}

static struct vds_error *write_map(struct vds_aff4_writer *w)
{
	struct vds_str map = {0}, idx = {0}, turtle = {0}, yaml = {0};
	uint8_t digest[VDS_SHA256_SIZE];
	char hex[VDS_SHA256_HEX_SIZE];
	vds_sha256_final(&w->hash, digest);
	vds_sha256_hex(digest, hex);
	vds_aff4_build_map(w, &map);
	make_urn(w, &map, digest);
	vds_str_printf(&idx, "%s/PhysicalMemory/data\n", w->urn);
	for (size_t i = 1; i < w->num_lines; i++) {
		const struct vds_str *line = &w->idx_lines[i];
		vds_str_append(&idx, line->data, line->len);
		vds_str_putc(&idx, '\n');
		idx.failed |= line->failed;
	}
	vds_aff4_build_turtle(w, hex, &turtle);
	vds_aff4_build_yaml(w, &yaml);
	struct vds_error *err = add_text(w, "PhysicalMemory/map", &map);
	if (!err)
		err = add_text(w, "PhysicalMemory/idx", &idx);
	if (!err)
		err = add_text(w, "PhysicalMemory/information.yaml", &yaml);
	if (!err)
		err = add_text(w, "information.turtle", &turtle);
	/* The first member was written before the URN was known. */
	if (!err)
		err = vds_zip_rewrite(&w->zip, 0, w->urn, strlen(w->urn));
	vds_str_deinit(&map);
	vds_str_deinit(&idx);
	vds_str_deinit(&turtle);
	vds_str_deinit(&yaml);
	return err ? err : vds_zip_finish(&w->zip, w->urn);
}

static struct vds_error *write_volume(struct vds_aff4_writer *w)
{
	static const char version[] =
		"major=1\nminor=0\ntool=vadose " VDS_VERSION "\n";
	memset(w->urn, '0', 43);	/* as long as the URN will be */
	struct vds_error *err = vds_zip_add(&w->zip, "container.description",
					    w->urn, 43);
	if (!err)
		err = vds_zip_add(&w->zip, "version.txt", version,
				  sizeof(version) - 1);
	if (!err)
		err = vds_aff4_write_stream(w);
	return err ? err : write_map(w);
}

static struct vds_error *prepare(struct vds_aff4_writer *w)
{
	const struct vds_aff4_write_options *o = w->options;
	w->chunk_size = o->chunk_size ? o->chunk_size : 32768;
	w->chunks_per_bevy = o->chunks_per_bevy ? o->chunks_per_bevy : 1024;
	w->ranges = vds_image_ranges(w->image, &w->num_ranges);
	if (!vds_codec_available(o->codec))
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
			"this build lacks %s (build with -D%s=enabled)",
			vds_codec_name(o->codec), vds_codec_name(o->codec));
	if (!w->num_ranges)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
			"the image holds no physical memory to convert");
	if (w->chunk_size < 4096 || w->chunk_size > VDS_AFF4_CHUNK_MAX ||
	    w->chunks_per_bevy > 65536)
		return vds_error_create(VDS_ERROR_USAGE,
			"AFF4 chunks of %u bytes, %u per bevy: out of range",
			w->chunk_size, w->chunks_per_bevy);
	w->batch_chunks = VDS_MAX(BATCH_BYTES / w->chunk_size, (size_t)1);
	w->starts = calloc(w->num_ranges, sizeof(*w->starts));
	w->index = malloc((size_t)w->chunks_per_bevy * VDS_AFF4_INDEX_ENTRY);
	if (!w->starts || !w->index)
		return &vds_enomem;
	for (size_t i = 0; i < w->num_ranges; i++) {
		w->starts[i] = w->size;
		if (w->ranges[i].kind == VDS_RANGE_DATA)
			w->size += w->ranges[i].len;
	}
	if (w->size > VDS_STREAM_MAX)
		return vds_error_create(VDS_ERROR_UNSUPPORTED,
			"%llu bytes of memory: too much to write",
			(unsigned long long)w->size);
	return NULL;
}

static void deinit(struct vds_aff4_writer *w)
{
	vds_aff4_free_batches(w);
	for (size_t i = 0; i < VDS_ARRAY_SIZE(w->idx_lines); i++)
		vds_str_deinit(&w->idx_lines[i]);
	free(w->starts);
	free(w->index);
	free(w->damaged.list);
	vds_zip_writer_deinit(&w->zip);
}

struct vds_error *vds_aff4_write(const struct vds_image *image, int fd,
				 const struct vds_aff4_write_options *options,
				 struct vds_aff4_written *ret)
{
	struct vds_aff4_writer w = {.image = image, .options = options,
			   .zip = {.fd = fd}};
	vds_sha256_init(&w.hash);
	struct vds_error *err = prepare(&w);
	if (!err)
		err = write_volume(&w);
	if (!err && ret) {
		*ret = (struct vds_aff4_written){.data = w.size,
						 .size = w.zip.pos};
		for (size_t i = 0; i < w.damaged.count; i++)
			ret->damaged += w.damaged.list[i].len;
		memcpy(ret->urn, w.urn, sizeof(ret->urn));
	}
	deinit(&w);
	return err;
}
