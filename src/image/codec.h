/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compressions of chunked containers behind one call, block by block.
 * snappy and lz4 are optional features of the build; the rest always works.
 */
#ifndef VDS_IMAGE_CODEC_H
#define VDS_IMAGE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vds_codec {
	VDS_CODEC_STORED,
	VDS_CODEC_ZLIB,		/* RFC 1950 */
	VDS_CODEC_DEFLATE,	/* RFC 1951, or 1950 if its header is there */
	VDS_CODEC_SNAPPY,	/* raw block */
	VDS_CODEC_LZ4,		/* raw block, with or without a u32 size before */
};
#define VDS_NUM_CODECS 5

/* "zlib"; static storage, never NULL. */
const char *vds_codec_name(enum vds_codec codec);
/* The enum value of a name ("snappy"); false if there is none. */
bool vds_codec_by_name(const char *name, enum vds_codec *ret);
/* True if this build has the codec; else its name is also the feature's. */
bool vds_codec_available(enum vds_codec codec);

/*
 * A decoder's reusable state: one per thread, zero-initialised is valid. Saves
 * an allocation of 40 KiB per zlib block.
 */
struct vds_decoder {
	void *inflate;	/* z_stream */
};
void vds_decoder_deinit(struct vds_decoder *decoder);

/*
 * Decodes one block of @in_len bytes. True if that gives at least @want and at
 * most @cap bytes, their number in *ret_len; bytes behind the end of a zlib or
 * deflate stream are ignored (some writers pad). @out may be scribbled upon in
 * any case, never past @cap.
 */
bool vds_codec_decode(struct vds_decoder *decoder, enum vds_codec codec,
		      const void *in, size_t in_len, void *out, size_t cap,
		      size_t want, size_t *ret_len);

/* Bytes that an encoded block of @len bytes may need at most. */
size_t vds_codec_bound(enum vds_codec codec, size_t len);
/*
 * Encodes one block (level as zlib's, for zlib and deflate: 1 is right for
 * memory); false if @cap is too small or the codec isn't available.
 */
bool vds_codec_encode(enum vds_codec codec, const void *in, size_t in_len,
		      void *out, size_t cap, size_t *ret_len);

#endif
