/* SPDX-License-Identifier: Apache-2.0 */
#include "image/codec.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/bytes.h"
#include "base/util.h"
#include "config.h"
#include "image/snappy.h"

#if HAVE_LZ4
#include <lz4.h>
#endif

static const char *const names[VDS_NUM_CODECS] = {
	[VDS_CODEC_STORED] = "stored",
	[VDS_CODEC_ZLIB] = "zlib",
	[VDS_CODEC_DEFLATE] = "deflate",
	[VDS_CODEC_SNAPPY] = "snappy",
	[VDS_CODEC_LZ4] = "lz4",
};

const char *vds_codec_name(enum vds_codec codec)
{
	return (size_t)codec < VDS_NUM_CODECS ? names[codec] : "unknown";
}

bool vds_codec_by_name(const char *name, enum vds_codec *ret)
{
	for (size_t i = 0; i < VDS_NUM_CODECS; i++) {
		if (!strcmp(names[i], name)) {
			*ret = (enum vds_codec)i;
			return true;
		}
	}
	return false;
}

bool vds_codec_available(enum vds_codec codec)
{
	switch (codec) {
	case VDS_CODEC_SNAPPY:
		return vds_snappy_available();
	case VDS_CODEC_LZ4:
		return HAVE_LZ4;
	case VDS_CODEC_STORED:
	case VDS_CODEC_ZLIB:
	case VDS_CODEC_DEFLATE:
		break;
	}
	return true;
}

void vds_decoder_deinit(struct vds_decoder *decoder)
{
	if (decoder->inflate) {
		inflateEnd(decoder->inflate);
		free(decoder->inflate);
		decoder->inflate = NULL;
	}
}

/* The thread's z_stream, made ready for a stream with @bits; NULL if not. */
static z_stream *get_inflate(struct vds_decoder *decoder, int bits)
{
	z_stream *z = decoder->inflate;
	if (z)
		return inflateReset2(z, bits) == Z_OK ? z : NULL;
	z = calloc(1, sizeof(*z));
	if (z && inflateInit2(z, bits) == Z_OK) {
		decoder->inflate = z;
		return z;
	}
	free(z);
	return NULL;
}

static bool decode_inflate(struct vds_decoder *decoder, int bits,
			   const void *in, size_t in_len, void *out, size_t cap,
			   size_t want, size_t *ret_len)
{
	z_stream *z = get_inflate(decoder, bits);
	if (!z)
		return false;
	z->next_in = (Bytef *)in;
	z->avail_in = (uInt)in_len;
	z->next_out = out;
	z->avail_out = (uInt)cap;
	if (inflate(z, Z_FINISH) != Z_STREAM_END || cap - z->avail_out < want)
		return false;
	*ret_len = cap - z->avail_out;
	return true;
}

/* CMF and FLG of RFC 1950: method 8, check bits, no preset dictionary. */
static bool has_zlib_header(const uint8_t *in, size_t len)
{
	return len >= 2 && (in[0] & 0xf) == 8 && in[0] >> 4 <= 7 &&
	       (in[0] << 8 | in[1]) % 31 == 0 && !(in[1] & 0x20);
}

static bool decode_deflate(struct vds_decoder *decoder, const void *in,
			   size_t in_len, void *out, size_t cap, size_t want,
			   size_t *ret_len)
{
	/* Two bytes of raw deflate look like this header once in a while. */
	return (has_zlib_header(in, in_len) &&
		decode_inflate(decoder, MAX_WBITS, in, in_len, out, cap, want,
			       ret_len)) ||
	       decode_inflate(decoder, -MAX_WBITS, in, in_len, out, cap, want,
			      ret_len);
}

#if HAVE_LZ4
/*
 * pyaff4 puts the size in front of the block, as python-lz4 does. Tried first:
 * such a size can pass for the start of a block, but nothing that isn't one
 * decodes to exactly the size that it names.
 */
static bool decode_lz4(const void *in, size_t in_len, void *out, size_t cap,
		       size_t want, size_t *ret_len)
{
	int n = -1;
	if (in_len > INT_MAX || cap > INT_MAX)
		return false;
	if (in_len > 4 && vds_le32(in) <= cap && vds_le32(in) >= want) {
		n = LZ4_decompress_safe((const char *)in + 4, out,
					(int)in_len - 4, (int)cap);
		if (n >= 0 && (uint32_t)n != vds_le32(in))
			n = -1;
	}
	if (n < 0)
		n = LZ4_decompress_safe(in, out, (int)in_len, (int)cap);
	if (n < 0 || (size_t)n < want)
		return false;
	*ret_len = (size_t)n;
	return true;
}
#endif

bool vds_codec_decode(struct vds_decoder *decoder, enum vds_codec codec,
		      const void *in, size_t in_len, void *out, size_t cap,
		      size_t want, size_t *ret_len)
{
	if (in_len > UINT_MAX || cap > UINT_MAX)
		return false;
	switch (codec) {
	case VDS_CODEC_STORED:
		if (in_len < want)
			return false;
		*ret_len = VDS_MIN(in_len, cap);
		memcpy(out, in, *ret_len);
		return true;
	case VDS_CODEC_ZLIB:
		return decode_inflate(decoder, MAX_WBITS, in, in_len, out, cap,
				      want, ret_len);
	case VDS_CODEC_DEFLATE:
		return decode_deflate(decoder, in, in_len, out, cap, want,
				      ret_len);
	case VDS_CODEC_SNAPPY:
		return vds_snappy_decode(in, in_len, out, cap, want, ret_len);
	case VDS_CODEC_LZ4:
#if HAVE_LZ4
		return decode_lz4(in, in_len, out, cap, want, ret_len);
#else
		break;
#endif
	}
	return false;
}

size_t vds_codec_bound(enum vds_codec codec, size_t len)
{
	/* The largest of all of them: snappy's, len + len / 6 + 32. */
	return codec == VDS_CODEC_STORED ? len : len + len / 6 + 64;
}

/* Level 1: memory is full of easy matches, and acquisition speed matters. */
#define LEVEL 1

static bool encode_deflate(int bits, const void *in, size_t in_len, void *out,
			   size_t cap, size_t *ret_len)
{
	z_stream z = {
		.next_in = (Bytef *)in,
		.avail_in = (uInt)in_len,
		.next_out = out,
		.avail_out = (uInt)cap,
	};
	if (deflateInit2(&z, LEVEL, Z_DEFLATED, bits, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	bool done = deflate(&z, Z_FINISH) == Z_STREAM_END;
	*ret_len = cap - z.avail_out;
	deflateEnd(&z);
	return done;
}

bool vds_codec_encode(enum vds_codec codec, const void *in, size_t in_len,
		      void *out, size_t cap, size_t *ret_len)
{
	if (in_len > INT_MAX || cap > INT_MAX)
		return false;
	switch (codec) {
	case VDS_CODEC_STORED:
		if (cap < in_len)
			return false;
		memcpy(out, in, in_len);
		*ret_len = in_len;
		return true;
	case VDS_CODEC_ZLIB:
		return encode_deflate(MAX_WBITS, in, in_len, out, cap, ret_len);
	case VDS_CODEC_DEFLATE:
		return encode_deflate(-MAX_WBITS, in, in_len, out, cap,
				      ret_len);
	case VDS_CODEC_SNAPPY:
		return vds_snappy_encode(in, in_len, out, cap, ret_len);
	case VDS_CODEC_LZ4: {
#if HAVE_LZ4
		int n = LZ4_compress_default(in, out, (int)in_len, (int)cap);
		*ret_len = (size_t)n;
		return n > 0;
#else
		break;
#endif
	}
	}
	return false;
}
